/* tree: the models of a mount, and the names that it shows now. Private to fs/.
 *
 * A model that was found is known by its name alone until its summary is made: by threads of the tree, one
 * model after the other, or by whoever asks for it. Until then its views are guessed (names.h). */
#ifndef QUANTFS_TREE_H
#define QUANTFS_TREE_H

#include "names.h"
#include "status.h"

struct qfs_tree;

/* What `mount` says and `options` are borrowed and must outlive the tree. A source that is no folder of
 * models is one model, which must be one that can be shown. */
int qfs_tree_open(const struct qfs_mount_options *mount, const struct qfs_options *options,
                  struct qfs_engine *engine, struct qfs_tree **ret_tree,
                  struct qfs_error *error) QFS_MUST_USE;
/* Starts the threads that look into models. Not before a fork. */
int qfs_tree_start(struct qfs_tree *tree, struct qfs_error *error) QFS_MUST_USE;
void qfs_tree_close(struct qfs_tree *tree); /* ends them */

/* The names of now; drop them with qfs_names_unref. */
struct qfs_names *qfs_tree_get(struct qfs_tree *tree);
/* What `name` means in directory `ino` now. Looks again whether models came, went or changed, when that
 * was some time ago, and into models that the answer depends on. 0; -ENOENT, -ENOTDIR; -ESTALE when there
 * is no such directory any more. *ret_names keeps the node. */
int qfs_tree_lookup(struct qfs_tree *tree, uint64_t ino, const char *name,
                    struct qfs_names **ret_names, const struct qfs_node **ret_node) QFS_MUST_USE;
/* The directory `ino`, to be listed; the same. */
int qfs_tree_list_dir(struct qfs_tree *tree, uint64_t ino, struct qfs_names **ret_names,
                      const struct qfs_node **ret_dir) QFS_MUST_USE;
/* Opens the view `ino`, if its model is still what it was. -ESTALE: look its name up again. -EIO: the
 * source as it is now cannot be served (it is being replaced, say). */
int qfs_tree_open_view(struct qfs_tree *tree, const struct qfs_node *node,
                       struct qfs_view **ret_view) QFS_MUST_USE;
/* A view was closed. */
void qfs_tree_tidy(struct qfs_tree *tree);

/* Looks whether models came, went or changed. `urgent`: even if that was done a moment ago. */
void qfs_tree_refresh(struct qfs_tree *tree, bool urgent);
void qfs_tree_count(struct qfs_tree *tree, struct qfs_tree_counters *ret_counters);

#endif
