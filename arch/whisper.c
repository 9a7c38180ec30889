/* Whisper's audio encoder and the projectors behind it: Qwen 2 Audio, Ultravox, Voxtral, Audio
 * Flamingo 3, MERaLiON 2, GLM ASR. */
#include "mmproj.h"

#include <string.h>

static const char *const qwen2audio_classes[] = {"Qwen2AudioForConditionalGeneration", NULL};
static const char *const ultravox_classes[] = {"UltravoxModel", NULL};
static const char *const voxtral_classes[] = {"VoxtralForConditionalGeneration", NULL};
static const char *const flamingo_classes[] = {"AudioFlamingo3ForConditionalGeneration", NULL};
static const char *const meralion_classes[] = {"MERaLiON2ForConditionalGeneration", NULL};
static const char *const glmasr_classes[] = {"GlmasrModel", NULL};

/* -- shared ----------------------------------------------------------------------------------------- */

static int whisper_begin(struct qfs_converter *c)
{
    static const char *const renames[][2] = {{"hidden_size", "d_model"},
                                             {"intermediate_size", "encoder_ffn_dim"},
                                             {"num_attention_heads", "encoder_attention_heads"}};
    int rc = 0;
    if (qfs_hparam(c, "hidden_size") || qfs_hparam(c, "intermediate_size"))
        return 0;
    for (size_t i = 0; i < QFS_COUNT(renames) && rc == 0; i++)
        rc = qfs_hparam(c, renames[i][1])
                 ? qfs_config_rename(c, c->hparams, renames[i][0], renames[i][1])
                 : qfs_config_wrong(c, renames[i][1], "there");
    return rc;
}

static int whisper_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (qfs_starts_with(name, "multi_modal_projector") &&
        !(name = qfs_arena_printf(c->arena, "audio.%s", name)))
        return qfs_fail_memory(c->error);
    return qfs_mmproj_filter(c, name, ret_name);
}

static int whisper_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                               int bid, int ndims)
{
    return strstr(name, ".conv") && strstr(name, ".weight")
               ? QFS_TYPE_F16
               : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

/* WhisperEncoderModel.modify_tensors: biases of convolutions become columns. */
static int whisper_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    if (strstr(name, "conv1.bias") || strstr(name, "conv2.bias"))
        data = qfs_lazy_columns(c, data, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static int put_whisper(struct qfs_converter *c, const char *projector)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, projector);
    if ((rc = qfs_put_u32_from(c, "audio.num_mel_bins", c->hparams, "num_mel_bins")) < 0)
        return rc;
    return qfs_put_f32_or(c, "audio.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps",
                          1e-5);
}

static const struct qfs_encoders audio_only = {.audio = true};

/* -- families --------------------------------------------------------------------------------------- */

static int qwen2audio_keys(struct qfs_converter *c)
{
    return put_whisper(c, "qwen2a");
}

static int ultravox_keys(struct qfs_converter *c)
{
    int rc = put_whisper(c, "ultravox");
    return rc < 0 ? rc
                  : qfs_put_u32_from(c, "audio.projector.stack_factor", c->mmproj->global,
                                     "stack_factor");
}

static int voxtral_keys(struct qfs_converter *c)
{
    enum { STACK_FACTOR = 4 };
    int rc = put_whisper(c, "voxtral");
    if (rc == 0)
        qfs_put_u32(c, "audio.projector.stack_factor", STACK_FACTOR);
    return rc;
}

static int flamingo_keys(struct qfs_converter *c)
{
    return put_whisper(c, "musicflamingo");
}

static int flamingo_force_quant(struct qfs_converter *c, const char *name, const char *new_name,
                                int bid, int ndims)
{
    return strstr(name, ".conv") && strstr(name, ".weight")
               ? QFS_TYPE_F32
               : qfs_mmproj_force_quant(c, name, new_name, bid, ndims);
}

/* -- MERaLiON 2 ------------------------------------------------------------------------------------- */

static const struct qfs_json *meralion_audio(struct qfs_converter *c)
{
    return qfs_json_get(c->mmproj->global, "speech_config");
}

static const struct qfs_encoders meralion_encoders = {.audio = true,
                                                      .audio_config = meralion_audio};

static int meralion_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "text_decoder."))
        return 0;
    if (qfs_starts_with(name, "speech_encoder."))
        name = qfs_name_replace(c, name, "speech_encoder.", "audio_tower.");
    return name ? whisper_filter(c, name, ret_name) : -c->error->code;
}

static int meralion_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    static const char *const parts[] = {".mlp_adapter.0.", ".gate_proj.", ".pool_proj.",
                                        ".out_proj."};
    const char *dot = strrchr(name, '.');
    const char *suffix = dot ? dot : name;
    if (qfs_starts_with(name, "ln_speech."))
        return qfs_emit(c, data, name, qfs_format_name(c, "mm.a.norm_pre", suffix, -1), bid);
    if (!qfs_starts_with(name, "speech_audio_adapter."))
        return whisper_tensor(c, data, name, bid);
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (strstr(name, parts[i]))
            return qfs_emit(c, data, name, qfs_format_name(c, "mm.a.mlp.{bid}", suffix, (int)i),
                            bid);
    return 0;
}

static int meralion_keys(struct qfs_converter *c)
{
    enum { STACK_FACTOR = 15 };
    int rc = put_whisper(c, "meralion");
    return rc < 0 ? rc
                  : qfs_put_u32_or(c, "audio.projector.stack_factor", c->mmproj->global,
                                   "speech_mlp_scale_factor", STACK_FACTOR);
}

/* -- GLM ASR ---------------------------------------------------------------------------------------- */

static int glmasr_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const renames[][2] = {
        {".layer_norm.", ".ln_pre."}, {".0.", ".linear_1."}, {".2.", ".linear_2."}};
    *ret_name = NULL;
    if (qfs_starts_with(name, "model.") || qfs_starts_with(name, "lm_head."))
        return 0;
    if (qfs_starts_with(name, "audio_encoder.whisper."))
        name = qfs_name_replace(c, name, "audio_encoder.whisper.", "audio_tower.");
    if (name && (strstr(name, "audio_encoder.layer_norm.") || strstr(name, "audio_encoder.proj.")))
        name = qfs_name_replace(c, name, "audio_encoder.", "audio_encoder.adapting.");
    if (name && qfs_starts_with(name, "audio_encoder.adapting.")) {
        name = qfs_name_replace(c, name, "audio_encoder.adapting.", "audio.multi_modal_projector.");
        for (size_t i = 0; name && i < QFS_COUNT(renames); i++)
            name = qfs_name_replace(c, name, renames[i][0], renames[i][1]);
    }
    return name ? qfs_mmproj_filter(c, name, ret_name) : -c->error->code;
}

static int glmasr_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    if (qfs_starts_with(name, "audio_encoder.audio_bos_eos_token.")) {
        int rc = qfs_text_tensor(c, qfs_lazy_row(c, data, 0), "model.vision.boi", bid);
        return rc < 0 ? rc : qfs_text_tensor(c, qfs_lazy_row(c, data, 1), "model.vision.eoi", bid);
    }
    if (qfs_starts_with(name, "audio_encoder.adapting.") && strstr(name, ".proj."))
        return 0;
    return whisper_tensor(c, data, name, bid);
}

static int glmasr_keys(struct qfs_converter *c)
{
    int rc = put_whisper(c, "glma");
    return rc < 0 ? rc
                  : qfs_put_u32_from(c, "audio.projector.stack_factor", c->mmproj->global,
                                     "merge_factor");
}

const struct qfs_family qfs_family_qwen2audio = {
    .hf_classes = qwen2audio_classes,
    .parent = &qfs_family_mmproj,
    .encoders = &audio_only,
    .begin = whisper_begin,
    .filter = whisper_filter,
    .force_quant = whisper_force_quant,
    .tensor = whisper_tensor,
    .keys = qwen2audio_keys,
};

const struct qfs_family qfs_family_ultravox = {
    .hf_classes = ultravox_classes,
    .parent = &qfs_family_qwen2audio,
    .keys = ultravox_keys,
};

const struct qfs_family qfs_family_voxtral_audio = {
    .hf_classes = voxtral_classes,
    .parent = &qfs_family_qwen2audio,
    .keys = voxtral_keys,
};

const struct qfs_family qfs_family_audio_flamingo3 = {
    .hf_classes = flamingo_classes,
    .parent = &qfs_family_qwen2audio,
    .force_quant = flamingo_force_quant,
    .keys = flamingo_keys,
};

const struct qfs_family qfs_family_meralion2 = {
    .hf_classes = meralion_classes,
    .parent = &qfs_family_qwen2audio,
    .encoders = &meralion_encoders,
    .filter = meralion_filter,
    .tensor = meralion_tensor,
    .keys = meralion_keys,
};

const struct qfs_family qfs_family_glmasr = {
    .hf_classes = glmasr_classes,
    .parent = &qfs_family_qwen2audio,
    .filter = glmasr_filter,
    .tensor = glmasr_tensor,
    .keys = glmasr_keys,
};
