/* body_q3_k.c: Q3_K. A super-block of 256 weights is 16 sub-blocks of 16, each with a 6-bit scale
 * in units of one half d: 32 bytes of high bits, 64 of low pairs of bits, 12 of scales, d. */
#include "search_q3.h"
#include "super_block_codes.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q3_k);

enum { BLOCK_BYTES = 110, QS = 32, SCALES = 96, D = 108 };
enum { PLAIN_GROUPS = SUPER_SUBS / QFS_LANES };

/* Scales 0..63, each in two places of the 12 bytes. */
LANE_STATIC void scales_store(const uint8_t *scale, uint8_t *to)
{
    memset(to, 0, 12);
    for (int j = 0; j < 8; j++)
        to[j] = (uint8_t)((scale[j] & 15) | (scale[j + 8] & 15) << 4);
    for (int j = 0; j < SUPER_SUBS; j++)
        to[8 + j % 4] |= (uint8_t)(scale[j] >> 4 << 2 * (j / 4));
}

LANE_STATIC void codes_pack(const uint8_t *codes, uint8_t *block)
{
    for (int i = 0; i < 32; i++) {
        uint8_t bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= (uint8_t)(codes[i + 32 * k] >> 2 << k);
        block[i] = bits;
    }
    for (int half = 0; half < 2; half++) {
        const uint8_t *a = codes + half * 128;
        for (int i = 0; i < 32; i++)
            block[QS + half * 32 + i] = (uint8_t)((a[i] & 3) | (a[i + 32] & 3) << 2 |
                                                  (a[i + 64] & 3) << 4 | a[i + 96] << 6);
    }
}

/* Header and codes; for sub-blocks whose rounded scale is zero, codes are there already. */
LANE_STATIC void block_finish(const float *x, uint16_t half, const uint8_t *scale, uint8_t *codes,
                              uint8_t *block)
{
    const float d = f16_to_float(half);
    memcpy(block + D, &half, sizeof(half));
    scales_store(scale, block + SCALES);
    for (int j = 0; j < SUPER_SUBS; j++) {
        const float sub_d = d * (float)(scale[j] - 32);
        if (sub_d != 0)
            sub_codes_scaled(x + j * SUPER_SUB, sub_d, Q3_NMAX, codes + j * SUPER_SUB);
    }
    codes_pack(codes, block);
}

/* -- without importances ----------------------------------------------------------------------- */

LANE_STATIC void plain_header(const float *sub_scale, uint16_t *ret_half, uint8_t *ret_scale)
{
    float max = 0, max_magnitude = 0;
    for (int j = 0; j < SUPER_SUBS; j++) {
        const float magnitude = __builtin_fabsf(sub_scale[j]);
        if (magnitude > max_magnitude) {
            max_magnitude = magnitude;
            max = sub_scale[j];
        }
    }
    *ret_half = 0;
    memset(ret_scale, 0, SUPER_SUBS);
    if (max == 0)
        return;
    const float iscale = -32.f / max;
    for (int j = 0; j < SUPER_SUBS; j++) {
        const int l = (int8_t)nearest_int(iscale * sub_scale[j]);
        ret_scale[j] = (uint8_t)((l < -32 ? -32 : l > 31 ? 31 : l) + 32);
    }
    *ret_half = f16_from_float(1 / iscale);
}

/* Codes as the search left them, where a rounded scale is zero. */
LANE_STATIC void plain_codes(const struct q3_state *groups, uint16_t half, const uint8_t *scale,
                             uint8_t *codes)
{
    const float d = f16_to_float(half);
    for (int j = 0; j < SUPER_SUBS; j++)
        for (int i = 0; d * (float)(scale[j] - 32) == 0 && i < Q3_N; i++) {
            float lanes[QFS_LANES];
            lf_store(lanes, groups[j / QFS_LANES].l[i]);
            codes[j * SUPER_SUB + i] = (uint8_t)((int)lanes[j % QFS_LANES] + Q3_NMAX);
        }
}

LANE_STATIC void plain_block(const float *x, uint8_t *block)
{
    struct q3_state groups[PLAIN_GROUPS];
    float sub_scale[SUPER_SUBS];
    uint16_t half;
    uint8_t scale[SUPER_SUBS], codes[SUPER_BLOCK];
    for (int g = 0; g < PLAIN_GROUPS; g++)
        lf_store(sub_scale + g * QFS_LANES, q3_search(x + g * QFS_LANES * Q3_N, &groups[g]));
    plain_header(sub_scale, &half, scale);
    plain_codes(groups, half, scale, codes);
    block_finish(x, half, scale, codes, block);
}

/* -- with importances: lanes are sub-blocks first, then super-blocks ------------------------------
 */

enum { TILE_BLOCKS = QFS_LANES, TILE_SUBS = TILE_BLOCKS * SUPER_SUBS };

struct subs {
    float scale[TILE_SUBS], iscale[TILE_SUBS], weight[TILE_SUBS];
};

LANE_FN void weighted_search(const float *x, const float *imatrix, float sigma2, int at,
                             struct subs *subs)
{
    for (int sub = 0; sub < SUPER_SUBS; sub += QFS_LANES) {
        lf xs[SUPER_SUB], ws[SUPER_SUB], sum = lf_set(0.f);
        lf_transpose(x + sub * SUPER_SUB, SUPER_SUB, SUPER_SUB, xs);
        lf_transpose(imatrix + sub * SUPER_SUB, SUPER_SUB, SUPER_SUB, ws);
        for (int i = 0; i < SUPER_SUB; i++) {
            ws[i] = ws[i] * lf_sqrt(lf_set(sigma2) + xs[i] * xs[i]);
            sum = sum + ws[i];
        }
        const struct qx_found found = qx_search(SUPER_SUB, Q3_NMAX, xs, ws);
        lf_store(subs->scale + at + sub, found.scale);
        lf_store(subs->iscale + at + sub, found.iscale);
        lf_store(subs->weight + at + sub, sum);
    }
}

/* `x` has QFS_LANES super-blocks, of which `count` are wanted. */
LANE_STATIC void weighted_tile(const float *x, int count, const float *imatrix, uint8_t *blocks)
{
    struct subs subs = {0};
    float sigma2[TILE_BLOCKS];
    lf_store(sigma2, super_blocks_squares(x));
    for (int b = 0; b < count; b++)
        weighted_search(x + b * SUPER_BLOCK, imatrix + b * SUPER_BLOCK, sigma2[b], b * SUPER_SUBS,
                        &subs);

    lf scales[SUPER_SUBS], weights[SUPER_SUBS];
    lf_transpose(subs.scale, SUPER_SUBS, SUPER_SUBS, scales);
    lf_transpose(subs.weight, SUPER_SUBS, SUPER_SUBS, weights);
    const struct qx_found found = qx_search(SUPER_SUBS, 32, scales, weights);
    int32_t half[TILE_BLOCKS], rounded[SUPER_SUBS][TILE_BLOCKS];
    li_store(half, li_f16_from(found.scale));
    for (int j = 0; j < SUPER_SUBS; j++)
        li_store(rounded[j], qx_code(scales[j], found.iscale, 32));

    for (int b = 0; b < count; b++) {
        uint8_t scale[SUPER_SUBS], codes[SUPER_BLOCK];
        const float *from = x + b * SUPER_BLOCK;
        const float d = f16_to_float((uint16_t)half[b]);
        for (int j = 0; j < SUPER_SUBS; j++) {
            scale[j] = (uint8_t)rounded[j][b];
            if (d * (float)(scale[j] - 32) == 0)
                sub_codes_searched(from + j * SUPER_SUB, subs.iscale[b * SUPER_SUBS + j], Q3_NMAX,
                                   codes + j * SUPER_SUB);
        }
        block_finish(from, (uint16_t)half[b], scale, codes, blocks + b * BLOCK_BYTES);
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_q3_k)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    const int64_t nblocks = nrows * (row_size / SUPER_BLOCK);
    uint8_t *to = (uint8_t *)blocks;
    for (int64_t b = 0; !imatrix && b < nblocks; b++)
        plain_block(x + b * SUPER_BLOCK, to + b * BLOCK_BYTES);
    float *tile = (float *)scratch, *tile_imatrix = tile + TILE_BLOCKS * SUPER_BLOCK;
    for (int64_t b = 0; imatrix && b < nblocks; b += TILE_BLOCKS) {
        const int count = nblocks - b < TILE_BLOCKS ? (int)(nblocks - b) : TILE_BLOCKS;
        const float *from = super_blocks_fill(x + b * SUPER_BLOCK, count, TILE_BLOCKS, tile);
        super_blocks_importances(imatrix, row_size, b, count, tile_imatrix);
        weighted_tile(from, count, tile_imatrix, to + b * BLOCK_BYTES);
    }
}
