/* kernels: what turns rows of floats into blocks, for each instruction set. It includes nothing of the
 * other rooms, so that the kernels, which take longest to compile, are compiled anew only when they
 * change. */
#ifndef QUANTFS_KERNELS_H
#define QUANTFS_KERNELS_H

#include "quantfs/type.h"

/* Instruction sets a kernel body is compiled for. SCALAR is the same body with one lane. */
enum qfs_isa {
    QFS_ISA_SCALAR,
    QFS_ISA_SSE2,
    QFS_ISA_AVX2,
    QFS_ISA_AVX512,
    QFS_ISA_NEON,
    QFS_ISA_COUNT,
};

/* Bytes of scratch a kernel may use, of any instruction set and with one lane; callers give it 64-byte
 * aligned. */
enum { QFS_SCRATCH_SIZE = 1 << 20, QFS_SCRATCH_ONE_LANE = 128 << 10 };

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

/* Is none of `count` floats (any alignment) infinite or no number? */
typedef bool qfs_finite_fn(const float *x, int64_t count);

struct qfs_kernels {
    const char *name;                          /* "avx512" */
    qfs_quantize_fn *quantize[QFS_TYPE_COUNT]; /* NULL where a type has no kernel yet */
    qfs_decode_fn *decode_f16, *decode_bf16, *decode_e4m3, *decode_e5m2;
    qfs_encode_fn *encode_f16, *encode_bf16; /* rounding as gguf-py (numpy) does: nearest even */
    qfs_finite_fn *finite;
};

/* The best set that this machine (CPU and operating system) and `mask` (bit 1 << isa; ~0u: all)
 * allow; SCALAR is always there. Fixed after the first call, any thread. */
const struct qfs_kernels *qfs_kernels_get(unsigned mask);
bool qfs_isa_usable(enum qfs_isa isa);
/* One set by name for tests and bench, NULL where this machine or build has none. */
const struct qfs_kernels *qfs_kernels_of(enum qfs_isa isa);

#endif
