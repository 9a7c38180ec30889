/* vocab_dump METHOD MODEL_DIR: the keys that a vocabulary method writes, one a line, in order: key,
 * type, then the value (arrays: item type, count, SHA-256 of the encoded items; strings: SHA-256 when
 * long), or "error: ...".
 * vocab_dump tokenizer MODEL_DIR [SAMPLES.json]: the tokenizer itself: class, fingerprint, tokens, and
 * ids and decoded text of each sample.
 * vocab_dump [SAMPLES.json]: answers lines "METHOD<TAB>MODEL_DIR" from stdin, each answer ending with a
 * line "end". scripts/vocab-reference.py does the same with the reference. */
#include "../arch/converter.h"
#include "../arch/vocab/tokenizer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int method_fn(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error);

static method_fn dump_tokenizer, dump_special, run_none, run_gpt_neox, run_llama_spm, run_mistral,
    run_xlmroberta, run_gemma4, run_llama_hf, run_hunyuan, run_hunyuan_moe, run_deepseek2, run_kimi,
    run_llada;
static const char *samples_path; /* of the method "tokenizer" */

static const struct {
    const char *name;
    method_fn *run;
} methods[] = {
    {"llama", qfs_vocab_llama},
    {"gpt2", qfs_vocab_gpt2},
    {"sentencepiece", qfs_vocab_sentencepiece},
    {"sentencepiece_or_gpt2", qfs_vocab_sentencepiece_or_gpt2},
    {"bert", qfs_vocab_bert},
    {"none", run_none},
    {"whitespace", qfs_vocab_whitespace},
    {"glm", qfs_vocab_glm},
    {"glmedge", qfs_vocab_glmedge},
    {"interns1", qfs_vocab_interns1},
    {"qwen", qfs_vocab_qwen},
    {"rwkv_world", qfs_vocab_rwkv_world},
    {"gpt-neox", run_gpt_neox},
    {"llama-spm", run_llama_spm},
    {"mistral", run_mistral},
    {"plamo", qfs_vocab_plamo},
    {"xlmroberta", run_xlmroberta},
    {"t5", qfs_vocab_t5},
    {"phi3", qfs_vocab_phi3},
    {"internlm2", qfs_vocab_internlm2},
    {"internlm3", qfs_vocab_internlm3},
    {"arctic", qfs_vocab_arctic},
    {"xverse", qfs_vocab_xverse},
    {"chatglm", qfs_vocab_chatglm},
    {"llama_hf", run_llama_hf},
    {"gemma4", run_gemma4},
    {"hunyuan", run_hunyuan},
    {"hunyuan_moe", run_hunyuan_moe},
    {"deepseek2", run_deepseek2},
    {"kimi", run_kimi},
    {"llada", run_llada},
    {"tokenizer", dump_tokenizer},
    {"special", dump_special},
};

static const char *const type_names[QFS_KV_TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

static void print_digest(const uint8_t *data, size_t size)
{
    struct qfs_sha256 *sha = qfs_sha256_new();
    char hex[65] = "?";
    if (sha) {
        qfs_sha256_update(sha, data, size);
        qfs_sha256_hex(sha, hex);
    }
    qfs_sha256_free(sha);
    printf("%s", hex);
}

static void print_plain(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", data[i]);
}

static void print_kv(const struct qfs_kv *kv)
{
    printf("%s %s ", kv->key, type_names[kv->type]);
    if (kv->type == QFS_KV_ARRAY) {
        uint32_t type;
        uint64_t count;
        memcpy(&type, kv->data, 4);
        memcpy(&count, kv->data + 4, 8);
        printf("%s %llu ", type_names[type], (unsigned long long)count);
        print_digest(kv->data + 12, kv->size - 12);
    } else if (kv->type == QFS_KV_STRING) {
        size_t size = kv->size - 8;
        bool plain = size < 64;
        for (size_t i = 0; i < size && plain; i++)
            plain = kv->data[8 + i] > ' ' && kv->data[8 + i] < 127;
        if (plain)
            printf("%.*s", (int)size, (const char *)kv->data + 8);
        else
            print_digest(kv->data + 8, size);
    } else {
        print_plain(kv->data, kv->size);
    }
    putchar('\n');
}

/* SpecialVocab alone, with merges */
static int dump_special(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    struct qfs_special_vocab special;
    struct qfs_arena arena = {0};
    int rc =
        qfs_special_vocab_load(&special, &arena, conversion->model, NULL, true, NULL, -1, error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_arena_done(&arena);
    return rc;
}

static int run_none(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error)
{
    return qfs_vocab_none(conversion, error);
}

static int run_builtin(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       const char *name, struct qfs_error *error)
{
    int64_t size = -1;
    qfs_json_int(qfs_json_get(hparams, "vocab_size"), &size);
    return qfs_vocab_builtin(conversion, name, size, error);
}

static int run_gpt_neox(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    return run_builtin(conversion, hparams, "gpt-neox", error);
}

static int run_llama_spm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error)
{
    return run_builtin(conversion, hparams, "llama-spm", error);
}

static int run_mistral(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    return qfs_vocab_mistral(conversion, false, error);
}

static int run_xlmroberta(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                          struct qfs_error *error)
{
    return qfs_vocab_xlmroberta(conversion, hparams, false, error);
}

static int run_gemma4(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error)
{
    return qfs_vocab_gemma4(conversion, error);
}

static int run_llama_hf(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    return qfs_vocab_llama_hf(conversion, error);
}

static int run_hunyuan(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    return qfs_vocab_hunyuan(conversion, hparams, false, error);
}

static int run_hunyuan_moe(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                           struct qfs_error *error)
{
    return qfs_vocab_hunyuan(conversion, hparams, true, error);
}

static int run_deepseek2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error)
{
    return qfs_vocab_deepseek2(conversion, hparams, false, error);
}

static int run_kimi(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error)
{
    return qfs_vocab_deepseek2(conversion, hparams, true, error);
}

static int run_llada(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                     struct qfs_error *error)
{
    static const struct qfs_vocab_way way = {.added = QFS_VOCAB_ADDED_PLAIN};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

static void print_texts(const struct qfs_tokens *tokens)
{
    struct qfs_buffer all = {0};
    for (size_t i = 0; i < tokens->count; i++) {
        qfs_buffer_append(&all, tokens->texts[i].data, tokens->texts[i].size);
        qfs_buffer_printf(&all, "\n%d\n", (int)tokens->types[i]);
    }
    printf("tokens %zu ", tokens->count);
    print_digest(all.data, all.size);
    putchar('\n');
    qfs_buffer_done(&all);
}

static int print_sample(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_ids *ids,
                        struct qfs_error *error)
{
    struct qfs_text back;
    for (int special = 1; special >= 0; special--) {
        int rc = qfs_tokenizer_encode(t, text, special, ids, error);
        if (rc < 0)
            return rc;
        printf("%s", special ? "ids" : "plain");
        for (size_t i = 0; i < ids->count; i++)
            printf(" %u", ids->items[i]);
        putchar('\n');
    }
    int rc = qfs_tokenizer_decode(t, ids, &back, error);
    if (rc < 0)
        return rc;
    printf("text ");
    print_plain((const uint8_t *)back.data, back.size);
    putchar('\n');
    return 0;
}

static int dump_tokenizer(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                          struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    struct qfs_ids ids = {0};
    const struct qfs_json *samples = NULL;
    const char *name;
    char hex[65];
    int rc = qfs_tokenizer_open(conversion->model, &t, error);
    if (rc == 0) {
        printf("class %s\n", t->class_name);
        rc = qfs_vocab_fingerprint(t, hex, &name, error);
    }
    if (rc == 0) {
        printf("fingerprint %s\n", hex);
        rc = qfs_vocab_tokens(t, hparams, &arena, &tokens, error);
    }
    for (size_t i = 0; i < tokens.count && rc == 0; i++)
        if (!tokens.texts[i].data)
            tokens.texts[i] = qfs_text_of(qfs_arena_printf(&arena, "[PAD%zu]", i));
    if (rc == 0) {
        print_texts(&tokens);
        if (samples_path)
            rc = qfs_json_read(&arena, AT_FDCWD, samples_path, 1 << 20, samples_path, &samples,
                               error);
    }
    for (size_t i = 0; samples && i < samples->count && rc == 0; i++)
        rc = print_sample(t, qfs_json_text(&samples->items[i]), &ids, error);
    free(ids.items);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}

/* The keys of one model directory; 0 or 1. */
static int dump(method_fn *run, char *path)
{
    struct qfs_error error = {0};
    struct qfs_arena arena = {0};
    struct qfs_model model = {.dir_fd = -1, .path = path, .pre = getenv("QUANTFS_PRE")};
    struct qfs_conversion conversion = {.model = &model, .arch = "llama"};
    int rc = 1;
    conversion.kvs.arena = &conversion.arena;
    model.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (model.dir_fd < 0) {
        printf("error: %s\n", path);
        return 1;
    }
    model.name = basename(path);
    if (qfs_config_load(&model, &error) < 0)
        goto out;
    /* Not config: what AutoConfig makes of the numbers is not what is looked at here. */
    struct qfs_json *hparams = qfs_dict_copy(&arena, model.config_raw);
    const struct qfs_json *inner = qfs_json_get(model.config_raw, "text_config");
    if (!hparams || qfs_dict_merge(&arena, hparams, inner) < 0 ||
        run(&conversion, hparams, &error) < 0)
        goto out;
    for (size_t i = 0; i < conversion.kvs.count; i++)
        print_kv(&conversion.kvs.items[i]);
    rc = 0;
out:
    if (rc)
        printf("error: %s\n", error.text);
    qfs_arena_done(&conversion.arena);
    qfs_arena_done(&model.arena);
    qfs_arena_done(&arena);
    close(model.dir_fd);
    return rc;
}

/* Requests from stdin, as scripts/vocab-reference.py takes them. */
static int serve(void)
{
    char line[4096];
    while (fgets(line, sizeof(line), stdin)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = 0;
        for (size_t i = 0; tab && i < QFS_COUNT(methods); i++)
            if (strncmp(line, methods[i].name, (size_t)(tab - line)) == 0 &&
                strlen(methods[i].name) == (size_t)(tab - line))
                dump(methods[i].run, tab + 1);
        printf("end\n");
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 || argc == 1) { /* vocab_dump [SAMPLES.json] < requests */
        samples_path = argc == 2 ? argv[1] : NULL;
        return serve();
    }
    samples_path = argc == 4 ? argv[3] : NULL;
    for (size_t i = 0; i < QFS_COUNT(methods); i++)
        if (strcmp(argv[1], methods[i].name) == 0)
            return dump(methods[i].run, argv[2]);
    fprintf(stderr, "usage: vocab_dump METHOD MODEL_DIR [SAMPLES.json]\n");
    return 2;
}
