/* Phi 1 and 2; Phi 3, 3.5, 4 and 4 mini; Phi 3.5 MoE. */
#include "converter.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const phi2_classes[] = {"PhiForCausalLM", NULL};
static const char *const phi3_classes[] = {"Phi3ForCausalLM", "Phi4ForCausalLMV", NULL};
static const char *const phimoe_classes[] = {"PhiMoEForCausalLM", NULL};

/* Dimensions of a head that are rotated; `fallback` is the part of them where config says nothing. */
static int rotated(struct qfs_converter *c, double fallback, int64_t *ret_dims)
{
    int64_t hidden, nheads;
    double part;
    int rc = qfs_rope_number(c, "partial_rotary_factor", fallback, &part);
    if (rc < 0 || (rc = qfs_rotary_sizes(c, part, &hidden, &nheads)) < 0)
        return rc;
    *ret_dims = (int64_t)(part * (double)hidden) / nheads;
    return 0;
}

/* -- Phi 1 and 2 ------------------------------------------------------------------------------------ */

static int phi2_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_U32, "context_length", {"n_positions", "max_position_embeddings"}},
        {QFS_RULE_U32, "embedding_length", {"hidden_size", "n_embd"}},
        {QFS_RULE_FOURFOLD, "feed_forward_length", {"hidden_size", "n_embd"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads", "n_head"}},
        {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"num_attention_heads", "n_head"}},
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon", "layer_norm_eps"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_NO_BOS},
        {QFS_RULE_END},
    };
    int64_t dims = 0;
    int rc = rotated(c, NAN, &dims);
    if (rc < 0 || (rc = qfs_put_rules(c, before)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dims);
    return qfs_put_rules(c, after);
}

const struct qfs_family qfs_family_phi2 = {
    .arch = "phi2",
    .hf_classes = phi2_classes,
    .keys = phi2_keys,
};

/* -- Phi 3 and 4 ------------------------------------------------------------------------------------ */

static int phi3_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_U32, "embedding_length", {"hidden_size", "n_embd"}},
        {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"intermediate_size"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads", "n_head"}},
        {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"num_key_value_heads", "n_head_kv"}},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"rms_norm_eps"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *window = qfs_hparam(c, "sliding_window");
    const struct qfs_json no_window = {.kind = QFS_JSON_INT};
    int64_t dims = 0;
    int rc = rotated(c, 1.0, &dims);
    if (rc < 0 ||
        (rc = qfs_put_one(c, "context_length", QFS_PARAM_U32,
                          {"n_positions", "max_position_embeddings"}, true)) < 0 ||
        (rc = qfs_put_param(c, "rope.scaling.original_context_length", QFS_PARAM_U32,
                            qfs_json_get(c->rope, "original_max_position_embeddings"))) < 0 ||
        (rc = qfs_put_rules(c, sizes)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dims);
    if ((rc = qfs_put_param(c, "rope.freq_base", QFS_PARAM_F32,
                            qfs_json_get(full ? full : c->rope, "rope_theta"))) < 0)
        return rc;
    qfs_put_file_type(c);
    /* none: llama.cpp takes 0 as the mark of Phi 4 */
    return qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32,
                         qfs_json_is_null(window) ? &no_window : window);
}

/* By how much attention is scaled when the context is stretched `scale` times. */
static int attention_factor(struct qfs_converter *c, double scale, double original,
                            double *ret_factor)
{
    const char *type = qfs_json_string(qfs_json_get(c->rope, "rope_type"));
    if (!type || !*type)
        return qfs_fail(c->error, EINVAL, "%s/config.json: its rope scaling has no type",
                        c->model->path);
    if (strcasecmp(type, "su") == 0 || strcasecmp(type, "longrope") == 0)
        *ret_factor = scale > 1.0 ? sqrt(1 + log(scale) / log(original)) : 1.0;
    else if (strcasecmp(type, "yarn") == 0)
        *ret_factor = scale > 1.0 ? 0.1 * log(scale) + 1.0 : 1.0;
    else
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: the rope scaling type %.40s is not one that Phi has",
                        c->model->path, type);
    return 0;
}

/* Factors of the rotations for long and for short contexts (128k models). */
static int phi3_extra(struct qfs_converter *c)
{
    int64_t context, dims = 0;
    double original, factor = 0;
    int rc = rotated(c, 1.0, &dims);
    if (rc < 0 ||
        (rc = qfs_hparam_count(c, &context, "n_positions", "max_position_embeddings")) < 0 ||
        (rc = qfs_rope_number(c, "original_max_position_embeddings", NAN, &original)) < 0)
        return rc;
    if (!qfs_json_truthy(qfs_json_get(c->rope, "long_factor")))
        return 0;
    if ((rc = attention_factor(c, (double)context / original, original, &factor)) < 0)
        return rc;
    qfs_put_f32(c, "rope.scaling.attn_factor", factor);
    return qfs_longrope_factors(c, dims);
}

const struct qfs_family qfs_family_phi3 = {
    .arch = "phi3",
    .hf_classes = phi3_classes,
    .extra = phi3_extra,
    .keys = phi3_keys,
    .vocab_method = qfs_vocab_phi3,
};

/* -- experts ---------------------------------------------------------------------------------------- */

static int phimoe_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule experts[] = {
        {QFS_RULE_U32, "expert_used_count", {"num_experts_per_tok", "num_experts_per_token"}},
        {QFS_RULE_U32, "expert_count", {"num_local_experts", "num_experts"}},
        {QFS_RULE_END},
    };
    int rc = phi3_keys(c);
    return rc < 0 ? rc : qfs_put_rules(c, experts);
}

static int phimoe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    return strstr(name, "block_sparse_moe.experts")
               ? qfs_expert_of(c, data, name, bid, &qfs_moe_experts, "num_local_experts",
                               "num_experts")
               : qfs_text_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_phimoe = {
    .arch = "phimoe",
    .hf_classes = phimoe_classes,
    .parent = &qfs_family_phi3,
    .tensor = phimoe_tensor,
    .keys = phimoe_keys,
};
