/* What llama.cpp's loader makes of a file's keys: the few hyperparameters that the mixture rules
 * use, and its refusals. */
#ifndef QUANTFS_GGUF_LOADER_H
#define QUANTFS_GGUF_LOADER_H

#include "override.h"

struct qfs_hparams {
    const char *arch;           /* static: the loader's name of it */
    uint32_t nlayers;           /* block_count, layers of draft heads included; 0 for clip */
    uint32_t nexperts;          /* 0: no mixture of experts */
    uint32_t nheads, nheads_kv; /* of layer 0 */
    bool is_70b;                /* the loader calls it a 70B model */
};

/* Reads `kvs` as the loader does for llama-quantize, overrides first. -ENOTSUP with a sentence
 * where the loader stops: an architecture it does not know, a key that is missing or of another
 * type. */
int qfs_loader_run(const struct qfs_kvs *kvs, const struct qfs_override *overrides,
                   size_t noverrides, struct qfs_hparams *ret_hparams,
                   struct qfs_error *error) QFS_MUST_USE;

#endif
