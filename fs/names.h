/* names: the tree of names that a mount shows: directories, views, symbolic links and small files that
 * are held in memory. Private to fs/.
 *
 * Names are built once, by generators (layout.h), and then immutable; when models come, go or change,
 * new ones take their place (tree.h). A generator of a subtree is one function that is given the node
 * to build below and the models, and calls
 *
 *     uint32_t dir = qfs_names_dir(names, parent, "blobs", NULL);
 *     qfs_names_view(names, dir, "sha256-…", model, index);      a view of model->summary, as a file
 *     qfs_names_text(names, dir, "manifest", model, data, size); a file with this content
 *     qfs_names_link(names, dir, "latest", model, "../target");
 *
 * Inode numbers are digests of path and content: the same after a remount, others after a change. */
#ifndef QUANTFS_NAMES_H
#define QUANTFS_NAMES_H

#include "generation.h"

enum { QFS_ROOT_INO = 1, QFS_STATUS_INO = 2 };
#define QFS_STATUS_NAME ".quantfs-status" /* at the root, not listed */

enum { QFS_NO_NODE = UINT32_MAX };

enum qfs_node_kind { QFS_NODE_DIR, QFS_NODE_VIEW, QFS_NODE_LINK, QFS_NODE_TEXT };

struct qfs_node {
    uint64_t ino;
    const char *name;
    enum qfs_node_kind kind;
    uint32_t parent;          /* index; the root's is itself */
    uint32_t nchildren;       /* DIR */
    const uint32_t *children; /* DIR: indices, in the order they were added */
    struct qfs_generation
        *model;       /* whose rights and time the node has; NULL: of a folder of many */
    size_t view;      /* VIEW: index in the model's summary */
    bool guessed;     /* the model was not known: it may turn out not to have this */
    const char *data; /* LINK: its target; TEXT: its content */
    uint64_t size;
    bool hidden; /* found by its name, and not listed */
};

struct qfs_names {
    uint32_t refs; /* atomic */
    struct qfs_arena arena;
    struct qfs_node *nodes; /* nodes[0] is the root */
    uint32_t nnodes, capacity;
    uint32_t *by_name, *by_ino, *children; /* hash tables of indices; children of all, together */
    uint32_t ntable;                       /* size of by_name, a power of two */
    struct qfs_generation **models;        /* held */
    size_t nmodels;
    uint64_t nviews, size; /* of all models */
    struct timespec mtime; /* of the newest model: a folder's of many */
    const struct qfs_summary
        *likely; /* of another model; what one not known may be like. Or NULL */
    bool failed; /* out of memory while being built */
};

/* -- building: one thread. What is added is copied. Running out of memory is sticky and told at the end.
 */

/* Only a root. Holds the models while it lives. NULL: out of memory. */
struct qfs_names *qfs_names_new(struct qfs_generation *const *models, size_t nmodels);
/* The directory of that name below `parent`, made if it is missing; QFS_NO_NODE if something else has
 * the name (or nothing could be added to `parent`: then it is QFS_NO_NODE itself). */
uint32_t qfs_names_dir(struct qfs_names *names, uint32_t parent, const char *name,
                       struct qfs_generation *model);
/* False: the name is taken, or cannot be one. */
bool qfs_names_view(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, size_t view);
/* A view of a model that is not known yet. */
bool qfs_names_guess(struct qfs_names *names, uint32_t parent, const char *name,
                     struct qfs_generation *model);
bool qfs_names_link(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, const char *target);
bool qfs_names_text(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, const void *data, size_t size);
/* What node `index` is stays to be found, and is not listed any more. */
void qfs_names_hide(struct qfs_names *names, uint32_t index);
/* To be called once everything is there. -ENOMEM: free it. */
int qfs_names_finish(struct qfs_names *names) QFS_MUST_USE;

/* -- use: any thread */

struct qfs_names *qfs_names_ref(struct qfs_names *names);
void qfs_names_unref(struct qfs_names *names); /* NULL is fine */
const struct qfs_node *qfs_names_at(const struct qfs_names *names, uint32_t parent,
                                    const char *name);                                /* or NULL */
const struct qfs_node *qfs_names_by_ino(const struct qfs_names *names, uint64_t ino); /* or NULL */
/* True of a directory of one model's files, and of what is in it: it is that as long as it has its number,
 * so that the kernel may keep it. */
bool qfs_node_is_fixed(const struct qfs_names *names, const struct qfs_node *node);
/* Attributes but for the owner. */
void qfs_node_stat(const struct qfs_names *names, const struct qfs_node *node,
                   struct stat *ret_stat);

#endif
