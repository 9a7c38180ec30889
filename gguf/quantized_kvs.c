#include <stdio.h>
#include <string.h>

#include "plan_parts.h"

/* llama-quantize's keys. Each that it sets is removed first and so moves to the end. */

enum { QUANTIZATION_VERSION = 2 }; /* GGML_QNT_VERSION */

static void append_u32(struct qfs_kvs *kvs, const char *key, uint32_t value)
{
    qfs_kv_remove(kvs, key);
    qfs_kv_u32(kvs, key, value);
}

static void append_string(struct qfs_kvs *kvs, const char *key, const char *value)
{
    qfs_kv_remove(kvs, key);
    qfs_kv_string(kvs, key, value);
}

/* Copies of the strings of a value, each cut at its first NUL as a C string is. */
static void cut_strings(struct qfs_kvs *kvs, struct qfs_kv *kv)
{
    uint8_t *copy = qfs_arena_alloc(kvs->arena, kv->size), *to = copy;
    const uint8_t *from = kv->data, *end = kv->data + kv->size;
    if (!copy) {
        kvs->failed = true;
        return;
    }
    if (kv->type == QFS_KV_ARRAY) { /* item type and count stay */
        memcpy(to, from, 12);
        to += 12;
        from += 12;
    }
    while (from < end) {
        uint64_t size;
        memcpy(&size, from, sizeof(size));
        from += sizeof(size);
        uint64_t cut = strnlen((const char *)from, (size_t)size);
        memcpy(to, &cut, sizeof(cut));
        memcpy(to + sizeof(cut), from, (size_t)cut);
        to += sizeof(cut) + cut;
        from += size;
    }
    kv->data = copy;
    kv->size = (size_t)(to - copy);
}

static int apply_override(struct qfs_kvs *kvs, const struct qfs_override *o,
                          struct qfs_error *error)
{
    uint64_t magnitude = o->integer < 0 ? 0 - (uint64_t)o->integer : (uint64_t)o->integer;
    uint32_t number = (uint32_t)magnitude;
    if (strcmp(o->key, "general.alignment") == 0 &&
        (o->tag != QFS_OVERRIDE_INT || number == 0 || (number & (number - 1))))
        return qfs_fail(error, ENOTSUP, "general.alignment can only be a power of two");
    qfs_kv_remove(kvs, o->key);
    switch (o->tag) {
    case QFS_OVERRIDE_INT:
        qfs_kv_u32(kvs, o->key, number);
        break;
    case QFS_OVERRIDE_FLOAT:
        qfs_kv_f32(kvs, o->key, (float)o->real);
        break;
    case QFS_OVERRIDE_BOOL:
        qfs_kv_bool(kvs, o->key, o->integer != 0);
        break;
    case QFS_OVERRIDE_STRING:
        qfs_kv_string(kvs, o->key, o->text);
        break;
    }
    return 0;
}

int qfs_quantized_kvs(struct qfs_plan *plan, const struct qfs_view_options *options,
                      const struct qfs_override *overrides, const char *arch, int nlayers,
                      struct qfs_error *error)
{
    const struct qfs_kvs *from = &plan->conversion->kvs;
    struct qfs_kvs *kvs = &plan->kvs;
    char key[128];
    kvs->capacity = from->count + options->noverrides + 8;
    kvs->items = qfs_arena_array(&plan->arena, kvs->capacity, sizeof(*kvs->items));
    if (!kvs->items)
        return qfs_fail_memory(error);
    for (; kvs->count < from->count; kvs->count++) {
        kvs->items[kvs->count] = from->items[kvs->count];
        if (kvs->items[kvs->count].nul)
            cut_strings(kvs, &kvs->items[kvs->count]);
    }
    append_u32(kvs, "general.quantization_version", QUANTIZATION_VERSION);
    append_u32(kvs, "general.file_type", (uint32_t)options->ftype->number);
    qfs_kv_remove(kvs, "split.no");
    qfs_kv_remove(kvs, "split.count");
    qfs_kv_remove(kvs, "split.tensors.count");
    for (size_t i = 0; i < options->noverrides; i++) {
        int rc = apply_override(kvs, &overrides[i], error);
        if (rc < 0)
            return rc;
    }
    const struct qfs_imatrix *imatrix = options->imatrix;
    if (imatrix && imatrix->nentries) {
        append_string(kvs, "quantize.imatrix.file", imatrix->file);
        if (imatrix->dataset)
            append_string(kvs, "quantize.imatrix.dataset", imatrix->dataset);
        append_u32(kvs, "quantize.imatrix.entries_count", (uint32_t)imatrix->nentries);
        if (imatrix->nchunks > 0)
            append_u32(kvs, "quantize.imatrix.chunks_count", (uint32_t)imatrix->nchunks);
    }
    if (nlayers >= 0) {
        snprintf(key, sizeof(key), "%s.block_count", arch);
        append_u32(kvs, key, (uint32_t)nlayers);
    }
    return kvs->failed ? qfs_fail_memory(error) : 0;
}
