/* Private to the quant room: what one worker owns, and reading a recipe's elements. */
#ifndef QUANTFS_QUANT_WORKER_H
#define QUANTFS_QUANT_WORKER_H

#include "quantfs/quant.h"

struct qfs_worker {
    const struct qfs_kernels *kernels;
    uint8_t *source; /* elements of a chunk as the recipe gives them */
    size_t source_size;
    float *tile; /* a few rows as floats */
    size_t tile_size;
    void *scratch; /* QFS_SCRATCH_SIZE bytes for kernels, 64-byte aligned */
};

/* Elements [first, first + count) of a recipe's result, row-major, in its dtype, into `out`. */
int qfs_recipe_read(const struct qfs_kernels *kernels, const struct qfs_model *model,
                    const struct qfs_recipe *recipe, int64_t first, int64_t count, void *out,
                    struct qfs_error *error) QFS_MUST_USE;

/* -EIO when blocks of a GGUF source's tensor hold what llama-quantize refuses. */
int qfs_source_blocks_check(const struct qfs_tensor *tensor, const void *blocks, size_t nbytes,
                            struct qfs_error *error) QFS_MUST_USE;

/* Whole blocks of a quantized type to floats, bit for bit as ggml's to_float. False for a type that
 * is not decoded. dequantize.c */
bool qfs_dequantize(enum qfs_type type, const void *blocks, float *to, int64_t count);

/* `count` elements of `dtype` to floats, rounded to nearest even where floats cannot hold them. */
void qfs_decode(const struct qfs_kernels *kernels, enum qfs_dtype dtype, const void *from,
                float *to, int64_t count);

#endif
