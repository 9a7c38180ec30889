#include "vocab.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { TOKENS_LIMIT = 16 << 20 };

int qfs_vocab_size(const struct qfs_model *model, const struct qfs_json *hparams, size_t fallback,
                   size_t *ret_size, struct qfs_error *error)
{
    const struct qfs_json *value = qfs_json_get(hparams, "vocab_size");
    int64_t size;
    if (!value) {
        *ret_size = fallback;
        return 0;
    }
    if (!qfs_json_int(value, &size) || size < 0 || size > TOKENS_LIMIT)
        return qfs_fail(error, EINVAL, "%s/config.json: vocab_size is not a number of tokens",
                        model->path);
    *ret_size = (size_t)size;
    return 0;
}

int qfs_tokens_init(struct qfs_tokens *tokens, struct qfs_arena *arena, size_t count, float score,
                    struct qfs_error *error)
{
    *tokens = (struct qfs_tokens){
        .texts = qfs_arena_array(arena, count, sizeof(*tokens->texts)),
        .scores = isnan(score) ? NULL : qfs_arena_array(arena, count, sizeof(*tokens->scores)),
        .types = qfs_arena_array(arena, count, sizeof(*tokens->types)),
        .count = count,
    };
    if (!tokens->texts || !tokens->types || (!tokens->scores && !isnan(score)))
        return qfs_fail_memory(error);
    for (size_t i = 0; i < count; i++) {
        if (tokens->scores)
            tokens->scores[i] = score;
        tokens->types[i] = QFS_TOKEN_UNUSED;
    }
    return 0;
}

/* Names the tokens that nobody filled. */
static int pad(const struct qfs_tokens *tokens, struct qfs_arena *arena, struct qfs_error *error)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (!tokens->texts[i].data) {
            char *name = qfs_arena_printf(arena, "[PAD%zu]", i);
            if (!name)
                return qfs_fail_memory(error);
            tokens->texts[i] = qfs_text_of(name);
        }
    return 0;
}

int qfs_tokens_write(const struct qfs_tokens *tokens, struct qfs_conversion *conversion,
                     const char *model_name, const char *pre, struct qfs_error *error)
{
    struct qfs_kvs *kvs = &conversion->kvs;
    int rc = pad(tokens, &conversion->arena, error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < tokens->count; i++)
        if (!qfs_utf8_valid(tokens->texts[i].data, tokens->texts[i].size))
            return qfs_fail(error, EINVAL, "%s: token %zu of its tokenizer is no valid text",
                            conversion->model->path, i);
    qfs_kv_string(kvs, "tokenizer.ggml.model", model_name);
    if (pre)
        qfs_kv_string(kvs, "tokenizer.ggml.pre", pre);
    if (tokens->count == 0) /* GGUFWriter leaves empty arrays out */
        return 0;
    qfs_kv_texts(kvs, "tokenizer.ggml.tokens", tokens->texts, tokens->count);
    if (tokens->scores)
        qfs_kv_array(kvs, "tokenizer.ggml.scores", QFS_KV_F32, tokens->scores, tokens->count);
    qfs_kv_array(kvs, "tokenizer.ggml.token_type", QFS_KV_I32, tokens->types, tokens->count);
    return kvs->failed ? qfs_fail_memory(error) : 0;
}

bool qfs_token_is_byte(struct qfs_text text)
{
    return text.size == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>' &&
           isxdigit((unsigned char)text.data[3]) && isxdigit((unsigned char)text.data[4]);
}

static bool encloses(struct qfs_text text, const char *head, const char *tail)
{
    size_t n = strlen(head), m = strlen(tail);
    return text.size >= n && text.size >= m && memcmp(text.data, head, n) == 0 &&
           memcmp(text.data + text.size - m, tail, m) == 0;
}

bool qfs_token_looks_special(struct qfs_text text)
{
    static const char *const names[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (qfs_text_is(text, names[i]))
            return true;
    return encloses(text, "<|", "|>") || encloses(text, "<｜", "｜>") ||
           encloses(text, "<unused", ">");
}
