/* An open view, read by whoever can wait. */
#include "view.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* What one call of pread is cut into, so that copying one piece overlaps with making the next. */
enum { PIECE = 2 << 20 };

static int no_such_view(const struct qfs_source *source, const char *name, struct qfs_error *error)
{
    struct qfs_buffer known = {0};
    for (size_t i = 0; i < qfs_source_count(source); i++)
        if (!qfs_source_view(source, i)->refused)
            qfs_buffer_printf(&known, " %s", qfs_source_view(source, i)->type);
    int rc =
        qfs_fail(error, ENOENT, "%s: there is no view '%s'; there are%.*s",
                 qfs_source_model(source)->name, name, (int)known.size, (const char *)known.data);
    qfs_buffer_done(&known);
    return rc;
}

int qfs_view_open(struct qfs_source *source, const char *name, struct qfs_view **ret_view,
                  struct qfs_error *error)
{
    const struct qfs_view_info *info = qfs_source_find(source, name);
    if (!info)
        return no_such_view(source, name, error);
    size_t index = 0;
    while (qfs_source_view(source, index) != info)
        index++;
    return qfs_view_open_at(source, index, ret_view, error);
}

int qfs_view_open_at(struct qfs_source *source, size_t index, struct qfs_view **ret_view,
                     struct qfs_error *error)
{
    struct qfs_view *view = calloc(1, sizeof(*view));
    if (!view)
        return qfs_fail_memory(error);
    view->source = source;
    view->fill = qfs_source_fills(source);
    int rc = qfs_image_get(source, index, &view->image, error);
    if (rc == 0)
        rc = qfs_source_engine(source, &view->engine, error);
    if (rc == 0) {
        view->streams = qfs_streams_new(view->engine, view->image, view->fill);
        rc = view->streams ? 0 : qfs_fail_memory(error);
    }
    if (rc < 0) {
        qfs_view_close(view);
        return rc;
    }
    *ret_view = view;
    return 0;
}

void qfs_view_close(struct qfs_view *view)
{
    if (!view)
        return;
    qfs_streams_free(view->streams);
    if (view->image)
        qfs_image_put(view->image);
    free(view);
}

const struct qfs_view_info *qfs_view_info(const struct qfs_view *view)
{
    return qfs_source_view(view->source, view->image->index);
}

const struct qfs_plan *qfs_view_plan(const struct qfs_view *view)
{
    return view->image->plan;
}

static void wake(struct qfs_fetch *fetch)
{
    sem_post(fetch->done_arg);
}

int qfs_view_read(struct qfs_view *view, uint64_t offset, uint32_t size, struct qfs_read **ret_read,
                  struct qfs_error *error)
{
    struct qfs_read *read = qfs_read_new(view->image, offset, size);
    if (!read)
        return qfs_fail_memory(error);
    sem_t landed;
    sem_init(&landed, 0, 0);
    read->fetch.fill = view->fill;
    read->fetch.done = wake;
    read->fetch.done_arg = &landed;
    int rc = qfs_engine_fetch(view->engine, &read->fetch);
    if (rc >= 0)
        qfs_streams_note(view->streams, offset, size);
    if (rc == 0) {
        while (sem_wait(&landed) < 0) /* EINTR */
            ;
        rc = read->fetch.rc;
    }
    sem_destroy(&landed);
    if (rc < 0) {
        if (error)
            *error = read->fetch.error;
        qfs_read_free(read);
        return rc;
    }
    *ret_read = read;
    return 0;
}

int64_t qfs_view_pread(struct qfs_view *view, void *data, size_t size, uint64_t offset,
                       struct qfs_error *error)
{
    uint64_t file_size = view->image->plan->size;
    uint8_t *to = data;
    if (offset >= file_size)
        return 0;
    size = (size_t)QFS_MIN((uint64_t)size, file_size - offset);
    for (size_t left = size; left;) {
        struct qfs_read *read;
        int rc = qfs_view_read(view, offset, (uint32_t)QFS_MIN(left, (size_t)PIECE), &read, error);
        if (rc < 0)
            return rc;
        for (uint32_t i = 0; i < read->nparts; i++) {
            memcpy(to, qfs_read_part(read, i), read->parts[i].size);
            to += read->parts[i].size;
        }
        offset += read->size;
        left -= read->size;
        qfs_read_free(read);
    }
    return (int64_t)size;
}
