/* Rows of a tensor as they stand in the file: source elements, decoded tile by tile, rounded as the
 * intermediate file would, quantized. */
#include "recipe_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_WEIGHTS = 256 << 10,
    TILE_WEIGHTS = 32 << 10, /* 128 KiB of floats: with blocks and scratch well inside L2 */
    /* Counted up when a kernel's bytes change, so that caches forget what the old one made. */
    KERNEL_REVISION = 1,
};

struct qfs_worker *qfs_worker_new(void)
{
    struct qfs_worker *worker = calloc(1, sizeof(*worker));
    if (!worker)
        return NULL;
    worker->kernels = qfs_kernels_get(~0u);
    worker->scratch = aligned_alloc(64, QFS_SCRATCH_SIZE);
    if (!worker->scratch) {
        qfs_worker_free(worker);
        return NULL;
    }
    return worker;
}

void qfs_worker_free(struct qfs_worker *worker)
{
    if (!worker)
        return;
    free(worker->source);
    free(worker->tile);
    free(worker->scratch);
    free(worker);
}

int64_t qfs_chunk_rows(const struct qfs_plan_tensor *tensor)
{
    return QFS_MAX(1, CHUNK_WEIGHTS / tensor->ne[0]);
}

/* -- identity
 * ------------------------------------------------------------------------------------------ */

static void describe(struct qfs_buffer *to, const struct qfs_model *model,
                     const struct qfs_recipe *recipe)
{
    uint32_t head[] = {recipe->op,        recipe->dtype, recipe->ndim,
                       recipe->noperands, recipe->axis,  recipe->bits};
    qfs_buffer_append(to, head, sizeof(head));
    qfs_buffer_append(to, recipe->shape, recipe->ndim * sizeof(*recipe->shape));
    qfs_buffer_append(to, recipe->strides, recipe->ndim * sizeof(*recipe->strides));
    qfs_buffer_append(to, &recipe->start, sizeof(recipe->start));
    qfs_buffer_append(to, &recipe->number, sizeof(recipe->number));
    if (recipe->source) {
        const struct qfs_digest *file = &model->files[recipe->source->file].identity;
        qfs_buffer_append(to, file, sizeof(*file));
        qfs_buffer_append(to, &recipe->source->offset, sizeof(recipe->source->offset));
        qfs_buffer_append(to, &recipe->source->nbytes, sizeof(recipe->source->nbytes));
        qfs_buffer_append(to, &recipe->source->type, recipe->source->gguf);
    }
    if (recipe->data) {
        struct qfs_digest data = qfs_hash(recipe->data, (size_t)qfs_recipe_count(recipe) *
                                                            qfs_dtypes[recipe->dtype].size);
        qfs_buffer_append(to, &data, sizeof(data));
    }
    for (uint32_t i = 0; i < recipe->noperands; i++)
        describe(to, model, recipe->operands[i]);
}

struct qfs_digest qfs_tensor_identity(const struct qfs_model *model,
                                      const struct qfs_plan_tensor *tensor)
{
    struct qfs_buffer text = {0};
    struct qfs_digest identity, imatrix = {0, 0};
    int32_t head[4] = {KERNEL_REVISION, tensor->type, tensor->half, tensor->checked};
    if (tensor->imatrix)
        imatrix = qfs_hash(tensor->imatrix,
                           (size_t)(tensor->ne[0] * tensor->ne[2]) * sizeof(*tensor->imatrix));
    qfs_buffer_append(&text, head, sizeof(head));
    qfs_buffer_append(&text, tensor->ne, sizeof(tensor->ne));
    qfs_buffer_append(&text, &imatrix, sizeof(imatrix));
    describe(&text, model, tensor->recipe);
    /* Out of memory: an identity that nothing else has, so nothing wrong is shared. */
    identity = text.failed ? qfs_hash(&tensor, sizeof(tensor)) : qfs_hash(text.data, text.size);
    qfs_buffer_done(&text);
    return identity;
}

static const struct qfs_model_file *first_file(const struct qfs_model *model,
                                               const struct qfs_recipe *recipe)
{
    const struct qfs_model_file *file = recipe->source ? &model->files[recipe->source->file] : NULL;
    for (uint32_t i = 0; i < recipe->noperands && !file; i++)
        file = first_file(model, recipe->operands[i]);
    return file;
}

struct qfs_digest qfs_tensor_origin(const struct qfs_model *model,
                                    const struct qfs_plan_tensor *tensor)
{
    const struct qfs_model_file *file = first_file(model, tensor->recipe);
    return file ? file->identity : (struct qfs_digest){0};
}

/* -- producing
 * ------------------------------------------------------------------------------------------ */

static int grow(void **data, size_t *have, size_t want, struct qfs_error *error)
{
    if (*have >= want)
        return 0;
    void *bigger = aligned_alloc(64, (want + 63) & ~(size_t)63);
    if (!bigger)
        return qfs_fail_memory(error);
    free(*data);
    *data = bigger;
    *have = want;
    return 0;
}

/* The first of `count` floats that is infinite or no number; -1 if all are finite. */
static int64_t find_nonfinite(const struct qfs_kernels *kernels, const float *x, int64_t count)
{
    if (kernels->finite(x, count))
        return -1;
    for (int64_t i = 0; i < count; i++)
        if (!kernels->finite(&x[i], 1))
            return i;
    return -1;
}

/* Rounds floats as the intermediate file holds them; `spare` has room for `count` halves. */
static void round_through(const struct qfs_kernels *kernels, enum qfs_type half,
                          enum qfs_dtype source, float *x, void *spare, int64_t count)
{
    if (half == QFS_TYPE_F16 && source != QFS_DTYPE_F16) {
        kernels->encode_f16(x, spare, count);
        kernels->decode_f16(spare, x, count);
    } else if (half == QFS_TYPE_BF16 && source != QFS_DTYPE_BF16) {
        kernels->encode_bf16(x, spare, count);
        kernels->decode_bf16(spare, x, count);
    }
}

/* A few rows, all of one expert: floats of the source → bytes of the file. */
static int produce_tile(struct qfs_worker *worker, const struct qfs_plan_tensor *tensor,
                        int64_t row, int64_t nrows, void *out, struct qfs_error *error)
{
    const struct qfs_kernels *kernels = worker->kernels;
    int64_t row_size = tensor->ne[0], count = nrows * row_size, bad;
    const float *imatrix = tensor->imatrix;

    round_through(kernels, tensor->half, tensor->recipe->dtype, worker->tile, worker->tile + count,
                  count);
    if (tensor->checked && (bad = find_nonfinite(kernels, worker->tile, count)) >= 0)
        return qfs_fail(
            error, EIO,
            "tensor %s row %lld has a weight that is infinite or no number: llama-quantize "
            "refuses it too; read a float view, or repair the model",
            tensor->name, (long long)(row + bad / row_size));
    switch (tensor->type) {
    case QFS_TYPE_F32:
        memcpy(out, worker->tile, (size_t)count * sizeof(float));
        return 0;
    case QFS_TYPE_F16:
        kernels->encode_f16(worker->tile, out, count);
        return 0;
    case QFS_TYPE_BF16:
        kernels->encode_bf16(worker->tile, out, count);
        return 0;
    case QFS_TYPE_I32:
        for (int64_t i = 0; i < count; i++) {
            int32_t integer = (int32_t)worker->tile[i];
            memcpy((uint8_t *)out + (size_t)i * sizeof(integer), &integer, sizeof(integer));
        }
        return 0;
    default:
        break;
    }
    if (!kernels->quantize[tensor->type])
        return qfs_fail(error, ENOTSUP, "tensor %s: this build has no kernel for type %s",
                        tensor->name, qfs_type_info(tensor->type)->name);
    if (imatrix)
        imatrix += row / tensor->ne[1] * row_size;
    kernels->quantize[tensor->type](worker->tile, out, nrows, row_size, imatrix, worker->scratch);
    if (!qfs_blocks_finite(tensor->type, out,
                           (size_t)nrows * qfs_row_bytes(tensor->type, row_size)))
        return qfs_fail(error, EIO,
                        "tensor %s rows %lld to %lld: a block's scale is too large for type %s: "
                        "llama-quantize refuses it too; read a view of another type",
                        tensor->name, (long long)row, (long long)(row + nrows - 1),
                        qfs_type_info(tensor->type)->name);
    return 0;
}

/* Rows that stand in the source in the blocks that the view holds. */
static int copy_rows(const struct qfs_worker *worker, const struct qfs_model *model,
                     const struct qfs_plan_tensor *tensor, int64_t row, int64_t nrows, void *out,
                     struct qfs_error *error)
{
    struct qfs_error local;
    struct qfs_reader reader = {worker->kernels, model, error ? error : &local};
    size_t size = (size_t)((uint64_t)nrows * qfs_row_bytes(tensor->type, tensor->ne[0]));
    int rc =
        qfs_recipe_blocks(&reader, tensor->recipe, row * tensor->ne[0], nrows * tensor->ne[0], out);
    if (rc == 0 && tensor->checked && !qfs_blocks_finite(tensor->type, out, size))
        rc = qfs_fail(error, EIO,
                      "tensor %s rows %lld to %lld: a block's scale is infinite or no number: "
                      "llama-quantize refuses it too; download the model again",
                      tensor->name, (long long)row, (long long)(row + nrows - 1));
    return rc;
}

int qfs_produce(struct qfs_worker *worker, const struct qfs_model *model,
                const struct qfs_plan_tensor *tensor, int64_t row, int64_t nrows, void *out,
                struct qfs_error *error)
{
    enum qfs_dtype dtype = tensor->recipe->dtype;
    int64_t row_size = tensor->ne[0], count = nrows * row_size;
    size_t element = qfs_dtypes[dtype].size;
    uint64_t row_bytes = qfs_row_bytes(tensor->type, row_size);
    bool verbatim = (dtype == QFS_DTYPE_F32 && tensor->type == QFS_TYPE_F32) ||
                    (dtype == QFS_DTYPE_F16 && tensor->type == QFS_TYPE_F16);
    int rc;

    if (qfs_recipe_type(tensor->recipe) == tensor->type)
        return copy_rows(worker, model, tensor, row, nrows, out, error);

    /* Bits as they are, NaN payloads too, where nothing is converted or checked. */
    if (verbatim && tensor->half == tensor->type && !tensor->checked)
        return qfs_recipe_read(worker->kernels, model, tensor->recipe, row * row_size, count, out,
                               error);

    if ((rc = grow((void **)&worker->source, &worker->source_size, (size_t)count * element,
                   error)) < 0)
        return rc;
    rc = qfs_recipe_read(worker->kernels, model, tensor->recipe, row * row_size, count,
                         worker->source, error);
    const uint8_t *source = worker->source;
    while (nrows && rc == 0) {
        int64_t n = QFS_MIN(nrows, QFS_MAX(1, TILE_WEIGHTS / row_size));
        n = QFS_MIN(n, tensor->ne[1] - row % tensor->ne[1]); /* one expert, one importance slice */
        /* floats, and behind them room for as many halves */
        rc = grow((void **)&worker->tile, &worker->tile_size,
                  (size_t)(n * row_size) * (sizeof(float) + sizeof(uint16_t)), error);
        if (rc < 0)
            break;
        qfs_decode(worker->kernels, dtype, source, worker->tile, n * row_size);
        rc = produce_tile(worker, tensor, row, n, out, error);
        source += (size_t)(n * row_size) * element;
        out = (uint8_t *)out + (uint64_t)n * row_bytes;
        row += n;
        nrows -= n;
    }
    return rc;
}
