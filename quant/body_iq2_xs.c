/* body_iq2_xs.c: IQ2_XS. 256 weights in 74 bytes: a half, 16 bits of grid point (9) and signs (7) for
 * each 8 weights, 16 four-bit scales. */
#include "iq2_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq2_xs);

enum { NSUBS = 16, BLOCK_BYTES = 74 };

LANE_TABLE struct iq2_rule rule = {
    .grid = QFS_GRID_IQ2_XS,
    .groups = 2,
    .reach = 9,
    .parity = true,
    .floor = 1e-15f,
    .sigma_factor = 1,
};

/* A block whose scale is zero is all zero. */
LANE_FN void pack(int b, struct iq2_tile *tile, uint8_t *block)
{
    uint8_t codes[NSUBS];
    const float d = iq2_tile_scale(&rule, b, tile, codes);
    f16_store(block, d);
    for (int g = 0; g < 2 * NSUBS; g++) {
        const int point = tile->found[b * NSUBS + g / 2].point[g % 2];
        const int sign = tile->signs[2 * b * NSUBS + g];
        const uint16_t bits = d != 0 ? (uint16_t)(point | sign << 9) : 0;
        memcpy(block + 2 + 2 * g, &bits, sizeof(bits));
    }
    for (int sub = 0; sub < NSUBS; sub += 2)
        block[66 + sub / 2] = (uint8_t)(codes[sub] | codes[sub + 1] << 4);
}

LANE_KERNEL void QFS_KERNEL(quantize_iq2_xs)(const float *x, void *blocks, int64_t nrows,
                                             int64_t row_size, const float *imatrix, void *scratch)
{
    iq2_quantize(&rule, pack, BLOCK_BYTES, x, blocks, nrows, row_size, imatrix, scratch);
}
