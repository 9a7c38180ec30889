/* Poolside's Laguna: heads, rotation and the attention's gate differ between layers. */
#include "converter.h"

#include <string.h>

#include "vocab/vocab.h"
#include "vocab/vocab_ways.h"

static const char *const classes[] = {"LagunaForCausalLM", NULL};

enum gate { PER_HEAD, PER_ELEMENT, UNKNOWN_GATE };

static enum gate gate_of(const struct qfs_json *text)
{
    struct qfs_text name = qfs_json_text(text);
    if (qfs_text_is(name, "per_head") || qfs_text_is(name, "per-head"))
        return PER_HEAD;
    if (qfs_text_is(name, "per_element") || qfs_text_is(name, "per-element"))
        return PER_ELEMENT;
    return UNKNOWN_GATE;
}

/* The gate of a layer; all layers are checked. */
static int find_gate(struct qfs_converter *c, int64_t layer, enum gate *ret_gate)
{
    const struct qfs_json *gating = qfs_hparam(c, "gating");
    const struct qfs_json *types = qfs_hparam(c, "gating_types");
    bool listed = qfs_json_truthy(types), element = false;
    enum gate named = qfs_json_is(gating, QFS_JSON_STRING) ? gate_of(gating)
                      : qfs_json_is(gating, QFS_JSON_TRUE) ? PER_HEAD
                                                           : UNKNOWN_GATE;
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (listed && (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count != nlayers))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: gating_types is not a list of all layers", c->model->path);
    for (int64_t i = 0; i < nlayers; i++) {
        enum gate gate = listed ? gate_of(qfs_json_at(types, (size_t)i)) : named;
        if (gate == UNKNOWN_GATE)
            return qfs_fail(
                c->error, EINVAL,
                "%s/config.json: the attention's gate (gating, gating_types) is neither "
                "per-head nor per-element",
                c->model->path);
        element = element || gate == PER_ELEMENT;
        if (i == layer)
            *ret_gate = gate;
    }
    if (element && !(qfs_json_is(gating, QFS_JSON_STRING) && named == PER_ELEMENT))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: gating_types has per-element gates, so gating must be "
                        "\"per-element\"",
                        c->model->path);
    return 0;
}

/* -- tensors --------------------------------------------------------------------------------------------- */

/* ".mlp.experts.N." anywhere in it */
static bool is_expert(const char *name)
{
    static const char part[] = "mlp.experts.";
    for (const char *at = strstr(name, part); at; at = strstr(at + 1, part)) {
        size_t digits = strspn(at + strlen(part), "0123456789");
        if (digits && at[strlen(part) + digits] == '.')
            return true;
    }
    return false;
}

static int check_gate(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    const struct qfs_json *heads = qfs_hparam(c, "num_attention_heads_per_layer");
    enum gate gate = PER_HEAD;
    int64_t nheads, dim;
    int rc;
    if (!data)
        return -c->error->code;
    if ((rc = qfs_hparam_count(c, &dim, "head_dim")) < 0 || (rc = find_gate(c, bid, &gate)) < 0)
        return rc;
    if (!qfs_json_truthy(heads))
        rc = qfs_hparam_count(c, &nheads, "num_attention_heads");
    else if (!qfs_json_int(qfs_json_at(heads, (size_t)bid), &nheads))
        rc = qfs_fail(c->error, EINVAL,
                      "%s/config.json: num_attention_heads_per_layer lacks layers", c->model->path);
    if (rc < 0)
        return rc;
    if (data->ndim < 1 || data->shape[0] != (gate == PER_ELEMENT ? nheads * dim : nheads))
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its rows contradict the gate of config.json",
                        c->model->path, name);
    return 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int rc;
    if (is_expert(name)) {
        return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts_down_last, "num_local_experts",
                             "num_experts");
    }
    if (bid >= 0 && qfs_ends_with(name, "self_attn.g_proj.weight") &&
        (rc = check_gate(c, data, name, bid)) < 0)
        return rc;
    return qfs_text_tensor(c, data, name, bid);
}

/* -- keys ------------------------------------------------------------------------------------------------ */

static int put_heads(struct qfs_converter *c)
{
    const struct qfs_json *heads = qfs_hparam(c, "num_attention_heads_per_layer");
    int64_t nlayers, nheads;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (qfs_json_truthy(heads)) {
        if (!qfs_json_is(heads, QFS_JSON_ARRAY) || heads->count != nlayers)
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: num_attention_heads_per_layer is not a list of all "
                            "layers",
                            c->model->path);
        return qfs_put_param(c, "attention.head_count", QFS_PARAM_U32_OR_LIST, heads);
    }
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0)
        return rc;
    int32_t *all = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*all));
    if (!all)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < nlayers; i++)
        all[i] = (int32_t)nheads;
    qfs_put_i32s(c, "attention.head_count", all, (size_t)nlayers);
    return 0;
}

static int put_rope(struct qfs_converter *c)
{
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *sliding = qfs_json_get(c->rope, "sliding_attention");
    int64_t dim;
    int rc = qfs_hparam_count(c, &dim, "head_dim");
    if (rc < 0)
        return rc;
    if (!full)
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_parameters has no full_attention",
                        c->model->path);
    double factor = qfs_json_number_or(full, "partial_rotary_factor", 1.0);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)((double)dim * factor));
    factor = qfs_json_number_or(sliding, "partial_rotary_factor", 1.0);
    if (!qfs_json_is_null(sliding))
        qfs_put_u32(c, "rope.dimension_count_swa", (int64_t)((double)dim * factor));
    return 0;
}

static int put_experts(struct qfs_converter *c)
{
    static const struct qfs_param sizes[] = {
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_feed_forward_length",
         QFS_PARAM_U32,
         {"shared_expert_intermediate_size"},
         true},
        {NULL},
    };
    const struct qfs_json *types = qfs_hparam(c, "mlp_layer_types");
    int64_t ndense = 0;
    int rc = qfs_put_params(c, sizes);
    if (rc < 0)
        return rc;
    qfs_put_bool(c, "expert_weights_norm", true);
    if ((rc = qfs_put_one(c, "expert_weights_scale", QFS_PARAM_F32, {"moe_routed_scaling_factor"},
                          true)) < 0)
        return rc;
    qfs_put_sigmoid_gating(c);
    if (!qfs_json_is(types, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: mlp_layer_types is not a list",
                        c->model->path);
    while (qfs_text_is(qfs_json_text(qfs_json_at(types, (size_t)ndense)), "dense"))
        ndense++;
    qfs_put_u32(c, "leading_dense_block_count", ndense);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    const struct qfs_json *window = qfs_hparam(c, "sliding_window");
    enum gate gate;
    int rc;
    if ((rc = qfs_text_keys(c)) < 0 ||
        (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = put_heads(c)) < 0 || (rc = find_gate(c, 0, &gate)) < 0)
        return rc;
    if (qfs_json_truthy(window) &&
        (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)) < 0)
        return rc;
    rc = put_experts(c);
    return rc < 0 ? rc : put_rope(c);
}

/* -- vocabulary ------------------------------------------------------------------------------------------ */

/* The end of a turn, which is among the ids that end a text, is not the beginning of one. */
static int put_end_of_turn(struct qfs_converter *c)
{
    const struct qfs_json *ends = qfs_hparam(c, "eos_token_id");
    int64_t begin, id;
    bool has_begin = qfs_json_int(qfs_hparam(c, "bos_token_id"), &begin);
    for (size_t i = 0; qfs_json_is(ends, QFS_JSON_ARRAY) && qfs_json_at(ends, i); i++) {
        if (!qfs_json_int(qfs_json_at(ends, i), &id) || id < 0 || id > UINT32_MAX)
            return qfs_fail(c->error, EINVAL, "%s/config.json: eos_token_id has no ids in it",
                            c->model->path);
        if (has_begin && id == begin)
            continue;
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.eot_token_id", (uint32_t)id);
        return 0;
    }
    return 0;
}

static int vocab(struct qfs_converter *c)
{
    static const char *const control[] = {"</assistant>", NULL};
    const struct qfs_vocab_way way = {.control = control};
    struct qfs_text template = {0};
    int rc = qfs_vocab_gpt2_way(c->out, c->hparams, &way, c->error);
    if (rc < 0)
        return rc;
    if (qfs_vocab_file_exists(c->model, "chat_template.jinja")) {
        rc = qfs_vocab_read_text(c->arena, c->model, "chat_template.jinja", &template, c->error);
        if (rc < 0)
            return rc;
        if (template.size)
            qfs_kv_text(&c->out->kvs, "tokenizer.chat_template", template);
    }
    return put_end_of_turn(c);
}

const struct qfs_family qfs_family_laguna = {
    .arch = "laguna",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
