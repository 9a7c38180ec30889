/* Unigram vocabularies ("t5" in llama.cpp): T5's set_vocab and XLM-RoBERTa's. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

static int put_normalizer(struct qfs_conversion *conversion, const struct qfs_json *ntypes,
                          bool with_types, bool prefix, bool remove_spaces,
                          struct qfs_text charsmap, struct qfs_error *error)
{
    struct qfs_kvs *kvs = &conversion->kvs;
    int64_t types = 1;
    qfs_kv_bool(kvs, "tokenizer.ggml.add_space_prefix", prefix);
    if (with_types && ntypes && (!qfs_json_int(ntypes, &types) || types < 0 || types > UINT32_MAX))
        return qfs_fail(error, EINVAL, "%s/config.json: type_vocab_size is not a count",
                        conversion->model->path);
    if (with_types)
        qfs_kv_u32(kvs, "tokenizer.ggml.token_type_count", (uint32_t)types);
    qfs_kv_bool(kvs, "tokenizer.ggml.remove_extra_whitespaces", remove_spaces);
    if (charsmap.size)
        qfs_kv_array(kvs, "tokenizer.ggml.precompiled_charsmap", QFS_KV_U8, charsmap.data,
                     charsmap.size);
    return kvs->failed ? qfs_fail_memory(error) : 0;
}

/* -- T5 ------------------------------------------------------------------------------------------------- */

static int t5_tokens(struct qfs_arena *arena, const struct qfs_model *model,
                     const struct qfs_json *hparams, const char *file,
                     const struct qfs_sentencepiece *pieces, struct qfs_tokens *tokens,
                     struct qfs_error *error)
{
    size_t count = 0;
    int rc = qfs_vocab_size(model, hparams, pieces->npieces, &count, error);
    if (rc < 0 || (rc = qfs_tokens_init(tokens, arena, count, -10000.0f, error)) < 0)
        return rc;
    if (pieces->npieces > count)
        return qfs_fail(error, EINVAL, "%s/%s: has %zu pieces but config.json's vocab_size is %zu",
                        model->path, file, pieces->npieces, count);
    for (size_t i = 0; i < pieces->npieces; i++)
        qfs_tokens_take_piece(tokens, i, &pieces->pieces[i]);
    return qfs_tokens_lay_added(tokens, arena, model, error);
}

int qfs_vocab_t5(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                 struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    bool own = qfs_vocab_file_exists(model, "tokenizer.model");
    const char *file = own ? "tokenizer.model" : "spiece.model";
    struct qfs_arena arena = {0};
    struct qfs_sentencepiece pieces;
    struct qfs_tokens tokens;
    bool bpe = false;
    int rc = qfs_pieces_read(&arena, model, file, &pieces, error);
    if (rc == 0) {
        bpe = own && pieces.kind == QFS_SENTENCEPIECE_BPE; /* Pile-T5 */
        if (!bpe && pieces.kind != QFS_SENTENCEPIECE_UNIGRAM)
            rc = qfs_fail(error, EINVAL, "%s/%s: is not a unigram model", model->path, file);
    }
    if (rc == 0 && !bpe)
        rc = t5_tokens(&arena, model, hparams, file, &pieces, &tokens, error);
    if (rc == 0 && !bpe)
        rc = qfs_tokens_write(&tokens, conversion, "t5", "default", error);
    if (rc == 0 && !bpe)
        rc = put_normalizer(conversion, NULL, false, pieces.add_dummy_prefix,
                            pieces.remove_extra_whitespaces, pieces.precompiled_charsmap, error);
    if (rc == 0 && !bpe)
        rc = qfs_special_vocab_put(conversion, &arena, NULL, tokens.count, error);
    qfs_arena_done(&arena);
    if (rc == 0 && bpe)
        rc = qfs_vocab_sentencepiece(conversion, hparams, error);
    return rc == -ENOENT ? -EINVAL : rc;
}

/* -- XLM-RoBERTa ------------------------------------------------------------------------------------------ */

/* max(hparams.get("vocab_size", 0), own) */
static int xlmr_size(const struct qfs_model *model, const struct qfs_json *hparams, size_t own,
                     size_t *ret_size, struct qfs_error *error)
{
    int rc = qfs_vocab_size(model, hparams, 0, ret_size, error);
    if (rc == 0)
        *ret_size = QFS_MAX(*ret_size, own);
    return rc;
}

/* The pieces of sentencepiece.bpe.model from the fourth on, behind fairseq's four. */
static int xlmr_pieces(struct qfs_arena *arena, const struct qfs_model *model,
                       const struct qfs_json *hparams, struct qfs_sentencepiece *pieces,
                       struct qfs_tokens *ret_tokens, struct qfs_error *error)
{
    static const char file[] = "sentencepiece.bpe.model";
    static const struct {
        struct qfs_text text;
        enum qfs_token_type type;
    } first[] = {{{"<s>", 3}, QFS_TOKEN_CONTROL},
                 {{"<pad>", 5}, QFS_TOKEN_CONTROL},
                 {{"</s>", 4}, QFS_TOKEN_CONTROL},
                 {{"<unk>", 5}, QFS_TOKEN_UNKNOWN}};
    struct qfs_tokens own;
    size_t size = 0;
    int rc = qfs_pieces_read(arena, model, file, pieces, error);
    if (rc == 0 && pieces->kind != QFS_SENTENCEPIECE_UNIGRAM)
        rc = qfs_fail(error, EINVAL, "%s/%s: is not a unigram model", model->path, file);
    if (rc < 0 || (rc = xlmr_size(model, hparams, pieces->npieces, &size, error)) < 0 ||
        (rc = qfs_tokens_init(&own, arena, size, -10000.0f, error)) < 0 ||
        (rc = qfs_tokens_init(ret_tokens, arena, QFS_MAX(size, 4), 0.0f, error)) < 0)
        return rc;
    for (size_t i = 0; i < pieces->npieces; i++)
        qfs_tokens_take_piece(&own, i, &pieces->pieces[i]);
    for (size_t i = 0; i < ret_tokens->count; i++) {
        bool fixed = i < QFS_COUNT(first);
        /* A token that nobody filled has its old place in its name. */
        char *pad =
            fixed || own.texts[i - 1].data ? NULL : qfs_arena_printf(arena, "[PAD%zu]", i - 1);
        if (!fixed && !own.texts[i - 1].data && !pad)
            return qfs_fail_memory(error);
        ret_tokens->texts[i] = fixed ? first[i].text : pad ? qfs_text_of(pad) : own.texts[i - 1];
        ret_tokens->scores[i] = fixed ? 0.0f : own.scores[i - 1];
        ret_tokens->types[i] = fixed ? (int32_t)first[i].type : own.types[i - 1];
    }
    return 0;
}

static int add_mask(struct qfs_tokens *tokens, const struct qfs_model *model,
                    struct qfs_error *error)
{
    enum { MASK = 250001 };
    if (tokens->count <= MASK)
        return qfs_fail(error, EINVAL, "%s: its vocabulary ends before the token <mask>, %d",
                        model->path, MASK);
    tokens->texts[MASK] = QFS_TEXT("<mask>");
    tokens->scores[MASK] = 0.0f;
    tokens->types[MASK] = QFS_TOKEN_CONTROL;
    return 0;
}

static int special_ids(const struct qfs_tokenizer *t, struct qfs_map *specials,
                       struct qfs_error *error)
{
    for (size_t i = 0; i < t->nnamed + t->nextra; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        uint32_t id;
        if (token->set && qfs_tokenizer_id(t, token->token.content, &id) &&
            qfs_map_set(specials, token->token.content, id) < 0)
            return qfs_fail_memory(error);
    }
    return 0;
}

/* The id of the unknown token: an added token's, or the model's own. */
static int unknown_id(const struct qfs_tokenizer *t, const struct qfs_json *config, int64_t *ret_id,
                      struct qfs_error *error)
{
    const struct qfs_json *unk = qfs_json_get(config, "unk_token");
    const struct qfs_json *own = qfs_json_get(qfs_json_get(t->json, "model"), "unk_id");
    uint64_t id;
    *ret_id = own ? -1 : 3;
    qfs_json_int(own, ret_id);
    if (qfs_json_is(unk, QFS_JSON_OBJECT) || qfs_json_is(unk, QFS_JSON_ARRAY))
        return qfs_fail(error, EINVAL, "%s/tokenizer_config.json: unk_token is no text",
                        t->model->path);
    if (qfs_json_is(unk, QFS_JSON_STRING) && qfs_map_get(&t->added.ids, qfs_json_text(unk), &id))
        *ret_id = (int64_t)id;
    return 0;
}

/* Tokens of tokenizer.json's model; added ones beyond them are left out. */
static int xlmr_file(struct qfs_arena *arena, const struct qfs_tokenizer *t,
                     const struct qfs_json *hparams, const struct qfs_json *config,
                     const struct qfs_map *specials, struct qfs_tokens *tokens,
                     struct qfs_error *error)
{
    const struct qfs_json *vocab = qfs_json_get(qfs_json_get(t->json, "model"), "vocab");
    size_t own = t->tokens.kind == QFS_MODEL_UNIGRAM ? t->tokens.limit : t->tokens.ids.count;
    size_t size = 0;
    int64_t unk = -1;
    int rc = xlmr_size(t->model, hparams, own, &size, error);
    if (rc < 0 || (rc = unknown_id(t, config, &unk, error)) < 0 ||
        (rc = qfs_tokens_init(tokens, arena, size, -10000.0f, error)) < 0)
        return rc;
    for (size_t i = 0; i < own; i++) {
        const struct qfs_added_entry *added = qfs_added_get(&t->added, (uint32_t)i);
        struct qfs_text name = added                 ? added->token.content
                               : i < t->tokens.limit ? t->tokens.texts[i]
                                                     : (struct qfs_text){0};
        struct qfs_text text = added && added->normalized.data ? added->normalized : name;
        double score;
        uint64_t id;
        if (!text.data)
            continue;
        const struct qfs_json *entry =
            qfs_json_is(vocab, QFS_JSON_ARRAY) ? qfs_json_at(vocab, i) : NULL;
        if (!qfs_json_is(qfs_json_at(entry, 1), QFS_JSON_REAL) ||
            !qfs_json_real(qfs_json_at(entry, 1), &score))
            return qfs_fail(error, EINVAL, "%s: the score of token %zu is not a real number",
                            t->shown, i); /* an array of GGUF holds one type */
        bool special = qfs_map_get(specials, name, &id) && id == i;
        tokens->texts[i] = text;
        tokens->scores[i] = (float)score;
        tokens->types[i] = (int64_t)i == unk ? QFS_TOKEN_UNKNOWN
                           : special         ? QFS_TOKEN_CONTROL
                           : added           ? QFS_TOKEN_USER_DEFINED
                                             : QFS_TOKEN_NORMAL;
    }
    return 0;
}

struct xlmr {
    struct qfs_tokens tokens;
    bool prefix, remove_spaces;
    struct qfs_text charsmap;
};

/* Without sentencepiece.bpe.model: everything from tokenizer.json. */
static int xlmr_tokenizer(struct qfs_arena *arena, const struct qfs_model *model,
                          const struct qfs_json *hparams, struct qfs_tokenizer **ret_tokenizer,
                          struct xlmr *x, struct qfs_error *error)
{
    const struct qfs_json *config = NULL;
    struct qfs_map specials = {0};
    int rc = qfs_tokenizer_open(model, ret_tokenizer, error);
    if (rc < 0)
        return rc;
    const struct qfs_tokenizer *t = *ret_tokenizer;
    const struct qfs_json *map =
        qfs_json_get(qfs_json_get(t->json, "normalizer"), "precompiled_charsmap");
    if ((rc = qfs_vocab_read_json(arena, model, "tokenizer_config.json", &config, error)) < 0)
        return rc;
    rc = qfs_json_is(map, QFS_JSON_STRING)
             ? qfs_base64_decode(arena, qfs_json_text(map), &x->charsmap)
             : -EINVAL;
    if (rc < 0)
        return rc == -ENOMEM
                   ? qfs_fail_memory(error)
                   : qfs_fail(error, EINVAL, "%s: its normalizer is not Precompiled", t->shown);
    x->prefix = t->add_prefix_space;
    x->remove_spaces = t->clean_up;
    if ((rc = special_ids(t, &specials, error)) == 0)
        rc = xlmr_file(arena, t, hparams, config, &specials, &x->tokens, error);
    qfs_map_done(&specials);
    return rc;
}

int qfs_vocab_xlmroberta(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         bool mask, struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_sentencepiece pieces;
    struct qfs_tokenizer *t = NULL;
    struct xlmr x = {0};
    int rc;
    if (qfs_vocab_file_exists(model, "sentencepiece.bpe.model")) {
        rc = xlmr_pieces(&arena, model, hparams, &pieces, &x.tokens, error);
        if (rc == 0) {
            x.prefix = pieces.add_dummy_prefix;
            x.remove_spaces = pieces.remove_extra_whitespaces;
            x.charsmap = pieces.precompiled_charsmap;
            rc = mask ? add_mask(&x.tokens, model, error) : 0;
        }
    } else if (!qfs_vocab_file_exists(model, "tokenizer.json")) {
        rc = qfs_fail(error, EINVAL, "%s/tokenizer.json: there is no such file", model->path);
    } else {
        rc = xlmr_tokenizer(&arena, model, hparams, &t, &x, error);
    }
    if (rc == 0)
        rc = qfs_tokens_write(&x.tokens, conversion, "t5", "default", error);
    if (rc == 0)
        rc = put_normalizer(conversion, qfs_json_get(hparams, "type_vocab_size"), true, x.prefix,
                            x.remove_spaces, x.charsmap, error);
    if (rc == 0)
        rc = qfs_special_vocab_put(conversion, &arena, t ? t->json : NULL, x.tokens.count, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc == -ENOENT ? -EINVAL : rc;
}
