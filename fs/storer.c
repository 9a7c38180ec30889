/* Storing beside the readers.
 *
 * Storing takes a processor, too, and sometimes waits for the disk: a worker that stored its chunks
 * itself would make less for the reader that waits. So a thread of low priority stores them, in the
 * order in which they were made; chunks that wait for it stay in memory, up to a limit. Beyond that
 * workers store what takes longer to make than to store, and leave the rest: a chunk of Q8_0 is made
 * again in the time that its loading takes.
 *
 * 1. `lock` guards all but `disk`, `scratch` and `most`; storing is done without it.
 * 2. A parcel in the list holds a reference of its chunk; the thread's own while it stores. */
#include "storer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LESS_PRIORITY = 5, STOP_MS = 2000 };

struct parcel {
    struct qfs_series series;
    uint32_t index;
    struct qfs_chunk *chunk;
    struct parcel *next;
};

struct qfs_storer {
    struct qfs_disk *disk;
    struct qfs_disk_scratch *scratch; /* the thread's */
    uint64_t most;

    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_t thread;
    bool runs, stop;
    int64_t stop_by; /* ns */
    struct parcel *first, **last;
    double ns_per_byte; /* of late; 0: not known yet */
    struct qfs_storer_counters counters;
};

static void store(struct qfs_storer *storer, struct qfs_disk_scratch *scratch,
                  const struct qfs_series *series, uint32_t index, const struct qfs_chunk *chunk)
{
    int64_t began = qfs_clock_ns();
    qfs_disk_store(storer->disk, scratch, series, index, chunk->data);
    double took = (double)(qfs_clock_ns() - began) / chunk->size;
    pthread_mutex_lock(&storer->lock);
    storer->ns_per_byte += (took - storer->ns_per_byte) / (storer->ns_per_byte ? 16 : 1);
    pthread_mutex_unlock(&storer->lock);
}

/* Locked. The first parcel out of the list. */
static struct parcel *take(struct qfs_storer *storer)
{
    struct parcel *parcel = storer->first;
    storer->first = parcel->next;
    if (!storer->first)
        storer->last = &storer->first;
    return parcel;
}

static void *serve(void *arg)
{
    struct qfs_storer *storer = arg;
    int before = getpriority(PRIO_PROCESS, (id_t)gettid());
    setpriority(PRIO_PROCESS, (id_t)gettid(), before + LESS_PRIORITY); /* of this thread */
    pthread_mutex_lock(&storer->lock);
    for (;;) {
        if (storer->stop && (!storer->first || qfs_clock_ns() > storer->stop_by))
            break;
        if (!storer->first) {
            pthread_cond_wait(&storer->work, &storer->lock);
            continue;
        }
        struct parcel *parcel = take(storer);
        pthread_mutex_unlock(&storer->lock);
        store(storer, storer->scratch, &parcel->series, parcel->index, parcel->chunk);
        pthread_mutex_lock(&storer->lock);
        storer->counters.waiting -= parcel->chunk->size;
        pthread_mutex_unlock(&storer->lock);
        qfs_chunk_unref(parcel->chunk);
        free(parcel);
        pthread_mutex_lock(&storer->lock);
    }
    pthread_mutex_unlock(&storer->lock);
    return NULL;
}

void qfs_storer_put(struct qfs_storer *storer, struct qfs_disk_scratch *scratch,
                    const struct qfs_series *series, uint32_t index, struct qfs_chunk *chunk,
                    int64_t made_ns, bool surely)
{
    struct parcel *parcel = surely ? NULL : malloc(sizeof(*parcel));
    bool leave = false;
    pthread_mutex_lock(&storer->lock);
    if (parcel && storer->runs && !storer->stop &&
        storer->counters.waiting + chunk->size <= storer->most) {
        *parcel = (struct parcel){*series, index, qfs_chunk_ref(chunk), NULL};
        *storer->last = parcel;
        storer->last = &parcel->next;
        storer->counters.waiting += chunk->size;
        pthread_cond_signal(&storer->work);
        pthread_mutex_unlock(&storer->lock);
        return;
    }
    leave = !surely && storer->ns_per_byte * chunk->size > (double)made_ns;
    storer->counters.left += leave;
    pthread_mutex_unlock(&storer->lock);
    free(parcel);
    if (!leave)
        store(storer, scratch, series, index, chunk);
}

void qfs_storer_count(struct qfs_storer *storer, struct qfs_storer_counters *ret_counters)
{
    pthread_mutex_lock(&storer->lock);
    *ret_counters = storer->counters;
    pthread_mutex_unlock(&storer->lock);
}

/* -- life --------------------------------------------------------------------------------------- */

struct qfs_storer *qfs_storer_new(struct qfs_disk *disk, uint64_t most)
{
    struct qfs_storer *storer = calloc(1, sizeof(*storer));
    if (!storer)
        return NULL;
    storer->scratch = qfs_disk_scratch_new();
    if (!storer->scratch) {
        free(storer);
        return NULL;
    }
    storer->disk = disk;
    storer->most = most;
    storer->last = &storer->first;
    pthread_mutex_init(&storer->lock, NULL);
    pthread_cond_init(&storer->work, NULL);
    return storer;
}

void qfs_storer_start(struct qfs_storer *storer)
{
    sigset_t all, before; /* signals are for the caller's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&storer->lock);
    if (!storer->runs && !storer->stop)
        storer->runs = pthread_create(&storer->thread, NULL, serve, storer) == 0;
    pthread_mutex_unlock(&storer->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void qfs_storer_stop(struct qfs_storer *storer)
{
    pthread_mutex_lock(&storer->lock);
    storer->stop = true;
    storer->stop_by = qfs_clock_ns() + (int64_t)STOP_MS * 1000000;
    pthread_cond_signal(&storer->work);
    bool runs = storer->runs;
    storer->runs = false;
    pthread_mutex_unlock(&storer->lock);
    if (runs)
        pthread_join(storer->thread, NULL);
}

void qfs_storer_free(struct qfs_storer *storer)
{
    if (!storer)
        return;
    qfs_storer_stop(storer);
    while (storer->first) {
        struct parcel *parcel = take(storer);
        qfs_chunk_unref(parcel->chunk);
        free(parcel);
    }
    qfs_disk_scratch_free(storer->scratch);
    pthread_cond_destroy(&storer->work);
    pthread_mutex_destroy(&storer->lock);
    free(storer);
}
