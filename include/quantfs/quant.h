/* quant: bytes of a tensor's rows. Kernels turn rows of floats into blocks, bit for bit as
 * llama.cpp's ggml_quantize_chunk does on x86-64; produce.c decodes source rows and calls them. */
#ifndef QUANTFS_QUANT_H
#define QUANTFS_QUANT_H

#include "quantfs/base.h"
#include "quantfs/gguf.h"
#include "quantfs/kernels.h"

/* -- measuring ----------------------------------------------------------------------------------- */

/* libggml-base's ggml_quantize_chunk. */
typedef size_t qfs_reference_fn(int type, const float *from, void *to, int64_t start, int64_t nrows,
                                int64_t row_size, const float *imatrix);

enum qfs_bench_imatrix {
    QFS_BENCH_NO_IMATRIX,
    QFS_BENCH_IMATRIX, /* uniform^4, as activations' squares are spread */
    QFS_BENCH_TIES,    /* the same with a third of it zeros: many equal candidates */
};

struct qfs_bench_case {
    enum qfs_type type;
    enum qfs_isa isa;
    enum qfs_bench_imatrix imatrix;
    qfs_reference_fn *reference; /* NULL: ours alone */
    unsigned effort_ms;          /* thread time to spend on each side, about; 0: 200 */
};

struct qfs_bench_result {
    double weights_per_s;           /* ours, one thread: the best of several short runs */
    double reference_weights_per_s; /* the same for the reference in turns with ours; 0 without */
};

/* Times one kernel on Gaussian BF16 rows of 4096, in this thread's CPU time. -ENOTSUP where the machine
 * lacks the instruction set or the type its kernel. */
int qfs_bench_run(const struct qfs_bench_case *bench, struct qfs_bench_result *ret_result,
                  struct qfs_error *error) QFS_MUST_USE;
/* llama-quantize refuses these types without an imatrix; the reference must not be called so. */
bool qfs_type_requires_imatrix(enum qfs_type type);

/* Fills `x` with `count` floats of about normal distribution, deviation `sigma`, rounded to BF16; the
 * same on every machine. *state is any number and moves on. */
void qfs_gauss_fill(uint64_t *state, float sigma, float *x, int64_t count);
uint64_t qfs_random(uint64_t *state); /* splitmix64 */

/* -- producing ------------------------------------------------------------------------------------
 */

/* A chunk is the unit of work, caching and checksums: this many whole rows of the tensor (the last
 * chunk of a tensor may have fewer), at most 256 Ki weights where a row allows it. Rows count over
 * all of ne[1] * ne[2] * ne[3]. */
int64_t qfs_chunk_rows(const struct qfs_plan_tensor *tensor);

/* What a tensor's chunks depend on, and nothing else: source part's identity, offset and length,
 * recipe and its numbers, intermediate type, type, imatrix, kernel revision. Equal digests mean
 * equal bytes, so views and mounts share chunks by it. */
struct qfs_digest qfs_tensor_identity(const struct qfs_model *model,
                                      const struct qfs_plan_tensor *tensor);

/* The identity of a source file that the tensor comes from; of the first one where it is several. Zero
 * where it comes from none. */
struct qfs_digest qfs_tensor_origin(const struct qfs_model *model,
                                    const struct qfs_plan_tensor *tensor);

/* What one worker owns: decode buffers and kernel scratch. One thread at a time. */
struct qfs_worker;
struct qfs_worker *qfs_worker_new(void); /* NULL: out of memory */
void qfs_worker_free(struct qfs_worker *worker);

/* Computes rows [row, row + nrows) of `tensor` as they stand in the file into `out` (nrows row
 * sizes). Any rows, any order, any thread with its own worker. -EIO with a sentence naming tensor
 * and row for non-finite weights that llama-quantize refuses, or unreadable source; -ESTALE when
 * the source changed. */
int qfs_produce(struct qfs_worker *worker, const struct qfs_model *model,
                const struct qfs_plan_tensor *tensor, int64_t row, int64_t nrows, void *out,
                struct qfs_error *error) QFS_MUST_USE;

/* False when a block of `type` among `nbytes` bytes holds a non-finite scale, as
 * ggml_validate_row_data sees it. */
bool qfs_blocks_finite(enum qfs_type type, const void *blocks, size_t nbytes);

#endif
