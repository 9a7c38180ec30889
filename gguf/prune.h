/* --prune-layers: layers that are left out, and the numbers of those behind them. */
#ifndef QUANTFS_GGUF_PRUNE_H
#define QUANTFS_GGUF_PRUNE_H

#include "quantfs/base.h"

struct qfs_prune {
    const int *layers; /* ascending; none: nothing is pruned */
    size_t nlayers;
    struct qfs_prune_layer {
        int from, to; /* `to` -1: pruned */
    } * map;          /* layers met so far */
    size_t nmap, capacity;
    int next; /* number of the next layer that is kept */
};

/* The new name of a tensor ("blk.3.attn_q.weight"), `name` itself when nothing changes, NULL when
 * it is pruned. Tensors come in the file's order: numbers are given as layers are met. -EINVAL. */
int qfs_prune_name(struct qfs_prune *prune, struct qfs_arena *arena, const char *name,
                   const char **ret_name, struct qfs_error *error) QFS_MUST_USE;
void qfs_prune_done(struct qfs_prune *prune);

#endif
