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

struct qfs_text qfs_fingerprint_text(void)
{
    return QFS_TEXT(fixed_text);
}

int qfs_fingerprint_of(const struct qfs_ids *ids, char ret_hex[65], const char **ret_name,
                       struct qfs_error *error)
{
    struct qfs_buffer text = {0};
    qfs_buffer_text(&text, "[");
    for (size_t i = 0; i < ids->count; i++)
        qfs_buffer_printf(&text, i ? ", %u" : "%u", ids->items[i]);
    qfs_buffer_text(&text, "]");
    struct qfs_sha256 *sha = text.failed ? NULL : qfs_sha256_new();
    if (!sha) {
        qfs_buffer_done(&text);
        return qfs_fail_memory(error);
    }
    qfs_sha256_update(sha, text.data, text.size);
    qfs_sha256_hex(sha, ret_hex);
    const struct fingerprint *found =
        bsearch(ret_hex, fingerprints, QFS_COUNT(fingerprints), sizeof(*fingerprints), compare);
    *ret_name = found ? found->name : NULL;
    qfs_sha256_free(sha);
    qfs_buffer_done(&text);
    return 0;
}

int qfs_vocab_fingerprint(struct qfs_tokenizer *t, char ret_hex[65], const char **ret_name,
                          struct qfs_error *error)
{
    struct qfs_ids ids = {0};
    int rc = qfs_tokenizer_encode(t, qfs_fingerprint_text(), true, &ids, error);
    if (rc == 0)
        rc = qfs_fingerprint_of(&ids, ret_hex, ret_name, error);
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
                      enum qfs_vocab_added added, struct qfs_error *error)
{
    struct qfs_ids ids = {0};
    int rc = 0;
    for (size_t i = 0; i < t->added.count && rc == 0; i++) {
        const struct qfs_added_entry *entry = t->added.entries[i];
        struct qfs_text text = entry->token.content;
        bool plain = added == QFS_VOCAB_ADDED_PLAIN;
        if (!plain && !qfs_added_token_normalized(&entry->token))
            rc = normalize_added(t, arena, &ids, &text, error);
        if (rc < 0)
            break;
        if (entry->token.special || (!plain && qfs_token_looks_special(text))) {
            tokens->types[entry->id] = QFS_TOKEN_CONTROL;
        } else {
            if (added == QFS_VOCAB_ADDED_USUAL)
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

/* Is the token of this id there by its text? A Unigram model's text may stand twice, the last counts. */
static bool has_id(const struct qfs_tokenizer *t, size_t id)
{
    uint64_t found = id;
    if (!t->tokens.texts[id].data)
        return false;
    if (t->tokens.kind == QFS_MODEL_UNIGRAM)
        qfs_map_get(&t->tokens.ids, t->tokens.texts[id], &found);
    return found == id;
}

size_t qfs_vocab_limit(const struct qfs_tokenizer *t)
{
    size_t used = 0;
    for (size_t i = 0; i < t->tokens.limit; i++)
        if (has_id(t, i))
            used = i + 1;
    for (size_t i = 0; i < t->added.count; i++)
        used = QFS_MAX(used, (size_t)t->added.entries[i]->id + 1);
    return used;
}

size_t qfs_vocab_count(const struct qfs_tokenizer *t)
{
    size_t count = t->tokens.ids.count;
    for (size_t i = 0; i < t->added.count; i++)
        count += !qfs_map_get(&t->tokens.ids, t->added.entries[i]->token.content, NULL);
    return count;
}

static int tokens_of(struct qfs_tokenizer *t, const struct qfs_json *hparams,
                     enum qfs_vocab_added added, struct qfs_arena *arena,
                     struct qfs_tokens *ret_tokens, struct qfs_error *error)
{
    struct qfs_tokens tokens;
    size_t size = 0, used = qfs_vocab_limit(t);
    int rc = qfs_vocab_size(t->model, hparams, qfs_vocab_count(t), &size, error);
    if (rc < 0)
        return rc;
    if (used > size || used == 0)
        return qfs_fail(error, EINVAL,
                        "%s: the tokenizer has ids up to %zu but config.json's vocab_size is %zu",
                        t->model->path, used ? used - 1 : 0, size);
    if ((rc = qfs_tokens_init(&tokens, arena, size, NAN, error)) < 0)
        return rc;
    for (size_t i = 0; i < t->tokens.limit && i < size; i++)
        if (has_id(t, i)) {
            tokens.texts[i] = t->tokens.texts[i];
            tokens.types[i] = QFS_TOKEN_NORMAL;
        }
    if ((rc = take_added(t, &tokens, arena, added, error)) < 0)
        return rc;
    *ret_tokens = tokens;
    return 0;
}

int qfs_vocab_tokens(struct qfs_tokenizer *t, const struct qfs_json *hparams,
                     struct qfs_arena *arena, struct qfs_tokens *ret_tokens,
                     struct qfs_error *error)
{
    return tokens_of(t, hparams, QFS_VOCAB_ADDED_USUAL, arena, ret_tokens, error);
}

int qfs_pre_settle(struct qfs_conversion *conversion, const char *shown, const char *hex,
                   const char *class_name, const char **pre, struct qfs_error *error)
{
    if (*pre)
        return 0;
    if (!conversion->model->pre)
        return qfs_fail(error, ENOTSUP,
                        "%s: llama.cpp does not know the pre-tokenizer whose fingerprint is %s"
                        "%s%s%s; --pre NAME goes on with one that it knows",
                        shown, hex, class_name ? " (tokenizer class " : "",
                        class_name ? class_name : "", class_name ? ")" : "");
    *pre = conversion->given_pre = conversion->model->pre;
    return 0;
}

static int named_pre(struct qfs_tokenizer *t, struct qfs_conversion *conversion,
                     const char **ret_pre, struct qfs_error *error)
{
    char hex[65];
    int rc = qfs_vocab_fingerprint(t, hex, ret_pre, error);
    return rc < 0 ? rc : qfs_pre_settle(conversion, t->shown, hex, t->class_name, ret_pre, error);
}

int qfs_vocab_base(struct qfs_tokenizer *t, struct qfs_conversion *conversion,
                   const struct qfs_json *hparams, struct qfs_arena *arena,
                   struct qfs_tokens *ret_tokens, const char **ret_pre, struct qfs_error *error)
{
    int rc = named_pre(t, conversion, ret_pre, error);
    return rc < 0 ? rc : qfs_vocab_tokens(t, hparams, arena, ret_tokens, error);
}

/* get_added_vocab()[text] */
static int added_id(const struct qfs_tokenizer *t, const char *text, int64_t *ret_id,
                    struct qfs_error *error)
{
    uint64_t id;
    if (!qfs_map_get(&t->added.ids, qfs_text_of(text), &id))
        return qfs_fail(error, EINVAL, "%s: its tokenizer has no added token %s", t->model->path,
                        text);
    *ret_id = (int64_t)id;
    return 0;
}

/* The tokens' last changes: types that a family knows better, tokens of its own. */
static int finish_tokens(struct qfs_tokens *tokens, const struct qfs_vocab_way *way,
                         struct qfs_arena *arena, struct qfs_error *error)
{
    for (const char *const *text = way->control; text && *text; text++)
        for (size_t i = 0; i < tokens->count; i++)
            if (qfs_text_is(tokens->texts[i], *text))
                tokens->types[i] = QFS_TOKEN_CONTROL;
    if (!way->nmore)
        return 0;
    struct qfs_tokens all;
    int rc = qfs_tokens_init(&all, arena, tokens->count + way->nmore, NAN, error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < all.count; i++) {
        bool own = i < tokens->count;
        all.texts[i] = own ? tokens->texts[i] : way->more[i - tokens->count];
        all.types[i] = own ? tokens->types[i] : QFS_TOKEN_CONTROL;
    }
    *tokens = all;
    return 0;
}

static int set_specials(struct qfs_special_vocab *special, const struct qfs_tokenizer *t,
                        const struct qfs_vocab_way *way, struct qfs_error *error)
{
    int rc = 0;
    for (const struct qfs_special_token *s = way->texts; rc == 0 && s && s->type; s++) {
        int64_t id = 0;
        rc = added_id(t, s->token, &id, error);
        if (rc == 0)
            rc = qfs_special_vocab_set(special, s->type, id, error);
    }
    for (const struct qfs_special_id *s = way->ids; rc == 0 && s && s->type; s++)
        rc = qfs_special_vocab_set(special, s->type, s->id, error);
    return rc;
}

int qfs_vocab_gpt2_way(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       const struct qfs_vocab_way *way, struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    const char *pre = NULL;
    int rc = qfs_tokenizer_open(conversion->model, &t, error);
    if (rc == 0)
        rc = named_pre(t, conversion, &pre, error);
    if (rc == 0)
        rc = tokens_of(t, hparams, way->added, &arena, &tokens, error);
    if (rc == 0)
        rc = finish_tokens(&tokens, way, &arena, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, way->model_name ? way->model_name : "gpt2",
                              way->pre ? way->pre : pre, error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, conversion->model, t->json, true,
                                    way->special_types, -1, error);
    if (rc == 0)
        rc = set_specials(&special, t, way, error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}

int qfs_vocab_gpt2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    return qfs_vocab_gpt2_way(conversion, hparams, &(struct qfs_vocab_way){0}, error);
}

int qfs_vocab_gpt2_special(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                           const struct qfs_special_token *set, struct qfs_error *error)
{
    return qfs_vocab_gpt2_way(conversion, hparams, &(struct qfs_vocab_way){.texts = set}, error);
}

int qfs_vocab_none(struct qfs_conversion *conversion, struct qfs_error *error)
{
    qfs_kv_string(&conversion->kvs, "tokenizer.ggml.model", "none");
    return conversion->kvs.failed ? qfs_fail_memory(error) : 0;
}

int qfs_vocab_whitespace(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error)
{
    static const struct qfs_vocab_way way = {.model_name = "whitespace", .pre = "whitespace"};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

int qfs_vocab_glm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                  struct qfs_error *error)
{
    static const struct qfs_special_token texts[] = {{"bos", "[gMASK]"},
                                                     {"eot", "<|user|>"},
                                                     {"unk", "<|endoftext|>"},
                                                     {"eom", "<|observation|>"},
                                                     {NULL, NULL}};
    static const struct qfs_vocab_way way = {.texts = texts};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

int qfs_vocab_glmedge(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error)
{
    static const struct qfs_special_token texts[] = {{"eos", "<|endoftext|>"},
                                                     {"eot", "<|user|>"},
                                                     {"unk", "<|endoftext|>"},
                                                     {"bos", "<|endoftext|>"},
                                                     {NULL, NULL}};
    static const struct qfs_vocab_way way = {.texts = texts};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

int qfs_vocab_chatglm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error)
{
    static const struct qfs_special_token texts[] = {
        {"eos", "<|endoftext|>"}, {"eot", "<|user|>"}, {"unk", "<|endoftext|>"}, {NULL, NULL}};
    static const struct qfs_vocab_way way = {.texts = texts};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

int qfs_vocab_interns1(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    static const struct qfs_special_id ids[] = {{"bos", 151643}, {NULL, 0}};
    static const struct qfs_vocab_way way = {.added = QFS_VOCAB_ADDED_SPACES, .ids = ids};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}
