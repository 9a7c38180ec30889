#include "quantfs/model.h"

#include <string.h>

/* Hosts are little-endian (checked in meson.build), so numbers are copied as they stand. */

static const uint8_t scalar_sizes[QFS_KV_TYPE_COUNT] = {
    [QFS_KV_U8] = 1,  [QFS_KV_I8] = 1,  [QFS_KV_U16] = 2, [QFS_KV_I16] = 2,
    [QFS_KV_U32] = 4, [QFS_KV_I32] = 4, [QFS_KV_F32] = 4, [QFS_KV_BOOL] = 1,
    [QFS_KV_U64] = 8, [QFS_KV_I64] = 8, [QFS_KV_F64] = 8,
};

size_t qfs_kv_scalar_size(enum qfs_kv_type type)
{
    return scalar_sizes[type];
}

/* The item of `key`, or a new one at the end with the key copied; NULL when out of memory. */
static struct qfs_kv *slot(struct qfs_kvs *kvs, const char *key)
{
    for (size_t i = 0; i < kvs->count; i++)
        if (strcmp(kvs->items[i].key, key) == 0)
            return &kvs->items[i];
    if (kvs->count == kvs->capacity) {
        size_t capacity = kvs->capacity ? kvs->capacity * 2 : 64;
        struct qfs_kv *items = qfs_arena_array(kvs->arena, capacity, sizeof(*items));
        if (!items)
            return NULL;
        if (kvs->count)
            memcpy(items, kvs->items, kvs->count * sizeof(*items));
        kvs->items = items;
        kvs->capacity = capacity;
    }
    char *copy = qfs_arena_string(kvs->arena, key);
    if (!copy)
        return NULL;
    kvs->items[kvs->count] = (struct qfs_kv){.key = copy};
    return &kvs->items[kvs->count++];
}

/* Gives `key` a value of `size` bytes and returns where to write them, NULL when out of memory.
 * `nul`: see struct qfs_kv. */
static uint8_t *place(struct qfs_kvs *kvs, const char *key, enum qfs_kv_type type, bool nul,
                      size_t size)
{
    struct qfs_kv *kv = kvs->failed ? NULL : slot(kvs, key);
    uint8_t *data = kv ? qfs_arena_alloc(kvs->arena, size) : NULL;
    if (!data) {
        kvs->failed = true;
        return NULL;
    }
    kv->type = type;
    kv->nul = nul;
    kv->data = data;
    kv->size = size;
    return data;
}

static bool has_nul(struct qfs_text text)
{
    return text.size && memchr(text.data, 0, text.size);
}

static uint8_t *put(uint8_t *to, const void *data, size_t size)
{
    if (size)
        memcpy(to, data, size);
    return to + size;
}

static uint8_t *put_text(uint8_t *to, struct qfs_text text)
{
    uint64_t size = text.size;
    return put(put(to, &size, sizeof(size)), text.data, text.size);
}

static uint8_t *put_array_head(uint8_t *to, enum qfs_kv_type item, uint64_t count)
{
    uint32_t type = item;
    return put(put(to, &type, sizeof(type)), &count, sizeof(count));
}

void qfs_kv_set(struct qfs_kvs *kvs, const char *key, enum qfs_kv_type type, const void *data,
                size_t size)
{
    uint8_t *to = place(kvs, key, type, false, size);
    if (to)
        put(to, data, size);
}

void qfs_kv_u32(struct qfs_kvs *kvs, const char *key, uint32_t value)
{
    qfs_kv_set(kvs, key, QFS_KV_U32, &value, sizeof(value));
}

void qfs_kv_i32(struct qfs_kvs *kvs, const char *key, int32_t value)
{
    qfs_kv_set(kvs, key, QFS_KV_I32, &value, sizeof(value));
}

void qfs_kv_u64(struct qfs_kvs *kvs, const char *key, uint64_t value)
{
    qfs_kv_set(kvs, key, QFS_KV_U64, &value, sizeof(value));
}

void qfs_kv_f32(struct qfs_kvs *kvs, const char *key, float value)
{
    qfs_kv_set(kvs, key, QFS_KV_F32, &value, sizeof(value));
}

void qfs_kv_bool(struct qfs_kvs *kvs, const char *key, bool value)
{
    uint8_t byte = value;
    qfs_kv_set(kvs, key, QFS_KV_BOOL, &byte, sizeof(byte));
}

void qfs_kv_text(struct qfs_kvs *kvs, const char *key, struct qfs_text value)
{
    uint8_t *to = place(kvs, key, QFS_KV_STRING, has_nul(value), 8 + value.size);
    if (to)
        put_text(to, value);
}

void qfs_kv_string(struct qfs_kvs *kvs, const char *key, const char *value)
{
    qfs_kv_text(kvs, key, qfs_text_of(value));
}

void qfs_kv_array(struct qfs_kvs *kvs, const char *key, enum qfs_kv_type item, const void *data,
                  size_t count)
{
    size_t size = count * scalar_sizes[item];
    uint8_t *to = place(kvs, key, QFS_KV_ARRAY, false, 12 + size);
    if (to)
        put(put_array_head(to, item, count), data, size);
}

void qfs_kv_texts(struct qfs_kvs *kvs, const char *key, const struct qfs_text *values, size_t count)
{
    size_t size = 12;
    bool nul = false;
    for (size_t i = 0; i < count; i++) {
        size += 8 + values[i].size;
        nul |= has_nul(values[i]);
    }
    uint8_t *to = place(kvs, key, QFS_KV_ARRAY, nul, size);
    if (!to)
        return;
    to = put_array_head(to, QFS_KV_STRING, count);
    for (size_t i = 0; i < count; i++)
        to = put_text(to, values[i]);
}

void qfs_kv_remove(struct qfs_kvs *kvs, const char *key)
{
    for (size_t i = 0; i < kvs->count; i++)
        if (strcmp(kvs->items[i].key, key) == 0) {
            memmove(&kvs->items[i], &kvs->items[i + 1], (kvs->count - i - 1) * sizeof(*kvs->items));
            kvs->count--;
            return;
        }
}

const struct qfs_kv *qfs_kv_find(const struct qfs_kvs *kvs, const char *key)
{
    for (size_t i = 0; i < kvs->count; i++)
        if (strcmp(kvs->items[i].key, key) == 0)
            return &kvs->items[i];
    return NULL;
}

bool qfs_kv_get_int(const struct qfs_kvs *kvs, const char *key, int64_t *ret_value)
{
    const struct qfs_kv *kv = qfs_kv_find(kvs, key);
    uint64_t raw = 0;
    if (!kv || kv->size > sizeof(raw))
        return false;
    memcpy(&raw, kv->data, kv->size);
    switch (kv->type) {
    case QFS_KV_BOOL:
    case QFS_KV_U8:
    case QFS_KV_U16:
    case QFS_KV_U32:
    case QFS_KV_U64:
    case QFS_KV_I64:
        *ret_value = (int64_t)raw;
        return true;
    case QFS_KV_I8:
        *ret_value = (int8_t)raw;
        return true;
    case QFS_KV_I16:
        *ret_value = (int16_t)raw;
        return true;
    case QFS_KV_I32:
        *ret_value = (int32_t)raw;
        return true;
    default:
        return false;
    }
}

bool qfs_kv_get_text(const struct qfs_kvs *kvs, const char *key, struct qfs_text *ret_value)
{
    const struct qfs_kv *kv = qfs_kv_find(kvs, key);
    if (!kv || kv->type != QFS_KV_STRING || kv->size < 8)
        return false;
    *ret_value = (struct qfs_text){(const char *)kv->data + 8, kv->size - 8};
    return true;
}
