/* BitNet: the converter rounds each matrix to three values by the mean of the whole of it, a sum whose last
 * digits depend on how many threads torch has. */
#include "converter.h"

static const char *const classes[] = {"BitnetForCausalLM", "BitNetForCausalLM", NULL};

static int begin(struct qfs_converter *c)
{
    return qfs_fail(c->error, ENOTSUP,
                    "%s: BitNet is not supported: its weights are rounded by means over whole "
                    "tensors; a GGUF file made by the converter can be given instead",
                    c->model->path);
}

const struct qfs_family qfs_family_bitnet = {
    .arch = "bitnet",
    .hf_classes = classes,
    .begin = begin,
};
