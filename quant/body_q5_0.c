/* body_q5_0.c: Q5_0. A block of 32 weights: a half d, the codes' fifth bits as one word of 32, and
 * their low 4 bits, x ~ d * (code - 16). Byte i holds codes i and i + 16. */
#include "search_qx.h"
#include "small_blocks.h"
#include "weighted_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q5_0);

enum { BLOCK = 32, BLOCK_BYTES = 22, NMAX = 16 };

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    /* a denormal d: the reference's infinities become code 0 */
    lm huge;
    const lf d = small_blocks_extreme(x, BLOCK) / lf_set(-16.f);
    float inverse[QFS_LANES], add[QFS_LANES];
    int32_t half[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    lf_store(add, lf_select(huge, lf_set(0.f), lf_set(16.5f)));
    halves_store(half, d);
    for (int k = 0; k < QFS_LANES; k++) {
        const lf id = lf_set(inverse[k]), offset = lf_set(add[k]);
        uint8_t *block = blocks + k * BLOCK_BYTES;
        uint32_t fifth = 0;
        half_copy(block, &half[k]);
        for (int i = 0; i < 16; i += QFS_LANES) {
            const float *from = x + k * BLOCK + i;
            const li low = li_min(li_set(31), li_trunc(lf_load(from) * id + offset));
            const li high = li_min(li_set(31), li_trunc(lf_load(from + 16) * id + offset));
            li_store_u8(block + 6 + i, (low & li_set(15)) | ((high & li_set(15)) << 4));
            fifth |= lm_bits(li_gt(low, li_set(15))) << i;
            fifth |= lm_bits(li_gt(high, li_set(15))) << (16 + i);
        }
        memcpy(block + 2, &fifth, sizeof(fifth));
    }
}

/* QFS_LANES blocks */
LANE_FN void weighted_group(const lf *x, const lf *w, uint8_t *blocks)
{
    const struct qx_found found = qx_search(BLOCK, NMAX, x, w);
    li codes[BLOCK], fifth = li_set(0);
    for (int i = 0; i < BLOCK; i++) {
        const li code = qx_code(x[i], found.iscale, NMAX);
        fifth = fifth | (li_of(lu_of(code) >> 4) << i);
        codes[i] = code & li_set(15);
    }
    int32_t half[QFS_LANES], word[QFS_LANES];
    halves_store(half, found.scale);
    li_store(word, fifth);
    for (int k = 0; k < QFS_LANES; k++) {
        half_copy(blocks + k * BLOCK_BYTES, &half[k]);
        memcpy(blocks + k * BLOCK_BYTES + 2, &word[k], 4);
    }
    nibbles_store(codes, codes + 16, blocks + 6, BLOCK_BYTES);
}

LANE_STATIC void weighted_tile_quantize(struct qkx_wave *wave, uint8_t *blocks)
{
    for (int g = 0; g < QKX_GROUPS; g++)
        weighted_group(wave->x[g], wave->w[g], blocks + g * QFS_LANES * BLOCK_BYTES);
}

LANE_KERNEL void QFS_KERNEL(quantize_q5_0)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    if (imatrix)
        weighted_blocks_each(x, blocks, nrows, row_size, imatrix, BLOCK_BYTES, scratch,
                             weighted_tile_quantize);
    else
        small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                          blocks_quantize);
}
