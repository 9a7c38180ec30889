/* The general.* keys that qfs_metadata_add finds, for metadata_differential.py. Each line of standard input is
 * "DIRECTORY NPARAMS SHARED EXPERT NEXPERTS"; each line printed is {"keys": [[key, type, value], ...]},
 * or {"error": "..."}. Values are in hexadecimal, as in the file. */
#include "quantfs/arch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            putchar(*text);
    }
    putchar('"');
}

static int find(struct qfs_model *model, struct qfs_conversion *out, char *line,
                struct qfs_error *error)
{
    unsigned long long n[3];
    long long nexperts;
    char *fields = strrchr(line, '\t');
    int rc;
    if (!fields || sscanf(fields, "\t%llu %llu %llu %lld", &n[0], &n[1], &n[2], &nexperts) != 4)
        return qfs_fail(error, EINVAL, "not DIRECTORY, tab, four numbers");
    *fields = 0;
    if ((rc = qfs_source_locate(model, line, error)) < 0 ||
        (rc = qfs_config_load(model, error)) < 0 ||
        (rc = qfs_generation_config_load(model, error)) < 0 ||
        (rc = qfs_card_load(model, error)) < 0)
        return rc;
    uint64_t nparams[3] = {n[0], n[1], n[2]};
    return qfs_metadata_add(out, nparams, nexperts, error);
}

int main(void)
{
    char line[8192];
    while (fgets(line, sizeof(line), stdin)) {
        struct qfs_model model = {.dir_fd = -1};
        struct qfs_conversion out = {.model = &model};
        struct qfs_error error = {0};
        out.kvs.arena = &out.arena;
        int rc = find(&model, &out, line, &error);
        if (rc < 0) {
            printf("{\"error\": ");
            print_json_text(error.text);
        } else {
            printf("{\"keys\": [");
            for (size_t i = 0; i < out.kvs.count; i++) {
                printf("%s[", i ? "," : "");
                print_json_text(out.kvs.items[i].key);
                printf(",%d,\"", out.kvs.items[i].type);
                for (size_t k = 0; k < out.kvs.items[i].size; k++)
                    printf("%02x", out.kvs.items[i].data[k]);
                printf("\"]");
            }
            printf("]");
        }
        printf("}\n");
        fflush(stdout);
        if (model.dir_fd >= 0)
            close(model.dir_fd);
        qfs_arena_done(&out.arena);
        qfs_arena_done(&model.arena);
    }
    return 0;
}
