/* body_q2_0.c: Q2_0. A block of 64 weights: a half d, the largest magnitude, and 2 bits a weight,
 * round(x / d) + 1. Four neighbours share a byte. */
#include "small_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q2_0);

enum { BLOCK = 64, BLOCK_BYTES = 18 };

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    /* a denormal d: the reference's infinities become code 0, the lowest */
    lm huge;
    const lf d = small_blocks_amax(x, BLOCK);
    float inverse[QFS_LANES];
    int32_t half[QFS_LANES], add[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    li_store(add, li_select(huge, li_set(0), li_set(1)));
    halves_store(half, d);
    for (int k = 0; k < QFS_LANES; k++) {
        const lf id = lf_set(inverse[k]);
        uint8_t codes[BLOCK], *block = blocks + k * BLOCK_BYTES;
        half_copy(block, &half[k]);
        for (int i = 0; i < BLOCK; i += QFS_LANES)
            li_store_u8(codes + i, li_round(lf_load(x + k * BLOCK + i) * id) + li_set(add[k]));
        for (int i = 0; i < BLOCK / 4; i++) {
            /* four codes, one a byte, meet in the top byte: the others' products stay below */
            uint32_t four;
            memcpy(&four, codes + 4 * i, sizeof(four));
            block[2 + i] = (uint8_t)(four * 0x01041040u >> 24);
        }
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_q2_0)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                      blocks_quantize);
}
