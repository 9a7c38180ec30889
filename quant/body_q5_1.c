/* body_q5_1.c: Q5_1. A block of 32 weights: halves d and m, the codes' fifth bits as one word of
 * 32, and their low 4 bits, x ~ d * code + m. Byte i holds codes i and i + 16. */
#include "search_qkx.h"
#include "small_blocks.h"
#include "weighted_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q5_1);

enum { BLOCK = 32, BLOCK_BYTES = 24, NMAX = 31 };

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    /* a denormal d: the reference's infinities become code 0, as 0 does */
    lm huge;
    lf min, max;
    small_blocks_range(x, BLOCK, &min, &max);
    const lf d = (max - min) / lf_set((float)NMAX);
    float inverse[QFS_LANES], lowest[QFS_LANES];
    int32_t half[QFS_LANES], half_min[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    lf_store(lowest, min);
    halves_store(half, d);
    halves_store(half_min, min);
    for (int k = 0; k < QFS_LANES; k++) {
        const lf id = lf_set(inverse[k]), from_min = lf_set(lowest[k]), round = lf_set(0.5f);
        uint8_t *block = blocks + k * BLOCK_BYTES;
        uint32_t fifth = 0;
        half_copy(block, &half[k]);
        half_copy(block + 2, &half_min[k]);
        for (int i = 0; i < 16; i += QFS_LANES) {
            const float *from = x + k * BLOCK + i;
            const li low = li_trunc((lf_load(from) - from_min) * id + round);
            const li high = li_trunc((lf_load(from + 16) - from_min) * id + round);
            li_store_u8(block + 8 + i, (low & li_set(15)) | ((high & li_set(15)) << 4));
            fifth |= lm_bits(li_gt(low, li_set(15))) << i;
            fifth |= lm_bits(li_gt(high, li_set(15))) << (16 + i);
        }
        memcpy(block + 4, &fifth, sizeof(fifth));
    }
}

/* QFS_LANES blocks */
LANE_FN void weighted_group(const lf *x, const struct qkx_found *found, uint8_t *blocks)
{
    li codes[BLOCK], fifth = li_set(0);
    for (int i = 0; i < BLOCK; i++) {
        const li code =
            li_trunc(qkx_code(x[i], found->code_iscale, found->code_min, NMAX, QKX_EXACT));
        fifth = fifth | (li_of(lu_of(code) >> 4) << i);
        codes[i] = code & li_set(15);
    }
    int32_t half[QFS_LANES], half_min[QFS_LANES], word[QFS_LANES];
    halves_store(half, found->scale);
    halves_store(half_min, found->min);
    li_store(word, fifth);
    for (int k = 0; k < QFS_LANES; k++) {
        half_copy(blocks + k * BLOCK_BYTES, &half[k]);
        half_copy(blocks + k * BLOCK_BYTES + 2, &half_min[k]);
        memcpy(blocks + k * BLOCK_BYTES + 4, &word[k], 4);
    }
    nibbles_store(codes, codes + 16, blocks + 8, BLOCK_BYTES);
}

LANE_STATIC void weighted_tile_quantize(struct qkx_wave *wave, uint8_t *blocks)
{
    /* from the 27th try on the range is stretched by 0.45 of a step and more */
    const struct qkx_rule rule = {BLOCK, NMAX, -0.9f, 0.05f, 37, 27, false};
    struct qkx_found found[QKX_GROUPS];
    qkx_search(rule, wave, found);
    for (int g = 0; g < QKX_GROUPS; g++)
        weighted_group(wave->x[g], &found[g], blocks + g * QFS_LANES * BLOCK_BYTES);
}

LANE_KERNEL void QFS_KERNEL(quantize_q5_1)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    if (imatrix)
        weighted_blocks_each(x, blocks, nrows, row_size, imatrix, BLOCK_BYTES, scratch,
                             weighted_tile_quantize);
    else
        small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                          blocks_quantize);
}
