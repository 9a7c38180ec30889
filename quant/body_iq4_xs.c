/* body_iq4_xs.c: IQ4_XS. A super-block of 256 weights is 8 sub-blocks of 32, each with a 6-bit
 * scale in units of one half d, and codes as in IQ4_NL: d, 2 bytes of high and 4 of low bits of
 * scales, 128 of codes. */
#include "fp16.h"
#include "search_iq4.h"
#include "super_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq4_xs);

enum { NSUB = 8, BLOCK_BYTES = 136, QS = 8 };
enum { TILE_BLOCKS = QFS_LANES, TILE_SUBS = TILE_BLOCKS * NSUB };

/* Scales of the sub-blocks of `count` super-blocks; `x` has TILE_BLOCKS of them. */
LANE_FN void tile_search(const float *x, int count, const float *imatrix, float *ret_scale)
{
    float sigma2[TILE_SUBS];
    if (imatrix) {
        float squares[TILE_BLOCKS];
        lf_store(squares, super_blocks_squares(x));
        for (int sub = 0; sub < TILE_SUBS; sub++)
            sigma2[sub] = squares[sub / NSUB];
    }
    for (int sub = 0; sub < count * NSUB; sub += QFS_LANES) {
        lf xs[IQ4_SUB], ws[IQ4_SUB];
        lf_transpose(x + sub * IQ4_SUB, IQ4_SUB, IQ4_SUB, xs);
        if (imatrix)
            lf_transpose(imatrix + sub * IQ4_SUB, IQ4_SUB, IQ4_SUB, ws);
        for (int i = 0; i < IQ4_SUB; i++)
            ws[i] =
                imatrix ? ws[i] * lf_sqrt(lf_load(sigma2 + sub) + xs[i] * xs[i]) : xs[i] * xs[i];
        lf_store(ret_scale + sub, iq4_search(xs, ws));
    }
}

LANE_STATIC void block_finish(const float *x, const float *scale, uint8_t *block)
{
    float max = 0, max_magnitude = 0;
    for (int j = 0; j < NSUB; j++) {
        const float magnitude = __builtin_fabsf(scale[j]);
        if (magnitude > max_magnitude) {
            max_magnitude = magnitude;
            max = scale[j];
        }
    }
    const float d = -max / 32;
    const float inverse = d != 0 ? 1 / d : 0;
    uint16_t high = 0;
    memset(block, 0, QS);
    f16_store(block, d);
    for (int j = 0; j < NSUB; j++) {
        int l = nearest_int(inverse * scale[j]);
        l = l < -32 ? -32 : l > 31 ? 31 : l;
        const float sub_d = d * (float)l;
        iq4_codes_store(x + j * IQ4_SUB, sub_d != 0 ? 1 / sub_d : 0, block + QS + j * IQ4_SUB / 2);
        const unsigned bits = (unsigned)(l + 32);
        block[4 + j / 2] |= (uint8_t)((bits & 15) << 4 * (j % 2));
        high |= (uint16_t)(bits >> 4 << 2 * j);
    }
    memcpy(block + 2, &high, sizeof(high));
}

LANE_KERNEL void QFS_KERNEL(quantize_iq4_xs)(const float *x, void *blocks, int64_t nrows,
                                             int64_t row_size, const float *imatrix, void *scratch)
{
    const int64_t nblocks = nrows * (row_size / SUPER_BLOCK);
    float *tile = (float *)scratch, *tile_imatrix = tile + TILE_BLOCKS * SUPER_BLOCK;
    for (int64_t b = 0; b < nblocks; b += TILE_BLOCKS) {
        const int count = nblocks - b < TILE_BLOCKS ? (int)(nblocks - b) : TILE_BLOCKS;
        const float *from = super_blocks_fill(x + b * SUPER_BLOCK, count, TILE_BLOCKS, tile);
        float scale[TILE_SUBS];
        if (imatrix) {
            super_blocks_importances(imatrix, row_size, b, count, tile_imatrix);
            tile_search(from, count, tile_imatrix, scale);
        } else {
            tile_search(from, count, NULL, scale);
        }
        for (int k = 0; k < count; k++)
            block_finish(from + k * SUPER_BLOCK, scale + k * NSUB,
                         (uint8_t *)blocks + (b + k) * BLOCK_BYTES);
    }
}
