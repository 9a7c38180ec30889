/* What goes when the cache is full: what no source has any more, then what was not used for longest. */
#include "disk_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct found {
    struct timespec used;
    uint64_t bytes;
    bool gone; /* its source is */
    char name[QFS_DISK_NAME_SIZE];
};

struct origin {
    struct qfs_digest id;
    bool gone;
};

struct harvest {
    struct found *items;
    size_t count, capacity;
    uint64_t bytes;
    struct origin *origins; /* of the items */
    size_t norigins, origin_capacity;
};

static int gather(void *arg, int dir_fd, const char *name, const struct stat *st)
{
    (void)dir_fd;
    struct harvest *all = arg;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 1024;
        struct found *items = reallocarray(all->items, capacity, sizeof(*items));
        if (!items)
            return -ENOMEM;
        all->items = items;
        all->capacity = capacity;
    }
    struct found *found = &all->items[all->count++];
    *found = (struct found){.used = st->st_mtim, .bytes = (uint64_t)st->st_blocks * 512};
    memcpy(found->name, name, QFS_DISK_NAME_SIZE);
    all->bytes += found->bytes;
    return 0;
}

/* NULL: out of memory. There are as many origins as files of weights, hundreds of times fewer than
 * series. */
static const struct origin *origin_of(struct harvest *all, int dir_fd, struct qfs_digest id)
{
    for (size_t i = all->norigins; i-- > 0;)
        if (all->origins[i].id.low == id.low && all->origins[i].id.high == id.high)
            return &all->origins[i];
    if (all->norigins == all->origin_capacity) {
        size_t capacity = all->origin_capacity ? all->origin_capacity * 2 : 64;
        struct origin *origins = reallocarray(all->origins, capacity, sizeof(*origins));
        if (!origins)
            return NULL;
        all->origins = origins;
        all->origin_capacity = capacity;
    }
    all->origins[all->norigins] = (struct origin){id, qfs_disk_origin_gone(dir_fd, id)};
    return &all->origins[all->norigins++];
}

static int mark_gone(struct harvest *all, int dir_fd)
{
    for (size_t i = 0; i < all->count; i++) {
        struct found *found = &all->items[i];
        struct qfs_series series;
        if (!qfs_disk_series_of(dir_fd, found->name, &series))
            continue;
        const struct origin *origin = origin_of(all, dir_fd, series.origin);
        if (!origin)
            return -ENOMEM;
        found->gone = origin->gone;
    }
    return 0;
}

static bool is_origin_used(void *arg, const char *hex)
{
    const struct harvest *all = arg;
    char other[33];
    for (size_t i = 0; i < all->norigins; i++) {
        qfs_digest_hex(all->origins[i].id, other);
        if (!strcmp(hex, other))
            return true;
    }
    return false;
}

/* Those of sources that are gone, then by time. */
static int goes_first(const void *a, const void *b)
{
    const struct found *first = a, *second = b;
    const struct timespec *x = &first->used, *y = &second->used;
    if (first->gone != second->gone)
        return first->gone ? -1 : 1;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

int qfs_disk_prune(int dir_fd, uint64_t limit, uint64_t min_free, int64_t max_age,
                   struct qfs_cache_pruned *ret_pruned)
{
    struct harvest all = {0};
    struct qfs_cache_pruned pruned = {0};
    uint64_t total, free_bytes = qfs_disk_free_bytes(dir_fd, &total);
    time_t oldest = max_age ? time(NULL) - max_age : INT64_MIN;
    int rc = qfs_disk_walk(dir_fd, gather, &all);
    pruned.left_files = all.count;
    pruned.left_disk_bytes = all.bytes;
    /* Headers are read only where something has to go. */
    if (rc == 0 && (all.bytes > limit || free_bytes < min_free)) {
        rc = mark_gone(&all, dir_fd);
        if (rc == 0)
            qfs_disk_origins_tidy(dir_fd, is_origin_used, &all);
    }
    if (rc < 0)
        goto out;
    if (all.count)
        qsort(all.items, all.count, sizeof(*all.items), goes_first);
    for (size_t i = 0; i < all.count; i++) {
        const struct found *found = &all.items[i];
        if (pruned.left_disk_bytes <= limit && free_bytes >= min_free &&
            found->used.tv_sec >= oldest)
            continue;
        struct stat st; /* somebody may have used it since the list was made */
        if (fstatat(dir_fd, found->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_mtim.tv_sec > found->used.tv_sec + 1)
            continue;
        if (unlinkat(dir_fd, found->name, 0) < 0)
            continue;
        pruned.files++;
        pruned.disk_bytes += found->bytes;
        pruned.left_files--;
        pruned.left_disk_bytes -= found->bytes;
        if (free_bytes < min_free)
            free_bytes += found->bytes;
    }
    *ret_pruned = pruned;
out:
    free(all.items);
    free(all.origins);
    return rc;
}
