/* fuse_ops: the kernel's questions and our answers. Private to fs/; only this and mount.c know libfuse.
 *
 * Lookups, attributes, listings and header bytes are answered at once. A read that has to wait for a
 * chunk is parked with it and its thread goes on; whoever lands the chunk replies. */
#ifndef QUANTFS_FUSE_OPS_H
#define QUANTFS_FUSE_OPS_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include <pthread.h>

#include "status.h"
#include "tree.h"
#include "view.h"

/* A mount, as the operations see it: their user data. */
struct qfs_server {
    struct qfs_tree *tree;
    struct qfs_engine *engine;
    bool other_users;
    uid_t uid;
    gid_t gid;

    pthread_mutex_t lock;       /* guards what follows */
    struct qfs_handle *handles; /* all that are open */
    struct qfs_mount_numbers numbers;
};

extern const struct fuse_lowlevel_ops qfs_fuse_ops;

void qfs_server_init(struct qfs_server *server);
/* After the session has ended: closes what the kernel did not. The log may be written to until done. */
void qfs_server_close(struct qfs_server *server);
void qfs_server_done(struct qfs_server *server);

#endif
