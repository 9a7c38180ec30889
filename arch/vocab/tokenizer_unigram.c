/* Unigram and WordLevel models: vocabularies with scores, and plain ones. */
#include "tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Unigram: the segmentation with the best sum of scores ------------------------------------------------ */

int qfs_unigram_read(struct qfs_tokenizer *t, const struct qfs_json *options,
                     const struct qfs_json *vocab, struct qfs_error *error)
{
    struct qfs_token_model *m = &t->tokens;
    const struct qfs_json *unk = qfs_json_get(options, "unk_id");
    const struct qfs_json *fallback = qfs_json_get(options, "byte_fallback");
    if (!qfs_json_is(vocab, QFS_JSON_ARRAY) ||
        (!qfs_json_is_null(fallback) && !qfs_json_is_bool(fallback)))
        return qfs_fail(error, EINVAL, "%s: its Unigram model is malformed", t->shown);
    m->scores = qfs_arena_array(&t->arena, vocab->count, sizeof(*m->scores));
    m->texts = calloc(vocab->count ? vocab->count : 1, sizeof(*m->texts));
    if (!m->scores || !m->texts)
        return qfs_fail_memory(error);
    m->limit = vocab->count;
    m->min_score = INFINITY;
    for (uint32_t i = 0; i < vocab->count; i++) {
        const struct qfs_json *entry = &vocab->items[i];
        struct qfs_text text = qfs_json_text(qfs_json_at(entry, 0));
        const struct qfs_json *score = qfs_json_at(entry, 1);
        if (entry->kind != QFS_JSON_ARRAY || entry->count != 2 || !text.data ||
            !qfs_json_is_number(score) || !qfs_json_real(score, &m->scores[i]))
            return qfs_fail(error, EINVAL, "%s: token %u of its Unigram model is malformed",
                            t->shown, i);
        m->texts[i] = text;
        m->longest = QFS_MAX(m->longest, text.size);
        m->min_score = m->scores[i] < m->min_score ? m->scores[i] : m->min_score;
        if (qfs_map_set(&m->ids, text, i) < 0)
            return qfs_fail_memory(error);
    }
    m->byte_fallback = fallback && fallback->kind == QFS_JSON_TRUE;
    m->has_unk = !qfs_json_is_null(unk);
    if (m->has_unk &&
        (unk->kind != QFS_JSON_INT || unk->integer < 0 || (uint64_t)unk->integer >= vocab->count))
        return qfs_fail(error, EINVAL, "%s: unk_id of its Unigram model is no token", t->shown);
    m->unk_id = m->has_unk ? (uint32_t)unk->integer : 0;
    return 0;
}

struct node { /* the best way to a place in the text */
    double score;
    size_t start; /* where its last piece begins; SIZE_MAX: none ends here */
    bool unknown;
};

static void offer(struct node *node, double score, size_t start, bool unknown)
{
    if (node->start == SIZE_MAX || score > node->score)
        *node = (struct node){score, start, unknown};
}

static int find_best(const struct qfs_token_model *m, struct qfs_text word, struct node *nodes)
{
    for (size_t at = 0, next = 0; at < word.size; at = next) {
        bool single = false;
        double here = nodes[at].score;
        qfs_utf8_next(word, &next);
        for (size_t size = 1; size <= m->longest && at + size <= word.size; size++) {
            uint64_t id;
            if (!qfs_map_get(&m->ids, (struct qfs_text){word.data + at, size}, &id))
                continue;
            offer(&nodes[at + size], m->scores[id] + here, at, m->has_unk && id == m->unk_id);
            single = single || size == next - at;
        }
        if (!single && !m->has_unk)
            return -EINVAL;
        if (!single)
            offer(&nodes[next], m->min_score - 10.0 + here, at, true);
    }
    return 0;
}

/* <0x0A> for each byte; false unless the vocabulary has them all. */
static bool add_bytes(const struct qfs_token_model *m, struct qfs_text text, struct qfs_ids *ids)
{
    size_t from = ids->count;
    for (size_t i = 0; i < text.size; i++) {
        char name[8];
        uint64_t id;
        snprintf(name, sizeof(name), "<0x%02X>", (unsigned)(uint8_t)text.data[i]);
        if (!qfs_map_get(&m->ids, qfs_text_of(name), &id)) {
            ids->count = from;
            return false;
        }
        qfs_ids_add(ids, (uint32_t)id);
    }
    return true;
}

int qfs_unigram_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                       struct qfs_error *error)
{
    const struct qfs_token_model *m = &t->tokens;
    struct node *nodes = qfs_arena_array(&t->scratch, word.size + 1, sizeof(*nodes));
    struct qfs_text *pieces = qfs_arena_array(&t->scratch, word.size, sizeof(*pieces));
    size_t count = 0;
    if (!nodes || !pieces)
        return qfs_fail_memory(error);
    for (size_t i = 1; i <= word.size; i++)
        nodes[i].start = SIZE_MAX;
    if (find_best(m, word, nodes) < 0)
        return qfs_fail(error, EINVAL, "%s: its Unigram model has no unk_id", t->shown);
    /* From the end; unknown pieces in a row are one. */
    for (size_t end = word.size; end > 0;) {
        size_t start = nodes[end].start;
        while (nodes[end].unknown && start > 0 && nodes[start].unknown)
            start = nodes[start].start;
        pieces[count++] = (struct qfs_text){word.data + start, end - start};
        end = start;
    }
    while (count-- > 0) {
        uint64_t id;
        if (qfs_map_get(&m->ids, pieces[count], &id))
            qfs_ids_add(ids, (uint32_t)id);
        else if (!m->byte_fallback || !add_bytes(m, pieces[count], ids))
            qfs_ids_add(ids, m->unk_id);
    }
    return 0;
}

/* -- WordLevel: words as they stand -------------------------------------------------------------------------- */

int qfs_wordlevel_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                         struct qfs_error *error)
{
    const struct qfs_token_model *m = &t->tokens;
    uint64_t id;
    if (!qfs_map_get(&m->ids, word, &id) && !qfs_map_get(&m->ids, m->unk_token, &id))
        return qfs_fail(error, EINVAL, "%s: its unknown token is not in the vocabulary", t->shown);
    qfs_ids_add(ids, (uint32_t)id);
    return 0;
}
