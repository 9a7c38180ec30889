/* body_q8_0.c: Q8_0. A block of 32 weights: a half d and 32 signed codes, x ~ d * code. */
#include "small_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q8_0);

enum { BLOCK = 32, BLOCK_BYTES = 34 };

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    /* a denormal d: codes come from infinities and are 0 */
    lm huge;
    const lf d = small_blocks_amax(x, BLOCK) / lf_set(127.f);
    float inverse[QFS_LANES];
    int32_t half[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    halves_store(half, d);
    for (int k = 0; k < QFS_LANES; k++) {
        const lf id = lf_set(inverse[k]);
        uint8_t *block = blocks + k * BLOCK_BYTES;
        half_copy(block, &half[k]);
        for (int i = 0; i < BLOCK; i += QFS_LANES)
            li_store_u8(block + 2 + i, li_round(lf_load(x + k * BLOCK + i) * id));
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_q8_0)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                      blocks_quantize);
}
