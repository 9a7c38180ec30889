/* bench_kernels.c: weights a second of every kernel on this machine, and with a libggml-base named,
 * the ratio to it in the same run.
 *
 *   bench_kernels [--reference LIB] [--type q4_K] [--isa avx2] [--effort MS] */
#include "quantfs/quant.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const imatrix_names[] = {"-", "imatrix", "ties"};

int main(int argc, char **argv)
{
    const char *type_name = NULL, *isa_name = NULL, *library = NULL;
    unsigned effort_ms = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--type") == 0)
            type_name = argv[i + 1];
        else if (strcmp(argv[i], "--isa") == 0)
            isa_name = argv[i + 1];
        else if (strcmp(argv[i], "--reference") == 0)
            library = argv[i + 1];
        else if (strcmp(argv[i], "--effort") == 0)
            effort_ms = (unsigned)atoi(argv[i + 1]);
    }
    qfs_reference_fn *reference = NULL;
    if (library) {
        void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        void *symbol = handle ? dlsym(handle, "ggml_quantize_chunk") : NULL;
        if (!symbol) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        memcpy(&reference, &symbol, sizeof(reference));
    }
    printf("%-8s %-7s %-8s %10s %10s %7s\n", "type", "isa", "weights", "Mw/s", "reference",
           "ratio");
    for (int type = 0; type < QFS_TYPE_COUNT; type++)
        for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
            for (int imatrix = 0; imatrix < 3; imatrix++) {
                const struct qfs_kernels *kernels = qfs_kernels_of((enum qfs_isa)isa);
                if (!kernels || !kernels->quantize[type] ||
                    (isa_name && strcmp(isa_name, kernels->name) != 0) ||
                    (type_name && qfs_type_by_name(type_name) != (enum qfs_type)type))
                    continue;
                const struct qfs_bench_case bench = {(enum qfs_type)type, (enum qfs_isa)isa,
                                                     (enum qfs_bench_imatrix)imatrix, reference,
                                                     effort_ms};
                struct qfs_bench_result result;
                if (qfs_bench_run(&bench, &result, NULL) < 0)
                    continue;
                printf("%-8s %-7s %-8s %10.1f %10.2f %7.2f\n", qfs_type_info(type)->name,
                       kernels->name, imatrix_names[imatrix], result.weights_per_s / 1e6,
                       result.reference_weights_per_s / 1e6,
                       reference ? result.weights_per_s / result.reference_weights_per_s : 0);
                fflush(stdout);
            }
    return 0;
}
