#include "loader_read.h"

#include <stdio.h>
#include <string.h>

static const char *const kv_type_names[QFS_KV_TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64"};

void qfs_loader_refuse(struct qfs_loader *l, const char *format, ...)
{
    char text[400];
    va_list args;
    if (l->rc < 0)
        return; /* the first reason counts */
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    l->rc = qfs_fail(l->error, ENOTSUP, "llama.cpp does not load this model: %s", text);
}

void qfs_loader_require(struct qfs_loader *l, bool holds, const char *what)
{
    if (!holds)
        qfs_loader_refuse(l, "%s", what);
}

struct key {
    char text[128];
};

/* `key` with %s replaced by the architecture. */
static struct key expand(const struct qfs_loader *l, const char *key)
{
    struct key result;
    const char *at = strstr(key, "%s");
    if (at)
        snprintf(result.text, sizeof(result.text), "%.*s%s%s", (int)(at - key), key, l->arch,
                 at + 2);
    else
        snprintf(result.text, sizeof(result.text), "%s", key);
    return result;
}

/* The first override of `key`, if its type fits (the loader warns and goes on where it does not).
 */
static const struct qfs_override *find_override(const struct qfs_loader *l, const char *key,
                                                enum qfs_kv_type type)
{
    static const enum qfs_override_tag tags[QFS_KV_TYPE_COUNT] = {[QFS_KV_F32] = QFS_OVERRIDE_FLOAT,
                                                                  [QFS_KV_BOOL] = QFS_OVERRIDE_BOOL,
                                                                  [QFS_KV_STRING] =
                                                                      QFS_OVERRIDE_STRING};
    for (size_t i = 0; i < l->noverrides; i++)
        if (strcmp(l->overrides[i].key, key) == 0)
            return l->overrides[i].tag == tags[type] ? &l->overrides[i] : NULL;
    return NULL;
}

bool qfs_loader_one(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                    double *ret_value, struct qfs_text *ret_text)
{
    struct key key = expand(l, pattern);
    const struct qfs_override *o = find_override(l, key.text, type);
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key.text);
    double value = 0;
    struct qfs_text text = {0};
    if (o) {
        value = type == QFS_KV_F32 ? (float)o->real : (double)(uint32_t)o->integer;
        text = qfs_text_of(o->text);
    } else if (!kv) {
        if (need)
            qfs_loader_refuse(l, "key %s is missing", key.text);
        return false;
    } else if (kv->type != type) {
        qfs_loader_refuse(l, "key %s is of type %s, not %s", key.text, kv_type_names[kv->type],
                          kv_type_names[type]);
        return false;
    } else if (type == QFS_KV_STRING) {
        qfs_kv_get_text(l->kvs, key.text, &text);
    } else if (type == QFS_KV_F32) {
        float real;
        memcpy(&real, kv->data, sizeof(real));
        value = (double)real;
    } else {
        int64_t integer = 0;
        qfs_kv_get_int(l->kvs, key.text, &integer);
        value = (double)integer;
    }
    if (ret_value)
        *ret_value = value;
    if (ret_text)
        *ret_text = text;
    return true;
}

bool qfs_loader_u32(struct qfs_loader *l, const char *pattern, bool need, uint32_t *value)
{
    double real;
    bool found = qfs_loader_one(l, pattern, QFS_KV_U32, need, &real, NULL);
    if (found)
        *value = (uint32_t)real;
    return found;
}

uint32_t qfs_loader_get(struct qfs_loader *l, const char *pattern)
{
    uint32_t value = 0;
    qfs_loader_u32(l, pattern, false, &value);
    return value;
}

static bool find_array(const struct qfs_loader *l, const char *key,
                       struct qfs_loader_array *ret_array)
{
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key);
    if (!kv || kv->type != QFS_KV_ARRAY)
        return false;
    memcpy(&ret_array->item, kv->data, sizeof(ret_array->item));
    memcpy(&ret_array->count, kv->data + 4, sizeof(ret_array->count));
    ret_array->items = kv->data + 12;
    return true;
}

bool qfs_loader_array(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                      struct qfs_loader_array *ret_array)
{
    struct key key = expand(l, pattern);
    struct qfs_loader_array array;
    if (!find_array(l, key.text, &array)) {
        if (need)
            qfs_loader_refuse(l, "array %s is missing", key.text);
        return false;
    }
    bool fits = array.item == (uint32_t)type;
    if (type == QFS_KV_U32 || type == QFS_KV_I32)
        fits |= array.item == QFS_KV_U32 || array.item == QFS_KV_I32 || array.item == QFS_KV_BOOL;
    if (!fits)
        qfs_loader_refuse(l, "array %s has items of type %s", key.text,
                          array.item < QFS_KV_TYPE_COUNT ? kv_type_names[array.item] : "?");
    else if (type != QFS_KV_STRING && array.count > QFS_LOADER_MAX_LAYERS)
        qfs_loader_refuse(l, "array %s has more than %d items", key.text, QFS_LOADER_MAX_LAYERS);
    if (l->rc < 0)
        return false;
    *ret_array = array;
    return true;
}

uint32_t qfs_loader_item(const struct qfs_loader_array *array, uint64_t index)
{
    uint32_t value = 0;
    if (array->item == QFS_KV_BOOL)
        return array->items[index] != 0;
    memcpy(&value, array->items + 4 * index, sizeof(value));
    return value;
}

bool qfs_loader_either(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                       uint32_t count, uint32_t *values)
{
    struct key key = expand(l, pattern);
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key.text);
    struct qfs_loader_array array;
    double value;
    if (!kv) { /* an override alone does not count here */
        if (need)
            qfs_loader_refuse(l, "key %s is missing", key.text);
        return false;
    }
    if (kv->type == QFS_KV_ARRAY) {
        if (find_array(l, key.text, &array) && array.count != count) {
            qfs_loader_refuse(l, "key %s has %llu items, not %u", key.text,
                              (unsigned long long)array.count, count);
            return false;
        }
        if (!qfs_loader_array(l, pattern, type, need, &array))
            return false;
        for (uint32_t i = 0; values && i < count; i++)
            values[i] = qfs_loader_item(&array, i);
        return true;
    }
    if (!qfs_loader_one(l, pattern, type, need, &value, NULL))
        return false;
    for (uint32_t i = 0; values && i < count; i++)
        values[i] = (uint32_t)value;
    return true;
}

bool qfs_loader_count(struct qfs_loader *l, const char *pattern, bool need, uint64_t *ret_count)
{
    struct key key = expand(l, pattern);
    struct qfs_loader_array array;
    if (!qfs_kv_find(l->kvs, key.text)) {
        if (need)
            qfs_loader_refuse(l, "key %s is missing", key.text);
        return false;
    }
    if (!find_array(l, key.text, &array)) {
        qfs_loader_refuse(l, "key %s is no array", key.text);
        return false;
    }
    if (ret_count)
        *ret_count = array.count;
    return true;
}

uint32_t qfs_loader_layers(const struct qfs_loader *l)
{
    return l->h.nlayers - l->ndraft;
}

void qfs_loader_row(struct qfs_loader *l, const struct qfs_loader_read *read)
{
    static const enum qfs_kv_type kinds[] = {QFS_KV_U32,    QFS_KV_F32, QFS_KV_BOOL,
                                             QFS_KV_STRING, QFS_KV_U64, QFS_KV_I32};
    enum qfs_kv_type type = kinds[(read->how & KIND) >> 4];
    bool need = read->how & NEED;
    struct qfs_loader_array array;
    switch (read->how & SHAPE) {
    case ARRAY:
        qfs_loader_array(l, read->key, type, need, &array);
        break;
    case COUNT:
        qfs_loader_count(l, read->key, need, NULL);
        break;
    case LAYERS_ALL:
        qfs_loader_either(l, read->key, type, need, l->h.nlayers, NULL);
        break;
    case LAYERS:
        qfs_loader_either(l, read->key, type, need, qfs_loader_layers(l), NULL);
        break;
    case FOUR:
        qfs_loader_either(l, read->key, type, need, 4, NULL);
        break;
    case SWA_PATTERN:
        if (!qfs_loader_array(l, read->key, QFS_KV_U32, false, &array))
            qfs_loader_one(l, read->key, QFS_KV_U32, false, NULL, NULL);
        break;
    default:
        qfs_loader_one(l, read->key, type, need, NULL, NULL);
    }
}
