/* Keys and shapes in words. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

const char *cli_kv_type_name(uint32_t type)
{
    static const char *const names[QFS_KV_TYPE_COUNT] = {
        "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64"};
    return type < QFS_KV_TYPE_COUNT ? names[type] : "?";
}

void cli_plain(struct qfs_buffer *to, const char *text, size_t size)
{
    for (const char *at = text, *end = text + size; at < end;) {
        size_t n = qfs_utf8_length(at, (size_t)(end - at));
        unsigned char byte = (unsigned char)*at;
        if (byte == '\n')
            qfs_buffer_text(to, "\\n");
        else if (n == 0 || byte < 0x20 || byte == 0x7F)
            qfs_buffer_printf(to, "\\x%02x", byte);
        else
            qfs_buffer_append(to, at, n);
        at += n ? n : 1;
    }
}

void cli_describe_value(const struct qfs_kv *kv, struct qfs_buffer *to)
{
    union {
        uint64_t u;
        int64_t i;
        float f;
        double d;
    } v = {0};
    uint32_t item;
    if (kv->type == QFS_KV_STRING) {
        size_t size = kv->size - 8;
        cli_plain(to, (const char *)kv->data + 8, QFS_MIN(size, (size_t)120));
        if (size > 120)
            qfs_buffer_printf(to, "… (%zu bytes)", size);
        return;
    }
    if (kv->type == QFS_KV_ARRAY) {
        memcpy(&item, kv->data, 4);
        memcpy(&v.u, kv->data + 4, 8);
        qfs_buffer_printf(to, "%" PRIu64 " × %s", v.u, cli_kv_type_name(item));
        return;
    }
    memcpy(&v, kv->data, QFS_MIN(kv->size, sizeof(v)));
    int64_t sign = kv->type == QFS_KV_I8    ? (int8_t)v.u
                   : kv->type == QFS_KV_I16 ? (int16_t)v.u
                   : kv->type == QFS_KV_I32 ? (int32_t)v.u
                                            : v.i;
    if (kv->type == QFS_KV_F32)
        qfs_buffer_printf(to, "%.9g", (double)v.f);
    else if (kv->type == QFS_KV_F64)
        qfs_buffer_printf(to, "%.17g", v.d);
    else if (kv->type == QFS_KV_BOOL)
        qfs_buffer_text(to, v.u ? "true" : "false");
    else if (kv->type == QFS_KV_I8 || kv->type == QFS_KV_I16 || kv->type == QFS_KV_I32 ||
             kv->type == QFS_KV_I64)
        qfs_buffer_printf(to, "%" PRId64, sign);
    else
        qfs_buffer_printf(to, "%" PRIu64, v.u);
}

const char *cli_text_of(struct qfs_buffer *buffer)
{
    uint8_t zero = 0;
    qfs_buffer_append(buffer, &zero, 1);
    return buffer->failed ? "(out of memory)" : (const char *)buffer->data;
}
