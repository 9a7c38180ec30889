/* Maple: experts, and layers with a sliding window. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"MapleForCausalLM", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    return strstr(name, "mlp.experts") ? qfs_mlp_experts_tensor(c, data, name, bid)
                                       : qfs_text_tensor(c, data, name, bid);
}

/* What the converter asserts of config. */
static bool is_usual(const struct qfs_converter *c)
{
    const struct qfs_json *shared = qfs_hparam(c, "num_shared_experts");
    const struct qfs_json *norm = qfs_hparam(c, "norm_topk_prob");
    double nshared = 0;
    return qfs_text_is(qfs_json_text(qfs_hparam(c, "hidden_act")), "silu") &&
           (!shared || (qfs_json_real(shared, &nshared) && nshared == 0)) &&
           (!norm || qfs_json_truthy(norm)) &&
           qfs_json_truthy(qfs_hparam(c, "nope_on_global_attention"));
}

static int keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    if (!is_usual(c))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: llama.cpp has only Maple models with silu, no shared "
                        "experts, norm_topk_prob and nope_on_global_attention",
                        c->model->path);
    if ((rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_rotated_dim(c, 1.0, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if ((rc = qfs_put_one(c, "attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true)) <
            0 ||
        (rc = qfs_put_sliding_layers(c)) < 0 ||
        (rc = qfs_put_one(c, "expert_feed_forward_length", QFS_PARAM_U32_OR_LIST,
                          {"moe_intermediate_size"}, true)) < 0)
        return rc;
    float *clamps = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*clamps));
    if (!clamps)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++)
        clamps[i] = 7;
    qfs_put_f32s(c, "swiglu_clamp_exp", clamps, (size_t)c->block_count);
    return 0;
}

const struct qfs_family qfs_family_maple = {
    .arch = "maple",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
