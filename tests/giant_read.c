/* Times of single reads: giant_read MODEL_DIR IMATRIX|- READS [TYPE OFFSET]…. Of every view that can be made, READS bytes at
 * random places, each in a chunk that nobody has asked for before, on one thread and without a cache;
 * then those that are named. Prints the slowest of each view, and last the slowest of all, in
 * milliseconds. */
#include <quantfs.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Milliseconds of one read; ends the program when it fails. */
static double read_at(struct qfs_view *view, uint64_t offset)
{
    struct qfs_error error = {0};
    uint8_t byte;
    double start = now(CLOCK_PROCESS_CPUTIME_ID);
    if (qfs_view_pread(view, &byte, 1, offset, &error) != 1) {
        fprintf(stderr, "at %llu: %s\n", (unsigned long long)offset, error.text);
        exit(1);
    }
    return now(CLOCK_PROCESS_CPUTIME_ID) - start;
}

static struct qfs_view *open_view(struct qfs_source *source, const char *name)
{
    struct qfs_error error = {0};
    struct qfs_view *view;
    if (qfs_view_open(source, name, &view, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return view;
}

int main(int argc, char **argv)
{
    struct qfs_error error = {0};
    struct qfs_options options = {.no_cache = true, .threads = 1, .memory = 64 << 20};
    struct qfs_source *source;
    uint64_t seed = 1;
    double worst = 0;
    if (argc < 4 || argc % 2)
        return 2;
    if (strcmp(argv[2], "-") != 0)
        options.imatrix = argv[2];
    if (qfs_source_open(argv[1], &options, &source, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < qfs_source_count(source); i++) {
        const struct qfs_view_info *info = qfs_source_view(source, i);
        double slowest = 0, opening = now(CLOCK_MONOTONIC);
        if (info->refused)
            continue;
        struct qfs_view *view = open_view(source, info->name);
        opening = now(CLOCK_MONOTONIC) - opening;
        for (int n = 0; n < atoi(argv[3]); n++) {
            double took = read_at(view, check_random(&seed) % info->size);
            slowest = took > slowest ? took : slowest;
        }
        qfs_view_close(view);
        printf("%-10s opened in %6.1f ms, slowest read %6.1f ms\n", info->type, opening, slowest);
        fflush(stdout);
        worst = slowest > worst ? slowest : worst;
    }
    for (int i = 4; i < argc; i += 2) {
        struct qfs_view *view = open_view(source, argv[i]);
        double took = read_at(view, strtoull(argv[i + 1], NULL, 10));
        qfs_view_close(view);
        printf("%-10s at %s: %.1f ms\n", argv[i], argv[i + 1], took);
        worst = took > worst ? took : worst;
    }
    qfs_source_close(source);
    printf("slowest of all: %.1f ms of processor time\n", worst);
    return 0;
}
