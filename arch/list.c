/* Every family there is. Adding one: its file, its line here, its file in meson.build. */
#include "converter.h"

#include <string.h>

/* A line each, in the order of the alphabet. */
/* clang-format off */
#define FAMILIES(family) \
    family(bert) \
    family(bloom) \
    family(codeshell) \
    family(deepseek) \
    family(deepseek2) \
    family(deepseek32) \
    family(gemma2) \
    family(gemma3) \
    family(gpt2) \
    family(gptneox) \
    family(llama) \
    family(olmo) \
    family(olmo2) \
    family(olmoe) \
    family(phi2) \
    family(phi3) \
    family(phimoe) \
    family(qwen2) \
    family(qwen2moe) \
    family(qwen3) \
    family(qwen3moe) \
    family(refact) \
    family(seed_oss) \
    family(stablelm) \
    family(starcoder) \
    family(starcoder2)
/* clang-format on */

#define DECLARE(name) extern const struct qfs_family qfs_family_##name;
#define LIST(name) &qfs_family_##name,

FAMILIES(DECLARE)

static const struct qfs_family *const families[] = {FAMILIES(LIST)};

const struct qfs_family *const *qfs_families(size_t *ret_count)
{
    *ret_count = QFS_COUNT(families);
    return families;
}

const struct qfs_family *qfs_family_find(const char *hf_class)
{
    for (size_t i = 0; i < QFS_COUNT(families); i++)
        for (const char *const *class = families[i]->hf_classes; *class; class ++)
            if (strcmp(*class, hf_class) == 0)
                return families[i];
    return NULL;
}
