/* search_qx.h: the search for a scale alone, x ~ scale * l with codes l in -nmax..nmax-1, as the
 * reference's make_qx_quants does it (with its weights, or x * x). One lane is one sub-block.
 *
 * Beside the first guess, which maps the weight of largest magnitude to -nmax, 18 others map it to
 * -(nmax - 0.9) .. -(nmax + 0.9). They do not depend on each other: several are summed side by
 * side, so that one's ordered sum hides the other's latency; which of them wins is decided in their
 * order. */
#ifndef QUANTFS_SEARCH_QX_H
#define QUANTFS_SEARCH_QX_H

#include "lanes.h"

struct qx_found {
    lf scale;
    lf iscale; /* the codes are those of qx_code; 0 in dead sub-blocks, whose codes are all -nmax */
};

enum { QX_TRIES = 18, QX_GROUP = QFS_LANES == 16 ? 6 : 3 };

/* nearest(iscale * x) in -nmax..nmax-1. `step` is the try, -9..9: a magnitude of at most nmax +
 * step / 10 comes in, so that below 5 none rounds to less than -nmax, and below -5 none to more
 * than nmax - 1. */
LANE_FN lf qx_round(lf x, lf iscale, int nmax, int step)
{
    lf l = (iscale * x + lf_set(LANE_ROUND)) - lf_set(LANE_ROUND);
    if (step >= 5)
        l = lf_max(l, lf_set((float)-nmax));
    if (step >= -5)
        l = lf_min(l, lf_set((float)(nmax - 1)));
    return l;
}

/* a code for writing, 0..2 * nmax - 1 */
LANE_FN li qx_code(lf x, lf iscale, int nmax)
{
    const li l = li_nearest(iscale * x);
    const li code = li_max(li_set(-nmax), li_min(li_set(nmax - 1), l)) + li_set(nmax);
    return li_select(lf_eq(iscale, lf_set(0.f)), li_set(0), code);
}

/* `w`: weights of the n values x. */
LANE_FN struct qx_found qx_search(int n, int nmax, const lf *x, const lf *w)
{
    const lf zero = lf_set(0.f);
    lf wx[32], max = zero, amax = zero;
    for (int i = 0; i < n; i++) {
        const lf magnitude = lf_abs(x[i]);
        const lm more = lf_gt(magnitude, amax);
        amax = lf_select(more, magnitude, amax);
        max = lf_select(more, x[i], max);
        wx[i] = w[i] * x[i];
    }
    const lm dead = lf_lt(amax, lf_set(1e-15f));

    struct qx_found found = {.iscale = lf_set((float)-nmax) / max};
    lf sum_lx = zero, sum_l2 = zero;
    for (int i = 0; i < n; i++) {
        const lf l = qx_round(x[i], found.iscale, nmax, 0);
        sum_lx = sum_lx + wx[i] * l;
        sum_l2 = sum_l2 + w[i] * l * l;
    }
    found.scale = lf_select(lf_ne(sum_l2, zero), sum_lx / sum_l2, zero);
    lf best = found.scale * sum_lx;
    LANE_UNROLL(16)
    for (int first = 0; first < QX_TRIES; first += QX_GROUP) {
        lf iscale[QX_GROUP], lx[QX_GROUP], l2[QX_GROUP];
        LANE_UNROLL(16)
        for (int t = 0; t < QX_GROUP; t++) {
            const int step = first + t < 9 ? first + t - 9 : first + t - 8;
            iscale[t] = lf_set(-((float)nmax + 0.1f * (float)step)) / max;
            lx[t] = l2[t] = zero;
        }
        for (int i = 0; i < n; i++) {
            LANE_UNROLL(16)
            for (int t = 0; t < QX_GROUP; t++) {
                const int step = first + t < 9 ? first + t - 9 : first + t - 8;
                const lf l = qx_round(x[i], iscale[t], nmax, step);
                lx[t] = lx[t] + wx[i] * l;
                l2[t] = l2[t] + w[i] * l * l;
            }
        }
        LANE_UNROLL(16)
        for (int t = 0; t < QX_GROUP; t++) {
            const lm better = lm_and(lf_gt(l2[t], zero), lf_gt(lx[t] * lx[t], best * l2[t]));
            const lf scale = lx[t] / l2[t];
            found.scale = lf_select(better, scale, found.scale);
            best = lf_select(better, scale * lx[t], best);
            found.iscale = lf_select(better, iscale[t], found.iscale);
        }
    }
    found.scale = lf_select(dead, zero, found.scale);
    found.iscale = lf_select(dead, zero, found.iscale);
    return found;
}

#endif
