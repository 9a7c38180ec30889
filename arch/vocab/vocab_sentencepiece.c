/* _create_vocab_sentencepiece: the pieces of tokenizer.model, then what added_tokens.json and
 * tokenizer_config.json's added_tokens_decoder lay over them. */
#include "vocab.h"

#include <stdlib.h>

enum { MODEL_LIMIT = 256 << 20 };

int qfs_pieces_read(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                    struct qfs_sentencepiece *ret, struct qfs_error *error)
{
    const char *shown = qfs_vocab_shown(arena, model, name);
    char *data = NULL;
    size_t size = 0;
    if (!shown)
        return qfs_fail_memory(error);
    if (!qfs_vocab_file_exists(model, name))
        return qfs_fail(error, ENOENT, "%s: there is no such file", shown);
    int rc = qfs_file_read(model->dir_fd, name, MODEL_LIMIT, shown, &data, &size, error);
    if (rc == 0)
        rc = qfs_sentencepiece_parse(arena, data, size, shown, ret, error);
    free(data);
    return rc == -ENOENT ? -EIO : rc; /* vanished in between: no reason to try another tokenizer */
}

bool qfs_tokens_place(const struct qfs_tokens *tokens, int64_t id, size_t *ret_index)
{
    int64_t count = (int64_t)tokens->count;
    if (id < 0)
        id += count;
    if (id < 0 || id >= count)
        return false;
    *ret_index = (size_t)id;
    return true;
}

int qfs_tokens_lay_added(struct qfs_tokens *tokens, struct qfs_arena *arena,
                         const struct qfs_model *model, struct qfs_error *error)
{
    const struct qfs_json *added;
    int rc = qfs_vocab_read_object(arena, model, "added_tokens.json", &added, error);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; added && i < added->count; i++) {
        const struct qfs_json_member *member = &added->members[i];
        int64_t id;
        size_t at;
        if (!qfs_json_int(&member->value, &id))
            return qfs_fail(error, EINVAL, "%s/added_tokens.json: the id of '%s' is not an integer",
                            model->path, member->key.data);
        if (id >= (int64_t)tokens->count)
            continue; /* the converter warns and goes on */
        if (!qfs_tokens_place(tokens, id, &at))
            return qfs_fail(error, EINVAL, "%s/added_tokens.json: the id of '%s' is out of range",
                            model->path, member->key.data);
        tokens->texts[at] = member->key;
        tokens->scores[at] = -1000.0f;
        tokens->types[at] = QFS_TOKEN_USER_DEFINED;
    }
    return 0;
}

static int lay_decoder(struct qfs_tokens *tokens, struct qfs_arena *arena,
                       const struct qfs_model *model, struct qfs_error *error)
{
    static const char file[] = "tokenizer_config.json: added_tokens_decoder";
    const struct qfs_json *config;
    int rc = qfs_vocab_read_object(arena, model, "tokenizer_config.json", &config, error);
    if (rc < 0)
        return rc;
    const struct qfs_json *decoder = qfs_json_get(config, "added_tokens_decoder");
    if (decoder && decoder->kind != QFS_JSON_OBJECT)
        return qfs_fail(error, EINVAL, "%s/%s: is not an object", model->path, file);
    for (uint32_t i = 0; decoder && i < decoder->count; i++) {
        const struct qfs_json_member *member = &decoder->members[i];
        const struct qfs_json *content = qfs_json_get(&member->value, "content");
        struct qfs_text text = qfs_json_text(content);
        int64_t id;
        size_t at;
        if (!qfs_python_int(member->key, &id))
            return qfs_fail(error, EINVAL, "%s/%s: '%s' is not a token id", model->path, file,
                            member->key.data);
        if (!content)
            return qfs_fail(error, EINVAL, "%s/%s: token %lld has no content", model->path, file,
                            (long long)id);
        if (id >= (int64_t)tokens->count)
            continue;
        if (content->kind != QFS_JSON_STRING || !qfs_tokens_place(tokens, id, &at))
            return qfs_fail(error, EINVAL, "%s/%s: token %lld is malformed", model->path, file,
                            (long long)id);
        if (qfs_json_truthy(qfs_json_get(&member->value, "special")) ||
            qfs_token_looks_special(text)) {
            tokens->types[at] = QFS_TOKEN_CONTROL;
        } else {
            text = qfs_text_replace(arena, text, "▁", " ");
            if (!text.data)
                return qfs_fail_memory(error);
            tokens->types[at] = QFS_TOKEN_USER_DEFINED;
        }
        tokens->scores[at] = -1000.0f;
        tokens->texts[at] = text;
    }
    return 0;
}

/* find_hparam(["vocab_size_per_layer_input", "vocab_size"], optional) or the model's own. */
static int count_tokens(const struct qfs_model *model, const struct qfs_json *hparams,
                        size_t npieces, size_t *ret_count, struct qfs_error *error)
{
    const struct qfs_json *value = qfs_json_get(hparams, "vocab_size_per_layer_input");
    if (!value)
        value = qfs_json_get(hparams, "vocab_size");
    if (!qfs_json_truthy(value)) {
        *ret_count = npieces;
        return 0;
    }
    struct qfs_json_member member = {QFS_TEXT("vocab_size"), *value};
    struct qfs_json chosen = {.kind = QFS_JSON_OBJECT, .count = 1, .members = &member};
    return qfs_vocab_size(model, &chosen, npieces, ret_count, error);
}

void qfs_tokens_take_piece(struct qfs_tokens *tokens, size_t at, const struct qfs_piece *piece)
{
    tokens->texts[at] = piece->text;
    tokens->scores[at] = piece->score;
    /* Same numbers, except that the converter has no word for user-defined ones. */
    tokens->types[at] = piece->type == QFS_PIECE_USER_DEFINED ? QFS_TOKEN_NORMAL : (int)piece->type;
}

int qfs_pieces_tokens(struct qfs_arena *arena, const struct qfs_model *model,
                      const struct qfs_json *hparams, struct qfs_tokens *ret_tokens,
                      struct qfs_error *error)
{
    struct qfs_sentencepiece pieces;
    struct qfs_tokens tokens;
    size_t count = 0;
    int rc = qfs_pieces_read(arena, model, "tokenizer.model", &pieces, error);
    if (rc < 0 || (rc = count_tokens(model, hparams, pieces.npieces, &count, error)) < 0 ||
        (rc = qfs_tokens_init(&tokens, arena, count, -10000.0f, error)) < 0)
        return rc;
    for (size_t i = 0; i < pieces.npieces && i < count; i++)
        qfs_tokens_take_piece(&tokens, i, &pieces.pieces[i]);
    if ((rc = qfs_tokens_lay_added(&tokens, arena, model, error)) < 0 ||
        (rc = lay_decoder(&tokens, arena, model, error)) < 0)
        return rc;
    *ret_tokens = tokens;
    return 0;
}

int qfs_vocab_sentencepiece(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                            struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    int rc = qfs_pieces_tokens(&arena, model, hparams, &tokens, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", "default", error);
    if (rc == 0)
        rc = qfs_special_vocab_put(conversion, &arena, NULL, tokens.count, error);
    qfs_arena_done(&arena);
    return rc;
}

int qfs_vocab_sentencepiece_or_gpt2(struct qfs_conversion *conversion,
                                    const struct qfs_json *hparams, struct qfs_error *error)
{
    int rc = qfs_vocab_sentencepiece(conversion, hparams, error);
    return rc == -ENOENT ? qfs_vocab_gpt2(conversion, hparams, error) : rc;
}
