/* GroveMoE: a second, smaller set of experts, one for each pair of the first. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GroveMoeForCausalLM",
                                      "modeling_grove_moe.GroveMoeForCausalLM", NULL};

enum { EXPERTS_PER_GROUP = 2 };

static const struct qfs_expert_layout chunk_experts = {
    "model.layers.{bid}.mlp.chunk_experts.{xid}.{w}.weight",
    "model.layers.{bid}.mlp.chunk_experts.{w}.weight",
    {"down_proj", "gate_proj", "up_proj"},
    .second = true,
};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool chunk = strstr(name, "chunk_experts") != NULL;
    int64_t nexperts;
    int rc;
    if (qfs_ends_with(name, ".expert_bias"))
        return 0;
    if (!strstr(name, "experts"))
        return qfs_text_tensor(c, data, name, bid);
    if ((rc = qfs_hparam_count(c, &nexperts, "num_local_experts", "num_experts")) < 0)
        return rc;
    return chunk
               ? qfs_expert_tensor(c, data, name, bid, nexperts / EXPERTS_PER_GROUP, &chunk_experts)
               : qfs_expert_tensor(c, data, name, bid, nexperts, &qfs_mlp_experts);
}

static int keys(struct qfs_converter *c)
{
    int64_t dim = 0;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "expert_feed_forward_length", QFS_PARAM_U32_OR_LIST,
                                    {"moe_intermediate_size"})) < 0)
        return rc;
    if (!qfs_json_is_null(qfs_hparam(c, "head_dim")) &&
        (rc = qfs_hparam_count(c, &dim, "head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "expert_chunk_feed_forward_length", dim ? dim : 128);
    qfs_put_u32(c, "experts_per_group", EXPERTS_PER_GROUP);
    qfs_put_f32(c, "expert_group_scale", 0.05);
    return 0;
}

const struct qfs_family qfs_family_grovemoe = {
    .arch = "grovemoe",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
