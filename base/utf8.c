#include "quantfs/base.h"

size_t qfs_utf8_length(const char *at, size_t room)
{
    const unsigned char *c = (const unsigned char *)at;
    if (room == 0)
        return 0;
    if (c[0] < 0x80)
        return 1;
    if (c[0] >= 0xC2 && c[0] <= 0xDF)
        return room >= 2 && (c[1] & 0xC0) == 0x80 ? 2 : 0;
    if (c[0] >= 0xE0 && c[0] <= 0xEF) {
        unsigned low = c[0] == 0xE0 ? 0xA0 : 0x80, high = c[0] == 0xED ? 0x9F : 0xBF;
        return room >= 3 && c[1] >= low && c[1] <= high && (c[2] & 0xC0) == 0x80 ? 3 : 0;
    }
    if (c[0] >= 0xF0 && c[0] <= 0xF4) {
        unsigned low = c[0] == 0xF0 ? 0x90 : 0x80, high = c[0] == 0xF4 ? 0x8F : 0xBF;
        return room >= 4 && c[1] >= low && c[1] <= high && (c[2] & 0xC0) == 0x80 &&
                       (c[3] & 0xC0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

bool qfs_utf8_valid(const char *text, size_t size)
{
    for (size_t n; size; text += n, size -= n)
        if (!(n = qfs_utf8_length(text, size)))
            return false;
    return true;
}
