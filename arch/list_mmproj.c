/* Every family of encoders there is. Adding one: its file, its line here, its file in meson.build. */
#include "mmproj.h"

#include <string.h>

/* A line each, in the order of the alphabet. */
/* clang-format off */
#define FAMILIES(family) \
    family(audio_flamingo3) \
    family(cogvlm_vision) \
    family(deepseek_ocr2_vision) \
    family(deepseek_ocr_vision) \
    family(dots_ocr_vision) \
    family(exaone4_5_vision) \
    family(gemma3_vision) \
    family(gemma3n_vision) \
    family(gemma4_unified_vision) \
    family(gemma4_vision) \
    family(glm4v_vision) \
    family(glm5v) \
    family(glmasr) \
    family(granite_speech) \
    family(granite_speech_plus) \
    family(hunyuan_vision) \
    family(internvl) \
    family(janus_vision) \
    family(kimik25) \
    family(kimivl) \
    family(lfm2_audio) \
    family(lfm2_vision) \
    family(lighton_ocr) \
    family(llama4_vision) \
    family(llava) \
    family(meralion2) \
    family(minicpm_vision) \
    family(paddleocr_vision) \
    family(qwen2audio) \
    family(qwen2vl_vision) \
    family(qwen3vl_vision) \
    family(qwen4_vision) \
    family(sarashina2_vision) \
    family(smolvlm) \
    family(ultravox) \
    family(unlimited_ocr_vision) \
    family(voxtral_audio) \
    family(youtu_vision)
/* clang-format on */

#define DECLARE(name) extern const struct qfs_family qfs_family_##name;
#define LIST(name) &qfs_family_##name,

FAMILIES(DECLARE)

static const struct qfs_family *const families[] = {FAMILIES(LIST)};

const struct qfs_family *qfs_mmproj_family_find(const char *hf_class)
{
    for (size_t i = 0; i < QFS_COUNT(families); i++)
        for (const char *const *class = families[i]->hf_classes; *class; class ++)
            if (strcmp(*class, hf_class) == 0)
                return families[i];
    return NULL;
}
