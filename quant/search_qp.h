/* search_qp.h: rounding a super-block's own scales (or minima) to 0..nmax under weights, as the
 * reference's make_qp_quants does it. */
#ifndef QUANTFS_SEARCH_QP_H
#define QUANTFS_SEARCH_QP_H

#include "lanes.h"

static inline int nearest_int(float value)
{
    const float sum = value + LANE_ROUND;
    int32_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return (bits & 0x007fffff) - 0x00400000;
}

/* Codes go to `codes`; the result is the scale. Codes are bytes, so a negative x wraps around in
 * them while the sums take the number itself, as in the reference. */
static inline float qp_search(int n, int nmax, const float *x, uint8_t *codes, const float *weights)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = max > x[i] ? max : x[i];
    if (max < 1e-15f) {
        memset(codes, 0, (size_t)n);
        return 0.f;
    }
    float iscale = (float)nmax / max;
    const float scale = 1 / iscale;
    float best = 0;
    for (int i = 0; i < n; i++) {
        codes[i] = (uint8_t)nearest_int(iscale * x[i]);
        const float difference = x[i] - scale * (float)codes[i];
        best += weights[i] * difference * difference;
    }
    for (int is = -4; is <= 4; is++) {
        if (is == 0)
            continue;
        const float this_iscale = (0.1f * (float)is + (float)nmax) / max;
        const float this_scale = 1 / this_iscale;
        float error = 0;
        for (int i = 0; i < n; i++) {
            int l = nearest_int(this_iscale * x[i]);
            l = nmax < l ? nmax : l;
            const float difference = x[i] - this_scale * (float)l;
            error += weights[i] * difference * difference;
        }
        if (error < best) {
            best = error;
            iscale = this_iscale;
        }
    }
    float sum_lx = 0, sum_l2 = 0;
    for (int i = 0; i < n; i++) {
        int l = nearest_int(iscale * x[i]);
        l = nmax < l ? nmax : l;
        codes[i] = (uint8_t)l;
        sum_lx += weights[i] * x[i] * (float)l;
        sum_l2 += weights[i] * (float)l * (float)l;
    }
    for (int round = 0; round < 5; round++) {
        bool changed = false;
        for (int i = 0; i < n; i++) {
            const float w = weights[i];
            float lx = sum_lx - w * x[i] * (float)codes[i];
            float l2 = sum_l2 - w * (float)codes[i] * (float)codes[i];
            if (!(lx > 0 && l2 > 0))
                continue;
            int l = nearest_int(x[i] * l2 / lx);
            l = nmax < l ? nmax : l;
            if (l == codes[i])
                continue;
            lx += w * x[i] * (float)l;
            l2 += w * (float)l * (float)l;
            if (lx * lx * sum_l2 > sum_lx * sum_lx * l2) {
                codes[i] = (uint8_t)l;
                sum_lx = lx;
                sum_l2 = l2;
                changed = true;
            }
        }
        if (!changed)
            break;
    }
    return sum_l2 > 0.0f ? sum_lx / sum_l2 : 0.0f;
}

#endif
