/* body_q4_0.c: Q4_0. A block of 32 weights: a half d and 32 codes of 4 bits, x ~ d * (code - 8).
 * Byte i holds codes i and i + 16. */
#include "search_qx.h"
#include "small_blocks.h"
#include "weighted_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q4_0);

enum { BLOCK = 32, BLOCK_BYTES = 18, NMAX = 8 };

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    /* a denormal d: the reference's infinities become code 0 */
    lm huge;
    const lf d = small_blocks_extreme(x, BLOCK) / lf_set(-8.f);
    float inverse[QFS_LANES], add[QFS_LANES];
    int32_t half[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    lf_store(add, lf_select(huge, lf_set(0.f), lf_set(8.5f)));
    halves_store(half, d);
    for (int k = 0; k < QFS_LANES; k++) {
        const lf id = lf_set(inverse[k]), offset = lf_set(add[k]);
        uint8_t *block = blocks + k * BLOCK_BYTES;
        half_copy(block, &half[k]);
        for (int i = 0; i < 16; i += QFS_LANES) {
            const float *from = x + k * BLOCK + i;
            const li low = li_min(li_set(15), li_trunc(lf_load(from) * id + offset));
            const li high = li_min(li_set(15), li_trunc(lf_load(from + 16) * id + offset));
            li_store_u8(block + 2 + i, low | (high << 4));
        }
    }
}

/* QFS_LANES blocks */
LANE_FN void weighted_group(const lf *x, const lf *w, uint8_t *blocks)
{
    const struct qx_found found = qx_search(BLOCK, NMAX, x, w);
    li codes[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        codes[i] = qx_code(x[i], found.iscale, NMAX);
    int32_t half[QFS_LANES];
    halves_store(half, found.scale);
    for (int k = 0; k < QFS_LANES; k++)
        half_copy(blocks + k * BLOCK_BYTES, &half[k]);
    nibbles_store(codes, codes + 16, blocks + 2, BLOCK_BYTES);
}

LANE_STATIC void weighted_tile_quantize(struct qkx_wave *wave, uint8_t *blocks)
{
    for (int g = 0; g < QKX_GROUPS; g++)
        weighted_group(wave->x[g], wave->w[g], blocks + g * QFS_LANES * BLOCK_BYTES);
}

LANE_KERNEL void QFS_KERNEL(quantize_q4_0)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    if (imatrix)
        weighted_blocks_each(x, blocks, nrows, row_size, imatrix, BLOCK_BYTES, scratch,
                             weighted_tile_quantize);
    else
        small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                          blocks_quantize);
}
