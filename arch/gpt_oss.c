/* gpt-oss. Its experts stand side by side, gate and up rows in turns; as released in MXFP4, which goes into
 * the file as it is. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GptOssForCausalLM", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strstr(name, "sinks") && !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_filter(c, name, ret_name);
}

static bool is_mxfp4(const struct qfs_converter *c)
{
    return c->file_type == QFS_FILE_TYPE_MXFP4;
}

static int dequant(struct qfs_converter *c)
{
    return is_mxfp4(c) ? 0 : qfs_dequant_model(c);
}

static int put_experts(struct qfs_converter *c, const struct qfs_recipe *blocks,
                       const struct qfs_recipe *scales, const char *name)
{
    if (!blocks || !scales || !name)
        return -c->error->code;
    if (blocks->ndim != 4 || scales->ndim != 3 || blocks->shape[3] != 16 ||
        memcmp(blocks->shape, scales->shape, 3 * sizeof(*blocks->shape)) != 0 ||
        blocks->dtype != QFS_DTYPE_U8 || scales->dtype != QFS_DTYPE_U8)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its blocks and scales do not fit together", c->model->path,
                        name);
    const char *new_name = qfs_map_name(c, name);
    return qfs_emit_blocks(c, qfs_lazy_fp4(c, QFS_OP_MXFP4, blocks, scales), name, new_name);
}

/* The experts in MXFP4, before all other tensors. Scales come behind their blocks. */
static int extra(struct qfs_converter *c)
{
    const struct qfs_recipe *blocks[2] = {NULL, NULL};
    int rc = 0;
    for (size_t i = 0; i < c->ntensors && rc == 0; i++) {
        const char *name = c->tensors[i].name;
        const struct qfs_recipe *data = c->tensors[i].recipe;
        bool scales = strstr(name, "mlp.experts.down_proj_scales") ||
                      strstr(name, "mlp.experts.gate_up_proj_scales");
        if (scales && !blocks[0])
            return qfs_fail(c->error, EINVAL, "%s: tensor %s: its blocks do not stand before it",
                            c->model->path, name);
        if (strstr(name, "mlp.experts.down_proj_blocks")) {
            blocks[0] = data;
        } else if (strstr(name, "mlp.experts.down_proj_scales")) {
            rc = put_experts(c, blocks[0], data, qfs_name_replace(c, name, "_scales", ".weight"));
        } else if (strstr(name, "mlp.experts.gate_up_proj_blocks")) {
            blocks[0] = qfs_lazy_step(c, data, 1, 0, 2);
            blocks[1] = qfs_lazy_step(c, data, 1, 1, 2);
            rc = blocks[0] && blocks[1] ? 0 : -c->error->code;
        } else if (scales) {
            rc = put_experts(c, blocks[0], qfs_lazy_step(c, data, 1, 0, 2),
                             qfs_name_replace(c, name, "gate_up_proj_scales", "gate_proj.weight"));
            if (rc == 0)
                rc =
                    put_experts(c, blocks[1], qfs_lazy_step(c, data, 1, 1, 2),
                                qfs_name_replace(c, name, "gate_up_proj_scales", "up_proj.weight"));
        }
    }
    return rc;
}

/* Gate and up: every other element along `axis`. */
static int split(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid,
                 int axis, const char *from, const char *gate, const char *up)
{
    const char *names[2] = {qfs_name_replace(c, name, from, gate),
                            qfs_name_replace(c, name, from, up)};
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = names[i] ? qfs_text_tensor(c, qfs_lazy_step(c, data, axis, i, 2), names[i], bid)
                      : -c->error->code;
    return rc;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool packed = strstr(name, "_blocks") || strstr(name, "_scales");
    bool bias = qfs_ends_with(name, "_bias");
    if (strstr(name, "down_proj")) {
        if (!bias && packed)
            return 0;
        name = bias ? qfs_name_replace(c, name, "down_proj_bias", "down_proj.bias")
                    : qfs_name_replace(c, name, "down_proj", "down_proj.weight");
        if (!bias)
            data = qfs_lazy_swapaxes(c, data, -1, -2);
        if (!name || !data)
            return -c->error->code;
    }
    if (!strstr(name, "gate_up_proj"))
        return qfs_text_tensor(c, data, name, bid);
    if (bias)
        return split(c, data, name, bid, -1, "gate_up_proj_bias", "gate_proj.bias", "up_proj.bias");
    if (packed)
        return 0;
    return split(c, qfs_lazy_swapaxes(c, data, -1, -2), name, bid, 1, "gate_up_proj",
                 "gate_proj.weight", "up_proj.weight");
}

static const struct qfs_param params[] = {
    {"attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true},
    {"expert_feed_forward_length", QFS_PARAM_U32, {"intermediate_size"}, true},
    {NULL},
};

const struct qfs_family qfs_family_gpt_oss = {
    .arch = "gpt-oss",
    .hf_classes = classes,
    .params = params,
    .filter = filter,
    .dequant = dequant,
    .extra = extra,
    .tensor = tensor,
};
