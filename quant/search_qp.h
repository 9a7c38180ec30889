/* search_qp.h: rounding a super-block's own scales and minima to 0..nmax under weights, as the
 * reference's make_qp_quants does it. One lane is one super-block; scales and minima go side by
 * side, since each is one long chain of dependent steps. */
#ifndef QUANTFS_SEARCH_QP_H
#define QUANTFS_SEARCH_QP_H

#include "lanes.h"

enum { QP_MAX = 16, QP_BOTH = 2 };

struct qp_state {
    lf max, iscale, best, sum_lx, sum_l2;
};

LANE_FN lf qp_error(lf x, lf w, lf scale, lf l)
{
    const lf difference = x - scale * l;
    return w * difference * difference;
}

LANE_FN li qp_code(lf x, lf iscale, int nmax)
{
    return li_min(li_set(nmax), li_nearest(iscale * x));
}

/* One step of the refinement: would another code for x[i] fit better with the rest as it is? */
LANE_FN lm qp_refine(lf x, lf w, int nmax, li *code, struct qp_state *state)
{
    const lf zero = lf_set(0.f), wx = w * x, old = lf_from_int(*code);
    lf lx = state->sum_lx - wx * old;
    lf l2 = state->sum_l2 - w * old * old;
    const lm possible = lm_and(lf_gt(lx, zero), lf_gt(l2, zero));
    const li l = li_min(li_set(nmax), li_nearest(x * l2 / lx));
    const lf now = lf_from_int(l);
    lx = lx + wx * now;
    l2 = l2 + w * now * now;
    const lm gain = lf_gt(lx * lx * state->sum_l2, state->sum_lx * state->sum_lx * l2);
    const lm change = lm_and(lm_andnot(possible, li_eq(l, *code)), gain);
    *code = li_select(change, l & li_set(255), *code);
    state->sum_lx = lf_select(change, lx, state->sum_lx);
    state->sum_l2 = lf_select(change, l2, state->sum_l2);
    return change;
}

/* x[p][i]: scales (p = 0) and minima (p = 1) of sub-block i; codes likewise; scale[p] is the
 * result. Codes are bytes in the reference, so a negative x wraps around in them while the sums
 * take the number itself. */
LANE_FN void qp_search(int n, int nmax, lf x[QP_BOTH][QP_MAX], const lf *w,
                       li codes[QP_BOTH][QP_MAX], lf *scale)
{
    const lf zero = lf_set(0.f), one = lf_set(1.f);
    struct qp_state state[QP_BOTH];
    for (int p = 0; p < QP_BOTH; p++) {
        struct qp_state *s = &state[p];
        s->max = zero;
        for (int i = 0; i < n; i++)
            s->max = lf_max(s->max, x[p][i]);
        s->iscale = lf_set((float)nmax) / s->max;
        const lf inverse = one / s->iscale;
        s->best = zero;
        for (int i = 0; i < n; i++) {
            const li l = li_nearest(s->iscale * x[p][i]) & li_set(255);
            s->best = s->best + qp_error(x[p][i], w[i], inverse, lf_from_int(l));
        }
    }
    for (int is = -4; is <= 4; is++) {
        if (is == 0)
            continue;
        lf iscale[QP_BOTH], inverse[QP_BOTH], error[QP_BOTH];
        for (int p = 0; p < QP_BOTH; p++) {
            iscale[p] = lf_set(0.1f * (float)is + (float)nmax) / state[p].max;
            inverse[p] = one / iscale[p];
            error[p] = zero;
        }
        for (int i = 0; i < n; i++)
            for (int p = 0; p < QP_BOTH; p++) {
                const lf l = lf_from_int(qp_code(x[p][i], iscale[p], nmax));
                error[p] = error[p] + qp_error(x[p][i], w[i], inverse[p], l);
            }
        for (int p = 0; p < QP_BOTH; p++) {
            const lm better = lf_lt(error[p], state[p].best);
            state[p].best = lf_select(better, error[p], state[p].best);
            state[p].iscale = lf_select(better, iscale[p], state[p].iscale);
        }
    }
    for (int p = 0; p < QP_BOTH; p++) {
        struct qp_state *s = &state[p];
        s->sum_lx = zero;
        s->sum_l2 = zero;
        for (int i = 0; i < n; i++) {
            const li code = qp_code(x[p][i], s->iscale, nmax);
            const lf l = lf_from_int(code);
            codes[p][i] = code & li_set(255);
            s->sum_lx = s->sum_lx + w[i] * x[p][i] * l;
            s->sum_l2 = s->sum_l2 + w[i] * l * l;
        }
    }
    /* A lane without a change in one round has none in the next, so all may stop together. */
    for (int round = 0; round < 5; round++) {
        lm changed = lm_set(false);
        for (int i = 0; i < n; i++)
            for (int p = 0; p < QP_BOTH; p++)
                changed = lm_or(changed, qp_refine(x[p][i], w[i], nmax, &codes[p][i], &state[p]));
        if (!lm_any(changed))
            break;
    }
    for (int p = 0; p < QP_BOTH; p++) {
        const struct qp_state *s = &state[p];
        const lm empty = lf_lt(s->max, lf_set(1e-15f));
        for (int i = 0; i < n; i++)
            codes[p][i] = li_select(empty, li_set(0), codes[p][i]);
        const lm fits = lm_andnot(lf_gt(s->sum_l2, zero), empty);
        scale[p] = lf_select(fits, s->sum_lx / s->sum_l2, zero);
    }
}

#endif
