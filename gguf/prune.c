#include "prune.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Where "blk.N." stands in a name: the digits, or NULL. */
static const char *find_layer(const char *name, const char **ret_end)
{
    for (const char *at = strstr(name, "blk."); at; at = strstr(at + 1, "blk.")) {
        const char *end = at + 4;
        while (isdigit((unsigned char)*end))
            end++;
        if (end > at + 4 && *end == '.') {
            *ret_end = end;
            return at + 4;
        }
    }
    return NULL;
}

static bool is_pruned(const struct qfs_prune *prune, int layer)
{
    for (size_t i = 0; i < prune->nlayers; i++)
        if (prune->layers[i] == layer)
            return true;
    return false;
}

/* The new number of a layer, given now if it is met for the first time; NULL when out of memory. */
static const struct qfs_prune_layer *map_layer(struct qfs_prune *prune, int layer)
{
    for (size_t i = 0; i < prune->nmap; i++)
        if (prune->map[i].from == layer)
            return &prune->map[i];
    if (prune->nmap == prune->capacity) {
        size_t capacity = prune->capacity ? prune->capacity * 2 : 64;
        void *map = realloc(prune->map, capacity * sizeof(*prune->map));
        if (!map)
            return NULL;
        prune->map = map;
        prune->capacity = capacity;
    }
    struct qfs_prune_layer *entry = &prune->map[prune->nmap++];
    *entry = (struct qfs_prune_layer){layer, -1};
    if (is_pruned(prune, layer))
        return entry;
    if (layer < prune->layers[0])
        prune->next = layer;
    entry->to = prune->next++;
    return entry;
}

int qfs_prune_name(struct qfs_prune *prune, struct qfs_arena *arena, const char *name,
                   const char **ret_name, struct qfs_error *error)
{
    const char *end, *digits = prune->nlayers ? find_layer(name, &end) : NULL;
    if (!digits) {
        *ret_name = name;
        return 0;
    }
    errno = 0;
    long layer = strtol(digits, NULL, 10);
    if (errno || layer > INT_MAX)
        return qfs_fail(error, ENOTSUP, "%s has an impossible layer number", name);
    const struct qfs_prune_layer *entry = map_layer(prune, (int)layer);
    if (!entry)
        return qfs_fail_memory(error);
    if (entry->to == entry->from || entry->to < 0) {
        *ret_name = entry->to < 0 ? NULL : name;
        return 0;
    }
    *ret_name = qfs_arena_printf(arena, "%.*s%d%s", (int)(digits - name), name, entry->to, end);
    return *ret_name ? 0 : qfs_fail_memory(error);
}

void qfs_prune_done(struct qfs_prune *prune)
{
    free(prune->map);
    *prune = (struct qfs_prune){0};
}
