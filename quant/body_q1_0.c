/* body_q1_0.c: Q1_0. A block of 128 weights: a half d, the mean magnitude, and one bit a weight,
 * set where it is not negative. */
#include "small_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q1_0);

enum { BLOCK = 128, BLOCK_BYTES = 18, PART = 32 };

/* 8 bits from 8 weights at a time, or QFS_LANES where those are more */
LANE_FN void signs_store(const float *x, uint8_t *to)
{
    for (int i = 0; i < BLOCK; i += 16) {
        uint32_t bits = 0;
        for (int k = 0; k < 16; k += QFS_LANES)
            bits |= lm_bits(lf_ge(lf_load(x + i + k), lf_set(0.f))) << k;
        to[i / 8] = (uint8_t)bits;
        to[i / 8 + 1] = (uint8_t)(bits >> 8);
    }
}

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    lf sum = lf_set(0.f);
    for (int i = 0; i < BLOCK; i += PART) {
        lf columns[PART];
        lf_transpose(x + i, BLOCK, PART, columns);
        for (int k = 0; k < PART; k++)
            sum = sum + lf_abs(columns[k]);
    }
    int32_t half[QFS_LANES];
    halves_store(half, sum / lf_set((float)BLOCK));
    for (int k = 0; k < QFS_LANES; k++) {
        half_copy(blocks + k * BLOCK_BYTES, &half[k]);
        signs_store(x + k * BLOCK, blocks + k * BLOCK_BYTES + 2);
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_q1_0)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                      blocks_quantize);
}
