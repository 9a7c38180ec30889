/* body_q6_k.c: Q6_K. A super-block of 256 weights is 16 sub-blocks of 16, each with a signed 8-bit
 * scale in units of one half d: 128 bytes of low nibbles, 64 of high bits, 16 scales, d. */
#include "super_block_codes.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q6_k);

enum { BLOCK_BYTES = 210, QH = 128, SCALES = 192, D = 208, NMAX = 32 };

struct subs {
    float scale[SUPER_SUBS], iscale[SUPER_SUBS];
};

LANE_FN void subs_search(const float *x, const float *imatrix, struct subs *subs)
{
    for (int sub = 0; sub < SUPER_SUBS; sub += QFS_LANES) {
        lf xs[SUPER_SUB], ws[SUPER_SUB];
        lf_transpose(x + sub * SUPER_SUB, SUPER_SUB, SUPER_SUB, xs);
        if (imatrix)
            lf_transpose(imatrix + sub * SUPER_SUB, SUPER_SUB, SUPER_SUB, ws);
        else
            for (int i = 0; i < SUPER_SUB; i++)
                ws[i] = xs[i] * xs[i];
        const struct qx_found found = qx_search(SUPER_SUB, NMAX, xs, ws);
        lf_store(subs->scale + sub, found.scale);
        lf_store(subs->iscale + sub, found.iscale);
    }
}

LANE_STATIC void codes_pack(const uint8_t *codes, uint8_t *block)
{
    for (int half = 0; half < 2; half++) {
        const uint8_t *a = codes + half * 128;
        uint8_t *low = block + half * 64, *high = block + QH + half * 32;
        for (int i = 0; i < 32; i++) {
            low[i] = (uint8_t)((a[i] & 15) | a[i + 64] << 4);
            low[i + 32] = (uint8_t)((a[i + 32] & 15) | a[i + 96] << 4);
            high[i] = (uint8_t)(a[i] >> 4 | a[i + 32] >> 4 << 2 | a[i + 64] >> 4 << 4 |
                                a[i + 96] >> 4 << 6);
        }
    }
}

LANE_STATIC void block_finish(const float *x, const struct subs *subs, uint8_t *block)
{
    float max = 0, max_magnitude = 0;
    for (int j = 0; j < SUPER_SUBS; j++) {
        const float magnitude = __builtin_fabsf(subs->scale[j]);
        if (magnitude > max_magnitude) {
            max_magnitude = magnitude;
            max = subs->scale[j];
        }
    }
    if (max_magnitude < 1e-15f) {
        memset(block, 0, BLOCK_BYTES);
        return;
    }
    const float iscale = -128.f / max;
    f16_store(block + D, 1 / iscale);
    uint16_t half;
    memcpy(&half, block + D, sizeof(half));
    const float d = f16_to_float(half);
    uint8_t codes[SUPER_BLOCK];
    for (int j = 0; j < SUPER_SUBS; j++) {
        const int l = nearest_int(iscale * subs->scale[j]);
        const int8_t scale = (int8_t)(l < 127 ? l : 127);
        const float sub_d = d * (float)scale;
        block[SCALES + j] = (uint8_t)scale;
        if (sub_d != 0)
            sub_codes_scaled(x + j * SUPER_SUB, sub_d, NMAX, codes + j * SUPER_SUB);
        else
            sub_codes_searched(x + j * SUPER_SUB, subs->iscale[j], NMAX, codes + j * SUPER_SUB);
    }
    codes_pack(codes, block);
}

LANE_KERNEL void QFS_KERNEL(quantize_q6_k)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    (void)scratch;
    const int64_t nblocks = nrows * (row_size / SUPER_BLOCK);
    for (int64_t b = 0; b < nblocks; b++) {
        struct subs subs;
        const float *from = x + b * SUPER_BLOCK;
        if (imatrix)
            subs_search(from, imatrix + b * SUPER_BLOCK % row_size, &subs);
        else
            subs_search(from, NULL, &subs);
        block_finish(from, &subs, (uint8_t *)blocks + b * BLOCK_BYTES);
    }
}
