/* Gemma 3's vision encoder (SigLIP) and projector. */
#include "mmproj.h"

#include <string.h>

static const char *const gemma3_classes[] = {"Gemma3ForConditionalGeneration", NULL};

static int gemma3_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const prefixes[] = {"multi_modal_projector.", "vision_tower.",
                                           "multimodal_projector.", "vision_model.", NULL};
    *ret_name = NULL;
    if (strstr(name, "vision_model.head.") || !qfs_begins_with_any(name, prefixes))
        return 0;
    name = qfs_name_replace(c, name, "_weight", ".weight");
    return name ? qfs_mmproj_filter(c, name, ret_name) : -c->error->code;
}

static int gemma3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    if (strstr(name, "soft_emb_norm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static int gemma3_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                              int bid, int ndims)
{
    if (strstr(name, "input_projection"))
        return QFS_TYPE_F16;
    if (strstr(name, ".embeddings."))
        return QFS_TYPE_F32;
    return qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static int gemma3_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "gemma3");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                             1e-6)) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu", true);
    return qfs_put_pool_factor(c);
}

const struct qfs_family qfs_family_gemma3_vision = {
    .hf_classes = gemma3_classes,
    .parent = &qfs_family_mmproj,
    .filter = gemma3_filter,
    .force_quant = gemma3_force_quant,
    .tensor = gemma3_tensor,
    .keys = gemma3_keys,
};
