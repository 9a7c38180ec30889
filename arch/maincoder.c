/* Maincoder. */
#include "converter.h"

static const char *const classes[] = {"MaincoderForCausalLM", NULL};

static const struct qfs_param params[] = {
    {"rope.dimension_count", QFS_PARAM_U32, {"head_dim"}},
    {NULL},
};

const struct qfs_family qfs_family_maincoder = {
    .arch = "maincoder",
    .hf_classes = classes,
    .params = params,
};
