/* Prints what qfs_config_load makes of each directory named on standard input, one line of JSON each:
 * {"auto": true, "config": {...}} or {"error": "..."}. For config_differential.py. */
#include "quantfs/model.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_string(struct qfs_text text)
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

static void print_value(const struct qfs_json *value)
{
    switch ((enum qfs_json_kind)value->kind) {
    case QFS_JSON_NULL:
    case QFS_JSON_OTHER:
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
        print_string(qfs_json_text(value));
        break;
    case QFS_JSON_ARRAY:
        putchar('[');
        for (uint32_t i = 0; i < value->count; i++) {
            printf("%s", i ? "," : "");
            print_value(&value->items[i]);
        }
        putchar(']');
        break;
    case QFS_JSON_OBJECT:
        putchar('{');
        for (uint32_t i = 0; i < value->count; i++) {
            printf("%s", i ? "," : "");
            print_string(value->members[i].key);
            putchar(':');
            print_value(&value->members[i].value);
        }
        putchar('}');
        break;
    }
}

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof(path), stdin)) {
        struct qfs_model model = {.dir_fd = -1};
        struct qfs_error error = {0};
        path[strcspn(path, "\n")] = 0;
        int rc = qfs_source_locate(&model, path, &error);
        if (rc == 0)
            rc = qfs_config_load(&model, &error);
        if (rc < 0) {
            printf("{\"error\": ");
            print_string(qfs_text_of(error.text));
        } else {
            printf("{\"auto\": %s, \"config\": ", model.config_auto ? "true" : "false");
            print_value(model.config);
        }
        printf("}\n");
        fflush(stdout);
        if (model.dir_fd >= 0)
            close(model.dir_fd);
        qfs_arena_done(&model.arena);
    }
    return 0;
}
