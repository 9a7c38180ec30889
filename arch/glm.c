/* GLM 4 (dense), 4.5 to 4.7 (MoE), 4.7 Flash and 5 (DeepSeek's attention), Solar Open. Draft heads are
 * the layers behind num_hidden_layers. */
#include "converter.h"

#include <string.h>

#include "vocab/vocab_ways.h"

static const char *const glm4_classes[] = {"Glm4ForCausalLM", "Glm4vForConditionalGeneration",
                                           NULL};
static const char *const glm_ocr_classes[] = {"GlmOcrForConditionalGeneration", NULL};
static const char *const glm4moe_classes[] = {"Glm4MoeForCausalLM",
                                              "Glm4vMoeForConditionalGeneration", NULL};
static const char *const glm4moe_lite_classes[] = {"Glm4MoeLiteForCausalLM", NULL};
static const char *const glm_dsa_classes[] = {"GlmMoeDsaForCausalLM", NULL};
static const char *const solar_classes[] = {"SolarOpenForCausalLM", NULL};

static int put_rotated(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_rotated_dim(c, 0.5, &dim);
    if (rc == 0)
        qfs_put_u32(c, "rope.dimension_count", dim);
    return rc;
}

/* -- GLM 4 -------------------------------------------------------------------------------------------- */

static int glm4_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    return rc < 0 ? rc : put_rotated(c);
}

/* The rotated rows of each head from interleaved pairs to halves: even ones, odd ones, then the rest. */
static const struct qfs_recipe *
normal_to_neox(struct qfs_converter *c, const struct qfs_recipe *data, int64_t dim, int64_t rotated)
{
    if (!data)
        return NULL;
    if (data->ndim < 1 || data->ndim > 2 || rotated <= 0 || rotated % 2 || rotated > dim ||
        data->shape[0] % dim) {
        qfs_fail(c->error, EINVAL,
                 "%s/config.json: heads of %lld rows, %lld of them rotated, do not fit the weights",
                 c->model->path, (long long)dim, (long long)rotated);
        return NULL;
    }
    int64_t nheads = data->shape[0] / dim, nparts = 0;
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)nheads * 2, sizeof(*parts));
    if (!parts) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    for (int64_t head = 0; head < nheads; head++) {
        const struct qfs_recipe *turned = qfs_lazy_slice(c, data, 0, head * dim, rotated);
        const int64_t pairs[] = {rotated / 2, 2, data->ndim == 2 ? data->shape[1] : 1};
        int64_t whole[] = {rotated, data->ndim == 2 ? data->shape[1] : 1};
        turned = qfs_lazy_swapaxes(c, qfs_lazy_reshape(c, turned, 3, pairs), 0, 1);
        parts[nparts++] = qfs_lazy_reshape(c, turned, data->ndim, whole);
        if (rotated < dim)
            parts[nparts++] = qfs_lazy_slice(c, data, 0, head * dim + rotated, dim - rotated);
    }
    return qfs_lazy_concat(c, parts, (size_t)nparts);
}

/* llama.cpp's rotation by sections knows only halves. */
static int glm4_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    static const char *const turned[] = {"q_proj.weight", "q_proj.bias", "k_proj.weight",
                                         "k_proj.bias"};
    int64_t dim;
    int rc;
    for (size_t i = 0; qfs_json_get(c->rope, "mrope_section") && i < QFS_COUNT(turned); i++)
        if (qfs_ends_with(name, turned[i])) {
            if ((rc = qfs_head_dim(c, &dim)) < 0)
                return rc;
            double factor = qfs_json_number_or(c->rope, "partial_rotary_factor", 0.5);
            data = normal_to_neox(c, data, dim, (int64_t)((double)dim * factor));
        }
    return qfs_text_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_glm4 = {
    .arch = "glm4",
    .hf_classes = glm4_classes,
    .tensor = glm4_tensor,
    .keys = glm4_keys,
    .vocab_method = qfs_vocab_glmedge,
};

static int glm_ocr_keys(struct qfs_converter *c)
{
    int rc = glm4_keys(c);
    return rc < 0 ? rc : qfs_put_nextn(c);
}

const struct qfs_family qfs_family_glm_ocr = {
    .arch = "glm4",
    .hf_classes = glm_ocr_classes,
    .parent = &qfs_family_glm4,
    .begin = qfs_begin_with_nextn,
    .keys = glm_ocr_keys,
};

/* -- GLM 4.5 ------------------------------------------------------------------------------------------ */

static int glm4moe_begin(struct qfs_converter *c)
{
    int64_t nextn;
    int rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn);
    if (rc == 0)
        c->block_count += QFS_MIN(nextn, (int64_t)4096);
    return rc;
}

static int glm4moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    if (strcmp(name, "model.embed_tokens.weight") == 0)
        return qfs_text_tensor(c, data, "token_embd.weight", bid);
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "n_routed_experts");
}

static int glm4moe_keys(struct qfs_converter *c)
{
    static const struct qfs_param before[] = {
        {"expert_count", QFS_PARAM_U32, {"n_routed_experts"}},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}},
        {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}},
        {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}},
        {NULL},
    };
    static const struct qfs_param after[] = {
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}},
        {"nextn_predict_layers", QFS_PARAM_U32, {"num_nextn_predict_layers"}},
        {NULL},
    };
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = put_rotated(c)) < 0 || (rc = qfs_put_params(c, before)) < 0)
        return rc;
    qfs_put_sigmoid_gating(c);
    return qfs_put_params(c, after);
}

const struct qfs_family qfs_family_glm4moe = {
    .arch = "glm4moe",
    .hf_classes = glm4moe_classes,
    .begin = glm4moe_begin,
    .tensor = glm4moe_tensor,
    .keys = glm4moe_keys,
    .vocab_method = qfs_vocab_glm,
};

static int solar_vocab(struct qfs_converter *c)
{
    static const struct qfs_special_token tokens[] = {
        {"eos", "<|endoftext|>"},
        {"eot", "<|endoftext|>"},
        {"unk", "<unk>"},
        {"bos", "<|startoftext|>"},
        {NULL, NULL},
    };
    return qfs_vocab_gpt2_special(c->out, c->hparams, tokens, c->error);
}

const struct qfs_family qfs_family_solar_open = {
    .arch = "glm4moe",
    .hf_classes = solar_classes,
    .parent = &qfs_family_glm4moe,
    .vocab = solar_vocab,
};

/* -- with DeepSeek's attention ------------------------------------------------------------------------- */

/* Layers of draft heads are dropped only where config says that there are none. */
static int lite_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (c->block_count == nlayers && qfs_layer_of(name) >= nlayers)
        return 0;
    return qfs_deepseek2_tensor(c, data, name, bid);
}

static int lite_keys(struct qfs_converter *c)
{
    int64_t nextn;
    int rc = qfs_deepseek2_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0)
        return rc;
    if (nextn)
        qfs_put_u32(c, "nextn_predict_layers", nextn);
    return 0;
}

const struct qfs_family qfs_family_glm4moe_lite = {
    .arch = "deepseek2",
    .hf_classes = glm4moe_lite_classes,
    .parent = &qfs_family_deepseek2,
    .begin = qfs_begin_with_nextn,
    .tensor = lite_tensor,
    .keys = lite_keys,
    .vocab_method = qfs_vocab_glm,
};

static int dsa_keys(struct qfs_converter *c)
{
    int64_t rope;
    int rc = qfs_deepseek2_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0)
        return rc;
    double factor = qfs_json_number_or(c->rope, "partial_rotary_factor", 1.0);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)((double)rope * factor));
    if ((rc = qfs_put_nextn(c)) < 0 || (rc = qfs_put_indexer(c)) < 0)
        return rc;
    return qfs_put_layer_flags(c, "attention.indexer.types", "indexer_types", "full");
}

const struct qfs_family qfs_family_glm_dsa = {
    .arch = "glm-dsa",
    .hf_classes = glm_dsa_classes,
    .parent = &qfs_family_deepseek2,
    .begin = qfs_begin_with_nextn,
    .tensor = qfs_deepseek2_tensor,
    .keys = dsa_keys,
    .vocab_method = qfs_vocab_glm,
};
