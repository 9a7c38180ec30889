/* generation: one model as it was found at one time. Private to fs/.
 *
 * A source that changes under the mount begins a new generation, whose files have other inode numbers.
 * Files of an older one stay readable for those who have them open (as long as the weights are still
 * those), and cannot be opened any more. */
#ifndef QUANTFS_GENERATION_H
#define QUANTFS_GENERATION_H

#include "image.h"

#include <sys/stat.h>
#include <time.h>

/* What is known of a model without having it open. Immutable. */
struct qfs_summary {
    struct qfs_arena arena;
    const char *name;            /* views are NAME-TYPE.gguf */
    const char *architecture;    /* "llama"; of the encoders where there is no language model */
    uint64_t nweights;           /* of the language model */
    bool adapter;                /* a LoRA adapter: nothing that runs alone */
    struct timespec mtime;       /* of its newest file: the views' time */
    struct qfs_view_info *views; /* refused ones too; as the source lists them */
    size_t nviews;
};

/* Immutable but for `refs` and what is marked. */
struct qfs_generation {
    uint32_t refs;         /* atomic */
    const char *path;      /* what is opened as its source */
    const char *publisher; /* whose model it is, as far as its path says: "Qwen" */
    uint64_t number;       /* digest of the source's files as they were found */
    mode_t mode;           /* who may read: 0444, less what the source's files do not allow */
    const struct qfs_summary *summary; /* NULL: not known yet */
    struct qfs_source *source;
};

/* Opens the source of `path` and lists its views. */
int qfs_generation_open(const char *path, uint64_t number, const struct qfs_options *options,
                        struct qfs_engine *engine, struct qfs_generation **ret_generation,
                        struct qfs_error *error) QFS_MUST_USE;
struct qfs_generation *qfs_generation_ref(struct qfs_generation *generation);
void qfs_generation_unref(struct qfs_generation *generation); /* NULL is fine */

/* Opens view `index` of the summary. */
int qfs_generation_view(struct qfs_generation *generation, size_t index, struct qfs_view **ret_view,
                        struct qfs_error *error) QFS_MUST_USE;

/* A number that changes when a file of the source is replaced, edited, added or removed, or when its
 * name leads elsewhere. Reads directories, no files. */
int qfs_generation_number(const char *path, uint64_t *ret_number,
                          struct qfs_error *error) QFS_MUST_USE;

#endif
