/* Looking after a cache directory: what the cache command does, with the mounts running or not. */
#include "disk_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Opens the cache at `dir` or the default one. 0 with *ret_fd -1: there is none yet. */
static int open_cache(const char *dir, int *ret_fd, struct qfs_error *error)
{
    char *standard = NULL;
    int fd = -1;
    int rc = dir ? 0 : qfs_cache_default_dir(&standard, error);
    if (rc == 0)
        rc = qfs_disk_dir_open(dir ? dir : standard, false, &fd, error);
    free(standard);
    if (rc < 0 && rc != -ENOENT)
        return rc;
    if (rc == -ENOENT && error)
        *error = (struct qfs_error){0};
    *ret_fd = fd;
    return 0;
}

static int open_file(int dir_fd, const char *name, int flags)
{
    return openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

/* The file's header, which must also be the one of its name. */
static bool read_series(int fd, const char *name, struct qfs_series *ret_series)
{
    struct qfs_disk_header header;
    char expected[QFS_DISK_NAME_SIZE];
    if (qfs_pread_full(fd, &header, sizeof(header), 0) < 0 ||
        !qfs_disk_header_read(&header, ret_series))
        return false;
    qfs_disk_name(ret_series->id, expected);
    return !strcmp(name, expected);
}

bool qfs_disk_series_of(int dir_fd, const char *name, struct qfs_series *ret_series)
{
    int fd = open_file(dir_fd, name, O_RDONLY);
    bool ok = fd >= 0 && read_series(fd, name, ret_series);
    if (fd >= 0)
        close(fd);
    return ok;
}

enum { ENTRIES_AT_ONCE = 1024 };

/* Calls `see` for every entry that is not missing. */
static int each_entry(int fd, const struct qfs_series *series,
                      int (*see)(void *arg, int fd, const struct qfs_series *series, uint32_t index,
                                 const struct qfs_disk_entry *entry),
                      void *arg)
{
    struct qfs_disk_entry entries[ENTRIES_AT_ONCE];
    uint32_t count = qfs_series_count(series);
    int rc = 0;
    for (uint32_t at = 0; at < count && rc == 0; at += ENTRIES_AT_ONCE) {
        uint32_t n = QFS_MIN(count - at, (uint32_t)ENTRIES_AT_ONCE);
        ssize_t got = pread(fd, entries, n * sizeof(*entries), (off_t)qfs_disk_entry_at(at));
        if (got <= 0)
            break; /* a table that ends early has no more entries */
        n = (uint32_t)((size_t)got / sizeof(*entries));
        for (uint32_t i = 0; i < n && rc == 0; i++)
            if (!qfs_disk_entry_missing(&entries[i]))
                rc = see(arg, fd, series, at + i, &entries[i]);
    }
    return rc;
}

/* -- stat ------------------------------------------------------------------------------------- */

struct counting {
    struct qfs_cache_stat stat;
    struct qfs_digest origin; /* the last one asked for: files of a source are few */
    bool gone;
};

static bool is_gone(struct counting *counting, int dir_fd, struct qfs_digest origin)
{
    if (counting->origin.low != origin.low || counting->origin.high != origin.high) {
        counting->origin = origin;
        counting->gone = qfs_disk_origin_gone(dir_fd, origin);
    }
    return counting->gone;
}

static int add_entry(void *arg, int fd, const struct qfs_series *series, uint32_t index,
                     const struct qfs_disk_entry *entry)
{
    (void)fd;
    struct qfs_cache_stat *stat = arg;
    stat->chunks++;
    stat->chunk_bytes += qfs_series_size(series, index);
    stat->stored_bytes += entry->length;
    return 0;
}

static int add_file(void *arg, int dir_fd, const char *name, const struct stat *st)
{
    struct counting *counting = arg;
    struct qfs_cache_stat *stat = &counting->stat;
    struct qfs_series series;
    stat->files++;
    stat->disk_bytes += (uint64_t)st->st_blocks * 512;
    if (!stat->oldest_use || st->st_mtime < stat->oldest_use)
        stat->oldest_use = st->st_mtime;
    if (st->st_mtime > stat->newest_use)
        stat->newest_use = st->st_mtime;
    int fd = open_file(dir_fd, name, O_RDONLY);
    if (fd < 0)
        return 0;
    if (read_series(fd, name, &series)) {
        each_entry(fd, &series, add_entry, stat);
        if (is_gone(counting, dir_fd, series.origin))
            stat->gone_bytes += (uint64_t)st->st_blocks * 512;
    }
    close(fd);
    return 0;
}

int qfs_cache_stat(const char *dir, struct qfs_cache_stat *ret_stat, struct qfs_error *error)
{
    struct counting counting = {0};
    int fd;
    int rc = open_cache(dir, &fd, error);
    if (rc < 0)
        return rc;
    if (fd >= 0) {
        uint64_t total;
        counting.stat.free_bytes = qfs_disk_free_bytes(fd, &total);
        qfs_disk_walk(fd, add_file, &counting);
        close(fd);
    }
    *ret_stat = counting.stat;
    return 0;
}

/* -- prune, clear ----------------------------------------------------------------------------- */

int qfs_cache_prune(const char *dir, uint64_t limit, uint64_t min_free, int64_t max_age,
                    struct qfs_cache_pruned *ret_pruned, struct qfs_error *error)
{
    struct qfs_cache_pruned pruned = {0};
    int fd;
    int rc = open_cache(dir, &fd, error);
    if (rc == 0 && fd >= 0) {
        rc = qfs_disk_prune(fd, limit, min_free, max_age, &pruned);
        close(fd);
        if (rc < 0)
            return qfs_fail(error, -rc, "the cache cannot be listed: %s", strerror(-rc));
    }
    if (rc == 0)
        *ret_pruned = pruned;
    return rc;
}

static int remove_file(void *arg, int dir_fd, const char *name, const struct stat *st)
{
    struct qfs_cache_pruned *pruned = arg;
    bool gone = unlinkat(dir_fd, name, 0) == 0;
    *(gone ? &pruned->files : &pruned->left_files) += 1;
    *(gone ? &pruned->disk_bytes : &pruned->left_disk_bytes) += (uint64_t)st->st_blocks * 512;
    return 0;
}

int qfs_cache_clear(const char *dir, struct qfs_cache_pruned *ret_pruned, struct qfs_error *error)
{
    struct qfs_cache_pruned pruned = {0};
    int fd;
    int rc = open_cache(dir, &fd, error);
    if (rc < 0)
        return rc;
    if (fd >= 0) {
        qfs_disk_walk(fd, remove_file, &pruned);
        qfs_disk_origins_clear(fd);
        close(fd);
    }
    if (pruned.left_files)
        return qfs_fail(error, EACCES,
                        "%llu files of the cache cannot be removed: is it read-only?",
                        (unsigned long long)pruned.left_files);
    *ret_pruned = pruned;
    return 0;
}

/* -- verify ----------------------------------------------------------------------------------- */

struct scrub {
    struct qfs_cache_verified result;
    struct qfs_disk_scratch *scratch;
    uint8_t *data;
    size_t capacity;
    int (*progress)(void *progress_arg, uint64_t done, uint64_t size);
    void *progress_arg;
    uint64_t size; /* of the whole cache, when it was listed */
};

static int check_entry(void *arg, int fd, const struct qfs_series *series, uint32_t index,
                       const struct qfs_disk_entry *entry)
{
    static const struct qfs_disk_entry missing;
    struct scrub *scrub = arg;
    if (scrub->capacity < series->chunk_bytes) {
        free(scrub->data);
        scrub->capacity = 0;
        scrub->data = malloc(series->chunk_bytes);
        if (!scrub->data)
            return -ENOMEM;
        scrub->capacity = series->chunk_bytes;
    }
    scrub->result.chunks++;
    int rc = qfs_disk_decode(scrub->scratch, fd, series, index, entry, scrub->data);
    if (rc != -EBADMSG)
        return rc;
    scrub->result.damaged_chunks++;
    return qfs_pwrite_full(fd, &missing, sizeof(missing), qfs_disk_entry_at(index));
}

static int check_file(void *arg, int dir_fd, const char *name, const struct stat *st)
{
    struct scrub *scrub = arg;
    struct qfs_series series;
    int rc = 0;
    int fd = open_file(dir_fd, name, O_RDWR);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    scrub->result.files++;
    scrub->result.disk_bytes += (uint64_t)st->st_blocks * 512;
    if (read_series(fd, name, &series)) {
        rc = each_entry(fd, &series, check_entry, scrub);
    } else if (st->st_size) { /* empty: being made just now */
        scrub->result.damaged_files++;
        unlinkat(dir_fd, name, 0);
    }
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    futimens(fd, times); /* looking is not using */
    close(fd);
    if (rc == 0 && scrub->progress &&
        scrub->progress(scrub->progress_arg, scrub->result.disk_bytes, scrub->size))
        rc = -ECANCELED;
    return rc;
}

static int add_size(void *arg, int dir_fd, const char *name, const struct stat *st)
{
    (void)dir_fd;
    (void)name;
    *(uint64_t *)arg += (uint64_t)st->st_blocks * 512;
    return 0;
}

int qfs_cache_verify(const char *dir,
                     int (*progress)(void *progress_arg, uint64_t done, uint64_t size),
                     void *progress_arg, struct qfs_cache_verified *ret_verified,
                     struct qfs_error *error)
{
    struct scrub scrub = {.progress = progress, .progress_arg = progress_arg};
    int fd;
    int rc = open_cache(dir, &fd, error);
    if (rc < 0)
        return rc;
    if (fd >= 0) {
        scrub.scratch = qfs_disk_scratch_new();
        if (!scrub.scratch) {
            close(fd);
            return qfs_fail_memory(error);
        }
        qfs_disk_walk(fd, add_size, &scrub.size);
        rc = qfs_disk_walk(fd, check_file, &scrub);
        close(fd);
        qfs_disk_scratch_free(scrub.scratch);
        free(scrub.data);
        if (rc < 0)
            return qfs_fail(error, -rc, "verifying the cache stopped: %s", strerror(-rc));
    }
    *ret_verified = scrub.result;
    return 0;
}
