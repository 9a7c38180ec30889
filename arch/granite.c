/* IBM's Granite: dense, with experts, with sliding windows. Llama with multipliers. */
#include "converter.h"

#include <string.h>

static const char *const dense_classes[] = {"GraniteForCausalLM", NULL};
static const char *const moe_classes[] = {"GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM",
                                          NULL};
static const char *const swa_classes[] = {"GraniteSWAForCausalLM", NULL};
static const char *const moe_swa_classes[] = {"GraniteMoeSWAForCausalLM", NULL};

int qfs_granite_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "encoder.") || strstr(name, "image_") ||
        strstr(name, "layerwise_projectors") || strstr(name, "spatial_projectors"))
        return 0;
    return qfs_llama_filter(c, name, ret_name);
}

/* Written only where they are not zero. */
static const struct qfs_param multipliers[] = {
    {"attention.scale", QFS_PARAM_F32, {"attention_multiplier"}},
    {"embedding_scale", QFS_PARAM_F32, {"embedding_multiplier"}},
    {"residual_scale", QFS_PARAM_F32, {"residual_multiplier"}},
    {"logit_scale", QFS_PARAM_F32, {"logits_scaling"}},
    {NULL},
};

/* A projector of Granite Vision: the layer of the text model that it feeds. */
struct projector {
    int64_t vision_layer, text_layer;
};

static int compare_projectors(const struct projector *a, const struct projector *b)
{
    if (a->text_layer != b->text_layer)
        return a->text_layer < b->text_layer ? -1 : 1;
    return 0;
}

static void sort_projectors(struct projector *items, size_t count,
                            int (*compare)(const struct projector *, const struct projector *))
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && compare(&items[j - 1], &items[j]) > 0; j--) {
            struct projector swapped = items[j];
            items[j] = items[j - 1];
            items[j - 1] = swapped;
        }
}

static int compare_pairs(const struct projector *a, const struct projector *b)
{
    if (a->vision_layer != b->vision_layer)
        return a->vision_layer < b->vision_layer ? -1 : 1;
    return compare_projectors(a, b);
}

static int bad_map(struct qfs_converter *c)
{
    return qfs_fail(c->error, EINVAL,
                    "%s/config.json: deepstack_layer_map or spatial_target_layers does not name "
                    "layers of the model",
                    c->model->path);
}

/* Which projector's output goes into which layer (get_normalized_projector_map); -1: none. */
static int put_deepstack(struct qfs_converter *c)
{
    const struct qfs_json *pairs = qfs_hparam(c, "deepstack_layer_map");
    const struct qfs_json *spatial = qfs_hparam(c, "spatial_target_layers");
    const struct qfs_json *text = qfs_hparam(c, "text_config");
    int64_t nlayers = 0;
    if (!qfs_json_truthy(pairs) && !qfs_json_truthy(spatial))
        return 0;
    size_t npairs = qfs_json_is(pairs, QFS_JSON_ARRAY) ? pairs->count : 0;
    size_t nspatial = qfs_json_is(spatial, QFS_JSON_ARRAY) ? spatial->count : 0;
    struct projector *all = qfs_arena_array(c->arena, npairs + nspatial, sizeof(*all));
    int32_t *mapping = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*mapping));
    if (!all || !mapping)
        return qfs_fail_memory(c->error);
    if (!qfs_json_int(qfs_json_get(text, "num_hidden_layers"), &nlayers))
        return bad_map(c);
    for (size_t i = 0; i < npairs; i++) {
        const struct qfs_json *pair = qfs_json_at(pairs, i);
        if (!qfs_json_int(qfs_json_at(pair, 0), &all[i].vision_layer) ||
            !qfs_json_int(qfs_json_at(pair, 1), &all[i].text_layer))
            return bad_map(c);
    }
    sort_projectors(all, npairs, compare_pairs);
    for (size_t i = 0; i < nspatial; i++)
        if (!qfs_json_int(qfs_json_at(spatial, i), &all[npairs + i].text_layer))
            return bad_map(c);
    for (size_t i = 0; i < npairs; i++)
        if (all[i].text_layer < 0)
            all[i].text_layer += nlayers;
    sort_projectors(all, npairs + nspatial, compare_projectors);
    for (int64_t i = 0; i < c->block_count; i++)
        mapping[i] = -1;
    for (size_t i = 1; i < npairs + nspatial; i++) { /* the first is the embeddings' own */
        int64_t layer = all[i].text_layer;
        if (layer < 0)
            layer += c->block_count;
        if (layer < 0 || layer >= c->block_count)
            return bad_map(c);
        mapping[layer] = (int32_t)i;
    }
    qfs_put_i32s(c, "deepstack_mapping", mapping, (size_t)c->block_count);
    return 0;
}

int qfs_granite_keys(struct qfs_converter *c)
{
    qfs_hparam_remove(c, "head_dim");
    int rc = qfs_llama_keys(c);
    for (const struct qfs_param *p = multipliers; p->key && rc == 0; p++) {
        const struct qfs_json *value = qfs_hparam(c, p->names[0]);
        if (qfs_json_truthy(value))
            rc = qfs_put_param(c, p->key, p->type, value);
    }
    return rc < 0 ? rc : put_deepstack(c);
}

/* -- with experts ------------------------------------------------------------------------------------- */

static int put_shared_length(struct qfs_converter *c)
{
    const struct qfs_json *length = qfs_hparam(c, "shared_intermediate_size");
    return qfs_json_truthy(length)
               ? qfs_put_param(c, "expert_shared_feed_forward_length", QFS_PARAM_U32, length)
               : 0;
}

int qfs_granite_moe_keys(struct qfs_converter *c)
{
    int rc = qfs_granite_keys(c);
    return rc < 0 ? rc : put_shared_length(c);
}

static int merged_halves(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int64_t half)
{
    if (!data)
        return -c->error->code;
    if (data->ndim < 2 || data->shape[data->ndim - 2] != 2 * half)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s does not hold two times %lld rows",
                        c->model->path, name, (long long)half);
    return 0;
}

static int put_as(struct qfs_converter *c, const struct qfs_recipe *data, const char *key, int bid)
{
    const char *name = qfs_format_name(c, key, ".weight", bid);
    return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
}

/* Rows of gate, then as many of up. */
static int split(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                 const char *size_name, const char *gate, const char *up, int bid)
{
    int64_t half;
    int rc = qfs_hparam_count(c, &half, size_name);
    if (rc < 0 || (rc = merged_halves(c, data, name, half)) < 0 ||
        (rc = put_as(c, qfs_lazy_slice(c, data, -2, 0, half), gate, bid)) < 0)
        return rc;
    return put_as(c, qfs_lazy_slice(c, data, -2, half, half), up, bid);
}

int qfs_granite_moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    bool experts = qfs_json_truthy(qfs_hparam(c, "num_local_experts"));
    if (qfs_ends_with(name, "block_sparse_moe.input_linear.weight"))
        return split(c, data, name, "intermediate_size", "blk.{bid}.ffn_gate_exps",
                     "blk.{bid}.ffn_up_exps", bid);
    if (qfs_ends_with(name, "shared_mlp.input_linear.weight"))
        return experts ? split(c, data, name, "shared_intermediate_size",
                               "blk.{bid}.ffn_gate_shexp", "blk.{bid}.ffn_up_shexp", bid)
                       : split(c, data, name, "shared_intermediate_size", "blk.{bid}.ffn_gate",
                               "blk.{bid}.ffn_up", bid);
    if (!experts && qfs_ends_with(name, "shared_mlp.output_linear.weight"))
        return put_as(c, data, "blk.{bid}.ffn_down", bid);
    return qfs_llama_tensor(c, data, name, bid);
}

/* -- with sliding windows ----------------------------------------------------------------------------- */

static int swa_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (qfs_ends_with(name, "sinks") && !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_granite_filter(c, name, ret_name);
}

static int swa_keys(struct qfs_converter *c)
{
    const struct qfs_json *nope = qfs_hparam(c, "no_rope_layers");
    uint8_t *flags = qfs_arena_array(c->arena, (size_t)c->block_count + (nope ? nope->count : 0),
                                     sizeof(*flags));
    int rc = qfs_granite_keys(c);
    if (!flags)
        return qfs_fail_memory(c->error);
    if (rc < 0 || (rc = qfs_put_param_or(c, "attention.sliding_window", QFS_PARAM_U32,
                                         "sliding_window", 128)) < 0)
        return rc;
    if (qfs_json_truthy(qfs_hparam(c, "layer_types"))) {
        if ((rc = qfs_put_layer_flags(c, "attention.sliding_window_pattern", "layer_types",
                                      "sliding_attention")) < 0)
            return rc;
    } else {
        for (int64_t i = 0; i < c->block_count; i++)
            flags[i] = i % 4 != 0;
        qfs_put_bools(c, "attention.sliding_window_pattern", flags, (size_t)c->block_count);
    }
    if (!qfs_json_truthy(nope))
        return 0;
    for (uint32_t i = 0; i < nope->count; i++)
        flags[i] = qfs_json_truthy(qfs_json_at(nope, i));
    qfs_put_bools(c, "attention.rope_pattern", flags, nope->count);
    return 0;
}

static int moe_swa_keys(struct qfs_converter *c)
{
    int rc = swa_keys(c);
    return rc < 0 ? rc : put_shared_length(c);
}

/* Gate and up stay together. */
static int moe_swa_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    static const struct {
        const char *suffix, *key, *size_names[2];
    } rules[] = {
        {"block_sparse_moe.experts.gate_up_proj",
         "blk.{bid}.ffn_gate_up_exps",
         {"intermediate_size"}},
        {"block_sparse_moe.experts.down_proj", "blk.{bid}.ffn_down_exps", {NULL}},
        {"block_sparse_moe.input_linear.weight",
         "blk.{bid}.ffn_gate_up_exps",
         {"intermediate_size"}},
        {"shared_mlp.input_linear.weight",
         "blk.{bid}.ffn_up_shexp",
         {"shared_intermediate_size", "intermediate_size"}},
        {"shared_mlp.output_linear.weight", "blk.{bid}.ffn_down_shexp", {NULL}},
    };
    for (size_t i = 0; i < QFS_COUNT(rules); i++) {
        int64_t half;
        int rc;
        if (!qfs_ends_with(name, rules[i].suffix))
            continue;
        if (rules[i].size_names[0] && ((rc = qfs_hparam_count(c, &half, rules[i].size_names[0],
                                                              rules[i].size_names[1])) < 0 ||
                                       (rc = merged_halves(c, data, name, half)) < 0))
            return rc;
        return put_as(c, data, rules[i].key, bid);
    }
    return qfs_llama_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_granite = {
    .arch = "granite",
    .hf_classes = dense_classes,
    .parent = &qfs_family_llama,
    .filter = qfs_granite_filter,
    .keys = qfs_granite_keys,
};

const struct qfs_family qfs_family_granitemoe = {
    .arch = "granitemoe",
    .hf_classes = moe_classes,
    .parent = &qfs_family_granite,
    .tensor = qfs_granite_moe_tensor,
    .keys = qfs_granite_moe_keys,
};

const struct qfs_family qfs_family_granite_swa = {
    .arch = "granite_swa",
    .hf_classes = swa_classes,
    .parent = &qfs_family_granite,
    .filter = swa_filter,
    .keys = swa_keys,
};

const struct qfs_family qfs_family_granite_moe_swa = {
    .arch = "granite_swa",
    .hf_classes = moe_swa_classes,
    .parent = &qfs_family_granite_swa,
    .tensor = moe_swa_tensor,
    .keys = moe_swa_keys,
};
