/* _set_vocab_builtin, and chat templates: what the converter takes from llama.cpp's models folder. */
#include "../carried.h"
#include "vocab.h"

#include <string.h>

struct qfs_text qfs_vocab_template(const char *file)
{
    return qfs_carried(file);
}

/* The first `limit` texts of an array of strings: its bytes up to there. */
static size_t strings_size(const struct qfs_kv *kv, uint64_t limit)
{
    size_t at = 12;
    for (uint64_t i = 0; i < limit && at + 8 <= kv->size; i++) {
        uint64_t size;
        memcpy(&size, kv->data + at, 8);
        if (size > kv->size - at - 8)
            break;
        at += 8 + (size_t)size;
    }
    return at;
}

/* An array's first `limit` items under the same key. */
static int copy_array(struct qfs_conversion *conversion, const struct qfs_gguf *gguf,
                      const char *key, uint64_t limit, struct qfs_error *error)
{
    const struct qfs_kv *kv = qfs_kv_find(&gguf->kvs, key);
    uint32_t item;
    uint64_t count;
    if (!kv || kv->type != QFS_KV_ARRAY || kv->size < 12)
        return qfs_fail(error, EINVAL, "llama.cpp's own vocabulary has no %s", key);
    memcpy(&item, kv->data, 4);
    memcpy(&count, kv->data + 4, 8);
    count = QFS_MIN(count, limit);
    if (count == 0) /* GGUFWriter leaves empty arrays out */
        return 0;
    size_t size = item == QFS_KV_STRING ? strings_size(kv, count)
                                        : 12 + (size_t)count * qfs_kv_scalar_size(item);
    uint8_t *data = qfs_arena_alloc(&conversion->arena, size);
    if (!data)
        return qfs_fail_memory(error);
    memcpy(data, kv->data, size);
    memcpy(data + 4, &count, 8);
    qfs_kv_set(&conversion->kvs, key, QFS_KV_ARRAY, data, size);
    return 0;
}

static int copy_vocab(struct qfs_conversion *conversion, const struct qfs_gguf *gguf, bool spm,
                      uint64_t limit, struct qfs_error *error)
{
    static const char *const last[] = {
        "tokenizer.ggml.bos_token_id",     "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.add_bos_token",    "tokenizer.ggml.add_eos_token"};
    struct qfs_text model = QFS_TEXT(""), pre = qfs_text_of(spm ? "default" : "mpt");
    int rc;
    qfs_kv_get_text(&gguf->kvs, "tokenizer.ggml.model", &model);
    qfs_kv_get_text(&gguf->kvs, "tokenizer.ggml.pre", &pre);
    qfs_kv_text(&conversion->kvs, "tokenizer.ggml.model", model);
    qfs_kv_text(&conversion->kvs, "tokenizer.ggml.pre", pre);
    if ((rc = copy_array(conversion, gguf, "tokenizer.ggml.tokens", limit, error)) < 0 ||
        (spm && (rc = copy_array(conversion, gguf, "tokenizer.ggml.scores", limit, error)) < 0) ||
        (rc = copy_array(conversion, gguf, "tokenizer.ggml.token_type", limit, error)) < 0 ||
        (!spm &&
         (rc = copy_array(conversion, gguf, "tokenizer.ggml.merges", UINT64_MAX, error)) < 0))
        return rc;
    for (size_t i = 0; i < QFS_COUNT(last); i++) {
        const struct qfs_kv *kv = qfs_kv_find(&gguf->kvs, last[i]);
        if (kv)
            qfs_kv_set(&conversion->kvs, last[i], kv->type, kv->data, kv->size);
    }
    return conversion->kvs.failed ? qfs_fail_memory(error) : 0;
}

int qfs_vocab_builtin(struct qfs_conversion *conversion, const char *name, int64_t vocab_size,
                      struct qfs_error *error)
{
    bool spm = strcmp(name, "llama-spm") == 0;
    struct qfs_text file =
        qfs_carried(spm ? "ggml-vocab-llama-spm.gguf" : "ggml-vocab-gpt-neox.gguf");
    struct qfs_gguf gguf = {0};
    if (vocab_size < 0)
        return qfs_fail(error, EINVAL, "%s/config.json: vocab_size is negative",
                        conversion->model->path);
    int rc = qfs_gguf_parse(&gguf, (const uint8_t *)file.data, file.size, file.size, name, error);
    if (rc == 0)
        rc = copy_vocab(conversion, &gguf, spm, (uint64_t)vocab_size, error);
    qfs_gguf_done(&gguf);
    return rc;
}
