/* DeepSeek: the first one (MoE with plain attention), V2 and V3 and what is built like them (latent
 * attention, stored so that llama.cpp runs it as one big key-value head), V3.2 (sparse attention). */
#include "converter.h"

#include "vocab/tokenizer.h"
#include "vocab/vocab_ways.h"

#include <string.h>

static const char *const deepseek_classes[] = {"DeepseekForCausalLM", NULL};
static const char *const deepseek2_classes[] = {
    "DeepseekV2ForCausalLM",   "DeepseekV3ForCausalLM",           "DeepseekOCRForCausalLM",
    "UnlimitedOCRForCausalLM", "KimiVLForConditionalGeneration",  "KimiK25ForConditionalGeneration",
    "YoutuForCausalLM",        "YoutuVLForConditionalGeneration", NULL};
static const char *const deepseek32_classes[] = {"DeepseekV32ForCausalLM", NULL};

/* -- shared ------------------------------------------------------------------------------------------- */

void qfs_put_no_rope_scaling(struct qfs_converter *c)
{
    qfs_put_string(c, "rope.scaling.type", "none");
}

int qfs_put_nextn(struct qfs_converter *c)
{
    return qfs_put_one(c, "nextn_predict_layers", QFS_PARAM_U32, {"num_nextn_predict_layers"});
}

int qfs_put_indexer(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"attention.indexer.head_count", QFS_PARAM_U32, {"index_n_heads"}, true},
        {"attention.indexer.key_length", QFS_PARAM_U32, {"index_head_dim"}, true},
        {"attention.indexer.top_k", QFS_PARAM_U32, {"index_topk"}, true},
        {NULL},
    };
    return qfs_put_params(c, table);
}

int qfs_mla_split(struct qfs_converter *c, const struct qfs_recipe *data, int bid,
                  const struct qfs_mla *mla, const char *k_name, const char *v_name)
{
    if (!data || !k_name || !v_name)
        return -c->error->code;
    int64_t both = mla->nope + mla->value;
    if (data->ndim != 2 || mla->nheads <= 0 || data->shape[0] % mla->nheads ||
        data->shape[0] / mla->nheads != both)
        return qfs_fail(c->error, EINVAL,
                        "%s: layer %d: the rows of kv_b_proj are not the %lld heads of %lld that "
                        "config.json says",
                        c->model->path, bid, (long long)mla->nheads, (long long)both);
    const int64_t shape[] = {mla->nheads, both, data->shape[1]};
    const struct qfs_recipe *heads = qfs_lazy_reshape(c, data, 3, shape);
    const struct qfs_recipe *k = qfs_lazy_slice(c, heads, 1, 0, mla->nope);
    int rc = qfs_text_tensor(c, qfs_lazy_swapaxes(c, k, 1, 2), k_name, bid);
    return rc < 0 ? rc
                  : qfs_text_tensor(c, qfs_lazy_slice(c, heads, 1, mla->nope, mla->value), v_name,
                                    bid);
}

int qfs_mla_kv_b(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid,
                 const char *nheads_name)
{
    struct qfs_mla mla;
    int rc;
    if ((rc = qfs_hparam_count(c, &mla.nheads, nheads_name)) < 0 ||
        (rc = qfs_hparam_count(c, &mla.value, "v_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &mla.nope, "qk_nope_head_dim")) < 0)
        return rc;
    return qfs_mla_split(c, data, bid, &mla, qfs_name_replace(c, name, "kv_b_proj", "k_b_proj"),
                         qfs_name_replace(c, name, "kv_b_proj", "v_b_proj"));
}

/* -- DeepSeek ----------------------------------------------------------------------------------------- */

static int deepseek_keys(struct qfs_converter *c)
{
    static const struct qfs_param before[] = {
        {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
        {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {NULL},
    };
    static const struct qfs_param after[] = {
        {"expert_count", QFS_PARAM_U32, {"n_routed_experts"}, true},
        {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}, true},
        {NULL},
    };
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    qfs_put_no_rope_scaling(c);
    if ((rc = qfs_put_params(c, before)) < 0)
        return rc;
    qfs_put_f32(c, "expert_weights_scale", 1.0);
    return qfs_put_params(c, after);
}

static int deepseek_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    data = qfs_permute_qk(c, data, name, true);
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "n_routed_experts");
}

const struct qfs_family qfs_family_deepseek = {
    .arch = "deepseek",
    .hf_classes = deepseek_classes,
    .tensor = deepseek_tensor,
    .keys = deepseek_keys,
    .vocab_method = qfs_vocab_sentencepiece_or_gpt2,
};

/* -- DeepSeek V2, V3 ---------------------------------------------------------------------------------- */

static bool is_ocr(const struct qfs_converter *c)
{
    return strcmp(c->arch, "deepseek2-ocr") == 0;
}

/* The language models of DeepSeek-OCR have an architecture of their own. */
static int deepseek2_begin(struct qfs_converter *c)
{
    static const char *const classes[] = {"DeepseekOCRForCausalLM", "DeepseekOCR2ForCausalLM",
                                          "UnlimitedOCRForCausalLM"};
    struct qfs_text class =
        qfs_json_text(qfs_json_at(qfs_json_get(c->model->config, "architectures"), 0));
    for (size_t i = 0; i < QFS_COUNT(classes); i++)
        if (qfs_text_is(class, classes[i]))
            c->arch = "deepseek2-ocr";
    return 0;
}

static int deepseek2_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strstr(name, "sam_model") || strstr(name, "qwen2_model"))
        return 0;
    return qfs_text_filter(c, name, ret_name);
}

static int deepseek2_extra(struct qfs_converter *c)
{
    if (is_ocr(c))
        qfs_kv_string(&c->out->kvs, "tokenizer.chat_template",
                      "{% for m in messages %}{{m['content']}}{% endfor %}");
    return 0;
}

/* Without the layers of draft heads, which is what V2, V3 and their kin write. */
static int deepseek2_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                            const char *name, int bid)
{
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    return qfs_layer_of(name) >= nlayers ? 0 : qfs_deepseek2_tensor(c, data, name, bid);
}

int qfs_deepseek2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    if (qfs_json_truthy(qfs_hparam(c, "tie_word_embeddings")) &&
        (strcmp(name, "lm_head.weight") == 0 || strcmp(name, "model.lm_head.weight") == 0))
        return 0;
    if (strstr(name, "mlp.experts")) {
        return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "n_routed_experts");
    }
    if (qfs_ends_with(name, "kv_b_proj.weight"))
        return qfs_mla_kv_b(c, data, name, bid, "num_key_value_heads");
    return qfs_text_tensor(c, data, name, bid);
}

/* Sizes of the latent attention, as llama.cpp's one key-value head has them. */
static int put_mla(struct qfs_converter *c)
{
    int64_t rank, nope, rope, value;
    int rc;
    if ((rc = qfs_hparam_count_or(c, "kv_lora_rank", 512, &rank)) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &value, "v_head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "attention.kv_lora_rank", rank);
    qfs_put_u32(c, "attention.key_length", rank + rope);
    qfs_put_u32(c, "attention.value_length", rank);
    qfs_put_u32(c, "attention.key_length_mla", nope + rope);
    qfs_put_u32(c, "attention.value_length_mla", value);
    return 0;
}

static int put_experts(struct qfs_converter *c)
{
    static const struct qfs_param before[] = {
        {"expert_feed_forward_length",
         QFS_PARAM_U32_OR_LIST,
         {"moe_intermediate_size", "intermediate_size"},
         true},
        {"expert_count", QFS_PARAM_U32, {"n_routed_experts"}},
        {NULL},
    };
    int64_t nshared;
    int rc = qfs_put_params(c, before);
    if (rc < 0 || (rc = qfs_hparam_count_or(c, "n_shared_experts", 0, &nshared)) < 0)
        return rc;
    qfs_put_u32(c, "expert_shared_count", nshared);
    if ((rc = qfs_put_one(c, "expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"})) < 0)
        return rc;
    if (qfs_json_truthy(qfs_hparam(c, "norm_topk_prob")))
        qfs_put_bool(c, "expert_weights_norm", true);
    return qfs_put_one(c, "rope.dimension_count", QFS_PARAM_U32, {"qk_rope_head_dim"}, true);
}

static int put_leading_dense(struct qfs_converter *c)
{
    int64_t count = 0;
    int rc = 0;
    if (!qfs_json_is_null(qfs_hparam(c, "first_k_dense_replace")))
        rc = qfs_hparam_count(c, &count, "first_k_dense_replace");
    else if (qfs_json_is_null(qfs_hparam(c, "n_routed_experts")))
        rc = qfs_hparam_count(c, &count, "num_hidden_layers"); /* all layers are dense */
    if (rc == 0)
        qfs_put_u32(c, "leading_dense_block_count", count);
    return rc;
}

int qfs_deepseek2_keys(struct qfs_converter *c)
{
    static const struct qfs_param sizes[] = {
        {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
        {"attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank"}},
        {NULL},
    };
    const struct qfs_json epsilon = {.kind = QFS_JSON_REAL, .real = 1e-6};
    const struct qfs_json *window, *mscale = qfs_json_get(c->rope, "mscale_all_dim");
    double factor;
    int rc = 0;
    if (!is_ocr(c))
        rc = qfs_hparam_set_int(c, "num_key_value_heads", 1);
    if (rc == 0 && !qfs_hparam(c, "rms_norm_eps"))
        rc = qfs_hparam_set(c, "rms_norm_eps", &epsilon);
    if (rc < 0 || (rc = qfs_text_keys(c)) < 0 || (rc = put_leading_dense(c)) < 0 ||
        (rc = qfs_put_params(c, sizes)) < 0 || (!is_ocr(c) && (rc = put_mla(c)) < 0) ||
        (rc = put_experts(c)) < 0)
        return rc;
    window = qfs_hparam(c, "sliding_window_size");
    if (!qfs_json_truthy(window))
        window = qfs_hparam(c, "sliding_window");
    if (is_ocr(c) && qfs_json_truthy(window) &&
        (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)) < 0)
        return rc;
    if (qfs_json_is_null(mscale))
        return 0;
    if (!qfs_json_real(mscale, &factor))
        return qfs_fail(c->error, EINVAL, "%s/config.json: mscale_all_dim is not a number",
                        c->model->path);
    qfs_put_f32(c, "rope.scaling.yarn_log_multiplier", 0.1 * factor);
    return 0;
}

static int deepseek2_vocab(struct qfs_converter *c)
{
    return qfs_vocab_deepseek2(c->out, c->hparams, false, c->error);
}

const struct qfs_family qfs_family_deepseek2 = {
    .arch = "deepseek2",
    .hf_classes = deepseek2_classes,
    .begin = deepseek2_begin,
    .filter = deepseek2_filter,
    .extra = deepseek2_extra,
    .tensor = deepseek2_tensor,
    .keys = qfs_deepseek2_keys,
    .vocab = deepseek2_vocab,
};

/* -- DeepSeek V3.2 ------------------------------------------------------------------------------------ */

static int deepseek32_keys(struct qfs_converter *c)
{
    int rc = qfs_deepseek2_keys(c);
    if (rc < 0 || (rc = qfs_put_nextn(c)) < 0)
        return rc;
    return qfs_put_indexer(c);
}

static int deepseek32_vocab(struct qfs_converter *c)
{
    struct qfs_tokenizer *t = NULL;
    int rc = qfs_tokenizer_open(c->model, &t, c->error);
    bool add_bos = rc == 0 && t->add_bos;
    qfs_tokenizer_close(t);
    if (rc < 0)
        return rc;
    if (!add_bos)
        return qfs_fail(
            c->error, EINVAL,
            "%s: the tokenizer adds no BOS as transformers loads it (add_bos_token beside "
            "a tokenizer.json counts for nothing), which the converter does not take for "
            "DeepSeek V3.2",
            c->model->path);
    return qfs_text_vocab(c);
}

const struct qfs_family qfs_family_deepseek32 = {
    .arch = "deepseek32",
    .hf_classes = deepseek32_classes,
    .parent = &qfs_family_deepseek2,
    .begin = qfs_begin_with_nextn,
    .tensor = qfs_deepseek2_tensor,
    .keys = deepseek32_keys,
    .vocab = deepseek32_vocab,
};
