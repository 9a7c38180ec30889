/* Conformers, encoders of sound: Gemma 3n (with MobileNet for images), LFM2 Audio, Granite Speech. */
#include "mmproj.h"

#include <string.h>

static const char *const gemma3n_classes[] = {"Gemma3nForConditionalGeneration", NULL};
static const char *const lfm2_classes[] = {"Lfm2AudioForConditionalGeneration", NULL};
static const char *const granite_classes[] = {"GraniteSpeechForConditionalGeneration", NULL};
static const char *const granite_plus_classes[] = {"GraniteSpeechPlusForConditionalGeneration",
                                                   NULL};

const char *const qfs_clipped_suffixes[] = {
    "", ".weight", ".bias", ".input_max", ".input_min", ".output_max", ".output_min", NULL};

/* -- batch norms ----------------------------------------------------------------------------------- */

/* The converter folds them into a weight and a bias by a square root, which torch takes from a library
 * that does not round as IEEE 754 does: one in five is another number. Rather none than those. */
static int refuse_batch_norm(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, ENOTSUP,
                    "%s: tensor %s: batch norms cannot be folded bit for bit as the converter does "
                    "it; convert its encoder with convert_hf_to_gguf.py --mmproj",
                    c->model->path, name);
}

/* -- ConformerAudioModel ------------------------------------------------------------------------------ */

static bool is_audio(const char *name)
{
    static const char *const parts[] = {
        "audio", "codebook", "conformer", "depth_embedding", "depthformer", "depth_linear", NULL};
    return qfs_holds_any(name, parts);
}

static int conformer_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                                 int bid, int ndims)
{
    if (is_audio(name) &&
        (strstr(name, ".conv") || (strstr(name, "_conv") && strstr(name, ".weight"))))
        return QFS_TYPE_F32;
    return qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

/* Convolutions that are matrices lose the axis that says so. */
static int drop_axis(struct qfs_converter *c, const struct qfs_recipe **data, const char *name,
                     int axis)
{
    if (*data && ((*data)->ndim != 3 || (*data)->shape[axis] != 1))
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is another convolution than expected",
                        c->model->path, name);
    *data = qfs_lazy_squeeze_axis(c, *data, axis);
    return 0;
}

/* `source` is the name that it has in the model, `name` the one to look up. */
static int conformer_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                            const char *source, const char *name, int bid)
{
    int rc = 0;
    if (strstr(name, "batch_norm"))
        return refuse_batch_norm(c, name);
    if (qfs_starts_with(name, "conformer.pre_encode.conv.") && qfs_ends_with(name, ".bias"))
        data = qfs_lazy_columns(c, data, 2);
    if (strstr(name, "conv.depthwise_conv") && qfs_ends_with(name, ".weight"))
        rc = drop_axis(c, &data, name, 1);
    if (rc == 0 && strstr(name, "conv.pointwise_conv") && qfs_ends_with(name, ".weight"))
        rc = drop_axis(c, &data, name, 2);
    if (rc < 0)
        return rc;
    const char *new_name = qfs_map_name_with(c, name, qfs_clipped_suffixes);
    return new_name ? qfs_emit(c, data, source, new_name, bid) : -c->error->code;
}

/* -- Gemma 3n ----------------------------------------------------------------------------------------- */

static const struct qfs_encoders gemma3n_encoders = {.vision = true, .audio = true};

static int begin_gemma3n_audio(struct qfs_converter *c)
{
    static const char *const renames[][2] = {{"n_layers", "conf_num_hidden_layers"},
                                             {"num_attention_heads", "conf_num_attention_heads"},
                                             {"feat_in", "input_feat_size"}};
    struct qfs_json *audio = c->mmproj->audio;
    for (size_t i = 0; i < QFS_COUNT(renames); i++) {
        if (!qfs_json_get(audio, renames[i][1]))
            return qfs_config_wrong(c, renames[i][1], "there");
        int rc = qfs_config_rename(c, audio, renames[i][0], renames[i][1]);
        if (rc < 0)
            return rc;
    }
    return qfs_config_default_int(c, audio, "intermediate_size", 6144);
}

static int gemma3n_begin(struct qfs_converter *c)
{
    static const double zeros[] = {0, 0, 0}, ones[] = {1, 1, 1};
    struct qfs_json *vision = c->mmproj->vision, *pre = c->mmproj->preprocessor;
    const struct qfs_json *size = qfs_json_get(pre, "size");
    int64_t width, image_size = 768, ntokens;
    int rc;
    if ((rc = qfs_config_set_int(c, vision, "n_layers", 128)) < 0 ||
        (rc = qfs_config_size_or(c, vision, "intermediate_size", 2048, &width)) < 0 ||
        (rc = qfs_config_set_int(c, vision, "intermediate_size", width * 4)) < 0 ||
        (rc = qfs_config_default_int(c, vision, "num_attention_heads", 8)) < 0 ||
        (rc = qfs_config_set_reals(c, pre, "image_mean", zeros, QFS_COUNT(zeros))) < 0 ||
        (rc = qfs_config_set_reals(c, pre, "image_std", ones, QFS_COUNT(ones))) < 0 ||
        (size && (rc = qfs_config_size(c, size, "height", &image_size)) < 0) ||
        (rc = qfs_config_set_int(c, vision, "image_size", image_size)) < 0 ||
        (rc = qfs_config_size_or(c, pre, "image_seq_length", 256, &ntokens)) < 0)
        return rc;
    if (ntokens == 0)
        return qfs_config_wrong(c, "the preprocessor's image_seq_length", "a count");
    if ((rc = qfs_config_set_int(c, vision, "patch_size", image_size / ntokens)) < 0)
        return rc;
    return begin_gemma3n_audio(c);
}

static int gemma3n_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                               int bid, int ndims)
{
    if (strstr(name, "input_projection") || strstr(name, "input_proj"))
        return QFS_TYPE_F16;
    if (strstr(name, ".embeddings.") || strstr(name, "stem"))
        return QFS_TYPE_F32;
    return conformer_force_quant(c, name, new_name, bid, ndims);
}

/* model.vision_tower.timm_model.blocks.B.S.… becomes v.blk.B.S.… */
static int mobilenet_block(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           const char *rest, int bid)
{
    static const char *const parts[] = {
        "conv_exp.weight",         "bn1.weight",
        "conv_pwl.weight",         "bn2.weight",
        "dw_start.conv.weight",    "dw_start.bn.weight",
        "dw_mid.conv.weight",      "dw_mid.bn.weight",
        "pw_exp.conv.weight",      "pw_exp.bn.weight",
        "pw_proj.conv.weight",     "pw_proj.bn.weight",
        "layer_scale.gamma",       "attn.query.proj.weight",
        "attn.key.proj.weight",    "attn.value.proj.weight",
        "attn.output.proj.weight", "attn.key.down_conv.weight",
        "attn.key.norm.weight",    "attn.value.down_conv.weight",
        "attn.value.norm.weight",  "norm.weight",
    };
    const char *dot = strchr(rest, '.'), *part = dot ? strchr(dot + 1, '.') : NULL;
    for (size_t i = 0; part && i < QFS_COUNT(parts); i++)
        if (strcmp(part + 1, parts[i]) == 0) {
            const char *new_name = qfs_arena_printf(c->arena, "v.blk.%s", rest);
            return new_name ? qfs_emit(c, data, name, new_name, bid) : qfs_fail_memory(c->error);
        }
    return qfs_fail(c->error, EINVAL, "%s: tensor %s is none of a MobileNet", c->model->path, name);
}

static int gemma3n_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    static const char blocks[] = "model.vision_tower.timm_model.blocks.";
    if (is_audio(name)) {
        const char *inner =
            qfs_name_replace(c, name, "model.audio_tower.conformer.", "conformer.layers.");
        return inner ? conformer_tensor(c, data, name, inner, bid) : -c->error->code;
    }
    if (qfs_starts_with(name, blocks))
        return mobilenet_block(c, data, name, name + strlen(blocks), bid);
    if (!qfs_starts_with(name, "model.embed_vision.") &&
        !qfs_starts_with(name, "model.vision_tower."))
        return 0;
    const char *new_name = qfs_map_name(c, name);
    if (data && new_name &&
        (qfs_ends_with(new_name, "conv_stem.conv.bias") ||
         qfs_ends_with(new_name, "layer_scale.gamma"))) {
        const int64_t shape[] = {1, qfs_recipe_count(data), 1, 1};
        data = qfs_lazy_reshape(c, data, 4, shape);
    }
    return qfs_emit(c, data, name, new_name, bid);
}

static int gemma3n_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_string(c, "vision.projector_type", "gemma3nv");
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                             1e-6)) < 0)
        return rc;
    qfs_put_string(c, "audio.projector_type", "gemma3na");
    if ((rc = qfs_put_u32_from(c, "audio.num_mel_bins", c->mmproj->audio, "feat_in")) < 0)
        return rc;
    qfs_put_f32(c, "audio.attention.layer_norm_epsilon", 1e-5);
    return 0;
}

/* -- LFM2 Audio --------------------------------------------------------------------------------------- */

static const struct qfs_json *lfm2_audio(struct qfs_converter *c)
{
    return qfs_json_get(c->mmproj->global, "encoder");
}

static const struct qfs_encoders lfm2_encoders = {.audio = true, .audio_config = lfm2_audio};

static int lfm2_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const unused[] = {"audio_loss_weight", "codebook_offsets",
                                         "depth_embeddings",  "depth_linear",
                                         "depthformer",       NULL};
    *ret_name = NULL;
    if (qfs_starts_with(name, "lfm.") || qfs_holds_any(name, unused))
        return 0;
    return qfs_mmproj_filter(c, name, ret_name);
}

static int lfm2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    return conformer_tensor(c, data, name, name, bid);
}

static int lfm2_keys(struct qfs_converter *c)
{
    static const char *const renames[][2] = {{"hidden_size", "d_model"},
                                             {"intermediate_size", "d_model"},
                                             {"num_attention_heads", "n_heads"}};
    int rc = 0;
    for (size_t i = 0; i < QFS_COUNT(renames) && rc == 0; i++)
        rc = qfs_config_rename(c, c->mmproj->audio, renames[i][0], renames[i][1]);
    if (rc < 0 || (rc = qfs_mmproj_keys(c)) < 0)
        return rc;
    qfs_put_projector(c, "lfm2a");
    if ((rc = qfs_put_u32_from(c, "audio.num_mel_bins", c->mmproj->audio, "feat_in")) < 0)
        return rc;
    qfs_put_f32(c, "audio.attention.layer_norm_epsilon", 1e-5);
    return 0;
}

/* -- Granite Speech ----------------------------------------------------------------------------------- */

static const struct qfs_json *granite_audio(struct qfs_converter *c)
{
    return qfs_json_get(c->mmproj->global, "encoder_config");
}

static const struct qfs_encoders granite_encoders = {.audio = true, .audio_config = granite_audio};

static int granite_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strstr(name, "attention_dists") || strstr(name, "num_batches_tracked"))
        return 0;
    return qfs_mmproj_filter(c, name, ret_name);
}

static int granite_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                               int bid, int ndims)
{
    if ((strstr(name, "encoder") || strstr(name, "projector")) && strstr(name, ".conv") &&
        strstr(name, ".weight"))
        return QFS_TYPE_F32;
    return qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

static int granite_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    static const char *const parts[] = {"to_k", "to_v"};
    bool weight = data && data->ndim == 3 && qfs_ends_with(name, ".weight");
    if (strstr(name, "batch_norm") && strstr(name, "encoder.layers."))
        return refuse_batch_norm(c, name);
    if (strstr(name, ".attn.to_kv.weight"))
        return qfs_split_rows(c, data, name, bid, "to_kv", parts, 2);
    if (weight && data->shape[2] == 1 && (strstr(name, "up_conv") || strstr(name, "down_conv")))
        data = qfs_lazy_squeeze_axis(c, data, 2);
    if (weight && data && data->ndim == 3 && data->shape[1] == 1 && strstr(name, "depth_conv"))
        data = qfs_lazy_squeeze_axis(c, data, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static int granite_keys(struct qfs_converter *c)
{
    static const char *const encoder_keys[][2] = {{"audio.chunk_size", "context_size"},
                                                  {"audio.conv_kernel_size", "conv_kernel_size"},
                                                  {"audio.max_pos_emb", "max_pos_emb"}};
    static const char *const projector_keys[][2] = {
        {"audio.projector.window_size", "window_size"},
        {"audio.projector.downsample_rate", "downsample_rate"}};
    struct qfs_json *audio = c->mmproj->audio;
    int64_t width, factor;
    int rc;
    if ((rc = qfs_config_size(c, audio, "hidden_dim", &width)) < 0 ||
        (rc = qfs_config_size(c, audio, "feedforward_mult", &factor)) < 0 ||
        (rc = qfs_config_set_int(c, audio, "hidden_size", width)) < 0 ||
        (rc = qfs_config_set_int(c, audio, "intermediate_size", width * factor)) < 0 ||
        (rc = qfs_config_rename(c, audio, "num_attention_heads", "num_heads")) < 0 ||
        (rc = qfs_config_rename(c, audio, "num_hidden_layers", "num_layers")) < 0 ||
        (rc = qfs_mmproj_keys(c)) < 0)
        return rc;
    qfs_put_projector(c, "granite_speech");
    if ((rc = qfs_put_u32_from(c, "audio.num_mel_bins", audio, "input_dim")) < 0)
        return rc;
    qfs_put_f32(c, "audio.attention.layer_norm_epsilon", 1e-5);
    for (size_t i = 0; i < QFS_COUNT(encoder_keys) && rc == 0; i++)
        rc = qfs_put_u32_from(c, encoder_keys[i][0], audio, encoder_keys[i][1]);
    for (size_t i = 0; i < QFS_COUNT(projector_keys) && rc == 0; i++)
        rc = qfs_put_u32_from(c, projector_keys[i][0], c->mmproj->global, projector_keys[i][1]);
    return rc < 0 ? rc
                  : qfs_put_u32_from(c, "audio.projector.head_count",
                                     qfs_json_get(c->mmproj->global, "projector_config"),
                                     "num_attention_heads");
}

static int granite_plus_keys(struct qfs_converter *c)
{
    const struct qfs_json *layers = qfs_json_get(c->mmproj->audio, "cat_hidden_layers");
    const struct qfs_json *projector = qfs_json_get(c->mmproj->global, "projector_config");
    int64_t width, input;
    int rc = granite_keys(c);
    if (rc < 0 || !qfs_json_truthy(layers))
        return rc;
    if ((rc = qfs_put_param(c, "audio.feature_layer", QFS_PARAM_LIST, layers)) < 0 ||
        (rc = qfs_config_size(c, c->mmproj->audio, "hidden_dim", &width)) < 0 ||
        (rc = qfs_config_size(c, projector, "encoder_hidden_size", &input)) < 0)
        return rc;
    return input == width * (layers->count + 1)
               ? 0
               : qfs_config_wrong(c, "encoder_hidden_size", "the width of all layers it is fed");
}

const struct qfs_family qfs_family_gemma3n_vision = {
    .hf_classes = gemma3n_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &gemma3n_encoders,
    .begin = gemma3n_begin,
    .force_quant = gemma3n_force_quant,
    .tensor = gemma3n_tensor,
    .keys = gemma3n_keys,
};

const struct qfs_family qfs_family_lfm2_audio = {
    .hf_classes = lfm2_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &lfm2_encoders,
    .filter = lfm2_filter,
    .force_quant = conformer_force_quant,
    .tensor = lfm2_tensor,
    .keys = lfm2_keys,
};

const struct qfs_family qfs_family_granite_speech = {
    .hf_classes = granite_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &granite_encoders,
    .filter = granite_filter,
    .force_quant = granite_force_quant,
    .tensor = granite_tensor,
    .keys = granite_keys,
};

const struct qfs_family qfs_family_granite_speech_plus = {
    .hf_classes = granite_plus_classes,
    .parent = &qfs_family_granite_speech,
    .keys = granite_plus_keys,
};
