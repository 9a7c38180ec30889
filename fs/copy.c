/* Copying a view out, and computing one ahead of use.
 *
 * A copy is written to DEST.part, in order. Behind the end of the view's bytes stands a record of
 * how far it came; bytes below `done` were synced before the record said so. The next copy of the
 * same view goes on from there. The record is cut off before the file takes its name. */
#include "view.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECE = 4 << 20,
    CHECKPOINT_BYTES = 256 << 20,
    CHECKPOINT_MS = 5000,
    PROGRESS_MS = 200,
};

struct record {
    char magic[8];
    struct qfs_digest view;
    uint64_t done;
    uint64_t checksum; /* of the above */
};

static const char record_magic[8] = {'Q', 'F', 'S', 'C', 'O', 'P', 'Y', '1'};

struct copy {
    struct qfs_view *view;
    char *dest, *part; /* paths */
    int fd;
    struct qfs_digest identity;
    uint64_t size, done;
    uint64_t recorded;   /* `done` of the last record */
    int64_t recorded_ms; /* and when that was */
    int64_t told_ms;     /* last call of progress */
    const struct qfs_copy_options *options;
};

static int tell(struct copy *copy, bool always)
{
    int64_t now = qfs_clock_ms();
    if (!copy->options->progress || (!always && now < copy->told_ms + PROGRESS_MS))
        return 0;
    copy->told_ms = now;
    return copy->options->progress(copy->options->progress_arg, copy->done, copy->size);
}

static int write_error(const struct copy *copy, int rc, struct qfs_error *error)
{
    return qfs_fail(error, -rc, "%s: cannot be written: %s", copy->part, strerror(-rc));
}

/* -- resuming --------------------------------------------------------------------------------- */

static uint64_t record_checksum(const struct record *record)
{
    return qfs_hash64(record, offsetof(struct record, checksum));
}

/* Where an earlier copy of this view stopped, 0 if there is none. */
static uint64_t find_record(const struct copy *copy)
{
    struct record record;
    if (copy->options->fresh || qfs_pread_full(copy->fd, &record, sizeof(record), copy->size) < 0 ||
        memcmp(record.magic, record_magic, sizeof(record_magic)) ||
        record.checksum != record_checksum(&record) ||
        memcmp(&record.view, &copy->identity, sizeof(record.view)) || record.done > copy->size)
        return 0;
    return record.done;
}

static int write_record(struct copy *copy)
{
    struct record record = {.view = copy->identity, .done = copy->done};
    memcpy(record.magic, record_magic, sizeof(record_magic));
    record.checksum = record_checksum(&record);
    if (fdatasync(copy->fd) < 0)
        return -errno;
    copy->recorded = copy->done;
    copy->recorded_ms = qfs_clock_ms();
    return qfs_pwrite_full(copy->fd, &record, sizeof(record), copy->size);
}

/* -- files ------------------------------------------------------------------------------------ */

/* Opens DEST.part for ourselves alone. */
static int open_part(struct copy *copy, struct qfs_error *error)
{
    for (;;) {
        struct stat ours, named;
        copy->fd = open(copy->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (copy->fd < 0) {
            int code = errno;
            return qfs_fail(error, code, "%s: cannot be made: %s", copy->part, strerror(code));
        }
        if (flock(copy->fd, LOCK_EX | LOCK_NB) < 0) {
            int code = errno == EWOULDBLOCK ? EBUSY : errno;
            return qfs_fail(error, code, "%s: another copy is being made there", copy->part);
        }
        /* While we waited for nothing, the other copy may have been finished and renamed. */
        if (fstat(copy->fd, &ours) == 0 && stat(copy->part, &named) == 0 &&
            ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
            return 0;
        close(copy->fd);
    }
}

/* Takes the space now: a copy of an hour should not find out at its end. */
static int reserve(struct copy *copy, struct qfs_error *error)
{
    struct statvfs fs;
    if (fallocate(copy->fd, 0, 0, (off_t)(copy->size + sizeof(struct record))) == 0)
        return 0;
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
        return 0; /* not known here: writing will tell */
    int code = errno;
    uint64_t free_bytes = fstatvfs(copy->fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
    unlink(copy->part);
    return qfs_fail(error, code, "%s: %s: the file needs %llu bytes, %llu are free", copy->dest,
                    strerror(code), (unsigned long long)copy->size, (unsigned long long)free_bytes);
}

static int finish(struct copy *copy, struct qfs_error *error)
{
    if (ftruncate(copy->fd, (off_t)copy->size) < 0 || fsync(copy->fd) < 0)
        return write_error(copy, -errno, error);
    if (rename(copy->part, copy->dest) < 0) {
        int code = errno;
        return qfs_fail(error, code, "%s: cannot be renamed to %s: %s", copy->part, copy->dest,
                        strerror(code));
    }
    char *slash = strrchr(copy->dest, '/');
    if (slash)
        slash[slash == copy->dest] = 0;
    int dir = open(slash ? copy->dest : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir); /* the name, too; where a directory cannot be synced, the file still was */
        close(dir);
    }
    return 0;
}

/* -- bytes ------------------------------------------------------------------------------------ */

static int write_read(struct copy *copy, const struct qfs_read *read)
{
    struct iovec parts[64];
    uint64_t at = read->offset;
    for (uint32_t i = 0; i < read->nparts;) {
        unsigned n = 0;
        size_t size = 0;
        for (; n < QFS_COUNT(parts) && i < read->nparts; n++, i++) {
            parts[n].iov_base = (void *)(uintptr_t)qfs_read_part(read, i);
            parts[n].iov_len = read->parts[i].size;
            size += parts[n].iov_len;
        }
        struct iovec *left = parts;
        while (size) {
            ssize_t written = pwritev(copy->fd, left, (int)(parts + n - left), (off_t)at);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return written < 0 ? -errno : -EIO;
            at += (uint64_t)written;
            size -= (size_t)written;
            while (written && (size_t)written >= left->iov_len)
                written -= (ssize_t)(left++)->iov_len;
            if (written) {
                left->iov_base = (char *)left->iov_base + written;
                left->iov_len -= (size_t)written;
            }
        }
    }
    return 0;
}

static int copy_bytes(struct copy *copy, struct qfs_error *error)
{
    int rc = tell(copy, true) ? -ECANCELED : 0;
    copy->recorded = copy->done;
    copy->recorded_ms = qfs_clock_ms();
    while (rc == 0 && copy->done < copy->size) {
        struct qfs_read *read;
        rc = qfs_view_read(copy->view, copy->done, PIECE, &read, error);
        if (rc < 0)
            return rc;
        rc = write_read(copy, read);
        uint64_t from = copy->done;
        copy->done += rc == 0 ? read->size : 0;
        qfs_read_free(read);
        if (rc < 0)
            return write_error(copy, rc, error);
        /* Starts writing out, so that the next record has little to wait for. */
        sync_file_range(copy->fd, (off_t)from, PIECE, SYNC_FILE_RANGE_WRITE);
        if (copy->done >= copy->recorded + CHECKPOINT_BYTES ||
            qfs_clock_ms() >= copy->recorded_ms + CHECKPOINT_MS) {
            rc = write_record(copy);
            if (rc < 0)
                return write_error(copy, rc, error);
        }
        if (tell(copy, copy->done == copy->size) && copy->done < copy->size)
            rc = -ECANCELED;
    }
    if (rc == -ECANCELED) {
        rc = write_record(copy);
        if (rc == 0)
            rc = qfs_fail(error, ECANCELED, "%s: stopped; the same command resumes it", copy->dest);
        else
            rc = write_error(copy, rc, error);
    }
    return rc;
}

int qfs_view_copy(struct qfs_view *view, const char *dest, const struct qfs_copy_options *options,
                  struct qfs_error *error)
{
    static const struct qfs_copy_options no_options;
    struct copy copy = {.fd = -1, .options = options ? options : &no_options};
    struct qfs_view own = *view; /* reads the cache; fills it only when told to */
    struct stat st;
    int n, rc;
    own.fill = copy.options->fill_cache;
    own.streams = qfs_streams_new(view->engine, view->image, own.fill);
    copy.view = &own;
    copy.size = view->image->plan->size;
    copy.identity = qfs_image_identity(view->image);
    if (stat(dest, &st) == 0 && S_ISDIR(st.st_mode))
        n = asprintf(&copy.dest, "%s/%s", dest, qfs_view_info(view)->name);
    else
        n = asprintf(&copy.dest, "%s", dest);
    if (n < 0)
        copy.dest = NULL;
    if (!own.streams || !copy.dest || asprintf(&copy.part, "%s.part", copy.dest) < 0) {
        copy.part = NULL;
        rc = qfs_fail_memory(error);
        goto out;
    }
    rc = open_part(&copy, error);
    if (rc < 0)
        goto out;
    copy.done = find_record(&copy);
    if (!copy.done && ftruncate(copy.fd, 0) < 0) {
        rc = write_error(&copy, -errno, error);
        goto out;
    }
    rc = reserve(&copy, error);
    if (rc == 0)
        rc = copy_bytes(&copy, error);
    if (rc == 0)
        rc = finish(&copy, error);
out:
    if (copy.fd >= 0)
        close(copy.fd);
    qfs_streams_free(own.streams);
    free(copy.part);
    free(copy.dest);
    return rc;
}

/* -- prefetch --------------------------------------------------------------------------------- */

static void wake(struct qfs_fetch *fetch)
{
    sem_post(fetch->done_arg);
}

struct ahead { /* a piece on its way to the cache */
    struct qfs_read *read;
    sem_t landed;
    bool waiting;
};

static int begin_piece(struct qfs_view *view, struct ahead *ahead, uint64_t offset, uint32_t size,
                       struct qfs_error *error)
{
    ahead->read = qfs_read_new(view->image, offset, size);
    if (!ahead->read)
        return qfs_fail_memory(error);
    struct qfs_fetch *fetch = &ahead->read->fetch;
    fetch->fill = fetch->only_store = true;
    fetch->urgency = QFS_PREFETCH;
    fetch->done = wake;
    fetch->done_arg = &ahead->landed;
    int rc = qfs_engine_fetch(view->engine, fetch);
    ahead->waiting = rc == 0;
    if (rc < 0 && error)
        *error = fetch->error;
    return QFS_MIN(rc, 0);
}

static int end_piece(struct ahead *ahead, struct qfs_error *error)
{
    int rc = 0;
    if (ahead->waiting) {
        while (sem_wait(&ahead->landed) < 0) /* EINTR */
            ;
        rc = ahead->read->fetch.rc;
        if (rc < 0 && error)
            *error = ahead->read->fetch.error;
    }
    ahead->waiting = false;
    qfs_read_free(ahead->read);
    ahead->read = NULL;
    return rc;
}

int qfs_view_prefetch(struct qfs_view *view, uint64_t offset, uint64_t size,
                      const struct qfs_copy_options *options, struct qfs_error *error)
{
    enum { PIECES = 4 }; /* enough of them on their way that no core waits for the next */
    static const struct qfs_copy_options no_options;
    struct ahead pieces[PIECES];
    uint64_t file_size = view->image->plan->size;
    struct copy told = {.options = options ? options : &no_options};
    int rc = 0;
    if (!qfs_engine_disk(view->engine))
        return qfs_fail(error, EINVAL, "there is no cache to fill: leave out --no-cache");
    offset = QFS_MIN(offset, file_size);
    size = QFS_MIN(size, file_size - offset);
    told.size = size;
    memset(pieces, 0, sizeof(pieces));
    for (unsigned i = 0; i < PIECES; i++)
        sem_init(&pieces[i].landed, 0, 0);
    unsigned begun = 0, ended = 0;
    for (uint64_t at = 0; rc == 0 && told.done < size;) {
        if (at < size && begun - ended < PIECES) {
            uint32_t n = (uint32_t)QFS_MIN(size - at, (uint64_t)PIECE);
            rc = begin_piece(view, &pieces[begun++ % PIECES], offset + at, n, error);
            at += n;
            continue;
        }
        struct ahead *first = &pieces[ended++ % PIECES];
        told.done += first->read->size;
        rc = end_piece(first, error);
        if (rc == 0 && tell(&told, told.done == size) && told.done < size)
            rc = qfs_fail(error, ECANCELED, "stopped; the same command resumes it");
    }
    while (ended < begun) {
        struct ahead *left = &pieces[ended++ % PIECES];
        if (left->read)
            (void)end_piece(left, NULL);
    }
    for (unsigned i = 0; i < PIECES; i++)
        sem_destroy(&pieces[i].landed);
    return rc;
}
