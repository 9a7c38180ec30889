/* Arcee's Trinity. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"AfmoeForCausalLM", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    name = qfs_name_swap_suffix(c, name, ".expert_bias", ".expert_bias.bias");
    return name ? qfs_family_llama.filter(c, name, ret_name) : -ENOMEM;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts_down_last, "num_local_experts",
                         "num_experts");
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}},
        {"leading_dense_block_count", QFS_PARAM_U32, {"num_dense_layers"}},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"route_norm"}},
        {"expert_weights_scale", QFS_PARAM_F32, {"route_scale"}},
        {"attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}},
        {NULL},
    };
    int rc = qfs_family_llama.keys(c);
    return rc < 0 ? rc : qfs_put_params(c, table);
}

const struct qfs_family qfs_family_afmoe = {
    .arch = "afmoe",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
};
