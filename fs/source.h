/* source: what an opened source holds, for the files that make it. Private to fs/. */
#ifndef QUANTFS_SOURCE_H
#define QUANTFS_SOURCE_H

#include "image.h"
#include "own_views.h"

#include <pthread.h>

struct qfs_source {
    struct qfs_arena arena;
    struct qfs_options options; /* what lies behind its pointers: types, views, cache_dir,
                                 * model_name only */
    struct qfs_model *model;
    struct qfs_conversion *text, *mmproj; /* NULL: there is none; then text_error says why */
    struct qfs_error text_error;
    struct qfs_imatrix *imatrix;
    /* What the views of types are made with: as the options say; projectors without what concerns
     * the language model alone. */
    struct qfs_view_options given, projector;
    struct qfs_own_views own;
    struct qfs_source_view *views;
    size_t nviews, capacity;
    struct qfs_engine *given_engine;   /* borrowed */
    const struct qfs_view_info *known; /* while it is opened: what is known of its views; or NULL */
    size_t nknown;

    pthread_mutex_t lock;      /* guards what follows and what names it in image.h */
    struct qfs_engine *engine; /* own, NULL until it is needed */
    uint32_t refs;             /* the owner's and one for each image that has users */
    uint64_t clock;
    bool origins_noted; /* the cache was told what its chunks come from */
};

/* view_list.c */
/* Settles source->given, ->projector, ->imatrix. */
int qfs_source_set_options(struct qfs_source *source, const struct qfs_options *options,
                           struct qfs_error *error) QFS_MUST_USE;
/* Fills in source->views; the model is converted. */
int qfs_source_list(struct qfs_source *source, struct qfs_error *error) QFS_MUST_USE;
int qfs_source_plan(struct qfs_source *source, const struct qfs_source_view *view,
                    struct qfs_plan **ret_plan, struct qfs_error *error) QFS_MUST_USE;

#endif
