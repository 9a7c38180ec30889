/* Mistral 3 and Ministral 3 in the format of transformers. */
#include "converter.h"

extern const struct qfs_family qfs_family_llama;

static const char *const classes[] = {"Mistral3ForConditionalGeneration", "Ministral3ForCausalLM",
                                      NULL};

static int begin(struct qfs_converter *c)
{
    if (qfs_text_is(qfs_json_text(qfs_hparam(c, "model_type")), "mistral4"))
        return qfs_fail(c->error, ENOTSUP, "%s/config.json: model type mistral4 is not known",
                        c->model->path);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_llama_keys(c);
    if (rc < 0 || !qfs_text_is(qfs_json_text(qfs_hparam(c, "model_type")), "ministral3"))
        return rc;
    if (!qfs_text_is(qfs_json_text(qfs_json_get(c->rope, "rope_type")), "yarn"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: Ministral 3's rope_type is not yarn",
                        c->model->path);
    if ((rc = qfs_put_param(c, "rope.scaling.yarn_log_multiplier", QFS_PARAM_F32,
                            qfs_json_get(c->rope, "mscale_all_dim"))) < 0)
        return rc;
    return qfs_put_param(c, "attention.temperature_scale", QFS_PARAM_F32,
                         qfs_json_get(c->rope, "llama_4_scaling_beta"));
}

const struct qfs_family qfs_family_mistral3 = {
    .arch = "mistral3",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .begin = begin,
    .keys = keys,
};
