/* A chunk on its way: wanted -> queued in a lane -> running on a worker -> landed in memory.
 *
 * 1. `lock` guards the table of flights, the lanes, the wants and the counters. Nothing slow
 * happens under it: producing, compressing, reading and callbacks are all done without.
 * 2. A key has at most one flight. A flight is in the table from its creation until it landed, and
 * its chunk is put into memory before it leaves the table; so under the lock a chunk is found in
 * one of the two or is not being made.
 * 3. A flight is in a lane (lane != NULL) until a worker takes it; then it runs and cannot be
 * dropped.
 * 4. A want is in its flight's list exactly while its `flight` is not NULL. Whoever takes a fetch's
 * last want out of a list owns the fetch: the worker calls `done`, or the canceller was first.
 * 5. The team is one OpenMP region that lasts as long as the engine runs, in a thread of its own,
 * so that no region is ever opened by a thread of the caller's. */
#include "engine.h"
#include "rate.h"
#include "storer.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    FLIGHT_BUCKETS = 4096,
    TOLD_FAILURES = 64,
    STORING_SHARE = 8, /* of the memory, an eighth may wait to be stored */
};

struct qfs_flight {
    const struct qfs_supply *supply; /* held */
    uint32_t index;
    bool fill;       /* store what is produced */
    bool only_store; /* nobody needs the bytes, only the place on disk */
    bool surely;     /* somebody asked for the place on disk */
    struct qfs_want *wants;
    struct qfs_flight *chain; /* in the table */
    struct qfs_lane *lane;
    struct qfs_flight *prev, *next; /* in the lane */
};

struct member { /* of the team */
    struct qfs_worker *worker;
    struct qfs_disk_scratch *scratch;
};

struct qfs_engine {
    struct qfs_memory *memory;
    struct qfs_disk *disk;
    struct qfs_storer *storer; /* NULL without a disk */
    void (*warn)(void *warn_arg, const char *sentence);
    void *warn_arg;
    unsigned nmembers;
    struct member *members;

    pthread_mutex_t start_lock; /* guards `host` and `started` */
    pthread_t host;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t work; /* something was queued, or `stop` */
    bool stop;
    struct qfs_flight *flights[FLIGHT_BUCKETS];
    struct qfs_lane own[QFS_URGENCY_COUNT]; /* of fetches */
    struct qfs_lane *rings[QFS_URGENCY_COUNT];
    uint64_t told[TOLD_FAILURES]; /* chunks whose failure was told, the newest at ntold - 1 */
    uint64_t ntold;
    struct qfs_engine_counters counters;
    struct qfs_rate rate; /* of weights */
};

/* -- flights and lanes; all locked ------------------------------------------------------------ */

static bool is_key(const struct qfs_flight *flight, const struct qfs_supply *supply, uint32_t index)
{
    return flight->index == index && flight->supply->series.id.low == supply->series.id.low &&
           flight->supply->series.id.high == supply->series.id.high;
}

static struct qfs_flight **flight_place(struct qfs_engine *engine, const struct qfs_supply *supply,
                                        uint32_t index)
{
    uint64_t hash = supply->series.id.low + index * 0x9e3779b97f4a7c15ull;
    struct qfs_flight **place = &engine->flights[(hash ^ hash >> 32) % FLIGHT_BUCKETS];
    while (*place && !is_key(*place, supply, index))
        place = &(*place)->chain;
    return place;
}

/* Puts the flight at the end of the lane, and the lane into its ring. */
static void lane_push(struct qfs_engine *engine, struct qfs_lane *lane, struct qfs_flight *flight)
{
    struct qfs_lane **ring = &engine->rings[lane->urgency];
    flight->lane = lane;
    flight->next = NULL;
    flight->prev = lane->last;
    *(lane->last ? &lane->last->next : &lane->first) = flight;
    lane->last = flight;
    engine->counters.queued++;
    if (lane->next)
        return;
    if (*ring) { /* behind all others: just before the one whose turn it is */
        lane->next = *ring;
        lane->prev = (*ring)->prev;
        lane->prev->next = lane->next->prev = lane;
    } else {
        *ring = lane->prev = lane->next = lane;
    }
}

static void lane_remove(struct qfs_engine *engine, struct qfs_flight *flight)
{
    struct qfs_lane *lane = flight->lane;
    *(flight->prev ? &flight->prev->next : &lane->first) = flight->next;
    *(flight->next ? &flight->next->prev : &lane->last) = flight->prev;
    flight->lane = NULL;
    flight->prev = flight->next = NULL;
    engine->counters.queued--;
    if (lane->first)
        return;
    struct qfs_lane **ring = &engine->rings[lane->urgency];
    if (lane->next == lane) {
        *ring = NULL;
    } else {
        if (*ring == lane)
            *ring = lane->next;
        lane->prev->next = lane->next;
        lane->next->prev = lane->prev;
    }
    lane->prev = lane->next = NULL;
}

/* The next flight to run, out of its lane; NULL when there is nothing to do. */
static struct qfs_flight *next_flight(struct qfs_engine *engine)
{
    for (unsigned urgency = 0; urgency < QFS_URGENCY_COUNT; urgency++) {
        struct qfs_lane *lane = engine->rings[urgency];
        if (!lane)
            continue;
        struct qfs_flight *flight = lane->first;
        engine->rings[urgency] = lane->next; /* the next lane's turn */
        lane_remove(engine, flight);
        return flight;
    }
    return NULL;
}

/* NULL: out of memory. */
static struct qfs_flight *new_flight(struct qfs_flight **place, const struct qfs_supply *supply,
                                     uint32_t index)
{
    struct qfs_flight *flight = calloc(1, sizeof(*flight));
    if (!flight)
        return NULL;
    flight->supply = supply;
    flight->index = index;
    supply->ops->hold(supply);
    *place = flight;
    return flight;
}

/* Out of the table; the caller frees it with free_flight once the lock is open. */
static void unlist_flight(struct qfs_engine *engine, struct qfs_flight *flight)
{
    *flight_place(engine, flight->supply, flight->index) = flight->chain;
}

/* Not locked: releasing a supply may close files. */
static void free_flight(struct qfs_flight *flight)
{
    flight->supply->ops->release(flight->supply);
    free(flight);
}

static void park(struct qfs_engine *engine, struct qfs_want *want, struct qfs_flight *flight)
{
    want->flight = flight;
    want->prev = NULL;
    want->next = flight->wants;
    if (want->next)
        want->next->prev = want;
    flight->wants = want;
    engine->counters.parked++;
}

static void unpark(struct qfs_engine *engine, struct qfs_want *want)
{
    *(want->prev ? &want->prev->next : &want->flight->wants) = want->next;
    if (want->next)
        want->next->prev = want->prev;
    want->flight = NULL;
    engine->counters.parked--;
}

/* -- fetching --------------------------------------------------------------------------------- */

/* Locked. Finds or makes the flight for the want and parks it there. */
static int want_chunk(struct qfs_engine *engine, struct qfs_fetch *fetch, struct qfs_want *want)
{
    struct qfs_flight **place = flight_place(engine, want->supply, want->index);
    struct qfs_flight *flight = *place;
    if (!flight) {
        flight = new_flight(place, want->supply, want->index);
        if (!flight)
            return -ENOMEM;
        flight->only_store = fetch->only_store;
        lane_push(engine, &engine->own[fetch->urgency], flight);
        pthread_cond_signal(&engine->work);
    } else if (flight->lane && flight->lane->urgency > fetch->urgency) {
        lane_remove(engine, flight);
        lane_push(engine, &engine->own[fetch->urgency], flight);
    }
    flight->fill |= fetch->fill;
    flight->only_store &= fetch->only_store;
    flight->surely |= fetch->only_store;
    park(engine, want, flight);
    return 0;
}

/* Locked. Takes all of the fetch's parked wants out; flights that nobody needs any more go to
 * *ret_idle, chained by `next`. */
static void abandon(struct qfs_engine *engine, struct qfs_fetch *fetch,
                    struct qfs_flight **ret_idle)
{
    for (uint32_t i = 0; i < fetch->nwants; i++) {
        struct qfs_flight *flight = fetch->wants[i].flight;
        if (!flight)
            continue;
        unpark(engine, &fetch->wants[i]);
        if (flight->wants || !flight->lane)
            continue; /* others wait, or it runs: then it lands in memory */
        lane_remove(engine, flight);
        unlist_flight(engine, flight);
        flight->next = *ret_idle;
        *ret_idle = flight;
    }
    fetch->pending = 0;
}

static void free_flights(struct qfs_flight *flights)
{
    while (flights) {
        struct qfs_flight *next = flights->next;
        free_flight(flights);
        flights = next;
    }
}

void qfs_fetch_release(struct qfs_fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->nwants; i++) {
        qfs_chunk_unref(fetch->wants[i].chunk);
        fetch->wants[i].chunk = NULL;
    }
}

/* Looks for the wanted chunk in memory. */
static bool find_chunk(struct qfs_engine *engine, struct qfs_want *want)
{
    want->chunk = qfs_memory_get(engine->memory, want->supply->series.id, want->index);
    return want->chunk;
}

int qfs_engine_fetch(struct qfs_engine *engine, struct qfs_fetch *fetch)
{
    struct qfs_flight *idle = NULL;
    uint32_t missing = 0;
    int rc = 0;
    for (uint32_t i = 0; i < fetch->nwants; i++) {
        struct qfs_want *want = &fetch->wants[i];
        want->fetch = fetch;
        missing += fetch->only_store || !find_chunk(engine, want);
    }
    pthread_mutex_lock(&engine->lock);
    engine->counters.memory_hits += fetch->nwants - missing;
    engine->counters.memory_misses += missing;
    if (engine->stop)
        rc = -ESHUTDOWN;
    else if (fetch->cancelled)
        rc = -EINTR;
    for (uint32_t i = 0; missing && i < fetch->nwants && rc == 0; i++) {
        struct qfs_want *want = &fetch->wants[i];
        if (want->chunk || (!fetch->only_store && find_chunk(engine, want)))
            continue; /* may have landed since */
        rc = want_chunk(engine, fetch, want);
        fetch->pending += rc == 0;
    }
    if (rc < 0)
        abandon(engine, fetch, &idle);
    uint32_t pending = fetch->pending; /* not ours to look at after this */
    pthread_mutex_unlock(&engine->lock);
    if (rc == 0)
        return pending == 0;
    free_flights(idle);
    qfs_fetch_release(fetch);
    if (rc == -ENOMEM)
        return qfs_fail_memory(&fetch->error);
    if (rc == -EINTR)
        return qfs_fail(&fetch->error, EINTR, "reading was interrupted");
    return qfs_fail(&fetch->error, -rc, "reading stopped: the filesystem is being unmounted");
}

bool qfs_engine_cancel(struct qfs_engine *engine, struct qfs_fetch *fetch)
{
    struct qfs_flight *idle = NULL;
    pthread_mutex_lock(&engine->lock);
    bool ours = fetch->pending > 0;
    fetch->cancelled = true;
    if (ours) {
        abandon(engine, fetch, &idle);
        engine->counters.cancelled++;
    }
    pthread_mutex_unlock(&engine->lock);
    if (!ours)
        return false;
    free_flights(idle);
    qfs_fetch_release(fetch);
    return true;
}

/* -- read-ahead ------------------------------------------------------------------------------- */

void qfs_engine_ahead(struct qfs_engine *engine, struct qfs_lane *lane,
                      const struct qfs_supply *supply, uint32_t index, bool fill)
{
    if (qfs_memory_has(engine->memory, supply->series.id, index))
        return;
    pthread_mutex_lock(&engine->lock);
    struct qfs_flight **place = flight_place(engine, supply, index);
    if (!*place && !engine->stop && !qfs_memory_has(engine->memory, supply->series.id, index)) {
        struct qfs_flight *flight = new_flight(place, supply, index);
        if (flight) { /* else the reader will ask for it itself */
            flight->fill = fill;
            lane_push(engine, lane, flight);
            engine->counters.ahead++;
            pthread_cond_signal(&engine->work);
        }
    }
    pthread_mutex_unlock(&engine->lock);
}

void qfs_engine_drop(struct qfs_engine *engine, struct qfs_lane *lane)
{
    struct qfs_flight *idle = NULL;
    pthread_mutex_lock(&engine->lock);
    while (lane->first) { /* none has wants: those went to an urgent lane */
        struct qfs_flight *flight = lane->first;
        lane_remove(engine, flight);
        unlist_flight(engine, flight);
        flight->next = idle;
        idle = flight;
        engine->counters.ahead_dropped++;
    }
    pthread_mutex_unlock(&engine->lock);
    free_flights(idle);
}

void qfs_engine_stream_count(struct qfs_engine *engine, int change)
{
    pthread_mutex_lock(&engine->lock);
    engine->counters.streams += (uint64_t)change;
    pthread_mutex_unlock(&engine->lock);
}

uint64_t qfs_engine_stream_share(struct qfs_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    uint64_t streams = QFS_MAX(engine->counters.streams, (uint64_t)1);
    pthread_mutex_unlock(&engine->lock);
    return qfs_memory_budget(engine->memory) / 2 / streams;
}

/* -- the team --------------------------------------------------------------------------------- */

/* Locked. Is this the first time that this chunk's failure is heard of? One sentence a chunk, and
 * one for a whole source that changed. */
static bool is_news(struct qfs_engine *engine, const struct qfs_flight *flight, int rc)
{
    uint64_t key = rc == -ESTALE ? 1 : flight->supply->series.id.low + flight->index;
    for (uint64_t i = 0; i < QFS_MIN(engine->ntold, (uint64_t)TOLD_FAILURES); i++)
        if (engine->told[i] == key)
            return false;
    engine->told[engine->ntold++ % TOLD_FAILURES] = key;
    return true;
}

static int64_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

/* Locked. */
static void count_weights(struct qfs_engine *engine, const struct qfs_supply *supply, uint32_t size)
{
    uint64_t weights =
        supply->block_bytes ? (uint64_t)size / supply->block_bytes * supply->block_weights : 0;
    engine->counters.produced_weights += weights;
    qfs_rate_add(&engine->rate, now_seconds(), weights);
}

/* The flight is over: its chunk (NULL: it failed, or is only on disk) goes to all who wait. True:
 * the flight left the table and is the caller's. False: somebody wanted the bytes of an only_store
 * flight meanwhile, and it is queued again. */
static bool land(struct qfs_engine *engine, struct qfs_flight *flight, struct qfs_chunk *chunk,
                 bool loaded, int rc, const struct qfs_error *error)
{
    struct qfs_fetch *done = NULL;
    pthread_mutex_lock(&engine->lock);
    if (rc == 0 && !chunk && !flight->only_store) {
        lane_push(engine, &engine->own[QFS_URGENT], flight);
        pthread_mutex_unlock(&engine->lock);
        return false;
    }
    if (chunk && !flight->only_store)
        qfs_memory_put(engine->memory, flight->supply->series.id, flight->index, chunk);
    if (chunk && !loaded) {
        engine->counters.produced++;
        engine->counters.produced_bytes += chunk->size;
        count_weights(engine, flight->supply, chunk->size);
    }
    unlist_flight(engine, flight);
    while (flight->wants) {
        struct qfs_want *want = flight->wants;
        struct qfs_fetch *fetch = want->fetch;
        unpark(engine, want);
        want->chunk = chunk ? qfs_chunk_ref(chunk) : NULL;
        if (rc < 0 && fetch->rc == 0) {
            fetch->rc = rc;
            fetch->error = *error;
        }
        if (--fetch->pending == 0) {
            fetch->next = done;
            done = fetch;
        }
    }
    engine->counters.failed += rc < 0;
    bool news = rc < 0 && rc != -ESHUTDOWN && is_news(engine, flight, rc);
    pthread_mutex_unlock(&engine->lock);
    if (news)
        qfs_engine_warn(engine, error->text);
    while (done) {
        struct qfs_fetch *next = done->next;
        done->done(done);
        done = next;
    }
    return true;
}

/* Makes the chunk of a flight that left its lane. Readers are answered before it is stored. */
static void run(struct qfs_engine *engine, struct member *member, struct qfs_flight *flight,
                bool only_store)
{
    const struct qfs_supply *supply = flight->supply;
    const struct qfs_series *series = &supply->series;
    uint32_t index = flight->index;
    struct qfs_disk *disk = supply->keep ? engine->disk : NULL;
    struct qfs_chunk *chunk = NULL;
    struct qfs_error error = {0};
    bool loaded = false;
    int64_t made_ns = 0;
    int rc = 0;
    if (!only_store || (disk && !qfs_disk_has(disk, series, index))) {
        chunk = qfs_chunk_new(engine->memory, qfs_series_size(series, index));
        rc = chunk ? 0 : qfs_fail_memory(&error);
        if (rc == 0 && disk)
            loaded = qfs_disk_load(disk, member->scratch, series, index, chunk->data);
        if (rc == 0 && !loaded) {
            int64_t began = qfs_clock_ns();
            rc = supply->ops->produce(supply, member->worker, index, chunk->data, &error);
            made_ns = qfs_clock_ns() - began;
        }
        if (rc < 0) {
            qfs_chunk_unref(chunk);
            chunk = NULL;
        }
    }
    if (!land(engine, flight, chunk, loaded, rc, &error))
        return;
    if (chunk && !loaded && disk && flight->fill) /* nobody changes the flight any more */
        qfs_storer_put(engine->storer, member->scratch, series, index, chunk, made_ns,
                       flight->surely);
    qfs_chunk_unref(chunk);
    free_flight(flight);
}

static __attribute__((noinline)) void serve(struct qfs_engine *engine, struct member *member)
{
    pthread_mutex_lock(&engine->lock);
    while (!engine->stop) {
        struct qfs_flight *flight = next_flight(engine);
        if (!flight) {
            pthread_cond_wait(&engine->work, &engine->lock);
            continue;
        }
        bool only_store = flight->only_store;
        engine->counters.running++;
        pthread_mutex_unlock(&engine->lock);
        run(engine, member, flight, only_store);
        pthread_mutex_lock(&engine->lock);
        engine->counters.running--;
    }
    pthread_mutex_unlock(&engine->lock);
}

static void *host_team(void *arg)
{
    struct qfs_engine *engine = arg;
    omp_set_dynamic(0);
#pragma omp parallel num_threads(engine->nmembers)
    serve(engine, &engine->members[omp_get_thread_num()]);
    return NULL;
}

int qfs_engine_start(struct qfs_engine *engine, struct qfs_error *error)
{
    pthread_mutex_lock(&engine->start_lock);
    int rc = 0;
    if (!engine->started) {
        sigset_t all, before; /* signals are for the caller's threads */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(&engine->host, NULL, host_team, engine);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        engine->started = rc == 0;
        if (engine->started && engine->storer)
            qfs_storer_start(engine->storer);
    }
    pthread_mutex_unlock(&engine->start_lock);
    return rc ? qfs_fail(error, rc, "no thread can be started: %s", strerror(rc)) : 0;
}

void qfs_engine_stop(struct qfs_engine *engine)
{
    struct qfs_error error;
    qfs_fail(&error, ESHUTDOWN, "reading stopped: the filesystem is being unmounted");
    pthread_mutex_lock(&engine->lock);
    engine->stop = true;
    pthread_cond_broadcast(&engine->work);
    pthread_mutex_unlock(&engine->lock);
    pthread_mutex_lock(&engine->start_lock);
    if (engine->started)
        pthread_join(engine->host, NULL);
    engine->started = false;
    pthread_mutex_unlock(&engine->start_lock);
    for (unsigned urgency = 0; urgency < QFS_URGENCY_COUNT; urgency++)
        for (;;) {
            pthread_mutex_lock(&engine->lock);
            struct qfs_lane *lane = engine->rings[urgency];
            struct qfs_flight *flight = lane ? lane->first : NULL;
            if (flight)
                lane_remove(engine, flight);
            pthread_mutex_unlock(&engine->lock);
            if (!flight)
                break;
            if (land(engine, flight, NULL, false, -ESHUTDOWN, &error))
                free_flight(flight);
        }
    if (engine->storer) /* after all readers are let go */
        qfs_storer_stop(engine->storer);
}

/* -- life ------------------------------------------------------------------------------------- */

int qfs_engine_new(const struct qfs_engine_options *options, struct qfs_engine **ret_engine,
                   struct qfs_error *error)
{
    struct qfs_engine *engine = calloc(1, sizeof(*engine));
    if (!engine) {
        qfs_disk_close(options->disk);
        return qfs_fail_memory(error);
    }
    engine->disk = options->disk;
    engine->warn = options->warn;
    engine->warn_arg = options->warn_arg;
    pthread_mutex_init(&engine->start_lock, NULL);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->work, NULL);
    for (unsigned urgency = 0; urgency < QFS_URGENCY_COUNT; urgency++)
        engine->own[urgency].urgency = urgency;
    engine->nmembers = options->threads ? options->threads : (unsigned)omp_get_num_procs();
    engine->counters.threads = engine->nmembers;
    engine->memory = qfs_memory_new(options->memory);
    engine->members = calloc(engine->nmembers, sizeof(*engine->members));
    if (engine->disk)
        engine->storer = qfs_storer_new(engine->disk, options->memory / STORING_SHARE);
    bool ok = engine->memory && engine->members && (engine->storer || !engine->disk);
    for (unsigned i = 0; ok && i < engine->nmembers; i++) {
        engine->members[i].worker = qfs_worker_new();
        engine->members[i].scratch = qfs_disk_scratch_new();
        ok = engine->members[i].worker && engine->members[i].scratch;
    }
    if (!ok) {
        qfs_engine_free(engine);
        return qfs_fail_memory(error);
    }
    *ret_engine = engine;
    return 0;
}

void qfs_engine_free(struct qfs_engine *engine)
{
    if (!engine)
        return;
    qfs_engine_stop(engine);
    for (unsigned i = 0; engine->members && i < engine->nmembers; i++) {
        qfs_worker_free(engine->members[i].worker);
        qfs_disk_scratch_free(engine->members[i].scratch);
    }
    free(engine->members);
    qfs_storer_free(engine->storer);
    qfs_memory_free(engine->memory);
    qfs_disk_close(engine->disk);
    pthread_cond_destroy(&engine->work);
    pthread_mutex_destroy(&engine->lock);
    pthread_mutex_destroy(&engine->start_lock);
    free(engine);
}

struct qfs_memory *qfs_engine_memory(struct qfs_engine *engine)
{
    return engine->memory;
}

struct qfs_disk *qfs_engine_disk(struct qfs_engine *engine)
{
    return engine->disk;
}

void qfs_engine_count(struct qfs_engine *engine, struct qfs_engine_counters *ret_counters)
{
    pthread_mutex_lock(&engine->lock);
    *ret_counters = engine->counters;
    ret_counters->weights_per_s = qfs_rate_of(&engine->rate, now_seconds());
    pthread_mutex_unlock(&engine->lock);
    if (engine->storer) {
        struct qfs_storer_counters storing;
        qfs_storer_count(engine->storer, &storing);
        ret_counters->storing = storing.waiting;
        ret_counters->left_unstored = storing.left;
    }
}

void qfs_engine_warn(struct qfs_engine *engine, const char *sentence)
{
    if (engine->warn)
        engine->warn(engine->warn_arg, sentence);
}
