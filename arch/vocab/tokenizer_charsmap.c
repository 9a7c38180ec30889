/* SentencePiece's rules of normalization, compiled: a double-array trie (as the Darts library lays it out)
 * whose leaves point at texts. */
#include "../charsmap.h"

#include <string.h>
#include <utf8proc.h>

static uint32_t unit_at(const struct qfs_charsmap *map, size_t at)
{
    uint32_t unit;
    memcpy(&unit, map->trie.data + at * 4, 4);
    return unit;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

bool qfs_charsmap_open(struct qfs_text data, struct qfs_charsmap *ret)
{
    uint32_t size;
    if (data.size < 4)
        return false;
    memcpy(&size, data.data, 4);
    if (size % 4 || size > data.size - 4)
        return false;
    *ret =
        (struct qfs_charsmap){{data.data + 4, size}, {data.data + 4 + size, data.size - 4 - size}};
    return true;
}

/* What the shortest key that `text` begins with becomes; false where none does. */
static bool transform(const struct qfs_charsmap *map, struct qfs_text text, struct qfs_text *ret)
{
    size_t units = map->trie.size / 4, at = 0;
    if (units == 0)
        return false;
    at ^= offset_of(unit_at(map, 0));
    for (size_t i = 0; i < text.size && text.data[i]; i++) {
        at ^= (uint8_t)text.data[i];
        if (at >= units)
            return false;
        uint32_t unit = unit_at(map, at);
        if ((unit & (1u << 31 | 0xFF)) != (uint8_t)text.data[i])
            return false;
        at ^= offset_of(unit);
        if (at >= units)
            return false;
        if (unit >> 8 & 1) {
            size_t start = unit_at(map, at) & 0x7FFFFFFF;
            if (start >= map->texts.size)
                return false;
            const char *text_at = map->texts.data + start;
            *ret = (struct qfs_text){text_at, strnlen(text_at, map->texts.size - start)};
            return true;
        }
    }
    return false;
}

/* The end of the grapheme cluster that begins at `start`. */
static size_t grapheme(struct qfs_text text, size_t start)
{
    utf8proc_int32_t state = 0, before = 0, c;
    for (size_t at = start; at < text.size;) {
        utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text.data + at,
                                                 (utf8proc_ssize_t)(text.size - at), &c);
        if (size <= 0)
            return at > start ? at : start + 1;
        if (at > start && utf8proc_grapheme_break_stateful(before, c, &state))
            return at;
        before = c;
        at += (size_t)size;
    }
    return text.size;
}

void qfs_charsmap_normalize(const struct qfs_charsmap *map, struct qfs_text text,
                            struct qfs_buffer *out)
{
    struct qfs_text to;
    for (size_t start = 0, end; start < text.size; start = end) {
        end = grapheme(text, start);
        if (end - start < 6 &&
            transform(map, (struct qfs_text){text.data + start, end - start}, &to)) {
            qfs_buffer_append(out, to.data, to.size);
            continue;
        }
        for (size_t at = start; at < end;) {
            size_t size = qfs_utf8_length(text.data + at, end - at);
            struct qfs_text c = {text.data + at, size ? size : 1};
            if (!transform(map, c, &to))
                to = c;
            qfs_buffer_append(out, to.data, to.size);
            at += c.size;
        }
    }
}
