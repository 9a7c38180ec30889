/* XverseModel.set_vocab: every token of AutoTokenizer's vocabulary, none padded, none normalized. */
#include "tokenizer.h"

#include <math.h>

static int fill(const struct qfs_tokenizer *t, struct qfs_tokens *tokens, struct qfs_error *error)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const struct qfs_added_entry *entry = qfs_added_get(&t->added, (uint32_t)i);
        struct qfs_text text = entry                 ? entry->token.content
                               : i < t->tokens.limit ? t->tokens.texts[i]
                                                     : (struct qfs_text){0};
        if (!text.data)
            return qfs_fail(error, EINVAL, "%s: no token has the id %zu", t->shown, i);
        tokens->types[i] = QFS_TOKEN_NORMAL;
        if (text.size == 1 && text.data[0] == 0) {
            text = QFS_TEXT("<b'\\x00'>");
            tokens->types[i] = QFS_TOKEN_BYTE;
        } else if (qfs_token_is_byte(text)) {
            tokens->types[i] = QFS_TOKEN_BYTE;
        } else if (entry) {
            tokens->types[i] = entry->token.special ? QFS_TOKEN_CONTROL : QFS_TOKEN_USER_DEFINED;
        }
        tokens->texts[i] = text;
    }
    return 0;
}

int qfs_vocab_xverse(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                     struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    size_t size = 0;
    int rc = 0;
    if (!qfs_vocab_file_exists(conversion->model, "tokenizer.json"))
        return qfs_fail(error, EINVAL, "%s/tokenizer.json: there is no such file",
                        conversion->model->path);
    if ((rc = qfs_tokenizer_open(conversion->model, &t, error)) == 0)
        rc = qfs_vocab_size(conversion->model, hparams, qfs_vocab_count(t), &size, error);
    if (rc == 0 && qfs_vocab_limit(t) > size)
        rc = qfs_fail(error, EINVAL, "%s: has ids beyond config.json's vocab_size %zu", t->shown,
                      size);
    if (rc == 0)
        rc = qfs_tokens_init(&tokens, &arena, size, NAN, error);
    if (rc == 0)
        rc = fill(t, &tokens, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", "default", error);
    if (rc == 0)
        rc = qfs_special_vocab_put(conversion, &arena, t->json, tokens.count, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}
