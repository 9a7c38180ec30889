/* body_iq2_xxs.c: IQ2_XXS. 256 weights in 66 bytes: a half, then for each 32 weights four grid points
 * (a byte for 8 weights) and 32 bits of four times seven signs and a four-bit scale. */
#include "iq2_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq2_xxs);

enum { NSUBS = 8, BLOCK_BYTES = 66 };

LANE_TABLE struct iq2_rule rule = {
    .grid = QFS_GRID_IQ2_XXS,
    .groups = 4,
    .reach = 6,
    .parity = true,
    .fitted = true,
    .floor = 1e-15f,
    .sigma_factor = 1,
};

/* A block whose scale is zero is all zero. */
LANE_FN void pack(int b, struct iq2_tile *tile, uint8_t *block)
{
    uint8_t codes[NSUBS];
    const float d = iq2_tile_scale(&rule, b, tile, codes);
    f16_store(block, d);
    for (int sub = 0; sub < NSUBS; sub++) {
        const uint16_t *point = tile->found[b * NSUBS + sub].point;
        const uint8_t *sign = tile->signs + 4 * (b * NSUBS + sub);
        uint8_t *out = block + 2 + 8 * sub;
        uint32_t bits = (uint32_t)codes[sub] << 28;
        for (int k = 0; k < 4; k++) {
            out[k] = d != 0 ? (uint8_t)point[k] : 0;
            bits |= d != 0 ? (uint32_t)sign[k] << 7 * k : 0;
        }
        memcpy(out + 4, &bits, sizeof(bits));
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_iq2_xxs)(const float *x, void *blocks, int64_t nrows,
                                              int64_t row_size, const float *imatrix, void *scratch)
{
    iq2_quantize(&rule, pack, BLOCK_BYTES, x, blocks, nrows, row_size, imatrix, scratch);
}
