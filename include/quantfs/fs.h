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

/* -- mount ------------------------------------------------------------------------------------ */

struct qfs_mount_options {
    const char *source, *mountpoint;
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
