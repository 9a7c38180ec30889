/* RWKV 6 and 7, and Qwen 2 with attention replaced by them (QRWKV 6, ARWKV 7). */
#include "converter.h"
#include "vocab/vocab.h"

#include <math.h>
#include <string.h>

static const char *const rwkv6_classes[] = {"Rwkv6ForCausalLM", NULL};
static const char *const qrwkv6_classes[] = {"RWKV6Qwen2ForCausalLM", NULL};
static const char *const rwkv7_classes[] = {"Rwkv7ForCausalLM", "RWKV7ForCausalLM", NULL};
static const char *const arwkv7_classes[] = {"RwkvHybridForCausalLM", NULL};

enum { CONTEXT = 1048576 }; /* not limited */

/* One of the mixing weights that are written as one tensor: kept under its name. */
static int keep(struct qfs_converter *c, const char *name, const struct qfs_recipe *data)
{
    if (!data)
        return -c->error->code;
    return qfs_map_set(&c->experts, qfs_text_of(name), (uint64_t)(uintptr_t)data) < 0
               ? qfs_fail_memory(c->error)
               : 0;
}

/* All that were kept under pattern with the letters in place of its %c, stacked; *ret_all NULL while some
 * are missing. */
static int stack_kept(struct qfs_converter *c, const char *pattern, int bid, const char *letters,
                      const struct qfs_recipe **ret_all)
{
    const struct qfs_recipe *parts[8];
    size_t count = strlen(letters);
    *ret_all = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = qfs_arena_printf(c->arena, pattern, bid, letters[i]);
        uint64_t recipe;
        if (!name)
            return qfs_fail_memory(c->error);
        if (!qfs_map_get(&c->experts, qfs_text_of(name), &recipe))
            return 0;
        parts[i] = (const struct qfs_recipe *)(uintptr_t)recipe;
    }
    *ret_all = qfs_lazy_stack(c, parts, count);
    return *ret_all ? 0 : -c->error->code;
}

static const char *as_weight(struct qfs_converter *c, const char *new_name)
{
    if (!new_name || qfs_ends_with(new_name, ".weight") || qfs_ends_with(new_name, ".bias"))
        return new_name;
    return qfs_name_swap_suffix(c, new_name, "", ".weight");
}

static const char *fused_name(struct qfs_converter *c, int bid)
{
    const char *name = qfs_arena_printf(c->arena, "blk.%d.time_mix_lerp_fused.weight", bid);
    if (!name)
        qfs_fail_memory(c->error);
    return name;
}

/* -- RWKV 6 ----------------------------------------------------------------------------------------- */

/* Outputs of later layers are scaled down, by half every so many layers. */
static int rescale(struct qfs_converter *c, const struct qfs_recipe **data, const char *new_name,
                   int bid)
{
    const struct qfs_json *every = qfs_hparam(c, "rescale_every");
    int64_t step;
    if (!every)
        return 0;
    if (!qfs_json_int(every, &step))
        return qfs_fail(c->error, EINVAL, "%s/config.json: rescale_every is not a count",
                        c->model->path);
    if (step > 0 && bid >= step &&
        (qfs_ends_with(new_name, "time_mix_output.weight") ||
         qfs_ends_with(new_name, "channel_mix_value.weight")))
        *data = qfs_lazy_unary(c, QFS_OP_MUL, *data, ldexp(1, (int)-(bid / step)));
    return 0;
}

/* QRWKV's five parts in RWKV 6's order */
static const struct qfs_recipe *reorder(struct qfs_converter *c, const struct qfs_recipe *data,
                                        bool keep_five)
{
    static const int order[] = {3, 1, 2, 0, 4};
    const struct qfs_recipe *parts[5];
    if (!data)
        return NULL;
    int64_t width = data->ndim ? data->shape[data->ndim - 1] : 1;
    int64_t shape[] = {5, qfs_recipe_count(data) / QFS_MAX(width, (int64_t)1) / 5, width};
    data = qfs_lazy_reshape(c, data, 3, shape);
    for (int i = 0; i < 5; i++) {
        parts[i] = qfs_lazy_slice(c, data, 0, order[i], 1);
        if (!parts[i])
            return NULL;
    }
    data = qfs_lazy_concat(c, parts, 5);
    return keep_five ? data : qfs_lazy_reshape(c, data, 2, (const int64_t[]){5 * shape[1], width});
}

static int rwkv6_emit(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      const char *new_name, int bid)
{
    bool first = strstr(new_name, "time_mix_w1"), second = strstr(new_name, "time_mix_w2");
    if (strcmp(c->arch, "rwkv6qwen2") == 0 && (first || second))
        data = reorder(c, data, second);
    return qfs_emit(c, data, name, new_name, bid);
}

static int rwkv6_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    static const char *const transposed[] = {"time_mix_w1.weight", "time_mix_decay_w1.weight",
                                             "time_mix_decay_w2.weight", NULL};
    const char *new_name = as_weight(c, qfs_map_name(c, name));
    const struct qfs_recipe *all;
    int rc;
    if (!new_name)
        return -c->error->code;
    if (qfs_ends_with_any(new_name, transposed))
        data = qfs_lazy_swapaxes(c, data, 0, 1);
    if (qfs_ends_with(new_name, "time_mix_w2.weight"))
        data = qfs_lazy_swapaxes(c, data, 1, 2);
    if (qfs_ends_with(new_name, "time_mix_decay.weight") || strstr(new_name, "lerp"))
        data = qfs_lazy_squeeze(c, data);
    if ((rc = rescale(c, &data, new_name, bid)) < 0)
        return rc;
    if (bid < 0 || !strstr(new_name, "time_mix_lerp") || strstr(new_name, "time_mix_lerp_x"))
        return rwkv6_emit(c, data, name, new_name, bid);
    if ((rc = keep(c, new_name, data)) < 0 ||
        (rc = stack_kept(c, "blk.%d.time_mix_lerp_%c.weight", bid, "wkvrg", &all)) < 0 || !all)
        return rc;
    const int64_t shape[] = {5, 1, 1, qfs_recipe_count(all) / 5};
    all = qfs_lazy_reshape(c, all, 4, shape);
    new_name = fused_name(c, bid);
    return new_name ? rwkv6_emit(c, all, name, new_name, bid) : -ENOMEM;
}

/* hparams[name], or `fallback` where it is null */
static int count_or_null(struct qfs_converter *c, const char *name, int64_t fallback,
                         int64_t *ret_value)
{
    if (qfs_json_is(qfs_hparam(c, name), QFS_JSON_NULL)) {
        *ret_value = fallback;
        return 0;
    }
    return qfs_hparam_count(c, ret_value, name);
}

static int rwkv6_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
        {QFS_RULE_U32, "rescale_every_n_layers", {"rescale_every"}},
        {QFS_RULE_U32, "wkv.head_size", {"head_size"}},
        {QFS_RULE_END},
    };
    int64_t hidden, width;
    int rc;
    if ((rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = count_or_null(c, "intermediate_size", hidden * 7 / 2 / 32 * 32, &width)) < 0)
        return rc;
    qfs_put_u32(c, "context_length", CONTEXT);
    qfs_put_u32(c, "embedding_length", hidden);
    if ((rc = qfs_put_rules(c, rules)) < 0)
        return rc;
    qfs_put_u32(c, "time_mix_extra_dim", hidden == 4096 ? 64 : 32);
    qfs_put_u32(c, "time_decay_extra_dim", hidden == 4096 ? 128 : 64);
    qfs_put_u32(c, "feed_forward_length", width);
    qfs_put_file_type(c);
    qfs_put_u32(c, "attention.head_count", 0);
    return 0;
}

const struct qfs_family qfs_family_rwkv6 = {
    .arch = "rwkv6",
    .hf_classes = rwkv6_classes,
    .tensor = rwkv6_tensor,
    .keys = rwkv6_keys,
    .vocab_method = qfs_vocab_rwkv_world,
};

/* -- QRWKV 6 ---------------------------------------------------------------------------------------- */

static int qrwkv6_keys(struct qfs_converter *c)
{
    int64_t hidden, width, nheads, nkv, mix, decay;
    double epsilon;
    int rc;
    if ((rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nkv, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &width, "intermediate_size")) < 0 ||
        (rc = qfs_hparam_real(c, "rms_norm_eps", &epsilon)) < 0 ||
        (rc = qfs_hparam_count_or(c, "lora_rank_tokenshift", hidden >= 4096 ? 64 : 32, &mix)) < 0 ||
        (rc = qfs_hparam_count_or(c, "lora_rank_decay", hidden >= 4096 ? 128 : 64, &decay)) < 0)
        return rc;
    if (nheads == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: num_attention_heads is 0",
                        c->model->path);
    qfs_put_u32(c, "context_length", CONTEXT);
    qfs_put_u32(c, "embedding_length", hidden);
    qfs_put_u32(c, "block_count", c->block_count);
    qfs_put_u32(c, "wkv.head_size", hidden / nheads);
    qfs_put_u32(c, "time_mix_extra_dim", mix);
    qfs_put_u32(c, "time_decay_extra_dim", decay);
    qfs_put_u32(c, "feed_forward_length", width);
    qfs_put_file_type(c);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon", epsilon);
    qfs_put_u32(c, "token_shift_count", 1);
    qfs_put_u32(c, "attention.head_count_kv", nkv);
    qfs_put_u32(c, "attention.head_count", 0);
    return 0;
}

const struct qfs_family qfs_family_rwkv6qwen2 = {
    .arch = "rwkv6qwen2",
    .hf_classes = qrwkv6_classes,
    .tensor = rwkv6_tensor,
    .keys = qrwkv6_keys,
    .vocab_method = qfs_vocab_sentencepiece_or_gpt2,
};

/* -- RWKV 7 ----------------------------------------------------------------------------------------- */

/* Names of either implementation become one kind. */
static int rwkv7_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const replaced[][2] = {
        {"blocks", "layers"},  {"ffn", "feed_forward"}, {"self_attn", "attention"},
        {"attn", "attention"}, {"time_mixer.", ""},     {"feed_forward_norm", "ln2"},
        {"g_norm", "ln_x"},
    };
    *ret_name = NULL;
    for (size_t i = 0; i < QFS_COUNT(replaced) && name; i++)
        name = qfs_name_replace(c, name, replaced[i][0], replaced[i][1]);
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

static bool has_gate(const struct qfs_converter *c)
{
    const struct qfs_json *gate = qfs_hparam(c, "wkv_has_gate");
    return !gate || qfs_json_truthy(gate);
}

static int rwkv7_mix(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    const char *letters = has_gate(c) ? "rwkvag" : "rwkva";
    int64_t count = (int64_t)strlen(letters);
    const char *new_name = fused_name(c, bid);
    const struct qfs_recipe *all;
    int rc;
    if (!new_name)
        return -ENOMEM;
    if (strstr(name, "attention.x_x")) {
        const int64_t shape[] = {count, 1, 1, qfs_recipe_count(data) / count};
        return qfs_emit(c, qfs_lazy_reshape(c, data, 4, shape), name, new_name, bid);
    }
    if ((rc = keep(c, name, data)) < 0 ||
        (rc = stack_kept(c, "model.layers.%d.attention.x_%c", bid, letters, &all)) < 0 || !all)
        return rc;
    return qfs_emit(c, all, name, new_name, bid);
}

static int rwkv7_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    static const char *const lora[][2] = {{"_lora.lora.0.weight", "1.weight"},
                                          {"_lora.lora.2.weight", "2.weight"},
                                          {"_lora.lora.2.bias", "0.weight"}};
    static const char *const transposed[] = {
        "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_a1.weight",
        "time_mix_a2.weight", "time_mix_v1.weight", "time_mix_v2.weight",
        "time_mix_g1.weight", "time_mix_g2.weight", NULL,
    };
    const char *new_name;
    int rc;
    if (strstr(name, "_lora.lora"))
        c->state = c; /* flash-linear-attention's files: their matrices lie the right way */
    for (size_t i = 0; i < QFS_COUNT(lora) && name; i++)
        name = qfs_name_replace(c, name, lora[i][0], lora[i][1]);
    if (!name)
        return -ENOMEM;
    if (strstr(name, "attention.v")) {
        if (!(new_name = qfs_map_name(c, name)))
            return -c->error->code;
        if (!strstr(new_name, "value") && bid == 0)
            return 0; /* the first layer's are not used */
    }
    if (bid >= 0 && strstr(name, "attention.x_"))
        return rwkv7_mix(c, data, name, bid);
    data = qfs_lazy_squeeze(c, data);
    new_name = as_weight(c, qfs_map_name(c, name));
    if (!new_name)
        return -c->error->code;
    if (!c->state && qfs_ends_with_any(new_name, transposed))
        data = qfs_lazy_swapaxes(c, data, 0, 1);
    if (data && strstr(new_name, "r_k"))
        data = qfs_lazy_reshape(c, data, 1, (const int64_t[]){qfs_recipe_count(data)});
    if (bid == 0 && strstr(new_name, "time_mix_a")) {
        /* llama.cpp wants them for the first layer too */
        const char *value = qfs_name_replace(c, new_name, "time_mix_a", "time_mix_v");
        if ((rc = value ? qfs_emit(c, data, name, value, bid) : -ENOMEM) < 0)
            return rc;
    }
    return qfs_emit(c, data, name, new_name, bid);
}

/* Python's round(), half to even, of what the lab's code computes */
static int64_t lora_rank(int64_t hidden, double exponent, double multiplier)
{
    double rounded = nearbyint(pow((double)hidden, exponent) * multiplier / 32);
    return (int64_t)fmax(1, rounded) * 32;
}

struct rank {
    const char *key, *name, *other;
    double exponent, multiplier;
};

static int put_ranks(struct qfs_converter *c, int64_t hidden)
{
    static const struct rank ranks[] = {
        {"attention.decay_lora_rank", "lora_rank_decay", "decay_low_rank_dim", 0.5, 1.8},
        {"attention.iclr_lora_rank", "lora_rank_iclr", "a_low_rank_dim", 0.5, 1.8},
        {"attention.value_residual_mix_lora_rank", "lora_rank_value_residual_mix", "v_low_rank_dim",
         0.5, 1.3},
        {"attention.gate_lora_rank", "lora_rank_gate", "gate_low_rank_dim", 0.8, 0.6},
    };
    bool other = false; /* one missing, and all are taken under the other names */
    for (size_t i = 0; i < QFS_COUNT(ranks); i++)
        other = other || !qfs_hparam(c, ranks[i].name);
    for (size_t i = 0; i < QFS_COUNT(ranks); i++) {
        int64_t rank;
        int rc = count_or_null(c, other ? ranks[i].other : ranks[i].name,
                               lora_rank(hidden, ranks[i].exponent, ranks[i].multiplier), &rank);
        if (rc < 0)
            return rc;
        qfs_put_u32(c, ranks[i].key, rank);
    }
    return 0;
}

static int rwkv7_keys(struct qfs_converter *c)
{
    bool usual = qfs_hparam(c, "head_size") && qfs_hparam(c, "layer_norm_epsilon");
    int64_t hidden, width, head;
    double epsilon;
    int rc;
    if ((rc = qfs_hparam_count(c, &head, usual ? "head_size" : "head_dim")) < 0 ||
        (rc = qfs_hparam_real(c, usual ? "layer_norm_epsilon" : "norm_eps", &epsilon)) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = count_or_null(c, "intermediate_size", 4 * hidden, &width)) < 0)
        return rc;
    qfs_put_u32(c, "context_length", CONTEXT);
    qfs_put_u32(c, "embedding_length", hidden);
    qfs_put_u32(c, "block_count", c->block_count);
    qfs_put_f32(c, "attention.layer_norm_epsilon", epsilon);
    qfs_put_u32(c, "wkv.head_size", head);
    if ((rc = put_ranks(c, hidden)) < 0)
        return rc;
    qfs_put_u32(c, "feed_forward_length", width);
    qfs_put_file_type(c);
    qfs_put_u32(c, "attention.head_count", 0);
    return 0;
}

const struct qfs_family qfs_family_rwkv7 = {
    .arch = "rwkv7",
    .hf_classes = rwkv7_classes,
    .filter = rwkv7_filter,
    .tensor = rwkv7_tensor,
    .keys = rwkv7_keys,
    .vocab_method = qfs_vocab_rwkv_world,
};

/* -- ARWKV 7 ---------------------------------------------------------------------------------------- */

static int arwkv7_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_IS_U32, "context_length", .number = CONTEXT},
        {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"rms_norm_eps"}},
        {QFS_RULE_U32, "wkv.head_size", {"head_size"}},
        {QFS_RULE_IS_U32, "attention.decay_lora_rank", .number = 64},
        {QFS_RULE_IS_U32, "attention.iclr_lora_rank", .number = 64},
        {QFS_RULE_IS_U32, "attention.value_residual_mix_lora_rank", .number = 32},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_U32, "feed_forward_length", {"intermediate_size"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_IS_U32, "token_shift_count", .number = 1},
        {QFS_RULE_IS_U32, "attention.head_count", .number = 0},
        {QFS_RULE_END},
    };
    int64_t version;
    int rc;
    if (!qfs_hparam(c, "wkv_has_gate"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no wkv_has_gate", c->model->path);
    if ((rc = qfs_hparam_count(c, &version, "wkv_version")) < 0)
        return rc;
    if (version != 7)
        return qfs_fail(c->error, ENOTSUP, "%s/config.json: wkv_version is not 7", c->model->path);
    if ((rc = qfs_put_rules(c, before)) < 0)
        return rc;
    qfs_put_u32(c, "attention.gate_lora_rank", has_gate(c) ? 128 : 0);
    return qfs_put_rules(c, after);
}

const struct qfs_family qfs_family_arwkv7 = {
    .arch = "arwkv7",
    .hf_classes = arwkv7_classes,
    .parent = &qfs_family_rwkv7,
    .keys = arwkv7_keys,
    .vocab_method = qfs_vocab_sentencepiece_or_gpt2,
};
