/* summary: what is known of a model without having it open: its views, their names and sizes. Kept in the
 * cache on disk, so that a tree of models is listed without opening any. Private to fs/. */
#ifndef QUANTFS_SUMMARY_H
#define QUANTFS_SUMMARY_H

#include "quantfs/cache.h"
#include "quantfs/fs.h"

#include <time.h>

/* Immutable. */
struct qfs_summary {
    struct qfs_arena arena;      /* holds everything, the summary itself too */
    const char *name;            /* views are NAME-TYPE.gguf */
    const char *architecture;    /* "llama"; of the encoders where there is no language model */
    uint64_t nweights;           /* of the language model */
    bool adapter;                /* a LoRA adapter: nothing that runs alone */
    struct timespec mtime;       /* of its newest file: the views' time */
    struct qfs_view_info *views; /* refused ones too; as the source lists them */
    size_t nviews;
};

int qfs_summary_of(const struct qfs_source *source, struct qfs_summary **ret_summary,
                   struct qfs_error *error) QFS_MUST_USE;
void qfs_summary_free(struct qfs_summary *summary);

/* Under which a summary is kept: the source's files (`number`), its path, the options that views are made
 * with, and this very program. */
struct qfs_digest qfs_summary_key(const char *path, uint64_t number,
                                  const struct qfs_options *options);
/* NULL: not there, or not whole. */
struct qfs_summary *qfs_summary_load(struct qfs_disk *disk, struct qfs_digest key);
void qfs_summary_store(struct qfs_disk *disk, struct qfs_digest key,
                       const struct qfs_summary *summary); /* best effort */

#endif
