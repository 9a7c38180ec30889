/* status: what was counted, as JSON. Private to fs/. */
#ifndef QUANTFS_STATUS_H
#define QUANTFS_STATUS_H

#include "engine.h"

struct qfs_tree_counters {
    uint64_t models, broken, unknown; /* now; unknown: not looked into yet */
    uint64_t planned, kept;           /* summaries: made, found in the cache */
    uint64_t open_sources;            /* now */
};

/* What a mount adds to what its engine counts. */
struct qfs_mount_numbers {
    const char *source, *mountpoint; /* NULL: no mount */
    uint64_t started;                /* Unix time */
    struct qfs_tree_counters tree;
    uint64_t views, open_files, reads, read_bytes, read_errors, interrupted;
    uint64_t log_lines;
    char last_log_line[sizeof(struct qfs_error)];
};

/* One JSON object; `engine` may be NULL (nothing was read). The caller frees *ret_json. */
int qfs_status_json(struct qfs_engine *engine, const struct qfs_mount_numbers *numbers,
                    char **ret_json, struct qfs_error *error) QFS_MUST_USE;

#endif
