/* Elements of a recipe, any run of them, without computing the rest.
 *
 * Movement works on bytes of any dtype: a run that is contiguous in the operand is read in one go,
 * a transposed matrix by columns of the rows wanted. Arithmetic works on floats and rounds to its
 * dtype. */
#include "recipe_read.h"

#include "quantfs/torch_math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where element `index` of a view lies in its operand, and how many of the view's elements from it
 * on lie there one behind the other. */
static int64_t locate(const struct qfs_recipe *view, int64_t index, int64_t *ret_run)
{
    int64_t at = view->start, run = 1, contiguous = 1, rest = index;
    bool unbroken = true;
    for (int i = view->ndim - 1; i >= 0; i--) {
        int64_t position = rest % view->shape[i];
        rest /= view->shape[i];
        at += position * view->strides[i];
        unbroken = unbroken && (view->strides[i] == contiguous || view->shape[i] == 1);
        if (unbroken)
            run = (contiguous *= view->shape[i]);
    }
    *ret_run = run - index % run;
    return at;
}

enum {
    MAX_STEP = 16,  /* a run of every n-th element is read whole up to here */
    MAX_RUNS = 256, /* looked at together */
};

/* Every `step`-th of `n` elements of a node from `at` on; `spare` has room for all between them. */
static int read_stepped(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t at,
                        int64_t step, int64_t n, uint8_t *spare, uint8_t *out, int64_t out_step)
{
    size_t size = qfs_dtypes[node->dtype].size;
    int rc = qfs_recipe_node(r, node, at, (n - 1) * step + 1, spare);
    for (int64_t i = 0; i < n && rc == 0; i++)
        memcpy(out + (size_t)(i * out_step) * size, spare + (size_t)(i * step) * size, size);
    return rc;
}

static bool is_step(int64_t stride)
{
    return stride >= 1 && stride <= MAX_STEP;
}

/* Whole rows of a view whose last axis has a stride and whose second last has small steps. */
static int read_transposed(const struct qfs_reader *r, const struct qfs_recipe *view, int64_t row,
                           int64_t nrows, uint8_t *out)
{
    size_t size = qfs_dtypes[view->dtype].size;
    int64_t ncols = view->shape[view->ndim - 1], height = view->shape[view->ndim - 2], run;
    int64_t step = view->strides[view->ndim - 2];
    uint8_t *column = malloc((size_t)(QFS_MIN(nrows, height) * step) * size);
    int rc = column ? 0 : qfs_fail_memory(r->error);
    while (nrows && rc == 0) {
        int64_t n = QFS_MIN(nrows, height - row % height);
        int64_t at = locate(view, row * ncols, &run);
        for (int64_t col = 0; col < ncols && rc == 0; col++)
            rc = read_stepped(r, view->operands[0], at + col * view->strides[view->ndim - 1], step,
                              n, column, out + (size_t)col * size, ncols);
        row += n;
        nrows -= n;
        out += (size_t)(n * ncols) * size;
    }
    free(column);
    return rc;
}

/* A run of a view: `n` elements of the operand from `at` on. */
struct run {
    int64_t at, n;
    uint8_t *out;
};

static int compare_runs(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Runs that touch one another in the operand are read in one go: some operands, such as GPTQ's, read
 * many rows as fast as one. `spare` has room for all runs. */
static int read_runs(const struct qfs_reader *r, const struct qfs_recipe *node, struct run *runs,
                     size_t nruns, uint8_t *spare)
{
    size_t size = qfs_dtypes[node->dtype].size, next;
    int rc = 0;
    qsort(runs, nruns, sizeof(*runs), compare_runs);
    for (size_t i = 0; i < nruns && rc == 0; i = next) {
        int64_t at = runs[i].at, end = at + runs[i].n;
        for (next = i + 1; next < nruns && runs[next].at <= end; next++)
            end = QFS_MAX(end, runs[next].at + runs[next].n);
        rc = qfs_recipe_node(r, node, at, end - at, next == i + 1 ? runs[i].out : spare);
        for (size_t k = i; k < next && next > i + 1 && rc == 0; k++)
            memcpy(runs[k].out, spare + (size_t)(runs[k].at - at) * size, (size_t)runs[k].n * size);
    }
    return rc;
}

/* Elements of a view, run by run. */
static int read_by_runs(const struct qfs_reader *r, const struct qfs_recipe *view, int64_t first,
                        int64_t count, uint8_t *out)
{
    size_t size = qfs_dtypes[view->dtype].size, nruns = 0;
    struct run runs[MAX_RUNS];
    int64_t run, at = locate(view, first, &run);
    if (run >= count)
        return qfs_recipe_node(r, view->operands[0], at, count, out);
    uint8_t *spare = malloc((size_t)count * size);
    int rc = spare ? 0 : qfs_fail_memory(r->error);
    while (count && rc == 0) {
        at = locate(view, first, &run);
        run = QFS_MIN(run, count);
        runs[nruns++] = (struct run){at, run, out};
        first += run;
        count -= run;
        out += (size_t)run * size;
        if (nruns == MAX_RUNS || count == 0) {
            rc = read_runs(r, view->operands[0], runs, nruns, spare);
            nruns = 0;
        }
    }
    free(spare);
    return rc;
}

/* Elements of a view whose last axis has a small step. */
static int read_by_steps(const struct qfs_reader *r, const struct qfs_recipe *view, int64_t first,
                         int64_t count, uint8_t *out)
{
    size_t size = qfs_dtypes[view->dtype].size;
    int64_t ncols = view->shape[view->ndim - 1], step = view->strides[view->ndim - 1], run;
    uint8_t *spare = malloc((size_t)(QFS_MIN(ncols, count) * step) * size);
    int rc = spare ? 0 : qfs_fail_memory(r->error);
    while (count && rc == 0) {
        int64_t at = locate(view, first, &run);
        run = QFS_MIN(ncols - first % ncols, count);
        rc = read_stepped(r, view->operands[0], at, step, run, spare, out, 1);
        first += run;
        count -= run;
        out += (size_t)run * size;
    }
    free(spare);
    return rc;
}

static int read_view(const struct qfs_reader *r, const struct qfs_recipe *view, int64_t first,
                     int64_t count, uint8_t *out)
{
    int64_t ncols = view->ndim ? view->shape[view->ndim - 1] : 1;
    int64_t step = view->ndim ? view->strides[view->ndim - 1] : 1;
    bool stepped = is_step(step) && step > 1 && ncols > 1;
    if (view->ndim >= 2 && step != 1 && !stepped && ncols > 1 &&
        is_step(view->strides[view->ndim - 2]) && first % ncols == 0 && count % ncols == 0)
        return read_transposed(r, view, first / ncols, count / ncols, out);
    return (stepped ? read_by_steps : read_by_runs)(r, view, first, count, out);
}

static int read_concat(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                       int64_t count, uint8_t *out)
{
    size_t size = qfs_dtypes[node->dtype].size;
    for (uint32_t i = 0; i < node->noperands && count; i++) {
        int64_t have = qfs_recipe_count(node->operands[i]);
        if (first >= have) {
            first -= have;
            continue;
        }
        int64_t n = QFS_MIN(count, have - first);
        int rc = qfs_recipe_node(r, node->operands[i], first, n, out);
        if (rc < 0)
            return rc;
        first = 0;
        count -= n;
        out += (size_t)n * size;
    }
    return 0;
}

static void apply(enum qfs_op op, double number, float *x, int64_t count)
{
    float n = (float)number;
    switch (op) {
    case QFS_OP_ADD:
        for (int64_t i = 0; i < count; i++)
            x[i] += n;
        break;
    case QFS_OP_MUL:
        for (int64_t i = 0; i < count; i++)
            x[i] *= n;
        break;
    case QFS_OP_RECIPROCAL:
        for (int64_t i = 0; i < count; i++)
            x[i] = 1.0f / x[i];
        break;
    case QFS_OP_NEG_EXP:
        for (int64_t i = 0; i < count; i++)
            x[i] = -qfs_torch_expf(x[i]);
        break;
    case QFS_OP_SOFTPLUS:
        for (int64_t i = 0; i < count; i++)
            x[i] = qfs_torch_softplusf(x[i]);
        break;
    default:
        break;
    }
}

static int read_unary(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                      int64_t count, uint8_t *out)
{
    const struct qfs_recipe *operand = node->operands[0];
    uint8_t *raw = malloc((size_t)count * qfs_dtypes[operand->dtype].size);
    float *floats =
        node->dtype == QFS_DTYPE_F32 ? (float *)out : malloc((size_t)count * sizeof(float));
    int rc =
        raw && floats ? qfs_recipe_node(r, operand, first, count, raw) : qfs_fail_memory(r->error);
    if (rc == 0) {
        qfs_decode(r->kernels, operand->dtype, raw, floats, count);
        apply(node->op, node->number, floats, count);
        if (node->dtype == QFS_DTYPE_F16)
            r->kernels->encode_f16(floats, out, count);
        else if (node->dtype == QFS_DTYPE_BF16)
            r->kernels->encode_bf16(floats, out, count);
    }
    free(raw);
    if ((void *)floats != (void *)out)
        free(floats);
    return rc;
}

int qfs_source_blocks_check(const struct qfs_tensor *tensor, const void *blocks, size_t nbytes,
                            struct qfs_error *error)
{
    if (qfs_blocks_finite((enum qfs_type)tensor->type, blocks, nbytes))
        return 0;
    return qfs_fail(error, EIO,
                    "tensor %s has a block whose scale is infinite or no number: llama-quantize "
                    "refuses it too; download the file again",
                    tensor->name);
}

/* Weights that stand in blocks in a GGUF file, as floats. Whole blocks only. */
static int read_blocks(const struct qfs_reader *r, const struct qfs_tensor *tensor, int64_t first,
                       int64_t count, float *out)
{
    const struct qfs_type_info *info = qfs_type_info(tensor->type);
    if (first % info->block_count || count % info->block_count)
        return qfs_fail(r->error, EINVAL, "tensor %s: a part of a block was asked for",
                        tensor->name);
    size_t size = (size_t)(count / info->block_count) * info->block_bytes;
    uint8_t *blocks = malloc(size ? size : 1);
    int rc = blocks ? qfs_model_pread(r->model, tensor,
                                      (uint64_t)(first / info->block_count) * info->block_bytes,
                                      blocks, size, r->error)
                    : qfs_fail_memory(r->error);
    if (rc == 0)
        rc = qfs_source_blocks_check(tensor, blocks, size, r->error);
    if (rc == 0 && !qfs_dequantize((enum qfs_type)tensor->type, blocks, out, count))
        rc = qfs_fail(r->error, ENOTSUP, "tensor %s is %s, which cannot be decoded", tensor->name,
                      info->name);
    free(blocks);
    return rc;
}

int qfs_recipe_node(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                    int64_t count, uint8_t *out)
{
    size_t size = qfs_dtypes[node->dtype].size;
    switch (node->op) {
    case QFS_OP_SOURCE:
        if (node->source->gguf && qfs_type_info(node->source->type)->quantized)
            return read_blocks(r, node->source, first, count, (float *)out);
        return qfs_model_pread(r->model, node->source, (uint64_t)first * size, out,
                               (size_t)count * size, r->error);
    case QFS_OP_DATA:
        memcpy(out, (const uint8_t *)node->data + (size_t)first * size, (size_t)count * size);
        return 0;
    case QFS_OP_VIEW:
        return read_view(r, node, first, count, out);
    case QFS_OP_CONCAT:
        return read_concat(r, node, first, count, out);
    case QFS_OP_SCALE:
    case QFS_OP_OFFSET:
        return qfs_recipe_scale(r, node, first, count, (float *)out);
    case QFS_OP_UNPACK:
        return qfs_recipe_unpack(r, node, first, count, (float *)out);
    case QFS_OP_MXFP4:
    case QFS_OP_NVFP4:
        return qfs_recipe_fp4(r, node, first, count, (float *)out);
    case QFS_OP_GPTQ:
        return qfs_recipe_gptq(r, node, first, count, (float *)out);
    default:
        return read_unary(r, node, first, count, out);
    }
}

int qfs_recipe_read(const struct qfs_kernels *kernels, const struct qfs_model *model,
                    const struct qfs_recipe *recipe, int64_t first, int64_t count, void *out,
                    struct qfs_error *error)
{
    struct qfs_error local;
    struct qfs_reader reader = {kernels, model, error ? error : &local};
    return qfs_recipe_node(&reader, recipe, first, count, out);
}
