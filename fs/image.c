/* An image is a plan with a supply for each of its tensors; reads are cut into parts of it. */
#include "image.h"
#include "image_build.h"

#include <stdlib.h>
#include <string.h>

/* -- supplies --------------------------------------------------------------------------------- */

static const struct qfs_tensor_supply *tensor_supply(const struct qfs_supply *supply)
{
    return (const struct qfs_tensor_supply *)supply; /* its first member */
}

static int produce(const struct qfs_supply *supply, struct qfs_worker *worker, uint32_t index,
                   void *out, struct qfs_error *error)
{
    const struct qfs_tensor_supply *ts = tensor_supply(supply);
    int64_t row = (int64_t)index * ts->chunk_rows;
    int64_t nrows = QFS_MIN(ts->chunk_rows, ts->nrows - row);
    return qfs_produce(worker, qfs_source_model(ts->image->source), ts->tensor, row, nrows, out,
                       error);
}

static void hold(const struct qfs_supply *supply)
{
    qfs_image_ref(tensor_supply(supply)->image);
}

static void release(const struct qfs_supply *supply)
{
    qfs_image_put(tensor_supply(supply)->image);
}

static const struct qfs_supply_ops tensor_ops = {produce, hold, release};

/* A chunk in a float type is about as quickly made from the source as loaded from the cache, and
 * would only be a second copy of the source. */
static bool is_worth_keeping(const struct qfs_plan_tensor *tensor)
{
    return qfs_type_info(tensor->type)->quantized;
}

/* -- images ----------------------------------------------------------------------------------- */

static int build_supply(struct qfs_image *image, const struct qfs_plan_tensor *tensor,
                        struct qfs_tensor_supply *ts, struct qfs_error *error)
{
    uint64_t chunk_bytes;
    ts->image = image;
    ts->tensor = tensor;
    ts->nrows = tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
    ts->chunk_rows = qfs_chunk_rows(tensor);
    ts->supply.ops = &tensor_ops;
    ts->supply.keep = is_worth_keeping(tensor);
    ts->supply.block_weights = (uint32_t)qfs_type_info(tensor->type)->block_count;
    ts->supply.block_bytes = (uint32_t)qfs_type_info(tensor->type)->block_bytes;
    ts->supply.series.id = qfs_tensor_identity(qfs_source_model(image->source), tensor);
    ts->supply.series.origin = qfs_tensor_origin(qfs_source_model(image->source), tensor);
    ts->supply.series.nbytes = tensor->nbytes;
    if (!qfs_mul((uint64_t)ts->chunk_rows, qfs_row_bytes(tensor->type, tensor->ne[0]),
                 &chunk_bytes) ||
        !chunk_bytes || chunk_bytes > INT32_MAX || tensor->nbytes / chunk_bytes >= UINT32_MAX)
        return qfs_fail(error, EFBIG, "%s: its rows are too long to be computed one at a time",
                        tensor->name);
    ts->supply.series.chunk_bytes = (uint32_t)chunk_bytes;
    return 0;
}

int qfs_image_build(struct qfs_source *source, size_t index, struct qfs_plan *plan,
                    struct qfs_image **ret_image, struct qfs_error *error)
{
    struct qfs_image *image = calloc(1, sizeof(*image));
    struct qfs_tensor_supply *tensors =
        calloc(QFS_MAX(plan->ntensors, (size_t)1), sizeof(*tensors));
    int rc = image && tensors ? 0 : qfs_fail_memory(error);
    for (size_t i = 0; i < plan->ntensors && rc == 0; i++) {
        image->source = source;
        rc = build_supply(image, &plan->tensors[i], &tensors[i], error);
    }
    if (rc < 0) {
        free(image);
        free(tensors);
        return rc;
    }
    *image = (struct qfs_image){source, index, plan, tensors, 0};
    *ret_image = image;
    return 0;
}

void qfs_image_free(struct qfs_image *image)
{
    if (!image)
        return;
    qfs_plan_free(image->plan);
    free(image->tensors);
    free(image);
}

struct qfs_digest qfs_image_identity(const struct qfs_image *image)
{
    const struct qfs_plan *plan = image->plan;
    struct qfs_buffer all = {0};
    for (size_t i = 0; i < plan->nsegments; i++) {
        struct qfs_digest digest = qfs_hash(plan->segments[i].data, plan->segments[i].size);
        qfs_buffer_append(&all, &digest, sizeof(digest));
    }
    for (size_t i = 0; i < plan->ntensors; i++) {
        qfs_buffer_append(&all, &image->tensors[i].supply.series.id, sizeof(struct qfs_digest));
        qfs_buffer_append(&all, &plan->tensors[i].offset, sizeof(plan->tensors[i].offset));
    }
    /* Out of memory gives a digest of less, which at worst makes a copy start afresh. */
    struct qfs_digest digest = qfs_hash(all.data, all.size);
    qfs_buffer_done(&all);
    return digest;
}

/* -- reads ------------------------------------------------------------------------------------ */

/* Cuts [offset, offset + size) of the image into parts; counts only where `read` is NULL. */
static void cut(const struct qfs_image *image, uint64_t offset, uint32_t size,
                struct qfs_read *read, uint32_t *ret_nparts, uint32_t *ret_nwants,
                uint32_t *ret_copied, uint8_t *copies)
{
    static const uint8_t zeros[4096];
    const struct qfs_plan *plan = image->plan;
    uint32_t nparts = 0, nwants = 0, copied = 0;
    size_t at = size ? qfs_plan_region_at(plan, offset) : 0;
    for (; size; at++) {
        const struct qfs_region *region = &plan->regions[at];
        uint64_t from = offset - region->offset;
        uint32_t left = (uint32_t)QFS_MIN(region->size - from, (uint64_t)size);
        offset += left;
        size -= left;
        while (left) {
            struct qfs_part part = {.want = QFS_NO_WANT, .size = left};
            if (region->kind == QFS_REGION_TENSOR) {
                const struct qfs_supply *supply = &image->tensors[region->tensor].supply;
                uint32_t index = (uint32_t)(from / supply->series.chunk_bytes);
                part.at = (uint32_t)(from % supply->series.chunk_bytes);
                part.size = QFS_MIN(left, qfs_series_size(&supply->series, index) - part.at);
                part.want = nwants;
                if (read)
                    read->fetch.wants[nwants] = (struct qfs_want){.supply = supply, .index = index};
                nwants++;
            } else if (region->kind == QFS_REGION_BYTES) {
                if (read) {
                    qfs_plan_header_read(plan, region->offset + from, copies + copied, part.size);
                    part.data = copies + copied;
                }
                copied += part.size;
            } else {
                part.size = QFS_MIN(left, (uint32_t)sizeof(zeros));
                part.data = zeros;
            }
            if (read)
                read->parts[nparts] = part;
            nparts++;
            from += part.size;
            left -= part.size;
        }
    }
    *ret_nparts = nparts;
    *ret_nwants = nwants;
    *ret_copied = copied;
}

struct qfs_read *qfs_read_new(struct qfs_image *image, uint64_t offset, uint32_t size)
{
    uint32_t nparts, nwants, copied;
    size = QFS_MIN(size, (uint32_t)QFS_READ_MOST);
    if (offset >= image->plan->size)
        size = 0;
    else
        size = (uint32_t)QFS_MIN(image->plan->size - offset, (uint64_t)size);
    cut(image, offset, size, NULL, &nparts, &nwants, &copied, NULL);
    /* One allocation: the read, its wants, its parts, its bytes of the header. */
    size_t wants_at = qfs_align(sizeof(struct qfs_read), 16);
    size_t parts_at = wants_at + nwants * sizeof(struct qfs_want);
    size_t copies_at = parts_at + nparts * sizeof(struct qfs_part);
    uint8_t *memory = calloc(1, copies_at + copied);
    if (!memory)
        return NULL;
    struct qfs_read *read = (void *)memory;
    read->image = image;
    read->offset = offset;
    read->size = size;
    read->fetch.wants = (void *)(memory + wants_at);
    read->parts = (void *)(memory + parts_at);
    cut(image, offset, size, read, &read->nparts, &read->fetch.nwants, &copied, memory + copies_at);
    return read;
}

const uint8_t *qfs_read_part(const struct qfs_read *read, uint32_t i)
{
    const struct qfs_part *part = &read->parts[i];
    return part->want == QFS_NO_WANT ? part->data
                                     : read->fetch.wants[part->want].chunk->data + part->at;
}

void qfs_read_free(struct qfs_read *read)
{
    if (!read)
        return;
    qfs_fetch_release(&read->fetch);
    free(read);
}
