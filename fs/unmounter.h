/* unmounter: unmounts for a daemon that may not. Private to fs/. */
#ifndef QUANTFS_UNMOUNTER_H
#define QUANTFS_UNMOUNTER_H

#include "quantfs/base.h"

#include <sys/types.h>

/* fusermount3 is set-user-ID, and a daemon that confined itself gains no rights by running it. So
 * where it will be needed a small process of the daemon's waits from before that to run it. */
struct qfs_unmounter {
    pid_t pid; /* 0: there is none, nor need for one */
    int fd;    /* a byte: unmount; its end: the daemon is gone */
};

/* `mountpoint` must live as long. Root needs none. */
int qfs_unmounter_start(const char *mountpoint, struct qfs_unmounter *ret_unmounter,
                        struct qfs_error *error) QFS_MUST_USE;
/* Has it unmount, lazily. Safe in a signal handler. False: there is none. */
bool qfs_unmounter_ask(const struct qfs_unmounter *unmounter);
/* Waits until it has done what it was asked for. */
void qfs_unmounter_end(struct qfs_unmounter *unmounter);

#endif
