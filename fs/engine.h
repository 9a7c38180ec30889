/* engine: who computes a chunk, when, and who is told. Private to fs/.
 *
 * A team of threads takes chunks from a queue: loads them from the cache on disk, or has them
 * produced and then stores them. Each chunk is in the making at most once at a time, whoever wants
 * it. The engine knows no tensors and no files: a chunk comes from a supply. */
#ifndef QUANTFS_ENGINE_H
#define QUANTFS_ENGINE_H

#include "quantfs/cache.h"
#include "quantfs/quant.h"

/* -- supplies --------------------------------------------------------------------------------- */

struct qfs_supply;

struct qfs_supply_ops {
    /* Computes chunk `index` into `out`; called without locks, by several workers at once. */
    int (*produce)(const struct qfs_supply *supply, struct qfs_worker *worker, uint32_t index,
                   void *out, struct qfs_error *error);
    /* Keep the supply alive while a chunk of it is queued or in the making. */
    void (*hold)(const struct qfs_supply *supply);
    void (*release)(const struct qfs_supply *supply);
};

/* The chunks of one series; embedded in what produces them. */
struct qfs_supply {
    struct qfs_series series;
    const struct qfs_supply_ops *ops;
    uint32_t block_weights, block_bytes; /* so many weights in so many bytes; 0: not counted */
    bool keep;                           /* worth a place in the cache on disk */
};

/* -- lanes: queues that share the team -------------------------------------------------------- */

enum qfs_urgency {
    QFS_URGENT,   /* somebody waits for it */
    QFS_AHEAD,    /* a reader is on its way there */
    QFS_PREFETCH, /* may be wanted some day */
    QFS_URGENCY_COUNT,
};

/* Chunks queued by one reader, first in first out; lanes of the same urgency take turns. Guarded by
 * the engine's lock. */
struct qfs_lane {
    enum qfs_urgency urgency;
    struct qfs_flight *first, *last;
    struct qfs_lane *prev, *next; /* in the ring of lanes that hold something */
};

/* -- fetches ---------------------------------------------------------------------------------- */

/* One chunk that somebody waits for. */
struct qfs_want {
    const struct qfs_supply *supply; /* in */
    uint32_t index;                  /* in */
    struct qfs_chunk *chunk;         /* out, a reference */
    struct qfs_flight *flight;       /* engine's: not NULL while parked */
    struct qfs_fetch *fetch;
    struct qfs_want *prev, *next;
};

/* Several chunks that are waited for together. Zeroed but for what is marked as in. */
struct qfs_fetch {
    struct qfs_want *wants;   /* in */
    uint32_t nwants;          /* in */
    bool fill;                /* in: what is produced goes to the cache on disk */
    bool only_store;          /* in: to be in the cache on disk is enough; chunks may stay NULL */
    enum qfs_urgency urgency; /* in */
    void (*done)(struct qfs_fetch *fetch); /* in; called without locks, by a worker */
    void *done_arg;                        /* in; for `done` */
    struct qfs_fetch *next;                /* engine's */
    uint32_t pending;
    bool cancelled;
    int rc; /* of the first chunk that failed */
    struct qfs_error error;
};

struct qfs_engine_options {
    unsigned threads;      /* 0: one a core */
    uint64_t memory;       /* budget of chunks in memory */
    struct qfs_disk *disk; /* taken; NULL: none */
    void (*warn)(void *warn_arg, const char *sentence);
    void *warn_arg;
};

struct qfs_engine_counters {
    uint64_t memory_hits, memory_misses; /* chunks wanted by readers */
    uint64_t produced, produced_bytes, produced_weights;
    uint64_t weights_per_s; /* produced, lately */
    uint64_t ahead;         /* chunks that read-ahead asked for */
    uint64_t ahead_dropped;
    uint64_t left_unstored;           /* chunks that are quicker made than stored */
    uint64_t failed;                  /* chunks that could not be produced */
    uint64_t cancelled;               /* fetches given up by their readers */
    uint64_t queued, running, parked; /* now: chunks, chunks, wants */
    uint64_t storing;                 /* now: bytes on their way to the cache on disk */
    uint64_t streams;                 /* now: sequential readers */
    unsigned threads;
};

struct qfs_engine;

/* Starts no thread. The disk is closed with the engine, and on failure. */
int qfs_engine_new(const struct qfs_engine_options *options, struct qfs_engine **ret_engine,
                   struct qfs_error *error) QFS_MUST_USE;
/* Starts the team; harmless when it runs. Not before a fork: a team does not survive one. */
int qfs_engine_start(struct qfs_engine *engine, struct qfs_error *error) QFS_MUST_USE;
/* Finishes the chunks in the making, fails what is queued with -ESHUTDOWN, ends the threads. */
void qfs_engine_stop(struct qfs_engine *engine);
void qfs_engine_free(struct qfs_engine *engine); /* stops it */

/* 1: every chunk is there. 0: parked; `done` will be called once. Negative: failed, nothing held;
 * fetch->error says why. */
int qfs_engine_fetch(struct qfs_engine *engine, struct qfs_fetch *fetch);
/* True: given up, `done` will not be called. False: it was or will be; a fetch that has not begun yet
 * will fail with -EINTR. */
bool qfs_engine_cancel(struct qfs_engine *engine, struct qfs_fetch *fetch);
void qfs_fetch_release(struct qfs_fetch *fetch); /* drops the chunks */

/* Queues chunk `index` in the lane unless it is in memory or in the making. */
void qfs_engine_ahead(struct qfs_engine *engine, struct qfs_lane *lane,
                      const struct qfs_supply *supply, uint32_t index, bool fill);
/* Drops what the lane still has queued, but for what somebody waits for by now. */
void qfs_engine_drop(struct qfs_engine *engine, struct qfs_lane *lane);

/* Read-ahead's share of the memory: bytes for each stream. */
void qfs_engine_stream_count(struct qfs_engine *engine, int change);
uint64_t qfs_engine_stream_share(struct qfs_engine *engine);

struct qfs_memory *qfs_engine_memory(struct qfs_engine *engine);
struct qfs_disk *qfs_engine_disk(struct qfs_engine *engine); /* NULL: none */
void qfs_engine_count(struct qfs_engine *engine, struct qfs_engine_counters *ret_counters);
void qfs_engine_warn(struct qfs_engine *engine, const char *sentence);

#endif
