/* tree: the models of a mount, and the names that it shows now. Private to fs/. */
#ifndef QUANTFS_TREE_H
#define QUANTFS_TREE_H

#include "names.h"

struct qfs_tree;

/* `path`, `mountpoint` and `options` are borrowed and must outlive the tree. */
int qfs_tree_open(const char *path, const char *mountpoint, const struct qfs_options *options,
                  struct qfs_engine *engine, struct qfs_tree **ret_tree,
                  struct qfs_error *error) QFS_MUST_USE;
void qfs_tree_close(struct qfs_tree *tree);

/* The names of now; drop them with qfs_names_unref. */
struct qfs_names *qfs_tree_get(struct qfs_tree *tree);

/* Looks whether the source changed, and makes new names if so. `urgent`: even if it was looked at a
 * moment ago. 0; or why the source as it is now cannot be served (it is being replaced, say): then the
 * old names stay, and what opens files should fail. */
int qfs_tree_refresh(struct qfs_tree *tree, bool urgent);

#endif
