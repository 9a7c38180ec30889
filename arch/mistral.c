/* Mistral's own format: params.json and consolidated*.safetensors, names as the lab's code has them. The
 * converter makes it into the Llama architecture, or Mistral 3 where attention is scaled by position. */
#include "converter.h"

#include <string.h>

static int begin(struct qfs_converter *c)
{
    if (qfs_hparam(c, "moe"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/params.json: mixtures of experts are not supported in Mistral's own "
                        "format",
                        c->model->path);
    if (qfs_hparam(c, "llama_4_scaling"))
        c->arch = "mistral3";
    return 0;
}

/* transform quantization config into HF format */
static int dequant(struct qfs_converter *c)
{
    static struct qfs_json_member members[] = {
        {{"activation_scheme", 17}, {.kind = QFS_JSON_STRING, .count = 6, .string = "static"}},
        {{"quant_method", 12}, {.kind = QFS_JSON_STRING, .count = 3, .string = "fp8"}},
        {{"weight_block_size", 17}, {.kind = QFS_JSON_NULL}},
    };
    static const struct qfs_json fp8 = {
        .kind = QFS_JSON_OBJECT, .count = QFS_COUNT(members), .members = members};
    const struct qfs_json *own = qfs_hparam(c, "quantization");
    if (qfs_json_is_null(own))
        return qfs_dequant_model(c);
    if (!qfs_text_is(qfs_json_text(qfs_json_get(own, "qformat_weight")), "fp8_e4m3"))
        return qfs_fail(c->error, EINVAL, "%s/params.json: quantization is not of fp8_e4m3",
                        c->model->path);
    if (qfs_dict_set(c->arena, c->hparams, "quantization_config", &fp8) < 0)
        return qfs_fail_memory(c->error);
    return qfs_dequant_model(c);
}

static int yarn_number(struct qfs_converter *c, const struct qfs_json *yarn, const char *name,
                       const char *key, enum qfs_param_type type)
{
    const struct qfs_json *value = qfs_json_get(yarn, name);
    if (!value)
        return qfs_fail(c->error, EINVAL, "%s/params.json: yarn has no %s", c->model->path, name);
    return qfs_put_param(c, key, type, value);
}

static int keys(struct qfs_converter *c)
{
    const struct qfs_json *yarn = qfs_hparam(c, "yarn"),
                          *scaling = qfs_hparam(c, "llama_4_scaling");
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if (yarn) {
        if (!qfs_json_get(yarn, "apply_scale"))
            return qfs_fail(c->error, EINVAL, "%s/params.json: yarn has no apply_scale",
                            c->model->path);
        qfs_put_string(c, "rope.scaling.type", "yarn");
        if ((rc = yarn_number(c, yarn, "factor", "rope.scaling.factor", QFS_PARAM_F32)) < 0 ||
            (rc = yarn_number(c, yarn, "beta", "rope.scaling.yarn_beta_fast", QFS_PARAM_F32)) < 0 ||
            (rc = yarn_number(c, yarn, "alpha", "rope.scaling.yarn_beta_slow", QFS_PARAM_F32)) < 0)
            return rc;
        qfs_put_f32(c, "rope.scaling.yarn_log_multiplier",
                    qfs_json_truthy(qfs_json_get(yarn, "apply_scale")) ? 0.0 : 1.0);
        if ((rc = yarn_number(c, yarn, "original_max_position_embeddings",
                              "rope.scaling.original_context_length", QFS_PARAM_U32)) < 0)
            return rc;
    }
    if (qfs_json_is_null(scaling))
        return 0;
    const struct qfs_json *beta = qfs_json_get(scaling, "beta");
    return beta ? qfs_put_param(c, "attention.temperature_scale", QFS_PARAM_F32, beta)
                : qfs_fail(c->error, EINVAL, "%s/params.json: llama_4_scaling has no beta",
                           c->model->path);
}

static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_mistral(c->out, true, c->error);
}

const struct qfs_family qfs_family_mistral_format = {
    .arch = "llama",
    .hf_classes = (const char *const[]){NULL},
    .begin = begin,
    .filter = qfs_llama_filter,
    .dequant = dequant,
    .extra = qfs_llama3_rope_factors,
    .tensor = qfs_llama_tensor,
    .keys = keys,
    .vocab = vocab,
};
