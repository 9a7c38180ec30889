#include "vocab.h"

int qfs_vocab_gpt2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    return qfs_fail(error, ENOTSUP,
                    "%s/tokenizer.json: byte-level tokenizers are not supported yet",
                    conversion->model->path);
}

int qfs_vocab_llama_hf(struct qfs_conversion *conversion, struct qfs_error *error)
{
    return qfs_fail(error, ENOENT, "%s/tokenizer.json: not a Llama tokenizer",
                    conversion->model->path);
}
