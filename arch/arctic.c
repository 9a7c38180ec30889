/* Snowflake Arctic */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"ArcticForCausalLM", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    data = qfs_permute_qk(c, data, name, false);
    if (!strstr(name, "block_sparse_moe.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mixtral_experts, "num_local_experts");
}

static int keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_hidden_by_heads(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    return 0;
}

const struct qfs_family qfs_family_arctic = {
    .arch = "arctic",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab_method = qfs_vocab_arctic,
};
