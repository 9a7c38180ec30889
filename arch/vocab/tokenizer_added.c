/* Added tokens: which there are, by what id, and where they stand in a text. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

bool qfs_added_token_normalized(const struct qfs_added_token *token)
{
    return token->normalized == QFS_FLAG_UNSET ? !token->special
                                               : token->normalized == QFS_FLAG_TRUE;
}

int qfs_added_token_read(const struct qfs_json *json, const char *where,
                         struct qfs_added_token *ret_token, struct qfs_error *error)
{
    struct qfs_added_token token = {.content = {"", 0}};
    const struct {
        const char *name;
        enum qfs_flag *flag;
    } flags[] = {
        {"single_word", &token.single_word},
        {"lstrip", &token.lstrip},
        {"rstrip", &token.rstrip},
        {"normalized", &token.normalized},
    };
    if (!qfs_json_is(json, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s: is not an object", where);
    const struct qfs_json *content = qfs_json_get(json, "content");
    const struct qfs_json *special = qfs_json_get(json, "special");
    if (!qfs_json_is_null(content)) {
        if (content->kind != QFS_JSON_STRING || !qfs_utf8_valid(content->string, content->count))
            return qfs_fail(error, EINVAL, "%s: its content is not a text", where);
        token.content = qfs_json_text(content);
    }
    if (special && !qfs_json_is_bool(special))
        return qfs_fail(error, EINVAL, "%s: special is neither true nor false", where);
    token.special = special && special->kind == QFS_JSON_TRUE;
    for (size_t i = 0; i < QFS_COUNT(flags); i++) {
        const struct qfs_json *value = qfs_json_get(json, flags[i].name);
        if (!value)
            continue;
        if (!qfs_json_is_bool(value))
            return qfs_fail(error, EINVAL, "%s: %s is neither true nor false", where,
                            flags[i].name);
        *flags[i].flag = value->kind == QFS_JSON_TRUE ? QFS_FLAG_TRUE : QFS_FLAG_FALSE;
    }
    *ret_token = token;
    return 0;
}

static struct qfs_text id_key(const uint32_t *id)
{
    return (struct qfs_text){(const char *)id, sizeof(*id)};
}

const struct qfs_added_entry *qfs_added_get(const struct qfs_added *added, uint32_t id)
{
    uint64_t place;
    return qfs_map_get(&added->places, id_key(&id), &place) ? added->entries[place] : NULL;
}

bool qfs_tokenizer_id(const struct qfs_tokenizer *t, struct qfs_text token, uint32_t *ret_id)
{
    uint64_t id;
    if (!qfs_map_get(&t->added.ids, token, &id) && !qfs_map_get(&t->tokens.ids, token, &id))
        return false;
    *ret_id = (uint32_t)id;
    return true;
}

static bool same(const struct qfs_added_token *a, const struct qfs_added_token *b)
{
    return qfs_text_equal(a->content, b->content) && a->special == b->special &&
           (a->single_word == QFS_FLAG_TRUE) == (b->single_word == QFS_FLAG_TRUE) &&
           (a->lstrip == QFS_FLAG_TRUE) == (b->lstrip == QFS_FLAG_TRUE) &&
           (a->rstrip == QFS_FLAG_TRUE) == (b->rstrip == QFS_FLAG_TRUE) &&
           qfs_added_token_normalized(a) == qfs_added_token_normalized(b);
}

static uint32_t next_id(const struct qfs_tokenizer *t)
{
    bool unigram =
        t->tokens.kind == QFS_MODEL_UNIGRAM; /* counts a text twice that is there twice */
    uint32_t size = (uint32_t)(unigram ? t->tokens.limit : t->tokens.ids.count), highest = 0;
    for (size_t i = 0; i < t->added.count; i++)
        highest = QFS_MAX(highest, t->added.entries[i]->id);
    return t->added.count && (highest >= size || size == 0) ? highest + 1 : size;
}

/* The entry with this id, made if there is none. */
static struct qfs_added_entry *entry_of(struct qfs_tokenizer *t, uint32_t id)
{
    struct qfs_added *added = &t->added;
    uint64_t place;
    if (qfs_map_get(&added->places, id_key(&id), &place))
        return added->entries[place];
    if (added->count == added->capacity) {
        size_t capacity = added->capacity ? added->capacity * 2 : 256;
        struct qfs_added_entry **entries =
            realloc(added->entries, capacity * sizeof(struct qfs_added_entry *));
        if (!entries)
            return NULL;
        added->entries = entries;
        added->capacity = capacity;
    }
    struct qfs_added_entry *entry = qfs_arena_alloc(&t->arena, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->id = id;
    if (qfs_map_set(&added->places, id_key(&entry->id), added->count) < 0)
        return NULL;
    added->entries[added->count++] = entry;
    return entry;
}

int qfs_added_add(struct qfs_tokenizer *t, const struct qfs_added_token *token,
                  struct qfs_error *error)
{
    struct qfs_added *added = &t->added;
    struct qfs_text normalized = {NULL, 0};
    uint64_t known;
    uint32_t id;
    if (token->content.size == 0)
        return 0;
    if (qfs_map_get(&added->ids, token->content, &known)) {
        const struct qfs_added_entry *old = qfs_added_get(added, (uint32_t)known);
        if (old && same(&old->token, token))
            return 0;
    }
    if (!qfs_tokenizer_id(t, token->content, &id))
        id = next_id(t);
    if (qfs_added_token_normalized(token) && t->normalizers.present) {
        int rc = qfs_normalize(t, token->content, &normalized, error);
        if (rc < 0)
            return rc;
        char *copy = qfs_arena_copy(&t->arena, normalized.data, normalized.size);
        qfs_arena_done(&t->scratch);
        if (!copy)
            return qfs_fail_memory(error);
        normalized.data =
            qfs_text_equal((struct qfs_text){copy, normalized.size}, token->content) ? NULL : copy;
    }
    struct qfs_added_entry *entry = entry_of(t, id);
    if (!entry || qfs_map_set(&added->ids, token->content, id) < 0 ||
        (token->special && qfs_map_set(&added->specials, token->content, 1) < 0))
        return qfs_fail_memory(error);
    entry->token = *token;
    if (normalized.data) /* an older form stays, as in the tokenizers library's cache */
        entry->normalized = normalized;
    added->stale = true;
    return 0;
}

void qfs_added_done(struct qfs_added *added)
{
    free(added->entries);
    free(added->plain.nodes);
    free(added->normalized.nodes);
    qfs_map_done(&added->ids);
    qfs_map_done(&added->places);
    qfs_map_done(&added->specials);
    *added = (struct qfs_added){0};
}

/* -- finding them in a text --------------------------------------------------------------------------- */

/* The child of `node` for `byte`; -1 if there is none. */
static int32_t child_of(const struct qfs_trie *trie, int32_t node, uint8_t byte)
{
    int32_t child = trie->nodes[node].child;
    while (child >= 0 && trie->nodes[child].byte != byte)
        child = trie->nodes[child].next;
    return child;
}

static int32_t new_node(struct qfs_trie *trie, uint8_t byte)
{
    if (trie->count == trie->capacity) {
        size_t capacity = trie->capacity ? trie->capacity * 2 : 1024;
        struct qfs_trie_node *nodes =
            capacity < INT32_MAX ? realloc(trie->nodes, capacity * sizeof(*nodes)) : NULL;
        if (!nodes)
            return -1;
        trie->nodes = nodes;
        trie->capacity = capacity;
    }
    trie->nodes[trie->count] = (struct qfs_trie_node){-1, -1, -1, byte};
    return (int32_t)trie->count++;
}

static int trie_add(struct qfs_tokenizer *t, struct qfs_trie *trie, struct qfs_text text,
                    int32_t entry, struct qfs_error *error)
{
    if (trie->count == 0 && new_node(trie, 0) < 0)
        return qfs_fail_memory(error);
    int32_t node = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        int32_t child = child_of(trie, node, byte);
        if (child < 0) {
            if ((child = new_node(trie, byte)) < 0)
                return qfs_fail_memory(error);
            trie->nodes[child].next = trie->nodes[node].child;
            trie->nodes[node].child = child;
        }
        node = child;
    }
    if (node == 0 || trie->nodes[node].entry >= 0)
        return qfs_fail(error, EINVAL, "%s: two added tokens look alike: '%.*s'", t->shown,
                        (int)QFS_MIN(text.size, (size_t)100), text.data);
    trie->nodes[node].entry = entry;
    return 0;
}

static int refresh(struct qfs_tokenizer *t, struct qfs_error *error)
{
    struct qfs_added *added = &t->added;
    int rc = 0;
    if (!added->stale)
        return 0;
    added->plain.count = added->normalized.count = 0;
    for (size_t i = 0; i < added->count && rc == 0; i++) {
        const struct qfs_added_entry *e = added->entries[i];
        if (!qfs_added_token_normalized(&e->token))
            rc = trie_add(t, &added->plain, e->token.content, (int32_t)i, error);
        else
            rc = trie_add(t, &added->normalized,
                          e->normalized.data ? e->normalized : e->token.content, (int32_t)i, error);
    }
    added->stale = rc < 0;
    return rc;
}

/* The longest token that starts at text[at]; -1 if there is none. */
static int32_t longest_at(const struct qfs_trie *trie, struct qfs_text text, size_t at,
                          size_t *ret_end)
{
    int32_t node = 0, found = -1;
    for (size_t i = at; i < text.size && (node = child_of(trie, node, (uint8_t)text.data[i])) >= 0;
         i++)
        if (trie->nodes[node].entry >= 0) {
            found = trie->nodes[node].entry;
            *ret_end = i + 1;
        }
    return found;
}

static bool word_before(struct qfs_text text, size_t end)
{
    size_t at = end;
    if (end == 0)
        return false;
    do
        at--;
    while (at && ((uint8_t)text.data[at] & 0xC0) == 0x80);
    return qfs_rust_word(qfs_utf8_next(text, &at));
}

static bool word_behind(struct qfs_text text, size_t at)
{
    return at < text.size && qfs_rust_word(qfs_utf8_next(text, &at));
}

/* Where the spaces before text[end] begin. */
static size_t spaces_before(struct qfs_text text, size_t end)
{
    size_t start = 0;
    text.size = end;
    for (size_t at = 0; at < end;)
        if (!qfs_rust_space(qfs_utf8_next(text, &at)))
            start = at;
    return start;
}

static size_t spaces_behind(struct qfs_text text, size_t at)
{
    size_t end = at;
    while (at < text.size && qfs_rust_space(qfs_utf8_next(text, &at)))
        end = at;
    return end;
}

static void add_range(const struct qfs_bit *bit, size_t start, size_t end, int64_t id,
                      struct qfs_bits *out)
{
    qfs_bits_add(out, (struct qfs_bit){
                          .text = {bit->text.data + start, end - start},
                          .id = id,
                          .first = bit->first && start == 0,
                      });
}

/* False where spaces that one token takes reach beyond the next one, which the tokenizers library does
 * not survive. */
static bool cut(const struct qfs_tokenizer *t, const struct qfs_trie *trie,
                const struct qfs_bit *bit, struct qfs_bits *out)
{
    struct qfs_text text = bit->text;
    size_t done = 0;
    for (size_t at = 0; trie->count && at < text.size;) {
        size_t start = at, end = 0;
        int32_t found = longest_at(trie, text, at, &end);
        if (found < 0) {
            at++;
            continue;
        }
        at = end;
        const struct qfs_added_entry *e = t->added.entries[found];
        if (t->split_special_tokens && qfs_map_get(&t->added.specials, e->token.content, NULL))
            continue;
        if (e->token.single_word == QFS_FLAG_TRUE &&
            (word_before(text, start) || word_behind(text, end)))
            continue;
        if (e->token.lstrip == QFS_FLAG_TRUE)
            start = QFS_MAX(spaces_before(text, start), done);
        if (e->token.rstrip == QFS_FLAG_TRUE)
            end = spaces_behind(text, end);
        if (start > end)
            return false;
        if (done < start)
            add_range(bit, done, start, -1, out);
        add_range(bit, start, end, e->id, out);
        done = end;
    }
    if (done < text.size)
        add_range(bit, done, text.size, -1, out);
    return true;
}

int qfs_added_extract(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_bits *bits,
                      struct qfs_error *error)
{
    struct qfs_bits raw = {0};
    int rc = refresh(t, error);
    if (rc < 0)
        return rc;
    bool ok = cut(t, &t->added.plain, &(struct qfs_bit){text, -1, true}, &raw);
    for (size_t i = 0; i < raw.count && rc == 0 && ok; i++) {
        struct qfs_bit bit = raw.items[i];
        if (bit.id >= 0)
            qfs_bits_add(bits, bit);
        else if ((rc = qfs_normalize(t, bit.text, &bit.text, error)) == 0)
            ok = cut(t, &t->added.normalized, &bit, bits);
    }
    bits->failed = bits->failed || raw.failed;
    qfs_bits_done(&raw);
    if (rc == 0 && !ok)
        rc = qfs_fail(error, EINVAL, "%s: its added tokens overlap", t->shown);
    return rc < 0 ? rc : bits->failed ? qfs_fail_memory(error) : 0;
}
