/* storer: takes what was produced to the cache on disk while readers go on. Private to fs/. */
#ifndef QUANTFS_STORER_H
#define QUANTFS_STORER_H

#include "quantfs/cache.h"

struct qfs_storer;

/* `most`: bytes of chunks that may wait to be stored. NULL: out of memory. Starts no thread. */
struct qfs_storer *qfs_storer_new(struct qfs_disk *disk, uint64_t most);
/* Starts its thread; harmless when it runs. Without a thread everything is stored at once. */
void qfs_storer_start(struct qfs_storer *storer);
/* Stores what waits, as far as a few seconds allow, and ends the thread. */
void qfs_storer_stop(struct qfs_storer *storer);
void qfs_storer_free(struct qfs_storer *storer); /* stops it; NULL is fine */

/* The chunk, which took `made_ns` to make, goes to the disk: later if it may wait, else now, with
 * the caller's scratch; not at all where there is no room to wait in and it would take longer to
 * store than to make again. `surely`: now. Any thread; takes a reference of its own. */
void qfs_storer_put(struct qfs_storer *storer, struct qfs_disk_scratch *scratch,
                    const struct qfs_series *series, uint32_t index, struct qfs_chunk *chunk,
                    int64_t made_ns, bool surely);

struct qfs_storer_counters {
    uint64_t waiting; /* now: bytes */
    uint64_t left;    /* chunks not stored, since making them is quicker */
};
void qfs_storer_count(struct qfs_storer *storer, struct qfs_storer_counters *ret_counters);

#endif
