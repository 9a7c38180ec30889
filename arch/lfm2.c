/* Liquid's LFM2: short convolutions and attention; with experts; as an encoder with a projection behind it;
 * the vocoder of LFM2.5-Audio. */
#include "converter.h"

#include <string.h>

#include "vocab/vocab.h"

static const char *const classes[] = {"Lfm2ForCausalLM", "LFM2ForCausalLM", NULL};
static const char *const encoder_classes[] = {"Lfm2Model", "Lfm2BidirectionalModel", NULL};
static const char *const moe_classes[] = {"Lfm2MoeForCausalLM", NULL};
static const char *const audio_classes[] = {"Lfm25AudioTokenizer", NULL};

/* Heads of keys and values by layer: none where it is a convolution. */
static int set_kv_heads(struct qfs_converter *c, const char *type, bool with_type)
{
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    int64_t nheads;
    int rc = qfs_hparam_count(c, &nheads, "num_key_value_heads");
    if (rc < 0)
        return rc;
    if (!qfs_json_is(types, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_types is not a list",
                        c->model->path);
    struct qfs_json list = {.kind = QFS_JSON_ARRAY, .count = types->count};
    list.items = qfs_arena_array(c->arena, types->count, sizeof(*list.items));
    if (!list.items)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < types->count; i++) {
        bool is = qfs_text_is(qfs_json_text(&types->items[i]), type);
        list.items[i] =
            (struct qfs_json){.kind = QFS_JSON_INT, .integer = is == with_type ? nheads : 0};
    }
    return qfs_hparam_set(c, "num_key_value_heads", &list);
}

/* int(x) of a positive Python number */
static int put_width(struct qfs_converter *c)
{
    const struct qfs_json *factor = qfs_hparam(c, "block_ffn_dim_multiplier");
    const struct qfs_json *adjust = qfs_hparam(c, "block_auto_adjust_ff_dim");
    int64_t width, multiple;
    double times = 1;
    int rc;
    if ((rc = qfs_hparam_count(c, &width, "block_ff_dim", "intermediate_size")) < 0)
        return rc;
    if (!adjust || !factor || !qfs_hparam(c, "block_multiple_of"))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: has no block_auto_adjust_ff_dim, "
                        "block_ffn_dim_multiplier or block_multiple_of",
                        c->model->path);
    if (qfs_json_truthy(adjust)) {
        if ((rc = qfs_hparam_count(c, &multiple, "block_multiple_of")) < 0 ||
            (!qfs_json_is_null(factor) &&
             (rc = qfs_hparam_real(c, "block_ffn_dim_multiplier", &times)) < 0))
            return rc;
        if (multiple == 0 || !(times >= 0 && times < 1e6))
            return qfs_fail(
                c->error, EINVAL,
                "%s/config.json: block_multiple_of or block_ffn_dim_multiplier is no size",
                c->model->path);
        width = (int64_t)(times * (double)(2 * width / 3));
        width = (width + multiple - 1) / multiple * multiple;
    }
    qfs_put_u32(c, "feed_forward_length", width);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_U32, "shortconv.l_cache", {"conv_L_cache"}},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"norm_eps"}},
        {QFS_RULE_END},
    };
    int rc = set_kv_heads(c, "conv", false);
    if (rc < 0 || (rc = qfs_text_keys(c)) < 0 || (rc = qfs_put_rules(c, rules)) < 0)
        return rc;
    return put_width(c);
}

/* ConformerAudioModel.is_audio_tensor */
static bool is_audio(const char *name)
{
    static const char *const parts[] = {"audio",           "codebook",    "conformer",
                                        "depth_embedding", "depthformer", "depth_linear"};
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (is_audio(name))
        return 0;
    name = qfs_name_replace(c, name, "lfm.", "model.");
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strstr(name, "conv.conv"))
        data = qfs_lazy_squeeze_axis(c, data, 1);
    return qfs_text_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_lfm2 = {
    .arch = "lfm2",
    .hf_classes = classes,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
};

/* -- with experts ----------------------------------------------------------------------------------- */

static int moe_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    name = qfs_name_swap_suffix(c, name, ".expert_bias", ".expert_bias.bias");
    *ret_name = NULL;
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

static int moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    static const struct qfs_expert_layout experts = {
        "model.layers.{bid}.feed_forward.experts.{xid}.{w}.weight",
        "layers.{bid}.feed_forward.experts.{w}.weight",
        {"w1", "w2", "w3"},
    };
    if (!strstr(name, "experts"))
        return tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &experts, "num_local_experts", "num_experts");
}

static int moe_keys(struct qfs_converter *c)
{
    enum { SIGMOID = 2 };
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_U32, "expert_feed_forward_length", {"moe_intermediate_size"}},
        {QFS_RULE_U32, "leading_dense_block_count", {"num_dense_layers"}},
        {QFS_RULE_IS_U32, "expert_gating_func", .number = SIGMOID},
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_U32, "shortconv.l_cache", {"conv_L_cache"}},
        {QFS_RULE_END},
    };
    int rc = set_kv_heads(c, "full_attention", true);
    return rc < 0 || (rc = qfs_text_keys(c)) < 0 ? rc : qfs_put_rules(c, rules);
}

const struct qfs_family qfs_family_lfm2moe = {
    .arch = "lfm2moe",
    .hf_classes = moe_classes,
    .filter = moe_filter,
    .tensor = moe_tensor,
    .keys = moe_keys,
};

/* -- the vocoder of LFM2.5-Audio ---------------------------------------------------------------------- */

static int vocoder_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strcmp(name, "istft.window") == 0 || qfs_starts_with(name, "emb.emb"))
        return 0;
    if (qfs_starts_with(name, "lin") && !(name = qfs_name_replace(c, name, "lin", "dense_2_out")))
        return -ENOMEM;
    return filter(c, name, ret_name);
}

static int vocoder_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_U32, "attention.sliding_window", {"sliding_window"}},
        {QFS_RULE_U32, "embedding_length_out", {"output_size"}},
        {QFS_RULE_END},
    };
    int rc = keys(c);
    return rc < 0 ? rc : qfs_put_rules(c, rules);
}

static int vocoder_vocab(struct qfs_converter *c)
{
    return qfs_vocab_none(c->out, c->error);
}

const struct qfs_family qfs_family_lfm2_vocoder = {
    .hf_classes = audio_classes,
    .parent = &qfs_family_lfm2,
    .filter = vocoder_filter,
    .keys = vocoder_keys,
    .vocab = vocoder_vocab,
};

/* -- encoders: ColBERT and embeddings ----------------------------------------------------------------- */

static int encoder_keys(struct qfs_converter *c)
{
    int rc = keys(c);
    if (rc < 0)
        return rc;
    if (strcmp(c->hf_class, "Lfm2BidirectionalModel") == 0)
        qfs_put_bool(c, "attention.causal", false);
    return qfs_put_pooling(c);
}

static int encoder_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    if (!qfs_starts_with(name, "dense_2") && !(name = qfs_arena_printf(c->arena, "model.%s", name)))
        return qfs_fail_memory(c->error);
    return tensor(c, data, name, bid);
}

/* The projection lies in a file of its own, which is not read yet. */
static int encoder_extra(struct qfs_converter *c)
{
    if (qfs_vocab_file_exists(c->model, "1_Dense/model.safetensors"))
        return qfs_fail(
            c->error, ENOTSUP,
            "%s/1_Dense/model.safetensors: a projection behind the model is not supported",
            c->model->path);
    return 0;
}

const struct qfs_family qfs_family_lfm2_encoder = {
    .hf_classes = encoder_classes,
    .parent = &qfs_family_lfm2,
    .extra = encoder_extra,
    .tensor = encoder_tensor,
    .keys = encoder_keys,
};
