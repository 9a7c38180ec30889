/* k_header.h: the header of Q4_K and Q5_K: two halves d and dmin, then eight 6-bit scales and eight
 * 6-bit minima in 12 bytes. */
#ifndef QUANTFS_K_HEADER_H
#define QUANTFS_K_HEADER_H

#include "k_tile.h"

enum { K_HEADER_BYTES = 16, K_HEADER_SUBS = 8 };

/* Bits of `a` and, above them, two bits of `b` >> 4: how the first four share bytes with the last.
 */
LANE_FN li k_header_byte(li a, li b)
{
    return (a | ((b >> 4) << 6)) & li_set(255);
}

/* `clamp`: codes above 63 become 63 even when importances chose them (Q5_K). */
LANE_FN void k_headers(const struct k_scales *scales, bool weighted, bool clamp, int block_bytes,
                       int nblocks, uint8_t *blocks, struct k_codes *codes)
{
    li l[QP_BOTH][QP_MAX];
    lf unit[QP_BOTH];
    if (weighted) {
        lf both[QP_BOTH][QP_MAX];
        memcpy(both, scales->both, sizeof(both));
        qp_search(K_HEADER_SUBS, 63, both, scales->weight, l, unit);
    } else {
        k_round_plain(K_HEADER_SUBS, 63, scales, l, unit);
    }
    /* a negative code is a byte above 63 to the reference */
    for (int p = 0; p < QP_BOTH; p++)
        for (int j = 0; j < K_HEADER_SUBS; j++) {
            l[p][j] = l[p][j] & li_set(255);
            if (clamp || !weighted)
                l[p][j] = li_min(l[p][j], li_set(63));
        }

    const li d = li_f16_from(unit[0]), dmin = li_f16_from(unit[1]);
    li words[4] = {d | (dmin << 16), li_set(0), li_set(0), li_set(0)};
    lf scale = lf_from_f16(d), min = lf_from_f16(dmin);
    for (int j = 0; j < 4; j++) {
        const li first = k_header_byte(l[0][j], l[0][j + 4]);
        const li second = k_header_byte(l[1][j], l[1][j + 4]);
        const li third = (l[0][j + 4] & li_set(15)) | ((l[1][j + 4] & li_set(15)) << 4);
        words[1] = words[1] | (first << (8 * j));
        words[2] = words[2] | (second << (8 * j));
        words[3] = words[3] | (third << (8 * j));
        /* what a reader makes of these bytes, which is not what was put in when it was above 63 */
        lf_store(codes->d[j], scale * lf_from_int(first & li_set(63)));
        lf_store(codes->add[j], min * lf_from_int(second & li_set(63)));
        const li late = (third & li_set(15)) | ((first >> 6) << 4);
        lf_store(codes->d[j + 4], scale * lf_from_int(late));
        lf_store(codes->add[j + 4], min * lf_from_int((third >> 4) | ((second >> 6) << 4)));
    }
    int32_t bytes[4][QFS_LANES];
    for (int w = 0; w < 4; w++)
        li_store(bytes[w], words[w]);
    for (int k = 0; k < nblocks; k++)
        for (int w = 0; w < 4; w++)
            memcpy(blocks + k * block_bytes + 4 * w, &bytes[w][k], 4);
}

/* Importances of a sub-block's weights without an imatrix: root mean square plus |x|. */
LANE_FN void k_weigh_rms(const lf *x, lf *w, int n)
{
    lf sum = lf_set(0.f);
    for (int i = 0; i < n; i++)
        sum = sum + x[i] * x[i];
    const lf rms = lf_sqrt(sum / lf_set((float)n));
    for (int i = 0; i < n; i++)
        w[i] = rms + lf_abs(x[i]);
}

#endif
