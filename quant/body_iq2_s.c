/* body_iq2_s.c: IQ2_S. 256 weights in 82 bytes: a half, the low bytes of 32 grid points, 32 bytes of
 * signs, the points' ninth and tenth bits, 16 four-bit scales. */
#include "iq2_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq2_s);

enum { NSUBS = 16, BLOCK_BYTES = 82 };

LANE_TABLE struct iq2_rule rule = {
    .grid = QFS_GRID_IQ2_S,
    .groups = 2,
    .reach = 9,
    .parity = false,
    .floor = 1e-8f,
    .sigma_factor = 2,
};

/* A block whose scale is zero keeps its points and signs. */
LANE_FN void pack(int b, struct iq2_tile *tile, uint8_t *block)
{
    uint8_t codes[NSUBS];
    const float d = iq2_tile_scale(&rule, b, tile, codes);
    f16_store(block, d * 0.9875f);
    memset(block + 66, 0, 8);
    for (int g = 0; g < 2 * NSUBS; g++) {
        const int point = tile->found[b * NSUBS + g / 2].point[g % 2];
        block[2 + g] = (uint8_t)point;
        block[34 + g] = tile->signs[2 * b * NSUBS + g];
        block[66 + g / 4] |= (uint8_t)(point >> 8 << 2 * (g % 4));
    }
    for (int sub = 0; sub < NSUBS; sub += 2)
        block[74 + sub / 2] = (uint8_t)(codes[sub] | codes[sub + 1] << 4);
}

LANE_KERNEL void QFS_KERNEL(quantize_iq2_s)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    iq2_quantize(&rule, pack, BLOCK_BYTES, x, blocks, nrows, row_size, imatrix, scratch);
}
