/* body_iq4_nl.c: IQ4_NL. A block of 32 weights: a half d and 32 codes of 4 bits, each the number of
 * one of 16 uneven values, x ~ d * value. Byte i holds codes i and i + 16. */
#include "search_iq4.h"
#include "small_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq4_nl);

enum { BLOCK_BYTES = 18 };

/* QFS_LANES blocks; `imatrix`: their importances, or NULL */
LANE_FN void blocks_quantize(const float *x, const float *imatrix, uint8_t *blocks)
{
    lf xs[IQ4_SUB], ws[IQ4_SUB];
    lf_transpose(x, IQ4_SUB, IQ4_SUB, xs);
    if (imatrix) {
        lf sum = lf_set(0.f);
        for (int i = 0; i < IQ4_SUB; i++)
            sum = sum + xs[i] * xs[i];
        const lf sigma2 = sum * lf_set(2.f / IQ4_SUB);
        lf_transpose(imatrix, IQ4_SUB, IQ4_SUB, ws);
        for (int i = 0; i < IQ4_SUB; i++)
            ws[i] = ws[i] * lf_sqrt(sigma2 + xs[i] * xs[i]);
    } else {
        for (int i = 0; i < IQ4_SUB; i++)
            ws[i] = xs[i] * xs[i];
    }
    const lf scale = iq4_search(xs, ws), zero = lf_set(0.f);
    float inverse[QFS_LANES];
    int32_t half[QFS_LANES];
    lf_store(inverse, lf_select(lf_ne(scale, zero), lf_set(1.f) / scale, zero));
    halves_store(half, scale);
    for (int k = 0; k < QFS_LANES; k++) {
        half_copy(blocks + k * BLOCK_BYTES, &half[k]);
        iq4_codes_store(x + k * IQ4_SUB, inverse[k], blocks + k * BLOCK_BYTES + 2);
    }
}

LANE_STATIC void plain_blocks_quantize(const float *x, uint8_t *blocks)
{
    blocks_quantize(x, NULL, blocks);
}

LANE_STATIC void weighted_blocks_quantize(const float *x, const float *imatrix, uint8_t *blocks)
{
    blocks_quantize(x, imatrix, blocks);
}

/* Blocks or importances that do not stand in one piece are brought together in `scratch`. */
LANE_STATIC void weighted_blocks_each(const float *x, uint8_t *blocks, int64_t count,
                                      int64_t row_size, const float *imatrix, void *scratch)
{
    enum { TILE = QFS_LANES * IQ4_SUB };
    float *tile = (float *)scratch, *tile_imatrix = tile + TILE;
    uint8_t *tile_blocks = (uint8_t *)(tile_imatrix + TILE);
    for (int64_t b = 0; b < count; b += QFS_LANES) {
        const float *from = x + b * IQ4_SUB, *importance = imatrix + b * IQ4_SUB % row_size;
        if (b * IQ4_SUB % row_size + TILE > row_size) {
            for (int k = 0; k < QFS_LANES; k++)
                memcpy(tile_imatrix + k * IQ4_SUB, imatrix + (b + k) * IQ4_SUB % row_size,
                       sizeof(float) * IQ4_SUB);
            importance = tile_imatrix;
        }
        if (b + QFS_LANES <= count) {
            weighted_blocks_quantize(from, importance, blocks + b * BLOCK_BYTES);
            continue;
        }
        const size_t rest = (size_t)(count - b);
        memset(tile, 0, sizeof(float) * TILE);
        memcpy(tile, from, sizeof(float) * IQ4_SUB * rest);
        weighted_blocks_quantize(tile, importance, tile_blocks);
        memcpy(blocks + b * BLOCK_BYTES, tile_blocks, BLOCK_BYTES * rest);
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_iq4_nl)(const float *x, void *blocks, int64_t nrows,
                                             int64_t row_size, const float *imatrix, void *scratch)
{
    const int64_t count = nrows * (row_size / IQ4_SUB);
    if (imatrix)
        weighted_blocks_each(x, (uint8_t *)blocks, count, row_size, imatrix, scratch);
    else
        small_blocks_each(x, blocks, count, IQ4_SUB, BLOCK_BYTES, scratch, plain_blocks_quantize);
}
