#include "header.h"

#include <string.h>

/* Values of at least this size are borrowed; smaller ones are copied between them. */
enum { BORROW_SIZE = 4096 };

struct builder {
    struct qfs_buffer own;        /* all that is not borrowed, one after the other */
    struct qfs_segment *segments; /* data NULL: of `own` */
    size_t nsegments;
    uint64_t offset;
};

static void put(struct builder *b, const void *data, size_t size)
{
    struct qfs_segment *last = b->nsegments ? &b->segments[b->nsegments - 1] : NULL;
    if (!last || last->data)
        b->segments[b->nsegments++] = (struct qfs_segment){NULL, size, b->offset};
    else
        last->size += size;
    qfs_buffer_append(&b->own, data, size);
    b->offset += size;
}

static void put_u32(struct builder *b, uint32_t value)
{
    put(b, &value, sizeof(value));
}

static void put_u64(struct builder *b, uint64_t value)
{
    put(b, &value, sizeof(value));
}

static void put_text(struct builder *b, const char *text)
{
    size_t size = strlen(text);
    put_u64(b, size);
    put(b, text, size);
}

static void put_kv(struct builder *b, const struct qfs_kv *kv)
{
    put_text(b, kv->key);
    put_u32(b, kv->type);
    if (kv->size < BORROW_SIZE) {
        put(b, kv->data, kv->size);
    } else {
        b->segments[b->nsegments++] = (struct qfs_segment){kv->data, kv->size, b->offset};
        b->offset += kv->size;
    }
}

static void put_tensor(struct builder *b, const struct qfs_plan_tensor *tensor)
{
    put_text(b, tensor->name);
    put_u32(b, tensor->ndim);
    for (int i = 0; i < tensor->ndim; i++)
        put_u64(b, (uint64_t)tensor->ne[i]);
    put_u32(b, (uint32_t)tensor->type);
    put_u64(b, tensor->offset);
}

int qfs_header_build(struct qfs_plan *plan, struct qfs_error *error)
{
    static const uint8_t zeros[QFS_GGUF_ALIGNMENT];
    /* A large value makes two segments: itself and what follows. */
    size_t most = 2 * plan->kvs.count + 1;
    struct builder b = {.segments =
                            qfs_arena_array(&plan->arena, most, sizeof(struct qfs_segment))};
    if (!b.segments)
        return qfs_fail_memory(error);
    put(&b, "GGUF", 4);
    put_u32(&b, 3);
    put_u64(&b, plan->ntensors);
    put_u64(&b, plan->kvs.count);
    for (size_t i = 0; i < plan->kvs.count; i++)
        put_kv(&b, &plan->kvs.items[i]);
    for (size_t i = 0; i < plan->ntensors; i++)
        put_tensor(&b, &plan->tensors[i]);
    put(&b, zeros, (size_t)(qfs_align(b.offset, QFS_GGUF_ALIGNMENT) - b.offset));

    char *own =
        b.own.failed ? NULL : qfs_arena_copy(&plan->arena, (const char *)b.own.data, b.own.size);
    qfs_buffer_done(&b.own);
    if (!own)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < b.nsegments; i++)
        if (!b.segments[i].data) {
            b.segments[i].data = (const uint8_t *)own;
            own += b.segments[i].size;
        }
    plan->segments = b.segments;
    plan->nsegments = b.nsegments;
    plan->data_offset = b.offset;
    return 0;
}

void qfs_plan_header_read(const struct qfs_plan *plan, uint64_t offset, void *data, size_t size)
{
    uint8_t *to = data;
    size_t low = 0, high = plan->nsegments;
    while (high - low > 1) { /* the last segment that begins at or before `offset` */
        size_t middle = low + (high - low) / 2;
        if (plan->segments[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    for (const struct qfs_segment *segment = &plan->segments[low]; size; segment++) {
        size_t skip = (size_t)(offset - segment->offset);
        size_t n = QFS_MIN(size, segment->size - skip);
        memcpy(to, segment->data + skip, n);
        to += n;
        offset += n;
        size -= n;
    }
}
