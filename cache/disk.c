/* Chunks on disk: loading, storing, and going on when the disk does not.
 *
 * 1. Any number of threads and processes use a directory at once; disk_file.h says why that needs
 * no lock between them.
 * 2. Nothing here fails a reader. What cannot be loaded is missing, what cannot be stored is
 * counted; the first trouble of each kind is told once.
 * 3. `lock` guards the fields below it and is held for arithmetic only, never over input or output.
 */
#include "disk_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TOUCH_SECONDS = 10,    /* precision of the time of use */
    PAUSE_SECONDS = 10,    /* between tries to write to a full disk */
    RESCAN_SECONDS = 60,   /* others fill the directory too */
    ERRORS_IN_A_ROW = 16,  /* then the disk is broken rather than unlucky */
    LOOK_EVERY = 32 << 20, /* bytes stored between looks at the free space */
};

/* Left free by default: a twentieth of the disk, on a large one this much. */
#define MIN_FREE_MOST ((uint64_t)4 << 30)

enum trouble { /* told once each */
               TROUBLE_FULL = 1,
               TROUBLE_OFF = 2,
               TROUBLE_DAMAGED = 4,
};

struct qfs_disk {
    int dir_fd;
    char *dir;
    struct qfs_disk_options options;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t keeper; /* prunes; valid when keeper_runs */
    bool keeper_runs, stop, prune_wanted;
    bool full;            /* the free-space floor is reached: nothing is stored until it is not */
    bool used_known;      /* `used` has been counted */
    uint64_t used;        /* bytes on disk: counted by the last scan, plus what we stored since */
    int64_t scanned_at;   /* monotonic seconds of that scan */
    uint64_t unlooked;    /* bytes stored since the last look at the free space */
    int64_t paused_until; /* monotonic seconds; the disk said it is full */
    unsigned errors_in_a_row;
    unsigned told; /* enum trouble */
    struct qfs_disk_counters counters;
};

static int64_t now_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec;
}

/* Tells `sentence` if nothing of this kind was told before. Not locked. */
static void tell(struct qfs_disk *disk, enum trouble trouble, const char *format, const char *what)
{
    pthread_mutex_lock(&disk->lock);
    bool told = disk->told & trouble;
    disk->told |= trouble;
    pthread_mutex_unlock(&disk->lock);
    if (told || !disk->options.warn)
        return;
    struct qfs_error text;
    qfs_fail(&text, 1, format, disk->dir, what);
    disk->options.warn(disk->options.warn_arg, text.text);
}

/* -- opening ---------------------------------------------------------------------------------- */

int qfs_disk_open(const struct qfs_disk_options *options, struct qfs_disk **ret_disk,
                  struct qfs_error *error)
{
    int rc = 0;
    struct qfs_disk *disk = calloc(1, sizeof(*disk));
    if (!disk)
        return qfs_fail_memory(error);
    disk->dir_fd = -1;
    disk->options = *options;
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->wake, NULL);
    if (options->dir) {
        disk->dir = strdup(options->dir);
        rc = disk->dir ? 0 : qfs_fail_memory(error);
    } else {
        rc = qfs_cache_default_dir(&disk->dir, error);
    }
    if (rc == 0)
        rc = qfs_disk_dir_open(disk->dir, true, &disk->dir_fd, error);
    if (rc < 0) {
        qfs_disk_close(disk);
        return rc;
    }
    uint64_t total;
    qfs_disk_free_bytes(disk->dir_fd, &total);
    if (!disk->options.min_free)
        disk->options.min_free = total / 20 < MIN_FREE_MOST ? total / 20 : MIN_FREE_MOST;
    *ret_disk = disk;
    return 0;
}

void qfs_disk_close(struct qfs_disk *disk)
{
    if (!disk)
        return;
    pthread_mutex_lock(&disk->lock);
    disk->stop = true;
    pthread_cond_broadcast(&disk->wake);
    bool runs = disk->keeper_runs;
    pthread_mutex_unlock(&disk->lock);
    if (runs)
        pthread_join(disk->keeper, NULL);
    if (disk->dir_fd >= 0)
        close(disk->dir_fd);
    pthread_cond_destroy(&disk->wake);
    pthread_mutex_destroy(&disk->lock);
    free(disk->dir);
    free(disk);
}

const char *qfs_disk_dir(const struct qfs_disk *disk)
{
    return disk->dir;
}

void qfs_disk_count(struct qfs_disk *disk, struct qfs_disk_counters *ret_counters)
{
    pthread_mutex_lock(&disk->lock);
    *ret_counters = disk->counters;
    pthread_mutex_unlock(&disk->lock);
}

/* -- loading ---------------------------------------------------------------------------------- */

/* Opens the series' file; makes it, header and all, where `make` says so. */
static int open_series(struct qfs_disk *disk, const struct qfs_series *series, bool make,
                       int *ret_fd)
{
    char name[QFS_DISK_NAME_SIZE];
    qfs_disk_name(series->id, name);
    int flags = (make ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(disk->dir_fd, name, flags, 0600);
    if (fd < 0 && errno == ENOENT && make) {
        const char fan[3] = {name[0], name[1], 0};
        if (mkdirat(disk->dir_fd, fan, 0700) < 0 && errno != EEXIST)
            return -errno;
        fd = openat(disk->dir_fd, name, flags, 0600);
    }
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* 1: the file is this series'; 0: it is empty, just made; -EBADMSG: it is something else. */
static int check_header(int fd, const struct qfs_series *series)
{
    struct qfs_disk_header header, expected = qfs_disk_header_of(series);
    ssize_t n = pread(fd, &header, sizeof(header), 0);
    if (n < 0)
        return errno == EIO ? -EBADMSG : -errno;
    if (n == 0)
        return 0;
    return n == sizeof(header) && !memcmp(&header, &expected, sizeof(header)) ? 1 : -EBADMSG;
}

static void remove_series(struct qfs_disk *disk, const struct qfs_series *series)
{
    char name[QFS_DISK_NAME_SIZE];
    qfs_disk_name(series->id, name);
    unlinkat(disk->dir_fd, name, 0);
}

/* Zeroes the entry: the chunk is missing from now on. If that fails, it is found damaged again. */
static void drop_entry(struct qfs_disk *disk, const struct qfs_series *series, uint32_t index)
{
    static const struct qfs_disk_entry missing;
    char name[QFS_DISK_NAME_SIZE];
    qfs_disk_name(series->id, name);
    int fd = openat(disk->dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (qfs_pwrite_full(fd, &missing, sizeof(missing), qfs_disk_entry_at(index)) < 0)
        remove_series(disk, series);
    close(fd);
}

/* The modification time is the time of use, for pruning; reading alone does not change it. */
static void touch(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_mtime + TOUCH_SECONDS < now_seconds(CLOCK_REALTIME_COARSE))
        futimens(fd, NULL);
}

/* 0: no entry, 1: *ret_entry is one, negative errno. */
static int read_entry(int fd, const struct qfs_series *series, uint32_t index,
                      struct qfs_disk_entry *ret_entry)
{
    int rc = check_header(fd, series);
    if (rc <= 0)
        return rc;
    ssize_t n = pread(fd, ret_entry, sizeof(*ret_entry), (off_t)qfs_disk_entry_at(index));
    if (n < 0)
        return -errno;
    /* The table grows as entries are written: beyond its end they are missing. */
    return n == sizeof(*ret_entry) && !qfs_disk_entry_missing(ret_entry);
}

bool qfs_disk_load(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                   const struct qfs_series *series, uint32_t index, void *data)
{
    struct qfs_disk_entry entry;
    bool damaged_file = false, damaged_chunk = false;
    int fd = -1;
    int rc = open_series(disk, series, false, &fd);
    if (rc == 0) {
        rc = read_entry(fd, series, index, &entry);
        damaged_file = rc == -EBADMSG;
        if (rc == 1) {
            rc = qfs_disk_decode(scratch, fd, series, index, &entry, data);
            damaged_chunk = rc == -EBADMSG;
            if (rc == 0) {
                touch(fd);
                rc = 1;
            }
        }
        close(fd);
    }
    if (damaged_file)
        remove_series(disk, series);
    if (damaged_chunk)
        drop_entry(disk, series, index);
    if (damaged_file || damaged_chunk)
        tell(disk, TROUBLE_DAMAGED,
             "%s: %s in the cache; it is made again. If this goes on, check the disk and run "
             "quantfs cache verify",
             damaged_file ? "a file is damaged" : "a chunk is damaged");

    pthread_mutex_lock(&disk->lock);
    disk->counters.hits += rc == 1;
    disk->counters.misses += rc != 1;
    disk->counters.damaged += damaged_file || damaged_chunk;
    disk->counters.errors += rc < 0 && rc != -ENOENT && rc != -EBADMSG;
    pthread_mutex_unlock(&disk->lock);
    return rc == 1;
}

void qfs_disk_note_origin(struct qfs_disk *disk, struct qfs_digest origin, int fd)
{
    qfs_disk_origin_write(disk->dir_fd, origin, fd);
}

bool qfs_disk_has(struct qfs_disk *disk, const struct qfs_series *series, uint32_t index)
{
    struct qfs_disk_entry entry;
    int fd = -1;
    if (open_series(disk, series, false, &fd) < 0)
        return false;
    bool has = read_entry(fd, series, index, &entry) == 1;
    if (has)
        touch(fd);
    close(fd);
    return has;
}

/* -- keeping the limits ----------------------------------------------------------------------- */

/* Some room below the limit, so that a full cache is not pruned for every chunk. */
static uint64_t low_water(uint64_t limit)
{
    return limit - limit / 8;
}

static uint64_t high_water(uint64_t limit)
{
    return limit - limit / 16;
}

static void prune_once(struct qfs_disk *disk)
{
    uint64_t limit = disk->options.limit ? low_water(disk->options.limit) : UINT64_MAX;
    uint64_t total, floor = disk->options.min_free;
    bool low = qfs_disk_free_bytes(disk->dir_fd, &total) < floor;
    struct qfs_cache_pruned pruned;
    int rc = -1;
    int64_t now = now_seconds(CLOCK_MONOTONIC_COARSE);
    pthread_mutex_lock(&disk->lock);
    bool over =
        disk->options.limit && (!disk->used_known || disk->used > high_water(disk->options.limit) ||
                                now >= disk->scanned_at + RESCAN_SECONDS);
    pthread_mutex_unlock(&disk->lock);
    if (over || low) /* likewise a little more than the floor, once it is reached */
        rc = qfs_disk_prune(disk->dir_fd, limit, low ? floor + floor / 16 : 0, 0, &pruned);
    bool full = low && qfs_disk_free_bytes(disk->dir_fd, &total) < floor;
    pthread_mutex_lock(&disk->lock);
    if (rc == 0) {
        disk->counters.pruned += pruned.files;
        disk->used = pruned.left_disk_bytes;
        disk->used_known = true;
        disk->scanned_at = now;
    }
    disk->full = full;
    pthread_mutex_unlock(&disk->lock);
    if (full)
        tell(disk, TROUBLE_FULL,
             "%s: its disk is nearly full, so nothing more is cached for now; %s",
             "free some space");
}

static void *keep_limits(void *arg)
{
    struct qfs_disk *disk = arg;
    pthread_mutex_lock(&disk->lock);
    while (!disk->stop) {
        bool idle = !disk->unlooked && !disk->prune_wanted && !disk->full;
        disk->prune_wanted = false;
        disk->unlooked = 0;
        pthread_mutex_unlock(&disk->lock);
        if (!idle)
            prune_once(disk);
        pthread_mutex_lock(&disk->lock);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += disk->full ? 1 : RESCAN_SECONDS;
        while (!disk->stop && !disk->prune_wanted &&
               pthread_cond_timedwait(&disk->wake, &disk->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&disk->lock);
    return NULL;
}

/* Locked. */
static void want_prune(struct qfs_disk *disk)
{
    disk->prune_wanted = true;
    if (!disk->keeper_runs && !disk->stop)
        disk->keeper_runs = pthread_create(&disk->keeper, NULL, keep_limits, disk) == 0;
    else
        pthread_cond_signal(&disk->wake);
}

/* May `bytes` more be stored now? Counts them as used if so. */
static bool admit(struct qfs_disk *disk, uint64_t bytes)
{
    uint64_t limit = disk->options.limit;
    pthread_mutex_lock(&disk->lock);
    bool ok = !disk->counters.off && !disk->full;
    if (ok && disk->paused_until)
        ok = now_seconds(CLOCK_MONOTONIC_COARSE) >= disk->paused_until;
    if (ok && limit) {
        if (!disk->used_known || disk->used + bytes > high_water(limit))
            want_prune(disk);
        ok = disk->used + bytes <= limit;
    }
    if (ok) {
        disk->used += bytes;
        disk->unlooked += bytes;
        if (!disk->keeper_runs || disk->unlooked > LOOK_EVERY)
            want_prune(disk);
    } else {
        disk->counters.skipped++;
    }
    pthread_mutex_unlock(&disk->lock);
    return ok;
}

/* -- storing ---------------------------------------------------------------------------------- */

/* Errors after which writing will not work again: the directory is gone, or not for us to write. */
static bool is_for_good(int code)
{
    return code == EROFS || code == EACCES || code == EPERM || code == ENOENT || code == ENOTDIR ||
           code == ESTALE;
}

static void store_failed(struct qfs_disk *disk, int code)
{
    bool no_space = code == ENOSPC || code == EDQUOT;
    bool off = false;
    pthread_mutex_lock(&disk->lock);
    disk->counters.errors++;
    disk->counters.skipped++;
    disk->errors_in_a_row++;
    if (no_space) {
        disk->paused_until = now_seconds(CLOCK_MONOTONIC_COARSE) + PAUSE_SECONDS;
        want_prune(disk);
    } else if (is_for_good(code) || disk->errors_in_a_row >= ERRORS_IN_A_ROW) {
        off = true;
        disk->counters.off = strerrordesc_np(code);
    }
    pthread_mutex_unlock(&disk->lock);
    if (no_space)
        tell(disk, TROUBLE_FULL, "%s: %s, so nothing more is cached for now; free some space",
             strerrordesc_np(code));
    if (off)
        tell(disk, TROUBLE_OFF, "%s: nothing is cached any more (%s); views are still served",
             strerrordesc_np(code));
}

/* The payload first, then the entry that makes it count. */
static int write_chunk(struct qfs_disk *disk, const struct qfs_series *series, uint32_t index,
                       const struct qfs_disk_entry *entry, const void *payload)
{
    int fd = -1;
    int rc = open_series(disk, series, true, &fd);
    if (rc < 0)
        return rc;
    rc = check_header(fd, series);
    if (rc == -EBADMSG) { /* what is in the way goes, and the next chunk makes the file anew */
        remove_series(disk, series);
    } else if (rc == 0) {
        const struct qfs_disk_header header = qfs_disk_header_of(series);
        rc = qfs_pwrite_full(fd, &header, sizeof(header), 0);
    }
    if (rc >= 0)
        rc = qfs_pwrite_full(fd, payload, entry->length, qfs_disk_slot_at(series, index));
    if (rc >= 0)
        rc = qfs_pwrite_full(fd, entry, sizeof(*entry), qfs_disk_entry_at(index));
    close(fd);
    return rc;
}

void qfs_disk_store(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                    const struct qfs_series *series, uint32_t index, const void *data)
{
    struct qfs_disk_entry entry;
    const void *payload;
    /* Asked with the size before compression: the limit is kept, and a full cache costs no work. */
    if (!admit(disk, qfs_align(qfs_series_size(series, index), QFS_DISK_PAGE)))
        return;
    int rc = qfs_disk_encode(scratch, series, index, data, &entry, &payload);
    if (rc == 0)
        rc = write_chunk(disk, series, index, &entry, payload);
    if (rc < 0) {
        store_failed(disk, -rc);
        return;
    }
    pthread_mutex_lock(&disk->lock);
    disk->errors_in_a_row = 0;
    disk->counters.stored++;
    disk->counters.stored_bytes += entry.length;
    pthread_mutex_unlock(&disk->lock);
}
