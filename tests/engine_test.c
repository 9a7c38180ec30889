/* The engine, fed by made-up supplies: each chunk is made once, whoever asks; those who wait come
 * first; who gives up is not told; what fails says so once; nothing is lost when it stops. */
#include "engine.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { CHUNK = 20000, CHUNKS = 300, BAD = 77 };

/* -- a supply that counts ------------------------------------------------------------------------- */

struct made_up {
    struct qfs_supply supply;
    uint32_t made[CHUNKS]; /* times each chunk was produced */
    int holds;
    unsigned slow_us;
    uint32_t order[CHUNKS], norder; /* as they were produced */
};

static uint8_t byte_of(const struct qfs_series *series, uint32_t index, uint32_t at)
{
    return (uint8_t)(series->id.low * 31 + index * 7 + at / 16);
}

static int produce(const struct qfs_supply *supply, struct qfs_worker *worker, uint32_t index,
                   void *out, struct qfs_error *error)
{
    (void)worker;
    struct made_up *m = (struct made_up *)(uintptr_t)supply;
    uint8_t *to = out;
    __atomic_add_fetch(&m->made[index], 1, __ATOMIC_RELAXED);
    m->order[__atomic_fetch_add(&m->norder, 1, __ATOMIC_RELAXED) % CHUNKS] = index;
    if (m->slow_us)
        usleep(m->slow_us);
    if (index == BAD)
        return qfs_fail(error, EIO, "tensor made_up row %u has a weight that is no number", index);
    for (uint32_t i = 0; i < qfs_series_size(&supply->series, index); i++)
        to[i] = byte_of(&supply->series, index, i);
    return 0;
}

static void hold(const struct qfs_supply *supply)
{
    __atomic_add_fetch(&((struct made_up *)(uintptr_t)supply)->holds, 1, __ATOMIC_RELAXED);
}

static void release(const struct qfs_supply *supply)
{
    __atomic_sub_fetch(&((struct made_up *)(uintptr_t)supply)->holds, 1, __ATOMIC_RELEASE);
}

static uint32_t produced(const struct made_up *m)
{
    return __atomic_load_n(&m->norder, __ATOMIC_RELAXED);
}

static const struct qfs_supply_ops ops = {produce, hold, release};

static struct made_up *new_supply(uint64_t id)
{
    struct made_up *m = calloc(1, sizeof(*m));
    m->supply.series = (struct qfs_series){
        .id = {id, 1}, .nbytes = (uint64_t)CHUNK * CHUNKS - 5, .chunk_bytes = CHUNK};
    m->supply.ops = &ops;
    m->supply.keep = true;
    return m;
}

static void free_supply(struct made_up *m)
{
    CHECK(__atomic_load_n(&m->holds, __ATOMIC_ACQUIRE) == 0);
    free(m);
}

/* -- helpers --------------------------------------------------------------------------------------- */

static int warnings;

static void warn(void *arg, const char *sentence)
{
    (void)arg;
    CHECK(strstr(sentence, "made_up"));
    __atomic_add_fetch(&warnings, 1, __ATOMIC_RELAXED);
}

static struct qfs_engine *new_engine(unsigned threads, uint64_t memory, struct qfs_disk *disk)
{
    struct qfs_engine_options options = {threads, memory, disk, warn, NULL};
    struct qfs_engine *engine;
    CHECK(qfs_engine_new(&options, &engine, NULL) == 0);
    CHECK(qfs_engine_start(engine, NULL) == 0);
    return engine;
}

static void wake(struct qfs_fetch *fetch)
{
    sem_post(fetch->done_arg);
}

/* Fetches `n` chunks from `first` on, waits, checks every byte. */
static int fetch_wait(struct qfs_engine *engine, struct made_up *m, uint32_t first, uint32_t n)
{
    struct qfs_want wants[16] = {0};
    sem_t landed;
    struct qfs_fetch fetch = {
        .wants = wants, .nwants = n, .fill = true, .done = wake, .done_arg = &landed};
    CHECK(n <= QFS_COUNT(wants));
    sem_init(&landed, 0, 0);
    for (uint32_t i = 0; i < n; i++)
        wants[i] = (struct qfs_want){.supply = &m->supply, .index = first + i};
    int rc = qfs_engine_fetch(engine, &fetch);
    if (rc == 0) {
        while (sem_wait(&landed) < 0)
            ;
        rc = fetch.rc;
    }
    for (uint32_t i = 0; i < n && rc >= 0; i++) {
        const struct qfs_chunk *chunk = wants[i].chunk;
        CHECK(chunk && chunk->size == qfs_series_size(&m->supply.series, first + i));
        CHECK(chunk->data[0] == byte_of(&m->supply.series, first + i, 0));
        CHECK(chunk->data[chunk->size - 1] ==
              byte_of(&m->supply.series, first + i, chunk->size - 1));
    }
    qfs_fetch_release(&fetch);
    sem_destroy(&landed);
    return QFS_MIN(rc, 0);
}

struct reader {
    struct qfs_engine *engine;
    struct made_up *m;
    uint64_t seed;
    unsigned rounds;
};

static void *read_at_random(void *arg)
{
    struct reader *r = arg;
    for (unsigned i = 0; i < r->rounds; i++) {
        uint32_t n = 1 + (uint32_t)(check_random(&r->seed) % 16);
        uint32_t first = (uint32_t)(check_random(&r->seed) % (CHUNKS - n));
        bool bad = first <= BAD && BAD < first + n;
        CHECK(fetch_wait(r->engine, r->m, first, n) == (bad ? -EIO : 0));
    }
    return NULL;
}

static void crowd(struct qfs_engine *engine, struct made_up *m, unsigned rounds)
{
    enum { READERS = 12 };
    pthread_t threads[READERS];
    struct reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){engine, m, i, rounds};
        CHECK(pthread_create(&threads[i], NULL, read_at_random, &readers[i]) == 0);
    }
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
}

/* -- tests ------------------------------------------------------------------------------------------ */

static void once_test(void)
{
    struct qfs_engine *engine = new_engine(4, 1 << 30, NULL);
    struct made_up *m = new_supply(1);
    struct qfs_engine_counters c;
    warnings = 0;
    crowd(engine, m, 60);
    for (uint32_t i = 0; i < CHUNKS; i++)
        CHECK(i == BAD || m->made[i] <= 1);
    qfs_engine_count(engine, &c);
    CHECK(c.produced > CHUNKS / 2 && !c.queued && !c.parked);
    CHECK(warnings == 1); /* however often it was asked for */
    qfs_engine_free(engine);
    free_supply(m);
}

static void little_memory_test(void)
{
    struct qfs_engine *engine = new_engine(4, 20 * CHUNK, NULL);
    struct made_up *m = new_supply(2);
    crowd(engine, m, 60);
    CHECK(qfs_memory_used(qfs_engine_memory(engine)) <= 20 * CHUNK);
    qfs_engine_free(engine);
    free_supply(m);
}

static void urgency_test(void)
{
    struct qfs_engine *engine = new_engine(1, 1 << 30, NULL);
    struct made_up *m = new_supply(3);
    struct qfs_lane a = {.urgency = QFS_AHEAD}, b = {.urgency = QFS_AHEAD};
    m->slow_us = 2000;
    for (uint32_t i = 0; i < 50; i++)
        qfs_engine_ahead(engine, &a, &m->supply, i, false);
    for (uint32_t i = 0; i < 50; i++)
        qfs_engine_ahead(engine, &b, &m->supply, 100 + i, false);
    CHECK(fetch_wait(engine, m, 200, 1) == 0); /* at most after the one that was running */
    CHECK(produced(m) <= 30);                  /* had it waited its turn, 100 */
    CHECK(fetch_wait(engine, m, 49, 1) == 0);  /* out of the lane, to the front */
    CHECK(produced(m) <= 60);
    usleep(20000);
    qfs_engine_drop(engine, &a);
    qfs_engine_drop(engine, &b);
    qfs_engine_stop(engine);
    struct qfs_engine_counters c;
    qfs_engine_count(engine, &c);
    CHECK(!c.queued && c.ahead == 100 && c.ahead_dropped + m->norder == 101);
    qfs_engine_free(engine);
    uint32_t from_a = 0, from_b = 0;
    for (uint32_t i = 0; i < m->norder; i++) {
        from_a += m->order[i] < 49;
        from_b += m->order[i] >= 100 && m->order[i] < 150;
    }
    CHECK(from_a + from_b >= 2 && from_a <= from_b + 3 && from_b <= from_a + 3); /* taking turns */
    for (uint32_t i = 0; i < CHUNKS; i++)
        CHECK(m->made[i] <= 1);
    free_supply(m);
}

static void never(struct qfs_fetch *fetch)
{
    (void)fetch;
    CHECK(!"done was called after the fetch was given up");
}

static void cancel_test(void)
{
    struct qfs_engine *engine = new_engine(2, 1 << 30, NULL);
    struct made_up *m = new_supply(4);
    uint64_t seed = 5;
    m->slow_us = 300;
    for (unsigned i = 0; i < 400; i++) {
        struct qfs_want want = {.supply = &m->supply,
                                .index = (uint32_t)(check_random(&seed) % 70)};
        sem_t landed;
        sem_init(&landed, 0, 0);
        struct qfs_fetch fetch = {.wants = &want, .nwants = 1, .done = wake, .done_arg = &landed};
        int rc = qfs_engine_fetch(engine, &fetch);
        usleep((useconds_t)(check_random(&seed) % 600));
        if (rc == 0 && !qfs_engine_cancel(engine, &fetch))
            while (sem_wait(&landed) < 0)
                ;
        CHECK(rc == 1 || fetch.cancelled);
        qfs_fetch_release(&fetch);
        sem_destroy(&landed);
    }
    /* Cancelled before it began. */
    struct qfs_want want = {.supply = &m->supply, .index = 290};
    struct qfs_fetch fetch = {.wants = &want, .nwants = 1, .done = never};
    CHECK(!qfs_engine_cancel(engine, &fetch));
    CHECK(qfs_engine_fetch(engine, &fetch) == -EINTR);
    qfs_engine_free(engine);
    free_supply(m);
}

struct stopped {
    struct qfs_engine *engine;
    struct made_up *m;
    int rc;
};

static void *wait_for_many(void *arg)
{
    struct stopped *s = arg;
    s->rc = fetch_wait(s->engine, s->m, 0, 16);
    return NULL;
}

static void stop_test(void)
{
    struct qfs_engine *engine = new_engine(1, 1 << 30, NULL);
    struct made_up *m = new_supply(6);
    struct qfs_lane lane = {.urgency = QFS_AHEAD};
    struct stopped stopped = {engine, m, 1};
    pthread_t thread;
    m->slow_us = 20000;
    for (uint32_t i = 100; i < 150; i++)
        qfs_engine_ahead(engine, &lane, &m->supply, i, false);
    CHECK(pthread_create(&thread, NULL, wait_for_many, &stopped) == 0);
    usleep(30000);
    qfs_engine_stop(engine);
    pthread_join(thread, NULL);
    CHECK(stopped.rc == -ESHUTDOWN && m->norder < 16);
    CHECK(fetch_wait(engine, m, 200, 1) == -ESHUTDOWN);
    qfs_engine_drop(engine, &lane);
    qfs_engine_free(engine);
    free_supply(m);
}

static struct qfs_disk *new_disk(const char *dir)
{
    struct qfs_disk_options options = {.dir = dir, .min_free = 1};
    struct qfs_disk *disk;
    CHECK(qfs_disk_open(&options, &disk, NULL) == 0);
    return disk;
}

/* Everything to the cache, then read from it; and a reader in the middle of it. */
static void disk_test(const char *dir)
{
    struct made_up *m = new_supply(7);
    struct qfs_engine *engine = new_engine(3, 10 * CHUNK, new_disk(dir));
    struct qfs_want wants[CHUNKS] = {0};
    struct qfs_engine_counters c;
    sem_t landed;
    sem_init(&landed, 0, 0);
    for (uint32_t i = 0; i < CHUNKS; i++)
        wants[i] = (struct qfs_want){.supply = &m->supply, .index = i};
    struct qfs_fetch fetch = {.wants = wants,
                              .nwants = CHUNKS,
                              .fill = true,
                              .only_store = true,
                              .urgency = QFS_PREFETCH,
                              .done = wake,
                              .done_arg = &landed};
    CHECK(qfs_engine_fetch(engine, &fetch) == 0);
    CHECK(fetch_wait(engine, m, 280, 10) == 0);
    while (sem_wait(&landed) < 0)
        ;
    CHECK(fetch.rc == -EIO); /* the bad one; all others are there */
    qfs_fetch_release(&fetch);
    CHECK(fetch_wait(engine, m, BAD, 1) == -EIO);
    qfs_engine_free(engine);
    for (uint32_t i = 0; i < CHUNKS; i++)
        CHECK(m->made[i] >= 1 && (m->made[i] == 1 || i == BAD));

    memset(m->made, 0, sizeof(m->made));
    engine = new_engine(3, 10 * CHUNK, new_disk(dir));
    crowd(engine, m, 20);
    qfs_engine_count(engine, &c);
    CHECK(c.produced == 0);
    struct qfs_fetch again = {.wants = wants,
                              .nwants = CHUNKS,
                              .fill = true,
                              .only_store = true,
                              .urgency = QFS_PREFETCH,
                              .done = wake,
                              .done_arg = &landed};
    for (uint32_t i = 0; i < CHUNKS; i++)
        wants[i] = (struct qfs_want){.supply = &m->supply, .index = i};
    CHECK(qfs_engine_fetch(engine, &again) == 0);
    while (sem_wait(&landed) < 0)
        ;
    qfs_fetch_release(&again);
    qfs_engine_count(engine, &c);
    CHECK(c.produced == 0);
    qfs_engine_free(engine);
    sem_destroy(&landed);
    free_supply(m);
}

int main(void)
{
    char dir[] = "/tmp/quantfs-engine-XXXXXX", command[100];
    CHECK(mkdtemp(dir));
    once_test();
    little_memory_test();
    urgency_test();
    cancel_test();
    stop_test();
    disk_test(dir);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
    return 0;
}
