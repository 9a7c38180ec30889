/* Kimi K3 (text): Kimi Linear's layers with residuals across them, experts in a smaller space, a gate. As
 * released its experts are MXFP4, which goes into the file as it is. */
#include "converter.h"

#include <stdio.h>
#include <string.h>

#include "vocab/vocab.h"
#include "vocab/vocab_ways.h"

static const char *const classes[] = {"KimiK3ForConditionalGeneration", NULL};

static bool is_packed(const struct qfs_converter *c)
{
    const struct qfs_json *config = qfs_hparam(c, "quantization_config");
    return qfs_text_is(qfs_json_text(qfs_json_get(config, "quant_method")), "compressed-tensors") &&
           qfs_text_is(qfs_json_text(qfs_json_get(config, "format")), "mxfp4-pack-quantized");
}

/* -- experts in MXFP4 -------------------------------------------------------------------------------------- */

static const struct qfs_packed_experts packed_experts = {
    "model.layers.{bid}.block_sparse_moe.experts.{xid}.{w}.weight_packed",
    "model.layers.{bid}.block_sparse_moe.experts.{xid}.{w}.weight_scale",
    {{"w1", "blk.{bid}.ffn_gate_exps"},
     {"w2", "blk.{bid}.ffn_down_exps"},
     {"w3", "blk.{bid}.ffn_up_exps"}},
};

/* Whether `name` is "model.layers.N.block_sparse_moe.experts.X.wY" with `end` behind it. */
static bool is_expert_part(const char *name, const char *end)
{
    static const char middle[] = ".block_sparse_moe.experts.";
    if (qfs_layer_of(name) < 0 || !qfs_ends_with(name, end))
        return false;
    const char *at = name + strlen("model.layers.");
    at += strspn(at, "0123456789");
    if (!qfs_starts_with(at, middle))
        return false;
    at += strlen(middle);
    size_t digits = strspn(at, "0123456789");
    return digits && at[digits] == '.' && at[digits + 1] == 'w' && at[digits + 2] >= '1' &&
           at[digits + 2] <= '3' && strcmp(at + digits + 3, end) == 0;
}

/* Only experts may be packed. */
static int dequant(struct qfs_converter *c)
{
    if (!is_packed(c))
        return qfs_dequant_model(c);
    for (size_t i = 0; i < c->ntensors; i++) {
        const char *name = c->tensors[i].name;
        if (name && qfs_ends_with(name, ".weight_packed") &&
            !is_expert_part(name, ".weight_packed"))
            return qfs_fail(c->error, ENOTSUP,
                            "%s: tensor %s: llama.cpp takes MXFP4 for experts only", c->model->path,
                            name);
    }
    return 0;
}

static int extra(struct qfs_converter *c)
{
    int64_t nexperts;
    int rc;
    if (!is_packed(c))
        return 0;
    rc = qfs_hparam_count(c, &nexperts, "num_experts");
    return rc < 0 ? rc : qfs_pack_experts(c, nexperts, &packed_experts);
}

/* -- tensors ----------------------------------------------------------------------------------------------- */

/* A norm and a projection of one row that only count multiplied with each other: the first to come waits. */
struct waiting {
    const char *prefix;
    int bid;
    bool is_norm;
    const struct qfs_recipe *recipe;
    struct waiting *next;
};

static const struct {
    const char *prefix, *name;
} fusions[] = {{"self_attention_res", "blk.{bid}.attn_res_score"},
               {"mlp_res", "blk.{bid}.ffn_res_score"},
               {"output_attn_res", "output_res_score"}};

/* Which of the fusions `name` belongs to; -1: none. */
static int find_fusion(const char *name, bool *ret_norm)
{
    for (size_t i = 0; i < QFS_COUNT(fusions); i++)
        for (int norm = 0; norm < 2; norm++) {
            char end[64];
            snprintf(end, sizeof(end), "%s_%s.weight", fusions[i].prefix, norm ? "norm" : "proj");
            if (qfs_ends_with(name, end)) {
                *ret_norm = norm;
                return (int)i;
            }
        }
    return -1;
}

static const struct qfs_recipe *product(struct qfs_converter *c, const struct qfs_recipe *a,
                                        const struct qfs_recipe *b)
{
    const int64_t one[] = {1};
    const int64_t size = qfs_recipe_count(a);
    const struct qfs_recipe *x = qfs_lazy_reshape(c, a, 1, &size);
    return qfs_lazy_shared(c, QFS_OP_SCALE, x, qfs_lazy_reshape(c, b, 1, &size), one);
}

static int fuse(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid,
                int which, bool is_norm)
{
    const char *prefix = fusions[which].prefix;
    struct waiting **at = (struct waiting **)&c->state;
    while (*at && ((*at)->prefix != prefix || (*at)->bid != bid))
        at = &(*at)->next;
    struct waiting *other = *at;
    if (!data)
        return -c->error->code;
    if (!other) {
        struct waiting *fresh = qfs_arena_alloc(c->arena, sizeof(*fresh));
        if (!fresh)
            return qfs_fail_memory(c->error);
        *fresh = (struct waiting){prefix, bid, is_norm, data, NULL};
        *at = fresh;
        return 0;
    }
    if (other->is_norm == is_norm)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s comes twice", c->model->path, name);
    *at = other->next;
    const struct qfs_recipe *norm = is_norm ? data : other->recipe;
    const struct qfs_recipe *proj = is_norm ? other->recipe : data;
    const char *new_name = qfs_format_name(c, fusions[which].name, ".weight", bid);
    return qfs_emit(c, product(c, norm, proj), name, new_name, bid);
}

static int finish(struct qfs_converter *c)
{
    const struct waiting *left = c->state;
    return left ? qfs_fail(c->error, EINVAL, "%s: layer %d lacks one of the two tensors of %s",
                           c->model->path, left->bid, left->prefix)
                : 0;
}

/* Layers with full attention have another tensor of this name. */
static int gate(struct qfs_converter *c, const struct qfs_recipe *data, int bid)
{
    const struct qfs_json *full =
        qfs_json_get(qfs_hparam(c, "linear_attn_config"), "full_attn_layers");
    bool is_full = false;
    for (size_t i = 0; qfs_json_at(full, i); i++) {
        int64_t layer;
        is_full = is_full || (qfs_json_int(qfs_json_at(full, i), &layer) && layer == bid + 1);
    }
    const char *name =
        qfs_format_name(c, is_full ? "blk.{bid}.attn_gate" : "blk.{bid}.ssm_g", ".weight", bid);
    return qfs_emit(c, data, name, name, bid);
}

static int expert(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (is_packed(c) &&
        (is_expert_part(name, ".weight_packed") || is_expert_part(name, ".weight_scale")))
        return 0;
    return qfs_expert_of(c, data, name, bid, &qfs_moe_experts, "num_experts");
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool is_norm;
    int which = find_fusion(name, &is_norm), rc;
    int64_t nheads;
    if (which >= 0)
        return fuse(c, data, name, bid, which, is_norm);
    data = qfs_kda_conv(c, data, name);
    if (data && qfs_ends_with(name, ".A_log")) {
        if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0)
            return rc;
        if (data->ndim < 1)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is a single number", c->model->path,
                            name);
        data = qfs_lazy_slice(c, data, 0, 0, QFS_MIN(nheads, data->shape[0]));
        data = qfs_lazy_unary(c, QFS_OP_NEG_EXP, qfs_lazy_cast(c, data, QFS_DTYPE_F32), 0);
    }
    name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    if (!data || !name)
        return -c->error->code;
    if (qfs_ends_with(name, ".self_attn.g_proj.weight"))
        return gate(c, data, bid);
    if (strstr(name, ".block_sparse_moe.experts."))
        return expert(c, data, name, bid);
    if (qfs_ends_with(name, "kv_b_proj.weight"))
        return qfs_mla_kv_b(c, data, name, bid, "num_key_value_heads");
    return qfs_text_tensor(c, data, name, bid);
}

/* -- keys -------------------------------------------------------------------------------------------------- */

static int check(struct qfs_converter *c)
{
    if (!qfs_json_truthy(qfs_hparam(c, "mla_use_nope")))
        return qfs_fail(c->error, EINVAL, "%s/config.json: mla_use_nope is not true",
                        c->model->path);
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "moe_router_activation_func")), "sigmoid"))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: moe_router_activation_func is not sigmoid",
                        c->model->path);
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "hidden_act")), "situ"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: hidden_act is not situ", c->model->path);
    return 0;
}

static int put_kda(struct qfs_converter *c)
{
    const struct qfs_json *config = qfs_hparam(c, "linear_attn_config");
    const struct qfs_json *bound = qfs_json_get(config, "gate_lower_bound");
    int rc = qfs_put_param(c, "ssm.conv_kernel", QFS_PARAM_U32,
                           qfs_json_get(config, "short_conv_kernel_size"));
    if (rc < 0 || (rc = qfs_put_param(c, "kda.head_dim", QFS_PARAM_U32,
                                      qfs_json_get(config, "head_dim"))) < 0)
        return rc;
    return qfs_json_is_null(bound) ? 0
                                   : qfs_put_param(c, "kda.gate_lower_bound", QFS_PARAM_F32, bound);
}

static int put_mla(struct qfs_converter *c)
{
    static const struct qfs_param ranks[] = {
        {"attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank"}},
        {"attention.kv_lora_rank", QFS_PARAM_U32, {"kv_lora_rank"}, true},
        {"rope.dimension_count", QFS_PARAM_U32, {"qk_rope_head_dim"}, true},
        {NULL},
    };
    int64_t rank, nope, rope, value;
    int rc = qfs_put_params(c, ranks);
    if (rc < 0 || (rc = qfs_hparam_count(c, &rank, "kv_lora_rank")) < 0 ||
        (rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &value, "v_head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", rank + rope);
    qfs_put_u32(c, "attention.value_length", rank);
    qfs_put_u32(c, "attention.key_length_mla", nope + rope);
    qfs_put_u32(c, "attention.value_length_mla", value);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param moe[] = {
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}, true},
        {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"moe_renormalize"}, true},
        {NULL},
    };
    static const struct qfs_param others[] = {
        {"expert_latent_length", QFS_PARAM_U32, {"routed_expert_hidden_size"}},
        {"activation.situ_beta", QFS_PARAM_F32, {"activation_situ_beta"}, true},
        {"activation.situ_linear_beta", QFS_PARAM_F32, {"activation_situ_linear_beta"}, true},
        {"attn_res.block_size", QFS_PARAM_U32, {"attn_res_block_size"}, true},
        {NULL},
    };
    int rc;
    if ((rc = check(c)) < 0 || (rc = qfs_hparam_set_int(c, "num_key_value_heads", 1)) < 0 ||
        (rc = qfs_text_keys(c)) < 0 ||
        (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_put_kda_layers(c)) < 0 || (rc = put_kda(c)) < 0 || (rc = put_mla(c)) < 0 ||
        (rc = qfs_put_params(c, moe)) < 0)
        return rc;
    qfs_put_sigmoid_gating(c);
    return qfs_put_params(c, others);
}

static int vocab(struct qfs_converter *c)
{
    struct qfs_special_vocab special;
    int64_t eos;
    int rc = qfs_vocab_deepseek2(c->out, c->hparams, true, c->error);
    if (rc < 0)
        return rc;
    const struct qfs_json *end = qfs_hparam(c, "eos_token_id");
    if (!qfs_json_is_null(end)) {
        if (!qfs_json_int(end, &eos) || eos < 0 || eos > UINT32_MAX)
            return qfs_fail(c->error, EINVAL, "%s/config.json: eos_token_id is not a token",
                            c->model->path);
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    }
    rc = qfs_special_vocab_load(&special, c->arena, c->model, NULL, false, NULL, -1, c->error);
    if (rc == 0 && qfs_json_is_null(special.chat_template)) {
        struct qfs_text template = qfs_vocab_template("Kimi-K3.jinja");
        if (template.size)
            qfs_kv_text(&c->out->kvs, "tokenizer.chat_template", template);
    }
    return rc;
}

const struct qfs_family qfs_family_kimi_k3 = {
    .arch = "kimi-k3",
    .hf_classes = classes,
    .dequant = dequant,
    .extra = extra,
    .tensor = tensor,
    .finish = finish,
    .keys = keys,
    .vocab = vocab,
};
