/* Apertus: Llama with an activation of its own, and Arcee, with another. */
#include "converter.h"

#include <string.h>

static const char *const apertus_classes[] = {"ApertusForCausalLM", NULL};
static const char *const arcee_classes[] = {"ArceeForCausalLM", NULL};

/* Numbers of the activation, one a layer: written when the last layer's has come. */
static const struct {
    const char *suffix, *key;
} activation[] = {
    {".act_fn.alpha_n", "xielu.alpha_n"},
    {".act_fn.alpha_p", "xielu.alpha_p"},
    {".act_fn.beta", "xielu.beta"},
    {".act_fn.eps", "xielu.eps"},
};

static bool has_suffix(const struct qfs_lazy *tensor, size_t which)
{
    return qfs_ends_with(tensor->name, activation[which].suffix);
}

/* The converter sees them layer by layer in the tensors' order, and writes them by layer. */
static int put_activation(struct qfs_converter *c, size_t which, const char *last)
{
    int64_t nlayers, seen = 0;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->ntensors; i++) {
        seen += has_suffix(&c->tensors[i], which);
        if (strcmp(c->tensors[i].name, last) == 0)
            break;
    }
    if (seen != nlayers)
        return 0;
    float *values = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < c->ntensors; i++) {
        int bid = qfs_block_of(c->tensors[i].name);
        if (!has_suffix(&c->tensors[i], which))
            continue;
        if (bid < 0 || bid >= nlayers)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is of no layer of the model",
                            c->model->path, c->tensors[i].name);
        if ((rc = qfs_small_floats(c, c->tensors[i].recipe, &values[bid], 1)) < 0)
            return rc;
    }
    qfs_kv_array(&c->out->kvs, activation[which].key, QFS_KV_F32, values, (size_t)nlayers);
    return 0;
}

static int apertus_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    for (size_t i = 0; i < QFS_COUNT(activation); i++)
        if (qfs_ends_with(name, activation[i].suffix))
            return put_activation(c, i, name);
    return qfs_text_tensor(c, data, name, bid);
}

static int arcee_keys(struct qfs_converter *c)
{
    int rc = qfs_llama_keys(c);
    return rc < 0 ? rc : qfs_put_pooling(c);
}

const struct qfs_family qfs_family_apertus = {
    .arch = "apertus",
    .hf_classes = apertus_classes,
    .parent = &qfs_family_llama,
    .nvfp4 = qfs_nvfp4_keep,
    .tensor = apertus_tensor,
};

const struct qfs_family qfs_family_arcee = {
    .arch = "arcee",
    .hf_classes = arcee_classes,
    .parent = &qfs_family_llama,
    .nvfp4 = qfs_nvfp4_keep,
    .keys = arcee_keys,
};
