/* iq2_fit.h: the scale around which IQ2_XXS tries others: the best for codes 0..4 without a grid, as
 * the reference's make_qp_quants finds it. One lane is one sub-block of 32. */
#ifndef QUANTFS_IQ2_FIT_H
#define QUANTFS_IQ2_FIT_H

#include "search_qp.h"

enum { IQ2_FIT_SUB = 32, IQ2_FIT_MAX = 4 };

/* x, w: weight i of the sub-blocks. Meaningless in lanes whose largest x is below 1e-15. */
LANE_FN lf iq2_fit(const lf *x, const lf *w)
{
    const lf zero = lf_set(0.f), one = lf_set(1.f);
    struct qp_state state = {.max = zero, .best = zero, .sum_lx = zero, .sum_l2 = zero};
    for (int i = 0; i < IQ2_FIT_SUB; i++)
        state.max = lf_max(state.max, x[i]);
    state.iscale = lf_set((float)IQ2_FIT_MAX) / state.max;
    lf inverse = one / state.iscale;
    for (int i = 0; i < IQ2_FIT_SUB; i++) {
        const li l = li_nearest(state.iscale * x[i]) & li_set(255);
        state.best = state.best + qp_error(x[i], w[i], inverse, lf_from_int(l));
    }
    for (int is = -4; is <= 4; is++) {
        if (is == 0)
            continue;
        const lf iscale = lf_set(0.1f * (float)is + (float)IQ2_FIT_MAX) / state.max;
        lf error = zero;
        inverse = one / iscale;
        for (int i = 0; i < IQ2_FIT_SUB; i++) {
            const lf l = lf_from_int(qp_code(x[i], iscale, IQ2_FIT_MAX));
            error = error + qp_error(x[i], w[i], inverse, l);
        }
        const lm better = lf_lt(error, state.best);
        state.best = lf_select(better, error, state.best);
        state.iscale = lf_select(better, iscale, state.iscale);
    }
    li codes[IQ2_FIT_SUB];
    for (int i = 0; i < IQ2_FIT_SUB; i++) {
        const li code = qp_code(x[i], state.iscale, IQ2_FIT_MAX);
        const lf l = lf_from_int(code);
        codes[i] = code & li_set(255); /* bytes in the reference: negative ones wrap around */
        state.sum_lx = state.sum_lx + w[i] * x[i] * l;
        state.sum_l2 = state.sum_l2 + w[i] * l * l;
    }
    for (int round = 0; round < 5; round++) {
        lm changed = lm_set(false);
        for (int i = 0; i < IQ2_FIT_SUB; i++)
            changed = lm_or(changed, qp_refine(x[i], w[i], IQ2_FIT_MAX, &codes[i], &state));
        if (!lm_any(changed))
            break;
    }
    return lf_select(lf_gt(state.sum_l2, zero), state.sum_lx / state.sum_l2, zero);
}

#endif
