/* BertModel.set_vocab: WordPiece's "##" for what continues a word turned round, into llama.cpp's "▁" for
 * what begins one. */
#include "tokenizer.h"

#include <string.h>

static int mark_words(struct qfs_tokens *tokens, struct qfs_arena *arena, struct qfs_error *error)
{
    for (size_t i = 0; i < tokens->count; i++) {
        struct qfs_text *text = &tokens->texts[i];
        if (tokens->types[i] == QFS_TOKEN_CONTROL)
            continue;
        if (text->size >= 2 && text->data[0] == '#' && text->data[1] == '#') {
            text->data += 2;
            text->size -= 2;
            continue;
        }
        char *name = text->data ? qfs_arena_alloc(arena, text->size + 4)
                                : qfs_arena_printf(arena, "▁[PAD%zu]", i);
        if (!name)
            return qfs_fail_memory(error);
        if (text->data) {
            memcpy(name, "▁", 3);
            memcpy(name + 3, text->data, text->size);
        }
        *text = (struct qfs_text){name, text->data ? text->size + 3 : strlen(name)};
    }
    return 0;
}

int qfs_vocab_bert(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    const struct qfs_json *types = qfs_json_get(hparams, "type_vocab_size");
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    const char *pre = NULL;
    int64_t ntypes = 1;
    int rc = qfs_tokenizer_open(conversion->model, &t, error);
    if (rc == 0)
        rc = qfs_vocab_base(t, conversion, hparams, &arena, &tokens, &pre, error);
    if (rc == 0 && types && (!qfs_json_int(types, &ntypes) || ntypes < 0 || ntypes > UINT32_MAX))
        rc = qfs_fail(error, EINVAL, "%s/config.json: type_vocab_size is not a count",
                      conversion->model->path);
    if (rc == 0) {
        qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.token_type_count", (uint32_t)ntypes);
        rc = mark_words(&tokens, &arena, error);
    }
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "bert", pre, error);
    if (rc == 0)
        rc = qfs_special_vocab_put(conversion, &arena, t->json, tokens.count, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}
