/* Mistral 3, Ministral 3 and Mistral 4 in the format of transformers. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"Mistral3ForConditionalGeneration", "Ministral3ForCausalLM",
                                      NULL};

static bool has_type(const struct qfs_converter *c, const char *type)
{
    return qfs_text_is(qfs_json_text(qfs_hparam(c, "model_type")), type);
}

/* -- Mistral 4: a DeepSeek V2 whose experts are stacked already --------------------------------------- */

static int mistral4_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    if ((qfs_ends_with(name, ".down_proj") || qfs_ends_with(name, ".gate_up_proj")) &&
        !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return strstr(name, "mlp.experts") ? qfs_text_tensor(c, data, name, bid)
                                       : qfs_deepseek2_tensor(c, data, name, bid);
}

static const struct qfs_family mistral4 = {
    .arch = "mistral4",
    .parent = &qfs_family_deepseek2,
    .tensor = mistral4_tensor,
};

/* -- Mistral 3 ---------------------------------------------------------------------------------------- */

static int begin(struct qfs_converter *c)
{
    if (has_type(c, "mistral4")) {
        c->family = &mistral4;
        c->arch = mistral4.arch;
    }
    return 0;
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_llama_keys(c);
    if (rc < 0 || !has_type(c, "ministral3"))
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
