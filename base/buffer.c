#include "quantfs/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct qfs_text qfs_text_of(const char *string)
{
    return (struct qfs_text){string, string ? strlen(string) : 0};
}

bool qfs_text_is(struct qfs_text text, const char *string)
{
    size_t size = strlen(string);
    return text.size == size && (size == 0 || memcmp(text.data, string, size) == 0);
}

bool qfs_text_equal(struct qfs_text a, struct qfs_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool qfs_ends_with(const char *string, const char *suffix)
{
    size_t n = strlen(string), m = strlen(suffix);
    return n >= m && memcmp(string + n - m, suffix, m) == 0;
}

bool qfs_starts_with(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

/* Room for `more` bytes; false, and sticky failure, when there is none. */
static bool reserve(struct qfs_buffer *buffer, size_t more)
{
    size_t need;
    if (buffer->failed)
        return false;
    if (qfs_add(buffer->size, more, &need)) {
        if (need <= buffer->capacity)
            return true;
        size_t capacity = buffer->capacity ? buffer->capacity : 256;
        while (capacity < need && qfs_mul(capacity, (size_t)2, &capacity))
            ;
        uint8_t *data = capacity >= need ? realloc(buffer->data, capacity) : NULL;
        if (data) {
            buffer->data = data;
            buffer->capacity = capacity;
            return true;
        }
    }
    buffer->failed = true;
    return false;
}

void qfs_buffer_append(struct qfs_buffer *buffer, const void *data, size_t size)
{
    if (size == 0 || !reserve(buffer, size))
        return;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void qfs_buffer_fill(struct qfs_buffer *buffer, uint8_t byte, size_t size)
{
    if (size == 0 || !reserve(buffer, size))
        return;
    memset(buffer->data + buffer->size, byte, size);
    buffer->size += size;
}

void qfs_buffer_text(struct qfs_buffer *buffer, const char *string)
{
    qfs_buffer_append(buffer, string, strlen(string));
}

void qfs_buffer_printf(struct qfs_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || !reserve(buffer, (size_t)size + 1)) {
        buffer->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, args);
    va_end(args);
    buffer->size += (size_t)size;
}

void qfs_buffer_done(struct qfs_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct qfs_buffer){0};
}
