/* body_tq2_0.c: TQ2_0. A block of 256 weights is rounded to -1, 0, 1 of its largest magnitude, a
 * half at its end; four codes of 2 bits, 32 weights apart, share a byte. */
#include "small_blocks.h"
#include "ternary.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_tq2_0);

enum { BLOCK_BYTES = 66, D = 64 };

LANE_STATIC void block_store(const uint8_t *codes, uint16_t half, uint8_t *block)
{
    for (int part = 0; part < 2; part++) {
        const uint8_t *a = codes + part * 128;
        for (int i = 0; i < 32; i++)
            block[part * 32 + i] =
                (uint8_t)(a[i] | a[i + 32] << 2 | a[i + 64] << 4 | a[i + 96] << 6);
    }
    memcpy(block + D, &half, sizeof(half));
}

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    ternary_blocks(x, blocks, BLOCK_BYTES, block_store);
}

LANE_KERNEL void QFS_KERNEL(quantize_tq2_0)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / TERNARY_BLOCK), TERNARY_BLOCK, BLOCK_BYTES,
                      scratch, blocks_quantize);
}
