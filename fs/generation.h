/* generation: one model as it was found at one time. Private to fs/.
 *
 * A source that changes under the mount begins a new generation, whose files have other inode numbers.
 * Files of an older one stay readable for those who have them open (as long as the weights are still
 * those), and cannot be opened any more.
 *
 * A generation is known by its summary and has its source open only while its views are read, and a
 * little longer. */
#ifndef QUANTFS_GENERATION_H
#define QUANTFS_GENERATION_H

#include "image.h"
#include "scan.h"
#include "summary.h"

#include <pthread.h>

enum qfs_generation_state {
    QFS_GENERATION_FOUND,    /* nobody has looked into it yet */
    QFS_GENERATION_PLANNING, /* somebody does */
    QFS_GENERATION_KNOWN,    /* `made` is there */
    QFS_GENERATION_FAILED,   /* `reason` says why it cannot be shown */
};

/* Immutable but for what is marked. */
struct qfs_generation {
    uint32_t refs; /* atomic */
    struct qfs_arena arena;
    struct qfs_found found;
    uint64_t number; /* found.number */
    mode_t mode;     /* found.mode */
    /* NULL: not known yet. Set once, before names are built that show it. */
    const struct qfs_summary *summary;

    /* The tree's lock. */
    enum qfs_generation_state state;
    bool doubted; /* its summary is wrong: it is to be looked into again */
    bool afresh;  /* its summary is not to be taken from the cache; immutable */
    struct qfs_summary *made;
    int rc;
    char *reason;

    /* The shelf's lock. */
    struct qfs_shelf *shelf;   /* set when it is first opened */
    struct qfs_source *source; /* NULL: not open */
    struct qfs_generation *newer, *older;
    int64_t used_ms;
};

/* Takes the arena that found's strings are in. NULL: out of memory, the arena is gone. */
struct qfs_generation *qfs_generation_new(struct qfs_arena arena, const struct qfs_found *found);
struct qfs_generation *qfs_generation_ref(struct qfs_generation *generation);
void qfs_generation_unref(struct qfs_generation *generation); /* NULL is fine */

/* -- sources that are open ---------------------------------------------------------------------- */

/* Keeps a few sources open that nobody reads from, those used last. */
struct qfs_shelf {
    pthread_mutex_t lock;
    pthread_mutex_t opening; /* held while one is opened; taken before `lock` */
    const struct qfs_options *options;
    struct qfs_engine *engine;
    struct qfs_generation *newest;
    uint32_t nopen;
};

void qfs_shelf_init(struct qfs_shelf *shelf, const struct qfs_options *options,
                    struct qfs_engine *engine);
void qfs_shelf_done(struct qfs_shelf *shelf); /* closes them */
/* Closes sources that are too many or unused for a minute. */
void qfs_shelf_tidy(struct qfs_shelf *shelf);

/* What the cache has of it; NULL: nothing. */
struct qfs_summary *qfs_generation_kept(struct qfs_generation *generation, struct qfs_shelf *shelf);
/* Opens the source and lists its views, all of them planned. `keep`: the source stays open. */
int qfs_generation_plan(struct qfs_generation *generation, struct qfs_shelf *shelf, bool keep,
                        struct qfs_summary **ret_summary, struct qfs_error *error) QFS_MUST_USE;
/* Opens view `index` of the summary. -ESTALE: the model is not what its summary says. */
int qfs_generation_view(struct qfs_generation *generation, struct qfs_shelf *shelf, size_t index,
                        struct qfs_view **ret_view, struct qfs_error *error) QFS_MUST_USE;

#endif
