/* quantfs bench: what the kernels do on this machine. One thread and all of them, in this machine's
 * instruction sets; with a libggml-base named, in turns with it. */
#include "cli.h"

#include "quantfs/quant.h"

#include <cjson/cJSON.h>
#include <dlfcn.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static const char *const imatrix_names[] = {"-", "imatrix", "ties"};

struct measured {
    struct qfs_bench_result one;
    double all; /* weights a second of all threads together */
};

static int measure(const struct qfs_bench_case *bench, int nthreads, struct measured *ret)
{
    double all = 0;
    int rc = qfs_bench_run(bench, &ret->one, NULL);
    if (rc < 0)
        return rc;
    struct qfs_bench_case ours = *bench;
    ours.reference = NULL;
#pragma omp parallel num_threads(nthreads) reduction(+ : all)
    {
        struct qfs_bench_result result;
        if (qfs_bench_run(&ours, &result, NULL) == 0)
            all += result.weights_per_s;
    }
    ret->all = all;
    return 0;
}

static void print_row(const struct qfs_bench_case *bench, const char *isa, const struct measured *m)
{
    const struct qfs_type_info *type = qfs_type_info(bench->type);
    double rate = m->one.weights_per_s, out = (double)type->block_bytes / type->block_count;
    printf("%-8s %-7s %-8s %9.1f %9.1f %7.2f %7.2f", type->name, isa, imatrix_names[bench->imatrix],
           rate / 1e6, m->all / 1e6, rate * 2 / 1e9, rate * out / 1e9);
    if (m->one.reference_weights_per_s > 0)
        printf(" %10.2f %7.2f", m->one.reference_weights_per_s / 1e6,
               rate / m->one.reference_weights_per_s);
    putchar('\n');
    fflush(stdout);
}

static void add_json(cJSON *rows, const struct qfs_bench_case *bench, const char *isa,
                     const struct measured *m)
{
    const struct qfs_type_info *type = qfs_type_info(bench->type);
    double rate = m->one.weights_per_s, out = (double)type->block_bytes / type->block_count;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "type", type->name);
    cJSON_AddStringToObject(row, "isa", isa);
    cJSON_AddStringToObject(row, "imatrix", imatrix_names[bench->imatrix]);
    cJSON_AddNumberToObject(row, "weights_per_s", rate);
    cJSON_AddNumberToObject(row, "weights_per_s_all_threads", m->all);
    cJSON_AddNumberToObject(row, "bytes_in_per_s", rate * 2);
    cJSON_AddNumberToObject(row, "bytes_out_per_s", rate * out);
    if (m->one.reference_weights_per_s > 0) {
        cJSON_AddNumberToObject(row, "reference_weights_per_s", m->one.reference_weights_per_s);
        cJSON_AddNumberToObject(row, "ratio", rate / m->one.reference_weights_per_s);
    }
    cJSON_AddItemToArray(rows, row);
}

static bool wanted(const struct cli_settings *settings, enum qfs_type type)
{
    for (size_t i = 0; i < settings->nargs; i++)
        if (qfs_type_by_name(settings->args[i]) == type)
            return true;
    return settings->nargs == 0;
}

static int load_reference(const char *path, qfs_reference_fn **ret, struct qfs_error *error)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "ggml_quantize_chunk") : NULL;
    if (!symbol)
        return qfs_fail(error, ENOENT, "%s is no libggml-base: %s", path, dlerror());
    memcpy(ret, &symbol, sizeof(*ret)); /* a function's address, in ISO C's roundabout way */
    return 0;
}

int cmd_bench(struct cli_settings *settings)
{
    qfs_reference_fn *reference = NULL;
    struct qfs_error error = {0};
    cJSON *rows = settings->json ? cJSON_CreateArray() : NULL;
    int nthreads = settings->views.threads ? (int)settings->views.threads : omp_get_max_threads();
    for (size_t i = 0; i < settings->nargs; i++)
        if (qfs_type_by_name(settings->args[i]) == QFS_TYPE_NONE) {
            fprintf(stderr, "quantfs bench: there is no type '%s'\n", settings->args[i]);
            return CLI_USAGE;
        }
    if (settings->reference && load_reference(settings->reference, &reference, &error) < 0)
        return cli_fail(&error);
    if (!rows)
        printf("%-8s %-7s %-8s %9s %9s %7s %7s%s\n", "type", "isa", "weights", "Mw/s", "all Mw/s",
               "GB/s in", "GB/s out", reference ? "  reference   ratio" : "");
    for (int type = 0; type < QFS_TYPE_COUNT; type++)
        for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
            for (int imatrix = 0; imatrix < (int)QFS_COUNT(imatrix_names); imatrix++) {
                const struct qfs_bench_case bench = {.type = (enum qfs_type)type,
                                                     .isa = (enum qfs_isa)isa,
                                                     .imatrix = (enum qfs_bench_imatrix)imatrix,
                                                     .reference = reference};
                const struct qfs_kernels *kernels = qfs_kernels_of((enum qfs_isa)isa);
                struct measured m;
                if (!kernels || !kernels->quantize[type] ||
                    !wanted(settings, (enum qfs_type)type) || measure(&bench, nthreads, &m) < 0)
                    continue;
                if (rows)
                    add_json(rows, &bench, kernels->name, &m);
                else
                    print_row(&bench, kernels->name, &m);
            }
    return rows ? cli_print_json(rows) : CLI_OK;
}
