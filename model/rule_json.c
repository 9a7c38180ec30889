#include "rule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* {"__float__": "Infinity"}, transformers' way to write what JSON cannot say. */
static bool tagged_float(const struct qfs_json *json, double *ret)
{
    const struct qfs_json *tag = json->count == 1 ? qfs_json_get(json, "__float__") : NULL;
    struct qfs_text text = qfs_json_text(tag);
    *ret = qfs_text_is(text, "NaN") ? NAN : qfs_text_is(text, "-Infinity") ? -INFINITY : INFINITY;
    return qfs_text_is(text, "NaN") || qfs_text_is(text, "-Infinity") ||
           qfs_text_is(text, "Infinity");
}

struct rule_value qfs_rule_from_json(struct rule_machine *m, const struct qfs_json *json)
{
    struct rule_value value;
    double number;
    switch ((enum qfs_json_kind)json->kind) {
    case QFS_JSON_NULL:
        return qfs_rule_nil;
    case QFS_JSON_FALSE:
    case QFS_JSON_TRUE:
        return qfs_rule_bool(json->kind == QFS_JSON_TRUE);
    case QFS_JSON_INT:
        return qfs_rule_int(json->integer);
    case QFS_JSON_REAL:
        return (struct rule_value){.kind = json->big ? VALUE_BIG : VALUE_REAL, .real = json->real};
    case QFS_JSON_STRING:
        return qfs_rule_string(qfs_json_text(json));
    case QFS_JSON_ARRAY:
        value = qfs_rule_new_list(m, VALUE_LIST);
        for (uint32_t i = 0; qfs_rule_ok(m) && i < json->count; i++)
            qfs_rule_push(m, value.list, qfs_rule_from_json(m, &json->items[i]));
        return value;
    case QFS_JSON_OTHER:
        break;
    case QFS_JSON_OBJECT:
        if (tagged_float(json, &number))
            return qfs_rule_real(number);
        value = qfs_rule_new_dict(m, VALUE_DICT);
        for (uint32_t i = 0; qfs_rule_ok(m) && i < json->count; i++)
            qfs_rule_put(m, value.dict, qfs_rule_string(json->members[i].key),
                         qfs_rule_from_json(m, &json->members[i].value));
        return value;
    }
    return qfs_rule_nil;
}

static int copy_text(struct qfs_arena *arena, struct qfs_text from, struct qfs_text *ret)
{
    char *copy = from.size <= UINT32_MAX ? qfs_arena_copy(arena, from.data, from.size) : NULL;
    if (!copy)
        return -ENOMEM;
    *ret = (struct qfs_text){copy, from.size};
    return 0;
}

/* Keys of a dict that are not texts (id2label's numbers) are written as json.dumps writes them. */
static int copy_key(struct qfs_arena *arena, struct rule_value key, struct qfs_text *ret)
{
    char number[32];
    switch (key.kind) {
    case VALUE_STRING:
        return copy_text(arena, key.text, ret);
    case VALUE_INT:
        snprintf(number, sizeof(number), "%lld", (long long)key.integer);
        return copy_text(arena, qfs_text_of(number), ret);
    case VALUE_BOOL:
        return copy_text(arena, qfs_text_of(key.integer ? "true" : "false"), ret);
    case VALUE_NIL:
        return copy_text(arena, QFS_TEXT("null"), ret);
    default:
        return -EINVAL;
    }
}

static int list_to_json(struct qfs_arena *arena, const struct rule_list *list,
                        struct qfs_json *json)
{
    int rc = 0;
    json->kind = QFS_JSON_ARRAY;
    json->items = qfs_arena_array(arena, list->count, sizeof(*json->items));
    if (!json->items || list->count > UINT32_MAX)
        return -ENOMEM;
    json->count = (uint32_t)list->count;
    for (size_t i = 0; rc == 0 && i < list->count; i++)
        rc = qfs_rule_to_json(arena, list->items[i], &json->items[i]);
    return rc;
}

static int dict_to_json(struct qfs_arena *arena, const struct rule_dict *dict,
                        struct qfs_json *json)
{
    int rc = 0;
    json->kind = QFS_JSON_OBJECT;
    json->members = qfs_arena_array(arena, dict->count, sizeof(*json->members));
    if (!json->members || dict->count > UINT32_MAX)
        return -ENOMEM;
    json->count = (uint32_t)dict->count;
    for (size_t i = 0; rc == 0 && i < dict->count; i++) {
        rc = copy_key(arena, dict->entries[i].key, &json->members[i].key);
        if (rc == 0)
            rc = qfs_rule_to_json(arena, dict->entries[i].value, &json->members[i].value);
    }
    return rc;
}

int qfs_rule_to_json(struct qfs_arena *arena, struct rule_value value, struct qfs_json *ret_json)
{
    struct qfs_json json = {.kind = QFS_JSON_NULL};
    struct qfs_text text;
    struct rule_list keys = {0};
    int rc = 0;
    switch (value.kind) {
    case VALUE_NIL:
        break;
    case VALUE_BOOL:
        json.kind = value.integer ? QFS_JSON_TRUE : QFS_JSON_FALSE;
        break;
    case VALUE_INT:
        json.kind = QFS_JSON_INT;
        json.integer = value.integer;
        break;
    case VALUE_BIG:
    case VALUE_REAL:
        json.kind = QFS_JSON_REAL;
        json.big = value.kind == VALUE_BIG;
        json.real = value.real;
        break;
    case VALUE_STRING:
    case VALUE_DTYPE:
        rc = copy_text(arena, value.text, &text);
        json.kind = QFS_JSON_STRING;
        if (rc == 0) {
            json.string = text.data;
            json.count = (uint32_t)text.size;
        }
        break;
    case VALUE_LIST:
    case VALUE_TUPLE:
        rc = list_to_json(arena, value.list, &json);
        break;
    case VALUE_SET:
        keys.items = qfs_arena_array(arena, value.dict->count, sizeof(*keys.items));
        if (!keys.items)
            return -ENOMEM;
        for (size_t i = 0; i < value.dict->count; i++)
            keys.items[keys.count++] = value.dict->entries[i].key;
        rc = list_to_json(arena, &keys, &json);
        break;
    case VALUE_DICT:
        rc = dict_to_json(arena, value.dict, &json);
        break;
    default:
        rc = -EINVAL;
    }
    if (rc == 0)
        *ret_json = json;
    return rc;
}
