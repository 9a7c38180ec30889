/* Families that read tokenizer.model with rules of their own: Phi-3, InternLM 2 and 3, Arctic. */
#include "vocab.h"

#include <string.h>

static int malformed(const struct qfs_model *model, const char *file, int64_t id,
                     struct qfs_error *error)
{
    return qfs_fail(error, EINVAL, "%s/%s: the added token %lld is malformed or out of range",
                    model->path, file, (long long)id);
}

/* One entry of added_tokens_decoder or added_tokens laid over a token. *ret_text: its content. */
static int lay_one(struct qfs_tokens *tokens, const struct qfs_model *model, const char *file,
                   int64_t id, const struct qfs_json *entry, struct qfs_text *ret_text,
                   struct qfs_error *error)
{
    struct qfs_text text = qfs_json_text(qfs_json_get(entry, "content"));
    size_t at;
    if (!text.data || !qfs_tokens_place(tokens, id, &at))
        return malformed(model, file, id, error);
    tokens->texts[at] = text;
    tokens->scores[at] = -1000.0f;
    tokens->types[at] = qfs_json_truthy(qfs_json_get(entry, "special")) ? QFS_TOKEN_CONTROL
                                                                        : QFS_TOKEN_USER_DEFINED;
    *ret_text = text;
    return 0;
}

/* tokenizer_config.json's added_tokens_decoder, then tokenizer.json's added_tokens. *ret_end: the last
 * id whose content is `end`, -1 if there is none. */
static int lay_files(struct qfs_tokens *tokens, struct qfs_arena *arena,
                     const struct qfs_model *model, const char *end, int64_t *ret_end,
                     struct qfs_error *error)
{
    static const char config_name[] = "tokenizer_config.json", file_name[] = "tokenizer.json";
    const struct qfs_json *config, *file;
    struct qfs_text text;
    int64_t id = -1;
    int rc;
    if ((rc = qfs_vocab_read_object(arena, model, config_name, &config, error)) < 0 ||
        (rc = qfs_vocab_read_object(arena, model, file_name, &file, error)) < 0)
        return rc;
    const struct qfs_json *decoder = qfs_json_get(config, "added_tokens_decoder");
    const struct qfs_json *added = qfs_json_get(file, "added_tokens");
    if (decoder && decoder->kind != QFS_JSON_OBJECT)
        return malformed(model, config_name, id, error);
    if (added && added->kind != QFS_JSON_ARRAY && qfs_json_truthy(added))
        return malformed(model, file_name, id, error);
    for (uint32_t i = 0; decoder && i < decoder->count; i++) {
        if (!qfs_python_int(decoder->members[i].key, &id))
            return malformed(model, config_name, id, error);
        if ((rc = lay_one(tokens, model, config_name, id, &decoder->members[i].value, &text,
                          error)) < 0)
            return rc;
        if (qfs_text_is(text, end))
            *ret_end = id;
    }
    for (uint32_t i = 0; qfs_json_is(added, QFS_JSON_ARRAY) && i < added->count; i++) {
        if (!qfs_json_int(qfs_json_get(&added->items[i], "id"), &id))
            return malformed(model, file_name, id, error);
        if ((rc = lay_one(tokens, model, file_name, id, &added->items[i], &text, error)) < 0)
            return rc;
        if (qfs_text_is(text, end))
            *ret_end = id;
    }
    return 0;
}

/* Every piece must have its place. */
static int take_pieces(struct qfs_tokens *tokens, struct qfs_arena *arena,
                       const struct qfs_model *model, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    struct qfs_sentencepiece pieces;
    size_t count = 0;
    int rc = qfs_pieces_read(arena, model, "tokenizer.model", &pieces, error);
    if (rc < 0 || (rc = qfs_vocab_size(model, hparams, pieces.npieces, &count, error)) < 0 ||
        (rc = qfs_tokens_init(tokens, arena, count, -10000.0f, error)) < 0)
        return rc == -ENOENT ? -EINVAL : rc;
    if (pieces.npieces > count)
        return qfs_fail(error, EINVAL,
                        "%s: tokenizer.model has %zu pieces but config.json's vocab_size is %zu",
                        model->path, pieces.npieces, count);
    for (size_t i = 0; i < pieces.npieces; i++)
        qfs_tokens_take_piece(tokens, i, &pieces.pieces[i]);
    return 0;
}

static int write_all(struct qfs_tokens *tokens, struct qfs_arena *arena,
                     struct qfs_conversion *conversion, struct qfs_error *error)
{
    int rc = qfs_tokens_write(tokens, conversion, "llama", "default", error);
    return rc < 0 ? rc : qfs_special_vocab_put(conversion, arena, NULL, tokens->count, error);
}

/* -- Phi-3 ---------------------------------------------------------------------------------------------- */

static int phi3_tokens(struct qfs_tokens *tokens, struct qfs_arena *arena,
                       const struct qfs_model *model, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    int64_t end;
    int rc;
    if ((rc = take_pieces(tokens, arena, model, hparams, error)) < 0 ||
        (rc = qfs_tokens_lay_added(tokens, arena, model, error)) < 0)
        return rc;
    return lay_files(tokens, arena, model, "", &end, error);
}

int qfs_vocab_phi3(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    const struct qfs_json *config = NULL;
    int rc = qfs_vocab_read_object(&arena, model, "tokenizer_config.json", &config, error);
    if (rc == 0 && config && !qfs_json_get(config, "tokenizer_class"))
        rc = qfs_fail(error, EINVAL, "%s/tokenizer_config.json: has no tokenizer_class",
                      model->path);
    bool gpt2 =
        qfs_text_is(qfs_json_text(qfs_json_get(config, "tokenizer_class")), "GPT2Tokenizer");
    if (rc == 0 && !gpt2)
        rc = phi3_tokens(&tokens, &arena, model, hparams, error);
    if (rc == 0 && !gpt2)
        rc = write_all(&tokens, &arena, conversion, error);
    qfs_arena_done(&arena);
    return rc == 0 && gpt2 ? qfs_vocab_gpt2(conversion, hparams, error) : rc;
}

/* -- InternLM ----------------------------------------------------------------------------------------------- */

/* The first vocab_size pieces, then added_tokens.json's in its order whatever their ids. */
static int internlm2_tokens(struct qfs_tokens *tokens, struct qfs_arena *arena,
                            const struct qfs_model *model, const struct qfs_json *hparams,
                            bool *ret_prefix, struct qfs_error *error)
{
    struct qfs_sentencepiece pieces;
    const struct qfs_json *added;
    size_t count = 0;
    int rc = qfs_pieces_read(arena, model, "tokenizer.model", &pieces, error);
    if (rc < 0 || (rc = qfs_vocab_size(model, hparams, pieces.npieces, &count, error)) < 0 ||
        (rc = qfs_vocab_read_object(arena, model, "added_tokens.json", &added, error)) < 0 ||
        (rc = qfs_tokens_init(tokens, arena, count + (added ? added->count : 0), -1000.0f, error)) <
            0)
        return rc == -ENOENT ? -EINVAL : rc;
    if (pieces.npieces < count)
        return qfs_fail(error, EINVAL,
                        "%s: tokenizer.model has %zu pieces but config.json's vocab_size is %zu",
                        model->path, pieces.npieces, count);
    for (size_t i = 0; i < count; i++) {
        struct qfs_piece piece = pieces.pieces[i];
        if (piece.text.size == 1 && piece.text.data[0] == 0)
            piece.text = QFS_TEXT("🐉"); /* the converter's stand-in */
        qfs_tokens_take_piece(tokens, i, &piece);
        if (qfs_starts_with(piece.text.data, "[UNUSED"))
            tokens->types[i] = QFS_TOKEN_UNUSED;
    }
    for (size_t i = count; i < tokens->count; i++) {
        tokens->texts[i] = added->members[i - count].key;
        tokens->types[i] = QFS_TOKEN_USER_DEFINED;
    }
    *ret_prefix = pieces.add_dummy_prefix;
    return 0;
}

/* special_token_ids["eos"] = id, where there is one; false where there is none. */
static bool replace_eos(struct qfs_special_vocab *special, int64_t id)
{
    for (size_t i = 0; i < special->nids; i++)
        if (strcmp(special->ids[i].type, "eos") == 0) {
            special->ids[i].id = id < 0 ? special->ids[i].id : id;
            return true;
        }
    return false;
}

int qfs_vocab_internlm2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    int64_t end = -1;
    bool prefix = false;
    int rc = internlm2_tokens(&tokens, &arena, model, hparams, &prefix, error);
    if (rc == 0)
        rc = lay_files(&tokens, &arena, model, "<|im_end|>", &end, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", "default", error);
    if (rc == 0) {
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_space_prefix", prefix);
        rc = qfs_special_vocab_load(&special, &arena, model, NULL, false, NULL,
                                    (int64_t)tokens.count, error);
    }
    if (rc == 0 && !replace_eos(&special, end))
        rc = qfs_fail(error, EINVAL, "%s: its tokenizer has no eos token", model->path);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_arena_done(&arena);
    return rc;
}

/* The end of a chat turn counts as the end of the text. */
static int internlm3_eos(struct qfs_special_vocab *special, const struct qfs_json *config,
                         const struct qfs_model *model, struct qfs_error *error)
{
    const struct qfs_json *decoder = qfs_json_get(config, "added_tokens_decoder");
    if (decoder && decoder->kind != QFS_JSON_OBJECT)
        return malformed(model, "tokenizer_config.json", -1, error);
    for (uint32_t i = 0; decoder && i < decoder->count; i++) {
        const struct qfs_json *token = &decoder->members[i].value;
        int64_t id;
        if (token->kind != QFS_JSON_OBJECT)
            return malformed(model, "tokenizer_config.json", -1, error);
        if (!qfs_json_truthy(qfs_json_get(token, "special")))
            continue;
        if (!qfs_python_int(decoder->members[i].key, &id) || id < 0 ||
            !qfs_json_get(token, "content"))
            return malformed(model, "tokenizer_config.json", -1, error);
        if (qfs_text_is(qfs_json_text(qfs_json_get(token, "content")), "<|im_end|>"))
            replace_eos(special, id);
    }
    return 0;
}

int qfs_vocab_internlm3(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    const struct qfs_json *config = NULL;
    int rc = qfs_pieces_tokens(&arena, model, hparams, &tokens, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", "default", error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, model, NULL, false, NULL,
                                    (int64_t)tokens.count, error);
    if (rc == 0)
        rc = qfs_vocab_read_object(&arena, model, "tokenizer_config.json", &config, error);
    if (rc == 0)
        rc = qfs_vocab_space_prefix(conversion, error);
    if (rc == 0)
        rc = internlm3_eos(&special, config, model, error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_arena_done(&arena);
    return rc == -ENOENT ? -EINVAL : rc;
}

/* -- Arctic --------------------------------------------------------------------------------------------------- */

static int arctic_added(struct qfs_tokens *tokens, struct qfs_arena *arena,
                        const struct qfs_model *model, struct qfs_error *error)
{
    static const char name[] = "tokenizer_config.json";
    const struct qfs_json *config;
    int rc = qfs_vocab_read_object(arena, model, name, &config, error);
    const struct qfs_json *decoder = rc < 0 ? NULL : qfs_json_get(config, "added_tokens_decoder");
    if (rc == 0 && decoder && decoder->kind != QFS_JSON_OBJECT)
        rc = malformed(model, name, -1, error);
    for (uint32_t i = 0; rc == 0 && decoder && i < decoder->count; i++) {
        const struct qfs_json *token = &decoder->members[i].value;
        const struct qfs_json *unk = qfs_json_get(config, "unk_token");
        struct qfs_text text = qfs_json_text(qfs_json_get(token, "content"));
        bool special = qfs_json_truthy(qfs_json_get(token, "special"));
        int64_t id;
        size_t at;
        if (!qfs_python_int(decoder->members[i].key, &id))
            return malformed(model, name, -1, error);
        if (id >= (int64_t)tokens->count)
            continue;
        if (!text.data || !qfs_tokens_place(tokens, id, &at) || (special && !unk))
            return malformed(model, name, id, error);
        bool unknown =
            special && unk->kind == QFS_JSON_STRING && qfs_text_equal(qfs_json_text(unk), text);
        tokens->texts[at] = text;
        tokens->scores[at] = special ? 0.0f : -10000.0f;
        tokens->types[at] = unknown   ? QFS_TOKEN_UNKNOWN
                            : special ? QFS_TOKEN_CONTROL
                                      : QFS_TOKEN_USER_DEFINED;
    }
    return rc;
}

int qfs_vocab_arctic(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                     struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    int rc = take_pieces(&tokens, &arena, conversion->model, hparams, error);
    if (rc == 0)
        rc = arctic_added(&tokens, &arena, conversion->model, error);
    if (rc == 0)
        rc = write_all(&tokens, &arena, conversion, error);
    qfs_arena_done(&arena);
    return rc;
}
