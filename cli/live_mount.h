/* live_mount: which mount shows a source. Private to the cli room. */
#ifndef QUANTFS_CLI_LIVE_MOUNT_H
#define QUANTFS_CLI_LIVE_MOUNT_H

#include "cli.h"

struct cli_live_mount {
    char *point;  /* absolute */
    char *source; /* absolute where it is a path */
    unsigned owner;
    bool allow_other;
};

/* The mount whose source, or whose mountpoint, is `source`. -ENOENT says how to mount. */
int cli_mount_find(const char *source, struct cli_live_mount *ret_mount,
                   struct qfs_error *error) QFS_MUST_USE;
void cli_mount_done(struct cli_live_mount *mount);

#endif
