/* BPE and WordPiece: words to ids. */
#include "tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_LIMIT = 16 << 20 };

void qfs_ids_add(struct qfs_ids *ids, uint32_t id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
        uint32_t *items = ids->failed ? NULL : realloc(ids->items, capacity * sizeof(*items));
        if (!items) {
            ids->failed = true;
            return;
        }
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = id;
}

/* -- merges: open addressing, half full at most ----------------------------------------------------- */

struct merge {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank, id;
};

struct qfs_merges {
    struct merge *slots; /* rank UINT32_MAX: free */
    size_t mask;
};

static uint64_t pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static struct merge *merge_slot(const struct qfs_merges *merges, uint64_t pair)
{
    size_t i = (size_t)((pair * 0x9E3779B97F4A7C15u) >> 32) & merges->mask;
    while (merges->slots[i].rank != UINT32_MAX && merges->slots[i].pair != pair)
        i = (i + 1) & merges->mask;
    return &merges->slots[i];
}

static const struct merge *merge_find(const struct qfs_merges *merges, uint32_t left,
                                      uint32_t right)
{
    if (!merges)
        return NULL;
    const struct merge *slot = merge_slot(merges, pair_of(left, right));
    return slot->rank == UINT32_MAX ? NULL : slot;
}

static struct qfs_merges *merges_new(size_t count)
{
    struct qfs_merges *merges = calloc(1, sizeof(*merges));
    size_t size = 16;
    while (size < count * 2)
        size *= 2;
    if (!merges || !(merges->slots = malloc(size * sizeof(*merges->slots)))) {
        free(merges);
        return NULL;
    }
    memset(merges->slots, 0xFF, size * sizeof(*merges->slots));
    merges->mask = size - 1;
    return merges;
}

/* -- reading ---------------------------------------------------------------------------------------- */

static int malformed(const struct qfs_tokenizer *t, const char *what, struct qfs_error *error)
{
    return qfs_fail(error, EINVAL, "%s: %s of its model is missing or malformed", t->shown, what);
}

static int add_token(struct qfs_tokenizer *t, struct qfs_text text, int64_t id,
                     struct qfs_error *error)
{
    struct qfs_token_model *m = &t->tokens;
    if (id < 0 || id >= IDS_LIMIT)
        return qfs_fail(error, EINVAL, "%s: the token '%.60s' has the id %lld", t->shown, text.data,
                        (long long)id);
    if ((size_t)id >= m->limit) {
        size_t limit = QFS_MAX(m->limit * 2, (size_t)id + 1024);
        struct qfs_text *texts = realloc(m->texts, limit * sizeof(*texts));
        if (!texts)
            return qfs_fail_memory(error);
        memset(texts + m->limit, 0, (limit - m->limit) * sizeof(*texts));
        m->texts = texts;
        m->limit = limit;
    }
    if (qfs_map_set(&m->ids, text, (uint64_t)id) < 0)
        return qfs_fail_memory(error);
    m->texts[id] = text;
    return 0;
}

/* vocab: {text: id}, or for classes that rebuild their model a list of texts (or of [text, score]). */
static int read_vocab(struct qfs_tokenizer *t, const struct qfs_json *vocab,
                      struct qfs_error *error)
{
    int rc = 0;
    if (!qfs_json_is(vocab, QFS_JSON_OBJECT) && !qfs_json_is(vocab, QFS_JSON_ARRAY))
        return malformed(t, "vocab", error);
    for (uint32_t i = 0; i < vocab->count && rc == 0; i++) {
        if (vocab->kind == QFS_JSON_OBJECT) {
            const struct qfs_json *id = &vocab->members[i].value;
            rc = id->kind == QFS_JSON_INT ? add_token(t, vocab->members[i].key, id->integer, error)
                                          : malformed(t, "vocab", error);
            continue;
        }
        const struct qfs_json *item = &vocab->items[i];
        if (item->kind == QFS_JSON_ARRAY)
            item = qfs_json_at(item, 0);
        rc = qfs_json_is(item, QFS_JSON_STRING) ? add_token(t, qfs_json_text(item), i, error)
                                                : malformed(t, "vocab", error);
    }
    /* A text that is there twice has the later id only. */
    for (uint32_t i = 0; rc == 0 && vocab->kind == QFS_JSON_ARRAY && i < vocab->count; i++) {
        uint64_t id = i;
        qfs_map_get(&t->tokens.ids, t->tokens.texts[i], &id);
        if (id != i)
            t->tokens.texts[i] = (struct qfs_text){0};
    }
    return rc;
}

/* "a b" or ["a", "b"] */
static bool split_merge(const struct qfs_json *merge, struct qfs_text *a, struct qfs_text *b)
{
    if (merge->kind == QFS_JSON_ARRAY) {
        *a = qfs_json_text(qfs_json_at(merge, 0));
        *b = qfs_json_text(qfs_json_at(merge, 1));
        return merge->count == 2 && a->data && b->data;
    }
    struct qfs_text text = qfs_json_text(merge);
    const char *space = text.data ? memchr(text.data, ' ', text.size) : NULL;
    if (!space)
        return false;
    *a = (struct qfs_text){text.data, (size_t)(space - text.data)};
    *b = (struct qfs_text){space + 1, text.size - a->size - 1};
    return !memchr(b->data, ' ', b->size);
}

static int read_merges(struct qfs_tokenizer *t, const struct qfs_json *list,
                       struct qfs_error *error)
{
    struct qfs_token_model *m = &t->tokens;
    struct qfs_buffer joined = {0};
    uint32_t rank = 0;
    int rc = 0;
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return malformed(t, "merges", error);
    if (!(m->merges = merges_new(list->count)))
        return qfs_fail_memory(error);
    size_t prefix = m->has_prefix ? m->prefix.size : 0;
    for (uint32_t i = 0; i < list->count && rc == 0; i++) {
        const struct qfs_json *merge = &list->items[i];
        struct qfs_text a, b;
        uint64_t left, right, id;
        if (merge->kind == QFS_JSON_STRING && qfs_starts_with(merge->string, "#version"))
            continue;
        if (merge->kind != list->items[0].kind || !split_merge(merge, &a, &b)) {
            rc = qfs_fail(error, EINVAL, "%s: merge %u is malformed", t->shown, i);
            break;
        }
        joined.size = 0;
        qfs_buffer_append(&joined, a.data, a.size);
        if (b.size >= prefix)
            qfs_buffer_append(&joined, b.data + prefix, b.size - prefix);
        if (joined.failed)
            rc = qfs_fail_memory(error);
        else if (b.size < prefix || !qfs_map_get(&m->ids, a, &left) ||
                 !qfs_map_get(&m->ids, b, &right) ||
                 !qfs_map_get(&m->ids, (struct qfs_text){(const char *)joined.data, joined.size},
                              &id))
            rc = qfs_fail(error, EINVAL,
                          "%s: merge %u joins tokens that the vocabulary does not have", t->shown,
                          i);
        else
            *merge_slot(m->merges, pair_of((uint32_t)left, (uint32_t)right)) =
                (struct merge){pair_of((uint32_t)left, (uint32_t)right), rank++, (uint32_t)id};
    }
    qfs_buffer_done(&joined);
    return rc;
}

static int read_flag(const struct qfs_tokenizer *t, const struct qfs_json *options,
                     const char *name, bool *ret, struct qfs_error *error)
{
    const struct qfs_json *value = qfs_json_get(options, name);
    if (qfs_json_is_null(value))
        return 0;
    if (!qfs_json_is_bool(value))
        return malformed(t, name, error);
    *ret = value->kind == QFS_JSON_TRUE;
    return 0;
}

static int read_option(const struct qfs_tokenizer *t, const struct qfs_json *options,
                       const char *name, struct qfs_text *ret, bool *ret_has,
                       struct qfs_error *error)
{
    const struct qfs_json *value = qfs_json_get(options, name);
    if (qfs_json_is_null(value))
        return 0;
    if (value->kind != QFS_JSON_STRING)
        return malformed(t, name, error);
    *ret = qfs_json_text(value);
    *ret_has = true;
    return 0;
}

static int read_wordpiece(struct qfs_tokenizer *t, const struct qfs_json *options,
                          struct qfs_error *error)
{
    struct qfs_token_model *m = &t->tokens;
    const struct qfs_json *chars = qfs_json_get(options, "max_input_chars_per_word");
    if (!m->has_unk || !m->has_prefix)
        return malformed(t, m->has_unk ? "continuing_subword_prefix" : "unk_token", error);
    if (!qfs_json_is(chars, QFS_JSON_INT) || chars->integer < 0)
        return malformed(t, "max_input_chars_per_word", error);
    m->max_chars = (size_t)chars->integer;
    return 0;
}

int qfs_token_model_read(struct qfs_tokenizer *t, enum qfs_token_model_kind kind,
                         const struct qfs_json *options, const struct qfs_json *vocab,
                         const struct qfs_json *merges, struct qfs_error *error)
{
    struct qfs_token_model *m = &t->tokens;
    const struct qfs_json *dropout = qfs_json_get(options, "dropout");
    double probability = 0;
    int rc;
    m->kind = kind;
    if (kind == QFS_MODEL_UNIGRAM)
        return qfs_unigram_read(t, options, vocab, error);
    if ((rc = read_option(t, options, "unk_token", &m->unk_token, &m->has_unk, error)) < 0 ||
        (rc = read_option(t, options, "continuing_subword_prefix", &m->prefix, &m->has_prefix,
                          error)) < 0)
        return rc;
    if (kind == QFS_MODEL_WORDPIECE) {
        rc = read_wordpiece(t, options, error);
        return rc < 0 ? rc : read_vocab(t, vocab, error);
    }
    if (kind == QFS_MODEL_WORDLEVEL) {
        if (!m->has_unk)
            return malformed(t, "unk_token", error);
        return read_vocab(t, vocab, error);
    }
    if (!qfs_json_is_null(dropout) && (!qfs_json_real(dropout, &probability) || probability != 0))
        return qfs_fail(error, EINVAL, "%s: its model drops merges at random", t->shown);
    if ((rc = read_option(t, options, "end_of_word_suffix", &m->suffix, &m->has_suffix, error)) <
            0 ||
        (rc = read_flag(t, options, "fuse_unk", &m->fuse_unk, error)) < 0 ||
        (rc = read_flag(t, options, "byte_fallback", &m->byte_fallback, error)) < 0 ||
        (rc = read_flag(t, options, "ignore_merges", &m->ignore_merges, error)) < 0 ||
        (rc = read_vocab(t, vocab, error)) < 0)
        return rc;
    return merges ? read_merges(t, merges, error) : 0;
}

void qfs_token_model_done(struct qfs_token_model *m)
{
    if (m->merges)
        free(m->merges->slots);
    free(m->merges);
    free(m->texts);
    qfs_map_done(&m->ids);
    *m = (struct qfs_token_model){0};
}

/* -- BPE ---------------------------------------------------------------------------------------------- */

struct symbol {
    uint32_t id;
    int32_t previous, next; /* -1: none */
    bool gone;
};

struct candidate { /* in a heap by rank, then place */
    uint32_t rank, place, id;
};

struct word {
    struct symbol *symbols;
    size_t count;
    struct candidate *heap;
    size_t nheap;
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static void heap_push(struct word *w, struct candidate c)
{
    size_t i = w->nheap++;
    for (; i && before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static struct candidate heap_pop(struct word *w)
{
    struct candidate top = w->heap[0], last = w->heap[--w->nheap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->nheap; i = child) {
        if (child + 1 < w->nheap && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
    }
    if (w->nheap)
        w->heap[i] = last;
    return top;
}

static void offer(struct word *w, const struct qfs_merges *merges, int32_t left)
{
    if (left < 0 || w->symbols[left].next < 0)
        return;
    const struct merge *merge =
        merge_find(merges, w->symbols[left].id, w->symbols[w->symbols[left].next].id);
    if (merge)
        heap_push(w, (struct candidate){merge->rank, (uint32_t)left, merge->id});
}

static void merge_all(struct word *w, const struct qfs_merges *merges)
{
    for (size_t i = 0; i + 1 < w->count; i++)
        offer(w, merges, (int32_t)i);
    while (w->nheap) {
        struct candidate top = heap_pop(w);
        struct symbol *left = &w->symbols[top.place];
        if (left->gone || left->next < 0)
            continue;
        struct symbol *right = &w->symbols[left->next];
        const struct merge *merge = merge_find(merges, left->id, right->id);
        if (!merge || merge->id != top.id) /* the pair has changed since */
            continue;
        left->id = top.id;
        left->next = right->next;
        right->gone = true;
        if (left->next >= 0)
            w->symbols[left->next].previous = (int32_t)top.place;
        offer(w, merges, left->previous);
        offer(w, merges, (int32_t)top.place);
    }
}

static void add_symbol(struct word *w, uint32_t id)
{
    int32_t place = (int32_t)w->count++;
    if (place)
        w->symbols[place - 1].next = place;
    w->symbols[place] = (struct symbol){id, place - 1, -1, false};
}

/* <0x0A> for each byte of `text`; false unless the vocabulary has them all. */
static bool add_bytes(const struct qfs_token_model *m, struct qfs_text text, struct word *w)
{
    uint64_t ids[64];
    if (text.size > QFS_COUNT(ids))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char name[8];
        snprintf(name, sizeof(name), "<0x%02X>", (unsigned)(uint8_t)text.data[i]);
        if (!qfs_map_get(&m->ids, qfs_text_of(name), &ids[i]))
            return false;
    }
    for (size_t i = 0; i < text.size; i++)
        add_symbol(w, (uint32_t)ids[i]);
    return true;
}

/* Characters of a word as symbols. Bytes for an unknown character come before a run of unknown ones
 * that is still open, as they do in the tokenizers library. */
static int spell(struct qfs_tokenizer *t, struct qfs_text text, struct word *w,
                 struct qfs_error *error)
{
    const struct qfs_token_model *m = &t->tokens;
    struct qfs_buffer piece = {0};
    bool unknown = false;
    uint64_t id, unk = 0;
    int rc = 0;
    for (size_t at = 0; at < text.size && rc == 0;) {
        size_t start = at;
        qfs_utf8_next(text, &at);
        piece.size = 0;
        if (start > 0 && m->has_prefix)
            qfs_buffer_append(&piece, m->prefix.data, m->prefix.size);
        qfs_buffer_append(&piece, text.data + start, at - start);
        if (at == text.size && m->has_suffix)
            qfs_buffer_append(&piece, m->suffix.data, m->suffix.size);
        if (piece.failed) {
            rc = qfs_fail_memory(error);
            break;
        }
        struct qfs_text name = {(const char *)piece.data, piece.size};
        if (qfs_map_get(&m->ids, name, &id)) {
            if (unknown)
                add_symbol(w, (uint32_t)unk);
            unknown = false;
            add_symbol(w, (uint32_t)id);
        } else if (!(m->byte_fallback && add_bytes(m, name, w)) && m->has_unk) {
            if (unknown && !m->fuse_unk)
                add_symbol(w, (uint32_t)unk);
            if (!qfs_map_get(&m->ids, m->unk_token, &unk))
                rc = qfs_fail(error, EINVAL, "%s: its unknown token is not in the vocabulary",
                              t->shown);
            unknown = true;
        }
    }
    if (unknown && rc == 0)
        add_symbol(w, (uint32_t)unk);
    qfs_buffer_done(&piece);
    return rc;
}

static int encode_bpe(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_ids *ids,
                      struct qfs_error *error)
{
    const struct qfs_token_model *m = &t->tokens;
    uint64_t id;
    if (m->ignore_merges && qfs_map_get(&m->ids, text, &id)) {
        qfs_ids_add(ids, (uint32_t)id);
        return 0;
    }
    /* A character gives at most as many symbols as it has bytes, prefix and suffix included, and one
     * for an unknown run; a merge takes one away and offers two. */
    size_t room = (text.size + 1) * (m->prefix.size + 2) + m->suffix.size;
    struct word w = {0};
    w.symbols = qfs_arena_array(&t->scratch, room, sizeof(*w.symbols));
    w.heap = qfs_arena_array(&t->scratch, room * 3, sizeof(*w.heap));
    if (!w.symbols || !w.heap)
        return qfs_fail_memory(error);
    int rc = spell(t, text, &w, error);
    if (rc < 0)
        return rc;
    merge_all(&w, m->merges);
    for (size_t i = 0; i < w.count; i++)
        if (!w.symbols[i].gone)
            qfs_ids_add(ids, w.symbols[i].id);
    return 0;
}

/* -- WordPiece ------------------------------------------------------------------------------------------ */

/* The longest token that text[start…] begins with; false if there is none. */
static bool longest(const struct qfs_token_model *m, struct qfs_text text, size_t start,
                    struct qfs_buffer *name, size_t *ret_end, uint64_t *ret_id)
{
    for (size_t end = text.size; end > start;) {
        name->size = 0;
        if (start)
            qfs_buffer_append(name, m->prefix.data, m->prefix.size);
        qfs_buffer_append(name, text.data + start, end - start);
        if (name->failed)
            return false;
        if (qfs_map_get(&m->ids, (struct qfs_text){(const char *)name->data, name->size}, ret_id)) {
            *ret_end = end;
            return true;
        }
        do
            end--;
        while (end > start && ((uint8_t)text.data[end] & 0xC0) == 0x80);
    }
    return false;
}

static int encode_wordpiece(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_ids *ids,
                            struct qfs_error *error)
{
    const struct qfs_token_model *m = &t->tokens;
    struct qfs_buffer name = {0};
    size_t nchars = 0, from = ids->count, start = 0;
    uint64_t id;
    for (size_t at = 0; at < text.size; nchars++)
        qfs_utf8_next(text, &at);
    bool bad = nchars > m->max_chars;
    while (!bad && start < text.size) {
        bad = !longest(m, text, start, &name, &start, &id);
        if (!bad)
            qfs_ids_add(ids, (uint32_t)id);
    }
    bool failed = name.failed;
    qfs_buffer_done(&name);
    if (failed)
        return qfs_fail_memory(error);
    if (!bad)
        return 0;
    ids->count = from;
    if (!qfs_map_get(&m->ids, m->unk_token, &id))
        return qfs_fail(error, EINVAL, "%s: its unknown token is not in the vocabulary", t->shown);
    qfs_ids_add(ids, (uint32_t)id);
    return 0;
}

int qfs_token_model_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                           struct qfs_error *error)
{
    switch (t->tokens.kind) {
    case QFS_MODEL_WORDPIECE:
        return encode_wordpiece(t, word, ids, error);
    case QFS_MODEL_UNIGRAM:
        return qfs_unigram_encode(t, word, ids, error);
    case QFS_MODEL_WORDLEVEL:
        return qfs_wordlevel_encode(t, word, ids, error);
    case QFS_MODEL_BPE:
        break;
    }
    return encode_bpe(t, word, ids, error);
}
