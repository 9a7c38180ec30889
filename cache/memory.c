/* Chunks in memory: a hash table over a list in order of use.
 *
 * 1. `lock` guards the table, the list and `used`; a chunk's bytes need no lock, since nobody
 * writes them after the chunk was put or handed out.
 * 2. The table holds one reference of each chunk in it. A chunk whose only reference is the table's
 *    may be evicted; others would free nothing.
 * 3. `used` counts every chunk alive, in the table or not: from qfs_chunk_new to the last unref. */
#include "quantfs/cache.h"

#include <pthread.h>
#include <stdlib.h>

struct slot {
    struct qfs_digest id;
    uint32_t index;
    struct qfs_chunk *chunk;
    struct slot *chain;         /* next in the bucket */
    struct slot *older, *newer; /* in order of use; the head is its own end */
};

struct qfs_memory {
    pthread_mutex_t lock;
    uint64_t budget, used;
    struct slot head; /* head.newer: the first to evict; head.older: used last */
    struct slot **buckets;
    size_t nbuckets; /* power of two */
};

struct qfs_memory *qfs_memory_new(uint64_t budget)
{
    struct qfs_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    memory->budget = budget;
    memory->nbuckets = 256;
    while (memory->nbuckets < budget / (64 << 10) && memory->nbuckets < 1 << 20)
        memory->nbuckets *= 2;
    memory->buckets = calloc(memory->nbuckets, sizeof(*memory->buckets));
    if (!memory->buckets) {
        free(memory);
        return NULL;
    }
    memory->head.older = memory->head.newer = &memory->head;
    pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

static void unlink_use(struct slot *slot)
{
    slot->older->newer = slot->newer;
    slot->newer->older = slot->older;
}

static void link_newest(struct qfs_memory *memory, struct slot *slot)
{
    slot->newer = &memory->head;
    slot->older = memory->head.older;
    slot->older->newer = slot;
    memory->head.older = slot;
}

static void link_oldest(struct qfs_memory *memory, struct slot *slot)
{
    slot->older = &memory->head;
    slot->newer = memory->head.newer;
    slot->newer->older = slot;
    memory->head.newer = slot;
}

static struct slot **place_of(struct qfs_memory *memory, struct qfs_digest id, uint32_t index)
{
    uint64_t hash = id.low ^ (index * 0x9e3779b97f4a7c15ull);
    struct slot **place = &memory->buckets[(hash ^ hash >> 32) & (memory->nbuckets - 1)];
    while (*place &&
           ((*place)->id.low != id.low || (*place)->id.high != id.high || (*place)->index != index))
        place = &(*place)->chain;
    return place;
}

/* Takes the slot out of table and list; its chunk's reference goes to the caller. */
static struct qfs_chunk *take_out(struct qfs_memory *memory, struct slot *slot)
{
    struct qfs_chunk *chunk = slot->chunk;
    *place_of(memory, slot->id, slot->index) = slot->chain;
    unlink_use(slot);
    free(slot);
    return chunk;
}

static uint32_t refs_of(const struct qfs_chunk *chunk)
{
    return __atomic_load_n(&chunk->refs, __ATOMIC_ACQUIRE);
}

/* Locked; atomic too, for the one look at `used` without the lock. */
static void count(struct qfs_memory *memory, int64_t change)
{
    __atomic_store_n(&memory->used, memory->used + (uint64_t)change, __ATOMIC_RELAXED);
}

/* Locked. Evicts what nobody reads, least recently used first, until `size` more bytes fit. Returns
 * an evicted chunk of that very size: its pages are there already, where new memory would have to be
 * mapped and zeroed. */
static struct qfs_chunk *make_room(struct qfs_memory *memory, uint64_t size)
{
    struct qfs_chunk *same = NULL;
    struct slot *slot = memory->head.newer;
    while (slot != &memory->head && memory->used + size > memory->budget) {
        struct slot *next = slot->newer;
        if (refs_of(slot->chunk) == 1) {
            struct qfs_chunk *chunk = take_out(memory, slot);
            count(memory, -(int64_t)chunk->size);
            if (!same && chunk->size == size)
                same = chunk;
            else
                free(chunk);
        }
        slot = next;
    }
    return same;
}

struct qfs_chunk *qfs_chunk_new(struct qfs_memory *memory, uint32_t size)
{
    size_t total = qfs_align(sizeof(struct qfs_chunk) + (uint64_t)size, 64);
    pthread_mutex_lock(&memory->lock);
    struct qfs_chunk *chunk = make_room(memory, size);
    count(memory, size);
    pthread_mutex_unlock(&memory->lock);
    if (!chunk)
        chunk = aligned_alloc(64, total);
    if (!chunk) {
        pthread_mutex_lock(&memory->lock);
        count(memory, -(int64_t)size);
        pthread_mutex_unlock(&memory->lock);
        return NULL;
    }
    chunk->memory = memory;
    chunk->refs = 1;
    chunk->size = size;
    return chunk;
}

struct qfs_chunk *qfs_chunk_ref(struct qfs_chunk *chunk)
{
    __atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
    return chunk;
}

void qfs_chunk_unref(struct qfs_chunk *chunk)
{
    if (!chunk)
        return;
    struct qfs_memory *memory =
        chunk->memory; /* once the reference is gone, the chunk may be too */
    uint32_t refs = __atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL);
    if (refs == 0) {
        pthread_mutex_lock(&memory->lock);
        count(memory, -(int64_t)chunk->size);
        pthread_mutex_unlock(&memory->lock);
        free(chunk);
    } else if (refs == 1 && __atomic_load_n(&memory->used, __ATOMIC_RELAXED) > memory->budget) {
        pthread_mutex_lock(
            &memory->lock);         /* perhaps the table's: readers held more than the budget */
        (void)make_room(memory, 0); /* no chunk has no bytes */
        pthread_mutex_unlock(&memory->lock);
    }
}

struct qfs_chunk *qfs_memory_get(struct qfs_memory *memory, struct qfs_digest id, uint32_t index)
{
    struct qfs_chunk *chunk = NULL;
    pthread_mutex_lock(&memory->lock);
    struct slot *slot = *place_of(memory, id, index);
    if (slot) {
        unlink_use(slot);
        link_newest(memory, slot);
        chunk = qfs_chunk_ref(slot->chunk);
    }
    pthread_mutex_unlock(&memory->lock);
    return chunk;
}

bool qfs_memory_has(struct qfs_memory *memory, struct qfs_digest id, uint32_t index)
{
    pthread_mutex_lock(&memory->lock);
    bool has = *place_of(memory, id, index);
    pthread_mutex_unlock(&memory->lock);
    return has;
}

void qfs_memory_put(struct qfs_memory *memory, struct qfs_digest id, uint32_t index,
                    struct qfs_chunk *chunk)
{
    struct slot *slot = malloc(sizeof(*slot));
    if (!slot)
        return; /* not kept, and nothing else lost */
    pthread_mutex_lock(&memory->lock);
    struct slot **place = place_of(memory, id, index);
    if (*place) {
        free(slot);
    } else {
        *slot = (struct slot){.id = id, .index = index, .chunk = qfs_chunk_ref(chunk)};
        *place = slot;
        link_newest(memory, slot);
    }
    pthread_mutex_unlock(&memory->lock);
}

void qfs_memory_cool(struct qfs_memory *memory, struct qfs_digest id, uint32_t index)
{
    pthread_mutex_lock(&memory->lock);
    struct slot *slot = *place_of(memory, id, index);
    if (slot) {
        unlink_use(slot);
        link_oldest(memory, slot);
    }
    pthread_mutex_unlock(&memory->lock);
}

uint64_t qfs_memory_used(struct qfs_memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    uint64_t used = memory->used;
    pthread_mutex_unlock(&memory->lock);
    return used;
}

uint64_t qfs_memory_budget(struct qfs_memory *memory)
{
    return memory->budget;
}

void qfs_memory_free(struct qfs_memory *memory)
{
    if (!memory)
        return;
    while (memory->head.newer != &memory->head)
        free(take_out(memory, memory->head.newer));
    pthread_mutex_destroy(&memory->lock);
    free(memory->buckets);
    free(memory);
}
