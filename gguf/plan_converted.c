#include <string.h>

#include "plan_parts.h"

/* The converter's own file: its tensors and keys in its order. Only general.file_type follows the
 * outtype, and not even that where the converter sets another (MXFP4, NVFP4). */

static void copy_kvs(struct qfs_plan *plan, const struct qfs_kvs *from)
{
    plan->kvs.items = qfs_arena_array(&plan->arena, from->count + 1, sizeof(*from->items));
    plan->kvs.failed = !plan->kvs.items;
    if (plan->kvs.failed)
        return;
    plan->kvs.capacity = from->count + 1;
    plan->kvs.count = from->count;
    if (from->count)
        memcpy(plan->kvs.items, from->items, from->count * sizeof(*from->items));
}

static void set_file_type(struct qfs_kvs *kvs, enum qfs_outtype from, int to)
{
    int64_t number;
    if (qfs_kv_get_int(kvs, "general.file_type", &number) && number == qfs_outtype_file_type(from))
        qfs_kv_u32(kvs, "general.file_type", (uint32_t)to);
}

/* --outtype q8_0: straight from the source's floats, F16 where rows are no whole blocks. */
static void make_q8_0(struct qfs_plan_tensor *tensor, const struct qfs_out_tensor *out)
{
    if (out->forced_type >= 0 || out->keep_f32 || out->half_or_f32)
        return;
    if (tensor->ne[0] % qfs_type_info(QFS_TYPE_Q8_0)->block_count)
        tensor->half = tensor->type = QFS_TYPE_F16;
    else
        tensor->type = QFS_TYPE_Q8_0;
}

int qfs_plan_converted(struct qfs_plan *plan, const struct qfs_view_options *options,
                       struct qfs_error *error)
{
    const struct qfs_conversion *conversion = plan->conversion;
    enum qfs_type type = options->ftype->default_type;
    enum qfs_outtype outtype = type == QFS_TYPE_F16    ? QFS_OUTTYPE_F16
                               : type == QFS_TYPE_BF16 ? QFS_OUTTYPE_BF16
                                                       : QFS_OUTTYPE_F32;
    copy_kvs(plan, &conversion->kvs);
    set_file_type(&plan->kvs, conversion->auto_outtype, options->ftype->number);
    plan->tensors = qfs_arena_array(&plan->arena, conversion->ntensors, sizeof(*plan->tensors));
    if (plan->kvs.failed || !plan->tensors)
        return qfs_fail_memory(error);
    for (; plan->ntensors < conversion->ntensors; plan->ntensors++) {
        const struct qfs_out_tensor *out = &conversion->tensors[plan->ntensors];
        struct qfs_plan_tensor *tensor = &plan->tensors[plan->ntensors];
        int rc = qfs_plan_tensor_init(tensor, out, outtype, error);
        if (rc < 0)
            return rc;
        tensor->type = tensor->half;
        if (type == QFS_TYPE_Q8_0)
            make_q8_0(tensor, out);
    }
    return 0;
}
