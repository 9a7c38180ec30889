/* openPangu Embedded */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"PanguEmbeddedForCausalLM", NULL};

extern const struct qfs_family qfs_family_ernie;

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strcmp(name, "lm_head.weight") == 0 &&
        qfs_json_truthy(qfs_hparam(c, "tie_word_embeddings")))
        return 0;
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if (qfs_json_is_null(qfs_hparam(c, "head_dim"))) {
        qfs_put_u32(c, "attention.key_length", dim);
        qfs_put_u32(c, "attention.value_length", dim);
    }
    return 0;
}

static int vocab(struct qfs_converter *c)
{
    return qfs_family_ernie.vocab(c);
}

const struct qfs_family qfs_family_pangu = {
    .arch = "pangu-embedded",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
