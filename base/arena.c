#include "quantfs/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks are chained; a request that does not fit the newest block opens another. */
struct qfs_arena_block {
    struct qfs_arena_block *next;
    size_t used, size;
    _Alignas(16) uint8_t data[];
};

enum { BLOCK = 64 << 10 };

void *qfs_arena_alloc(struct qfs_arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct qfs_arena_block) - 16)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    struct qfs_arena_block *block = arena->head;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK / 4 ? size : BLOCK;
        struct qfs_arena_block *fresh = calloc(1, sizeof(*fresh) + room);
        if (!fresh)
            return NULL;
        fresh->size = room;
        if (block && room == size) { /* a big one of its own: keep filling the old block */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->head = fresh;
        }
        block = fresh;
    }
    void *result = block->data + block->used;
    block->used += size;
    arena->used += size;
    return result;
}

void *qfs_arena_array(struct qfs_arena *arena, size_t count, size_t item_size)
{
    size_t size;
    return qfs_mul(count, item_size, &size) ? qfs_arena_alloc(arena, size) : NULL;
}

char *qfs_arena_copy(struct qfs_arena *arena, const char *data, size_t size)
{
    char *result = size < SIZE_MAX ? qfs_arena_alloc(arena, size + 1) : NULL;
    if (result && size)
        memcpy(result, data, size);
    return result;
}

char *qfs_arena_string(struct qfs_arena *arena, const char *string)
{
    return qfs_arena_copy(arena, string, strlen(string));
}

char *qfs_arena_printf(struct qfs_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *result = size < 0 ? NULL : qfs_arena_alloc(arena, (size_t)size + 1);
    if (result) {
        va_start(args, format);
        vsnprintf(result, (size_t)size + 1, format, args);
        va_end(args);
    }
    return result;
}

void qfs_arena_done(struct qfs_arena *arena)
{
    for (struct qfs_arena_block *block = arena->head; block;) {
        struct qfs_arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct qfs_arena){0};
}
