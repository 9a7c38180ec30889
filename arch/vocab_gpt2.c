/* get_vocab_base and what writes its result: vocabularies of tokenizer.json. */
#include "tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fingerprint {
    const char *digest, *name;
};

#include "pretokenizer_table.inc"

static int compare(const void *digest, const void *row)
{
    return strcmp(digest, ((const struct fingerprint *)row)->digest);
}

int qfs_vocab_fingerprint(struct qfs_tokenizer *t, char ret_hex[65], const char **ret_name,
                          struct qfs_error *error)
{
    struct qfs_ids ids = {0};
    struct qfs_buffer text = {0};
    struct qfs_sha256 *sha = NULL;
    int rc = qfs_tokenizer_encode(t, QFS_TEXT(fixed_text), true, &ids, error);
    if (rc < 0)
        goto out;
    qfs_buffer_text(&text, "[");
    for (size_t i = 0; i < ids.count; i++)
        qfs_buffer_printf(&text, i ? ", %u" : "%u", ids.items[i]);
    qfs_buffer_text(&text, "]");
    if (text.failed || !(sha = qfs_sha256_new())) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    qfs_sha256_update(sha, text.data, text.size);
    qfs_sha256_hex(sha, ret_hex);
    const struct fingerprint *found =
        bsearch(ret_hex, fingerprints, QFS_COUNT(fingerprints), sizeof(*fingerprints), compare);
    *ret_name = found ? found->name : NULL;
out:
    qfs_sha256_free(sha);
    qfs_buffer_done(&text);
    free(ids.items);
    return rc;
}

/* decode(encode(token)) of an added token that is not normalized. */
static int normalize_added(struct qfs_tokenizer *t, struct qfs_arena *arena, struct qfs_ids *ids,
                           struct qfs_text *text, struct qfs_error *error)
{
    int rc = qfs_tokenizer_encode(t, *text, false, ids, error);
    if (rc == 0)
        rc = qfs_tokenizer_decode(t, ids, text, error);
    if (rc < 0)
        return rc;
    text->data = qfs_arena_copy(arena, text->data, text->size);
    return text->data ? 0 : qfs_fail_memory(error);
}

static int take_added(struct qfs_tokenizer *t, struct qfs_tokens *tokens, struct qfs_arena *arena,
                      struct qfs_error *error)
{
    struct qfs_ids ids = {0};
    int rc = 0;
    for (size_t i = 0; i < t->added.count && rc == 0; i++) {
        const struct qfs_added_entry *entry = t->added.entries[i];
        struct qfs_text text = entry->token.content;
        if (!qfs_added_token_normalized(&entry->token))
            rc = normalize_added(t, arena, &ids, &text, error);
        if (rc < 0)
            break;
        if (entry->token.special || qfs_token_looks_special(text)) {
            tokens->types[entry->id] = QFS_TOKEN_CONTROL;
        } else {
            text = qfs_text_replace(arena, text, "▁", " ");
            if (!text.data)
                rc = qfs_fail_memory(error);
            tokens->types[entry->id] = QFS_TOKEN_USER_DEFINED;
        }
        tokens->texts[entry->id] = text;
    }
    free(ids.items);
    return rc;
}

int qfs_vocab_tokens(struct qfs_tokenizer *t, const struct qfs_json *hparams,
                     struct qfs_arena *arena, struct qfs_tokens *ret_tokens,
                     struct qfs_error *error)
{
    struct qfs_tokens tokens;
    size_t size = 0, used = 0, own = t->tokens.ids.count;
    for (size_t i = 0; i < t->tokens.limit; i++)
        if (t->tokens.texts[i].data)
            used = i + 1;
    for (size_t i = 0; i < t->added.count; i++) {
        const struct qfs_added_entry *entry = t->added.entries[i];
        used = QFS_MAX(used, (size_t)entry->id + 1);
        own += !qfs_map_get(&t->tokens.ids, entry->token.content, NULL);
    }
    int rc = qfs_vocab_size(t->model, hparams, own, &size, error);
    if (rc < 0)
        return rc;
    if (used > size || used == 0)
        return qfs_fail(error, EINVAL,
                        "%s: the tokenizer has ids up to %zu but config.json's vocab_size is %zu",
                        t->model->path, used ? used - 1 : 0, size);
    if ((rc = qfs_tokens_init(&tokens, arena, size, NAN, error)) < 0)
        return rc;
    for (size_t i = 0; i < t->tokens.limit && i < size; i++)
        if (t->tokens.texts[i].data) {
            tokens.texts[i] = t->tokens.texts[i];
            tokens.types[i] = QFS_TOKEN_NORMAL;
        }
    if ((rc = take_added(t, &tokens, arena, error)) < 0)
        return rc;
    *ret_tokens = tokens;
    return 0;
}

int qfs_vocab_base(struct qfs_tokenizer *t, const struct qfs_json *hparams, struct qfs_arena *arena,
                   struct qfs_tokens *ret_tokens, const char **ret_pre, struct qfs_error *error)
{
    char hex[65];
    int rc = qfs_vocab_fingerprint(t, hex, ret_pre, error);
    if (rc < 0)
        return rc;
    if (!*ret_pre)
        return qfs_fail(error, ENOTSUP,
                        "%s: llama.cpp does not know the pre-tokenizer whose fingerprint is %s "
                        "(tokenizer class %s)",
                        t->shown, hex, t->class_name);
    return qfs_vocab_tokens(t, hparams, arena, ret_tokens, error);
}

/* _set_special_token(type, get_added_vocab()[token]) for each */
static int set_special(const struct qfs_tokenizer *t, struct qfs_special_vocab *special,
                       const struct qfs_special_token *tokens, struct qfs_error *error)
{
    for (; tokens && tokens->type; tokens++) {
        uint64_t id;
        if (!qfs_map_get(&t->added.ids, qfs_text_of(tokens->token), &id))
            return qfs_fail(error, EINVAL, "%s: has no added token %s", t->shown, tokens->token);
        int rc = qfs_special_vocab_set(special, tokens->type, (int64_t)id, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int qfs_vocab_gpt2_special(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                           const struct qfs_special_token *set, struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    const char *pre = NULL;
    int rc = qfs_tokenizer_open(conversion->model, &t, error);
    if (rc == 0)
        rc = qfs_vocab_base(t, hparams, &arena, &tokens, &pre, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "gpt2", pre, error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, conversion->model, t->json, true, NULL, -1,
                                    error);
    if (rc == 0)
        rc = set_special(t, &special, set, error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}

int qfs_vocab_gpt2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    return qfs_vocab_gpt2_special(conversion, hparams, NULL, error);
}
