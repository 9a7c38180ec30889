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
        NULL,
    };
    *ret_name = NULL;
    return qfs_begins_with_any(name, others) ? 0 : qfs_llama_filter(c, name, ret_name);
}

const struct qfs_family qfs_family_janus = {
    .arch = "llama",
    .hf_classes = classes,
    .parent = &qfs_family_llama,
    .filter = filter,
};
