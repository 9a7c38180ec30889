/* Post-processors: what encode() puts around the ids of a text. */
#include "tokenizer.h"

#include <string.h>

static struct qfs_template *append(struct qfs_tokenizer *t)
{
    struct qfs_template *items =
        qfs_arena_array(&t->arena, t->ntemplates + 1, sizeof(*t->templates));
    if (!items)
        return NULL;
    if (t->ntemplates)
        memcpy(items, t->templates, t->ntemplates * sizeof(*items));
    t->templates = items;
    return &items[t->ntemplates++];
}

static int malformed(const struct qfs_tokenizer *t, struct qfs_error *error)
{
    return qfs_fail(error, EINVAL, "%s: its post_processor is malformed", t->shown);
}

static int around(struct qfs_tokenizer *t, int64_t before, int64_t behind, struct qfs_error *error)
{
    struct qfs_template *template = append(t);
    struct qfs_template_part *parts = qfs_arena_array(&t->arena, 3, sizeof(*parts));
    size_t count = 0;
    if (!template || !parts)
        return qfs_fail_memory(error);
    if (before >= 0)
        parts[count++].id = (uint32_t)before;
    parts[count++].text = true;
    if (behind >= 0)
        parts[count++].id = (uint32_t)behind;
    *template = (struct qfs_template){parts, count};
    return 0;
}

int qfs_processor_set(struct qfs_tokenizer *t, int64_t before, int64_t behind,
                      struct qfs_error *error)
{
    t->ntemplates = 0;
    t->has_processor = true;
    return around(t, before, behind, error);
}

/* ["[CLS]", 101]: the id */
static bool pair_id(const struct qfs_json *pair, int64_t *ret_id)
{
    const struct qfs_json *id = qfs_json_at(pair, 1);
    return qfs_json_is(pair, QFS_JSON_ARRAY) && pair->count == 2 &&
           qfs_json_is(qfs_json_at(pair, 0), QFS_JSON_STRING) && qfs_json_is(id, QFS_JSON_INT) &&
           qfs_json_int(id, ret_id) && *ret_id >= 0 && *ret_id <= UINT32_MAX;
}

static bool is_u32(const struct qfs_json *value)
{
    return qfs_json_is(value, QFS_JSON_INT) && value->integer >= 0 && value->integer <= UINT32_MAX;
}

/* {"Sequence": {"id": "A", "type_id": 0}} or {"SpecialToken": …} */
static bool is_piece(const struct qfs_json *entry)
{
    const struct qfs_json *sequence = qfs_json_get(entry, "Sequence");
    const struct qfs_json *inner = sequence ? sequence : qfs_json_get(entry, "SpecialToken");
    struct qfs_text id = qfs_json_text(qfs_json_get(inner, "id"));
    return id.data && is_u32(qfs_json_get(inner, "type_id")) &&
           (!sequence || qfs_text_is(id, "A") || qfs_text_is(id, "B"));
}

static bool are_pieces(const struct qfs_json *list)
{
    for (uint32_t i = 0; qfs_json_is(list, QFS_JSON_ARRAY) && i < list->count; i++)
        if (!is_piece(&list->items[i]))
            return false;
    return qfs_json_is(list, QFS_JSON_ARRAY);
}

/* One entry of `single`: appends its parts. */
static int piece(struct qfs_tokenizer *t, const struct qfs_json *entry,
                 const struct qfs_json *specials, struct qfs_template_part *parts, size_t *count,
                 size_t room, struct qfs_error *error)
{
    const struct qfs_json *sequence = qfs_json_get(entry, "Sequence");
    const struct qfs_json *special = qfs_json_get(entry, "SpecialToken");
    if (sequence) {
        if (!qfs_text_is(qfs_json_text(qfs_json_get(sequence, "id")), "A") || *count == room)
            return malformed(t, error);
        parts[(*count)++].text = true;
        return 0;
    }
    const char *name = qfs_json_string(qfs_json_get(special, "id"));
    const struct qfs_json *ids = qfs_json_get(name ? qfs_json_get(specials, name) : NULL, "ids");
    if (!qfs_json_is(ids, QFS_JSON_ARRAY))
        return malformed(t, error);
    for (uint32_t i = 0; i < ids->count; i++) {
        const struct qfs_json *id = &ids->items[i];
        if (!is_u32(id) || *count == room)
            return malformed(t, error);
        parts[(*count)++].id = (uint32_t)id->integer;
    }
    return 0;
}

static int read_template(struct qfs_tokenizer *t, const struct qfs_json *json,
                         struct qfs_error *error)
{
    enum { ROOM = 256 };
    const struct qfs_json *single = qfs_json_get(json, "single");
    const struct qfs_json *specials = qfs_json_get(json, "special_tokens");
    struct qfs_template_part parts[ROOM] = {0};
    size_t count = 0;
    if (!are_pieces(single) || !are_pieces(qfs_json_get(json, "pair")) ||
        !qfs_json_is(specials, QFS_JSON_OBJECT))
        return malformed(t, error);
    for (uint32_t i = 0; i < single->count; i++) {
        int rc = piece(t, &single->items[i], specials, parts, &count, ROOM, error);
        if (rc < 0)
            return rc;
    }
    struct qfs_template *template = append(t);
    struct qfs_template_part *copy = qfs_arena_array(&t->arena, count, sizeof(*copy));
    if (!template || !copy)
        return qfs_fail_memory(error);
    if (count)
        memcpy(copy, parts, count * sizeof(*copy));
    *template = (struct qfs_template){copy, count};
    return 0;
}

/* The kind is told by the fields, as the tokenizers library tells it. */
int qfs_processor_read(struct qfs_tokenizer *t, const struct qfs_json *json,
                       struct qfs_error *error)
{
    if (qfs_json_is_null(json))
        return 0;
    const struct qfs_json *sep = qfs_json_get(json, "sep"), *cls = qfs_json_get(json, "cls");
    const struct qfs_json *list = qfs_json_get(json, "processors");
    int64_t before, behind;
    t->has_processor = true;
    if (sep && cls)
        return pair_id(cls, &before) && pair_id(sep, &behind) ? around(t, before, behind, error)
                                                              : malformed(t, error);
    if (qfs_json_get(json, "single"))
        return read_template(t, json, error);
    if (qfs_json_is(list, QFS_JSON_ARRAY)) {
        int rc = 0;
        for (uint32_t i = 0; i < list->count && rc == 0; i++)
            rc = qfs_json_is_null(&list->items[i]) ? malformed(t, error)
                                                   : qfs_processor_read(t, &list->items[i], error);
        return rc;
    }
    const struct qfs_json *regex = qfs_json_get(json, "use_regex");
    if (qfs_text_is(qfs_json_text(qfs_json_get(json, "type")), "ByteLevel") &&
        qfs_json_is_bool(qfs_json_get(json, "add_prefix_space")) &&
        qfs_json_is_bool(qfs_json_get(json, "trim_offsets")) && (!regex || qfs_json_is_bool(regex)))
        return 0; /* it moves offsets only */
    return malformed(t, error);
}
