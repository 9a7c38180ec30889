/* dots.llm1 */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"Dots1ForCausalLM", NULL};

extern const struct qfs_family qfs_family_qwen2moe;

static int begin(struct qfs_converter *c)
{
    int64_t nexperts;
    int rc = qfs_hparam_count(c, &nexperts, "n_routed_experts");
    return rc < 0 ? rc : qfs_hparam_set_int(c, "num_experts", nexperts);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    return strstr(name, "shared_experts") ? qfs_text_tensor(c, data, name, bid)
                                          : qfs_family_qwen2moe.tensor(c, data, name, bid);
}

static const struct qfs_param params[] = {
    {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}},
    {"expert_shared_feed_forward_length", QFS_PARAM_U32, {"shared_expert_intermediate_size"}},
    {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
    {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}, true},
    {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
    {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
    {NULL},
};

const struct qfs_family qfs_family_dots1 = {
    .arch = "dots1",
    .hf_classes = classes,
    .parent = &qfs_family_qwen2moe,
    .params = params,
    .begin = begin,
    .tensor = tensor,
};
