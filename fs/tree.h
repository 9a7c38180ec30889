/* tree: the files of a mount, and which source they are of. Private to fs/.
 *
 * A source that changes under the mount begins a new generation: files with other inode numbers. Files
 * of an older one stay readable for those who have them open (as long as the weights are still those),
 * and cannot be opened any more. */
#ifndef QUANTFS_TREE_H
#define QUANTFS_TREE_H

#include "image.h"

#include <sys/stat.h>

enum { QFS_ROOT_INO = 1, QFS_STATUS_INO = 2 };
#define QFS_STATUS_NAME ".quantfs-status" /* at the root, not listed */

struct qfs_node {
    uint64_t ino;
    const char *name;
    uint64_t size;
    size_t view; /* index in the source */
};

/* Immutable but for `refs`. */
struct qfs_generation {
    uint32_t refs; /* the tree's lock */
    struct qfs_source *source;
    uint64_t number; /* digest of the source's files as they were found */
    struct timespec mtime;
    mode_t mode;   /* who may read: 0444, less what the source's files do not allow */
    uint64_t size; /* of all files */
    size_t nnodes;
    struct qfs_node nodes[];
};

struct qfs_tree;

/* `options` is borrowed and must outlive the tree. */
int qfs_tree_open(const char *path, const struct qfs_options *options, struct qfs_engine *engine,
                  struct qfs_tree **ret_tree, struct qfs_error *error) QFS_MUST_USE;
void qfs_tree_close(struct qfs_tree *tree);

/* The generation of now; drop it with qfs_generation_put. */
struct qfs_generation *qfs_tree_get(struct qfs_tree *tree);
void qfs_generation_put(struct qfs_tree *tree, struct qfs_generation *generation);

/* Looks whether the source changed, and begins a new generation if so. `urgent`: even if it was looked
 * at a moment ago. 0; or why the source as it is now cannot be served (it is being replaced, say): then
 * the old generation stays, and what opens files should fail. */
int qfs_tree_refresh(struct qfs_tree *tree, bool urgent);

const struct qfs_node *qfs_node_by_name(const struct qfs_generation *generation, const char *name);
const struct qfs_node *qfs_node_by_ino(const struct qfs_generation *generation, uint64_t ino);
void qfs_node_stat(const struct qfs_generation *generation, const struct qfs_node *node,
                   struct stat *ret_stat); /* node NULL: the root */

#endif
