/* Janus-Pro's language model, which is a Llama. */
#include "converter.h"

static const char *const classes[] = {"JanusForConditionalGeneration", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const others[] = {
        "model.vision_model.",
        "model.aligner.",
        "model.vqmodel.",
        "model.generation_embeddings.",
        "model.generation_aligner.",
        "model.generation_head.",
    };
    *ret_name = NULL;
    for (size_t i = 0; i < QFS_COUNT(others); i++)
        if (qfs_starts_with(name, others[i]))
            return 0;
    return qfs_llama_filter(c, name, ret_name);
}

const struct qfs_family qfs_family_janus = {
    .arch = "llama",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .filter = filter,
};
