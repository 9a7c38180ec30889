/* Mistral 3, Ministral 3 and Mistral 4 in the format of transformers. */
#include "converter.h"
#include "vocab/vocab_ways.h"

#include <string.h>

static const char *const classes[] = {"Mistral3ForConditionalGeneration", "Ministral3ForCausalLM",
                                      NULL};

static bool has_type(const struct qfs_converter *c, const char *type)
{
    return qfs_text_is(qfs_json_text(qfs_hparam(c, "model_type")), type);
}

/* Mistral 4 is a DeepSeek V2 whose experts are stacked already. */
static bool is_mistral4(const struct qfs_converter *c)
{
    return strcmp(c->arch, "mistral4") == 0;
}

static int begin(struct qfs_converter *c)
{
    if (has_type(c, "mistral4"))
        c->arch = "mistral4";
    return 0;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    return is_mistral4(c) ? qfs_family_deepseek2.filter(c, name, ret_name)
                          : qfs_llama_filter(c, name, ret_name);
}

static int extra(struct qfs_converter *c)
{
    return is_mistral4(c) ? 0 : qfs_llama3_rope_factors(c);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (!is_mistral4(c))
        return qfs_llama_tensor(c, data, name, bid);
    if ((qfs_ends_with(name, ".down_proj") || qfs_ends_with(name, ".gate_up_proj")) &&
        !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return strstr(name, "mlp.experts") ? qfs_text_tensor(c, data, name, bid)
                                       : qfs_deepseek2_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    if (is_mistral4(c))
        return qfs_deepseek2_keys(c);
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

static int vocab(struct qfs_converter *c)
{
    return is_mistral4(c) ? qfs_vocab_deepseek2(c->out, c->hparams, false, c->error)
                          : qfs_llama_vocab(c);
}

const struct qfs_family qfs_family_mistral3 = {
    .arch = "mistral3",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .begin = begin,
    .filter = filter,
    .extra = extra,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
