/* view: an open view and its pieces, as pread, copy and prefetch share them. Private to fs/. */
#ifndef QUANTFS_VIEW_H
#define QUANTFS_VIEW_H

#include "image.h"

struct qfs_view {
    struct qfs_source *source; /* borrowed: the image holds it */
    struct qfs_image *image;
    struct qfs_engine *engine;
    struct qfs_streams *streams;
    bool fill;
};

int qfs_view_open_at(struct qfs_source *source, size_t index, struct qfs_view **ret_view,
                     struct qfs_error *error) QFS_MUST_USE;
/* Reads up to QFS_READ_MOST bytes and waits for them. The caller frees *ret_read. */
int qfs_view_read(struct qfs_view *view, uint64_t offset, uint32_t size, struct qfs_read **ret_read,
                  struct qfs_error *error) QFS_MUST_USE;

#endif
