/* For tests: a JSON tree on standard output, numbers exact, as Python's json.loads reads it back. */
#ifndef QUANTFS_TESTS_JSON_PRINT_H
#define QUANTFS_TESTS_JSON_PRINT_H

#include "quantfs/base.h"

#include <math.h>
#include <stdio.h>

static inline void print_text(struct qfs_text text)
{
    putchar('"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static inline void print_json(const struct qfs_json *value)
{
    switch ((enum qfs_json_kind)value->kind) {
    case QFS_JSON_NULL:
        printf("null");
        break;
    case QFS_JSON_FALSE:
    case QFS_JSON_TRUE:
        printf("%s", value->kind == QFS_JSON_TRUE ? "true" : "false");
        break;
    case QFS_JSON_INT:
        printf("%lld", (long long)value->integer);
        break;
    case QFS_JSON_REAL:
        if (isnan(value->real) || isinf(value->real))
            printf("%s", isnan(value->real) ? "NaN" : value->real < 0 ? "-Infinity" : "Infinity");
        else if (value->big)
            printf("%.0f", value->real);
        else
            printf("%.17e", value->real);
        break;
    case QFS_JSON_STRING:
        print_text(qfs_json_text(value));
        break;
    case QFS_JSON_ARRAY:
        putchar('[');
        for (uint32_t i = 0; i < value->count; i++) {
            printf("%s", i ? "," : "");
            print_json(&value->items[i]);
        }
        putchar(']');
        break;
    case QFS_JSON_OBJECT:
        putchar('{');
        for (uint32_t i = 0; i < value->count; i++) {
            printf("%s", i ? "," : "");
            print_text(value->members[i].key);
            putchar(':');
            print_json(&value->members[i].value);
        }
        putchar('}');
        break;
    case QFS_JSON_OTHER:
        printf("{\"other\":true}");
        break;
    }
}

#endif
