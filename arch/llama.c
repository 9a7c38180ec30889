/* Llama and what is built like it: Mistral, Mixtral, SmolLM2. */
#include "converter.h"
#include "quantfs/torch_math.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const classes[] = {"LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM",
                                      "MixtralForCausalLM", "VLlama3ForCausalLM", "LlamaModel",
                                      "IQuestCoderForCausalLM", "LlavaForConditionalGeneration",
                                      "VoxtralForConditionalGeneration",
                                      /* EAGLE-3 draft models, which are refused */
                                      "LlamaForCausalLMEagle3", "Eagle3LlamaForCausalLM",
                                      "Eagle3Speculator", "Eagle3DraftModel", NULL};

/* A draft model is told by its configuration, whatever its class. */
static int begin(struct qfs_converter *c)
{
    const struct qfs_json *layers = qfs_hparam(c, "num_hidden_layers");
    int64_t nlayers;
    if (qfs_hparam(c, "draft_vocab_size") && qfs_json_int(layers, &nlayers) && nlayers == 1)
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: is an EAGLE-3 draft model, which the converter makes only "
                        "together with its target model",
                        c->model->path);
    if (strcmp(c->hf_class, "VLlama3ForCausalLM") == 0 && !qfs_hparam(c, "num_attention_heads"))
        return qfs_hparam_set_int(c, "num_attention_heads", 32);
    return 0;
}

int qfs_llama_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    /* SmolVLM names its language model so */
    const char *inner = strstr(name, "text_model.");
    if (inner) {
        name = qfs_arena_printf(c->arena, "%.*s%s", (int)(inner - name), name, inner + 11);
        if (!name)
            return qfs_fail_memory(c->error);
    }
    return qfs_text_filter(c, name, ret_name);
}

const struct qfs_recipe *qfs_permute_qk(struct qfs_converter *c, const struct qfs_recipe *data,
                                        const char *name, bool biases)
{
    bool query =
        qfs_ends_with(name, "q_proj.weight") || (biases && qfs_ends_with(name, "q_proj.bias"));
    bool key =
        qfs_ends_with(name, "k_proj.weight") || (biases && qfs_ends_with(name, "k_proj.bias"));
    bool own = key && !qfs_json_is_null(qfs_hparam_any(c, "n_kv_heads", "num_key_value_heads"));
    int64_t nheads;
    if (!query && !key)
        return data;
    int rc = own ? qfs_hparam_count(c, &nheads, "n_kv_heads", "num_key_value_heads")
                 : qfs_hparam_count(c, &nheads, "n_heads", "num_attention_heads");
    return rc < 0 ? NULL : qfs_lazy_permute_heads(c, data, nheads);
}

int qfs_llama_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    if (strcmp(c->hf_class, "LlamaModel") == 0 &&
        !(name = qfs_arena_printf(c->arena, "model.%s", name)))
        return qfs_fail_memory(c->error);
    data = qfs_permute_qk(c, data, name, true);
    if (!strstr(name, "block_sparse_moe.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mixtral_experts, "num_local_experts");
}

int qfs_hidden_by_heads(struct qfs_converter *c, int64_t *ret_dim)
{
    int64_t hidden, nheads;
    int rc;
    if ((rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0)
        return rc;
    *ret_dim = nheads ? hidden / nheads : 0;
    return 0;
}

int qfs_head_dim(struct qfs_converter *c, int64_t *ret_dim)
{
    int rc = qfs_json_is_null(qfs_hparam(c, "head_dim")) ? qfs_hidden_by_heads(c, ret_dim)
                                                         : qfs_hparam_count(c, ret_dim, "head_dim");
    if (rc < 0)
        return rc;
    if (*ret_dim <= 0 || *ret_dim > 1 << 16)
        return qfs_fail(c->error, EINVAL, "%s/config.json: head_dim is no size of a head",
                        c->model->path);
    return 0;
}

int qfs_llama_keys(struct qfs_converter *c)
{
    int64_t vocab_size, dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &vocab_size, "vocab_size")) < 0)
        return rc;
    qfs_put_u32(c, "vocab_size", vocab_size);
    if ((rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    return 0;
}

int qfs_llama_vocab(struct qfs_converter *c)
{
    return qfs_vocab_llama(c->out, c->hparams, c->error);
}

struct llama3_rope {
    double base, factor, low, high, context;
};

/* One factor. Everything is a float32 tensor except config's numbers, which torch rounds to float32
 * when they meet one. */
static float llama3_factor(const struct llama3_rope *rope, float exponent)
{
    float frequency = qfs_torch_rdiv(1.0, qfs_torch_powf((float)rope->base, exponent));
    float wavelength = qfs_torch_rdiv(2 * M_PI, frequency);
    if (wavelength < (float)(rope->context / rope->high))
        return 1;
    if (wavelength > (float)(rope->context / rope->low))
        return (float)rope->factor;
    float smooth = (qfs_torch_rdiv(rope->context, wavelength) - (float)rope->low) /
                   (float)(rope->high - rope->low);
    return qfs_torch_rdiv(1.0, (1.0f - smooth) / (float)rope->factor + smooth);
}

const struct qfs_json *qfs_llama3_rope(const struct qfs_converter *c)
{
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *params = full ? full : c->rope;
    const char *type = qfs_json_string(qfs_json_get(params, "rope_type"));
    return type && strcasecmp(type, "llama3") == 0 ? params : NULL;
}

/* Llama 3.1's frequency factors: one a pair of rotated dimensions. */
int qfs_llama3_rope_factors_or(struct qfs_converter *c, double default_factor)
{
    const struct qfs_json *params = qfs_llama3_rope(c);
    int64_t dim;
    int rc;
    if (!params)
        return 0;
    if ((rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    const struct llama3_rope rope = {
        qfs_json_number_or(params, "rope_theta", 10000.0),
        qfs_json_number_or(params, "factor", default_factor),
        qfs_json_number_or(params, "low_freq_factor", 1.0),
        qfs_json_number_or(params, "high_freq_factor", 4.0),
        qfs_json_number_or(params, "original_max_position_embeddings", 8192),
    };
    int64_t count = (dim + 1) / 2;
    float *factors = qfs_arena_array(c->arena, (size_t)count, sizeof(*factors));
    if (!factors)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < count; i++)
        factors[i] = llama3_factor(&rope, (float)(2 * i) / (float)dim);
    const char *name = qfs_format_name(c, "rope_freqs", ".weight", -1);
    if (!name)
        return -c->error->code;
    return qfs_convert_tensor(c, qfs_lazy_floats(c, factors, count), name);
}

int qfs_llama3_rope_factors(struct qfs_converter *c)
{
    return qfs_llama3_rope_factors_or(c, 8.0);
}

/* The same heads in NVFP4, which does not come through qfs_llama_tensor. */
static int nvfp4(struct qfs_converter *c, const char *name, const struct qfs_recipe **weight,
                 const struct qfs_recipe **scale)
{
    if (qfs_json_is_null(qfs_hparam_any(c, "n_heads", "num_attention_heads")))
        return 0;
    *weight = qfs_permute_qk(c, *weight, name, false);
    *scale = qfs_permute_qk(c, *scale, name, false);
    return *weight && *scale ? 0 : -c->error->code;
}

const struct qfs_family qfs_family_llama = {
    .arch = "llama",
    .hf_classes = classes,
    .begin = begin,
    .filter = qfs_llama_filter,
    .nvfp4 = nvfp4,
    .extra = qfs_llama3_rope_factors,
    .tensor = qfs_llama_tensor,
    .keys = qfs_llama_keys,
    .vocab = qfs_llama_vocab,
};
