/* DeepSeek V4: hyper-connections, compressed attention, experts in MXFP4, which go into the file as they
 * are, and a first few layers that route by a table of tokens. FP8 weights become Q8_0; draft heads are
 * left out. */
#include "converter.h"

#include <string.h>

#include "vocab/vocab_ways.h"

static const char *const classes[] = {"DeepseekV4ForCausalLM", NULL};

static int begin(struct qfs_converter *c)
{
    const struct qfs_json *raw = c->model->config_raw;
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *scaling = qfs_json_get(raw, "rope_scaling");
    for (uint32_t i = 0; qfs_json_is(raw, QFS_JSON_OBJECT) && i < raw->count; i++)
        if (!qfs_hparam(c, raw->members[i].key.data) &&
            qfs_hparam_set(c, raw->members[i].key.data, &raw->members[i].value) < 0)
            return -ENOMEM;
    /* transformers sorts the rotation by its use, and has none of its type */
    if (qfs_json_is_null(qfs_json_get(full ? full : c->rope, "rope_type")) &&
        qfs_json_is(scaling, QFS_JSON_OBJECT)) {
        const struct qfs_json *type = qfs_json_get(scaling, "type");
        if (qfs_dict_merge(c->arena, c->rope, scaling) < 0 ||
            (!qfs_json_get(scaling, "rope_type") && !qfs_json_is_null(type) &&
             qfs_dict_set(c->arena, c->rope, "rope_type", type) < 0))
            return qfs_fail_memory(c->error);
    }
    return qfs_hparam_count(c, &c->block_count, "num_hidden_layers");
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "aligner.") || qfs_starts_with(name, "image_") ||
        qfs_starts_with(name, "mtp."))
        return 0;
    return qfs_text_filter(c, name, ret_name);
}

/* -- packed weights ---------------------------------------------------------------------------------------- */

static int dequant(struct qfs_converter *c)
{
    struct qfs_json size[2] = {{.kind = QFS_JSON_INT, .integer = 128},
                               {.kind = QFS_JSON_INT, .integer = 128}};
    const struct qfs_json block = {.kind = QFS_JSON_ARRAY, .count = 2, .items = size};
    size_t count = c->ntensors;
    for (size_t i = 0; i < count; i++) {
        const char *name = c->tensors[i].name;
        if (!name || !qfs_ends_with(name, ".scale"))
            continue;
        const struct qfs_recipe *scale = c->tensors[i].recipe;
        const char *weight_name = qfs_name_swap_suffix(c, name, ".scale", ".weight");
        const struct qfs_lazy *weight = weight_name ? qfs_tensor_find(c, weight_name) : NULL;
        if (!weight_name)
            return -ENOMEM;
        if (!weight || (weight->recipe->dtype != QFS_DTYPE_F8_E4M3 &&
                        weight->recipe->dtype != QFS_DTYPE_F8_E5M2))
            continue;
        if (scale->dtype != QFS_DTYPE_F8_E8M0)
            return qfs_fail(c->error, ENOTSUP, "%s: tensor %s: its type is not F8_E8M0",
                            c->model->path, name);
        int rc =
            qfs_tensor_set(c, weight_name, qfs_dequant_simple(c, weight->recipe, scale, &block));
        if (rc < 0)
            return rc;
        qfs_tensor_remove(c, name);
    }
    return 0;
}

static const struct qfs_packed_experts packed_experts = {
    "layers.{bid}.ffn.experts.{xid}.{w}.weight",
    "layers.{bid}.ffn.experts.{xid}.{w}.scale",
    {{"w1", "blk.{bid}.ffn_gate_exps"},
     {"w2", "blk.{bid}.ffn_down_exps"},
     {"w3", "blk.{bid}.ffn_up_exps"}},
    .everywhere = true,
};

/* The table of a layer that routes by token: experts' numbers. */
static int put_table(struct qfs_converter *c, int64_t bid)
{
    const char *name = qfs_arena_printf(c->arena, "layers.%lld.ffn.gate.tid2eid", (long long)bid);
    const struct qfs_lazy *table = name ? qfs_tensor_find(c, name) : NULL;
    if (!name)
        return qfs_fail_memory(c->error);
    if (!table)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is missing: download the model again",
                        c->model->path, name);
    if (table->recipe->dtype != QFS_DTYPE_I32 && table->recipe->dtype != QFS_DTYPE_I64)
        return qfs_fail(c->error, ENOTSUP, "%s: tensor %s holds no integers", c->model->path, name);
    return qfs_emit_integers(c, table->recipe, name,
                             qfs_format_name(c, "blk.{bid}.ffn_gate_tid2eid", ".weight", (int)bid));
}

static int extra(struct qfs_converter *c)
{
    const char *base = strrchr(c->model->path, '/');
    bool newer = strstr(base && base[1] ? base + 1 : c->model->path, "0731") ||
                 strstr(c->model->name, "0731");
    struct qfs_text template = qfs_vocab_template(newer ? "deepseek-ai-DeepSeek-V4-Flash-0731.jinja"
                                                        : "deepseek-ai-DeepSeek-V4.jinja");
    int64_t nhash, nexperts;
    int rc;
    if (template.size)
        qfs_kv_text(&c->out->kvs, "tokenizer.chat_template", template);
    if ((rc = qfs_hparam_count(c, &nhash, "num_hash_layers")) < 0 ||
        (rc = qfs_hparam_count(c, &nexperts, "n_routed_experts")) < 0)
        return rc;
    for (int64_t bid = 0; bid < nhash && rc == 0; bid++)
        rc = put_table(c, bid);
    return rc < 0 ? rc : qfs_pack_experts(c, nexperts, &packed_experts);
}

/* -- tensors ----------------------------------------------------------------------------------------------- */

static const char *const names[][2] = {
    {"embed.weight", "token_embd.weight"},     {"norm.weight", "output_norm.weight"},
    {"head.weight", "output.weight"},          {"hc_head_fn", "output_hc_fn.weight"},
    {"hc_head_base", "output_hc_base.weight"}, {"hc_head_scale", "output_hc_scale.weight"},
};

static const char *const layer_names[][2] = {
    {"hc_attn_fn", "hc_attn_fn.weight"},
    {"hc_attn_base", "hc_attn_base.weight"},
    {"hc_attn_scale", "hc_attn_scale.weight"},
    {"hc_ffn_fn", "hc_ffn_fn.weight"},
    {"hc_ffn_base", "hc_ffn_base.weight"},
    {"hc_ffn_scale", "hc_ffn_scale.weight"},
    {"attn.attn_sink", "attn_sinks.weight"},
    {"attn.wq_a.weight", "attn_q_a.weight"},
    {"attn.wq_b.weight", "attn_q_b.weight"},
    {"attn.q_norm.weight", "attn_q_a_norm.weight"},
    {"attn.wkv.weight", "attn_kv.weight"},
    {"attn.kv_norm.weight", "attn_kv_a_norm.weight"},
    {"attn.wo_a.weight", "attn_output_a.weight"},
    {"attn.wo_b.weight", "attn_output_b.weight"},
    {"attn.compressor.ape", "attn_compressor_ape.weight"},
    {"attn.compressor.wkv.weight", "attn_compressor_kv.weight"},
    {"attn.compressor.wgate.weight", "attn_compressor_gate.weight"},
    {"attn.compressor.norm.weight", "attn_compressor_norm.weight"},
    {"attn.indexer.wq_b.weight", "indexer.attn_q_b.weight"},
    {"attn.indexer.weights_proj.weight", "indexer.proj.weight"},
    {"attn.indexer.compressor.ape", "indexer_compressor_ape.weight"},
    {"attn.indexer.compressor.wkv.weight", "indexer_compressor_kv.weight"},
    {"attn.indexer.compressor.wgate.weight", "indexer_compressor_gate.weight"},
    {"attn.indexer.compressor.norm.weight", "indexer_compressor_norm.weight"},
    {"attn_norm.weight", "attn_norm.weight"},
    {"ffn_norm.weight", "ffn_norm.weight"},
    {"ffn.gate.weight", "ffn_gate_inp.weight"},
    {"ffn.gate.bias", "exp_probs_b.bias"},
    {"ffn.gate.bias_vl", "exp_probs_b_vl.bias"},
    {"ffn.shared_experts.w1.weight", "ffn_gate_shexp.weight"},
    {"ffn.shared_experts.w2.weight", "ffn_down_shexp.weight"},
    {"ffn.shared_experts.w3.weight", "ffn_up_shexp.weight"},
};

/* "experts.N.w1.weight" */
static bool is_expert(const char *rest)
{
    static const char start[] = "ffn.experts.";
    if (!qfs_starts_with(rest, start))
        return false;
    rest += strlen(start) + strspn(rest + strlen(start), "0123456789");
    return rest[0] == '.' && rest[1] == 'w' && rest[2] >= '1' && rest[2] <= '3' &&
           (strcmp(rest + 3, ".weight") == 0 || strcmp(rest + 3, ".scale") == 0);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nhash;
    int rc = qfs_hparam_count(c, &nhash, "num_hash_layers");
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (strcmp(name, names[i][0]) == 0)
            return qfs_emit(c, data, name, names[i][1], bid);
    const char *dot = qfs_starts_with(name, "layers.") ? strchr(name + 7, '.') : NULL;
    const char *rest = dot ? dot + 1 : name;
    if (is_expert(rest) || strcmp(rest, "ffn.gate.tid2eid") == 0 ||
        (strcmp(rest, "ffn.gate.bias") == 0 && bid < nhash))
        return 0;
    for (size_t i = 0; i < QFS_COUNT(layer_names); i++)
        if (strcmp(rest, layer_names[i][0]) == 0) {
            const char *new_name = qfs_arena_printf(c->arena, "blk.%d.%s", bid, layer_names[i][1]);
            return new_name ? qfs_emit(c, data, name, new_name, bid) : qfs_fail_memory(c->error);
        }
    return qfs_fail(c->error, EINVAL, "%s: tensor %s has no place in architecture %s",
                    c->model->path, name, c->arch);
}

/* What was FP8 becomes Q8_0, everything else stays what it is. */
static int force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                       int ndims)
{
    const struct qfs_lazy *tensor = qfs_tensor_find(c, name);
    const struct qfs_recipe *recipe = tensor ? tensor->recipe : NULL;
    (void)new_name, (void)bid;
    if (!recipe)
        return -1;
    if (recipe->op != QFS_OP_SOURCE)
        return ndims < 2 ? -1 : recipe->shape[ndims - 1] % 32 ? QFS_TYPE_F16 : QFS_TYPE_Q8_0;
    if (recipe->dtype == QFS_DTYPE_F32)
        return QFS_TYPE_F32;
    return recipe->dtype == QFS_DTYPE_BF16 && ndims >= 2 ? QFS_TYPE_BF16 : -1;
}

/* -- keys -------------------------------------------------------------------------------------------------- */

/* The same limit for every layer. */
static int put_clamp(struct qfs_converter *c)
{
    const struct qfs_json *limit = qfs_hparam(c, "swiglu_limit");
    struct qfs_json *items = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*items));
    if (!items)
        return qfs_fail_memory(c->error);
    if (!limit)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no swiglu_limit", c->model->path);
    for (int64_t i = 0; i < c->block_count; i++)
        items[i] = *limit;
    const struct qfs_json list = {
        .kind = QFS_JSON_ARRAY, .count = (uint32_t)c->block_count, .items = items};
    int rc = qfs_put_param(c, "swiglu_clamp_exp", QFS_PARAM_LIST, &list);
    return rc < 0 ? rc : qfs_put_param(c, "swiglu_clamp_shexp", QFS_PARAM_LIST, &list);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param sizes[] = {
        {"rope.dimension_count", QFS_PARAM_U32, {"qk_rope_head_dim"}, true},
        {"attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank"}, true},
        {"attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
        {NULL},
    };
    static const struct qfs_param others[] = {
        {"attention.output_group_count", QFS_PARAM_U32, {"o_groups"}, true},
        {"attention.output_lora_rank", QFS_PARAM_U32, {"o_lora_rank"}, true},
        {"attention.compress_ratios", QFS_PARAM_LIST, {"compress_ratios"}, true},
        {"attention.compress_rope_freq_base", QFS_PARAM_F32, {"compress_rope_theta"}, true},
        {"hyper_connection.count", QFS_PARAM_U32, {"hc_mult"}, true},
        {"hyper_connection.sinkhorn_iterations", QFS_PARAM_U32, {"hc_sinkhorn_iters"}, true},
        {"hyper_connection.epsilon", QFS_PARAM_F32, {"hc_eps"}, true},
        {"hash_layer_count", QFS_PARAM_U32, {"num_hash_layers"}, true},
        {NULL},
    };
    int64_t hidden, mult;
    int rc;
    if ((rc = qfs_text_keys(c)) < 0 || (rc = qfs_put_params(c, sizes)) < 0 ||
        (rc = put_clamp(c)) < 0 || (rc = qfs_put_indexer(c)) < 0 ||
        (rc = qfs_put_params(c, others)) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &mult, "hc_mult")) < 0)
        return rc;
    qfs_put_u32(c, "embedding_length_out", hidden * mult);
    return 0;
}

const struct qfs_family qfs_family_deepseek4 = {
    .arch = "deepseek4",
    .hf_classes = classes,
    .begin = begin,
    .filter = filter,
    .dequant = dequant,
    .extra = extra,
    .tensor = tensor,
    .force_quant = force_quant,
    .keys = keys,
};
