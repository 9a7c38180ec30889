/* Ling 3: layers of latent attention among layers of a linear attention (KDA). Draft heads are the
 * layers behind num_hidden_layers. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"BailingMoeV3ForCausalLM", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    name = qfs_name_swap_suffix(c, name, ".expert_bias", ".expert_bias.bias");
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

/* One layer in each group, the rest that fills no group, and draft heads. */
static int full_attention(struct qfs_converter *c, int64_t layer, bool *ret_full)
{
    int64_t nlayers, group;
    int rc;
    if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0 ||
        (rc = qfs_hparam_count(c, &group, "layer_group_size")) < 0)
        return rc;
    if (group == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_group_size is 0", c->model->path);
    *ret_full = layer >= nlayers || (layer + 1) % group == 0 || layer >= nlayers / group * group;
    return 0;
}

static int kv_b(struct qfs_converter *c, const struct qfs_recipe *data, int bid)
{
    struct qfs_mla mla;
    int rc;
    if ((rc = qfs_hparam_count(c, &mla.nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &mla.value, "v_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &mla.nope, "qk_nope_head_dim")) < 0)
        return rc;
    return qfs_mla_split(c, data, bid, &mla,
                         qfs_format_name(c, "blk.{bid}.attn_k_b", ".weight", bid),
                         qfs_format_name(c, "blk.{bid}.attn_v_b", ".weight", bid));
}

/* exp(data), a row for each element */
static const struct qfs_recipe *decay(struct qfs_converter *c, const struct qfs_recipe *data)
{
    const struct qfs_recipe *power =
        qfs_lazy_unary(c, QFS_OP_MUL, qfs_lazy_unary(c, QFS_OP_NEG_EXP, data, 0), -1);
    if (!power)
        return NULL;
    const int64_t shape[] = {qfs_recipe_count(power), 1};
    return qfs_lazy_reshape(c, power, 2, shape);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool full = false;
    int rc;
    data = qfs_kda_conv(c, data, name);
    if (qfs_ends_with(name, ".A_log"))
        data = decay(c, data);
    name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    if (!data || !name)
        return -c->error->code;
    if (qfs_ends_with(name, ".attention.f_proj.weight") ||
        qfs_ends_with(name, ".attention.g_proj.weight")) {
        bool gate = qfs_ends_with(name, ".attention.g_proj.weight");
        if ((rc = full_attention(c, bid, &full)) < 0)
            return rc;
        if (full && !gate)
            return qfs_fail(c->error, EINVAL,
                            "%s: tensor %s: a layer of full attention has no such tensor",
                            c->model->path, name);
        name = qfs_format_name(c,
                               !gate  ? "blk.{bid}.ssm_f_a"
                               : full ? "blk.{bid}.attn_gate"
                                      : "blk.{bid}.ssm_g_a",
                               ".weight", bid);
        return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
    }
    if (strstr(name, ".mlp.experts."))
        return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_experts");
    if (qfs_ends_with(name, ".attention.kv_b_proj.weight"))
        return kv_b(c, data, bid);
    return qfs_text_tensor(c, data, name, bid);
}

static int check(struct qfs_converter *c)
{
    static const char *const flags[] = {"no_kda_lora", "kda_safe_gate"};
    struct qfs_text gate = qfs_json_text(qfs_hparam(c, "gated_attention_proj_granularity_type"));
    for (size_t i = 0; i < QFS_COUNT(flags); i++)
        if (!qfs_json_truthy(qfs_hparam(c, flags[i])))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: llama.cpp takes Ling 3 only where %s is true",
                            c->model->path, flags[i]);
    if (!qfs_text_is(gate, "head_wise"))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: gated_attention_proj_granularity_type is not head_wise",
                        c->model->path);
    return 0;
}

static int put_mla(struct qfs_converter *c)
{
    int64_t rank, nope, rope, value;
    int rc;
    if ((rc = qfs_hparam_count(c, &rank, "kv_lora_rank")) < 0 ||
        (rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &value, "v_head_dim")) < 0 ||
        (rc = qfs_put_one(c, "attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank"})) < 0)
        return rc;
    qfs_put_u32(c, "attention.kv_lora_rank", rank);
    qfs_put_u32(c, "rope.dimension_count", rope);
    qfs_put_u32(c, "attention.key_length", rank + rope);
    qfs_put_u32(c, "attention.key_length_mla", nope + rope);
    qfs_put_u32(c, "attention.value_length_mla", value);
    return 0;
}

/* head_count_kv by layer: 1 where attention is full, else 0. */
static int put_layers(struct qfs_converter *c)
{
    int32_t *heads = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*heads));
    if (!heads)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++) {
        bool full;
        int rc = full_attention(c, i, &full);
        if (rc < 0)
            return rc;
        heads[i] = full;
    }
    qfs_put_i32s(c, "attention.head_count_kv", heads, (size_t)c->block_count);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param kda[] = {
        {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
        {"ssm.conv_kernel", QFS_PARAM_U32, {"short_conv_kernel_size"}, true},
        {"kda.head_dim", QFS_PARAM_U32, {"head_dim"}, true},
        {"kda.safe_gate", QFS_PARAM_BOOL, {"kda_safe_gate"}, true},
        {"kda.gate_lower_bound", QFS_PARAM_F32, {"kda_lower_bound"}, true},
        {NULL},
    };
    static const struct qfs_param moe[] = {
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_feed_forward_length",
         QFS_PARAM_U32,
         {"moe_shared_expert_intermediate_size"},
         true},
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}, true},
        {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
        {NULL},
    };
    int rc;
    if ((rc = check(c)) < 0 || (rc = qfs_hparam_set_int(c, "num_key_value_heads", 1)) < 0 ||
        (rc = qfs_text_keys(c)) < 0 || (rc = put_layers(c)) < 0 ||
        (rc = qfs_put_params(c, kda)) < 0 || (rc = put_mla(c)) < 0 ||
        (rc = qfs_put_params(c, moe)) < 0 ||
        (rc = qfs_put_layer_limits(c, "swiglu_clamp_exp", "expert_swiglu_limit_list")) < 0 ||
        (rc = qfs_put_layer_limits(c, "swiglu_clamp_shexp", "share_expert_swiglu_limit_list")) < 0)
        return rc;
    return qfs_json_truthy(qfs_hparam(c, "num_nextn_predict_layers")) ? qfs_put_nextn(c) : 0;
}

static int begin(struct qfs_converter *c)
{
    if (qfs_json_truthy(qfs_hparam(c, "num_nextn_predict_layers")))
        return qfs_begin_with_nextn(c);
    return qfs_hparam_count(c, &c->block_count, "num_hidden_layers");
}

const struct qfs_family qfs_family_bailingmoe3 = {
    .arch = "bailingmoe3",
    .hf_classes = classes,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
};
