/* search_iq4.h: the search for a scale to IQ4_NL's and IQ4_XS's sixteen uneven values, as the
 * reference's quantize_row_iq4_nl_impl does it. One lane is one sub-block of 32 weights.
 *
 * Fifteen tries map the weight of largest magnitude to -134 .. -120. From the first to the last a
 * weight's image moves by a ninth of itself, while borders between values lie further apart than
 * that (the closest pair of one sign is 101 and 79). So each weight meets one border at most: its
 * terms of the two sums are made for the value on either side of it, and each try only compares and
 * picks.
 *
 * The reference takes the nearer of two values by two differences; that is a comparison with their
 * middle, which belongs to the upper value (checked for every float up to 256). Values are numbered
 * from the highest here, so that NaN, less than nothing, becomes the highest as in the reference.
 */
#ifndef QUANTFS_SEARCH_IQ4_H
#define QUANTFS_SEARCH_IQ4_H

#include "lanes.h"

enum { IQ4_SUB = 32, IQ4_TRIES = 15, IQ4_GROUP = QFS_LANES == 16 ? 5 : 3 };

/* value[c], from the highest; border[c] is the lowest x of value c */
LANE_TABLE float iq4_value[17] = {113, 89,  69,  53,  38,  25,   13,   1,   -10,
                                  -22, -35, -49, -65, -83, -104, -127, -127};
LANE_TABLE float iq4_border[16] = {
    101, 79,     61,  45.5f, 31.5f, 19,     7,       -4.5f,
    -16, -28.5f, -42, -57,   -74,   -93.5f, -115.5f, -__builtin_inff()};

/* The number c of the value nearest to x: how many borders are above x. */
LANE_FN li iq4_index(lf x)
{
#if QFS_LANES >= 8
    /* four halvings: tables hold the borders of each level */
    LANE_TABLE float third[8] = {79, 19, -28.5f, -93.5f};
    LANE_TABLE float fourth[8] = {101, 61, 31.5f, 7, -16, -42, -74, -115.5f};
    const lm upper = lf_lt(x, lf_set(-4.5f));
    const lm second = lf_lt(x, lf_select(upper, lf_set(-57), lf_set(45.5f)));
    li index = li_count(li_select(upper, li_set(2), li_set(0)), second);
    index = li_count(index + index, lf_lt(x, lf_lookup8(third, index)));
    return li_count(index + index, lf_lt(x, lf_lookup8(fourth, index)));
#else
    li index = li_set(0);
    for (int c = 0; c < 15; c++)
        index = li_count(index, lf_lt(x, lf_set(iq4_border[c])));
    return index;
#endif
}

/* the format's own number: from the lowest */
LANE_FN li iq4_code(lf x)
{
    return li_set(15) - iq4_index(x);
}

struct iq4_terms { /* of the sums of w * q * x and w * q * q, for the values above and below a
                      border */
    lf x[IQ4_SUB], border[IQ4_SUB];
    lf qx_above[IQ4_SUB], qx_below[IQ4_SUB], q2_above[IQ4_SUB], q2_below[IQ4_SUB];
};

LANE_FN lf iq4_search(const lf *x, const lf *w)
{
    const lf zero = lf_set(0.f);
    lf max = zero, amax = zero;
    for (int i = 0; i < IQ4_SUB; i++) {
        const lf magnitude = lf_abs(x[i]);
        const lm more = lf_gt(magnitude, amax);
        amax = lf_select(more, magnitude, amax);
        max = lf_select(more, x[i], max);
    }
    const lm dead = lf_lt(amax, lf_set(1e-15f));

    struct iq4_terms terms;
    const lf first = lf_set(1.f) / (lf_neg(max) / lf_set(-127.f));
    const lf outer = lf_set(-134.f) / max, inner = lf_set(-120.f) / max;
    lf sum_qx = zero, sum_q2 = zero;
    for (int i = 0; i < IQ4_SUB; i++) {
        const lf q = lf_lookup16(iq4_value, iq4_index(first * x[i]));
        sum_qx = sum_qx + w[i] * q * x[i];
        sum_q2 = sum_q2 + w[i] * q * q;
        const li index = iq4_index(lf_max(outer * x[i], inner * x[i]));
        const lf above = lf_lookup16(iq4_value, index), below = lf_lookup16(iq4_value + 1, index);
        terms.x[i] = x[i];
        terms.border[i] = lf_lookup16(iq4_border, index);
        terms.qx_above[i] = w[i] * above * x[i];
        terms.qx_below[i] = w[i] * below * x[i];
        terms.q2_above[i] = w[i] * above * above;
        terms.q2_below[i] = w[i] * below * below;
    }
    lf scale = lf_select(lf_gt(sum_q2, zero), sum_qx / sum_q2, zero);
    lf best = scale * sum_qx;
    for (int from = 0; from < IQ4_TRIES; from += IQ4_GROUP) {
        lf id[IQ4_GROUP], qx[IQ4_GROUP], q2[IQ4_GROUP];
        LANE_UNROLL(16)
        for (int t = 0; t < IQ4_GROUP; t++) {
            id[t] = lf_set((float)(from + t - 134)) / max;
            qx[t] = q2[t] = zero;
        }
        for (int i = 0; i < IQ4_SUB; i++) {
            LANE_UNROLL(16)
            for (int t = 0; t < IQ4_GROUP; t++) {
                const lm below = lf_lt(id[t] * terms.x[i], terms.border[i]);
                qx[t] = qx[t] + lf_select(below, terms.qx_below[i], terms.qx_above[i]);
                q2[t] = q2[t] + lf_select(below, terms.q2_below[i], terms.q2_above[i]);
            }
        }
        LANE_UNROLL(16)
        for (int t = 0; t < IQ4_GROUP; t++) {
            const lm better = lm_and(lf_gt(q2[t], zero), lf_gt(qx[t] * qx[t], best * q2[t]));
            const lf this_scale = qx[t] / q2[t];
            scale = lf_select(better, this_scale, scale);
            best = lf_select(better, this_scale * qx[t], best);
        }
    }
    return lf_select(dead, zero, scale);
}

/* 32 codes for 1 / scale: byte i holds codes i and i + 16 */
LANE_FN void iq4_codes_store(const float *x, float inverse, uint8_t *to)
{
    for (int i = 0; i < 16; i += QFS_LANES) {
        const li low = iq4_code(lf_set(inverse) * lf_load(x + i));
        const li high = iq4_code(lf_set(inverse) * lf_load(x + 16 + i));
        li_store_u8(to + i, low | (high << 4));
    }
}

#endif
