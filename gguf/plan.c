#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan_parts.h"

enum qfs_type qfs_outtype_type(enum qfs_outtype outtype)
{
    static const enum qfs_type types[] = {[QFS_OUTTYPE_F32] = QFS_TYPE_F32,
                                          [QFS_OUTTYPE_F16] = QFS_TYPE_F16,
                                          [QFS_OUTTYPE_BF16] = QFS_TYPE_BF16};
    return types[outtype];
}

int qfs_outtype_file_type(enum qfs_outtype outtype)
{
    static const int numbers[] = {
        [QFS_OUTTYPE_F32] = 0, [QFS_OUTTYPE_F16] = 1, [QFS_OUTTYPE_BF16] = 32};
    return numbers[outtype];
}

enum qfs_outtype qfs_plan_outtype(const struct qfs_conversion *conversion,
                                  const struct qfs_view_options *options)
{
    return options->outtype < 0 ? conversion->auto_outtype : (enum qfs_outtype)options->outtype;
}

int qfs_plan_tensor_init(struct qfs_plan_tensor *tensor, const struct qfs_out_tensor *out,
                         enum qfs_outtype outtype, struct qfs_error *error)
{
    const struct qfs_recipe *recipe = out->recipe;
    if (recipe->ndim > QFS_COUNT(tensor->ne))
        return qfs_fail(error, ENOTSUP, "%s has %u dimensions, more than the 4 of a GGUF file",
                        out->name, recipe->ndim);
    *tensor = (struct qfs_plan_tensor){.name = out->name, .ndim = recipe->ndim, .recipe = recipe};
    for (size_t i = 0; i < QFS_COUNT(tensor->ne); i++)
        tensor->ne[i] = i < recipe->ndim ? recipe->shape[recipe->ndim - 1 - i] : 1;
    bool keep_f32 = out->keep_f32 || (out->half_or_f32 && outtype != QFS_OUTTYPE_F16);
    tensor->half = out->forced_type >= 0 ? (enum qfs_type)out->forced_type
                   : keep_f32            ? QFS_TYPE_F32
                                         : qfs_outtype_type(outtype);
    return 0;
}

/* -- layout -------------------------------------------------------------------------------------
 */

/* Bytes of a tensor, rows that are no whole blocks refused. */
static int measure(struct qfs_plan_tensor *tensor, struct qfs_error *error)
{
    const struct qfs_type_info *info = qfs_type_info(tensor->type);
    if (info->block_count == 0 || tensor->ne[0] % info->block_count)
        return qfs_fail(error, ENOTSUP, "rows of %s have %lld weights, no multiple of %s's %u",
                        tensor->name, (long long)tensor->ne[0], info->name, info->block_count);
    uint64_t size = (uint64_t)tensor->ne[0] / info->block_count;
    bool fits = qfs_mul(size, (uint64_t)info->block_bytes, &size);
    for (int i = 1; i < 4 && fits; i++)
        fits = qfs_mul(size, (uint64_t)tensor->ne[i], &size);
    if (!fits || size > INT64_MAX / 2)
        return qfs_fail(error, EOVERFLOW, "%s is too large for a file", tensor->name);
    tensor->nbytes = size;
    return 0;
}

/* Offsets within the data: tensors one after the other, each padded. */
static int place(struct qfs_plan *plan, struct qfs_error *error)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < plan->ntensors; i++) {
        struct qfs_plan_tensor *tensor = &plan->tensors[i];
        tensor->offset = offset;
        if (!qfs_add(offset, qfs_align(tensor->nbytes, QFS_GGUF_ALIGNMENT), &offset) ||
            offset > INT64_MAX / 2)
            return qfs_fail(error, EOVERFLOW, "%s ends beyond the largest file", tensor->name);
    }
    plan->size = offset; /* the header comes on top */
    return 0;
}

/* The only place that appends a region: each begins where the last one ended. */
static void append_region(struct qfs_plan *plan, enum qfs_region_kind kind, uint64_t size,
                          size_t tensor)
{
    struct qfs_region *last = plan->nregions ? &plan->regions[plan->nregions - 1] : NULL;
    if (size == 0)
        return;
    plan->regions[plan->nregions++] = (struct qfs_region){
        .kind = kind,
        .offset = last ? last->offset + last->size : 0,
        .size = size,
        .tensor = (uint32_t)tensor,
    };
}

static int lay_out(struct qfs_plan *plan, struct qfs_error *error)
{
    int rc = place(plan, error);
    if (rc == 0)
        rc = qfs_header_build(plan, error);
    if (rc < 0)
        return rc;
    plan->regions = qfs_arena_array(&plan->arena, 2 * plan->ntensors + 1, sizeof(*plan->regions));
    if (!plan->regions)
        return qfs_fail_memory(error);
    plan->size += plan->data_offset;
    append_region(plan, QFS_REGION_BYTES, plan->data_offset, 0);
    for (size_t i = 0; i < plan->ntensors; i++) {
        struct qfs_plan_tensor *tensor = &plan->tensors[i];
        tensor->offset += plan->data_offset;
        append_region(plan, QFS_REGION_TENSOR, tensor->nbytes, i);
        append_region(plan, QFS_REGION_ZERO,
                      qfs_align(tensor->nbytes, QFS_GGUF_ALIGNMENT) - tensor->nbytes, i);
    }
    return 0;
}

size_t qfs_plan_region_at(const struct qfs_plan *plan, uint64_t offset)
{
    size_t low = 0, high = plan->nregions;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (plan->regions[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* -- building -----------------------------------------------------------------------------------
 */

/* Whether anything was asked for that only llama-quantize does; then it writes float views too. */
static bool asks_llama_quantize(const struct qfs_view_options *options)
{
    return options->imatrix || options->pure || options->leave_output_tensor ||
           options->allow_requantize || options->output_tensor_type != QFS_TYPE_NONE ||
           options->token_embedding_type != QFS_TYPE_NONE || options->ntensor_types ||
           options->noverrides || options->nprune_layers;
}

/* Is this type's file the converter's own? Projectors are made in Q8_0 by --outtype. */
static bool is_converters(const struct qfs_conversion *conversion, const struct qfs_ftype *ftype)
{
    return !conversion->from_gguf &&
           (ftype->converter ||
            (conversion->product != QFS_PRODUCT_TEXT && ftype->default_type == QFS_TYPE_Q8_0));
}

int qfs_plan_build(const struct qfs_conversion *conversion, const struct qfs_view_options *options,
                   struct qfs_plan **ret_plan, struct qfs_error *error)
{
    struct qfs_error reason = {0};
    struct qfs_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return qfs_fail_memory(error);
    plan->conversion = conversion;
    plan->ftype = options->ftype;
    plan->kvs.arena = &plan->arena;
    bool converter = is_converters(conversion, options->ftype) && !asks_llama_quantize(options);
    int rc = converter ? qfs_plan_converted(plan, options, &reason)
                       : qfs_plan_quantized(plan, options, &reason);
    for (size_t i = 0; i < plan->ntensors && rc == 0; i++)
        rc = measure(&plan->tensors[i], &reason);
    if (rc == 0)
        rc = qfs_plan_split(plan, options, converter, &reason);
    if (rc == 0)
        rc = lay_out(plan, &reason);
    if (rc < 0) {
        qfs_plan_free(plan);
        return qfs_fail(error, -rc, "%s: %.500s", options->ftype->name, reason.text);
    }
    *ret_plan = plan;
    return 0;
}

void qfs_plan_free(struct qfs_plan *plan)
{
    if (!plan)
        return;
    qfs_arena_done(&plan->arena);
    free(plan);
}
