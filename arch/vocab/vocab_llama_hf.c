/* LlamaHfVocab: tokenizer.json with a BPE that falls back to bytes, as converted from SentencePiece. */
#include "tokenizer.h"

#include <string.h>

/* What LlamaHfVocab looks at before it loads anything: 0, or -ENOENT where the converter goes on to
 * byte-level BPE. */
static int check(const struct qfs_model *model, const struct qfs_json *tokenizer,
                 struct qfs_error *error)
{
    const struct qfs_json *m = qfs_json_get(tokenizer, "model"), *type = qfs_json_get(m, "type");
    const struct qfs_json *decoder = qfs_json_get(tokenizer, "decoder");
    const struct qfs_json *ignore = qfs_json_get(m, "ignore_merges");
    const struct qfs_json *fallback = qfs_json_get(m, "byte_fallback");
    int other = qfs_fail(error, ENOENT, "%s/tokenizer.json: is not a Llama tokenizer", model->path);
    if (!tokenizer)
        return other;
    if (!qfs_json_is(m, QFS_JSON_OBJECT) || !type)
        return qfs_fail(error, EINVAL, "%s/tokenizer.json: its model has no type", model->path);
    if (!qfs_text_is(qfs_json_text(type), "BPE") || !qfs_json_truthy(fallback) ||
        (qfs_json_truthy(ignore) && fallback && !qfs_json_truthy(fallback)))
        return other;
    if (!decoder || (decoder->kind == QFS_JSON_OBJECT && !qfs_json_get(decoder, "type")))
        return qfs_fail(error, EINVAL, "%s/tokenizer.json: its decoder has no type", model->path);
    return qfs_text_is(qfs_json_text(qfs_json_get(decoder, "type")), "Sequence") ? 0 : other;
}

/* all_special_ids */
static int collect_specials(const struct qfs_tokenizer *t, struct qfs_map *specials,
                            struct qfs_error *error)
{
    for (size_t i = 0; i < t->nnamed + t->nextra; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        uint32_t id;
        if (!token->set)
            continue;
        if (!qfs_tokenizer_id(t, token->token.content, &id))
            return qfs_fail(error, EINVAL, "%s: the special token '%s' has no id", t->model->path,
                            token->token.content.data);
        if (qfs_map_set(specials, token->token.content, id) < 0)
            return qfs_fail_memory(error);
    }
    return 0;
}

/* Tokens of the model, then the added ones beyond them, in the order of their ids. */
static int fill(const struct qfs_tokenizer *t, const struct qfs_map *specials,
                struct qfs_arena *arena, struct qfs_tokens *tokens, struct qfs_error *error)
{
    size_t base = t->tokens.ids.count, beyond = 0;
    for (size_t i = 0; i < t->added.count; i++)
        beyond += t->added.entries[i]->id >= base;
    int rc = qfs_tokens_init(tokens, arena, base + beyond, -1000.0f, error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < base; i++) {
        struct qfs_text text = i < t->tokens.limit ? t->tokens.texts[i] : (struct qfs_text){0};
        if (!text.data)
            return qfs_fail(error, EINVAL, "%s: no token has the id %zu", t->shown, i);
        tokens->texts[i] = text;
        tokens->types[i] = qfs_token_is_byte(text)             ? QFS_TOKEN_BYTE
                           : qfs_map_get(specials, text, NULL) ? QFS_TOKEN_CONTROL
                                                               : QFS_TOKEN_NORMAL;
    }
    /* New ids are given in a row, so they are places, unless the model's have holes. */
    for (size_t i = 0; i < t->added.count; i++) {
        const struct qfs_added_entry *entry = t->added.entries[i];
        size_t place = base;
        if (entry->id < base)
            continue;
        for (size_t j = 0; j < t->added.count; j++)
            place += t->added.entries[j]->id >= base && t->added.entries[j]->id < entry->id;
        tokens->texts[place] = entry->token.content;
        tokens->types[place] = qfs_map_get(specials, entry->token.content, NULL)
                                   ? QFS_TOKEN_CONTROL
                                   : QFS_TOKEN_USER_DEFINED;
    }
    return 0;
}

/* LlamaHfVocab(dir): tokens and the tokenizer, which the caller closes. */
static int load(const struct qfs_model *model, struct qfs_arena *arena,
                struct qfs_tokenizer **ret_tokenizer, struct qfs_tokens *tokens,
                struct qfs_error *error)
{
    const struct qfs_json *tokenizer = NULL;
    struct qfs_map specials = {0};
    int rc = qfs_vocab_read_json(arena, model, "tokenizer.json", &tokenizer, error);
    if (rc == 0)
        rc = check(model, tokenizer, error);
    qfs_arena_done(arena); /* a second copy is read below; most models do not get there */
    if (rc == 0)
        rc = qfs_tokenizer_open(model, ret_tokenizer, error);
    if (rc == 0)
        rc = collect_specials(*ret_tokenizer, &specials, error);
    if (rc == 0)
        rc = fill(*ret_tokenizer, &specials, arena, tokens, error);
    qfs_map_done(&specials);
    return rc;
}

int qfs_vocab_llama_hf(struct qfs_conversion *conversion, struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    int rc = load(conversion->model, &arena, &t, &tokens, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", "default", error);
    if (rc == 0)
        rc = qfs_special_vocab_put(conversion, &arena, t->json, tokens.count, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}

/* Special tokens that a chat shows. */
static bool is_visible(struct qfs_text text)
{
    static const char *const names[] = {"<|channel>",   "<channel|>",       "<|tool_call>",
                                        "<tool_call|>", "<|tool_response>", "<tool_response|>",
                                        "<|\"|>"};
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (qfs_text_is(text, names[i]))
            return true;
    return false;
}

int qfs_vocab_gemma4(struct qfs_conversion *conversion, struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    int rc = load(conversion->model, &arena, &t, &tokens, error);
    for (size_t i = 0; rc == 0 && i < tokens.count; i++)
        if (is_visible(tokens.texts[i]))
            tokens.types[i] = QFS_TOKEN_USER_DEFINED;
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "gemma4", NULL, error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, conversion->model, t->json, true, NULL, -1,
                                    error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    if (rc == 0) {
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_space_prefix", false);
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_bos_token", true);
    }
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc == -ENOENT ? -EINVAL : rc;
}
