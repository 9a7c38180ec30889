/* search_qkx.h: the search for a sub-block's scale and minimum, x ~ scale * l + min with codes l in
 * 0..nmax, as the reference's make_qkx2_quants and make_qkx3_quants do it. One lane is one
 * sub-block, so each lane adds in the reference's order.
 *
 * A try has two passes over the sub-block, codes with three sums and then the error, and some
 * thirty cycles of divisions and comparisons after each. QKX_GROUPS groups of lanes go through the
 * tries together, pass by pass, so that one group's divisions run behind another's pass; the
 * error's one long chain of additions is hidden by taking two groups at a time. */
#ifndef QUANTFS_SEARCH_QKX_H
#define QUANTFS_SEARCH_QKX_H

#include "lanes.h"

enum { QKX_PAIR = QFS_LANES == 1 ? 1 : 2, QKX_GROUPS = 2 * QKX_PAIR, QKX_MAX = 32 };

struct qkx_rule {
    int n;    /* weights a sub-block, at most QKX_MAX */
    int nmax; /* highest code */
    float rmin, rdelta;
    int ntries;
    int nlow;     /* in tries before this one no code can exceed nmax: rmin + rdelta * try < 0.45 */
    bool use_mad; /* the error is |difference|, not its square */
};

/* What is searched: weights and their importances, lane by lane; `l` is for the search alone. */
struct qkx_wave {
    lf x[QKX_GROUPS][QKX_MAX], w[QKX_GROUPS][QKX_MAX], l[QKX_GROUPS][QKX_MAX];
};

struct qkx_found {
    lf scale, min; /* x ~ scale * l + min */
    /* the winning try's codes are nearest(code_iscale * (x - code_min)), clamped to 0..nmax */
    lf code_iscale, code_min;
    lf sum_w;
};

struct qkx_group {
    struct qkx_found found;
    lf lowest, highest, sum_x, best; /* of x; of w * x; error of the best try */
    lf iscale, scale, min;           /* of this try */
    lm dead;                         /* all weights alike: nothing to search */
    lm solvable;
};

enum qkx_clamp {
    QKX_EXACT, /* whatever the numbers: rounds as nearest_int does when they leave its range */
    QKX_BOTH,  /* in range, clamped below and above */
    QKX_LOW,   /* in range and never above nmax */
};

LANE_FN lf qkx_code(lf x, lf iscale, lf min, int nmax, enum qkx_clamp clamp)
{
    const lf scaled = iscale * (x - min);
    if (clamp == QKX_EXACT)
        return lf_from_int(li_max(li_set(0), li_min(li_set(nmax), li_nearest(scaled))));
    const lf rounded = lf_max_plus(scaled + lf_set(LANE_ROUND), lf_set(LANE_ROUND));
    if (clamp == QKX_LOW)
        return rounded - lf_set(LANE_ROUND);
    return lf_min_plus(rounded, lf_set(LANE_ROUND + (float)nmax)) - lf_set(LANE_ROUND);
}

/* May codes be rounded by adding and subtracting? Every iscale * (x - min) lies between those of
 * the lowest and highest x, since rounding keeps order. */
LANE_FN lm qkx_in_range(const struct qkx_group *group, lf span)
{
    const lf limit = lf_set(4194303.f);
    const lf low = group->iscale * (group->lowest - group->found.min);
    const lm in_range = lm_and(lf_gt(low, lf_neg(limit)), lf_lt(group->iscale * span, limit));
    return lm_and(in_range, lf_gt(span, lf_set(0.f)));
}

/* First pass of a try: codes, and the sums that give the best scale and minimum for them. */
LANE_FN void qkx_fit(const struct qkx_rule rule, struct qkx_wave *wave, int first,
                     struct qkx_group *groups, enum qkx_clamp clamp)
{
    const lf zero = lf_set(0.f);
    lf iscale[QKX_PAIR], min[QKX_PAIR], sum_l[QKX_PAIR], sum_l2[QKX_PAIR], sum_xl[QKX_PAIR];
    for (int g = 0; g < QKX_PAIR; g++) {
        iscale[g] = groups[first + g].iscale;
        min[g] = groups[first + g].found.min;
        sum_l[g] = sum_l2[g] = sum_xl[g] = zero;
    }
    /* Codes first, then sums: one loop with both has chains so long that a core's scheduler fills up
     * with instructions that wait. */
    for (int g = 0; g < QKX_PAIR; g++) {
        lf *codes = wave->l[first + g];
        const lf *x = wave->x[first + g];
        LANE_UNROLL(4)
        for (int i = 0; i < rule.n; i++)
            codes[i] = qkx_code(x[i], iscale[g], min[g], rule.nmax, clamp);
    }
    LANE_UNROLL(2)
    for (int i = 0; i < rule.n; i++)
        for (int g = 0; g < QKX_PAIR; g++) {
            const lf x = wave->x[first + g][i], l = wave->l[first + g][i];
            const lf wl = wave->w[first + g][i] * l;
            sum_l[g] = sum_l[g] + wl;
            sum_l2[g] = sum_l2[g] + wl * l;
            sum_xl[g] = sum_xl[g] + wl * x;
        }
    for (int g = 0; g < QKX_PAIR; g++) {
        struct qkx_group *group = &groups[first + g];
        const lf sum_w = group->found.sum_w, sum_x = group->sum_x;
        const lf det = sum_w * sum_l2[g] - sum_l[g] * sum_l[g];
        group->solvable = lf_gt(det, zero);
        group->scale = (sum_w * sum_xl[g] - sum_x * sum_l[g]) / det;
        group->min = (sum_l2[g] * sum_x - sum_l[g] * sum_xl[g]) / det;
        const lm positive = lf_gt(group->min, zero);
        if (lm_any(positive)) {
            group->min = lf_select(positive, zero, group->min);
            group->scale = lf_select(positive, sum_xl[g] / sum_l2[g], group->scale);
        }
    }
}

/* Second pass, for a pair of groups: errors of scale * l + min. */
LANE_FN void qkx_errors(const struct qkx_rule rule, const struct qkx_wave *wave, int first,
                        const struct qkx_group *groups, lf *errors)
{
    lf scale[QKX_PAIR], min[QKX_PAIR], sum[QKX_PAIR];
    for (int g = 0; g < QKX_PAIR; g++) {
        scale[g] = groups[first + g].scale;
        min[g] = groups[first + g].min;
        sum[g] = lf_set(0.f);
    }
    LANE_UNROLL(4)
    for (int i = 0; i < rule.n; i++)
        for (int g = 0; g < QKX_PAIR; g++) {
            const lf x = wave->x[first + g][i], w = wave->w[first + g][i];
            const lf difference = scale[g] * wave->l[first + g][i] + min[g] - x;
            const lf error = rule.use_mad ? lf_abs(difference) : difference * difference;
            sum[g] = sum[g] + w * error;
        }
    for (int g = 0; g < QKX_PAIR; g++)
        errors[g] = sum[g];
}

/* Range, sums and the codes before any try: the whole span in nmax steps. */
LANE_FN void qkx_start(const struct qkx_rule rule, const lf *x, const lf *w, lf *codes,
                       struct qkx_group *group)
{
    const lf zero = lf_set(0.f);
    lf min = x[0], max = x[0], sum_w = w[0], sum_x = w[0] * x[0];
    for (int i = 1; i < rule.n; i++) {
        min = lf_min(x[i], min);
        max = lf_max(x[i], max);
        sum_w = sum_w + w[i];
        sum_x = sum_x + w[i] * x[i];
    }
    group->lowest = min;
    group->highest = max;
    group->sum_x = sum_x;
    min = lf_select(lf_gt(min, zero), zero, min);
    group->dead = lf_eq(max, min);
    const lf iscale = lf_set((float)rule.nmax) / (max - min);
    group->iscale = iscale;
    group->scale = lf_set(1.f) / iscale;
    group->min = min;
    const struct qkx_found found = {group->scale, min, iscale, min, sum_w};
    group->found = found;
    for (int i = 0; i < rule.n; i++)
        codes[i] = qkx_code(x[i], iscale, min, rule.nmax, QKX_EXACT);
}

LANE_FN void qkx_try(const struct qkx_rule rule, struct qkx_wave *wave, struct qkx_group *groups,
                     int number, enum qkx_clamp clamp)
{
    const lf steps = lf_set(rule.rmin + rule.rdelta * (float)number + (float)rule.nmax);
    for (int first = 0; first < QKX_GROUPS; first += QKX_PAIR) {
        lm in_range = lm_set(true);
        for (int g = 0; g < QKX_PAIR; g++) {
            struct qkx_group *group = &groups[first + g];
            const lf span = group->highest - group->found.min;
            group->iscale = steps / span;
            in_range = lm_and(in_range, lm_or(group->dead, qkx_in_range(group, span)));
        }
        if (lm_all(in_range))
            qkx_fit(rule, wave, first, groups, clamp);
        else
            qkx_fit(rule, wave, first, groups, QKX_EXACT);
    }
    for (int first = 0; first < QKX_GROUPS; first += QKX_PAIR) {
        lf errors[QKX_PAIR];
        qkx_errors(rule, wave, first, groups, errors);
        for (int g = 0; g < QKX_PAIR; g++) {
            struct qkx_group *group = &groups[first + g];
            struct qkx_found *found = &group->found;
            const lm better = lm_and(group->solvable, lf_lt(errors[g], group->best));
            group->best = lf_select(better, errors[g], group->best);
            found->code_iscale = lf_select(better, group->iscale, found->code_iscale);
            found->code_min = lf_select(better, found->min, found->code_min);
            found->scale = lf_select(better, group->scale, found->scale);
            found->min = lf_select(better, group->min, found->min);
        }
    }
}

/* Searches QKX_GROUPS * QFS_LANES sub-blocks. */
LANE_FN void qkx_search(const struct qkx_rule rule, struct qkx_wave *wave, struct qkx_found *found)
{
    struct qkx_group groups[QKX_GROUPS];
    for (int g = 0; g < QKX_GROUPS; g++)
        qkx_start(rule, wave->x[g], wave->w[g], wave->l[g], &groups[g]);
    for (int first = 0; first < QKX_GROUPS; first += QKX_PAIR) {
        lf errors[QKX_PAIR];
        qkx_errors(rule, wave, first, groups, errors);
        for (int g = 0; g < QKX_PAIR; g++)
            groups[first + g].best = errors[g];
    }
    for (int number = 0; number < rule.nlow; number++)
        qkx_try(rule, wave, groups, number, QKX_LOW);
    for (int number = rule.nlow; number < rule.ntries; number++)
        qkx_try(rule, wave, groups, number, QKX_BOTH);
    for (int g = 0; g < QKX_GROUPS; g++) {
        const struct qkx_group *group = &groups[g];
        const lf zero = lf_set(0.f),
                 lowest = lf_select(lf_gt(group->lowest, zero), zero, group->lowest);
        found[g].scale = lf_select(group->dead, zero, group->found.scale);
        found[g].min = lf_select(group->dead, lowest, group->found.min);
        found[g].code_iscale = lf_select(group->dead, zero, group->found.code_iscale);
        found[g].code_min = lf_select(group->dead, lowest, group->found.code_min);
        found[g].sum_w = group->found.sum_w;
    }
}

#endif
