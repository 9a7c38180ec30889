/* cache: chunks by key, in memory and on disk. Knows nothing of tensors: a chunk is some bytes with
 * a number in a series, and equal keys mean equal bytes, whoever made them. */
#ifndef QUANTFS_CACHE_H
#define QUANTFS_CACHE_H

#include "quantfs/base.h"

/* All the chunks of one tensor in one type: `nbytes` bytes cut every `chunk_bytes`. */
struct qfs_series {
    struct qfs_digest id; /* says all that the bytes depend on */
    uint64_t nbytes;
    uint32_t chunk_bytes; /* the last chunk may be shorter */
    /* What it was computed from, as in qfs_disk_note_origin; goes with the id. Zero: not said. */
    struct qfs_digest origin;
};

static inline uint32_t qfs_series_count(const struct qfs_series *series)
{
    return (uint32_t)((series->nbytes + series->chunk_bytes - 1) / series->chunk_bytes);
}

/* Bytes of chunk `index`, which must be below the count. */
static inline uint32_t qfs_series_size(const struct qfs_series *series, uint32_t index)
{
    uint64_t left = series->nbytes - (uint64_t)index * series->chunk_bytes;
    return (uint32_t)QFS_MIN(left, (uint64_t)series->chunk_bytes);
}

/* -- in memory -------------------------------------------------------------------------------- */

/* A reference-counted buffer. Whoever makes it fills it before anybody else sees it; then it is
 * immutable. Evicting a chunk drops the cache's reference only: readers keep theirs. */
struct qfs_chunk {
    struct qfs_memory *memory;
    uint32_t refs; /* atomic */
    uint32_t size;
    uint8_t data[] __attribute__((aligned(64)));
};

/* `budget` bounds all chunks alive, referenced elsewhere or not, as far as evicting can. NULL: out
 * of memory. Any thread. */
struct qfs_memory *qfs_memory_new(uint64_t budget);
void qfs_memory_free(struct qfs_memory *memory); /* every chunk must have been unref'd */

/* An unfilled chunk, one reference, in no table yet; makes room by evicting. NULL: out of memory.
 */
struct qfs_chunk *qfs_chunk_new(struct qfs_memory *memory, uint32_t size);
struct qfs_chunk *qfs_chunk_ref(struct qfs_chunk *chunk);
void qfs_chunk_unref(struct qfs_chunk *chunk); /* NULL is fine */

/* A new reference, or NULL. Found chunks are evicted last. */
struct qfs_chunk *qfs_memory_get(struct qfs_memory *memory, struct qfs_digest id, uint32_t index);
/* Takes a reference of its own; a chunk that is there already stays instead. */
void qfs_memory_put(struct qfs_memory *memory, struct qfs_digest id, uint32_t index,
                    struct qfs_chunk *chunk);
bool qfs_memory_has(struct qfs_memory *memory, struct qfs_digest id, uint32_t index);
/* The chunk's reader has passed it: evict it before others. */
void qfs_memory_cool(struct qfs_memory *memory, struct qfs_digest id, uint32_t index);
uint64_t qfs_memory_used(struct qfs_memory *memory); /* bytes alive now */
uint64_t qfs_memory_budget(struct qfs_memory *memory);

/* -- on disk ---------------------------------------------------------------------------------- */

struct qfs_disk_options {
    const char *dir; /* NULL: qfs_cache_default_dir() */
    uint64_t limit;  /* bytes on disk, 0: none */
    uint64_t
        min_free; /* bytes to leave free on the filesystem, 0: a twentieth of it, at most 4 GiB */
    void (*warn)(void *warn_arg, const char *sentence); /* any thread; may be NULL */
    void *warn_arg;
};

/* What this process has seen; all count from its start. */
struct qfs_disk_counters {
    uint64_t hits, misses;
    uint64_t damaged; /* checksum, header or length wrong: dropped, to be made again */
    uint64_t stored, stored_bytes;
    uint64_t skipped; /* not stored: the disk or the limit is full, or the cache is off */
    uint64_t errors;  /* system calls that failed */
    uint64_t pruned;  /* files removed to keep the limit */
    const char *off;  /* NULL, or why nothing is stored any more */
};

struct qfs_disk;

/* Makes the directory (mode 0700) where it is missing. Fails where it belongs to somebody else, or
 * others may write to it. Starts no thread until something is stored. */
int qfs_disk_open(const struct qfs_disk_options *options, struct qfs_disk **ret_disk,
                  struct qfs_error *error) QFS_MUST_USE;
void qfs_disk_close(struct qfs_disk *disk);

/* Working memory of one thread for loading and storing. */
struct qfs_disk_scratch;
struct qfs_disk_scratch *qfs_disk_scratch_new(void);
void qfs_disk_scratch_free(struct qfs_disk_scratch *scratch);

/* True: `data` holds chunk `index` (its full size), checked. False: it is not to be had here;
 * `data` may have been written to. */
bool qfs_disk_load(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                   const struct qfs_series *series, uint32_t index, void *data);
/* True if an entry for the chunk is there; its payload is not looked at. */
bool qfs_disk_has(struct qfs_disk *disk, const struct qfs_series *series, uint32_t index);
/* Remembers that the file open as `fd` is `origin`: once its place is empty or another file's, series
 * of this origin are pruned before all others. Best effort. */
void qfs_disk_note_origin(struct qfs_disk *disk, struct qfs_digest origin, int fd);
/* Best effort: what cannot be stored is counted, not reported. */
void qfs_disk_store(struct qfs_disk *disk, struct qfs_disk_scratch *scratch,
                    const struct qfs_series *series, uint32_t index, const void *data);
void qfs_disk_count(struct qfs_disk *disk, struct qfs_disk_counters *ret_counters);
const char *qfs_disk_dir(const struct qfs_disk *disk);

/* -- caring for a cache directory, in use or not ---------------------------------------------- */

/* $XDG_CACHE_HOME/quantfs or ~/.cache/quantfs; the caller frees it. */
int qfs_cache_default_dir(char **ret_dir, struct qfs_error *error) QFS_MUST_USE;

struct qfs_cache_stat {
    uint64_t files;                 /* one for each tensor and type */
    uint64_t disk_bytes;            /* as du counts them */
    uint64_t chunks;                /* present */
    uint64_t chunk_bytes;           /* of those, as read by clients */
    uint64_t stored_bytes;          /* of those, as stored */
    uint64_t free_bytes;            /* on the filesystem, for us */
    uint64_t gone_bytes;            /* of disk_bytes: of sources that vanished or changed */
    int64_t oldest_use, newest_use; /* Unix time in seconds; 0 when empty */
};

struct qfs_cache_pruned {
    uint64_t files, disk_bytes;           /* removed */
    uint64_t left_files, left_disk_bytes; /* what is left */
};

struct qfs_cache_verified {
    uint64_t files, chunks, disk_bytes; /* looked at */
    uint64_t damaged_files;             /* header wrong: removed */
    uint64_t damaged_chunks;            /* dropped, to be made again when read */
};

/* `dir` NULL: the default one. A directory that does not exist is an empty cache. */
int qfs_cache_stat(const char *dir, struct qfs_cache_stat *ret_stat,
                   struct qfs_error *error) QFS_MUST_USE;
/* Removes files of sources that are gone, then least recently used ones, until at most `limit` bytes are left and `min_free` bytes of
 * the filesystem are free; `max_age` seconds since last use at most (0: any age). */
int qfs_cache_prune(const char *dir, uint64_t limit, uint64_t min_free, int64_t max_age,
                    struct qfs_cache_pruned *ret_pruned, struct qfs_error *error) QFS_MUST_USE;
int qfs_cache_clear(const char *dir, struct qfs_cache_pruned *ret_pruned,
                    struct qfs_error *error) QFS_MUST_USE;
/* Reads and checks everything; `progress` (may be NULL) as in quantfs.h. */
int qfs_cache_verify(const char *dir,
                     int (*progress)(void *progress_arg, uint64_t done, uint64_t size),
                     void *progress_arg, struct qfs_cache_verified *ret_verified,
                     struct qfs_error *error) QFS_MUST_USE;

#endif
