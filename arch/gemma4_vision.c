/* Vision and audio encoders of Gemma 4, and what its unified variant has in their place. */
#include "mmproj.h"

#include <math.h>
#include <string.h>

static const char *const gemma4_classes[] = {"Gemma4ForConditionalGeneration", NULL};
static const char *const unified_classes[] = {"Gemma4UnifiedForConditionalGeneration", NULL};

static const struct qfs_encoders both = {.vision = true, .audio = true};

static int begin(struct qfs_converter *c)
{
    enum { IMAGE_SIZE = 224, NMELS = 128 }; /* the first is not used */
    struct qfs_json *audio = c->mmproj->audio;
    int64_t width, nfeatures;
    int rc = qfs_config_set_int(c, c->mmproj->vision, "image_size", IMAGE_SIZE);
    if (rc < 0)
        return rc;
    c->mmproj->has_audio = qfs_json_truthy(audio);
    if (!c->mmproj->has_audio)
        return 0;
    if ((rc = qfs_config_size_or(c, audio, "input_feat_size", NMELS, &nfeatures)) < 0 ||
        (rc = qfs_config_set_int(c, audio, "feat_in", nfeatures)) < 0)
        return rc;
    if (!qfs_json_get(audio, "hidden_size"))
        return 0;
    rc = qfs_config_size(c, audio, "hidden_size", &width);
    return rc < 0 ? rc : qfs_config_set_int(c, audio, "intermediate_size", width * 4);
}

static bool is_audio(const char *name)
{
    return strstr(name, "audio_tower") || strstr(name, "embed_audio");
}

static int force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                       int ndims)
{
    if (is_audio(name) &&
        (strstr(name, ".conv") || (strstr(name, "_conv") && strstr(name, ".weight"))))
        return QFS_TYPE_F32;
    if (strstr(name, "position_embedding_table"))
        return QFS_TYPE_F32;
    return qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static const struct qfs_recipe *vector_of(struct qfs_converter *c, const struct qfs_recipe *data)
{
    static const int64_t one[] = {1};
    return data && data->ndim == 0 ? qfs_lazy_reshape(c, data, 1, one) : data;
}

static int emit_mapped(struct qfs_converter *c, const struct qfs_recipe *data, const char *source,
                       const char *name, int bid)
{
    const char *new_name = name ? qfs_map_name_with(c, name, qfs_clipped_suffixes) : NULL;
    return new_name ? qfs_emit(c, data, source, new_name, bid) : -c->error->code;
}

static int audio_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *source,
                        int bid)
{
    const char *name = qfs_name_replace(c, source, "model.audio_tower.", "conformer.");
    if (name)
        name = qfs_name_replace(c, name, ".linear.", ".");
    if (name &&
        (qfs_ends_with(name, "per_dim_key_scale") || qfs_ends_with(name, "per_dim_scale"))) {
        name = qfs_name_swap_suffix(c, name, "", ".weight");
        data = qfs_lazy_unary(c, QFS_OP_SOFTPLUS, data, 0);
    }
    if (name && data && strstr(name, "lconv1d.depthwise_conv1d") &&
        qfs_ends_with(name, ".weight")) {
        if (data->ndim != 3 || data->shape[1] != 1)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is no depthwise convolution",
                            c->model->path, source);
        data = qfs_lazy_squeeze_axis(c, data, 1);
    }
    return emit_mapped(c, data, source, name, bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *source,
                  int bid)
{
    data = vector_of(c, data);
    if (is_audio(source))
        return audio_tensor(c, data, source, bid);
    const char *name =
        qfs_name_replace(c, source, "model.vision_tower.encoder.", "vision_model.model.");
    if (name)
        name = qfs_name_replace(c, name, ".linear.weight", ".weight");
    if (name &&
        (qfs_ends_with(name, "layer_scalar") || qfs_ends_with(name, "position_embedding_table")))
        name = qfs_name_swap_suffix(c, name, "", ".weight");
    if (name && data && qfs_ends_with(name, "patch_embedder.input_proj.weight")) {
        int64_t side = data->ndim == 2 ? (int64_t)sqrt((double)(data->shape[1] / 3)) : 0;
        data = qfs_patches_as_images(c, data, side, 3);
    }
    return emit_mapped(c, data, source, name, bid);
}

static int keys(struct qfs_converter *c)
{
    const struct qfs_mmproj *mm = c->mmproj;
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_string(c, "vision.projector_type", "gemma4v");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", mm->vision, "layer_norm_eps",
                             1e-6)) < 0 ||
        !mm->has_audio)
        return rc;
    qfs_put_string(c, "audio.projector_type", "gemma4a");
    if ((rc = qfs_put_u32_from(c, "audio.num_mel_bins", mm->audio, "feat_in")) < 0)
        return rc;
    return qfs_put_f32_or(c, "audio.attention.layer_norm_epsilon", mm->audio, "layer_norm_eps",
                          1e-6);
}

/* -- unified ---------------------------------------------------------------------------------------- */

static int unified_begin(struct qfs_converter *c)
{
    static const char *const none[] = {"intermediate_size", "num_layers", "num_attention_heads"};
    struct qfs_json *vision = c->mmproj->vision, *audio = c->mmproj->audio;
    int64_t width;
    int rc = begin(c);
    if (rc < 0 || (rc = qfs_config_size(c, vision, "mm_embed_dim", &width)) < 0 ||
        (rc = qfs_config_set_int(c, vision, "hidden_size", width)) < 0 ||
        (rc = qfs_config_size(c, audio, "audio_embed_dim", &width)) < 0 ||
        (rc = qfs_config_set_int(c, audio, "hidden_size", width)) < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(none) && rc == 0; i++)
        if ((rc = qfs_config_set_int(c, vision, none[i], 0)) == 0)
            rc = qfs_config_set_int(c, audio, none[i], 0);
    return rc;
}

/* The side of a patch of the model. */
static int patch_side(struct qfs_converter *c, int64_t *ret_side)
{
    const struct qfs_json *vision = c->mmproj->vision;
    int64_t patch_size, kernel_size;
    int rc;
    if (qfs_json_get(vision, "model_patch_size"))
        return qfs_config_size(c, vision, "model_patch_size", ret_side);
    if ((rc = qfs_config_size(c, vision, "patch_size", &patch_size)) < 0 ||
        (rc = qfs_config_size(c, vision, "pooling_kernel_size", &kernel_size)) < 0)
        return rc;
    if (patch_size > 1 << 14 || kernel_size > 1 << 14)
        return qfs_config_wrong(c, "patch_size", "the side of a patch");
    *ret_side = patch_size * kernel_size;
    return 0;
}

/* Columns (or elements) from row, column, channel to channel, row, column. */
static const struct qfs_recipe *channels_first(struct qfs_converter *c,
                                               const struct qfs_recipe *data)
{
    int64_t side;
    if (!data || patch_side(c, &side) < 0)
        return NULL;
    const int64_t flat[] = {data->ndim == 2 ? data->shape[0] : 1, side, side, 3};
    const struct qfs_recipe *patches = qfs_lazy_reshape(c, data, 4, flat);
    patches = qfs_lazy_swapaxes(c, qfs_lazy_swapaxes(c, patches, 1, 3), 2, 3);
    return qfs_lazy_reshape(c, patches, data->ndim, data->shape);
}

static int unified_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    if (qfs_ends_with(name, "pos_embedding")) {
        name = qfs_name_swap_suffix(c, name, "", ".weight");
        data = qfs_lazy_swapaxes(c, data, 0, 1);
    } else if (strstr(name, ".pos_norm.")) {
        name = qfs_name_replace(c, name, ".pos_norm.", ".patch_ln3.");
    } else if (strstr(name, "patch_dense.weight") || strstr(name, "patch_ln1.weight") ||
               strstr(name, "patch_ln1.bias")) {
        data = channels_first(c, data);
    }
    return name ? tensor(c, data, name, bid) : -c->error->code;
}

static int unified_keys(struct qfs_converter *c)
{
    int rc = keys(c);
    if (rc < 0)
        return rc;
    qfs_put_string(c, "vision.projector_type", "gemma4uv");
    qfs_put_string(c, "audio.projector_type", "gemma4ua");
    return 0;
}

const struct qfs_family qfs_family_gemma4_vision = {
    .hf_classes = gemma4_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &both,
    .begin = begin,
    .force_quant = force_quant,
    .tensor = tensor,
    .keys = keys,
};

const struct qfs_family qfs_family_gemma4_unified_vision = {
    .hf_classes = unified_classes,
    .parent = &qfs_family_gemma4_vision,
    .begin = unified_begin,
    .tensor = unified_tensor,
    .keys = unified_keys,
};
