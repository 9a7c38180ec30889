/* body_iq3_xxs.c: IQ3_XXS. A super-block of 256 weights: a half, 64 bytes of grid points (one a
 * group of 4), 8 words of a sub-block's signs (7 bits a group of 8, an even number of them set) and
 * 4-bit scale. */
#include "iq3_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq3_xxs);

enum { BLOCK_BYTES = 98, POINTS = 2, WORDS = 66 };

LANE_FN void block_pack(const struct qfs_grid *grid, struct iq3_tile *tile, int b, uint8_t *block)
{
    const float max = iq3_settle_scales(tile, 8 * b);
    memset(block, 0, BLOCK_BYTES);
    if (!max)
        return;
    const float d = max / 31, inverse = 1 / d;
    f16_store(block, d * 1.0125f);
    for (int sub = 0; sub < 8; sub++) {
        const int s = 8 * b + sub;
        const uint32_t signs = tile->signs[s];
        uint32_t word = iq3_scale_code(inverse, tile->scale[s]) << 28;
        if (tile->live[s])
            word |= (signs & 0x7f) | (signs >> 1 & 0x3f80) | (signs >> 2 & 0x1fc000) |
                    (signs >> 3 & 0xfe00000);
        memcpy(block + WORDS + 4 * sub, &word, sizeof(word));
        for (int g = 0; g < IQ3_GROUPS; g++)
            block[POINTS + 8 * sub + g] = (uint8_t)grid->cell[tile->digits[g][s]].point;
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_iq3_xxs)(const float *x, void *blocks, int64_t nrows,
                                              int64_t row_size, const float *imatrix, void *scratch)
{
    static const struct iq3_rule rule = {
        .ntries = 31, .middle = 15, .dead = 1e-8f, .even_signs = true, .keep_on_grid = true};
    iq3_quantize(&rule, qfs_grid_get(QFS_GRID_IQ3_XXS), block_pack, BLOCK_BYTES, x,
                 (uint8_t *)blocks, nrows * row_size / IQ3_BLOCK, row_size, imatrix, scratch);
}
