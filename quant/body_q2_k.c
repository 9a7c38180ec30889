/* body_q2_k.c: Q2_K, 256 weights in 84 bytes: 16 bytes with a 4-bit scale and a 4-bit minimum for
 * each sub-block of 16, 64 bytes of 2-bit codes (weights 32 apart share a byte), two halves d and
 * dmin. */
#include "k_tile.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q2_k);

enum { NSUBS = 16, SUB = 16, NMAX = 3, BLOCK_BYTES = 84, CODES_AT = 16, UNITS_AT = 80 };

LANE_FN void weigh(const lf *x, lf *w, int n)
{
    for (int i = 0; i < n; i++)
        w[i] = lf_abs(x[i]);
}

LANE_FN void headers(const struct k_scales *scales, bool weighted, int nblocks, uint8_t *blocks,
                     struct k_codes *codes)
{
    li l[QP_BOTH][QP_MAX];
    lf unit[QP_BOTH];
    if (weighted) {
        lf both[QP_BOTH][QP_MAX];
        memcpy(both, scales->both, sizeof(both));
        qp_search(NSUBS, 15, both, scales->weight, l, unit);
    } else {
        k_round_plain(NSUBS, 15, scales, l, unit);
    }
    const li d = li_f16_from(unit[0]), dmin = li_f16_from(unit[1]);
    const lf scale = lf_from_f16(d), min = lf_from_f16(dmin);
    int32_t bytes[NSUBS][QFS_LANES], units[QFS_LANES];
    li_store(units, d | (dmin << 16));
    for (int j = 0; j < NSUBS; j++) {
        /* a negative scale code spills into the minimum's bits, as in the reference */
        const li byte = (l[0][j] | (l[1][j] << 4)) & li_set(255);
        li_store(bytes[j], byte);
        lf_store(codes->d[j], scale * lf_from_int(byte & li_set(15)));
        lf_store(codes->add[j], min * lf_from_int(byte >> 4));
    }
    for (int k = 0; k < nblocks; k++) {
        uint8_t *block = blocks + k * BLOCK_BYTES;
        for (int j = 0; j < NSUBS; j++)
            block[j] = (uint8_t)bytes[j][k];
        memcpy(block + UNITS_AT, &units[k], 4);
    }
}

LANE_FN void pack(const float *x, const struct k_subs *subs, const struct k_codes *codes, int k,
                  uint8_t *block)
{
    uint8_t *q = block + CODES_AT;
    for (int half = 0; half < 2; half++, x += 128, q += 32)
        for (int sub = 0; sub < 2; sub++) {
            struct k_code code[4];
            for (int c = 0; c < 4; c++)
                code[c] = k_code_at(subs, codes, NSUBS, k, 8 * half + 2 * c + sub);
            for (int i = SUB * sub; i < SUB * (sub + 1); i += QFS_LANES) {
                li byte = li_set(0);
                for (int c = 0; c < 4; c++)
                    byte = byte | (k_code_of(lf_load(x + 32 * c + i), code[c], NMAX) << (2 * c));
                li_store_u8(q + i, byte);
            }
        }
}

LANE_KERNEL void QFS_KERNEL(quantize_q2_k)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    const struct k_format format = {NSUBS,
                                    {SUB, NMAX, -0.5f, 0.1f, 16, 10, true},
                                    {SUB, NMAX, -0.9f, 0.05f, 37, 27, false},
                                    BLOCK_BYTES,
                                    weigh,
                                    1.f,
                                    headers,
                                    pack};
    if (imatrix)
        k_quantize(&format, x, blocks, nrows, row_size, imatrix, scratch);
    else
        k_quantize(&format, x, blocks, nrows, row_size, NULL, scratch);
}
