/* Every family there is. Adding one: its file, its line here, its file in meson.build. */
#include "converter.h"

#include <string.h>

/* A line each, in the order of the alphabet. */
/* clang-format off */
#define FAMILIES(family) \
    family(afmoe) \
    family(apertus) \
    family(arcee) \
    family(arctic) \
    family(arwkv7) \
    family(baichuan) \
    family(bailingmoe) \
    family(bailingmoe2) \
    family(bailingmoe3) \
    family(bert) \
    family(bitnet) \
    family(bloom) \
    family(chameleon) \
    family(chatglm) \
    family(codeshell) \
    family(cogvlm) \
    family(cohere2) \
    family(cohere2moe) \
    family(command_r) \
    family(dbrx) \
    family(deci) \
    family(deepseek) \
    family(deepseek2) \
    family(deepseek32) \
    family(deepseek4) \
    family(distilbert) \
    family(dots1) \
    family(dots3) \
    family(dream) \
    family(ernie) \
    family(ernie_moe) \
    family(eurobert) \
    family(exaone) \
    family(exaone4) \
    family(exaone45) \
    family(exaone_moe) \
    family(falcon) \
    family(falcon_h1) \
    family(gemma) \
    family(gemma2) \
    family(gemma3) \
    family(gemma3n) \
    family(gemma4) \
    family(gemma4_assistant) \
    family(gemma4_unified) \
    family(gemma_embedding) \
    family(glm4) \
    family(glm4moe) \
    family(glm4moe_lite) \
    family(glm_dsa) \
    family(glm_ocr) \
    family(gpt2) \
    family(gpt_oss) \
    family(gptneox) \
    family(granite) \
    family(granite_moe_swa) \
    family(granite_swa) \
    family(granite_switch) \
    family(granitehybrid) \
    family(granitemoe) \
    family(grok) \
    family(grovemoe) \
    family(hrm_text) \
    family(hunyuan_dense) \
    family(hunyuan_moe) \
    family(hunyuan_vl) \
    family(hy_v3) \
    family(hy_v4) \
    family(internlm2) \
    family(internlm3) \
    family(jais) \
    family(jais2) \
    family(jamba) \
    family(janus) \
    family(jina2) \
    family(kimi_k3) \
    family(kimi_linear) \
    family(laguna) \
    family(lfm2) \
    family(lfm2_encoder) \
    family(lfm2_vocoder) \
    family(lfm2moe) \
    family(llada) \
    family(llada_moe) \
    family(llama) \
    family(llama4) \
    family(llama_embed) \
    family(maincoder) \
    family(mamba) \
    family(mamba2) \
    family(maple) \
    family(mellum) \
    family(mimo2) \
    family(minicpm) \
    family(minicpm3) \
    family(minicpmv46) \
    family(minimax01) \
    family(minimax_m2) \
    family(minimax_m3) \
    family(mistral3) \
    family(modernbert) \
    family(mpt) \
    family(muse_glimmer) \
    family(nanbeige) \
    family(nemotron) \
    family(nemotron_h) \
    family(neobert) \
    family(nomicbert) \
    family(olmo) \
    family(olmo2) \
    family(olmoe) \
    family(openelm) \
    family(orion) \
    family(paddleocr) \
    family(pangu) \
    family(phi2) \
    family(phi3) \
    family(phimoe) \
    family(plamo) \
    family(plamo2) \
    family(plamo3) \
    family(plm) \
    family(qwen) \
    family(qwen2) \
    family(qwen2moe) \
    family(qwen2vl) \
    family(qwen3) \
    family(qwen35) \
    family(qwen35moe) \
    family(qwen3asr) \
    family(qwen3moe) \
    family(qwen3next) \
    family(qwen3omni) \
    family(qwen3vl) \
    family(qwen3vlmoe) \
    family(qwen4exp) \
    family(refact) \
    family(rnd1) \
    family(roberta) \
    family(rugpt3xl) \
    family(rwkv6) \
    family(rwkv6qwen2) \
    family(rwkv7) \
    family(sarashina2) \
    family(seed_oss) \
    family(smallthinker) \
    family(smollm3) \
    family(solar_open) \
    family(spark2_5) \
    family(speech_output) \
    family(stablelm) \
    family(starcoder) \
    family(starcoder2) \
    family(step35) \
    family(step3vl) \
    family(t5) \
    family(t5encoder) \
    family(talkie) \
    family(wavtokenizer) \
    family(xlmroberta) \
    family(xverse)
/* clang-format on */

#define DECLARE(name) extern const struct qfs_family qfs_family_##name;
#define LIST(name) &qfs_family_##name,

FAMILIES(DECLARE)

static const struct qfs_family *const families[] = {FAMILIES(LIST)};

const struct qfs_family *qfs_family_find(const char *hf_class)
{
    for (size_t i = 0; i < QFS_COUNT(families); i++)
        for (const char *const *class = families[i]->hf_classes; *class; class ++)
            if (strcmp(*class, hf_class) == 0)
                return families[i];
    return NULL;
}

/* Letters to change, add and remove between two names; names of classes are short. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 96 };
    size_t row[LONGEST + 1], na = strnlen(a, LONGEST), nb = strnlen(b, LONGEST);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t corner = row[0]; /* of the row before, left of j */
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t changed = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = QFS_MIN(changed, QFS_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}

size_t qfs_classes_near(const char *name, const char **ret_names, size_t wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < QFS_COUNT(families); i++)
        for (const char *const *class = families[i]->hf_classes; *class; class ++) {
            size_t at = QFS_MIN(count, wanted);
            for (; at > 0 && distance(name, *class) < distance(name, ret_names[at - 1]); at--)
                if (at < wanted)
                    ret_names[at] = ret_names[at - 1];
            if (at < wanted)
                ret_names[at] = *class;
            count++;
        }
    return count;
}
