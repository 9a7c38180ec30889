/* fs: views as files, and the mount. quantfs.h says how a view is opened and read; here is what the
 * command line needs beyond it. */
#ifndef QUANTFS_FS_H
#define QUANTFS_FS_H

#include "quantfs.h"
#include "quantfs/base.h"
#include "quantfs/cache.h"
#include "quantfs/gguf.h"

/* -- behind a source and a view --------------------------------------------------------------- */

const struct qfs_model *qfs_source_model(const struct qfs_source *source);
/* Of the language model; of the encoders where that cannot be converted. */
const struct qfs_conversion *qfs_source_conversion(const struct qfs_source *source);
/* The plan that an open view is served from; lives as long as the view. */
const struct qfs_plan *qfs_view_plan(const struct qfs_view *view);
/* Counters of everything read from this source by this process, as JSON (see qfs_status_read).
 * Caller frees *ret_json. */
int qfs_source_status(struct qfs_source *source, char **ret_json,
                      struct qfs_error *error) QFS_MUST_USE;

/* -- a file beside its view ------------------------------------------------------------------- */

enum qfs_difference_kind {
    QFS_DIFFERENT_KEY,
    QFS_MISSING_KEY, /* the view has it, the file does not */
    QFS_EXTRA_KEY,   /* the other way round */
    QFS_DIFFERENT_TYPE,
    QFS_DIFFERENT_SHAPE,
    QFS_DIFFERENT_DATA,
    QFS_MISSING_TENSOR,
    QFS_EXTRA_TENSOR,
};

/* What is not there on one side is NULL. */
struct qfs_difference {
    enum qfs_difference_kind kind;
    const char *name; /* of the key or tensor */
    const struct qfs_kv *our_key, *their_key;
    const struct qfs_plan_tensor *ours;
    const struct qfs_gguf_tensor *theirs;
    uint64_t row, block; /* of the data: the first that differs, its block counted in the row */
    uint64_t nbytes;     /* of the data that differ */
    uint64_t cut;        /* of the data that lie beyond the end of the file */
};

struct qfs_comparison {
    bool identical;     /* every byte of the file is the view's */
    uint64_t file_size; /* of the file */
    size_t nsame_keys, nsame_tensors;
    struct qfs_difference *differences; /* keys, then tensors, in the view's order */
    size_t ndifferences, capacity;
    struct qfs_gguf gguf; /* the file's header */
};

struct qfs_compare_options {
    int (*progress)(void *progress_arg, uint64_t done, uint64_t size); /* not 0: -ECANCELED */
    void *progress_arg;
};

/* Compares the GGUF file at `path` with a view: keys and tensors by name, whatever their order and
 * alignment, data byte by byte. A file that ends early is compared as far as it goes. -EINVAL: it is
 * no GGUF file. `options` may be NULL; what *ret points at is the view's too, which must stay open. */
int qfs_view_compare(struct qfs_view *view, const char *path,
                     const struct qfs_compare_options *options, struct qfs_comparison **ret,
                     struct qfs_error *error) QFS_MUST_USE;
void qfs_comparison_free(struct qfs_comparison *comparison);

/* -- folders of models ------------------------------------------------------------------------ */

/* One of them. Valid during the call that is given it. */
struct qfs_tree_model {
    const char *path, *publisher, *name;
    const char *broken;                /* NULL, or why it cannot be shown */
    const struct qfs_view_info *views; /* refused ones too */
    size_t nviews;
};

/* True if `path` is a folder of models and not a model itself. */
bool qfs_is_tree(const char *path);
/* Calls `each` for every model below `root`, in order; not 0 ends it. What is kept in the cache is not
 * planned again. `options` may be NULL. */
int qfs_tree_list(const char *root, const struct qfs_options *options,
                  int (*each)(void *arg, const struct qfs_tree_model *model), void *arg,
                  struct qfs_error *error) QFS_MUST_USE;

/* -- mount ------------------------------------------------------------------------------------ */

/* Which names a mount shows. */
enum qfs_layout {
    QFS_LAYOUT_AUTO, /* flat for a model, tree for a folder of models */
    QFS_LAYOUT_FLAT, /* NAME-TYPE.gguf */
    QFS_LAYOUT_TREE, /* PUBLISHER/NAME-TYPE/NAME-TYPE.gguf with its projector beside it */
    QFS_LAYOUT_HUB,  /* llama.cpp's own cache: models--PUBLISHER--NAME/snapshots/… */
};

struct qfs_mount_options {
    const char *source, *mountpoint; /* a source, or a folder of many */
    enum qfs_layout layout;
    struct qfs_options views; /* `warn` is set by the mount itself */
    bool foreground;          /* serve from the calling process, log to stderr */
    bool allow_other;         /* other users too; permissions are those of the source's files */
    bool nonempty;            /* over a directory that holds files */
    bool force;               /* first detach a dead quantfs mount from the mountpoint */
    const char *fuse_options; /* "dev,noatime,…" passed on to the kernel, NULL: none */
};

/* Mounts. Foreground: serves until unmounted or SIGINT, SIGTERM; returns 0 after a clean end. Else:
 * returns 0 when the mount is ready, and a child serves it. The process must have no other threads.
 */
int qfs_mount(const struct qfs_mount_options *options, struct qfs_error *error) QFS_MUST_USE;

/* Detaches a quantfs mount, a dead one too. -EBUSY names what to do; `lazy`: detach at once, files
 * that are open stay readable as long as the daemon lives. -EINVAL: nothing of ours is mounted
 * there. */
int qfs_umount(const char *mountpoint, bool lazy, struct qfs_error *error) QFS_MUST_USE;

/* What the daemon of a mount has counted, as one JSON object. Caller frees *ret_json. */
int qfs_status_read(const char *mountpoint, char **ret_json, struct qfs_error *error) QFS_MUST_USE;

#endif
