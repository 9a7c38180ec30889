#include <string.h>

#include "loader_read.h"

/* What the load_arch_hparams of single architectures check that depends on values. An assertion
 * that would abort the loader is a refusal. */

enum { MAX_PLE_NGRAM = 8, MAX_PLE_HEADS = 64 };

static uint64_t vocabulary_size(struct qfs_loader *l)
{
    uint32_t size = 0;
    uint64_t count = 0;
    if (qfs_loader_u32(l, "%s.vocab_size", false, &size))
        return size;
    qfs_loader_count(l, "tokenizer.ggml.tokens", false, &count);
    return count;
}

/* The lite variants, told by their number of layers, have no low-rank queries. */
static void check_deepseek2(struct qfs_loader *l)
{
    uint32_t n = qfs_loader_layers(l);
    if (n != 26 && n != 27 && !(n == 48 && vocabulary_size(l) == 128256))
        qfs_loader_one(l, "%s.attention.q_lora_rank", QFS_KV_U32, true, NULL, NULL);
}

static void check_ernie4_5_moe(struct qfs_loader *l)
{
    qfs_loader_either(l, "%s.expert_feed_forward_length", QFS_KV_U32, true, l->h.nlayers, NULL);
    qfs_loader_one(l, "%s.interleave_moe_layer_step", QFS_KV_U32, true, NULL, NULL);
}

static void check_cohere2moe(struct qfs_loader *l)
{
    if (!qfs_loader_one(l, "%s.attention.layer_norm_epsilon", QFS_KV_F32, false, NULL, NULL) &&
        !qfs_loader_one(l, "%s.attention.layer_norm_rms_epsilon", QFS_KV_F32, false, NULL, NULL))
        qfs_loader_refuse(l, "the epsilon of its norms is missing");
}

static void check_bailingmoe3(struct qfs_loader *l)
{
    double safe = 1, bound = 0;
    qfs_loader_one(l, "%s.kda.safe_gate", QFS_KV_BOOL, false, &safe, NULL);
    qfs_loader_one(l, "%s.kda.gate_lower_bound", QFS_KV_F32, false, &bound, NULL);
    qfs_loader_require(l, safe != 0 && bound < 0,
                       "kda.safe_gate must be true, kda.gate_lower_bound negative");
}

enum { SQRT_SOFTPLUS = 4 }; /* of expert_gating_func */

static void check_deepseek4(struct qfs_loader *l)
{
    uint64_t count = 0;
    qfs_loader_count(l, "%s.attention.compress_ratios", true, &count);
    qfs_loader_require(l, count >= l->h.nlayers && count <= QFS_LOADER_MAX_LAYERS,
                       "attention.compress_ratios must have one item for each layer");
    qfs_loader_require(l, qfs_loader_get(l, "%s.expert_gating_func") == SQRT_SOFTPLUS,
                       "expert_gating_func must be sqrtsoftplus");
}

static void check_dflash(struct qfs_loader *l)
{
    static const struct qfs_loader_read dsv4[] = {
        {"%s.attention.q_lora_rank", NEED | ONE | U32},
        {"%s.attention.sliding_window", NEED | ONE | U32},
        {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
        {"%s.expert_shared_count", NEED | ONE | U32},
        {"%s.expert_weights_scale", NEED | ONE | F32},
        {"%s.expert_weights_norm", NEED | ONE | BOOL},
        {"%s.expert_gating_func", NEED | ONE | U32},
        {"%s.swiglu_clamp_exp", NEED | LAYERS_ALL | F32},
        {"%s.attention.output_group_count", NEED | ONE | U32},
        {"%s.attention.output_lora_rank", NEED | ONE | U32},
        {"%s.hyper_connection.sinkhorn_iterations", NEED | ONE | U32},
        {"%s.hyper_connection.epsilon", NEED | ONE | F32},
    };
    static const char *const activations[] = {"gelu", "gelu_pytorch_tanh", "silu"};
    struct qfs_loader_array array;
    struct qfs_text act;
    if (qfs_loader_one(l, "%s.hidden_activation", QFS_KV_STRING, false, NULL, &act)) {
        bool known = false;
        for (size_t i = 0; i < QFS_COUNT(activations); i++)
            known |= qfs_text_is(act, activations[i]);
        qfs_loader_require(l, known, "hidden_activation must be gelu or silu");
    }
    qfs_loader_array(l, "%s.target_layers", QFS_KV_U32, true, &array);
    if (qfs_loader_get(l, "%s.hyper_connection.count") > 0) {
        for (size_t i = 0; i < QFS_COUNT(dsv4); i++)
            qfs_loader_row(l, &dsv4[i]);
        qfs_loader_require(
            l,
            qfs_loader_get(l, "%s.attention.output_group_count") > 0 &&
                qfs_loader_get(l, "%s.attention.sliding_window") > 0,
            "attention.output_group_count and attention.sliding_window must not be 0");
        qfs_loader_require(l, qfs_loader_get(l, "%s.expert_gating_func") == SQRT_SOFTPLUS,
                           "expert_gating_func must be sqrtsoftplus");
        if (qfs_loader_array(l, "%s.attention.compress_ratios", QFS_KV_U32, false, &array))
            for (uint64_t i = 0; i < array.count && i < l->h.nlayers; i++)
                qfs_loader_require(l, qfs_loader_item(&array, i) == 0,
                                   "attention.compress_ratios must be 0");
    } else if (qfs_loader_get(l, "%s.attention.sliding_window") > 0) {
        qfs_loader_array(l, "%s.attention.sliding_window_pattern", QFS_KV_U32, true, &array);
    }
}

static void check_eagle3(struct qfs_loader *l)
{
    struct qfs_loader_array array;
    if (qfs_loader_array(l, "%s.target_layers", QFS_KV_U32, true, &array))
        qfs_loader_require(l, array.count == 3, "target_layers must have 3 items");
}

static void check_gemma_embedding(struct qfs_loader *l)
{
    uint32_t nembd = qfs_loader_get(l, "%s.embedding_length");
    uint32_t in = qfs_loader_get(l, "%s.dense_2_feat_in"),
             out = qfs_loader_get(l, "%s.dense_3_feat_out");
    qfs_loader_require(l, (in == 0 || in == nembd) && (out == 0 || out == nembd),
                       "dense_2_feat_in and dense_3_feat_out must equal embedding_length");
}

/* Indices must be below the number of different ones. */
static void check_granite(struct qfs_loader *l)
{
    struct qfs_loader_array array;
    uint32_t ndifferent = 0, largest = 0;
    if (!qfs_loader_array(l, "%s.deepstack_mapping", QFS_KV_U32, false, &array))
        return;
    for (uint64_t i = 0; i < array.count; i++) {
        uint32_t value = qfs_loader_item(&array, i);
        bool seen = value > INT32_MAX; /* negative: none */
        for (uint64_t k = 0; k < i && !seen; k++)
            seen = qfs_loader_item(&array, k) == value;
        ndifferent += !seen;
        if (value <= INT32_MAX)
            largest = QFS_MAX(largest, value);
    }
    qfs_loader_require(l, largest <= ndifferent, "deepstack_mapping skips an index");
}

/* One more layer, the router's, stands at the end. */
static void check_granite_switch(struct qfs_loader *l)
{
    uint32_t nadapters = qfs_loader_get(l, "%s.adapters.count");
    struct qfs_loader_array array;
    static const char *const lists[] = {"%s.adapters.token_ids_activate",
                                        "%s.adapters.token_ids_substitute"};
    qfs_loader_require(l, nadapters <= 4096 && qfs_loader_get(l, "%s.adapters.lora_rank") <= 4096,
                       "more than 4096 adapters, or an adapter of a rank above 4096");
    for (size_t i = 0; i < QFS_COUNT(lists); i++)
        if (qfs_loader_array(l, lists[i], QFS_KV_U32, true, &array))
            qfs_loader_require(l, array.count == nadapters,
                               "adapter token ids do not match the adapter count");
    uint32_t n = qfs_loader_layers(l);
    qfs_loader_require(l, n < QFS_LOADER_MAX_LAYERS, "too many layers");
    l->h.nlayers = n + 1;
    l->ndraft = 1;
}

static void check_hrm_text(struct qfs_loader *l)
{
    uint64_t layers = qfs_loader_get(l, "%s.hrm.layers_per_stack"),
             h = qfs_loader_get(l, "%s.hrm.h_cycles");
    uint64_t low = qfs_loader_get(l, "%s.hrm.l_cycles");
    qfs_loader_require(
        l, layers && h && low && (uint32_t)(layers * h * (low + 1)) == qfs_loader_layers(l),
        "block_count must be layers_per_stack * h_cycles * (l_cycles + 1)");
}

static void check_hy_v4(struct qfs_loader *l)
{
    uint32_t nrot = qfs_loader_get(l, "%s.rope.dimension_count"),
             types[QFS_LOADER_MAX_LAYERS] = {0};
    qfs_loader_require(l,
                       qfs_loader_get(l, "%s.attention.key_length_mla") &&
                           qfs_loader_get(l, "%s.attention.value_length_mla"),
                       "attention.key_length_mla and value_length_mla must not be 0");
    if (qfs_loader_get(l, "%s.attention.indexer.top_k") == 0)
        return;
    qfs_loader_require(l,
                       qfs_loader_get(l, "%s.attention.indexer.head_count") &&
                           qfs_loader_get(l, "%s.attention.indexer.key_length") > nrot,
                       "attention.indexer.head_count or key_length is too small");
    qfs_loader_either(l, "%s.attention.indexer.types", QFS_KV_U32, false, qfs_loader_layers(l),
                      types);
    qfs_loader_require(l, types[0] != 0, "layer 0 must have an indexer");
}

static void check_minimax_m3(struct qfs_loader *l)
{
    qfs_loader_require(l, qfs_loader_get(l, "%s.attention.indexer.block_size") > 0,
                       "attention.indexer.block_size must not be 0");
}

static void check_mistral3(struct qfs_loader *l)
{
    double scale = 0;
    uint32_t context = qfs_loader_get(l, "%s.context_length");
    qfs_loader_u32(l, "%s.rope.scaling.original_context_length", false, &context);
    if (qfs_loader_one(l, "%s.attention.temperature_scale", QFS_KV_F32, false, &scale, NULL) &&
        scale != 0)
        qfs_loader_require(l, context != 0, "rope.scaling.original_context_length must not be 0");
}

/* Its layers run several times over: the loader counts each pass. */
static void check_nanbeige(struct qfs_loader *l)
{
    uint32_t nloops = 1;
    qfs_loader_u32(l, "%s.num_loops", false, &nloops);
    qfs_loader_require(
        l, nloops >= 1 && (uint64_t)qfs_loader_layers(l) * nloops <= QFS_LOADER_MAX_LAYERS,
        "num_loops is 0 or too large");
    if (nloops > 1)
        l->h.nlayers = qfs_loader_layers(l) * nloops;
}

static void check_qwen4exp_ple(struct qfs_loader *l)
{
    static const struct qfs_loader_read reads[] = {
        {"%s.ple.ngram_size", NEED | ONE | U32},
        {"%s.ple.heads_per_ngram", NEED | ONE | U32},
        {"%s.ple.conv_kernel", NEED | ONE | U32},
        {"%s.ple.eos_token_id", NEED | ONE | U32},
        {"%s.embedding_length_per_layer_input", NEED | ONE | U32},
    };
    struct qfs_loader_array layers, offsets, sizes;
    uint64_t nmultipliers = 0;
    if (!qfs_loader_array(l, "%s.ple.layers", QFS_KV_U32, true, &layers))
        return;
    qfs_loader_require(l, layers.count == 1 && qfs_loader_item(&layers, 0) < l->h.nlayers,
                       "ple.layers must name one of the layers");
    for (size_t i = 0; i < QFS_COUNT(reads); i++)
        qfs_loader_row(l, &reads[i]);
    uint64_t ngram = qfs_loader_get(l, "%s.ple.ngram_size");
    uint64_t nheads = (ngram - 1) * qfs_loader_get(l, "%s.ple.heads_per_ngram");
    qfs_loader_require(l,
                       qfs_loader_get(l, "%s.ple.conv_kernel") &&
                           qfs_loader_get(l, "%s.embedding_length_per_layer_input") && ngram >= 2 &&
                           ngram <= MAX_PLE_NGRAM && nheads && nheads <= MAX_PLE_HEADS,
                       "its per-layer embeddings have impossible sizes");
    qfs_loader_count(l, "%s.ple.layer_multipliers", true, &nmultipliers);
    if (!qfs_loader_array(l, "%s.ple.head_offsets", QFS_KV_U64, true, &offsets) ||
        !qfs_loader_array(l, "%s.ple.head_vocab_sizes", QFS_KV_U64, true, &sizes))
        return;
    qfs_loader_require(l, nmultipliers >= ngram && offsets.count >= nheads && sizes.count >= nheads,
                       "its arrays of per-layer embeddings are too short");
    for (uint64_t i = 0; i < nheads && l->rc == 0; i++) {
        uint64_t offset, size;
        memcpy(&offset, offsets.items + 8 * i, sizeof(offset));
        memcpy(&size, sizes.items + 8 * i, sizeof(size));
        qfs_loader_require(
            l, size && offset <= INT32_MAX && size <= INT32_MAX && offset + size <= INT32_MAX,
            "a head of its per-layer embeddings is out of range");
    }
}

static void check_qwen4exp(struct qfs_loader *l)
{
    static const char *const positive[] = {
        "%s.ssm.conv_kernel",
        "%s.ssm.inner_size",
        "%s.ssm.state_size",
        "%s.ssm.time_step_rank",
        "%s.ssm.group_count",
        "%s.hyper_connection.low_rank",
        "%s.attention.indexer.head_count",
        "%s.attention.indexer.key_length",
        "%s.attention.indexer.top_k",
    };
    uint64_t nple = 0;
    uint32_t recurrent[QFS_LOADER_MAX_LAYERS], interval = 4;
    for (size_t i = 0; i < QFS_COUNT(positive); i++)
        if (qfs_loader_get(l, positive[i]) == 0)
            qfs_loader_refuse(l, "key %s.%s must not be 0", l->arch, positive[i] + 3);
    qfs_loader_require(l, qfs_loader_get(l, "%s.hyper_connection.count") > 1,
                       "hyper_connection.count must exceed 1");
    qfs_loader_count(l, "%s.ple.layers", false, &nple);
    if (nple)
        check_qwen4exp_ple(l);
    if (!qfs_loader_either(l, "%s.attention.recurrent_layers", QFS_KV_U32, false, l->h.nlayers,
                           recurrent)) {
        qfs_loader_u32(l, "%s.full_attention_interval", false, &interval);
        qfs_loader_require(l, interval > 0, "full_attention_interval must not be 0");
        for (uint32_t i = 0; i < l->h.nlayers && interval; i++)
            recurrent[i] = i < qfs_loader_layers(l) && (i + 1) % interval != 0;
    }
    struct qfs_loader_array layers;
    if (nple && l->rc == 0 && qfs_loader_array(l, "%s.ple.layers", QFS_KV_U32, false, &layers))
        qfs_loader_require(l, recurrent[qfs_loader_item(&layers, 0)] != 0,
                           "ple.layers names a layer without linear attention");
}

static const struct {
    const char *arch;
    void (*run)(struct qfs_loader *l);
} checks[] = {
    {"bailingmoe3", check_bailingmoe3},
    {"cohere2moe", check_cohere2moe},
    {"deepseek2", check_deepseek2},
    {"deepseek4", check_deepseek4},
    {"dflash", check_dflash},
    {"eagle3", check_eagle3},
    {"ernie4_5-moe", check_ernie4_5_moe},
    {"gemma-embedding", check_gemma_embedding},
    {"granite", check_granite},
    {"granite_swa", check_granite},
    {"graniteswitch", check_granite_switch},
    {"hrm_text", check_hrm_text},
    {"hy_v4", check_hy_v4},
    {"minimax-m3", check_minimax_m3},
    {"mistral3", check_mistral3},
    {"mistral4", check_deepseek2},
    {"nanbeige", check_nanbeige},
    {"qwen4exp", check_qwen4exp},
};

void qfs_loader_check(struct qfs_loader *l)
{
    for (size_t i = 0; i < QFS_COUNT(checks) && l->rc == 0; i++)
        if (strcmp(checks[i].arch, l->arch) == 0)
            checks[i].run(l);
}
