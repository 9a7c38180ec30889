#include "loader.h"

#include <stdio.h>
#include <string.h>

#include "loader_table.h"

/* llama_model_loader's get_key and its kin, llama_model_base::load_hparams, and what the
 * architectures' load_arch_hparams add: reads that only matter for being there come from the
 * generated table, what depends on values is done by hand below. An assertion that would abort the
 * loader is a refusal. */

enum { MAX_LAYERS = 512, MAX_EXPERTS = 1024, MAX_PLE_NGRAM = 8, MAX_PLE_HEADS = 64 };

struct loader {
    const struct qfs_kvs *kvs;
    const struct qfs_override *overrides;
    size_t noverrides;
    const char *arch;
    struct qfs_hparams h;
    uint32_t ndraft; /* nextn_predict_layers */
    struct qfs_error *error;
    int rc; /* sticky */
};

static const char *const kv_type_names[QFS_KV_TYPE_COUNT] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64"};

static void refuse(struct loader *l, const char *format, ...) QFS_PRINTF(2, 3);

static void refuse(struct loader *l, const char *format, ...)
{
    char text[400];
    va_list args;
    if (l->rc < 0)
        return; /* the first reason counts */
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    l->rc = qfs_fail(l->error, ENOTSUP, "llama.cpp does not load this model: %s", text);
}

/* Refuses unless a condition holds that the loader asserts. */
static void require(struct loader *l, bool holds, const char *what)
{
    if (!holds)
        refuse(l, "%s", what);
}

struct key {
    char text[128];
};

/* `key` with %s replaced by the architecture. */
static struct key expand(const struct loader *l, const char *key)
{
    struct key result;
    const char *at = strstr(key, "%s");
    if (at)
        snprintf(result.text, sizeof(result.text), "%.*s%s%s", (int)(at - key), key, l->arch,
                 at + 2);
    else
        snprintf(result.text, sizeof(result.text), "%s", key);
    return result;
}

/* The first override of `key`, if its type fits (the loader warns and goes on where it does not).
 */
static const struct qfs_override *find_override(const struct loader *l, const char *key,
                                                enum qfs_kv_type type)
{
    static const enum qfs_override_tag tags[QFS_KV_TYPE_COUNT] = {[QFS_KV_F32] = QFS_OVERRIDE_FLOAT,
                                                                  [QFS_KV_BOOL] = QFS_OVERRIDE_BOOL,
                                                                  [QFS_KV_STRING] =
                                                                      QFS_OVERRIDE_STRING};
    for (size_t i = 0; i < l->noverrides; i++)
        if (strcmp(l->overrides[i].key, key) == 0)
            return l->overrides[i].tag == tags[type] ? &l->overrides[i] : NULL;
    return NULL;
}

/* get_key: *ret_value is set for numbers and bools, *ret_text for strings; both may be NULL. */
static bool read_one(struct loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                     double *ret_value, struct qfs_text *ret_text)
{
    struct key key = expand(l, pattern);
    const struct qfs_override *o = find_override(l, key.text, type);
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key.text);
    double value = 0;
    struct qfs_text text = {0};
    if (o) {
        value = type == QFS_KV_F32 ? (float)o->real : (double)(uint32_t)o->integer;
        text = qfs_text_of(o->text);
    } else if (!kv) {
        if (need)
            refuse(l, "key %s is missing", key.text);
        return false;
    } else if (kv->type != type) {
        refuse(l, "key %s is of type %s, not %s", key.text, kv_type_names[kv->type],
               kv_type_names[type]);
        return false;
    } else if (type == QFS_KV_STRING) {
        qfs_kv_get_text(l->kvs, key.text, &text);
    } else if (type == QFS_KV_F32) {
        float real;
        memcpy(&real, kv->data, sizeof(real));
        value = (double)real;
    } else {
        int64_t integer = 0;
        qfs_kv_get_int(l->kvs, key.text, &integer);
        value = (double)integer;
    }
    if (ret_value)
        *ret_value = value;
    if (ret_text)
        *ret_text = text;
    return true;
}

/* An optional number that stays what it is when the key is absent. */
static bool read_u32(struct loader *l, const char *pattern, bool need, uint32_t *value)
{
    double real;
    bool found = read_one(l, pattern, QFS_KV_U32, need, &real, NULL);
    if (found)
        *value = (uint32_t)real;
    return found;
}

static uint32_t get_u32(struct loader *l, const char *pattern)
{
    uint32_t value = 0;
    read_u32(l, pattern, false, &value);
    return value;
}

struct array {
    uint32_t item;
    uint64_t count;
    const uint8_t *items;
};

static bool find_array(const struct loader *l, const char *key, struct array *ret_array)
{
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key);
    if (!kv || kv->type != QFS_KV_ARRAY)
        return false;
    memcpy(&ret_array->item, kv->data, sizeof(ret_array->item));
    memcpy(&ret_array->count, kv->data + 4, sizeof(ret_array->count));
    ret_array->items = kv->data + 12;
    return true;
}

/* get_arr: false when there is no array of that name. */
static bool read_array(struct loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                       struct array *ret_array)
{
    struct key key = expand(l, pattern);
    struct array array;
    if (!find_array(l, key.text, &array)) {
        if (need)
            refuse(l, "array %s is missing", key.text);
        return false;
    }
    bool fits = array.item == (uint32_t)type;
    if (type == QFS_KV_U32 || type == QFS_KV_I32)
        fits |= array.item == QFS_KV_U32 || array.item == QFS_KV_I32 || array.item == QFS_KV_BOOL;
    if (!fits)
        refuse(l, "array %s has items of type %s", key.text,
               array.item < QFS_KV_TYPE_COUNT ? kv_type_names[array.item] : "?");
    else if (type != QFS_KV_STRING && array.count > MAX_LAYERS)
        refuse(l, "array %s has more than %d items", key.text, MAX_LAYERS);
    if (l->rc < 0)
        return false;
    *ret_array = array;
    return true;
}

static uint32_t array_u32(const struct array *array, uint64_t index)
{
    uint32_t value = 0;
    if (array->item == QFS_KV_BOOL)
        return array->items[index] != 0;
    memcpy(&value, array->items + 4 * index, sizeof(value));
    return value;
}

/* get_key_or_arr: an array of `count`, or one value for all. `values` (of `count`) may be NULL. */
static bool read_either(struct loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                        uint32_t count, uint32_t *values)
{
    struct key key = expand(l, pattern);
    const struct qfs_kv *kv = qfs_kv_find(l->kvs, key.text);
    struct array array;
    double value;
    if (!kv) { /* an override alone does not count here */
        if (need)
            refuse(l, "key %s is missing", key.text);
        return false;
    }
    if (kv->type == QFS_KV_ARRAY) {
        if (find_array(l, key.text, &array) && array.count != count) {
            refuse(l, "key %s has %llu items, not %u", key.text, (unsigned long long)array.count,
                   count);
            return false;
        }
        if (!read_array(l, pattern, type, need, &array))
            return false;
        for (uint32_t i = 0; values && i < count; i++)
            values[i] = array_u32(&array, i);
        return true;
    }
    if (!read_one(l, pattern, type, need, &value, NULL))
        return false;
    for (uint32_t i = 0; values && i < count; i++)
        values[i] = (uint32_t)value;
    return true;
}

/* get_arr_n */
static bool read_count(struct loader *l, const char *pattern, bool need, uint64_t *ret_count)
{
    struct key key = expand(l, pattern);
    struct array array;
    if (!qfs_kv_find(l->kvs, key.text)) {
        if (need)
            refuse(l, "key %s is missing", key.text);
        return false;
    }
    if (!find_array(l, key.text, &array)) {
        refuse(l, "key %s is no array", key.text);
        return false;
    }
    if (ret_count)
        *ret_count = array.count;
    return true;
}

/* Layers without those of draft heads: n_layer(). */
static uint32_t main_layers(const struct loader *l)
{
    return l->h.nlayers - l->ndraft;
}

static void read_by_table(struct loader *l, const struct qfs_loader_read *read)
{
    static const enum qfs_kv_type kinds[] = {QFS_KV_U32,    QFS_KV_F32, QFS_KV_BOOL,
                                             QFS_KV_STRING, QFS_KV_U64, QFS_KV_I32};
    enum qfs_kv_type type = kinds[(read->how & KIND) >> 4];
    bool need = read->how & NEED;
    struct array array;
    switch (read->how & SHAPE) {
    case ARRAY:
        read_array(l, read->key, type, need, &array);
        break;
    case COUNT:
        read_count(l, read->key, need, NULL);
        break;
    case LAYERS_ALL:
        read_either(l, read->key, type, need, l->h.nlayers, NULL);
        break;
    case LAYERS:
        read_either(l, read->key, type, need, main_layers(l), NULL);
        break;
    case FOUR:
        read_either(l, read->key, type, need, 4, NULL);
        break;
    case SWA_PATTERN:
        if (!read_array(l, read->key, QFS_KV_U32, false, &array))
            read_one(l, read->key, QFS_KV_U32, false, NULL, NULL);
        break;
    default:
        read_one(l, read->key, type, need, NULL, NULL);
    }
}

/* -- what single architectures check ------------------------------------------------------------
 */

static uint64_t vocabulary_size(struct loader *l)
{
    uint32_t size = 0;
    uint64_t count = 0;
    if (read_u32(l, "%s.vocab_size", false, &size))
        return size;
    read_count(l, "tokenizer.ggml.tokens", false, &count);
    return count;
}

/* The lite variants, told by their number of layers, have no low-rank queries. */
static void check_deepseek2(struct loader *l)
{
    uint32_t n = main_layers(l);
    if (n != 26 && n != 27 && !(n == 48 && vocabulary_size(l) == 128256))
        read_one(l, "%s.attention.q_lora_rank", QFS_KV_U32, true, NULL, NULL);
}

static void check_ernie4_5_moe(struct loader *l)
{
    read_either(l, "%s.expert_feed_forward_length", QFS_KV_U32, true, l->h.nlayers, NULL);
    read_one(l, "%s.interleave_moe_layer_step", QFS_KV_U32, true, NULL, NULL);
}

static void check_cohere2moe(struct loader *l)
{
    if (!read_one(l, "%s.attention.layer_norm_epsilon", QFS_KV_F32, false, NULL, NULL) &&
        !read_one(l, "%s.attention.layer_norm_rms_epsilon", QFS_KV_F32, false, NULL, NULL))
        refuse(l, "the epsilon of its norms is missing");
}

static void check_bailingmoe3(struct loader *l)
{
    double safe = 1, bound = 0;
    read_one(l, "%s.kda.safe_gate", QFS_KV_BOOL, false, &safe, NULL);
    read_one(l, "%s.kda.gate_lower_bound", QFS_KV_F32, false, &bound, NULL);
    require(l, safe != 0 && bound < 0, "kda.safe_gate must be true, kda.gate_lower_bound negative");
}

enum { SQRT_SOFTPLUS = 4 }; /* of expert_gating_func */

static void check_deepseek4(struct loader *l)
{
    uint64_t count = 0;
    read_count(l, "%s.attention.compress_ratios", true, &count);
    require(l, count >= l->h.nlayers && count <= MAX_LAYERS,
            "attention.compress_ratios must have one item for each layer");
    require(l, get_u32(l, "%s.expert_gating_func") == SQRT_SOFTPLUS,
            "expert_gating_func must be sqrtsoftplus");
}

static void check_dflash(struct loader *l)
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
    struct array array;
    struct qfs_text act;
    if (read_one(l, "%s.hidden_activation", QFS_KV_STRING, false, NULL, &act)) {
        bool known = false;
        for (size_t i = 0; i < QFS_COUNT(activations); i++)
            known |= qfs_text_is(act, activations[i]);
        require(l, known, "hidden_activation must be gelu or silu");
    }
    read_array(l, "%s.target_layers", QFS_KV_U32, true, &array);
    if (get_u32(l, "%s.hyper_connection.count") > 0) {
        for (size_t i = 0; i < QFS_COUNT(dsv4); i++)
            read_by_table(l, &dsv4[i]);
        require(l,
                get_u32(l, "%s.attention.output_group_count") > 0 &&
                    get_u32(l, "%s.attention.sliding_window") > 0,
                "attention.output_group_count and attention.sliding_window must not be 0");
        require(l, get_u32(l, "%s.expert_gating_func") == SQRT_SOFTPLUS,
                "expert_gating_func must be sqrtsoftplus");
        if (read_array(l, "%s.attention.compress_ratios", QFS_KV_U32, false, &array))
            for (uint64_t i = 0; i < array.count && i < l->h.nlayers; i++)
                require(l, array_u32(&array, i) == 0, "attention.compress_ratios must be 0");
    } else if (get_u32(l, "%s.attention.sliding_window") > 0) {
        read_array(l, "%s.attention.sliding_window_pattern", QFS_KV_U32, true, &array);
    }
}

static void check_eagle3(struct loader *l)
{
    struct array array;
    if (read_array(l, "%s.target_layers", QFS_KV_U32, true, &array))
        require(l, array.count == 3, "target_layers must have 3 items");
}

static void check_gemma_embedding(struct loader *l)
{
    uint32_t nembd = get_u32(l, "%s.embedding_length");
    uint32_t in = get_u32(l, "%s.dense_2_feat_in"), out = get_u32(l, "%s.dense_3_feat_out");
    require(l, (in == 0 || in == nembd) && (out == 0 || out == nembd),
            "dense_2_feat_in and dense_3_feat_out must equal embedding_length");
}

/* Indices must be below the number of different ones. */
static void check_granite(struct loader *l)
{
    struct array array;
    uint32_t ndifferent = 0, largest = 0;
    if (!read_array(l, "%s.deepstack_mapping", QFS_KV_U32, false, &array))
        return;
    for (uint64_t i = 0; i < array.count; i++) {
        uint32_t value = array_u32(&array, i);
        bool seen = value > INT32_MAX; /* negative: none */
        for (uint64_t k = 0; k < i && !seen; k++)
            seen = array_u32(&array, k) == value;
        ndifferent += !seen;
        if (value <= INT32_MAX)
            largest = QFS_MAX(largest, value);
    }
    require(l, largest <= ndifferent, "deepstack_mapping skips an index");
}

/* One more layer, the router's, stands at the end. */
static void check_granite_switch(struct loader *l)
{
    uint32_t nadapters = get_u32(l, "%s.adapters.count");
    struct array array;
    static const char *const lists[] = {"%s.adapters.token_ids_activate",
                                        "%s.adapters.token_ids_substitute"};
    require(l, nadapters <= 4096 && get_u32(l, "%s.adapters.lora_rank") <= 4096,
            "more than 4096 adapters, or an adapter of a rank above 4096");
    for (size_t i = 0; i < QFS_COUNT(lists); i++)
        if (read_array(l, lists[i], QFS_KV_U32, true, &array))
            require(l, array.count == nadapters,
                    "adapter token ids do not match the adapter count");
    uint32_t n = main_layers(l);
    require(l, n < MAX_LAYERS, "too many layers");
    l->h.nlayers = n + 1;
    l->ndraft = 1;
}

static void check_hrm_text(struct loader *l)
{
    uint64_t layers = get_u32(l, "%s.hrm.layers_per_stack"), h = get_u32(l, "%s.hrm.h_cycles");
    uint64_t low = get_u32(l, "%s.hrm.l_cycles");
    require(l, layers && h && low && (uint32_t)(layers * h * (low + 1)) == main_layers(l),
            "block_count must be layers_per_stack * h_cycles * (l_cycles + 1)");
}

static void check_hy_v4(struct loader *l)
{
    uint32_t nrot = get_u32(l, "%s.rope.dimension_count"), types[MAX_LAYERS] = {0};
    require(
        l, get_u32(l, "%s.attention.key_length_mla") && get_u32(l, "%s.attention.value_length_mla"),
        "attention.key_length_mla and value_length_mla must not be 0");
    if (get_u32(l, "%s.attention.indexer.top_k") == 0)
        return;
    require(l,
            get_u32(l, "%s.attention.indexer.head_count") &&
                get_u32(l, "%s.attention.indexer.key_length") > nrot,
            "attention.indexer.head_count or key_length is too small");
    read_either(l, "%s.attention.indexer.types", QFS_KV_U32, false, main_layers(l), types);
    require(l, types[0] != 0, "layer 0 must have an indexer");
}

static void check_minimax_m3(struct loader *l)
{
    require(l, get_u32(l, "%s.attention.indexer.block_size") > 0,
            "attention.indexer.block_size must not be 0");
}

static void check_mistral3(struct loader *l)
{
    double scale = 0;
    uint32_t context = get_u32(l, "%s.context_length");
    read_u32(l, "%s.rope.scaling.original_context_length", false, &context);
    if (read_one(l, "%s.attention.temperature_scale", QFS_KV_F32, false, &scale, NULL) &&
        scale != 0)
        require(l, context != 0, "rope.scaling.original_context_length must not be 0");
}

/* Its layers run several times over: the loader counts each pass. */
static void check_nanbeige(struct loader *l)
{
    uint32_t nloops = 1;
    read_u32(l, "%s.num_loops", false, &nloops);
    require(l, nloops >= 1 && (uint64_t)main_layers(l) * nloops <= MAX_LAYERS,
            "num_loops is 0 or too large");
    if (nloops > 1)
        l->h.nlayers = main_layers(l) * nloops;
}

static void check_qwen4exp_ple(struct loader *l)
{
    static const struct qfs_loader_read reads[] = {
        {"%s.ple.ngram_size", NEED | ONE | U32},
        {"%s.ple.heads_per_ngram", NEED | ONE | U32},
        {"%s.ple.conv_kernel", NEED | ONE | U32},
        {"%s.ple.eos_token_id", NEED | ONE | U32},
        {"%s.embedding_length_per_layer_input", NEED | ONE | U32},
    };
    struct array layers, offsets, sizes;
    uint64_t nmultipliers = 0;
    if (!read_array(l, "%s.ple.layers", QFS_KV_U32, true, &layers))
        return;
    require(l, layers.count == 1 && array_u32(&layers, 0) < l->h.nlayers,
            "ple.layers must name one of the layers");
    for (size_t i = 0; i < QFS_COUNT(reads); i++)
        read_by_table(l, &reads[i]);
    uint64_t ngram = get_u32(l, "%s.ple.ngram_size");
    uint64_t nheads = (ngram - 1) * get_u32(l, "%s.ple.heads_per_ngram");
    require(l,
            get_u32(l, "%s.ple.conv_kernel") && get_u32(l, "%s.embedding_length_per_layer_input") &&
                ngram >= 2 && ngram <= MAX_PLE_NGRAM && nheads && nheads <= MAX_PLE_HEADS,
            "its per-layer embeddings have impossible sizes");
    read_count(l, "%s.ple.layer_multipliers", true, &nmultipliers);
    if (!read_array(l, "%s.ple.head_offsets", QFS_KV_U64, true, &offsets) ||
        !read_array(l, "%s.ple.head_vocab_sizes", QFS_KV_U64, true, &sizes))
        return;
    require(l, nmultipliers >= ngram && offsets.count >= nheads && sizes.count >= nheads,
            "its arrays of per-layer embeddings are too short");
    for (uint64_t i = 0; i < nheads && l->rc == 0; i++) {
        uint64_t offset, size;
        memcpy(&offset, offsets.items + 8 * i, sizeof(offset));
        memcpy(&size, sizes.items + 8 * i, sizeof(size));
        require(l, size && offset <= INT32_MAX && size <= INT32_MAX && offset + size <= INT32_MAX,
                "a head of its per-layer embeddings is out of range");
    }
}

static void check_qwen4exp(struct loader *l)
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
    uint32_t recurrent[MAX_LAYERS], interval = 4;
    for (size_t i = 0; i < QFS_COUNT(positive); i++)
        if (get_u32(l, positive[i]) == 0)
            refuse(l, "key %s must not be 0", expand(l, positive[i]).text);
    require(l, get_u32(l, "%s.hyper_connection.count") > 1, "hyper_connection.count must exceed 1");
    read_count(l, "%s.ple.layers", false, &nple);
    if (nple)
        check_qwen4exp_ple(l);
    if (!read_either(l, "%s.attention.recurrent_layers", QFS_KV_U32, false, l->h.nlayers,
                     recurrent)) {
        read_u32(l, "%s.full_attention_interval", false, &interval);
        require(l, interval > 0, "full_attention_interval must not be 0");
        for (uint32_t i = 0; i < l->h.nlayers && interval; i++)
            recurrent[i] = i < main_layers(l) && (i + 1) % interval != 0;
    }
    struct array layers;
    if (nple && l->rc == 0 && read_array(l, "%s.ple.layers", QFS_KV_U32, false, &layers))
        require(l, recurrent[array_u32(&layers, 0)] != 0,
                "ple.layers names a layer without linear attention");
}

static const struct {
    const char *arch;
    void (*run)(struct loader *l);
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

/* -- all architectures --------------------------------------------------------------------------
 */

/* Numbers of layers that the loader calls a 70B model. */
static bool is_70b(const struct loader *l)
{
    static const struct {
        const char *arch;
        uint32_t nlayers;
    } models[] = {{"deci", 80},        {"jais2", 68}, {"llama", 80},
                  {"llama-embed", 80}, {"olmo", 80},  {"qwen2", 80}};
    for (size_t i = 0; i < QFS_COUNT(models); i++)
        if (strcmp(l->arch, models[i].arch) == 0 && main_layers(l) == models[i].nlayers)
            return !qfs_starts_with(l->arch, "llama") ||
                   (l->h.nexperts != 8 && l->h.nheads != l->h.nheads_kv);
    return false;
}

static void read_experts(struct loader *l)
{
    uint32_t used[MAX_LAYERS] = {0}, most = 0, ngroups, ngroups_used;
    l->h.nexperts = get_u32(l, "%s.expert_count");
    read_either(l, "%s.expert_used_count", QFS_KV_U32, false, l->h.nlayers, used);
    ngroups = get_u32(l, "%s.expert_group_count");
    ngroups_used = get_u32(l, "%s.expert_group_used_count");
    if (l->rc < 0)
        return;
    for (uint32_t i = 0; i < l->h.nlayers; i++)
        most = QFS_MAX(most, used[i]);
    if ((strcmp(l->arch, "hunyuan_vl") == 0 || strcmp(l->arch, "hunyuan-dense") == 0) &&
        l->h.nexperts <= 1)
        l->h.nexperts = most = 0;
    uint32_t n = l->h.nexperts;
    require(l, n <= MAX_EXPERTS && most <= n,
            "expert_count is too large, or below expert_used_count");
    if (n == 0) {
        require(l, ngroups == 0, "expert_group_count without experts");
        return;
    }
    require(l, most > 0, "expert_used_count must not be 0");
    require(l, ngroups < n, "expert_group_count must be below expert_count");
    if (ngroups > 1)
        require(l, n % ngroups == 0 && ngroups_used > 0 && ngroups_used < ngroups,
                "expert_group_count or expert_group_used_count does not fit expert_count");
}

static void read_wavtokenizer(struct loader *l)
{
    static const char *const needed[] = {"%s.features_length", "%s.posnet.embedding_length",
                                         "%s.convnext.embedding_length"};
    uint32_t posnet = 0, convnext = 0;
    for (size_t i = 0; i < QFS_COUNT(needed); i++)
        read_one(l, needed[i], QFS_KV_U32, true, NULL, NULL);
    read_u32(l, "%s.posnet.block_count", true, &posnet);
    read_u32(l, "%s.convnext.block_count", true, &convnext);
    require(l, posnet <= l->h.nlayers && convnext <= l->h.nlayers,
            "posnet.block_count or convnext.block_count exceeds block_count");
}

static void read_heads(struct loader *l)
{
    uint32_t heads[MAX_LAYERS] = {0}, heads_kv[MAX_LAYERS];
    uint32_t n = l->h.nlayers, nembd = get_u32(l, "%s.embedding_length"), head_size, nrot;
    static const char *const strict[] = {"llama", "deci", "falcon", "llama-embed"};
    read_either(l, "%s.feed_forward_length", QFS_KV_U32, false, n, NULL);
    read_either(l, "%s.attention.head_count", QFS_KV_U32, false, n, heads);
    memcpy(heads_kv, heads, sizeof(heads));
    read_either(l, "%s.attention.head_count_kv", QFS_KV_U32, false, n, heads_kv);
    if (l->rc < 0)
        return;
    l->h.nheads = heads[0];
    l->h.nheads_kv = heads_kv[0];
    if (heads[0] == 0)
        return;
    head_size = nembd / heads[0];
    read_u32(l, "%s.attention.key_length", false, &head_size);
    read_one(l, "%s.attention.value_length", QFS_KV_U32, false, NULL, NULL);
    nrot = head_size;
    read_u32(l, "%s.rope.dimension_count", false, &nrot);
    for (size_t i = 0; i < QFS_COUNT(strict); i++)
        if (strcmp(l->arch, strict[i]) == 0 && nrot != head_size)
            refuse(l, "rope.dimension_count is %u, not the size of a head, %u", nrot, head_size);
}

static void read_rope(struct loader *l)
{
    static const char *const types[] = {"none", "linear", "yarn", "longrope"};
    struct qfs_text type = QFS_TEXT("linear");
    bool known = false;
    read_one(l, "%s.rope.scaling.finetuned", QFS_KV_BOOL, false, NULL, NULL);
    read_one(l, "%s.rope.scaling.original_context_length", QFS_KV_U32, false, NULL, NULL);
    read_one(l, "%s.rope.freq_base", QFS_KV_F32, false, NULL, NULL);
    read_one(l, "%s.rope.scaling.type", QFS_KV_STRING, false, NULL, &type);
    for (size_t i = 0; i < QFS_COUNT(types); i++)
        known |= qfs_text_is(type, types[i]);
    require(l, known, "rope.scaling.type is none that it knows");
    if (!read_one(l, "%s.rope.scaling.factor", QFS_KV_F32, false, NULL, NULL))
        read_one(l, "%s.rope.scale_linear", QFS_KV_F32, false, NULL, NULL);
    read_one(l, "%s.rope.scaling.attn_factor", QFS_KV_F32, false, NULL, NULL);
    read_one(l, "%s.rope.scaling.alpha", QFS_KV_F32, false, NULL, NULL);
}

static void read_hparams(struct loader *l, const struct qfs_loader_arch *arch)
{
    struct array labels;
    read_one(l, "%s.context_length", QFS_KV_U32, true, NULL, NULL);
    read_one(l, "%s.embedding_length", QFS_KV_U32, true, NULL, NULL);
    read_one(l, "%s.embedding_length_out", QFS_KV_U32, false, NULL, NULL);
    read_one(l, "%s.attention.causal", QFS_KV_BOOL, false, NULL, NULL);
    read_one(l, "%s.pooling_type", QFS_KV_U32, false, NULL, NULL);
    read_u32(l, "%s.block_count", true, &l->h.nlayers);
    require(l, l->h.nlayers > 0 && l->h.nlayers <= MAX_LAYERS, "block_count must be 1 to 512");
    read_u32(l, "%s.nextn_predict_layers", false, &l->ndraft);
    require(l, l->ndraft <= l->h.nlayers, "nextn_predict_layers exceeds block_count");
    if (l->rc < 0)
        return;
    read_experts(l);
    if (strcmp(l->arch, "wavtokenizer-dec") == 0)
        read_wavtokenizer(l);
    read_heads(l);
    read_rope(l);
    read_one(l, "%s.attention.key_length_swa", QFS_KV_U32, false, NULL, NULL);
    read_one(l, "%s.attention.value_length_swa", QFS_KV_U32, false, NULL, NULL);
    read_one(l, "%s.rope.dimension_count_swa", QFS_KV_U32, false, NULL, NULL);
    read_array(l, "%s.classifier.output_labels", QFS_KV_STRING, false, &labels);
    for (size_t i = 0; i < arch->nreads && l->rc == 0; i++)
        read_by_table(l, &arch->reads[i]);
    for (size_t i = 0; i < QFS_COUNT(checks) && l->rc == 0; i++)
        if (strcmp(checks[i].arch, l->arch) == 0)
            checks[i].run(l);
}

int qfs_loader_run(const struct qfs_kvs *kvs, const struct qfs_override *overrides,
                   size_t noverrides, struct qfs_hparams *ret_hparams, struct qfs_error *error)
{
    struct loader l = {
        .kvs = kvs, .overrides = overrides, .noverrides = noverrides, .arch = "", .error = error};
    const struct qfs_loader_arch *arch = NULL;
    struct qfs_text name = {0};
    read_one(&l, "general.architecture", QFS_KV_STRING, false, NULL, &name);
    for (size_t i = 0; i < qfs_loader_narchs; i++)
        if (qfs_text_is(name, qfs_loader_archs[i].name))
            arch = &qfs_loader_archs[i];
    if (!arch) {
        refuse(&l, "it has no architecture '%.*s'", (int)QFS_MIN(name.size, (size_t)64),
               name.data ? name.data : "");
        return l.rc;
    }
    l.arch = l.h.arch = arch->name;
    read_one(&l, "split.count", QFS_KV_U16, false, NULL, NULL);
    read_one(&l, "general.file_type", QFS_KV_U32, false, NULL, NULL);
    read_one(&l, "general.name", QFS_KV_STRING, false, NULL, NULL);
    /* The layers of projectors are none of the loader's. */
    if (strcmp(l.arch, "clip") != 0)
        read_hparams(&l, arch);
    if (l.rc < 0)
        return l.rc;
    l.h.is_70b = is_70b(&l);
    *ret_hparams = l.h;
    return 0;
}
