/* vocab_dump METHOD MODEL_DIR: the keys that a vocabulary method writes, one a line, in order:
 * key, type, then the value (arrays: item type, count, SHA-256 of the encoded items; strings:
 * SHA-256 when long). scripts/vocab_reference.py prints the same of the reference. Exit 1 and a
 * sentence on stderr when the method fails. */
#include "quantfs/arch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int method_fn(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error);

static const struct {
    const char *name;
    method_fn *run;
} methods[] = {
    {"llama", qfs_vocab_llama},
    {"gpt2", qfs_vocab_gpt2},
    {"sentencepiece", qfs_vocab_sentencepiece},
    {"sentencepiece_or_gpt2", qfs_vocab_sentencepiece_or_gpt2},
    {"bert", qfs_vocab_bert},
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

int main(int argc, char **argv)
{
    struct qfs_error error = {0};
    struct qfs_arena arena = {0};
    struct qfs_model model = {.dir_fd = -1};
    struct qfs_conversion conversion = {.model = &model};
    method_fn *run = NULL;
    int rc = 1;
    for (size_t i = 0; argc == 3 && i < QFS_COUNT(methods); i++)
        if (strcmp(argv[1], methods[i].name) == 0)
            run = methods[i].run;
    if (!run) {
        fprintf(stderr, "usage: vocab_dump METHOD MODEL_DIR\n");
        return 2;
    }
    model.path = argv[2];
    conversion.kvs.arena = &conversion.arena;
    model.dir_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (model.dir_fd < 0) {
        perror(argv[2]);
        return 1;
    }
    if (qfs_json_read(&arena, model.dir_fd, "config.json", 64 << 20, "config.json",
                      &model.config_raw, &error) < 0)
        goto out;
    model.config = model.config_raw;
    if (run(&conversion, model.config, &error) < 0)
        goto out;
    for (size_t i = 0; i < conversion.kvs.count; i++)
        print_kv(&conversion.kvs.items[i]);
    rc = 0;
out:
    if (rc)
        fprintf(stderr, "%s\n", error.text);
    qfs_arena_done(&conversion.arena);
    qfs_arena_done(&arena);
    close(model.dir_fd);
    return rc;
}
