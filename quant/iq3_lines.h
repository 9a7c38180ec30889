/* iq3_lines.h: which point of a cell's list is nearest to 4 weights x, for a run of scales.
 *
 * The reference measures, for every try's scale s and every point q of the list,
 *     d(q) = sum of w[i] * (s * q[i] - x[i])^2        (w: roots of importances)
 * in floats, in order, and takes the first least. With A = sum w q^2, B = sum 2 w x q,
 *     (d(q) - sum w x^2) / s = s * A - B
 * is a line in s, and A and B are sums of four table entries, so that a run of tries with the same
 * cell costs two lookups of A and B a point instead of four products a point and try:
 *   - measure all lines at both ends of the run. If the same point is clearly least at both, it is
 *     between them: a line that is above another at both ends is so between them;
 *   - else only points remain that are not clearly above the first end's least one at both ends,
 *     nor above the last end's, mostly these two. Their lines are measured at every try (a lane is
 *     a try); where the least two come close, the reference's own sums decide (iq3_measure).
 *
 * What "clearly" means. Let u = 2^-24, M[i] = 15 s + |x[i]|, T = sum w M^2; q is at most 15. Of the
 * reference's sum: s * q - x is off by at most 2 u M, its square by 4 u M^2, the two products round
 * twice, so each term is off by 6 u w M^2, and the three additions bring it to 9 u T. Two points
 * whose true d differ by more than 18 u T come out in that order. Of ours: A is off by 4 u A
 * (two products, two additions), B by 4 u B, the product and the difference round: s times the
 * line's value is off by 6 u T, the difference of two by 12 u T. So points whose lines differ by
 * more than 30 u T / s are in the true order and in the reference's. T / s is convex in s: between two scales it is below its chord,
 * while the difference of two lines is its own chord, hence what is clear at two scales is clear
 * between them. We take T at the largest s over the smallest s, and 2e-6 for 30 u = 1.79e-6,
 * which leaves room for the terms in u^2. This holds while nothing overflows or loses bits below
 * 2^-126: T between 1e-35 * (1 + M) and 1e37 (underflow adds at most some 2^-149 * (1 + M) to d).
 * Other groups have an infinite tolerance, so that nothing is clear there; where all w are zero, all
 * lines are, exactly, and the tolerance is 0.
 *
 * Equal ones. Weights without importance (w = 0) add exactly 0 to d and to the lines: points that
 * agree in all other digits are equal to the reference too, and the first in the list stands for
 * all. */
#ifndef QUANTFS_IQ3_LINES_H
#define QUANTFS_IQ3_LINES_H

#include "iq3_tile.h"

enum {
    IQ3_TRIES = 32, /* room; 31 or 19 are used */
    IQ3_LIST = 40,  /* most points of a list, rounded up */
    IQ3_VECTORS = (IQ3_LIST + QFS_LANES - 1) / QFS_LANES,
    IQ3_RUNS = IQ3_GROUPS * IQ3_TRIES,
};

/* Tries first..last of a group have the same cell. */
struct iq3_run {
    int32_t value;  /* see IQ3_OFF_GRID */
    uint32_t start; /* the cell's list; count is 0 for a cell on the grid */
    uint16_t count;
    uint8_t group, first, last;
};

/* A try's result for a group is the cell number of a grid point, and this if it was chosen from a
 * list. */
enum { IQ3_OFF_GRID = 4096 };

struct iq3_group {
    float a[4][8], b[4][8]; /* what digit l of weight i adds to A and B */
};

/* The lines of a run's points. Unused entries are infinitely high: b is -infinity. */
struct iq3_lines {
    float a[IQ3_VECTORS * QFS_LANES], b[IQ3_VECTORS * QFS_LANES];
};

/* A run whose ends did not settle it, with the points that could be least there. */
struct iq3_open {
    const struct iq3_run *run;
    uint64_t least_first, least_last;
    struct iq3_lines lines;
};

struct iq3_sub {
    const struct qfs_grid *grid;
    const float *x, *root;
    float iscale[IQ3_TRIES], scale[IQ3_TRIES + QFS_LANES]; /* of each try */
    struct iq3_group group[IQ3_GROUPS + 1];  /* one more for what 16 lanes write over */
    float tolerance[IQ3_GROUPS + QFS_LANES]; /* how near lines may come */
    int32_t digits[IQ3_GROUPS + QFS_LANES];  /* ones where a weight has importance */
    int nruns;
    struct iq3_run run[IQ3_RUNS];
};

LANE_TABLE float iq3_odd[16] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};

/* What the digits of each weight add to A and B. Entries are written in order, 16 lanes also over
 * the next one's. */
LANE_FN void iq3_prepare_lines(struct iq3_sub *sub)
{
    enum { STEP = QFS_LANES > 8 ? 8 : QFS_LANES };
    for (int g = 0; g < IQ3_GROUPS; g++) {
        struct iq3_group *group = &sub->group[g];
        for (int i = 0; i < 4; i++)
            for (int l = 0; l < 8; l += STEP)
                lf_store(group->a[i] + l, lf_set(sub->root[4 * g + i]) * lf_load(iq3_odd + l) *
                                              lf_load(iq3_odd + l));
        for (int i = 0; i < 4; i++)
            for (int l = 0; l < 8; l += STEP)
                lf_store(group->b[i] + l, lf_set(2 * (sub->root[4 * g + i] * sub->x[4 * g + i])) *
                                              lf_load(iq3_odd + l));
    }
}

/* How near lines may come, and which digits count. A lane is a group. */
LANE_FN void iq3_prepare_tolerances(float least_scale, float greatest_scale, struct iq3_sub *sub)
{
    const lf reach = lf_set(15 * greatest_scale), zero = lf_set(0.f);
    const lf infinite = lf_set(__builtin_inff());
    for (int g = 0; g < IQ3_GROUPS; g += QFS_LANES) {
        lf x[4], w[4], total = zero, most = zero;
        li digits = li_set(0);
        lf_transpose(sub->x + 4 * g, 4, 4, x);
        lf_transpose(sub->root + 4 * g, 4, 4, w);
        for (int i = 0; i < 4; i++) {
            const lf far = reach + lf_abs(x[i]);
            total = total + w[i] * far * far;
            most = lf_max(most, far);
            digits = digits | li_select(lf_ne(w[i], zero), li_set(7 << 3 * i), li_set(0));
        }
        const lm regular = lm_and(lf_gt(total, lf_set(1e-35f) * (lf_set(1.f) + most)),
                                  lf_lt(total, lf_set(1e37f)));
        const lm nothing = lm_and(li_eq(digits, li_set(0)), lf_lt(most, lf_set(1e18f)));
        const lf tolerance = lf_set(2e-6f) * total / lf_set(least_scale);
        lf_store(sub->tolerance + g,
                 lf_select(regular, tolerance, lf_select(nothing, zero, infinite)));
        li_store(sub->digits + g, digits);
    }
}

/* Lanes from `count` on become -infinity, count in 0..QFS_LANES. */
LANE_FN lf iq3_cut(lf value, int count)
{
    return lf_select(li_lt(li_iota(), li_set(count)), value, lf_set(-__builtin_inff()));
}

LANE_FN int iq3_first(uint64_t bits)
{
    return __builtin_ctzll(bits | 1ull
                                      << 63); /* slack of the grid's lists: any entry can be read */
}

/* The reference's own choice of a cell's list at one scale. A lane is a point. */
LANE_FN int iq3_measure(const struct qfs_grid *grid, uint32_t start, int count, const float *x,
                        const float *root, float scale)
{
    enum { STEP = QFS_LANES > 8 ? 8 : QFS_LANES };
    float term[4][8 + QFS_LANES];
    for (int l = 0; l < 8; l += STEP) {
        const lf product = lf_set(scale) * lf_load(iq3_odd + l);
        for (int i = 0; i < 4; i++) {
            const lf difference = product - lf_set(x[i]);
            lf_store(term[i] + l, lf_set(root[i]) * difference * difference);
        }
    }
    lf best = lf_set(__builtin_inff());
    li at = li_set(0);
    for (int j = 0; j < count; j += QFS_LANES) {
        const li digits = li_load_u16(grid->packed + start + j);
        lf d = lf_lookup8_mod(term[0], digits) + lf_lookup8_mod(term[1], digits >> 3);
        d = d + lf_lookup8_mod(term[2], digits >> 6);
        d = d + lf_lookup8_mod(term[3], digits >> 9);
        lm less = lf_lt(d, best);
        if (count - j < QFS_LANES)
            less = lm_and(less, li_lt(li_iota(), li_set(count - j)));
        best = lf_select(less, d, best);
        at = li_select(less, li_set(j), at);
    }
    /* the least lane, and of equal ones the first in the list */
    int32_t each[QFS_LANES];
    li_store(each, at + li_iota());
    int first = count - 1;
    for (uint32_t bits = lm_bits(lf_eq(best, lf_least(best))); bits; bits &= bits - 1) {
        const int32_t here = each[__builtin_ctz(bits)];
        first = here < first ? here : first;
    }
    return grid->packed[start + (uint32_t)first];
}

/* -- all runs
 * ------------------------------------------------------------------------------------------ */

/* Settles the runs whose ends have one least point, leaves the others in `open`, whose number is
 * returned. Lists have at most `most` times QFS_LANES points; 0: find out. A lane is a point. */
LANE_FN int iq3_settle_ends(struct iq3_sub *sub, const uint8_t *queue, int nqueued, int most,
                            struct iq3_open *open)
{
    int nopen = 0;
    for (int k = 0; k < nqueued; k++) {
        struct iq3_run *run = &sub->run[queue[k]];
        const struct iq3_group *group = &sub->group[run->group];
        const uint16_t *list = sub->grid->packed + run->start;
        struct iq3_open *slot = open + nopen;
        const int nvectors = most ? most : (run->count + QFS_LANES - 1) / QFS_LANES;
        const lf s_first = lf_set(sub->scale[run->first]), s_last = lf_set(sub->scale[run->last]);
        lf first[IQ3_VECTORS], last[IQ3_VECTORS];
        first[0] = last[0] = lf_set(0.f);
        for (int v = 0; v < nvectors; v++) {
            const li d0 = li_load_u16(list + v * QFS_LANES);
            const li d1 = d0 >> 3, d2 = d0 >> 6, d3 = d0 >> 9;
            const lf a = (lf_lookup8_mod(group->a[0], d0) + lf_lookup8_mod(group->a[1], d1)) +
                         (lf_lookup8_mod(group->a[2], d2) + lf_lookup8_mod(group->a[3], d3));
            lf b = (lf_lookup8_mod(group->b[0], d0) + lf_lookup8_mod(group->b[1], d1)) +
                   (lf_lookup8_mod(group->b[2], d2) + lf_lookup8_mod(group->b[3], d3));
            if (v == nvectors - 1)
                b = iq3_cut(b, run->count - v * QFS_LANES);
            lf_store(slot->lines.a + v * QFS_LANES, a);
            lf_store(slot->lines.b + v * QFS_LANES, b);
            first[v] = s_first * a - b;
            last[v] = s_last * a - b;
        }
        lf bound_first = first[0], bound_last = last[0];
        for (int v = 1; v < nvectors; v++) {
            bound_first = lf_min(first[v], bound_first);
            bound_last = lf_min(last[v], bound_last);
        }
        lf_least2(&bound_first, &bound_last);
        const lf tolerance = lf_set(sub->tolerance[run->group]);
        bound_first = bound_first + tolerance;
        bound_last = bound_last + tolerance;
        uint64_t least_first = 0, least_last = 0;
        for (int v = 0; v < nvectors; v++) {
            least_first |= (uint64_t)lm_bits(lf_le(first[v], bound_first)) << v * QFS_LANES;
            least_last |= (uint64_t)lm_bits(lf_le(last[v], bound_last)) << v * QFS_LANES;
        }
        run->value = list[iq3_first(least_first)] | IQ3_OFF_GRID;
        slot->run = run;
        slot->least_first = least_first;
        slot->least_last = least_last;
        const uint64_t below = least_first - 1;
        const bool one = (least_first ^ below) > below;
        nopen += !(one & (least_first == least_last));
    }
    return nopen;
}

/* The points of an open run that can be least somewhere. Of equal points only the first. */
LANE_FN uint64_t iq3_remaining(const struct iq3_sub *sub, const struct iq3_open *open)
{
    const struct iq3_run *run = open->run;
    const struct iq3_lines *lines = &open->lines;
    const int a = iq3_first(open->least_first) % IQ3_LIST,
              b = iq3_first(open->least_last) % IQ3_LIST;
    const float s_first = sub->scale[run->first], s_last = sub->scale[run->last];
    const float tolerance = sub->tolerance[run->group];
    const lf bound_first = lf_set(s_first * lines->a[b] - lines->b[b] + tolerance);
    const lf bound_last = lf_set(s_last * lines->a[a] - lines->b[a] + tolerance);
    uint64_t remaining = open->least_first | open->least_last;
    for (int j = 0; j < run->count; j += QFS_LANES) {
        const lf line_a = lf_load(lines->a + j), line_b = lf_load(lines->b + j);
        const lm below = lm_and(lf_le(lf_set(s_first) * line_a - line_b, bound_first),
                                lf_le(lf_set(s_last) * line_a - line_b, bound_last));
        remaining |= (uint64_t)lm_bits(below) << j;
    }
    remaining &= (1ull << run->count) - 1;
    const int32_t digits = sub->digits[run->group];
    if (digits == 4095)
        return remaining;
    const uint16_t *list = sub->grid->packed + run->start;
    uint64_t kept = 0;
    for (uint64_t rest = remaining; rest; rest &= rest - 1) {
        const int j = __builtin_ctzll(rest);
        bool fresh = true;
        for (uint64_t before = kept; before; before &= before - 1)
            fresh &= ((list[j] ^ list[__builtin_ctzll(before)]) & digits) != 0;
        kept |= (uint64_t)fresh << j;
    }
    return kept;
}

/* Settles an open run, writing the values of its tries to `cells`. A lane is a try. */
LANE_OUTLINE void iq3_settle_open(const struct iq3_sub *sub, const struct iq3_open *open,
                                  int32_t *cells)
{
    const struct iq3_run *run = open->run;
    const uint16_t *list = sub->grid->packed + run->start;
    const uint64_t remaining = iq3_remaining(sub, open);
    const lf tolerance = lf_set(sub->tolerance[run->group]);
    for (int t = run->first; t <= run->last; t += QFS_LANES) {
        const lf s = lf_load(sub->scale + t);
        lf best = lf_set(__builtin_inff()), second = best;
        li point = li_set(0);
        for (uint64_t rest = remaining; rest; rest &= rest - 1) {
            const int j = __builtin_ctzll(rest);
            const lf value = s * lf_set(open->lines.a[j]) - lf_set(open->lines.b[j]);
            const lm less = lf_lt(value, best);
            second = lf_min(lf_max(value, best), second);
            best = lf_min(value, best);
            point = li_select(less, li_set(list[j]), point);
        }
        const lm mine = li_lt(li_iota(), li_set(run->last - t + 1));
        const lm clear = lf_gt(second, best + tolerance);
        li_store(cells + t, li_select(mine, point | li_set(IQ3_OFF_GRID), li_load(cells + t)));
        for (uint32_t close = lm_bits(lm_andnot(mine, clear)); close; close &= close - 1) {
            const int here = t + __builtin_ctz(close);
            const int32_t chosen =
                iq3_measure(sub->grid, run->start, run->count, sub->x + 4 * run->group,
                            sub->root + 4 * run->group, sub->scale[here]);
            cells[here] = chosen | IQ3_OFF_GRID;
        }
    }
}

#endif
