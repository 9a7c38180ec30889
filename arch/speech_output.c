/* Models that speak, whose embeddings the converter multiplies with other matrices: sums in the order of one
 * BLAS, which nothing else gives bit for bit. Known, so that they are refused in clear words. */
#include "converter.h"

static const char *const classes[] = {"Qwen3TTSForConditionalGeneration", "PocketTTSModel", NULL};

static int begin(struct qfs_converter *c)
{
    return qfs_fail(c->error, ENOTSUP,
                    "%s: %s is not supported: the converter multiplies its embeddings with other "
                    "matrices, and their sums depend on the processor; convert it with llama.cpp",
                    c->model->path, c->hf_class);
}

const struct qfs_family qfs_family_speech_output = {
    .arch = "qwen3tts",
    .hf_classes = classes,
    .begin = begin,
};
