/* GPT-2: its linear layers are Conv1D, so their weights are stored transposed. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GPT2LMHeadModel", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const transposed[] = {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"};
    for (size_t i = 0; i < QFS_COUNT(transposed); i++)
        if (qfs_ends_with(name, transposed[i]))
            data = qfs_lazy_swapaxes(c, data, 0, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"attention.head_count", QFS_PARAM_U32_OR_LIST, {"n_head"}},
        {"attention.layer_norm_epsilon", QFS_PARAM_F32, {"layer_norm_epsilon"}},
        {NULL},
    };
    static const char *const ctx_names[] = {"n_ctx", NULL};
    static const char *const embd_names[] = {"n_embd", NULL};
    int64_t nctx, nembd;
    int rc;
    if ((rc = qfs_hparam_size(c, ctx_names, &nctx)) < 0 ||
        (rc = qfs_hparam_size(c, embd_names, &nembd)) < 0)
        return rc;
    qfs_put_u32(c, "block_count", c->block_count);
    qfs_put_u32(c, "context_length", nctx);
    qfs_put_u32(c, "embedding_length", nembd);
    qfs_put_u32(c, "feed_forward_length", 4 * nembd);
    if ((rc = qfs_put_params(c, table)) < 0)
        return rc;
    qfs_put_file_type(c);
    return 0;
}

const struct qfs_family qfs_family_gpt2 = {
    .arch = "gpt2",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
