/* Any bytes as a file of a tokenizer. The first byte says which file, and which vocabulary is asked for; the
 * other files of the directory are small and whole. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../arch/vocab/vocab_ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int xlmroberta(struct qfs_conversion *c, const struct qfs_json *h, struct qfs_error *e)
{
    return qfs_vocab_xlmroberta(c, h, false, e);
}

static int mistral(struct qfs_conversion *c, const struct qfs_json *h, struct qfs_error *e)
{
    return qfs_vocab_mistral(c, true, e);
}

static int kimi(struct qfs_conversion *c, const struct qfs_json *h, struct qfs_error *e)
{
    return qfs_vocab_deepseek2(c, h, true, e);
}

static const struct {
    const char *file;
    int (*run)(struct qfs_conversion *, const struct qfs_json *, struct qfs_error *);
} kinds[] = {
    {"tokenizer.json", qfs_vocab_llama},
    {"tokenizer.json", xlmroberta},
    {"tokenizer.json", qfs_vocab_bert},
    {"tokenizer.model", qfs_vocab_sentencepiece},
    {"tokenizer.model", qfs_vocab_internlm2},
    {"tokenizer.model", qfs_vocab_t5},
    {"sentencepiece.bpe.model", xlmroberta},
    {"tekken.json", mistral},
    {"tiktoken.model", kimi},
    {"rwkv_vocab_v20230424.txt", qfs_vocab_rwkv_world},
    {"tokenizer.jsonl", qfs_vocab_plamo},
    {"tokenizer_config.json", qfs_vocab_gpt2},
};

static const char config_text[] =
    "{\"model_type\":\"xlm-roberta\",\"vocab_size\":900,\"eos_token_id\":2}";

static void put(int dir, const char *name, const void *data, size_t size)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || qfs_pwrite_full(fd, data, size, 0) < 0)
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "/tmp/quantfs-fuzz-XXXXXX";
    struct qfs_error error = {0};
    struct qfs_arena arena = {0};
    struct qfs_model model = {.path = path, .name = path, .pre = "qwen2"};
    struct qfs_conversion conversion = {.model = &model, .arch = "llama"};
    static const struct qfs_json text = {.kind = QFS_JSON_OBJECT};
    if (size == 0)
        return 0;
    const char *file = kinds[data[0] % QFS_COUNT(kinds)].file;
    if (!mkdtemp(path) || (model.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        abort();
    model.config_raw = model.config = &text;
    if (qfs_json_parse(&arena, config_text, sizeof(config_text) - 1, "config.json", &model.config,
                       &error) < 0)
        abort();
    model.config_raw = model.config;
    conversion.kvs.arena = &conversion.arena;
    put(model.dir_fd, file, data + 1, size - 1);
    if (kinds[data[0] % QFS_COUNT(kinds)].run(&conversion, model.config, &error) < 0 &&
        !error.text[0])
        abort(); /* a refusal says why */
    unlinkat(model.dir_fd, file, 0);
    close(model.dir_fd);
    rmdir(path);
    qfs_arena_done(&conversion.arena);
    qfs_arena_done(&arena);
    return 0;
}
