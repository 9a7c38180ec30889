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

/* `count` elements of `dtype` to floats, rounded to nearest even where floats cannot hold them. */
void qfs_decode(const struct qfs_kernels *kernels, enum qfs_dtype dtype, const void *from,
                float *to, int64_t count);

#endif
