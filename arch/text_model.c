/* What the converter's TextModel does for every family. */
#include "converter.h"

#include <ctype.h>
#include <string.h>

/* A tensor with one of these in its name belongs to a vision or audio tower. */
static const char *const other_prefixes[] = {
    "mlp",     "vit.",       "vpm.",           "siglip2.",          "conformer.",
    "merger.", "resampler.", "sound_encoder.", "sound_projection.", "speech_embeddings.",
    NULL,
};
static const char *const other_parts[] = {
    "visual.",          "vision.",
    "audio.",           "talker.",
    "vision_",          "audio_",
    "token2wav.",       "code2wav.",
    "projector.",       "pre_mm_projector_norm",
    "image_newline",    "view_seperator",
    "patch_embed",      "patch_embedding",
    "patch_merger.",    "patch_merge_mlp.",
    "model.connector.", NULL,
};

int qfs_text_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_begins_with_any(name, other_prefixes) || qfs_holds_any(name, other_parts))
        return 0;
    if (qfs_ends_with(name, "e_score_correction_bias"))
        name = qfs_name_replace(c, name, "e_score_correction_bias", "e_score_correction.bias");
    if (name)
        name = qfs_name_replace(c, name, "language_model.", "");
    *ret_name = name;
    return name ? 0 : -ENOMEM;
}

int qfs_text_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    int bid)
{
    const char *new_name = data ? qfs_map_name(c, name) : NULL;
    return new_name ? qfs_emit(c, data, name, new_name, bid) : -c->error->code;
}

/* -- keys
 * --------------------------------------------------------------------------------------------- */

static const struct qfs_param size_params[] = {
    {"context_length",
     QFS_PARAM_U32,
     {"max_position_embeddings", "n_ctx", "n_positions", "max_length", "max_sequence_length",
      "model_max_length"}},
    {"embedding_length", QFS_PARAM_U32, {"hidden_size", "n_embd", "dim"}},
    {"feed_forward_length",
     QFS_PARAM_U32_OR_LIST,
     {"prefix_dense_intermediate_size", "dense_intermediate_size", "intermediate_size", "n_inner",
      "hidden_dim"}},
    {"attention.head_count", QFS_PARAM_U32_OR_LIST, {"num_attention_heads", "n_head", "n_heads"}},
    {"attention.head_count_kv", QFS_PARAM_U32_OR_LIST, {"num_key_value_heads", "n_kv_heads"}},
    {NULL},
};

static const struct qfs_param other_params[] = {
    {"attention.layer_norm_rms_epsilon", QFS_PARAM_F32, {"rms_norm_eps", "norm_eps"}},
    {"attention.layer_norm_epsilon",
     QFS_PARAM_F32,
     {"layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"}},
    {"expert_count", QFS_PARAM_U32, {"num_local_experts", "num_experts", "n_routed_experts"}},
    {"expert_used_count",
     QFS_PARAM_U32,
     {"num_experts_per_tok", "num_experts_per_token", "top_k_experts"}},
    {"expert_group_count", QFS_PARAM_U32, {"n_group"}},
    {"expert_group_used_count", QFS_PARAM_U32, {"topk_group"}},
    {NULL},
};

/* Keys of rope scaling, in the order they are written: each from the first name that
 * rope_parameters has. `required`: the converter stops without it. */
struct rope_param {
    const char *key, *names[2];
    bool integer, required;
};

static const struct rope_param linear_params[] = {
    {"rope.scaling.factor", {"factor"}, false, true},
    {NULL},
};
static const struct rope_param yarn_params[] = {
    {"rope.scaling.factor", {"factor"}, false, true},
    {"rope.scaling.original_context_length", {"original_max_position_embeddings"}, true, true},
    {"rope.scaling.yarn_ext_factor", {"extrapolation_factor"}, false, false},
    {"rope.scaling.yarn_attn_factor", {"attention_factor", "attn_factor"}, false, false},
    {"rope.scaling.yarn_beta_fast", {"beta_fast"}, false, false},
    {"rope.scaling.yarn_beta_slow", {"beta_slow"}, false, false},
    {NULL},
};
static const struct rope_param no_params[] = {{NULL}};

static const struct {
    const char *type, *gguf;
    bool needs_factor;
    const struct rope_param *params;
} rope_kinds[] = {
    {"linear", "linear", true, linear_params},
    {"yarn", "yarn", true, yarn_params},
    {"su", "longrope", false, no_params},
    {"longrope", "longrope", false, no_params},
};

static int put_rope_scaling(struct qfs_converter *c, const struct qfs_json *rope)
{
    const struct qfs_json *type = qfs_json_get(rope, "rope_type");
    for (size_t i = 0; i < QFS_COUNT(rope_kinds); i++) {
        if (!qfs_text_is(qfs_json_text(type), rope_kinds[i].type) ||
            (rope_kinds[i].needs_factor && qfs_json_is_null(qfs_json_get(rope, "factor"))))
            continue;
        qfs_put_string(c, "rope.scaling.type", rope_kinds[i].gguf);
        for (const struct rope_param *p = rope_kinds[i].params; p->key; p++) {
            const struct qfs_json *value = qfs_json_get(rope, p->names[0]);
            if (!value && p->names[1])
                value = qfs_json_get(rope, p->names[1]);
            if (qfs_json_is_null(value) && !p->required)
                continue;
            int rc = qfs_put_param(c, p->key, p->integer ? QFS_PARAM_U32 : QFS_PARAM_F32, value);
            if (rc < 0)
                return rc;
        }
        return 0;
    }
    return 0;
}

/* rope_parameters.mrope_section, padded to four. */
static int put_rope_sections(struct qfs_converter *c)
{
    const struct qfs_json *sections = qfs_json_get(c->rope, "mrope_section");
    int32_t four[4] = {0};
    if (!sections)
        return 0;
    for (uint32_t i = 0; i < 4 && qfs_json_at(sections, i); i++) {
        int64_t value;
        if (!qfs_json_int(qfs_json_at(sections, i), &value) || value < 0 || value > INT32_MAX)
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: mrope_section is not a list of sizes", c->model->path);
        four[i] = (int32_t)value;
    }
    qfs_put_i32s(c, "rope.dimension_sections", four, 4);
    return 0;
}

static int put_gating(struct qfs_converter *c)
{
    static const char *const kinds[] = {NULL, "softmax", "sigmoid", NULL, "sqrtsoftplus"};
    const struct qfs_json *value =
        qfs_hparam_any(c, "score_function", "scoring_func", "score_func", "moe_router_activation",
                       "moe_router_activation_func", "expert_selection_fn");
    if (qfs_json_is_null(value))
        return 0;
    for (size_t i = 0; i < QFS_COUNT(kinds); i++)
        if (kinds[i] && qfs_text_is(qfs_json_text(value), kinds[i])) {
            qfs_put_u32(c, "expert_gating_func", (int64_t)i);
            return 0;
        }
    return qfs_fail(c->error, EINVAL,
                    "%s/config.json: the experts' score function is none that llama.cpp has",
                    c->model->path);
}

void qfs_put_file_type(struct qfs_converter *c)
{
    /* llama.cpp's file type numbers */
    static const uint32_t file_types[] = {
        [QFS_OUTTYPE_F32] = 0, [QFS_OUTTYPE_F16] = 1, [QFS_OUTTYPE_BF16] = 32};
    qfs_kv_u32(&c->out->kvs, "general.file_type",
               c->file_type ? c->file_type : file_types[c->out->auto_outtype]);
}

int qfs_text_keys(struct qfs_converter *c)
{
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *rope = full ? full : c->rope;
    const struct qfs_json *value;
    int rc;

    qfs_put_u32(c, "block_count", c->block_count);
    if ((rc = qfs_put_params(c, size_params)) < 0)
        return rc;
    if (qfs_json_is(qfs_hparam(c, "is_causal"), QFS_JSON_FALSE))
        qfs_put_bool(c, "attention.causal", false);
    if ((rc = put_rope_scaling(c, rope)) < 0 || (rc = put_rope_sections(c)) < 0)
        return rc;
    value = qfs_json_get(rope, "rope_theta");
    if (!qfs_json_is_null(value) &&
        (rc = qfs_put_param(c, "rope.freq_base", QFS_PARAM_F32, value)) < 0)
        return rc;
    value = qfs_json_get(qfs_json_get(c->rope, "sliding_attention"), "rope_theta");
    if (!qfs_json_is_null(value) &&
        (rc = qfs_put_param(c, "rope.freq_base_swa", QFS_PARAM_F32, value)) < 0)
        return rc;
    if ((rc = qfs_put_params(c, other_params)) < 0 || (rc = put_gating(c)) < 0)
        return rc;
    value = qfs_hparam(c, "head_dim");
    if (!qfs_json_is_null(value) &&
        ((rc = qfs_put_param(c, "attention.key_length", QFS_PARAM_U32, value)) < 0 ||
         (rc = qfs_put_param(c, "attention.value_length", QFS_PARAM_U32, value)) < 0))
        return rc;
    qfs_put_file_type(c);
    return 0;
}

int qfs_text_vocab(struct qfs_converter *c)
{
    return qfs_vocab_gpt2(c->out, c->hparams, c->error);
}

int qfs_put_vocab(struct qfs_converter *c)
{
    const struct qfs_family *family = c->family;
    while (family && !family->vocab && !family->vocab_method)
        family = family->parent;
    if (!family)
        return qfs_text_vocab(c);
    return family->vocab ? family->vocab(c) : family->vocab_method(c->out, c->hparams, c->error);
}
