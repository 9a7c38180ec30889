/* Llama 4 (text): experts come stacked, with gate and up in one and transposed. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"Llama4ForConditionalGeneration", "Llama4ForCausalLM", NULL};

/* Config's intermediate_size is that of the experts. */
static int begin(struct qfs_converter *c)
{
    const struct qfs_json *moe = qfs_hparam(c, "intermediate_size");
    const struct qfs_json *dense = qfs_hparam(c, "intermediate_size_mlp");
    if (!moe || !dense)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path,
                        moe ? "intermediate_size_mlp" : "intermediate_size");
    const struct qfs_json sizes[] = {*moe, *dense};
    int rc = qfs_hparam_set(c, "intermediate_size_moe", &sizes[0]);
    return rc < 0 ? rc : qfs_hparam_set(c, "intermediate_size", &sizes[1]);
}

static int split_gate_up(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    const char *gate = qfs_name_replace(c, name, "gate_up_proj", "gate_proj.weight");
    const char *up = qfs_name_replace(c, name, "gate_up_proj", "up_proj.weight");
    if (!gate || !up)
        return -ENOMEM;
    if (data->ndim < 2 || data->shape[data->ndim - 1] % 2)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s: its columns are no pairs of gate and up",
                        c->model->path, name);
    int64_t half = data->shape[data->ndim - 1] / 2;
    data = qfs_lazy_swapaxes(c, data, -1, -2);
    int rc = qfs_text_tensor(c, qfs_lazy_slice(c, data, -2, 0, half), gate, bid);
    return rc < 0 ? rc : qfs_text_tensor(c, qfs_lazy_slice(c, data, -2, half, half), up, bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strstr(name, "gate_up_proj"))
        return split_gate_up(c, data, name, bid);
    if (qfs_ends_with(name, "down_proj")) {
        data = qfs_lazy_swapaxes(c, data, -1, -2);
        if (!(name = qfs_arena_printf(c->arena, "%s.weight", name)))
            return qfs_fail_memory(c->error);
    }
    return qfs_text_tensor(c, data, name, bid);
}

/* Whether all layers attend to everything, so that there is no window. */
static bool all_full(const struct qfs_json *types)
{
    for (size_t i = 0; qfs_json_at(types, i); i++)
        if (!qfs_text_is(qfs_json_text(qfs_json_at(types, i)), "full_attention"))
            return false;
    return true;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"interleave_moe_layer_step", QFS_PARAM_U32, {"interleave_moe_layer_step"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"intermediate_size_moe"}, true},
        {NULL},
    };
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    int rc = qfs_family_llama.keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, table)) < 0)
        return rc;
    if (types && !qfs_json_is(types, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_types is not a list",
                        c->model->path);
    if (types && all_full(types))
        qfs_put_u32(c, "attention.sliding_window", 0);
    return 0;
}

const struct qfs_family qfs_family_llama4 = {
    .arch = "llama4",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .begin = begin,
    .nvfp4 = qfs_nvfp4_keep,
    .tensor = tensor,
    .keys = keys,
    .vocab = qfs_text_vocab,
};
