/* _set_vocab_interns1: byte-level BPE with a begin token that the files do not name. */
#include "tokenizer.h"

int qfs_vocab_interns1(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    enum { BOS = 151643 };
    struct qfs_arena arena = {0};
    struct qfs_tokenizer *t = NULL;
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    const char *pre = NULL;
    int rc = qfs_tokenizer_open(conversion->model, &t, error);
    if (rc == 0)
        rc = qfs_vocab_base(t, hparams, &arena, &tokens, &pre, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "gpt2", pre, error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, conversion->model, t->json, true, NULL, -1,
                                    error);
    if (rc == 0)
        rc = qfs_special_vocab_set(&special, "bos", BOS, error);
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, error);
    qfs_tokenizer_close(t);
    qfs_arena_done(&arena);
    return rc;
}
