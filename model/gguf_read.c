#include "quantfs/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Every number below comes from somebody's file: it is compared with what is left of the file
 * before anything is allocated or skipped by it. Stricter than ggml on purpose: no dimension is
 * zero, names and keys hold no NUL byte. */

enum {
    MAX_NAME = 63,           /* GGML_MAX_NAME - 1 */
    MAX_KEY = 65535,         /* the format's own limit */
    MIN_KV_SIZE = 8 + 1 + 4, /* length, a key of one byte, type */
    MIN_TENSOR_SIZE = 8 + 4 + 4 + 8,
    MAX_ITEMS = 1 << 30,
    MAX_KEYS = 1 << 16,
    MAX_TENSORS = 1 << 18,
    MAX_HEADER = 1 << 30,
    FIRST_READ = 4 << 20,
};

struct cursor {
    const uint8_t *data;
    size_t size, at;
    uint64_t file_size;
    const char *shown;
    struct qfs_error *error;
    int rc; /* sticky: after a failure everything taken is 0 */
};

static int fail(struct cursor *c, const char *format, ...) QFS_PRINTF(2, 3);

static int fail(struct cursor *c, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return c->rc = qfs_fail(c->error, EINVAL, "%s: %s", c->shown, text);
}

/* The next `size` bytes, or NULL: they lie beyond what was read (-EAGAIN) or beyond the file. */
static const uint8_t *take(struct cursor *c, uint64_t size, const char *what)
{
    if (c->rc < 0)
        return NULL;
    if (size <= c->size - c->at) {
        const uint8_t *result = c->data + c->at;
        c->at += (size_t)size;
        return result;
    }
    if (size <= c->file_size - c->at)
        c->rc = -EAGAIN;
    else
        fail(c, "%s reaches beyond the end of the file: download it again", what);
    return NULL;
}

static uint32_t take_u32(struct cursor *c, const char *what)
{
    uint32_t value = 0;
    const uint8_t *from = take(c, sizeof(value), what);
    if (from)
        memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t take_u64(struct cursor *c, const char *what)
{
    uint64_t value = 0;
    const uint8_t *from = take(c, sizeof(value), what);
    if (from)
        memcpy(&value, from, sizeof(value));
    return value;
}

/* A copy of the length and that many bytes that follow, which hold no NUL: a name or key. Unique in
 * `seen`. NULL on failure. */
static const char *take_name(struct cursor *c, struct qfs_arena *arena, struct qfs_map *seen,
                             const char *what, uint64_t limit)
{
    uint64_t size = take_u64(c, what);
    if (size > limit) {
        fail(c, "%s has %" PRIu64 " bytes, more than the %" PRIu64 " it may have", what, size,
             limit);
        return NULL;
    }
    const uint8_t *data = take(c, size, what);
    if (!data)
        return NULL;
    if (memchr(data, 0, (size_t)size)) {
        fail(c, "%s holds a NUL byte", what);
        return NULL;
    }
    char *name = qfs_arena_copy(arena, (const char *)data, (size_t)size);
    int fresh = name ? qfs_map_set(seen, (struct qfs_text){name, (size_t)size}, 0) : -ENOMEM;
    if (fresh < 0)
        c->rc = qfs_fail_memory(c->error);
    else if (!fresh)
        fail(c, "%s, %s, is there twice", what, name);
    return fresh > 0 ? name : NULL;
}

/* Moves over the value of `kv`, whose type is known, and sets its data (borrowed from the input).
 */
static void take_value(struct cursor *c, struct qfs_kv *kv)
{
    size_t start = c->at;
    uint32_t item = kv->type;
    uint64_t count = 1;
    if (kv->type == QFS_KV_ARRAY) {
        item = take_u32(c, kv->key);
        count = take_u64(c, kv->key);
    }
    if (item >= QFS_KV_TYPE_COUNT || item == QFS_KV_ARRAY) {
        fail(c, "%s has items of the unknown type %u", kv->key, item);
        return;
    }
    size_t item_size = qfs_kv_scalar_size((enum qfs_kv_type)item);
    if (count > MAX_ITEMS || count > (c->file_size - c->at) / (item_size ? item_size : 8)) {
        fail(c, "%s is said to have %" PRIu64 " items, more than the file can hold", kv->key,
             count);
        return;
    }
    if (item == QFS_KV_STRING) {
        for (uint64_t i = 0; i < count && c->rc == 0; i++) {
            uint64_t size = take_u64(c, kv->key);
            const uint8_t *data = take(c, size, kv->key);
            kv->nul |= data && memchr(data, 0, (size_t)size);
        }
    } else {
        take(c, count * item_size, kv->key);
    }
    kv->data = c->data + start;
    kv->size = c->at - start;
}

static void take_kvs(struct cursor *c, struct qfs_gguf *gguf, size_t count)
{
    struct qfs_map seen = {0};
    gguf->kvs.arena = &gguf->arena;
    gguf->kvs.capacity = count;
    gguf->kvs.items = qfs_arena_array(&gguf->arena, count, sizeof(*gguf->kvs.items));
    if (!gguf->kvs.items)
        c->rc = qfs_fail_memory(c->error);
    for (size_t i = 0; i < count && c->rc == 0; i++) {
        struct qfs_kv *kv = &gguf->kvs.items[i];
        kv->key = take_name(c, &gguf->arena, &seen, "a key", MAX_KEY);
        uint32_t type = take_u32(c, "the type of a key");
        if (c->rc < 0)
            break;
        if (!*kv->key || type >= QFS_KV_TYPE_COUNT) {
            fail(c, "key %zu, '%s', has %s", i, kv->key, *kv->key ? "an unknown type" : "no name");
            break;
        }
        kv->type = (enum qfs_kv_type)type;
        take_value(c, kv);
        gguf->kvs.count++;
    }
    qfs_map_done(&seen);
}

static void take_shape(struct cursor *c, struct qfs_gguf_tensor *tensor)
{
    int64_t elements = 1;
    uint32_t ndim = take_u32(c, tensor->name);
    if (ndim > 4) {
        fail(c, "tensor %s has %u dimensions, more than 4", tensor->name, ndim);
        return;
    }
    tensor->ndim = (uint8_t)ndim;
    for (uint32_t i = 0; i < 4 && c->rc == 0; i++) {
        uint64_t ne = i < ndim ? take_u64(c, tensor->name) : 1;
        if (c->rc == 0 && (ne == 0 || ne > INT64_MAX || !qfs_mul(elements, (int64_t)ne, &elements)))
            fail(c, "tensor %s has an impossible shape", tensor->name);
        tensor->ne[i] = (int64_t)ne;
    }
    uint32_t type = take_u32(c, tensor->name);
    if (c->rc < 0)
        return;
    const struct qfs_type_info *info = qfs_type_info(type > INT32_MAX ? -1 : (int)type);
    tensor->type = (enum qfs_type)type;
    if (info->block_count == 0)
        fail(c, "tensor %s has the unknown type %u", tensor->name, type);
    else if (tensor->ne[0] % info->block_count)
        fail(c, "rows of tensor %s have %" PRId64 " weights, no multiple of %s's %u", tensor->name,
             tensor->ne[0], info->name, info->block_count);
    else if (!qfs_mul((uint64_t)elements / info->block_count, (uint64_t)info->block_bytes,
                      &tensor->nbytes))
        fail(c, "tensor %s has an impossible shape", tensor->name);
}

static void take_tensors(struct cursor *c, struct qfs_gguf *gguf, size_t count)
{
    struct qfs_map seen = {0};
    gguf->tensors = qfs_arena_array(&gguf->arena, count, sizeof(*gguf->tensors));
    if (!gguf->tensors && c->rc == 0)
        c->rc = qfs_fail_memory(c->error);
    for (size_t i = 0; i < count && c->rc == 0; i++) {
        struct qfs_gguf_tensor *tensor = &gguf->tensors[i];
        tensor->name = take_name(c, &gguf->arena, &seen, "the name of a tensor", MAX_NAME);
        if (!tensor->name)
            break;
        take_shape(c, tensor);
        tensor->offset = take_u64(c, tensor->name);
        gguf->ntensors++;
    }
    qfs_map_done(&seen);
}

/* Tensors stand one after the other, each padded; turns their offsets into file offsets. */
static void place_tensors(struct cursor *c, struct qfs_gguf *gguf)
{
    const struct qfs_kv *kv = qfs_kv_find(&gguf->kvs, "general.alignment");
    uint64_t next = 0;
    uint32_t alignment = 32;
    if (kv && kv->type == QFS_KV_U32)
        memcpy(&alignment, kv->data, sizeof(alignment));
    if ((kv && kv->type != QFS_KV_U32) || alignment == 0 || (alignment & (alignment - 1))) {
        fail(c, "general.alignment is no power of two");
        return;
    }
    gguf->data_offset = gguf->ntensors ? qfs_align(c->at, alignment) : c->at;
    for (size_t i = 0; i < gguf->ntensors && c->rc == 0; i++) {
        struct qfs_gguf_tensor *tensor = &gguf->tensors[i];
        uint64_t begin, end;
        if (tensor->offset != next) {
            fail(c, "tensor %s is at %" PRIu64 " of the data, %" PRIu64 " expected", tensor->name,
                 tensor->offset, next);
        } else if (!qfs_add(gguf->data_offset, next, &begin) ||
                   !qfs_add(begin, tensor->nbytes, &end) || end > c->file_size) {
            fail(c, "tensor %s reaches beyond the end of the file: download it again",
                 tensor->name);
        } else {
            tensor->offset = begin;
            next = qfs_align(end - gguf->data_offset, alignment);
        }
    }
}

/* Values still point into the input: copies them. ggml reads a bool as 0 or not 0. */
static void keep_values(struct cursor *c, struct qfs_gguf *gguf)
{
    for (size_t i = 0; i < gguf->kvs.count; i++) {
        struct qfs_kv *kv = &gguf->kvs.items[i];
        uint8_t *copy = qfs_arena_alloc(&gguf->arena, kv->size);
        uint32_t item = kv->type;
        size_t head = 0;
        if (!copy) {
            c->rc = qfs_fail_memory(c->error);
            return;
        }
        memcpy(copy, kv->data, kv->size);
        kv->data = copy;
        if (kv->type == QFS_KV_ARRAY) {
            memcpy(&item, copy, sizeof(item));
            head = 12;
        }
        for (size_t at = head; item == QFS_KV_BOOL && at < kv->size; at++)
            copy[at] = copy[at] != 0;
    }
}

static int parse(struct cursor *c, struct qfs_gguf *gguf)
{
    uint32_t magic = take_u32(c, "the header"), version = take_u32(c, "the header");
    if (c->rc == 0 && magic != 0x46554747) /* "GGUF" */
        return fail(c, "is not a GGUF file");
    if (c->rc == 0 && (version < 2 || version > 3))
        return fail(c, "GGUF version %u is not one of 2 and 3%s", version,
                    (version & 0xFFFF) == 0 ? " (a big-endian file?)" : "");
    uint64_t ntensors = take_u64(c, "the header"), nkvs = take_u64(c, "the header");
    uint64_t left = c->file_size - c->at;
    if (ntensors > QFS_MIN((uint64_t)MAX_TENSORS, left / MIN_TENSOR_SIZE) ||
        nkvs > QFS_MIN((uint64_t)MAX_KEYS, left / MIN_KV_SIZE))
        return fail(
            c, "is said to have %" PRIu64 " tensors and %" PRIu64 " keys, more than it can hold",
            ntensors, nkvs);
    take_kvs(c, gguf, (size_t)nkvs);
    take_tensors(c, gguf, (size_t)ntensors);
    if (c->rc == 0)
        place_tensors(c, gguf);
    if (c->rc == 0)
        keep_values(c, gguf);
    return c->rc;
}

int qfs_gguf_parse(struct qfs_gguf *gguf, const uint8_t *data, size_t size, uint64_t file_size,
                   const char *shown, struct qfs_error *error)
{
    struct cursor c = {.data = data,
                       .size = (size_t)QFS_MIN((uint64_t)size, file_size),
                       .file_size = file_size,
                       .shown = shown,
                       .error = error};
    int rc = parse(&c, gguf);
    if (rc < 0)
        qfs_gguf_done(gguf);
    return rc;
}

int qfs_gguf_read(struct qfs_gguf *gguf, int fd, const char *shown, struct qfs_error *error)
{
    struct stat st;
    uint8_t *data = NULL;
    uint64_t have = 0;
    int rc = -EAGAIN;
    if (fstat(fd, &st) < 0)
        return qfs_fail(error, EIO, "%s: cannot be examined", shown);
    uint64_t file_size = (uint64_t)st.st_size;
    for (uint64_t want = FIRST_READ; rc == -EAGAIN; want *= 2) {
        want = QFS_MIN(want, file_size);
        if (want > MAX_HEADER) {
            rc =
                qfs_fail(error, EFBIG, "%s: the header is larger than %d bytes", shown, MAX_HEADER);
            break;
        }
        uint8_t *more = realloc(data, want ? (size_t)want : 1);
        if (!more) {
            rc = qfs_fail_memory(error);
            break;
        }
        data = more;
        rc = qfs_pread_full(fd, data + have, (size_t)(want - have), have);
        if (rc < 0) {
            rc = qfs_fail(error, -rc, "%s: cannot be read: %s", shown, strerror(-rc));
            break;
        }
        have = want;
        rc = qfs_gguf_parse(gguf, data, (size_t)have, file_size, shown, error);
    }
    free(data);
    return rc;
}

void qfs_gguf_done(struct qfs_gguf *gguf)
{
    qfs_arena_done(&gguf->arena);
    *gguf = (struct qfs_gguf){0};
}
