/* Gemma 4 (text): layers of two kinds, whose heads and feed-forward parts may differ. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const classes[] = {"Gemma4ForConditionalGeneration", "Gemma4ForCausalLM", NULL};
static const char *const unified_classes[] = {"Gemma4UnifiedForConditionalGeneration", NULL};
static const char *const assistant_classes[] = {"Gemma4AssistantForCausalLM",
                                                "Gemma4UnifiedAssistantForCausalLM", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    bool expert = strstr(name, ".experts.") && !qfs_ends_with(name, ".weight") &&
                  !qfs_ends_with(name, ".weight_scale") &&
                  !qfs_ends_with(name, ".weight_scale_2") && !qfs_ends_with(name, ".input_scale");
    if ((expert || qfs_ends_with(name, "per_dim_scale") || qfs_ends_with(name, "layer_scalar")) &&
        !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_filter(c, name, ret_name);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (qfs_ends_with(name, "router.scale"))
        return qfs_emit(c, data, name, qfs_format_name(c, "blk.{bid}.ffn_gate_inp", ".scale", bid),
                        bid);
    if (strstr(name, ".per_expert_scale"))
        return qfs_emit(c, data, name, qfs_format_name(c, "blk.{bid}.ffn_down_exps", ".scale", bid),
                        bid);
    return qfs_text_tensor(c, qfs_gemma3_trim(c, data, name), name, bid);
}

/* What the first layer of full attention has of its own in per_layer_config. */
static const struct qfs_json *full_layer_param(const struct qfs_converter *c, const char *name)
{
    const struct qfs_json *layers = qfs_hparam(c, "per_layer_config");
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    for (uint32_t i = 0; qfs_json_is(layers, QFS_JSON_OBJECT) && i < layers->count; i++) {
        int64_t layer;
        const struct qfs_json *value = qfs_json_get(&layers->members[i].value, name);
        if (value && qfs_python_int(layers->members[i].key, &layer) && layer >= 0 &&
            qfs_text_is(qfs_json_text(qfs_json_at(types, (size_t)layer)), "full_attention"))
            return value;
    }
    return NULL;
}

static const struct qfs_json *full_param(const struct qfs_converter *c, const char *global,
                                         const char *name)
{
    const struct qfs_json *value = qfs_hparam(c, global);
    return qfs_json_is_null(value) ? full_layer_param(c, name) : value;
}

static int full_head_dim(struct qfs_converter *c, int64_t *ret_dim)
{
    if (!qfs_json_int(full_param(c, "global_head_dim", "head_dim"), ret_dim) || *ret_dim <= 0 ||
        *ret_dim > 1 << 16)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: does not say the head_dim of layers of full attention",
                        c->model->path);
    return 0;
}

/* Frequencies of the part of a head that layers of full attention do not rotate are made endless. */
static int extra(struct qfs_converter *c)
{
    const struct qfs_json *rope = qfs_json_get(qfs_hparam(c, "rope_parameters"), "full_attention");
    int64_t dim;
    double part;
    int rc = full_head_dim(c, &dim);
    if (rc < 0)
        return rc;
    if (!qfs_text_is(qfs_json_text(qfs_json_get(rope, "rope_type")), "proportional") ||
        !qfs_json_real(qfs_json_get(rope, "partial_rotary_factor"), &part) || part < 0 || part > 1)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: full_attention in rope_parameters is not proportional",
                        c->model->path);
    int64_t count = dim / 2, rotated = (int64_t)((double)dim * part / 2);
    float *factors = qfs_arena_array(c->arena, (size_t)count, sizeof(*factors));
    const char *name = qfs_format_name(c, "rope_freqs", ".weight", -1);
    if (!factors || !name)
        return name ? qfs_fail_memory(c->error) : -c->error->code;
    for (int64_t i = 0; i < count; i++)
        factors[i] = i < rotated ? 1.0f : 1e30f;
    return qfs_convert_tensor(c, qfs_lazy_floats(c, factors, count), name);
}

/* An array of `full` for layers of full attention and `sliding` for the others. */
static int put_heads_kv(struct qfs_converter *c)
{
    const struct qfs_json *full =
        full_param(c, "num_global_key_value_heads", "num_key_value_heads");
    const struct qfs_json *sliding = qfs_hparam(c, "num_key_value_heads");
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    int64_t nfull, nsliding;
    if (qfs_json_is_null(full) || qfs_json_is_null(sliding))
        return 0;
    int32_t *heads = qfs_arena_array(c->arena, types->count, sizeof(*heads));
    if (!heads)
        return qfs_fail_memory(c->error);
    if (!qfs_json_int(full, &nfull) || !qfs_json_int(sliding, &nsliding) || nfull > INT32_MAX ||
        nsliding > INT32_MAX)
        return qfs_fail(c->error, EINVAL, "%s/config.json: num_key_value_heads is no count",
                        c->model->path);
    for (uint32_t i = 0; i < types->count; i++)
        heads[i] =
            (int32_t)(qfs_text_is(qfs_json_text(&types->items[i]), "sliding_attention") ? nsliding
                                                                                        : nfull);
    qfs_put_i32s(c, "attention.head_count_kv", heads, types->count);
    return 0;
}

/* Layers that share another's keys and values have a feed-forward part twice as wide. */
static int put_double_wide(struct qfs_converter *c, int64_t nshared)
{
    int64_t length;
    int rc;
    if (!qfs_json_truthy(qfs_hparam(c, "use_double_wide_mlp")))
        return 0;
    if ((rc = qfs_hparam_count(c, &length, "intermediate_size")) < 0)
        return rc;
    int32_t *lengths = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*lengths));
    if (!lengths)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++)
        lengths[i] = (int32_t)(i < c->block_count - nshared ? length : length * 2);
    qfs_put_i32s(c, "feed_forward_length", lengths, (size_t)c->block_count);
    return 0;
}

static int put_expert_length(struct qfs_converter *c)
{
    const struct qfs_json *length =
        qfs_hparam_any(c, "expert_intermediate_size", "moe_intermediate_size");
    if (!length)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no moe_intermediate_size",
                        c->model->path);
    return qfs_json_is_null(length)
               ? 0
               : qfs_put_param(c, "expert_feed_forward_length", QFS_PARAM_U32, length);
}

static int keys(struct qfs_converter *c)
{
    int64_t nshared, full, sliding, embedding = 0;
    int rc = qfs_gemma3_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &nshared, "num_kv_shared_layers")) < 0)
        return rc;
    if (qfs_json_truthy(qfs_hparam(c, "hidden_size_per_layer_input")) &&
        (rc = qfs_hparam_count(c, &embedding, "hidden_size_per_layer_input")) < 0)
        return rc;
    qfs_put_u32(c, "attention.shared_kv_layers", nshared);
    qfs_put_u32(c, "embedding_length_per_layer_input", embedding);
    if ((rc = qfs_put_sliding_layers(c)) < 0 || (rc = full_head_dim(c, &full)) < 0 ||
        (rc = qfs_hparam_count(c, &sliding, "head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", full);
    qfs_put_u32(c, "attention.value_length", full);
    qfs_put_u32(c, "attention.key_length_swa", sliding);
    qfs_put_u32(c, "attention.value_length_swa", sliding);
    if ((rc = put_expert_length(c)) < 0 || (rc = put_double_wide(c, nshared)) < 0 ||
        (rc = put_heads_kv(c)) < 0)
        return rc;
    double part = qfs_json_number_or(c->rope, "partial_rotary_factor", 1);
    qfs_put_u32(c, "rope.dimension_count", full);
    qfs_put_u32(c, "rope.dimension_count_swa", (int64_t)((double)sliding * part));
    return 0;
}

static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_gemma4(c->out, c->error);
}

/* -- one model for all senses ------------------------------------------------------------------------- */

static int unified_keys(struct qfs_converter *c)
{
    const struct qfs_json *tokens = qfs_json_get(c->model->generation_config, "suppress_tokens");
    int rc = keys(c);
    if (rc < 0 || qfs_json_is_null(tokens))
        return rc;
    if (!qfs_json_is(tokens, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL,
                        "%s/generation_config.json: suppress_tokens is not a list", c->model->path);
    int32_t *ids = qfs_arena_array(c->arena, tokens->count, sizeof(*ids));
    if (!ids)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < tokens->count; i++) {
        int64_t id;
        if (!qfs_json_int(&tokens->items[i], &id) || id < INT32_MIN || id > INT32_MAX)
            return qfs_fail(c->error, EINVAL,
                            "%s/generation_config.json: suppress_tokens is no list of token ids",
                            c->model->path);
        ids[i] = (int32_t)id;
    }
    if (tokens->count)
        qfs_kv_array(&c->out->kvs, "tokenizer.ggml.suppress_tokens", QFS_KV_I32, ids,
                     tokens->count);
    return 0;
}

/* -- draft models ------------------------------------------------------------------------------------- */

static int assistant_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return strstr(name, "masked_embedding") ? 0 : filter(c, name, ret_name);
}

static int assistant_keys(struct qfs_converter *c)
{
    int64_t size;
    int rc = keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &size, "backbone_hidden_size")) < 0)
        return rc;
    qfs_put_u32(c, "embedding_length_out", size);
    qfs_put_u32(c, "nextn_predict_layers", c->block_count);
    return 0;
}

const struct qfs_family qfs_family_gemma4 = {
    .arch = "gemma4",
    .hf_classes = classes,
    .parent = &qfs_family_gemma3,
    .filter = filter,
    .extra = extra,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};

const struct qfs_family qfs_family_gemma4_unified = {
    .arch = "gemma4",
    .hf_classes = unified_classes,
    .parent = &qfs_family_gemma4,
    .keys = unified_keys,
};

const struct qfs_family qfs_family_gemma4_assistant = {
    .arch = "gemma4-assistant",
    .hf_classes = assistant_classes,
    .parent = &qfs_family_gemma4,
    .filter = assistant_filter,
    .keys = assistant_keys,
};
