#include "vocab.h"

int qfs_vocab_bert(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    return qfs_fail(error, ENOTSUP, "%s: WordPiece tokenizers are not supported yet",
                    conversion->model->path);
}
