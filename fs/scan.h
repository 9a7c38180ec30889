/* scan: which models a folder holds, and what their files are now. Reads directories, no files. Private
 * to fs/.
 *
 * A folder is a model where it holds what one is opened by, a models--org--name folder of the hub cache,
 * or a repository of GGUF files, each of which is a model. Any other folder is looked into, some levels
 * deep; hidden ones are not. */
#ifndef QUANTFS_SCAN_H
#define QUANTFS_SCAN_H

#include "quantfs/model.h"

#include <sys/stat.h>

struct qfs_found {
    const char *path;      /* to be opened as a source */
    const char *publisher; /* the organisation of a hub repository, else the folder above */
    const char *name;      /* of the model: views are NAME-TYPE.gguf */
    const char *dir;       /* where its files are */
    uint64_t number;       /* changes when a file of the source is replaced, edited, added or
                            * removed, or when the path leads elsewhere */
    mode_t mode;           /* who may read: 0444, less what its weights do not allow */
};

struct qfs_scan {
    struct qfs_arena arena;
    struct qfs_found *models; /* sorted by path */
    size_t count, capacity;
};

/* True if `root` is a folder of models and not a model itself. */
bool qfs_scan_is_tree(const char *root);
/* All models below `root`; ones that cannot be looked at are left out. */
int qfs_scan_tree(const char *root, struct qfs_scan *ret_scan,
                  struct qfs_error *error) QFS_MUST_USE;
void qfs_scan_done(struct qfs_scan *scan);

/* One model. Strings live in `arena`. */
int qfs_scan_model(struct qfs_arena *arena, const char *path, struct qfs_found *ret_found,
                   struct qfs_error *error) QFS_MUST_USE;

#endif
