/* quant: bytes of a tensor's rows. Kernels turn rows of floats into blocks, bit for bit as
 * llama.cpp's ggml_quantize_chunk does on x86-64; produce.c decodes source rows and calls them. */
#ifndef QUANTFS_QUANT_H
#define QUANTFS_QUANT_H

#include "quantfs/base.h"
#include "quantfs/gguf.h"

/* -- kernels ----------------------------------------------------------------------------------- */

/* Instruction sets a kernel body is compiled for. SCALAR is the same body with one lane. */
enum qfs_isa {
    QFS_ISA_SCALAR,
    QFS_ISA_SSE2,
    QFS_ISA_AVX2,
    QFS_ISA_AVX512,
    QFS_ISA_NEON,
    QFS_ISA_COUNT,
};

/* Bytes of scratch a kernel may use; callers give it 64-byte aligned. */
enum { QFS_SCRATCH_SIZE = 1 << 20 };

/* Quantizes `nrows` rows of `row_size` floats (a multiple of the type's block) at `x` (any
 * alignment) into consecutive blocks at `blocks`. `imatrix`: `row_size` importances shared by all
 * rows, or NULL. `scratch`: QFS_SCRATCH_SIZE bytes, contents irrelevant. Reads and writes nothing
 * else, allocates nothing, has no state: any number of threads at once. Non-finite input gives some
 * bytes, never a fault; callers check with qfs_blocks_finite. */
typedef void qfs_quantize_fn(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                             const float *imatrix, void *scratch);

/* `count` source elements at `from` (any alignment) to floats and floats to elements. */
typedef void qfs_decode_fn(const void *from, float *to, int64_t count);
typedef void qfs_encode_fn(const float *from, void *to, int64_t count);

struct qfs_kernels {
    const char *name;                          /* "avx512" */
    qfs_quantize_fn *quantize[QFS_TYPE_COUNT]; /* NULL where a type has no kernel yet */
    qfs_decode_fn *decode_f16, *decode_bf16;
    qfs_encode_fn *encode_f16, *encode_bf16; /* rounding as gguf-py (numpy) does: nearest even */
};

/* The best set that this machine (CPU and operating system) and `mask` (bit 1 << isa; ~0u: all)
 * allow; SCALAR is always there. Fixed after the first call, any thread. */
const struct qfs_kernels *qfs_kernels_get(unsigned mask);
bool qfs_isa_usable(enum qfs_isa isa);
/* One set by name for tests and bench, NULL where this machine or build has none. */
const struct qfs_kernels *qfs_kernels_of(enum qfs_isa isa);

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
