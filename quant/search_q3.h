/* search_q3.h: the search for Q3_K's scales without importances, x ~ scale * l with codes l in
 * -4..3, as the reference's make_q3_quants does it: a first guess, then up to five passes that move
 * one code at a time to where it fits best beside all others. One lane is one sub-block.
 *
 * Each step needs the sums that the last one left. So several groups of lanes take their steps in
 * turn: one's division runs while others add. */
#ifndef QUANTFS_SEARCH_Q3_H
#define QUANTFS_SEARCH_Q3_H

#include "lanes.h"

enum { Q3_N = 16, Q3_NMAX = 4, Q3_GROUPS = QFS_LANES < 8 ? 16 / QFS_LANES : 4 };

struct q3_state {
    lf x[Q3_N][Q3_GROUPS], wx[Q3_N][Q3_GROUPS], w[Q3_N][Q3_GROUPS], l[Q3_N][Q3_GROUPS];
    lf sum_lx[Q3_GROUPS], sum_l2[Q3_GROUPS], scale[Q3_GROUPS];
};

LANE_FN lf q3_round(lf value)
{
    const li l = li_nearest(value);
    return lf_from_int(li_max(li_set(-Q3_NMAX), li_min(li_set(Q3_NMAX - 1), l)));
}

/* One step: the code of weight i. True where it moved. */
LANE_FN lm q3_step(struct q3_state *s, int i, int g)
{
    const lf zero = lf_set(0.f);
    const lf x = s->x[i][g], wx = s->wx[i][g], w = s->w[i][g], l = s->l[i][g];
    const lf old_lx = s->sum_lx[g], old_l2 = s->sum_l2[g];
    lf lx = old_lx - wx * l, l2 = old_l2 - w * l * l;
    lm moves = lf_gt(lx, zero);
    const lf new_l = q3_round(x * l2 / lx);
    moves = lm_and(moves, lf_ne(new_l, l));
    lx = lx + wx * new_l;
    l2 = l2 + w * new_l * new_l;
    moves = lm_and(moves, lf_gt(l2, zero));
    moves = lm_and(moves, lf_gt(lx * lx * old_l2, old_lx * old_lx * l2));
    s->l[i][g] = lf_select(moves, new_l, l);
    s->sum_lx[g] = lf_select(moves, lx, old_lx);
    s->sum_l2[g] = lf_select(moves, l2, old_l2);
    return moves;
}

/* `x`: Q3_GROUPS * QFS_LANES sub-blocks. */
LANE_FN void q3_search(const float *x, struct q3_state *s)
{
    const lf zero = lf_set(0.f);
    lm dead[Q3_GROUPS];
    for (int g = 0; g < Q3_GROUPS; g++) {
        lf column[Q3_N], max = zero, amax = zero;
        lf_transpose(x + g * QFS_LANES * Q3_N, Q3_N, Q3_N, column);
        for (int i = 0; i < Q3_N; i++) {
            const lf magnitude = lf_abs(column[i]);
            const lm more = lf_gt(magnitude, amax);
            amax = lf_select(more, magnitude, amax);
            max = lf_select(more, column[i], max);
        }
        dead[g] = lf_lt(amax, lf_set(1e-15f));
        const lf iscale = lf_set((float)-Q3_NMAX) / max;
        lf sum_lx = zero, sum_l2 = zero;
        for (int i = 0; i < Q3_N; i++) {
            const lf w = column[i] * column[i], wx = w * column[i];
            const lf l = lf_select(dead[g], lf_set(-Q3_NMAX), q3_round(iscale * column[i]));
            sum_lx = sum_lx + wx * l;
            sum_l2 = sum_l2 + w * l * l;
            s->x[i][g] = column[i];
            s->w[i][g] = w;
            s->wx[i][g] = wx;
            s->l[i][g] = l;
        }
        /* no step moves where the sum is not positive */
        s->sum_lx[g] = lf_select(dead[g], lf_set(-1.f), sum_lx);
        s->sum_l2[g] = sum_l2;
    }
    /* a pass too many changes nothing */
    for (int pass = 0; pass < 5; pass++) {
        lm moved = lm_set(false);
        for (int i = 0; i < Q3_N; i++) {
            LANE_UNROLL(16)
            for (int g = 0; g < Q3_GROUPS; g++)
                moved = lm_or(moved, q3_step(s, i, g));
        }
        if (!lm_any(moved))
            break;
    }
    for (int g = 0; g < Q3_GROUPS; g++) {
        const lf scale = s->sum_lx[g] / s->sum_l2[g];
        const lm none = lm_or(dead[g], lm_not(lf_gt(s->sum_l2[g], zero)));
        s->scale[g] = lf_select(none, zero, scale);
    }
}

#endif
