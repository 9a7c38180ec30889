#include "vocab.h"

int qfs_vocab_mistral(struct qfs_conversion *conversion, struct qfs_error *error)
{
    return qfs_fail(error, ENOTSUP, "%s: Mistral's own tokenizer format is not supported",
                    conversion->model->path);
}
