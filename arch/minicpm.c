/* MiniCPM 1 to 3. (MiniCPM 4 calls itself MiniCPM 1, MiniCPM-V 4.6 is a Qwen 3.5.) */
#include "converter.h"

#include <math.h>
#include <string.h>

static const char *const minicpm_classes[] = {"MiniCPMForCausalLM", NULL};
static const char *const minicpm3_classes[] = {"MiniCPM3ForCausalLM", NULL};

static int put_factors(struct qfs_converter *c, const struct qfs_json *list, const char *key)
{
    float *factors = qfs_arena_array(c->arena, list->count, sizeof(*factors));
    const char *name = qfs_format_name(c, key, ".weight", -1);
    if (!factors)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < list->count; i++) {
        double factor;
        if (!qfs_json_real(qfs_json_at(list, i), &factor))
            return qfs_fail(c->error, EINVAL, "%s/config.json: a rope factor is not a number",
                            c->model->path);
        factors[i] = (float)factor;
    }
    return name ? qfs_convert_tensor(c, qfs_lazy_floats(c, factors, list->count), name)
                : -c->error->code;
}

int qfs_longrope_factors(struct qfs_converter *c, int64_t dim)
{
    const struct qfs_json *lengthy = qfs_json_get(c->rope, "long_factor");
    const struct qfs_json *brief = qfs_json_get(c->rope, "short_factor");
    if (!qfs_json_truthy(lengthy) && !qfs_json_truthy(brief))
        return 0;
    if (!qfs_json_is(lengthy, QFS_JSON_ARRAY) || !qfs_json_is(brief, QFS_JSON_ARRAY) ||
        lengthy->count != brief->count || 2 * (int64_t)lengthy->count != dim)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: long_factor and short_factor are not %lld numbers each",
                        c->model->path, (long long)(dim / 2));
    int rc = put_factors(c, lengthy, "rope_factors_long");
    return rc < 0 ? rc : put_factors(c, brief, "rope_factors_short");
}

/* -- MiniCPM and MiniCPM 4 ---------------------------------------------------------------------------- */

static int minicpm_extra(struct qfs_converter *c)
{
    int64_t dim = 0;
    int rc = qfs_hidden_by_heads(c, &dim);
    return rc < 0 ? rc : qfs_longrope_factors(c, dim);
}

static int minicpm_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    return qfs_text_tensor(c, qfs_permute_qk(c, data, name, false), name, bid);
}

static int minicpm_keys(struct qfs_converter *c)
{
    static const char *const names[] = {"scale_emb", "scale_depth", "num_hidden_layers",
                                        "hidden_size", "dim_model_base"};
    double number[QFS_COUNT(names)];
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (!qfs_json_real(qfs_hparam(c, names[i]), &number[i]) || (i >= 2 && !(number[i] > 0)))
            return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a number", c->model->path,
                            names[i]);
    qfs_put_f32(c, "embedding_scale", number[0]);
    qfs_put_f32(c, "residual_scale", number[1] / sqrt(number[2]));
    qfs_put_f32(c, "logit_scale", number[3] / number[4]);
    return 0;
}

/* -- MiniCPM 3 ---------------------------------------------------------------------------------------- */

static int minicpm3_extra(struct qfs_converter *c)
{
    int64_t dim = 0;
    int rc = qfs_hparam_count_or(c, "qk_rope_head_dim", 0, &dim);
    return rc < 0 ? rc : qfs_longrope_factors(c, dim);
}

static const struct qfs_param minicpm3_before[] = {
    {"context_length", QFS_PARAM_U32, {"max_position_embeddings"}, true},
    {"embedding_length", QFS_PARAM_U32, {"hidden_size"}, true},
    {NULL},
};
static const struct qfs_param minicpm3_after[] = {
    {"feed_forward_length", QFS_PARAM_U32_OR_LIST, {"intermediate_size"}, true},
    {"attention.head_count", QFS_PARAM_U32_OR_LIST, {"num_attention_heads"}, true},
    {"attention.head_count_kv", QFS_PARAM_U32_OR_LIST, {"num_key_value_heads"}, true},
    {"attention.layer_norm_rms_epsilon", QFS_PARAM_F32, {"rms_norm_eps"}, true},
    {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
    {"attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank"}},
    {"attention.kv_lora_rank", QFS_PARAM_U32, {"kv_lora_rank"}, true},
    {NULL},
};

static int minicpm3_keys(struct qfs_converter *c)
{
    int64_t nope, rope;
    int rc;
    qfs_put_file_type(c);
    if ((rc = qfs_put_params(c, minicpm3_before)) < 0)
        return rc;
    qfs_put_u32(c, "block_count", c->block_count);
    if ((rc = qfs_put_params(c, minicpm3_after)) < 0 ||
        (rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", nope + rope);
    qfs_put_u32(c, "rope.dimension_count", rope);
    return 0;
}

const struct qfs_family qfs_family_minicpm = {
    .arch = "minicpm",
    .hf_classes = minicpm_classes,
    .extra = minicpm_extra,
    .tensor = minicpm_tensor,
    .keys = minicpm_keys,
    .vocab_method = qfs_vocab_sentencepiece,
};

const struct qfs_family qfs_family_minicpm3 = {
    .arch = "minicpm3",
    .hf_classes = minicpm3_classes,
    .extra = minicpm3_extra,
    .keys = minicpm3_keys,
    .vocab_method = qfs_vocab_sentencepiece,
};
