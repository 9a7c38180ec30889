/* SigLIP encoders with projectors of their own: LFM2 VL, MiniCPM V 4.6, Janus Pro, Youtu VL,
 * PaddleOCR VL. */
#include "mmproj.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const lfm2_classes[] = {"Lfm2VlForConditionalGeneration", NULL};
static const char *const minicpm_classes[] = {"MiniCPMV4_6ForConditionalGeneration", NULL};
static const char *const janus_classes[] = {"JanusForConditionalGeneration", NULL};
static const char *const youtu_classes[] = {"YoutuVLForConditionalGeneration", NULL};
static const char *const paddle_classes[] = {"PaddleOCRVisionModel", NULL};

/* -- LFM2 VL ---------------------------------------------------------------------------------------- */

static int lfm2_begin(struct qfs_converter *c)
{
    enum { IMAGE_SIZE = 256 };
    return qfs_config_set_int(c, c->mmproj->vision, "image_size", IMAGE_SIZE);
}

static int lfm2_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    name = qfs_name_replace(c, name, "model.vision_tower.", "vision_tower.");
    if (name)
        name = qfs_name_replace(c, name, "model.multi_modal_projector.", "multi_modal_projector.");
    return name ? qfs_mmproj_filter(c, name, ret_name) : -c->error->code;
}

static int lfm2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    if (data && strstr(name, "patch_embedding.weight"))
        data = qfs_patches_as_images(c, data, 16, 3);
    return qfs_text_tensor(c, data, name, bid);
}

static int lfm2_keys(struct qfs_converter *c)
{
    const struct qfs_json *feature = qfs_json_get(c->mmproj->global, "vision_feature_layer");
    int64_t nlayers, layer = -1;
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "lfm2");
    if ((rc = qfs_put_f32_from(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                               "layer_norm_eps")) < 0 ||
        (rc = qfs_put_u32_or(c, "vision.projector.scale_factor", c->mmproj->global,
                             "downsample_factor", 2)) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu", true);
    nlayers = c->block_count;
    if ((feature && !qfs_json_int(feature, &layer)) || layer < -nlayers - 1 || layer > 1 << 16)
        return qfs_config_wrong(c, "vision_feature_layer", "a layer");
    qfs_put_u32(c, "vision.block_count", nlayers + layer + 1);
    return 0;
}

/* -- MiniCPM V 4.6 ---------------------------------------------------------------------------------- */

static bool minicpm_merges_less(const struct qfs_converter *c)
{
    return qfs_config_is(c->mmproj->preprocessor, "downsample_mode", "4x");
}

static int minicpm_begin(struct qfs_converter *c)
{
    const struct qfs_json *mode = qfs_json_get(c->mmproj->preprocessor, "downsample_mode");
    int64_t size;
    if (mode && !minicpm_merges_less(c) &&
        !qfs_config_is(c->mmproj->preprocessor, "downsample_mode", "16x"))
        return qfs_config_wrong(c, "the preprocessor's downsample_mode", "4x or 16x");
    if (!c->mmproj->vision ||
        qfs_json_is_null(qfs_json_get(c->mmproj->preprocessor, "scale_resolution")))
        return 0;
    int rc = qfs_config_size(c, c->mmproj->preprocessor, "scale_resolution", &size);
    return rc < 0 ? rc : qfs_config_set_int(c, c->mmproj->vision, "image_size", size);
}

static int minicpm_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "lm_head.") || qfs_starts_with(name, "mtp") ||
        (minicpm_merges_less(c) && strstr(name, ".vit_merger.")))
        return 0;
    return qfs_mmproj_filter(c, name, ret_name);
}

static int minicpm_keys(struct qfs_converter *c)
{
    int64_t layer;
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "minicpmv4_6");
    qfs_put_u32(c, "vision.projector.scale_factor", minicpm_merges_less(c) ? 2 : 4);
    if ((rc = qfs_config_size_or(c, c->mmproj->vision, "insert_layer_id", 6, &layer)) < 0 ||
        (rc = qfs_config_size_or(c, c->mmproj->global, "insert_layer_id", layer, &layer)) < 0)
        return rc;
    const int32_t layers[] = {(int32_t)layer};
    qfs_put_i32s(c, "vision.wa_layer_indexes", layers, QFS_COUNT(layers));
    qfs_put_bool(c, "use_gelu", true);
    return qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                          "layer_norm_eps", 1e-6);
}

/* -- Janus Pro -------------------------------------------------------------------------------------- */

static int janus_begin(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    double ratio, width;
    if (!vision)
        return qfs_config_wrong(c, "vision_config", "there");
    if (qfs_json_get(vision, "intermediate_size") ||
        !qfs_json_real(qfs_json_get(vision, "mlp_ratio"), &ratio) ||
        !qfs_json_real(qfs_json_get(vision, "hidden_size"), &width))
        return 0;
    if (!(width * ratio >= 0 && width * ratio < 1 << 30))
        return qfs_config_wrong(c, "mlp_ratio", "a ratio");
    return qfs_config_set_int(c, vision, "intermediate_size", (int64_t)nearbyint(width * ratio));
}

static int janus_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const others[] = {"model.vqmodel.",
                                         "vqmodel.",
                                         "model.generation_embeddings.",
                                         "generation_embeddings.",
                                         "model.generation_aligner.",
                                         "generation_aligner.",
                                         "model.generation_head.",
                                         "generation_head.",
                                         NULL};
    *ret_name = NULL;
    return qfs_begins_with_any(name, others) ? 0 : qfs_mmproj_filter(c, name, ret_name);
}

/* "fc1.weight" or "hidden_layers.N.weight", behind the aligner */
static int aligner_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          const char *rest, int bid)
{
    const char *suffix = qfs_ends_with(name, ".bias") ? ".bias" : ".weight";
    int number = 0;
    if (qfs_starts_with(rest, "hidden_layers."))
        number = qfs_block_of(rest) + 1;
    else if (!qfs_starts_with(rest, "fc1."))
        number = -1;
    if (number < 0 || (number == 0 && !qfs_starts_with(rest, "fc1.")))
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is none of an aligner", c->model->path,
                        name);
    return qfs_emit(c, data, name, qfs_format_name(c, "mm.{bid}", suffix, number), bid);
}

static int janus_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    const char *inner = qfs_starts_with(name, "model.") ? name + strlen("model.") : name;
    if (qfs_starts_with(inner, "aligner."))
        return aligner_tensor(c, data, name, inner + strlen("aligner."), bid);
    return qfs_starts_with(inner, "vision_model.") ? qfs_text_tensor(c, data, name, bid) : 0;
}

static int janus_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "janus_pro");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                             "layer_norm_eps", 1e-6)) < 0)
        return rc;
    qfs_put_activation_if_known(c, c->mmproj->vision);
    return 0;
}

/* -- Youtu VL --------------------------------------------------------------------------------------- */

static int youtu_begin(struct qfs_converter *c)
{
    return qfs_config_default_int(c, c->mmproj->vision, "image_size", 560);
}

static int youtu_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const text[] = {"lm_head.", "model.layers.", "model.embed_tokens.",
                                       "model.norm.", NULL};
    *ret_name = NULL;
    return qfs_begins_with_any(name, text) ? 0 : qfs_mmproj_filter(c, name, ret_name);
}

/* What has no place in the file is left out. */
static int youtu_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    const char *new_name = data ? qfs_map_name(c, name) : NULL;
    if (data && !new_name && c->error->code == EINVAL) {
        *c->error = (struct qfs_error){0};
        return 0;
    }
    return new_name ? qfs_emit(c, data, name, new_name, bid) : -c->error->code;
}

static int put_youtu_activation(struct qfs_converter *c)
{
    static const char *const gelus[] = {"gelu", "gelu_pytorch_tanh", "gelu_fast", "gelu_new",
                                        "gelu_accurate"};
    const struct qfs_json *value = qfs_hparam(c, "hidden_act");
    const char *act = value ? qfs_json_string(value) : gelus[1];
    for (size_t i = 0; act && i < QFS_COUNT(gelus); i++)
        if (strcasecmp(act, gelus[i]) == 0) {
            qfs_put_bool(c, "use_gelu", true);
            return 0;
        }
    if (!act || strcasecmp(act, "silu") != 0)
        return qfs_config_wrong(c, "hidden_act", "a gelu or silu");
    qfs_put_bool(c, "use_silu", true);
    return 0;
}

static int youtu_keys(struct qfs_converter *c)
{
    const struct qfs_json *window = qfs_hparam(c, "window_size");
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "youtuvl");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                             1e-6)) < 0 ||
        (rc = put_youtu_activation(c)) < 0 ||
        (rc = qfs_put_u32_or(c, "vision.spatial_merge_size", c->hparams, "spatial_merge_size", 2)) <
            0)
        return rc;
    if (!qfs_json_is_null(window) &&
        (rc = qfs_put_param(c, "vision.window_size", QFS_PARAM_U32, window)) < 0)
        return rc;
    return qfs_put_param(c, "vision.wa_layer_indexes", QFS_PARAM_LIST,
                         qfs_hparam(c, "fullatt_block_indexes"));
}

/* -- PaddleOCR VL ----------------------------------------------------------------------------------- */

static int paddle_begin(struct qfs_converter *c)
{
    int64_t pixels, least;
    int rc;
    if ((rc = qfs_config_size(c, c->mmproj->preprocessor, "min_pixels", &least)) < 0 ||
        (rc = qfs_config_size(c, c->mmproj->preprocessor, "max_pixels", &pixels)) < 0)
        return rc;
    return qfs_config_set_int(c, c->mmproj->vision, "image_size", (int64_t)sqrt((double)pixels));
}

static int paddle_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const parts[] = {"vision_model", "mlp_AR", NULL};
    static const char *const unused[] = {"packing_position_embedding", "vision_model.head", NULL};
    *ret_name = NULL;
    if (!qfs_holds_any(name, parts) || qfs_holds_any(name, unused))
        return 0;
    name = qfs_name_replace(c, name, "visual.", "model.");
    return name ? qfs_mmproj_filter(c, name, ret_name) : -c->error->code;
}

static int paddle_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "paddleocr");
    if ((rc = qfs_put_u32_from(c, "vision.image_max_pixels", c->mmproj->preprocessor,
                               "max_pixels")) < 0 ||
        (rc = qfs_put_u32_from(c, "vision.image_min_pixels", c->mmproj->preprocessor,
                               "min_pixels")) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu", true);
    return qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                          "rms_norm_eps", 1e-6);
}

const struct qfs_family qfs_family_lfm2_vision = {
    .hf_classes = lfm2_classes,
    .parent = &qfs_family_mmproj,
    .begin = lfm2_begin,
    .filter = lfm2_filter,
    .tensor = lfm2_tensor,
    .keys = lfm2_keys,
};

const struct qfs_family qfs_family_minicpm_vision = {
    .hf_classes = minicpm_classes,
    .parent = &qfs_family_mmproj,
    .begin = minicpm_begin,
    .filter = minicpm_filter,
    .keys = minicpm_keys,
};

const struct qfs_family qfs_family_janus_vision = {
    .hf_classes = janus_classes,
    .parent = &qfs_family_mmproj,
    .begin = janus_begin,
    .filter = janus_filter,
    .tensor = janus_tensor,
    .keys = janus_keys,
};

const struct qfs_family qfs_family_youtu_vision = {
    .hf_classes = youtu_classes,
    .parent = &qfs_family_mmproj,
    .begin = youtu_begin,
    .filter = youtu_filter,
    .tensor = youtu_tensor,
    .keys = youtu_keys,
};

const struct qfs_family qfs_family_paddleocr_vision = {
    .hf_classes = paddle_classes,
    .parent = &qfs_family_mmproj,
    .begin = paddle_begin,
    .filter = paddle_filter,
    .keys = paddle_keys,
};
