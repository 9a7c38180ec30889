/* search_qkx.h: the search for a sub-block's scale and minimum, x ~ scale * l + min with codes l in
 * 0..nmax, as the reference's make_qkx2_quants and make_qkx3_quants do it. One lane is one
 * sub-block, so each lane adds in the reference's order. */
#ifndef QUANTFS_SEARCH_QKX_H
#define QUANTFS_SEARCH_QKX_H

#include "lanes.h"

struct qkx_rule {
    int n;    /* weights a sub-block */
    int nmax; /* highest code */
    float rmin, rdelta;
    int nstep;    /* tries 0..nstep */
    bool use_mad; /* error is |difference|, not its square */
};

struct qkx_found {
    lf scale, min; /* the result; min is what is subtracted: -minimum >= 0 mostly */
    lf code_iscale,
        code_min; /* the codes of the winning try are nearest(code_iscale * (x - code_min)) */
};

LANE_FN lf qkx_code(lf x, lf iscale, lf min, int nmax)
{
    const li l = li_nearest(iscale * (x - min));
    return lf_from_int(li_max(li_set(0), li_min(li_set(nmax), l)));
}

LANE_FN lf qkx_error(lf x, lf w, lf l, lf scale, lf min, bool use_mad)
{
    const lf difference = scale * l + min - x;
    return w * (use_mad ? lf_abs(difference) : difference * difference);
}

LANE_FN struct qkx_found qkx_search(const struct qkx_rule rule, const lf *x, const lf *w)
{
    lf min = x[0], max = x[0], sum_w = w[0], sum_x = w[0] * x[0];
    for (int i = 1; i < rule.n; i++) {
        min = lf_min(x[i], min);
        max = lf_max(x[i], max);
        sum_w = sum_w + w[i];
        sum_x = sum_x + w[i] * x[i];
    }
    const lf zero = lf_set(0.f);
    min = lf_select(lf_gt(min, zero), zero, min);
    const lm dead = lf_eq(max, min);

    lf iscale = lf_set((float)rule.nmax) / (max - min);
    struct qkx_found found = {lf_set(1.f) / iscale, min, iscale, min};
    const lf first_min = min;
    lf best = zero;
    for (int i = 0; i < rule.n; i++) {
        const lf l = qkx_code(x[i], iscale, min, rule.nmax);
        best = best + qkx_error(x[i], w[i], l, found.scale, min, rule.use_mad);
    }
    for (int is = 0; is <= rule.nstep; is++) {
        iscale = lf_set(rule.rmin + rule.rdelta * (float)is + (float)rule.nmax) / (max - found.min);
        lf sum_l = zero, sum_l2 = zero, sum_xl = zero;
        for (int i = 0; i < rule.n; i++) {
            const lf l = qkx_code(x[i], iscale, found.min, rule.nmax);
            const lf wl = w[i] * l;
            sum_l = sum_l + wl;
            sum_l2 = sum_l2 + wl * l;
            sum_xl = sum_xl + wl * x[i];
        }
        const lf det = sum_w * sum_l2 - sum_l * sum_l;
        const lm solvable = lf_gt(det, zero);
        lf scale = (sum_w * sum_xl - sum_x * sum_l) / det;
        lf this_min = (sum_l2 * sum_x - sum_l * sum_xl) / det;
        const lm positive = lf_gt(this_min, zero);
        this_min = lf_select(positive, zero, this_min);
        scale = lf_select(positive, sum_xl / sum_l2, scale);
        lf error = zero;
        for (int i = 0; i < rule.n; i++) {
            const lf l = qkx_code(x[i], iscale, found.min, rule.nmax);
            error = error + qkx_error(x[i], w[i], l, scale, this_min, rule.use_mad);
        }
        const lm better = lm_and(solvable, lf_lt(error, best));
        best = lf_select(better, error, best);
        found.code_iscale = lf_select(better, iscale, found.code_iscale);
        found.code_min = lf_select(better, found.min, found.code_min);
        found.scale = lf_select(better, scale, found.scale);
        found.min = lf_select(better, this_min, found.min);
    }
    found.scale = lf_select(dead, zero, found.scale);
    found.min = lf_neg(lf_select(dead, first_min, found.min));
    found.code_iscale = lf_select(dead, zero, found.code_iscale);
    found.code_min = lf_select(dead, first_min, found.code_min);
    return found;
}

#endif
