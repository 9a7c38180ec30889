/* status: what was counted, as JSON. Private to fs/. */
#ifndef QUANTFS_STATUS_H
#define QUANTFS_STATUS_H

#include "engine.h"

/* What a mount adds to what its engine counts. */
struct qfs_mount_numbers {
    const char *source, *mountpoint; /* NULL: no mount */
    uint64_t started;                /* Unix time */
    uint64_t views, open_files, reads, read_bytes, read_errors, interrupted;
    uint64_t log_lines;
    char last_log_line[sizeof(struct qfs_error)];
};

/* One JSON object; `engine` may be NULL (nothing was read). The caller frees *ret_json. */
int qfs_status_json(struct qfs_engine *engine, const struct qfs_mount_numbers *numbers,
                    char **ret_json, struct qfs_error *error) QFS_MUST_USE;

#endif
