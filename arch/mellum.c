/* Mellum 2: experts, and layers with a sliding window. */
#include "converter.h"

static const char *const classes[] = {"MellumForCausalLM", NULL};

static int keys(struct qfs_converter *c)
{
    const struct qfs_json *slides = qfs_hparam(c, "use_sliding_window");
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "expert_feed_forward_length", QFS_PARAM_U32_OR_LIST,
                                    {"moe_intermediate_size"})) < 0)
        return rc;
    if (!(qfs_json_is_null(slides) || slides->kind == QFS_JSON_TRUE) ||
        qfs_json_is_null(qfs_hparam(c, "sliding_window")))
        return 0;
    rc = qfs_put_one(c, "attention.sliding_window", QFS_PARAM_U32, {"sliding_window"});
    return rc < 0 ? rc : qfs_put_sliding_layers(c);
}

const struct qfs_family qfs_family_mellum = {
    .arch = "mellum",
    .hf_classes = classes,
    .tensor = qfs_mlp_experts_tensor,
    .keys = keys,
};
