#include "vocab.h"

#include <string.h>
#include <utf8proc.h>

uint32_t qfs_utf8_next(struct qfs_text text, size_t *at)
{
    const uint8_t *c = (const uint8_t *)text.data + *at;
    size_t room = text.size - *at;
    if (c[0] < 0x80 || room < 2) {
        *at += 1;
        return c[0];
    }
    if (c[0] < 0xE0 || room < 3) {
        *at += 2;
        return (uint32_t)(c[0] & 0x1F) << 6 | (c[1] & 0x3F);
    }
    if (c[0] < 0xF0 || room < 4) {
        *at += 3;
        return (uint32_t)(c[0] & 0x0F) << 12 | (uint32_t)(c[1] & 0x3F) << 6 | (c[2] & 0x3F);
    }
    *at += 4;
    return (uint32_t)(c[0] & 0x07) << 18 | (uint32_t)(c[1] & 0x3F) << 12 |
           (uint32_t)(c[2] & 0x3F) << 6 | (c[3] & 0x3F);
}

void qfs_buffer_point(struct qfs_buffer *buffer, uint32_t point)
{
    utf8proc_uint8_t bytes[4];
    qfs_buffer_append(buffer, bytes, (size_t)utf8proc_encode_char((utf8proc_int32_t)point, bytes));
}

bool qfs_python_equal(const struct qfs_json *a, const struct qfs_json *b)
{
    double x, y;
    int64_t i, j;
    if (!a || !b)
        return qfs_json_is_null(a) && qfs_json_is_null(b);
    if (qfs_json_int(a, &i) && qfs_json_int(b, &j))
        return i == j;
    if (qfs_json_real(a, &x))
        return qfs_json_real(b, &y) && x == y;
    if (a->kind != b->kind)
        return false;
    if (a->kind == QFS_JSON_STRING)
        return qfs_text_equal(qfs_json_text(a), qfs_json_text(b));
    if (a->kind == QFS_JSON_ARRAY || a->kind == QFS_JSON_OBJECT) {
        if (a->count != b->count)
            return false;
        for (uint32_t n = 0; n < a->count; n++) {
            const struct qfs_json *other = NULL;
            if (a->kind == QFS_JSON_ARRAY) {
                other = &b->items[n];
            } else {
                for (uint32_t m = 0; m < b->count && !other; m++)
                    if (qfs_text_equal(a->members[n].key, b->members[m].key))
                        other = &b->members[m].value;
            }
            const struct qfs_json *mine =
                a->kind == QFS_JSON_ARRAY ? &a->items[n] : &a->members[n].value;
            if (!other || !qfs_python_equal(mine, other))
                return false;
        }
    }
    return true;
}

bool qfs_python_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool qfs_python_int(struct qfs_text text, int64_t *ret_value)
{
    size_t at = 0, next = 0, end = 0;
    while (next < text.size && qfs_python_space(qfs_utf8_next(text, &next)))
        at = next;
    for (next = at; next < text.size;)
        if (!qfs_python_space(qfs_utf8_next(text, &next)))
            end = next;
    bool negative = at < end && text.data[at] == '-', digit = false;
    if (at < end && (text.data[at] == '-' || text.data[at] == '+'))
        at++;
    int64_t value = 0;
    for (; at < end; at++) {
        char c = text.data[at];
        if (c == '_' && digit) { /* between digits only */
            digit = false;
            continue;
        }
        if (c < '0' || c > '9' || !qfs_mul(value, 10, &value) || !qfs_add(value, c - '0', &value))
            return false;
        digit = true;
    }
    if (!digit)
        return false;
    *ret_value = negative ? -value : value;
    return true;
}

struct qfs_text qfs_text_replace(struct qfs_arena *arena, struct qfs_text text, const char *from,
                                 const char *to)
{
    size_t width = strlen(from), other = strlen(to), found = 0, size;
    const char *end = text.data + text.size;
    for (const char *at = text.data; (at = memmem(at, (size_t)(end - at), from, width));
         at += width)
        found++;
    if (found == 0)
        return text;
    size = text.size - found * width;
    char *data = qfs_mul(found, other, &found) && qfs_add(size, found, &size)
                     ? qfs_arena_alloc(arena, size + 1)
                     : NULL;
    if (!data)
        return (struct qfs_text){NULL, 0};
    char *put = data;
    const char *at = text.data, *hit;
    while ((hit = memmem(at, (size_t)(end - at), from, width))) {
        memcpy(put, at, (size_t)(hit - at));
        put += hit - at;
        memcpy(put, to, other);
        put += other;
        at = hit + width;
    }
    memcpy(put, at, (size_t)(end - at));
    return (struct qfs_text){data, size};
}

bool qfs_text_line(struct qfs_text text, size_t *at, struct qfs_text *ret_line)
{
    if (*at >= text.size)
        return false;
    const char *start = text.data + *at, *end = memchr(start, '\n', text.size - *at);
    *ret_line = (struct qfs_text){start, end ? (size_t)(end - start) : text.size - *at};
    *at += ret_line->size + 1;
    return true;
}

size_t qfs_text_lines(struct qfs_text text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    return lines;
}

int qfs_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int qfs_base64_decode(struct qfs_arena *arena, struct qfs_text text, struct qfs_text *ret_bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *bytes = qfs_arena_alloc(arena, text.size / 4 * 3 + 4);
    uint32_t bits = 0, count = 0, padding = 0;
    size_t size = 0;
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = text.data[i] ? memchr(digits, text.data[i], sizeof(digits) - 1) : NULL;
        if (text.data[i] == '=' && count % 4 >= 2 && count % 4 + ++padding >= 4)
            break;
        if (!digit)
            continue;
        padding = 0;
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (++count % 4 == 0) {
            bytes[size++] = (uint8_t)(bits >> 16);
            bytes[size++] = (uint8_t)(bits >> 8);
            bytes[size++] = (uint8_t)bits;
        }
    }
    uint32_t left = count % 4;
    if (left == 1 || (left && left + padding < 4))
        return -EINVAL;
    if (left >= 2)
        bytes[size++] = (uint8_t)(bits >> (left == 2 ? 4 : 10));
    if (left == 3)
        bytes[size++] = (uint8_t)(bits >> 2);
    *ret_bytes = (struct qfs_text){(const char *)bytes, size};
    return 0;
}
