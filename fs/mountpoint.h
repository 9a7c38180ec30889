/* mountpoint: what must be so before we mount, and getting rid of mounts. Private to fs/. */
#ifndef QUANTFS_MOUNTPOINT_H
#define QUANTFS_MOUNTPOINT_H

#include "quantfs/fs.h"

/* *ret_path: the mountpoint, absolute and without links, for the caller to free. Detaches a dead mount
 * of ours where options->force. */
int qfs_mountpoint_check(const struct qfs_mount_options *options, char **ret_path,
                         struct qfs_error *error) QFS_MUST_USE;

#endif
