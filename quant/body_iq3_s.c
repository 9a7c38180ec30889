/* body_iq3_s.c: IQ3_S. A super-block of 256 weights: a half, 64 low bytes and 8 bytes of high bits
 * of grid points (one a group of 4), 32 bytes of signs, 4 bytes of 4-bit scales. */
#include "iq3_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq3_s);

enum { BLOCK_BYTES = 110, LOW = 2, HIGH = 66, SIGNS = 74, SCALES = 106 };

LANE_FN void block_pack(const struct qfs_grid *grid, struct iq3_tile *tile, int b, uint8_t *block)
{
    const float max = iq3_settle_scales(tile, 8 * b);
    memset(block, 0, BLOCK_BYTES);
    const float d = max / 31, inverse = 1 / d;
    /* A sub-block of zeros takes no room: the next one's points and signs follow the last's. Only
     * the high bits have their place. */
    uint8_t *low = block + LOW, *signs = block + SIGNS;
    for (int sub = 0; sub < 8; sub++) {
        const int s = 8 * b + sub;
        if (max)
            block[SCALES + sub / 2] |=
                (uint8_t)(iq3_scale_code(inverse, tile->scale[s]) << 4 * (sub % 2));
        if (!tile->live[s])
            continue;
        for (int g = 0; g < IQ3_GROUPS; g++) {
            const int point = grid->cell[tile->digits[g][s]].point;
            *low++ = (uint8_t)point;
            block[HIGH + sub] |= (uint8_t)(point >> 8 << g);
        }
        memcpy(signs, &tile->signs[s], sizeof(tile->signs[s]));
        signs += sizeof(tile->signs[s]);
    }
    if (max)
        f16_store(block, d * 1.033f);
}

LANE_KERNEL void QFS_KERNEL(quantize_iq3_s)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    static const struct iq3_rule rule = {.ntries = 19, .middle = 9};
    iq3_quantize(&rule, qfs_grid_get(QFS_GRID_IQ3_S), block_pack, BLOCK_BYTES, x, (uint8_t *)blocks,
                 nrows * row_size / IQ3_BLOCK, row_size, imatrix, scratch);
}
