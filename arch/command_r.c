/* Cohere's Command-R, Command-A and R7B, and North with its experts. */
#include "converter.h"

#include <string.h>

static const char *const command_r_classes[] = {"CohereForCausalLM", NULL};
static const char *const cohere2_classes[] = {"Cohere2ForCausalLM", NULL};
static const char *const cohere2moe_classes[] = {"Cohere2MoeForCausalLM", NULL};

/* max_position_embeddings is 8192 in models that were trained on more. */
static int command_r_begin(struct qfs_converter *c)
{
    const struct qfs_json *length =
        qfs_hparam_any(c, "model_max_length", "max_position_embeddings");
    if (!length)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no max_position_embeddings",
                        c->model->path);
    return qfs_hparam_set(c, "max_position_embeddings", length);
}

static const struct qfs_param command_r_params[] = {
    {"logit_scale", QFS_PARAM_F32, {"logit_scale"}, true},
    {NULL},
};

static int command_r_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, command_r_params)) < 0)
        return rc;
    qfs_put_no_rope_scaling(c);
    return 0;
}

/* -- Command 2 ---------------------------------------------------------------------------------------- */

/* The converter means to drop biases of zeros, and with its lazy tensors refuses every bias. */
static int refuse_bias(struct qfs_converter *c, const char *name)
{
    return qfs_ends_with(name, ".bias")
               ? qfs_fail(c->error, EINVAL,
                          "%s: tensor %s: biases have no place in this architecture",
                          c->model->path, name)
               : 0;
}

static int cohere2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    int rc = refuse_bias(c, name);
    return rc < 0 ? rc : qfs_text_tensor(c, data, name, bid);
}

static const struct qfs_param cohere2_params[] = {
    {"logit_scale", QFS_PARAM_F32, {"logit_scale"}, true},
    {"attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true},
    {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
    {NULL},
};

static int cohere2_keys(struct qfs_converter *c)
{
    int64_t hidden, nheads;
    double percent;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, cohere2_params)) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0)
        return rc;
    if (!qfs_json_real(qfs_hparam(c, "rotary_pct"), &percent) || percent < 0 || percent > 1e3 ||
        nheads == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no rotary_pct", c->model->path);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)(percent * (double)(hidden / nheads)));
    qfs_put_no_rope_scaling(c);
    return 0;
}

/* -- with experts ------------------------------------------------------------------------------------- */

static int cohere2moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                             const char *name, int bid)
{
    int rc = refuse_bias(c, name);
    if (rc < 0)
        return rc;
    if (!qfs_starts_with(name, "model.layers.") || !strstr(name, ".mlp.experts.") ||
        !qfs_ends_with(name, "_proj.weight"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_experts");
}

/* Dense layers that come before the first with experts. */
static int leading_dense(struct qfs_converter *c, int64_t *ret_count)
{
    const struct qfs_json *types = qfs_hparam(c, "mlp_layer_types");
    int64_t count = 0;
    if (qfs_json_is_null(types))
        return qfs_hparam_count_or(c, "first_k_dense_replace", 0, ret_count);
    while (qfs_text_is(qfs_json_text(qfs_json_at(types, (size_t)count)), "dense"))
        count++;
    *ret_count = count;
    return 0;
}

static int put_shared_experts(struct qfs_converter *c, int64_t length)
{
    const struct qfs_json *strategy = qfs_hparam(c, "shared_expert_combination_strategy");
    int64_t nshared;
    int rc = qfs_hparam_count_or(c, "num_shared_experts", 0, &nshared);
    if (rc < 0 || nshared == 0)
        return rc;
    if (strategy && !qfs_text_is(qfs_json_text(strategy), "average"))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: shared_expert_combination_strategy is not average",
                        c->model->path);
    qfs_put_u32(c, "expert_shared_count", nshared);
    qfs_put_u32(c, "expert_shared_feed_forward_length", length * nshared);
    return 0;
}

static int cohere2moe_keys(struct qfs_converter *c)
{
    int64_t length, ndense, nextn, dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &length, "intermediate_size")) < 0 ||
        (rc = leading_dense(c, &ndense)) < 0)
        return rc;
    if (!qfs_hparam(c, "layer_types"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no layer_types", c->model->path);
    if ((rc = qfs_put_params(c, command_r_params)) < 0 ||
        (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32,
                            qfs_hparam(c, "sliding_window"))) < 0 ||
        (rc = qfs_put_layer_flags(c, "attention.sliding_window_pattern", "layer_types",
                                  "sliding_attention")) < 0 ||
        (rc = qfs_put_param(c, "vocab_size", QFS_PARAM_U32, qfs_hparam(c, "vocab_size"))) < 0)
        return rc;
    qfs_put_u32(c, "expert_feed_forward_length", length);
    qfs_put_u32(c, "leading_dense_block_count", ndense);
    qfs_put_bool(c, "expert_weights_norm", qfs_json_truthy(qfs_hparam(c, "norm_topk_prob")));
    if ((rc = put_shared_experts(c, length)) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0 ||
        (rc = qfs_hparam_count(c, &dim, "head_dim")) < 0)
        return rc;
    if (nextn > 0)
        qfs_put_u32(c, "nextn_predict_layers", nextn);
    qfs_put_u32(c, "rope.dimension_count", dim);
    qfs_put_no_rope_scaling(c);
    return 0;
}

const struct qfs_family qfs_family_command_r = {
    .arch = "command-r",
    .hf_classes = command_r_classes,
    .begin = command_r_begin,
    .keys = command_r_keys,
};

const struct qfs_family qfs_family_cohere2 = {
    .arch = "cohere2",
    .hf_classes = cohere2_classes,
    .tensor = cohere2_tensor,
    .keys = cohere2_keys,
};

const struct qfs_family qfs_family_cohere2moe = {
    .arch = "cohere2moe",
    .hf_classes = cohere2moe_classes,
    .begin = qfs_begin_with_nextn,
    .tensor = cohere2moe_tensor,
    .keys = cohere2moe_keys,
};
