/* bench.c: how fast a kernel is, and how fast the reference is in the same minute. The two take
 * turns in short runs, timed in this thread's CPU time, and the best run of each counts: on a busy
 * machine the best is what the code can do, the rest is what others took. */
#include "quantfs/quant.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROW_SIZE = 4096, NROWS = 64, NRUNS_MIN = 5 };

uint64_t qfs_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void qfs_gauss_fill(uint64_t *state, float sigma, float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        /* twelve uniforms' sum has deviation 1; integers, so that it is exact everywhere */
        int64_t sum = 0;
        for (int k = 0; k < 3; k++) {
            const uint64_t random = qfs_random(state);
            for (int part = 0; part < 4; part++)
                sum += (int64_t)(random >> (16 * part) & 0xffff) - 32768;
        }
        const float value = (float)sum * (1.f / 65536) * sigma;
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
        memcpy(x + i, &bits, sizeof(bits));
    }
}

bool qfs_type_requires_imatrix(enum qfs_type type)
{
    return type == QFS_TYPE_IQ2_XXS || type == QFS_TYPE_IQ2_XS || type == QFS_TYPE_IQ1_S;
}

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct data {
    float *x, *imatrix;
    uint8_t *blocks;
    void *scratch;
};

static void imatrix_fill(enum qfs_bench_imatrix kind, uint64_t *state, float *imatrix)
{
    for (int i = 0; i < ROW_SIZE; i++) {
        const uint64_t random = qfs_random(state);
        const float u = (float)(random >> 40) * (1.f / (1 << 24));
        imatrix[i] = kind == QFS_BENCH_TIES && (random & 0xffff) % 3 == 0 ? 0.f : u * u * u * u;
    }
}

/* Weights a second over the first `nrows` rows. */
static double ours_run(const struct qfs_bench_case *bench, const struct data *data, int64_t nrows)
{
    qfs_quantize_fn *quantize = qfs_kernels_of(bench->isa)->quantize[bench->type];
    const float *imatrix = bench->imatrix == QFS_BENCH_NO_IMATRIX ? NULL : data->imatrix;
    const double start = thread_seconds();
    quantize(data->x, data->blocks, nrows, ROW_SIZE, imatrix, data->scratch);
    return (double)(nrows * ROW_SIZE) / (thread_seconds() - start);
}

static double reference_run(const struct qfs_bench_case *bench, const struct data *data,
                            int64_t nrows)
{
    const float *imatrix = bench->imatrix == QFS_BENCH_NO_IMATRIX ? NULL : data->imatrix;
    const double start = thread_seconds();
    bench->reference((int)bench->type, data->x, data->blocks, 0, nrows, ROW_SIZE, imatrix);
    return (double)(nrows * ROW_SIZE) / (thread_seconds() - start);
}

/* Rows that take about `seconds` at this speed. */
static int64_t rows_for(double weights_per_s, double seconds)
{
    const double rows = weights_per_s * seconds / ROW_SIZE;
    return rows < 1 ? 1 : rows > NROWS ? NROWS : (int64_t)rows;
}

static void measure(const struct qfs_bench_case *bench, const struct data *data,
                    struct qfs_bench_result *result)
{
    const double effort = 1e-3 * (bench->effort_ms ? bench->effort_ms : 200);
    const double slice = effort / 20;
    /* first calls build grids and are not counted */
    ours_run(bench, data, 1);
    double ours = ours_run(bench, data, 1), reference = 0;
    const int64_t our_rows = rows_for(ours, slice);
    if (bench->reference) {
        reference_run(bench, data, 1);
        reference = reference_run(bench, data, 1);
    }
    const int64_t reference_rows = rows_for(reference, slice);
    double spent[2] = {0};
    for (int run = 0; run < NRUNS_MIN || spent[0] < effort || spent[1] < effort; run++) {
        const double this_ours = ours_run(bench, data, our_rows);
        spent[0] += (double)(our_rows * ROW_SIZE) / this_ours;
        ours = QFS_MAX(ours, this_ours);
        spent[1] += bench->reference ? 0 : effort;
        if (!bench->reference)
            continue;
        const double this_reference = reference_run(bench, data, reference_rows);
        spent[1] += (double)(reference_rows * ROW_SIZE) / this_reference;
        reference = QFS_MAX(reference, this_reference);
    }
    *result = (struct qfs_bench_result){ours, reference};
}

int qfs_bench_run(const struct qfs_bench_case *bench, struct qfs_bench_result *ret_result,
                  struct qfs_error *error)
{
    const struct qfs_kernels *kernels = qfs_kernels_of(bench->isa);
    if (!kernels || !kernels->quantize[bench->type])
        return qfs_fail(error, ENOTSUP, "%s: no kernel of that instruction set on this machine",
                        qfs_type_info(bench->type)->name);
    if (qfs_type_requires_imatrix(bench->type) && bench->imatrix == QFS_BENCH_NO_IMATRIX)
        return qfs_fail(error, ENOTSUP, "%s: needs an importance matrix",
                        qfs_type_info(bench->type)->name);
    struct data data = {
        .x = malloc(sizeof(float) * NROWS * ROW_SIZE),
        .imatrix = malloc(sizeof(float) * ROW_SIZE),
        .blocks = malloc(NROWS * qfs_row_bytes(bench->type, ROW_SIZE)),
        .scratch = aligned_alloc(64, QFS_SCRATCH_SIZE),
    };
    int result = -ENOMEM;
    if (data.x && data.imatrix && data.blocks && data.scratch) {
        uint64_t state = 1;
        qfs_gauss_fill(&state, 0.02f, data.x, NROWS * ROW_SIZE);
        imatrix_fill(bench->imatrix, &state, data.imatrix);
        measure(bench, &data, ret_result);
        result = 0;
    }
    free(data.x);
    free(data.imatrix);
    free(data.blocks);
    free(data.scratch);
    return result ? qfs_fail_memory(error) : 0;
}
