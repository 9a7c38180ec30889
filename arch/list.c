/* Every family there is. Adding one: its file, its two lines here, its file in meson.build. */
#include "converter.h"

#include <string.h>

extern const struct qfs_family qfs_family_bert, qfs_family_llama, qfs_family_qwen2,
    qfs_family_qwen3;

static const struct qfs_family *const families[] = {
    &qfs_family_bert,
    &qfs_family_llama,
    &qfs_family_qwen2,
    &qfs_family_qwen3,
};

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
