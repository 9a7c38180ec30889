/* search_q3.h: the search for Q3_K's scales without importances, x ~ scale * l with codes l in -4..3,
 * as the reference's make_q3_quants does it: a first guess, then up to five passes that move one
 * code at a time to where it fits best beside all others. One lane is one sub-block.
 *
 * A code moves in one of fifty steps in the first pass, in one of hundreds later. So a step asks
 * first, without a division, whether any lane could want another code: as long as none does, the
 * sums stand still and steps do not wait for each other. */
#ifndef QUANTFS_SEARCH_Q3_H
#define QUANTFS_SEARCH_Q3_H

#include "lanes.h"

enum { Q3_N = 16, Q3_NMAX = 4 };

struct q3_state {
    lf x[Q3_N], w[Q3_N], wx[Q3_N], l[Q3_N];
    lf lx[Q3_N], l2[Q3_N]; /* terms of the sums: wx * l, w * l * l */
    /* l stays where all others want it between these, less than half a step away; the first and the
     * last code have no bound on one side */
    lf low[Q3_N], high[Q3_N];
    lf sum_lx, sum_l2;
};

LANE_FN lf q3_round(lf value)
{
    const li l = li_nearest(value);
    return lf_from_int(li_max(li_set(-Q3_NMAX), li_min(li_set(Q3_NMAX - 1), l)));
}

LANE_FN void q3_code_set(struct q3_state *s, int i, lf l)
{
    const lf infinity = lf_set(__builtin_inff()), slack = lf_set(0.49f);
    s->l[i] = l;
    s->lx[i] = s->wx[i] * l;
    s->l2[i] = s->w[i] * l * l;
    s->low[i] = lf_select(lf_eq(l, lf_set(-Q3_NMAX)), lf_neg(infinity), l - slack);
    s->high[i] = lf_select(lf_eq(l, lf_set(Q3_NMAX - 1)), infinity, l + slack);
}

/* Could the code of weight i move? The reference's new code is nearest(x * l2 / lx), where lx and l2
 * are the sums without this weight. A product between low * lx and high * lx is nearest to l after
 * division too: 0.01 lx is much more than what rounding does to the products, and where denormal
 * ones are coarser than that, the comparison with `<` leaves one of their steps. */
LANE_FN lm q3_restless(const struct q3_state *s, int i)
{
    const lf lx = s->sum_lx - s->lx[i], wanted = s->x[i] * (s->sum_l2 - s->l2[i]);
    const lm settled = lm_and(lf_lt(s->low[i] * lx, wanted), lf_lt(wanted, s->high[i] * lx));
    return lm_andnot(lf_gt(lx, lf_set(0.f)), settled);
}

/* The step itself. True where the code moved. */
LANE_FN lm q3_step(struct q3_state *s, int i)
{
    const lf zero = lf_set(0.f);
    lf lx = s->sum_lx - s->lx[i], l2 = s->sum_l2 - s->l2[i];
    const lf l = q3_round(s->x[i] * l2 / lx);
    lm moves = lm_and(lf_gt(lx, zero), lf_ne(l, s->l[i]));
    lx = lx + s->wx[i] * l;
    l2 = l2 + s->w[i] * l * l;
    moves = lm_and(moves, lf_gt(l2, zero));
    moves = lm_and(moves, lf_gt(lx * lx * s->sum_l2, s->sum_lx * s->sum_lx * l2));
    s->sum_lx = lf_select(moves, lx, s->sum_lx);
    s->sum_l2 = lf_select(moves, l2, s->sum_l2);
    q3_code_set(s, i, lf_select(moves, l, s->l[i]));
    return moves;
}

/* `x`: QFS_LANES sub-blocks. The result is their scales; codes are left in s->l. */
LANE_FN lf q3_search(const float *x, struct q3_state *s)
{
    const lf zero = lf_set(0.f);
    lf max = zero, amax = zero;
    lf_transpose(x, Q3_N, Q3_N, s->x);
    for (int i = 0; i < Q3_N; i++) {
        const lf magnitude = lf_abs(s->x[i]);
        const lm more = lf_gt(magnitude, amax);
        amax = lf_select(more, magnitude, amax);
        max = lf_select(more, s->x[i], max);
    }
    const lm dead = lf_lt(amax, lf_set(1e-15f));
    const lf iscale = lf_set((float)-Q3_NMAX) / max;
    s->sum_lx = s->sum_l2 = zero;
    for (int i = 0; i < Q3_N; i++) {
        /* at most 4 in magnitude */
        const lf sum = iscale * s->x[i] + lf_set(LANE_ROUND);
        const lf l = lf_min(sum, lf_set(LANE_ROUND + Q3_NMAX - 1)) - lf_set(LANE_ROUND);
        s->w[i] = s->x[i] * s->x[i];
        s->wx[i] = s->w[i] * s->x[i];
        q3_code_set(s, i, lf_select(dead, lf_set(-Q3_NMAX), l));
        s->sum_lx = s->sum_lx + s->lx[i];
        s->sum_l2 = s->sum_l2 + s->l2[i];
    }
    /* no code moves where the sum is not positive */
    s->sum_lx = lf_select(dead, lf_set(-1.f), s->sum_lx);
    /* a pass too many changes nothing in a lane */
    for (int pass = 0; pass < 5; pass++) {
        lm moved = lm_set(false);
        for (int i = 0; i < Q3_N; i++)
            if (__builtin_expect(lm_any(q3_restless(s, i)), 0))
                moved = lm_or(moved, q3_step(s, i));
        if (!lm_any(moved))
            break;
    }
    const lm none = lm_or(dead, lm_not(lf_gt(s->sum_l2, zero)));
    return lf_select(none, zero, s->sum_lx / s->sum_l2);
}

#endif
