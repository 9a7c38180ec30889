/* Phi3MiniModel.set_vocab: the pieces of tokenizer.model, over which three files lay their added tokens: unlike
 * elsewhere, as they stand, and an id without a place is an error. */
#include "vocab.h"

#include "converter.h"

#include <string.h>

static int lay_token(struct qfs_tokens *tokens, const struct qfs_model *model, const char *file,
                     int64_t id, const struct qfs_json *entry, struct qfs_error *error)
{
    const struct qfs_json *content = qfs_json_get(entry, "content");
    size_t at;
    if (!qfs_json_is(content, QFS_JSON_STRING) || !qfs_tokens_place(tokens, id, &at))
        return qfs_fail(error, EINVAL,
                        "%s/%s: added token %lld has no content, or is beyond config.json's "
                        "vocab_size",
                        model->path, file, (long long)id);
    tokens->texts[at] = qfs_json_text(content);
    tokens->scores[at] = -1000.0f;
    tokens->types[at] = qfs_json_truthy(qfs_json_get(entry, "special")) ? QFS_TOKEN_CONTROL
                                                                        : QFS_TOKEN_USER_DEFINED;
    return 0;
}

static int no_id(const struct qfs_model *model, const char *file, struct qfs_error *error)
{
    return qfs_fail(error, EINVAL, "%s/%s: an added token's id is not a number", model->path, file);
}

static int lay_decoder(struct qfs_tokens *tokens, const struct qfs_model *model,
                       const struct qfs_json *config, struct qfs_error *error)
{
    static const char file[] = "tokenizer_config.json";
    const struct qfs_json *decoder = qfs_json_get(config, "added_tokens_decoder");
    int rc = 0;
    if (decoder && decoder->kind != QFS_JSON_OBJECT)
        return qfs_fail(error, EINVAL, "%s/%s: added_tokens_decoder is not an object", model->path,
                        file);
    for (uint32_t i = 0; decoder && i < decoder->count && rc == 0; i++) {
        int64_t id;
        if (!qfs_python_int(decoder->members[i].key, &id))
            return no_id(model, file, error);
        rc = lay_token(tokens, model, file, id, &decoder->members[i].value, error);
    }
    return rc;
}

static int lay_tokenizer(struct qfs_tokens *tokens, struct qfs_arena *arena,
                         const struct qfs_model *model, struct qfs_error *error)
{
    static const char file[] = "tokenizer.json";
    const struct qfs_json *tokenizer;
    int rc = qfs_vocab_read_json(arena, model, file, &tokenizer, error);
    const struct qfs_json *added = rc == 0 ? qfs_json_get(tokenizer, "added_tokens") : NULL;
    if (added && added->kind != QFS_JSON_ARRAY)
        return qfs_fail(error, EINVAL, "%s/%s: added_tokens is not a list", model->path, file);
    for (uint32_t i = 0; added && i < added->count && rc == 0; i++) {
        int64_t id;
        if (!qfs_json_int(qfs_json_get(&added->items[i], "id"), &id))
            return no_id(model, file, error);
        rc = lay_token(tokens, model, file, id, &added->items[i], error);
    }
    return rc;
}

static int create(struct qfs_arena *arena, const struct qfs_model *model,
                  const struct qfs_json *hparams, const struct qfs_json *config,
                  struct qfs_tokens *tokens, struct qfs_error *error)
{
    struct qfs_sentencepiece pieces;
    size_t count;
    int rc = qfs_vocab_read_pieces(arena, model, &pieces, error);
    if (rc < 0 || (rc = qfs_vocab_size(model, hparams, pieces.npieces, &count, error)) < 0)
        return rc;
    if (count < pieces.npieces)
        return qfs_fail(error, EINVAL,
                        "%s/tokenizer.model: has %zu pieces, more than config.json's vocab_size",
                        model->path, pieces.npieces);
    if ((rc = qfs_tokens_init(tokens, arena, count, -10000.0f, error)) < 0)
        return rc;
    qfs_tokens_lay_pieces(tokens, &pieces);
    if ((rc = qfs_tokens_lay_added(tokens, arena, model, error)) < 0 ||
        (rc = lay_decoder(tokens, model, config, error)) < 0)
        return rc;
    return lay_tokenizer(tokens, arena, model, error);
}

static int write_pieces(struct qfs_converter *c, struct qfs_arena *arena,
                        const struct qfs_json *config)
{
    struct qfs_special_vocab special;
    struct qfs_tokens tokens;
    int rc = create(arena, c->model, c->hparams, config, &tokens, c->error);
    if (rc < 0 || (rc = qfs_tokens_write(&tokens, c->out, "llama", "default", c->error)) < 0 ||
        (rc = qfs_special_vocab_load(&special, arena, c->model, NULL, false, NULL,
                                     (int64_t)tokens.count, c->error)) < 0)
        return rc;
    return qfs_special_vocab_write(&special, c->out, c->error);
}

int qfs_vocab_phi3(struct qfs_converter *c)
{
    static const char file[] = "tokenizer_config.json";
    struct qfs_arena arena = {0};
    const struct qfs_json *config;
    int rc = qfs_vocab_read_json(&arena, c->model, file, &config, c->error);
    const struct qfs_json *class = rc == 0 ? qfs_json_get(config, "tokenizer_class") : NULL;
    if (rc == 0 && config && !class)
        rc = qfs_fail(c->error, EINVAL, "%s/%s: has no tokenizer_class", c->model->path, file);
    if (rc == 0)
        rc = qfs_text_is(qfs_json_text(class), "GPT2Tokenizer")
                 ? qfs_vocab_gpt2(c->out, c->hparams, c->error)
                 : write_pieces(c, &arena, config);
    qfs_arena_done(&arena);
    return rc;
}
