/* body_tq1_0.c: TQ1_0. A block of 256 weights is rounded to -1, 0, 1 of its largest magnitude, a
 * half at its end; five such digits of base 3 share a byte. */
#include "small_blocks.h"
#include "ternary.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_tq1_0);

enum { BLOCK_BYTES = 54, D = 52 };

/* Bytes of `ndigits` digits each, the first one highest: the digits of byte i stand `stride` apart
 * from code i on. A byte is its number of five digits (missing ones 0) as a fraction of 243, in
 * 256ths rounded up. */
LANE_FN void digits_pack(const uint8_t *codes, int stride, int ndigits, uint8_t *to)
{
    for (int i = 0; i < stride; i++) {
        uint16_t number = codes[i];
        for (int k = 1; k < 5; k++)
            number = (uint16_t)(number * 3 + (k < ndigits ? codes[k * stride + i] : 0));
        to[i] = (uint8_t)((number * 256 + 242) / 243);
    }
}

LANE_STATIC void block_store(const uint8_t *codes, uint16_t half, uint8_t *block)
{
    digits_pack(codes, 32, 5, block);
    digits_pack(codes + 160, 16, 5, block + 32);
    digits_pack(codes + 240, 4, 4, block + 48);
    memcpy(block + D, &half, sizeof(half));
}

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    ternary_blocks(x, blocks, BLOCK_BYTES, block_store);
}

LANE_KERNEL void QFS_KERNEL(quantize_tq1_0)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / TERNARY_BLOCK), TERNARY_BLOCK, BLOCK_BYTES,
                      scratch, blocks_quantize);
}
