/* Nemotron-H and Nemotron Nano: layers that are Mamba 2, attention, or a feed-forward part (with experts in
 * the later ones), each alone. */
#include "hybrid.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const classes[] = {"NemotronHForCausalLM", NULL};

/* -- layers ------------------------------------------------------------------------------------------- */

static const struct {
    char letter;          /* in hybrid_override_pattern */
    const char *names[2]; /* in layers_block_type */
    uint8_t part;
} layer_kinds[] = {
    {'M', {"mamba", "linear_attention"}, QFS_LAYER_SSM},
    {'*', {"attention", "full_attention"}, QFS_LAYER_ATTENTION},
    {'E', {"moe", NULL}, QFS_LAYER_MLP},
    {'-', {NULL, NULL}, QFS_LAYER_MLP},
};

static uint8_t part_of(const struct qfs_json *pattern, size_t layer, bool experts)
{
    struct qfs_text letters = qfs_json_text(pattern);
    struct qfs_text name = qfs_json_text(qfs_json_at(pattern, layer));
    for (size_t i = 0; i < QFS_COUNT(layer_kinds); i++) {
        char letter = layer_kinds[i].letter;
        bool other = letter == (experts ? '-' : 'E'); /* the letter of the other kind of model */
        if (letters.size && !other && letters.data[layer] == letter)
            return layer_kinds[i].part;
        for (size_t j = 0; !letters.size && j < 2 && layer_kinds[i].names[j]; j++)
            if (qfs_text_is(name, layer_kinds[i].names[j]))
                return layer_kinds[i].part;
    }
    return 0;
}

static int mark_layers(struct qfs_converter *c, struct qfs_hybrid *h)
{
    const struct qfs_json *pattern = qfs_hparam(c, "hybrid_override_pattern");
    bool others = false;
    if (!qfs_json_truthy(pattern))
        pattern = qfs_hparam(c, "layers_block_type");
    if (qfs_json_is_null(pattern)) {
        h->has_ssm = true; /* no layer is attention */
        return 0;
    }
    if ((!qfs_json_is(pattern, QFS_JSON_STRING) && !qfs_json_is(pattern, QFS_JSON_ARRAY)) ||
        pattern->count != c->block_count)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: hybrid_override_pattern or layers_block_type does not say "
                        "what each of the %lld layers is",
                        c->model->path, (long long)c->block_count);
    for (int64_t i = 0; i < c->block_count; i++) {
        h->layers[i] = part_of(pattern, (size_t)i, h->has_experts);
        others |= h->layers[i] != QFS_LAYER_ATTENTION;
    }
    h->has_ssm = others;
    return 0;
}

/* One draft layer, which has attention and experts. */
static int add_draft_layer(struct qfs_converter *c, struct qfs_hybrid *h)
{
    const struct qfs_json *count = qfs_hparam(c, "num_nextn_predict_layers");
    int64_t ndrafts = 0;
    if (!h->has_experts || !qfs_json_truthy(count))
        return 0;
    if (!qfs_json_int(count, &ndrafts) || ndrafts != 1)
        return qfs_fail(c->error, EINVAL, "%s/config.json: num_nextn_predict_layers is not 1",
                        c->model->path);
    h->draft_layer = c->block_count++;
    h->layers[h->draft_layer] = QFS_LAYER_ATTENTION | QFS_LAYER_MLP;
    return 0;
}

static int begin(struct qfs_converter *c)
{
    const struct qfs_json *config = c->model->config, *inner = qfs_json_get(config, "llm_config");
    const struct qfs_json *types = qfs_json_get(inner, "layers_block_type");
    struct qfs_json *copy = qfs_dict_copy(c->arena, config);
    struct qfs_json count = {.kind = QFS_JSON_INT};
    bool experts =
        qfs_json_get(config, "num_experts_per_tok") || qfs_json_get(inner, "num_experts_per_tok");
    int64_t nheads;
    int rc;
    if (!types)
        types = qfs_json_get(config, "layers_block_type");
    count.integer = types ? types->count : 0;
    if (!copy ||
        (!qfs_json_is_null(types) && qfs_dict_set(c->arena, copy, "num_hidden_layers", &count) < 0))
        return qfs_fail_memory(c->error);
    if ((rc = qfs_config_use(c, copy)) < 0 || (rc = qfs_hybrid_init(c)) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_heads", "mamba_num_heads")) < 0)
        return rc;
    struct qfs_hybrid *h = qfs_hybrid_of(c);
    h->has_experts = experts;
    h->sizes.inner = nheads * h->sizes.width;
    c->arch = experts ? "nemotron_h_moe" : "nemotron_h";
    if ((rc = qfs_hparam_count(c, &h->head_dim, "head_dim", "attention_head_dim")) < 0 ||
        (rc = mark_layers(c, h)) < 0)
        return rc;
    return add_draft_layer(c, h);
}

/* -- tensors ------------------------------------------------------------------------------------------ */

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (qfs_starts_with(name, "model.layers.") && strstr(name, ".mixer.") &&
        !(name = qfs_arena_printf(c->arena, "backbone.layers.%s", name + strlen("model.layers."))))
        return qfs_fail_memory(c->error);
    return qfs_hybrid_filter(c, name, ret_name);
}

static const char *draft_name(struct qfs_converter *c, const char *name, int64_t layer)
{
    static const char *const renamed[][2] = {
        {"mtp.layers.0.enorm.weight", "enorm"},
        {"mtp.layers.0.hnorm.weight", "hnorm"},
        {"mtp.layers.0.eh_proj.weight", "eh_proj"},
        {"mtp.layers.1.norm.weight", "post_attention_layernorm"},
        {"mtp.layers.1.final_layernorm.weight", "shared_head.norm"},
    };
    const char *changed = NULL;
    for (size_t i = 0; i < QFS_COUNT(renamed) && !changed; i++)
        if (strcmp(name, renamed[i][0]) == 0)
            changed = qfs_arena_printf(c->arena, "model.layers.%lld.%s.weight", (long long)layer,
                                       renamed[i][1]);
    if (!changed)
        changed = qfs_arena_printf(c->arena, "backbone.layers.%lld.%s", (long long)layer,
                                   name + strlen("mtp.layers.0."));
    if (!changed)
        qfs_fail_memory(c->error);
    return changed;
}

static const struct qfs_expert_layout experts = {
    "backbone.layers.{bid}.mixer.experts.{xid}.{w}.weight",
    "model.layers.{bid}.mlp.experts.{w}.weight",
    {"down_proj", "up_proj"},
};

/* [n] or the like as [n, 1] */
static const struct qfs_recipe *column(struct qfs_converter *c, const struct qfs_recipe *a)
{
    return a ? qfs_lazy_reshape(c, a, 2, (const int64_t[]){qfs_recipe_count(a), 1}) : NULL;
}

/* What models with experts do with a tensor of a layer; *ret_done is false where it is nothing special. */
static int expert_model_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                               const char *name, int bid, bool *ret_done)
{
    const struct qfs_hybrid *h = qfs_hybrid_of(c);
    int64_t ngroups = QFS_MAX(h->sizes.ngroups, (int64_t)1);
    *ret_done = true;
    if (!data)
        return -c->error->code;
    if (qfs_ends_with(name, "mixer.gate.e_score_correction.bias"))
        return qfs_text_tensor(c, data, name, bid);
    if (qfs_ends_with(name, "mixer.conv1d.weight"))
        return qfs_text_tensor(c, qfs_lazy_squeeze(c, data), name, bid);
    if (qfs_ends_with(name, "mixer.A_log"))
        return qfs_text_tensor(c, column(c, qfs_lazy_unary(c, QFS_OP_NEG_EXP, data, 0)), name, bid);
    if (qfs_ends_with(name, "mixer.D"))
        return qfs_text_tensor(c, column(c, data), name, bid);
    if (qfs_ends_with(name, "mixer.norm.weight")) {
        const int64_t shape[] = {ngroups, qfs_recipe_count(data) / ngroups};
        return qfs_text_tensor(c, qfs_lazy_reshape(c, data, 2, shape), name, bid);
    }
    if (strstr(name, "mixer.experts"))
        return qfs_expert_of(c, data, name, bid, &experts, "n_routed_experts");
    *ret_done = false;
    return 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const struct qfs_hybrid *h = qfs_hybrid_of(c);
    bool done = false;
    if (h->draft_layer >= 0 &&
        (qfs_starts_with(name, "mtp.layers.0.") || qfs_starts_with(name, "mtp.layers.1."))) {
        bid = (int)h->draft_layer;
        if (!(name = draft_name(c, name, h->draft_layer)))
            return -c->error->code;
    }
    if (h->has_experts && bid >= 0) {
        int rc = expert_model_tensor(c, data, name, bid, &done);
        if (rc < 0 || done)
            return rc;
    }
    return qfs_hybrid_tensor(c, data, name, bid);
}

/* -- keys --------------------------------------------------------------------------------------------- */

static const struct qfs_param expert_params[] = {
    {"expert_used_count", QFS_PARAM_U32, {"num_experts_per_tok"}, true},
    {"expert_feed_forward_length", QFS_PARAM_U32, {"moe_intermediate_size"}, true},
    {"expert_shared_feed_forward_length",
     QFS_PARAM_U32,
     {"moe_shared_expert_intermediate_size"},
     true},
    {"expert_count", QFS_PARAM_U32, {"n_routed_experts"}, true},
    {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}, true},
    {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
    {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
    {"expert_group_count", QFS_PARAM_U32, {"n_group"}, true},
    {"moe_latent_size", QFS_PARAM_U32, {"moe_latent_size"}},
    {NULL},
};

static int keys(struct qfs_converter *c)
{
    const struct qfs_hybrid *h = qfs_hybrid_of(c);
    int32_t *lengths = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*lengths));
    int64_t length;
    int rc = lengths ? qfs_hybrid_keys(c) : qfs_fail_memory(c->error);
    if (rc < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", h->head_dim);
    qfs_put_u32(c, "attention.value_length", h->head_dim);
    rc = h->has_experts
             ? qfs_hparam_count(c, &length, "moe_intermediate_size")
             : qfs_hparam_count(c, &length, "intermediate_size", "n_inner", "hidden_dim");
    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < c->block_count; i++)
        lengths[i] = h->layers[i] & QFS_LAYER_MLP ? (int32_t)length : 0;
    qfs_put_i32s(c, "feed_forward_length", lengths, (size_t)c->block_count);
    if (h->has_experts && (rc = qfs_put_params(c, expert_params)) < 0)
        return rc;
    if (h->draft_layer >= 0)
        qfs_put_u32(c, "nextn_predict_layers", 1);
    return 0;
}

/* The vocabulary is filled up to a multiple of 8. */
static int vocab(struct qfs_converter *c)
{
    int64_t size;
    int rc = qfs_hparam_count(c, &size, "vocab_size");
    if (rc < 0 || (rc = qfs_hparam_set_int(c, "vocab_size", (size + 7) / 8 * 8)) < 0 ||
        (rc = qfs_vocab_gpt2(c->out, c->hparams, c->error)) < 0)
        return rc;
    if (!qfs_hybrid_of(c)->has_experts)
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", true);
    return 0;
}

const struct qfs_family qfs_family_nemotron_h = {
    .arch = "nemotron_h",
    .hf_classes = classes,
    .extra = qfs_llama3_rope_factors,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
