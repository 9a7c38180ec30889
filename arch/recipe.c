/* Lazy tensors. Movement (reshape, transpose, slice) becomes strides over one operand, so a chain
 * of them stays one VIEW node; only where strides cannot say it does a view stand on a view. */
#include "lora.h"

#include <string.h>

int64_t qfs_recipe_count(const struct qfs_recipe *recipe)
{
    int64_t count = 1;
    for (int i = 0; i < recipe->ndim; i++)
        count *= recipe->shape[i];
    return count;
}

enum qfs_type qfs_recipe_type(const struct qfs_recipe *recipe)
{
    switch (recipe->op) {
    case QFS_OP_SOURCE:
        return recipe->source->gguf ? (enum qfs_type)recipe->source->type : QFS_TYPE_NONE;
    case QFS_OP_MXFP4:
        return QFS_TYPE_MXFP4;
    case QFS_OP_NVFP4:
        return QFS_TYPE_NVFP4;
    case QFS_OP_CONCAT:
        for (uint32_t i = 1; i < recipe->noperands; i++)
            if (qfs_recipe_type(recipe->operands[i]) != qfs_recipe_type(recipe->operands[0]))
                return QFS_TYPE_NONE;
        return qfs_recipe_type(recipe->operands[0]);
    default:
        return QFS_TYPE_NONE;
    }
}

static struct qfs_recipe *node(struct qfs_converter *c, enum qfs_op op, size_t noperands)
{
    struct qfs_recipe *recipe = qfs_arena_alloc(c->arena, sizeof(*recipe));
    const struct qfs_recipe **operands =
        noperands ? qfs_arena_array(c->arena, noperands, sizeof(*operands)) : NULL;
    if (!recipe || (noperands && !operands)) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    recipe->op = op;
    recipe->noperands = (uint32_t)noperands;
    recipe->operands = operands;
    return recipe;
}

static void set_operand(struct qfs_recipe *recipe, size_t i, const struct qfs_recipe *operand)
{
    ((const struct qfs_recipe **)recipe->operands)[i] = operand;
}

static const struct qfs_recipe *misfit(struct qfs_converter *c, const char *what)
{
    qfs_fail(
        c->error, EINVAL,
        "%s: a tensor's shape does not fit config.json: it cannot be %s as this architecture needs",
        c->model->path, what);
    return NULL;
}

/* A source tensor whose elements do not lie in order: a view of all that lies between them. */
static const struct qfs_recipe *strided(struct qfs_converter *c, struct qfs_recipe *source)
{
    const struct qfs_tensor *tensor = source->source;
    struct qfs_tensor *span = qfs_arena_alloc(c->arena, sizeof(*span));
    struct qfs_recipe *view = node(c, QFS_OP_VIEW, 1);
    if (!span || !view) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    *span = *tensor;
    span->strides = NULL;
    span->ndim = 1;
    span->shape[0] = (int64_t)(tensor->nbytes / qfs_dtypes[tensor->dtype].size);
    view->dtype = tensor->dtype;
    view->ndim = tensor->ndim;
    memcpy(view->shape, tensor->shape, sizeof(view->shape));
    memcpy(view->strides, tensor->strides, tensor->ndim * sizeof(*view->strides));
    source->source = span;
    source->ndim = 1;
    source->shape[0] = span->shape[0];
    set_operand(view, 0, source);
    return view;
}

const struct qfs_recipe *qfs_lazy_source(struct qfs_converter *c, const struct qfs_tensor *tensor)
{
    struct qfs_recipe *recipe = node(c, QFS_OP_SOURCE, 0);
    if (!recipe)
        return NULL;
    recipe->dtype = tensor->dtype;
    recipe->ndim = tensor->ndim;
    memcpy(recipe->shape, tensor->shape, sizeof(recipe->shape));
    recipe->source = tensor;
    return tensor->strides ? strided(c, recipe) : recipe;
}

const struct qfs_recipe *qfs_lazy_floats(struct qfs_converter *c, const float *data, int64_t count)
{
    struct qfs_recipe *recipe = node(c, QFS_OP_DATA, 0);
    char *copy =
        recipe ? qfs_arena_copy(c->arena, (const char *)data, (size_t)count * sizeof(*data)) : NULL;
    if (!copy) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    recipe->dtype = QFS_DTYPE_F32;
    recipe->ndim = 1;
    recipe->shape[0] = count;
    recipe->data = copy;
    return recipe;
}

static struct qfs_recipe *view_of(struct qfs_converter *c, const struct qfs_recipe *a);

const struct qfs_recipe *qfs_lazy_zeros(struct qfs_converter *c, enum qfs_dtype dtype,
                                        int64_t nrows, int64_t ncols)
{
    struct qfs_recipe *row = node(c, QFS_OP_DATA, 0);
    void *zeros = row ? qfs_arena_array(c->arena, (size_t)ncols, sizeof(float)) : NULL;
    if (!zeros) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    row->dtype = dtype;
    row->ndim = 1;
    row->shape[0] = ncols;
    row->data = zeros;
    struct qfs_recipe *rows = view_of(c, row); /* the same row again and again */
    if (!rows)
        return NULL;
    rows->ndim = 2;
    rows->shape[0] = nrows;
    rows->shape[1] = ncols;
    rows->strides[0] = 0;
    rows->strides[1] = 1;
    return rows;
}

static void row_major(struct qfs_recipe *recipe)
{
    int64_t stride = 1;
    for (int i = recipe->ndim - 1; i >= 0; i--) {
        recipe->strides[i] = stride;
        stride *= recipe->shape[i];
    }
}

/* A VIEW with a's shape: over a's operand if a is a view, else over a itself. */
static struct qfs_recipe *view_of(struct qfs_converter *c, const struct qfs_recipe *a)
{
    struct qfs_recipe *view = a ? node(c, QFS_OP_VIEW, 1) : NULL;
    if (!view)
        return NULL;
    view->dtype = a->dtype;
    view->ndim = a->ndim;
    memcpy(view->shape, a->shape, sizeof(view->shape));
    if (a->op == QFS_OP_VIEW) {
        memcpy(view->strides, a->strides, sizeof(view->strides));
        view->start = a->start;
        set_operand(view, 0, a->operands[0]);
    } else {
        row_major(view);
        set_operand(view, 0, a);
    }
    return view;
}

/* Whether `shape` can be laid over the elements of `a` by strides alone; fills strides. The usual
 * rule: each run of a's axes that are contiguous among themselves is cut anew. */
static bool restride(const struct qfs_recipe *a, int ndim, const int64_t *shape, int64_t *strides)
{
    int64_t old_shape[QFS_MAX_DIMS], old_strides[QFS_MAX_DIMS];
    int nold = 0, i = 0, j = 0;
    for (int d = 0; d < a->ndim; d++)
        if (a->shape[d] != 1) {
            old_shape[nold] = a->shape[d];
            old_strides[nold++] = a->strides[d];
        }
    while (i < nold && j < ndim) {
        int64_t have = old_shape[i], want = shape[j];
        int first_old = i++, first_new = j++;
        while (have != want) {
            if (want < have) {
                if (j == ndim)
                    return false;
                want *= shape[j++];
            } else {
                if (i == nold)
                    return false;
                have *= old_shape[i++];
            }
        }
        for (int k = first_old; k < i - 1; k++)
            if (old_strides[k] != old_shape[k + 1] * old_strides[k + 1])
                return false;
        int64_t stride = old_strides[i - 1];
        for (int k = j - 1; k >= first_new; k--) {
            strides[k] = stride;
            stride *= shape[k];
        }
    }
    for (; j < ndim; j++)
        strides[j] = 1;
    return i == nold;
}

const struct qfs_recipe *qfs_lazy_reshape(struct qfs_converter *c, const struct qfs_recipe *a,
                                          int ndim, const int64_t *shape)
{
    int64_t count = 1, strides[QFS_MAX_DIMS];
    if (!a)
        return NULL;
    if (ndim > QFS_MAX_DIMS)
        return misfit(c, "reshaped");
    if (qfs_is_lora(a))
        return qfs_lora_reshape(c, a, ndim, shape);
    for (int i = 0; i < ndim; i++)
        if (shape[i] <= 0 || !qfs_mul(count, shape[i], &count))
            return misfit(c, "reshaped");
    if (count != qfs_recipe_count(a))
        return misfit(c, "reshaped");
    struct qfs_recipe *view = view_of(c, a);
    if (!view)
        return NULL;
    if (restride(view, ndim, shape, strides)) {
        memcpy(view->strides, strides, (size_t)ndim * sizeof(*strides));
    } else { /* a view of the view's own elements in order */
        struct qfs_recipe *outer = node(c, QFS_OP_VIEW, 1);
        if (!outer)
            return NULL;
        outer->dtype = a->dtype;
        outer->ndim = (uint8_t)ndim;
        memcpy(outer->shape, shape, (size_t)ndim * sizeof(*shape));
        row_major(outer);
        set_operand(outer, 0, view);
        return outer;
    }
    view->ndim = (uint8_t)ndim;
    memcpy(view->shape, shape, (size_t)ndim * sizeof(*shape));
    return view;
}

const struct qfs_recipe *qfs_lazy_swapaxes(struct qfs_converter *c, const struct qfs_recipe *a,
                                           int i, int j)
{
    if (qfs_is_lora(a))
        return qfs_lora_swapaxes(c, a, i, j);
    struct qfs_recipe *view = view_of(c, a);
    if (!view)
        return NULL;
    i = i < 0 ? i + view->ndim : i;
    j = j < 0 ? j + view->ndim : j;
    if (i < 0 || j < 0 || i >= view->ndim || j >= view->ndim)
        return misfit(c, "transposed");
    int64_t shape = view->shape[i], stride = view->strides[i];
    view->shape[i] = view->shape[j];
    view->strides[i] = view->strides[j];
    view->shape[j] = shape;
    view->strides[j] = stride;
    return view;
}

const struct qfs_recipe *qfs_lazy_cut(struct qfs_converter *c, const struct qfs_recipe *a, int axis,
                                      int64_t first, int64_t count, int64_t step)
{
    if (qfs_is_lora(a))
        return qfs_lora_cut(c, a, axis, first, count, step);
    struct qfs_recipe *view = view_of(c, a);
    if (!view)
        return NULL;
    axis = axis < 0 ? axis + view->ndim : axis;
    if (axis < 0 || axis >= view->ndim || first < 0 || count < 0 || count > view->shape[axis] ||
        first > view->shape[axis] - (count ? (count - 1) * step + 1 : 0))
        return misfit(c, "cut");
    view->start += first * view->strides[axis];
    view->shape[axis] = count;
    view->strides[axis] *= step;
    return view;
}

const struct qfs_recipe *qfs_lazy_slice(struct qfs_converter *c, const struct qfs_recipe *a,
                                        int axis, int64_t first, int64_t count)
{
    return qfs_lazy_cut(c, a, axis, first, count, 1);
}

const struct qfs_recipe *qfs_lazy_step(struct qfs_converter *c, const struct qfs_recipe *a,
                                       int axis, int64_t first, int64_t step)
{
    if (!a)
        return NULL;
    axis = axis < 0 ? axis + a->ndim : axis;
    if (axis < 0 || axis >= a->ndim || a->shape[axis] <= first)
        return misfit(c, "cut");
    return qfs_lazy_cut(c, a, axis, first, (a->shape[axis] - first + step - 1) / step, step);
}

const struct qfs_recipe *qfs_lazy_cast(struct qfs_converter *c, const struct qfs_recipe *a,
                                       enum qfs_dtype dtype)
{
    if (!a || a->dtype == dtype)
        return a;
    struct qfs_recipe *recipe = node(c, QFS_OP_CAST, 1);
    if (!recipe)
        return NULL;
    recipe->dtype = dtype;
    recipe->ndim = a->ndim;
    memcpy(recipe->shape, a->shape, sizeof(recipe->shape));
    set_operand(recipe, 0, a);
    return recipe;
}

/* What torch joins tensors of different dtypes to; the converter knows F16 and F32 only. */
static enum qfs_dtype joined_dtype(const struct qfs_recipe *const *parts, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (parts[i] && parts[0] && parts[i]->dtype != parts[0]->dtype)
            return QFS_DTYPE_F32;
    return parts[0] ? parts[0]->dtype : QFS_DTYPE_F32;
}

static const struct qfs_recipe *join(struct qfs_converter *c, const struct qfs_recipe *const *parts,
                                     size_t count, bool stack)
{
    struct qfs_recipe *recipe = count ? node(c, QFS_OP_CONCAT, count) : NULL;
    if (!recipe)
        return count ? NULL : misfit(c, "joined");
    enum qfs_dtype dtype = joined_dtype(parts, count);
    for (size_t i = 0; i < count; i++) {
        const struct qfs_recipe *part = qfs_lazy_cast(c, parts[i], dtype);
        if (!part)
            return NULL;
        if (part->ndim != parts[0]->ndim ||
            memcmp(part->shape + !stack, parts[0]->shape + !stack,
                   (size_t)(part->ndim - !stack) * sizeof(*part->shape)) != 0)
            return misfit(c, "joined");
        set_operand(recipe, i, part);
        recipe->shape[0] += stack ? 1 : part->shape[0];
    }
    if (parts[0]->ndim + stack > QFS_MAX_DIMS || (!stack && parts[0]->ndim == 0))
        return misfit(c, "joined");
    recipe->dtype = dtype;
    recipe->ndim = (uint8_t)(parts[0]->ndim + stack);
    for (int i = 1; i < recipe->ndim; i++)
        recipe->shape[i] = parts[0]->shape[i - stack];
    return recipe;
}

const struct qfs_recipe *qfs_lazy_concat(struct qfs_converter *c,
                                         const struct qfs_recipe *const *parts, size_t count)
{
    return count && qfs_is_lora(parts[0]) ? qfs_lora_join(c, parts, count, false)
                                          : join(c, parts, count, false);
}

const struct qfs_recipe *qfs_lazy_stack(struct qfs_converter *c,
                                        const struct qfs_recipe *const *parts, size_t count)
{
    return count && qfs_is_lora(parts[0]) ? qfs_lora_join(c, parts, count, true)
                                          : join(c, parts, count, true);
}

const struct qfs_recipe *qfs_lazy_unary(struct qfs_converter *c, enum qfs_op op,
                                        const struct qfs_recipe *a, double number)
{
    if (qfs_is_lora(a))
        return qfs_lora_unary(c, op, a, number);
    struct qfs_recipe *recipe = a ? node(c, op, 1) : NULL;
    if (!recipe)
        return NULL;
    /* The converter computes F16 in F16 and everything else in F32. */
    recipe->dtype = a->dtype == QFS_DTYPE_F16 ? QFS_DTYPE_F16 : QFS_DTYPE_F32;
    recipe->ndim = a->ndim;
    memcpy(recipe->shape, a->shape, sizeof(recipe->shape));
    recipe->number = number;
    set_operand(recipe, 0, a);
    return recipe;
}

const struct qfs_recipe *qfs_lazy_squeeze(struct qfs_converter *c, const struct qfs_recipe *a)
{
    int64_t shape[QFS_MAX_DIMS];
    int ndim = 0;
    for (int i = 0; a && i < a->ndim; i++)
        if (a->shape[i] != 1)
            shape[ndim++] = a->shape[i];
    return a && ndim == a->ndim ? a : qfs_lazy_reshape(c, a, ndim, shape);
}

const struct qfs_recipe *qfs_lazy_squeeze_axis(struct qfs_converter *c, const struct qfs_recipe *a,
                                               int axis)
{
    int64_t shape[QFS_MAX_DIMS];
    if (!a || axis >= a->ndim)
        return a ? misfit(c, "squeezed") : NULL;
    if (a->shape[axis] != 1)
        return a;
    memcpy(shape, a->shape, sizeof(shape));
    memmove(shape + axis, shape + axis + 1, (size_t)(a->ndim - axis - 1) * sizeof(*shape));
    return qfs_lazy_reshape(c, a, a->ndim - 1, shape);
}

const struct qfs_recipe *qfs_lazy_columns(struct qfs_converter *c, const struct qfs_recipe *a,
                                          int count)
{
    int64_t shape[QFS_MAX_DIMS];
    for (int i = 0; a && i < QFS_MAX_DIMS; i++)
        shape[i] = i < a->ndim ? a->shape[i] : 1;
    return a ? qfs_lazy_reshape(c, a, a->ndim + count, shape) : NULL;
}

const struct qfs_recipe *qfs_lazy_permute_heads(struct qfs_converter *c, const struct qfs_recipe *a,
                                                int64_t nheads)
{
    if (!a)
        return NULL;
    if (a->ndim == 0 || a->ndim > QFS_MAX_DIMS - 2 || nheads <= 0 || a->shape[0] % nheads ||
        a->shape[0] / nheads % 2)
        return misfit(c, "split into heads");
    int64_t shape[QFS_MAX_DIMS] = {nheads, 2, a->shape[0] / nheads / 2};
    for (int i = 1; i < a->ndim; i++)
        shape[i + 2] = a->shape[i];
    const struct qfs_recipe *heads = qfs_lazy_reshape(c, a, a->ndim + 2, shape);
    return qfs_lazy_reshape(c, qfs_lazy_swapaxes(c, heads, 1, 2), a->ndim, a->shape);
}

/* -- what released checkpoints pack --------------------------------------------------------------- */

const struct qfs_recipe *qfs_lazy_shared(struct qfs_converter *c, enum qfs_op op,
                                         const struct qfs_recipe *a, const struct qfs_recipe *b,
                                         const int64_t *sizes)
{
    struct qfs_recipe *recipe = a && b ? node(c, op, 2) : NULL;
    if (!recipe)
        return NULL;
    if (a->ndim != b->ndim)
        return misfit(c, "scaled");
    for (int i = 0; i < a->ndim; i++) {
        int64_t size = b->shape[i] == 1 && sizes[i] <= 1 ? 0 : sizes[i];
        if (size < 0 || (size && (a->shape[i] - 1) / size >= b->shape[i]))
            return misfit(c, "scaled");
        recipe->strides[i] = size;
    }
    recipe->dtype = QFS_DTYPE_F32;
    recipe->ndim = a->ndim;
    memcpy(recipe->shape, a->shape, sizeof(recipe->shape));
    set_operand(recipe, 0, a);
    set_operand(recipe, 1, b);
    return recipe;
}

const struct qfs_recipe *qfs_lazy_unpack(struct qfs_converter *c, const struct qfs_recipe *a,
                                         int axis, int bits, int64_t count)
{
    struct qfs_recipe *recipe = a ? node(c, QFS_OP_UNPACK, 1) : NULL;
    if (!recipe)
        return NULL;
    if (a->ndim >= QFS_MAX_DIMS || axis > a->ndim || bits < 1 || bits > 24 ||
        count * bits > (int64_t)qfs_dtypes[a->dtype].size * 8)
        return misfit(c, "unpacked");
    recipe->dtype = QFS_DTYPE_F32;
    recipe->ndim = (uint8_t)(a->ndim + 1);
    recipe->axis = (uint8_t)axis;
    recipe->bits = (uint8_t)bits;
    for (int i = 0; i < recipe->ndim; i++)
        recipe->shape[i] = i == axis ? count : a->shape[i - (i > axis)];
    set_operand(recipe, 0, a);
    return recipe;
}

const struct qfs_recipe *qfs_lazy_gptq(struct qfs_converter *c, const struct qfs_recipe *qweight,
                                       const struct qfs_recipe *qzeros,
                                       const struct qfs_recipe *scales,
                                       const struct qfs_recipe *g_idx, int bits, bool first_version)
{
    const struct qfs_recipe *operands[] = {qweight, qzeros, scales, g_idx};
    int64_t fields = (int64_t)qfs_dtypes[qweight->dtype].size * 8 / bits, nin, nout;
    if (qweight->ndim != 2 || qzeros->ndim != 2 || scales->ndim != 2 || g_idx->ndim != 1 ||
        qweight->dtype != qzeros->dtype || fields < 1 || fields > 64 ||
        !qfs_mul(qweight->shape[0], fields, &nin))
        return NULL;
    nout = qweight->shape[1];
    if (g_idx->shape[0] != nin || scales->shape[1] != nout ||
        qzeros->shape[0] != scales->shape[0] || nout % fields || qzeros->shape[1] != nout / fields)
        return NULL;
    struct qfs_recipe *recipe = node(c, QFS_OP_GPTQ, QFS_COUNT(operands));
    if (!recipe)
        return NULL;
    recipe->dtype = QFS_DTYPE_F32;
    recipe->ndim = 2;
    recipe->shape[0] = nout;
    recipe->shape[1] = nin;
    recipe->bits = (uint8_t)bits;
    recipe->number = first_version ? 1 : 0;
    for (size_t i = 0; i < QFS_COUNT(operands); i++)
        set_operand(recipe, i, operands[i]);
    return recipe;
}

const struct qfs_recipe *qfs_lazy_fp4(struct qfs_converter *c, enum qfs_op op,
                                      const struct qfs_recipe *packed,
                                      const struct qfs_recipe *scales)
{
    const int64_t size = op == QFS_OP_MXFP4 ? 32 : 16, together = op == QFS_OP_MXFP4 ? 1 : 4;
    struct qfs_recipe *recipe = packed && scales ? node(c, op, 2) : NULL;
    int64_t nbytes;
    if (!recipe)
        return NULL;
    int last = scales->ndim - 1;
    if (last < 0 || scales->shape[last] % together ||
        !qfs_mul(qfs_recipe_count(scales), size / 2, &nbytes) ||
        qfs_recipe_count(packed) != nbytes || qfs_dtypes[packed->dtype].size != 1 ||
        qfs_dtypes[scales->dtype].size != 1)
        return misfit(c, "packed into blocks");
    recipe->dtype = QFS_DTYPE_F32;
    recipe->ndim = scales->ndim;
    memcpy(recipe->shape, scales->shape, sizeof(recipe->shape));
    recipe->shape[last] *= size;
    set_operand(recipe, 0, packed);
    set_operand(recipe, 1, scales);
    return recipe;
}
