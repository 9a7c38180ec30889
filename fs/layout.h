/* layout: which names a mount shows for the models it holds. Private to fs/.
 *
 * A generator adds a subtree below node `parent`. Models whose summary is NULL are not known yet: it may
 * leave them out, it is called again when they are. */
#ifndef QUANTFS_LAYOUT_H
#define QUANTFS_LAYOUT_H

#include "names.h"

typedef void qfs_layout(struct qfs_names *names, uint32_t parent,
                        struct qfs_generation *const *models, size_t nmodels);

/* NAME-TYPE.gguf, all beside each other. */
qfs_layout qfs_layout_flat;

#endif
