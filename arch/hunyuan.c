/* Hunyuan: MoE (A13B), dense, the language model of Hunyuan-VL, Hy3. */
#include "converter.h"

#include <math.h>
#include <string.h>

#include "vocab/vocab.h"
#include "vocab/vocab_ways.h"

static const char *const moe_classes[] = {"HunYuanMoEV1ForCausalLM", NULL};
static const char *const dense_classes[] = {"HunYuanDenseV1ForCausalLM", NULL};
static const char *const vl_classes[] = {"HunYuanVLForConditionalGeneration", NULL};
static const char *const v3_classes[] = {"HYV3ForCausalLM", NULL};

enum { LONG_CONTEXT = 256 * 1024 };

static bool tied_head(const struct qfs_converter *c, const char *name)
{
    return strcmp(name, "lm_head.weight") == 0 &&
           qfs_json_truthy(qfs_hparam(c, "tie_word_embeddings"));
}

static bool rope_is(const struct qfs_converter *c, const char *type)
{
    return qfs_text_is(qfs_json_text(qfs_json_get(c->rope, "rope_type")), type);
}

static bool known_context(const struct qfs_converter *c)
{
    int64_t context;
    return qfs_json_int(qfs_hparam(c, "max_position_embeddings"), &context) &&
           (context == 32 * 1024 || context == LONG_CONTEXT);
}

static int wrong_rope(struct qfs_converter *c)
{
    return qfs_fail(c->error, EINVAL,
                    "%s/config.json: its dynamic rope_scaling is not the one that llama.cpp knows "
                    "for Hunyuan (base 10000, a context of 32k or 256k)",
                    c->model->path);
}

/* The base that alpha makes of it, and no scaling. */
static void put_scaled_base(struct qfs_converter *c, double base, double alpha, int64_t dim)
{
    qfs_put_f32(c, "rope.freq_base", base * pow(alpha, (double)dim / (double)(dim - 2)));
    qfs_put_no_rope_scaling(c);
    qfs_put_f32(c, "rope.scaling.factor", 1);
}

static void put_context(struct qfs_converter *c, int64_t length)
{
    qfs_put_u32(c, "rope.scaling.original_context_length", length);
    qfs_put_u32(c, "context_length", length);
}

/* -- MoE ------------------------------------------------------------------------------------------------ */

static int moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    if (tied_head(c, name))
        return 0;
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_local_experts", "num_experts");
}

/* A list with a number for each layer, all the same: that number. */
static int put_common(struct qfs_converter *c, const char *key, const char *name)
{
    const struct qfs_json *list = qfs_hparam(c, name);
    int64_t first, other;
    if (!qfs_json_int(qfs_json_at(list, 0), &first) || first < 0 || first > INT32_MAX)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a list of sizes",
                        c->model->path, name);
    for (size_t i = 1; qfs_json_at(list, i); i++)
        if (!qfs_json_int(qfs_json_at(list, i), &other) || other != first)
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: %s differs between layers, which llama.cpp does not "
                            "take",
                            c->model->path, name);
    qfs_put_u32(c, key, first);
    return 0;
}

static int moe_keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 ||
        (rc = qfs_put_one(c, "expert_shared_feed_forward_length", QFS_PARAM_U32,
                          {"intermediate_size"}, true)) < 0 ||
        (rc = put_common(c, "expert_feed_forward_length", "moe_intermediate_size")) < 0 ||
        (rc = put_common(c, "expert_used_count", "moe_topk")) < 0 ||
        (rc = put_common(c, "expert_shared_count", "num_shared_expert")) < 0)
        return rc;
    if (!rope_is(c, "dynamic"))
        return 0;
    if ((rc = qfs_hidden_by_heads(c, &dim)) < 0)
        return rc;
    double alpha = qfs_json_number_or(c->rope, "alpha", 1000);
    double base = qfs_json_number_or(c->rope, "rope_theta", 10000.0);
    if (alpha != 1000 || base != 10000.0 || dim != 128 || !known_context(c))
        return wrong_rope(c);
    put_scaled_base(c, base, alpha, dim);
    put_context(c, LONG_CONTEXT);
    return 0;
}

static int moe_vocab(struct qfs_converter *c)
{
    return qfs_vocab_hunyuan(c->out, c->hparams, true, c->error);
}

const struct qfs_family qfs_family_hunyuan_moe = {
    .arch = "hunyuan-moe",
    .hf_classes = moe_classes,
    .tensor = moe_tensor,
    .keys = moe_keys,
    .vocab = moe_vocab,
};

/* -- dense ---------------------------------------------------------------------------------------------- */

static int dense_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    return tied_head(c, name) ? 0 : qfs_text_tensor(c, data, name, bid);
}

static int dense_keys(struct qfs_converter *c)
{
    int64_t dim;
    qfs_hparam_remove(c, "num_experts"); /* 1 in some of them, which are not MoE */
    int rc = qfs_text_keys(c);
    if (rc < 0 || (!rope_is(c, "dynamic") && !rope_is(c, "xdrope")))
        return rc;
    if ((rc = qfs_hparam_count(c, &dim, "head_dim")) < 0)
        return rc;
    if (dim <= 2)
        return wrong_rope(c);
    double base = qfs_json_number_or(c->rope, "rope_theta", 10000.0);
    put_scaled_base(c, base, qfs_json_number_or(c->rope, "alpha", 50), dim);
    if (!rope_is(c, "dynamic"))
        return 0;
    if (base != 10000.0 || !known_context(c))
        return wrong_rope(c);
    put_context(c, LONG_CONTEXT);
    return 0;
}

/* A token id as a key, where `id` is one. */
static int put_id(struct qfs_converter *c, const char *key, const struct qfs_json *id)
{
    int64_t value;
    if (!qfs_json_int(id, &value) || value < 0 || value > UINT32_MAX)
        return qfs_fail(c->error, EINVAL, "%s: the value for %s is not a token", c->model->path,
                        key);
    qfs_kv_u32(&c->out->kvs, key, (uint32_t)value);
    return 0;
}

/* Released configurations are wrong about what ends a text. */
static int dense_vocab(struct qfs_converter *c)
{
    static const char *const without_pad[] = {"bos", "eos", "unk", "sep", "cls", "mask", NULL};
    const struct qfs_json *end = qfs_hparam(c, "eod_token_id");
    const struct qfs_json *ends = qfs_json_get(c->model->generation_config, "eos_token_id");
    struct qfs_vocab_way way = {0};
    int64_t pad;
    int rc;
    if (qfs_json_int(qfs_hparam(c, "pad_token_id"), &pad) && pad < 0)
        way.special_types = without_pad;
    if (qfs_vocab_file_exists(c->model, "tokenizer.json"))
        rc = qfs_vocab_gpt2_way(c->out, c->hparams, &way, c->error);
    else
        rc = qfs_vocab_hunyuan(c->out, c->hparams, false, c->error);
    if (rc == 0 && !qfs_json_is_null(end))
        rc = put_id(c, "tokenizer.ggml.eos_token_id", end);
    if (rc == 0 && qfs_json_is(ends, QFS_JSON_ARRAY) && ends->count >= 2)
        rc = put_id(c, "tokenizer.ggml.eot_token_id", &ends->items[0]);
    return rc;
}

const struct qfs_family qfs_family_hunyuan_dense = {
    .arch = "hunyuan-dense",
    .hf_classes = dense_classes,
    .tensor = dense_tensor,
    .keys = dense_keys,
    .vocab = dense_vocab,
};

/* -- Hunyuan-VL ------------------------------------------------------------------------------------------ */

/* transformers writes the rotation by sections as a dynamic one. */
static int vl_begin(struct qfs_converter *c)
{
    static const struct qfs_json xdrope = {.kind = QFS_JSON_STRING, .count = 6, .string = "xdrope"};
    const struct qfs_json *sections = qfs_json_get(c->rope, "mrope_section");
    if (!rope_is(c, "dynamic") || !sections)
        return 0;
    if (qfs_dict_set(c->arena, c->rope, "rope_type", &xdrope) < 0 ||
        qfs_dict_set(c->arena, c->rope, "xdrope_section", sections) < 0)
        return qfs_fail_memory(c->error);
    return 0;
}

static int vl_keys(struct qfs_converter *c)
{
    double theta, alpha;
    int64_t context;
    int rc = dense_keys(c);
    if (rc < 0 || !rope_is(c, "xdrope"))
        return rc;
    if ((rc = qfs_hparam_count(c, &context, "max_position_embeddings")) < 0)
        return rc;
    if (!qfs_json_real(qfs_json_get(c->rope, "rope_theta"), &theta) ||
        !qfs_json_real(qfs_json_get(c->rope, "alpha"), &alpha))
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_scaling has no rope_theta or alpha",
                        c->model->path);
    qfs_put_f32(c, "rope.freq_base", theta);
    qfs_put_f32(c, "rope.scaling.alpha", alpha);
    qfs_put_no_rope_scaling(c);
    qfs_put_f32(c, "rope.scaling.factor", qfs_json_number_or(c->rope, "factor", 1));
    put_context(c, context);
    return qfs_put_param(c, "rope.dimension_sections", QFS_PARAM_LIST,
                         qfs_json_get(c->rope, "xdrope_section"));
}

const struct qfs_family qfs_family_hunyuan_vl = {
    .arch = "hunyuan_vl",
    .hf_classes = vl_classes,
    .parent = &qfs_family_hunyuan_dense,
    .begin = vl_begin,
    .keys = vl_keys,
};

/* -- Hy3 -------------------------------------------------------------------------------------------------- */

static int v3_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0 || (rc = qfs_text_filter(c, name, ret_name)) < 0 || !*ret_name)
        return rc;
    if (qfs_layer_of(*ret_name) >= nlayers)
        *ret_name = qfs_name_replace(c, *ret_name, ".final_layernorm.", ".shared_head.norm.");
    return *ret_name ? 0 : -ENOMEM;
}

static int v3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    if (!qfs_starts_with(name, "model.layers.") || !strstr(name, ".mlp.experts."))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_local_experts", "num_experts");
}

static int v3_keys(struct qfs_converter *c)
{
    const struct qfs_json *norm = qfs_hparam(c, "route_norm");
    int64_t size, nshared, nextn;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &size, "moe_intermediate_size")) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_shared_experts", 1, &nshared)) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0)
        return rc;
    qfs_put_u32(c, "expert_feed_forward_length", size);
    qfs_put_u32(c, "expert_shared_feed_forward_length", size * nshared);
    qfs_put_bool(c, "expert_weights_norm", !norm || qfs_json_truthy(norm));
    qfs_put_f32(c, "expert_weights_scale",
                qfs_json_number_or(c->hparams, "router_scaling_factor", 1.0));
    qfs_put_sigmoid_gating(c);
    if (nextn > 0)
        qfs_put_u32(c, "nextn_predict_layers", nextn);
    return 0;
}

const struct qfs_family qfs_family_hy_v3 = {
    .arch = "hy_v3",
    .hf_classes = v3_classes,
    .begin = qfs_begin_with_nextn,
    .filter = v3_filter,
    .tensor = v3_tensor,
    .keys = v3_keys,
};
