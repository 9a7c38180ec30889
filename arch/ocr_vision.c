/* Encoders of models that read documents: dots.ocr, DeepSeek OCR 1 and 2, HunyuanOCR. */
#include "mmproj.h"

#include <math.h>
#include <string.h>

static const char *const dots_classes[] = {"DotsOCRForCausalLM", NULL};
static const char *const deepseek_classes[] = {"DeepseekOCRForCausalLM", NULL};
static const char *const unlimited_classes[] = {"UnlimitedOCRForCausalLM", NULL};
static const char *const deepseek2_classes[] = {"DeepseekOCR2ForCausalLM", NULL};
static const char *const hunyuan_classes[] = {"HunYuanVLForConditionalGeneration", NULL};

/* -- dots.ocr --------------------------------------------------------------------------------------- */

static int dots_begin(struct qfs_converter *c)
{
    return qfs_config_set_int(c, c->mmproj->vision, "image_size", 0); /* any */
}

static int dots_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const renames[][2] = {{"vision_tower.blocks.", "visual.blocks."},
                                             {".fc1", ".gate_proj"},
                                             {".fc2", ".down_proj"},
                                             {".fc3", ".up_proj"}};
    *ret_name = NULL;
    if (!qfs_starts_with(name, "vision_tower."))
        return 0;
    if (strstr(name, "vision_tower.blocks.") && strstr(name, ".mlp."))
        for (size_t i = 0; name && i < QFS_COUNT(renames); i++)
            name = qfs_name_replace(c, name, renames[i][0], renames[i][1]);
    return name ? qfs_mmproj_filter(c, name, ret_name) : -c->error->code;
}

static int dots_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "dots_ocr");
    if ((rc = qfs_put_pixel_limits(c)) < 0 ||
        (rc = qfs_put_f32_from(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                               "rms_norm_eps")) < 0 ||
        (rc = qfs_put_u32_from(c, "vision.projector.scale_factor", c->mmproj->vision,
                               "spatial_merge_size")) < 0)
        return rc;
    qfs_put_bool(c, "use_silu", true);
    return 0;
}

/* -- DeepSeek OCR ----------------------------------------------------------------------------------- */

/* vision_config with the numbers of its encoders moved to the top. */
static const struct qfs_json *deepseek_vision(struct qfs_converter *c)
{
    const struct qfs_json *config = qfs_json_get(c->mmproj->global, "vision_config");
    struct qfs_json *vision = qfs_dict_copy(c->arena, config);
    int64_t heads;
    if (!vision || !qfs_json_truthy(config))
        return NULL;
    const struct qfs_json *width = qfs_json_get(vision, "width");
    const struct qfs_json *sam = qfs_json_get(width, "sam_vit_b");
    const struct qfs_json *clip = qfs_json_get(width, "clip-l-14-224");
    if (!sam)
        return NULL;
    qfs_dict_set(c->arena, vision, "sam", sam);
    if (!qfs_json_is_null(clip))
        qfs_dict_merge(c->arena, vision, clip);
    width = qfs_json_get(vision, "width");
    if (qfs_json_is(width, QFS_JSON_INT))
        qfs_dict_set(c->arena, vision, "hidden_size", width);
    if (qfs_json_int(qfs_json_get(vision, "heads"), &heads) && heads >= 0 && heads < 1 << 20) {
        const struct qfs_json four = {.kind = QFS_JSON_INT, .integer = heads * 4};
        qfs_dict_set(c->arena, vision, "num_heads", qfs_json_get(vision, "heads"));
        qfs_dict_set(c->arena, vision, "intermediate_size", &four);
    }
    return vision;
}

static const struct qfs_json *deepseek2_vision(struct qfs_converter *c)
{
    static const struct qfs_json layers = {.kind = QFS_JSON_INT, .integer = 24};
    const struct qfs_json *vision = deepseek_vision(c);
    struct qfs_json *copy = vision ? qfs_dict_copy(c->arena, vision) : NULL;
    const struct qfs_json *dim =
        qfs_json_get(qfs_json_get(qfs_json_get(vision, "width"), "qwen2-0-5b"), "dim");
    if (!copy || !dim)
        return NULL;
    qfs_dict_set(c->arena, copy, "hidden_size", dim);
    if (qfs_json_is_null(qfs_json_get(copy, "layers")))
        qfs_dict_set(c->arena, copy, "layers", &layers);
    return copy;
}

static const struct qfs_encoders deepseek_encoders = {.vision = true,
                                                      .vision_config = deepseek_vision};
static const struct qfs_encoders deepseek2_encoders = {.vision = true,
                                                       .vision_config = deepseek2_vision};

static int deepseek_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const text[] = {"lm_head.", "model.embed_tokens.", "model.layers.",
                                       "model.norm.", NULL};
    *ret_name = NULL;
    if (qfs_begins_with_any(name, text))
        return 0;
    if ((qfs_ends_with(name, "pos_embed") || qfs_ends_with(name, "rel_pos_h") ||
         qfs_ends_with(name, "rel_pos_w")) &&
        !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_mmproj_filter(c, name, ret_name);
}

static int deepseek_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                                int bid, int ndims)
{
    static const char *const whole[] = {".embeddings.", "pos_embed", ".rel_pos_h", ".rel_pos_w",
                                        ".neck.",       ".net_",     NULL};
    return qfs_holds_any(name, whole) ? QFS_TYPE_F32
                                      : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static int deepseek_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    if (data && qfs_ends_with(name, "view_seperator")) {
        int64_t shape[QFS_MAX_DIMS] = {1};
        for (int i = 0; i < data->ndim && i + 1 < QFS_MAX_DIMS; i++)
            shape[i + 1] = data->shape[i];
        data = qfs_lazy_reshape(c, data, data->ndim + 1, shape);
    }
    return qfs_text_tensor(c, data, name, bid);
}

static int put_deepseek(struct qfs_converter *c, const char *projector, int64_t ntiles)
{
    static const char *const sam_keys[][2] = {{"vision.sam.block_count", "layers"},
                                              {"vision.sam.embedding_length", "width"},
                                              {"vision.sam.head_count", "heads"}};
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, projector);
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                             1e-6)) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu", true);
    if ((rc = qfs_put_pool_factor(c)) < 0 ||
        (rc = qfs_put_u32_or(c, "vision.window_size", c->hparams, "window_size", 14)) < 0)
        return rc;
    qfs_put_u32(c, "vision.preproc_min_tiles", 2);
    qfs_put_u32(c, "vision.preproc_max_tiles", ntiles);
    for (size_t i = 0; i < QFS_COUNT(sam_keys) && rc == 0; i++)
        rc = qfs_put_u32_from(c, sam_keys[i][0], qfs_hparam(c, "sam"), sam_keys[i][1]);
    return rc;
}

static int deepseek_keys(struct qfs_converter *c)
{
    return put_deepseek(c, "deepseekocr", 9);
}

static int unlimited_keys(struct qfs_converter *c)
{
    return put_deepseek(c, "deepseekocr", 32);
}

static int deepseek2_keys(struct qfs_converter *c)
{
    static const struct {
        const char *name;
        int64_t value;
    } fixed[] = {{"patch_size", 16}, {"intermediate_size", 4864}, {"num_attention_heads", 14}};
    int rc = 0;
    for (size_t i = 0; i < QFS_COUNT(fixed) && rc == 0; i++)
        if (qfs_json_is_null(qfs_hparam(c, fixed[i].name)))
            rc = qfs_hparam_set_int(c, fixed[i].name, fixed[i].value);
    if (rc == 0)
        rc = put_deepseek(c, "deepseekocr2", 6);
    if (rc == 0)
        qfs_put_u32(c, "vision.attention.head_count_kv", 2);
    return rc;
}

/* -- HunyuanOCR ------------------------------------------------------------------------------------- */

static int hunyuan_begin(struct qfs_converter *c)
{
    int64_t size;
    int rc = qfs_config_size_or(c, c->mmproj->vision, "max_image_size", 2048, &size);
    return rc < 0 ? rc : qfs_config_default_int(c, c->mmproj->vision, "image_size", size);
}

static int hunyuan_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "vit.") ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

static int hunyuan_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    /* The first position is the class token's. */
    if (data && strstr(name, "position_embedding"))
        data = qfs_lazy_slice(c, data, 0, 1, data->ndim ? data->shape[0] - 1 : 0);
    return qfs_text_tensor(c, data, name, bid);
}

static int hunyuan_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                               int bid, int ndims)
{
    return (strstr(new_name, "mm.0.") || strstr(new_name, "mm.2.")) &&
                   qfs_ends_with(new_name, ".weight")
               ? QFS_QUANT_HALF_OR_F32
               : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static int hunyuan_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "hunyuanvl");
    qfs_put_bool(c, "use_gelu", true);
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                             "rms_norm_eps", 1e-5)) < 0 ||
        (rc = qfs_put_u32_or(c, "vision.spatial_merge_size", c->mmproj->vision,
                             "spatial_merge_size", 2)) < 0)
        return rc;
    return qfs_put_pixel_limits(c);
}

const struct qfs_family qfs_family_dots_ocr_vision = {
    .hf_classes = dots_classes,
    .parent = &qfs_family_mmproj,
    .begin = dots_begin,
    .filter = dots_filter,
    .keys = dots_keys,
};

const struct qfs_family qfs_family_deepseek_ocr_vision = {
    .hf_classes = deepseek_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &deepseek_encoders,
    .filter = deepseek_filter,
    .force_quant = deepseek_force_quant,
    .tensor = deepseek_tensor,
    .keys = deepseek_keys,
};

const struct qfs_family qfs_family_unlimited_ocr_vision = {
    .hf_classes = unlimited_classes,
    .parent = &qfs_family_deepseek_ocr_vision,
    .keys = unlimited_keys,
};

const struct qfs_family qfs_family_deepseek_ocr2_vision = {
    .hf_classes = deepseek2_classes,
    .parent = &qfs_family_deepseek_ocr_vision,
    .encoders = &deepseek2_encoders,
    .keys = deepseek2_keys,
};

const struct qfs_family qfs_family_hunyuan_vision = {
    .hf_classes = hunyuan_classes,
    .parent = &qfs_family_mmproj,
    .begin = hunyuan_begin,
    .filter = hunyuan_filter,
    .tensor = hunyuan_tensor,
    .force_quant = hunyuan_force_quant,
    .keys = hunyuan_keys,
};
