/* Vision encoders whose tensors need little more than a filter: Idefics 3 and SmolVLM, Llama 4,
 * CogVLM. */
#include "mmproj.h"

#include <string.h>

static const char *const smolvlm_classes[] = {"Idefics3ForConditionalGeneration",
                                              "SmolVLMForConditionalGeneration", NULL};
static const char *const llama4_classes[] = {"Llama4ForConditionalGeneration", NULL};
static const char *const cogvlm_classes[] = {"CogVLMForCausalLM", NULL};

/* -- Idefics 3, SmolVLM ------------------------------------------------------------------------------ */

static int smolvlm_begin(struct qfs_converter *c)
{
    int rc;
    if (!qfs_hparam(c, "model_type"))
        return qfs_config_wrong(c, "the vision encoder's model_type", "there");
    if (!qfs_config_is(c->hparams, "model_type", "smolvlm_vision"))
        return 0;
    if ((rc = qfs_config_default_int(c, c->hparams, "hidden_size", 1152)) < 0 ||
        (rc = qfs_config_default_int(c, c->hparams, "num_attention_heads", 16)) < 0)
        return rc;
    return qfs_config_default_int(c, c->hparams, "intermediate_size", 3072);
}

static int smolvlm_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const parts[] = {"vision_tower", "vision_model", "model.connector", NULL};
    *ret_name = NULL;
    return qfs_holds_any(name, parts) ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

static int smolvlm_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                               int bid, int ndims)
{
    return strstr(name, ".embeddings.") ? QFS_TYPE_F32
                                        : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static int smolvlm_keys(struct qfs_converter *c)
{
    const struct qfs_json *size = qfs_json_get(c->mmproj->preprocessor, "size");
    const struct qfs_json *edge = qfs_json_get(size, "longest_edge");
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "idefics3");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                             1e-5)) < 0 ||
        (rc = qfs_put_u32_or(c, "vision.projector.scale_factor", c->mmproj->global, "scale_factor",
                             2)) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu", true);
    if (size && size->kind != QFS_JSON_OBJECT)
        return qfs_config_wrong(c, "the preprocessor's size", "an object");
    return qfs_put_param(c, "vision.preproc_image_size", QFS_PARAM_U32,
                         edge ? edge : qfs_json_get(c->mmproj->vision, "image_size"));
}

/* -- Llama 4 ---------------------------------------------------------------------------------------- */

static int llama4_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const parts[] = {"multi_modal_projector", "vision_model", NULL};
    *ret_name = NULL;
    if (!qfs_holds_any(name, parts))
        return 0;
    if (strstr(name, "positional_embedding_vlm") && !strstr(name, ".weight"))
        name = qfs_arena_printf(c->arena, "%s.weight", name);
    return name ? qfs_mmproj_filter(c, name, ret_name) : qfs_fail_memory(c->error);
}

static int llama4_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    /* A single layer, in spite of its number. */
    if (strstr(name, "multi_modal_projector.linear_1"))
        return qfs_emit(c, data, name, "mm.model.fc.weight", bid);
    return qfs_text_tensor(c, data, name, bid);
}

static int llama4_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "llama4");
    if ((rc = qfs_put_f32_from(c, "vision.attention.layer_norm_epsilon", c->hparams, "norm_eps")) <
            0 ||
        (rc = qfs_put_inverse_scale(c, c->hparams, "pixel_shuffle_ratio")) < 0)
        return rc;
    if (!qfs_config_is(c->hparams, "hidden_act", "gelu"))
        return qfs_config_wrong(c, "hidden_act", "gelu");
    qfs_put_bool(c, "use_gelu", true);
    return 0;
}

/* -- CogVLM ----------------------------------------------------------------------------------------- */

static int cogvlm_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "model.vision.") ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

static int cogvlm_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc == 0)
        rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                            1e-6);
    if (rc == 0)
        qfs_put_projector(c, "cogvlm");
    return rc;
}

const struct qfs_family qfs_family_smolvlm = {
    .hf_classes = smolvlm_classes,
    .parent = &qfs_family_mmproj,
    .begin = smolvlm_begin,
    .filter = smolvlm_filter,
    .force_quant = smolvlm_force_quant,
    .keys = smolvlm_keys,
};

const struct qfs_family qfs_family_llama4_vision = {
    .hf_classes = llama4_classes,
    .parent = &qfs_family_mmproj,
    .filter = llama4_filter,
    .tensor = llama4_tensor,
    .keys = llama4_keys,
};

const struct qfs_family qfs_family_cogvlm_vision = {
    .hf_classes = cogvlm_classes,
    .parent = &qfs_family_mmproj,
    .filter = cogvlm_filter,
    .keys = cogvlm_keys,
};
