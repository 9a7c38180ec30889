#include "quantfs/base.h"

#include <stdlib.h>

/* Open addressing, linear probing, at most 3/4 full; capacity is a power of two. */
struct qfs_map_slot {
    struct qfs_text key; /* data NULL: free slot */
    uint64_t hash, value;
};

static struct qfs_map_slot *find(const struct qfs_map *map, struct qfs_text key, uint64_t hash)
{
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct qfs_map_slot *slot = &map->slots[i];
        if (!slot->key.data || (slot->hash == hash && qfs_text_equal(slot->key, key)))
            return slot;
    }
}

static int grow(struct qfs_map *map)
{
    struct qfs_map bigger = {.capacity = map->capacity ? map->capacity * 2 : 64};
    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key.data)
            *find(&bigger, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    bigger.count = map->count;
    free(map->slots);
    *map = bigger;
    return 0;
}

int qfs_map_set(struct qfs_map *map, struct qfs_text key, uint64_t value)
{
    if (!key.data)
        key.data = "";
    if (map->count >= map->capacity / 4 * 3 && grow(map) < 0)
        return -ENOMEM;
    uint64_t hash = qfs_hash64(key.data, key.size);
    struct qfs_map_slot *slot = find(map, key, hash);
    bool fresh = !slot->key.data;
    if (fresh) {
        map->count++;
        slot->key = key;
        slot->hash = hash;
    }
    slot->value = value;
    return fresh;
}

bool qfs_map_get(const struct qfs_map *map, struct qfs_text key, uint64_t *ret_value)
{
    if (map->count == 0)
        return false;
    struct qfs_map_slot *slot = find(map, key, qfs_hash64(key.data, key.size));
    if (!slot->key.data)
        return false;
    if (ret_value)
        *ret_value = slot->value;
    return true;
}

void qfs_map_done(struct qfs_map *map)
{
    free(map->slots);
    *map = (struct qfs_map){0};
}
