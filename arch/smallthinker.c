/* SmallThinker */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"SmallThinkerForCausalLM", NULL};

static const struct qfs_expert_layout experts = {
    "model.layers.{bid}.block_sparse_moe.experts.{xid}.{w}.weight",
    "model.layers.{bid}.block_sparse_moe.experts.{w}.weight",
    {"down", "gate", "up"},
};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (!strstr(name, "experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_json_truthy(qfs_hparam(c, "moe_num_primary_experts"))
               ? qfs_expert_of(c, data, name, bid, &experts, "moe_num_primary_experts")
               : qfs_expert_of(c, data, name, bid, &experts, "num_local_experts", "num_experts");
}

/* The window, where some layer has one. */
static int put_window(struct qfs_converter *c)
{
    const struct qfs_json *layout = qfs_hparam(c, "sliding_window_layout");
    const struct qfs_json *window = qfs_hparam(c, "sliding_window_size");
    for (size_t i = 0; qfs_json_at(layout, i); i++)
        if (qfs_json_truthy(qfs_json_at(layout, i)))
            return qfs_json_truthy(window)
                       ? qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)
                       : 0;
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"expert_count", QFS_PARAM_U32, {"moe_num_primary_experts"}},
        {"expert_used_count", QFS_PARAM_U32_OR_LIST, {"moe_num_active_primary_experts"}},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_ffn_hidden_size"}},
        {"feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_ffn_hidden_size"}},
        {NULL},
    };
    enum { SOFTMAX = 1, SIGMOID = 2 };
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, table)) < 0)
        return rc;
    qfs_put_u32(c, "expert_gating_func",
                qfs_json_truthy(qfs_hparam(c, "moe_primary_router_apply_softmax")) ? SOFTMAX
                                                                                   : SIGMOID);
    return put_window(c);
}

const struct qfs_family qfs_family_smallthinker = {
    .arch = "smallthinker",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
