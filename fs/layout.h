/* layout: which names a mount shows for the models it holds. Private to fs/.
 *
 * A generator adds a subtree below node `parent`. Models whose summary is NULL are not known yet: it
 * leaves them out, or guesses (qfs_names_guess) that they have what names->likely has; it is called again
 * when more is known. */
#ifndef QUANTFS_LAYOUT_H
#define QUANTFS_LAYOUT_H

#include "names.h"

typedef void qfs_layout_fn(struct qfs_names *names, uint32_t parent,
                           struct qfs_generation *const *models, size_t nmodels);

/* NAME-TYPE.gguf, all beside each other. */
qfs_layout_fn qfs_layout_flat;
/* PUBLISHER/NAME-TYPE/NAME-TYPE.gguf with its projector beside it: found by LM Studio, llama-server
 * --models-dir, text-generation-webui. */
qfs_layout_fn qfs_layout_tree;
/* models--PUBLISHER--NAME/snapshots/COMMIT/NAME-TYPE.gguf and refs/main: llama.cpp's own cache. */
qfs_layout_fn qfs_layout_hub;

/* By its name in enum qfs_layout of quantfs/fs.h. */
qfs_layout_fn *qfs_layout_of(enum qfs_layout layout, bool tree);

#endif
