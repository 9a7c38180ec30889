/* ollama_layout: a mount's models as a model store of Ollama's. Private to fs/. */
#ifndef QUANTFS_OLLAMA_LAYOUT_H
#define QUANTFS_OLLAMA_LAYOUT_H

#include "names.h"

#define QFS_OLLAMA_NAME "ollama" /* at the root */

/* What a mount's store depends on beside its models. */
struct qfs_ollama_mount {
    const char *mountpoint;
    const struct qfs_options *options;
};

/* Adds the store of the models whose views stand in `names` already: found and not listed, so that who
 * walks the mount meets each view once. Where something else has its name there is none. */
void qfs_layout_ollama(struct qfs_names *names, struct qfs_generation *const *models,
                       size_t nmodels, const struct qfs_ollama_mount *mount);

#endif
