/* iq2_fit.h: the scale around which IQ2_XXS tries others: the best for codes 0..4 without a grid, as
 * the reference's make_qp_quants finds it. One lane is one sub-block of 32; two groups of lanes go
 * side by side, since each is one long chain of dependent steps. */
#ifndef QUANTFS_IQ2_FIT_H
#define QUANTFS_IQ2_FIT_H

#include "search_qp.h"

enum { IQ2_FIT_SUB = 32, IQ2_FIT_MAX = 4, IQ2_FIT_WAYS = 2 };

struct iq2_fit {
    lf x[IQ2_FIT_SUB], weight[IQ2_FIT_SUB];
    li codes[IQ2_FIT_SUB];
    struct qp_state state;
};

/* The first try, whose codes have no limit but that of a byte. */
LANE_FN void iq2_fit_start(struct iq2_fit *fit)
{
    struct qp_state *state = &fit->state;
    state->max = lf_set(0.f);
    for (int i = 0; i < IQ2_FIT_SUB; i++)
        state->max = lf_max(state->max, fit->x[i]);
    state->iscale = lf_set((float)IQ2_FIT_MAX) / state->max;
    const lf inverse = lf_set(1.f) / state->iscale;
    state->best = lf_set(0.f);
    for (int i = 0; i < IQ2_FIT_SUB; i++) {
        const li l = li_nearest(state->iscale * fit->x[i]) & li_set(255);
        state->best = state->best + qp_error(fit->x[i], fit->weight[i], inverse, lf_from_int(l));
    }
}

LANE_FN void iq2_fit_try(struct iq2_fit *fit, lf steps)
{
    const lf iscale = steps / fit->state.max, inverse = lf_set(1.f) / iscale;
    lf error = lf_set(0.f);
    for (int i = 0; i < IQ2_FIT_SUB; i++) {
        const lf l = lf_from_int(qp_code(fit->x[i], iscale, IQ2_FIT_MAX));
        error = error + qp_error(fit->x[i], fit->weight[i], inverse, l);
    }
    const lm better = lf_lt(error, fit->state.best);
    fit->state.best = lf_select(better, error, fit->state.best);
    fit->state.iscale = lf_select(better, iscale, fit->state.iscale);
}

LANE_FN void iq2_fit_codes(struct iq2_fit *fit)
{
    struct qp_state *state = &fit->state;
    state->sum_lx = state->sum_l2 = lf_set(0.f);
    for (int i = 0; i < IQ2_FIT_SUB; i++) {
        const li code = qp_code(fit->x[i], state->iscale, IQ2_FIT_MAX);
        const lf l = lf_from_int(code);
        fit->codes[i] = code & li_set(255); /* bytes in the reference: negative ones wrap around */
        state->sum_lx = state->sum_lx + fit->weight[i] * fit->x[i] * l;
        state->sum_l2 = state->sum_l2 + fit->weight[i] * l * l;
    }
}

/* Meaningless in lanes whose largest x is below 1e-15. */
LANE_FN void iq2_fit_scales(struct iq2_fit fit[IQ2_FIT_WAYS], lf scale[IQ2_FIT_WAYS])
{
    for (int way = 0; way < IQ2_FIT_WAYS; way++)
        iq2_fit_start(&fit[way]);
    for (int is = -4; is <= 4; is++)
        for (int way = 0; way < IQ2_FIT_WAYS && is != 0; way++)
            iq2_fit_try(&fit[way], lf_set(0.1f * (float)is + (float)IQ2_FIT_MAX));
    for (int way = 0; way < IQ2_FIT_WAYS; way++)
        iq2_fit_codes(&fit[way]);
    /* A lane without a change in one round has none in the next, so all may stop together. */
    for (int round = 0; round < 5; round++) {
        lm changed = lm_set(false);
        for (int i = 0; i < IQ2_FIT_SUB; i++)
            for (int way = 0; way < IQ2_FIT_WAYS; way++)
                changed = lm_or(changed, qp_refine(fit[way].x[i], fit[way].weight[i], IQ2_FIT_MAX,
                                                   &fit[way].codes[i], &fit[way].state));
        if (!lm_any(changed))
            break;
    }
    for (int way = 0; way < IQ2_FIT_WAYS; way++) {
        const struct qp_state *state = &fit[way].state;
        scale[way] = lf_select(lf_gt(state->sum_l2, lf_set(0.f)), state->sum_lx / state->sum_l2,
                               lf_set(0.f));
    }
}

#endif
