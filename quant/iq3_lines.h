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
 *   - if two points a and b are, measure all lines where theirs cross. If none is below there, a is
 *     least up to the crossing and b after it (the least of lines is concave);
 *   - else measure at every try of the run.
 * Where it is not clear, try by try, the reference's own sums decide (iq3_measure).
 *
 * What "clearly" means. Let u = 2^-24, M[i] = 15 s + |x[i]|, T = sum w M^2; q is at most 15. Of the
 * reference's sum: s * q - x is off by at most 2 u M, its square by 4 u M^2, the two products round
 * twice, so each term is off by 6 u w M^2, and the three additions bring it to 9 u T. Two points
 * whose true d differ by more than 18 u T come out in that order. Of ours: A is off by 4 u A
 * (two products, two additions), B by 4 u B, the product and the difference round: s times the
 * line's value is off by 6 u T, the difference of two by 12 u T (by 16 u T where it is taken from
 * differences of A and B). So points whose lines differ by more than 34 u T / s are in the true
 * order and in the reference's. T / s is convex in s: between two scales it is below its chord,
 * while the difference of two lines is its own chord, hence what is clear at two scales is clear
 * between them. We take T at the largest s over the smallest s, and 2.5e-6 for 34 u = 2.03e-6,
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
    int32_t cell;   /* then the cell number of the point chosen */
    uint32_t start; /* the cell's list; count is 0 for a cell on the grid */
    uint16_t count;
    uint8_t group, first, last;
};

struct iq3_group {
    float a[4][8], b[4][8]; /* what digit l of weight i adds to A and B */
    float tolerance;
    int32_t digits; /* ones where a weight has importance: three bits each */
};

/* The lines of a run's points. */
struct iq3_lines {
    float a[IQ3_VECTORS * QFS_LANES], b[IQ3_VECTORS * QFS_LANES];
};

/* A run whose ends did not settle it, with the points that could be least there. */
struct iq3_open {
    struct iq3_run *run;
    uint64_t least_first, least_last;
    struct iq3_lines lines;
};

struct iq3_sub {
    const struct qfs_grid *grid;
    const float *x, *root;
    float iscale[IQ3_TRIES], scale[IQ3_TRIES + QFS_LANES]; /* of each try */
    struct iq3_group group[IQ3_GROUPS];
    int nruns;
    struct iq3_run run[IQ3_RUNS];
};

/* What the digits of weight i add to A and B, and how near lines may come. */
LANE_FN void iq3_group_prepare(const float *x, const float *root, float least_scale,
                               float greatest_scale, struct iq3_group *group)
{
    static const float odd[16] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};
    enum { STEP = QFS_LANES > 8 ? 8 : QFS_LANES };
    float total = 0, reach = 0, sum = 0;
    group->digits = 0;
    for (int i = 0; i < 4; i++) {
        const lf w = lf_set(root[i]), wx = lf_set(2 * (root[i] * x[i]));
        /* 16 lanes write beyond the 8 entries, what the next ones then overwrite */
        float both[2][8 + QFS_LANES];
        for (int l = 0; l < 8; l += STEP) {
            const lf q = lf_load(odd + l);
            lf_store(both[0] + l, w * q * q);
            lf_store(both[1] + l, wx * q);
        }
        memcpy(group->a[i], both[0], sizeof(group->a[i]));
        memcpy(group->b[i], both[1], sizeof(group->b[i]));
        const float far = 15 * greatest_scale + __builtin_fabsf(x[i]);
        total += root[i] * far * far;
        reach = reach > far ? reach : far;
        sum += root[i];
        group->digits |= (root[i] != 0 ? 7 : 0) << 3 * i;
    }
    const bool regular = total > 1e-35f * (1 + reach) && total < 1e37f;
    const bool nothing = sum == 0 && reach < 1e18f;
    group->tolerance = regular ? 2.5e-6f * total / least_scale : nothing ? 0 : __builtin_inff();
}

/* Lanes from `count` on become infinite, count in 1..QFS_LANES. */
LANE_FN lf iq3_cut(lf value, int count)
{
    return lf_select(li_lt(li_iota(), li_set(count)), value, lf_set(__builtin_inff()));
}

/* The points whose value is at most `tolerance` above the least: bit j is point j. */
LANE_FN uint64_t iq3_nearly_least(const lf *value, int nvectors, int count, lf tolerance)
{
    lf least = iq3_cut(value[nvectors - 1], count - (nvectors - 1) * QFS_LANES);
    for (int v = 0; v < nvectors - 1; v++)
        least = lf_min(value[v], least);
    const lf bound = lf_least(least) + tolerance;
    uint64_t bits = 0;
    for (int v = 0; v < nvectors; v++)
        bits |= (uint64_t)lm_bits(lf_le(value[v], bound)) << v * QFS_LANES;
    return bits & ((1ull << count) - 1);
}

LANE_FN int iq3_first(uint64_t bits)
{
    return __builtin_ctzll(bits | 1ull
                                      << 63); /* slack of the grid's lists: any entry can be read */
}

/* The first of `points` if all of them are equal to it, else -1. */
LANE_FN int iq3_agree(const struct iq3_sub *sub, const struct iq3_run *run, uint64_t points)
{
    const uint16_t *list = sub->grid->packed + run->start;
    const int first = iq3_first(points);
    for (uint64_t rest = points & (points - 1); rest; rest &= rest - 1)
        if ((list[first] ^ list[__builtin_ctzll(rest)]) & sub->group[run->group].digits)
            return -1;
    return points ? first : -1;
}

/* The reference's own choice of a cell's list at one scale. A lane is a point. */
LANE_FN int iq3_measure(const struct qfs_grid *grid, uint32_t start, int count, const float *x,
                        const float *root, float scale)
{
    static const float odd[16] = {1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15};
    enum { STEP = QFS_LANES > 8 ? 8 : QFS_LANES };
    float term[4][8 + QFS_LANES];
    for (int l = 0; l < 8; l += STEP) {
        const lf product = lf_set(scale) * lf_load(odd + l);
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
        if (count - j < QFS_LANES)
            d = iq3_cut(d, count - j);
        const lm less = lf_lt(d, best);
        best = lf_select(less, d, best);
        at = li_select(less, li_set(j), at);
    }
    /* the least lane, and of equal ones the first in the list */
    const lm least = lf_eq(best, lf_least(best));
    int32_t each[QFS_LANES];
    li_store(each, at + li_iota());
    int first = count - 1;
    for (uint32_t bits = lm_bits(least); bits; bits &= bits - 1) {
        const int32_t here = each[__builtin_ctz(bits)];
        first = here < first ? here : first;
    }
    return grid->packed[start + (uint32_t)first];
}

/* -- all runs
 * ------------------------------------------------------------------------------------------ */

/* Settles the runs whose ends have one least point, leaves the others in `open`, whose number is
 * returned. Lists have at most `nvectors` times QFS_LANES points; 0: find out. */
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
        for (int v = 0; v < nvectors; v++) {
            const li d0 = li_load_u16(list + v * QFS_LANES);
            const li d1 = d0 >> 3, d2 = d0 >> 6, d3 = d0 >> 9;
            const lf a = (lf_lookup8_mod(group->a[0], d0) + lf_lookup8_mod(group->a[1], d1)) +
                         (lf_lookup8_mod(group->a[2], d2) + lf_lookup8_mod(group->a[3], d3));
            const lf b = (lf_lookup8_mod(group->b[0], d0) + lf_lookup8_mod(group->b[1], d1)) +
                         (lf_lookup8_mod(group->b[2], d2) + lf_lookup8_mod(group->b[3], d3));
            lf_store(slot->lines.a + v * QFS_LANES, a);
            lf_store(slot->lines.b + v * QFS_LANES, b);
            first[v] = s_first * a - b;
            last[v] = s_last * a - b;
        }
        const lf tolerance = lf_set(group->tolerance);
        const uint64_t least_first = iq3_nearly_least(first, nvectors, run->count, tolerance);
        const uint64_t least_last = iq3_nearly_least(last, nvectors, run->count, tolerance);
        run->cell = list[iq3_first(least_first)];
        slot->run = run;
        slot->least_first = least_first;
        slot->least_last = least_last;
        const bool settled =
            least_first == least_last && least_first && !(least_first & (least_first - 1));
        nopen += !settled;
    }
    return nopen;
}

/* Lines of an open run at one scale. */
LANE_FN uint64_t iq3_open_at(const struct iq3_open *open, float scale, float tolerance)
{
    const int nvectors = (open->run->count + QFS_LANES - 1) / QFS_LANES;
    lf value[IQ3_VECTORS];
    for (int v = 0; v < nvectors; v++)
        value[v] = lf_set(scale) * lf_load(open->lines.a + v * QFS_LANES) -
                   lf_load(open->lines.b + v * QFS_LANES);
    return iq3_nearly_least(value, nvectors, open->run->count, lf_set(tolerance));
}

/* The cell number for one try of an open run. */
LANE_FN int32_t iq3_open_try(const struct iq3_sub *sub, const struct iq3_open *open, int try)
{
    const struct iq3_run *run = open->run;
    const float tolerance = sub->group[run->group].tolerance;
    const int found = iq3_agree(sub, run, iq3_open_at(open, sub->scale[try], tolerance));
    if (found >= 0)
        return sub->grid->packed[run->start + (uint32_t)found];
    return iq3_measure(sub->grid, run->start, run->count, sub->x + 4 * run->group,
                       sub->root + 4 * run->group, sub->scale[try]);
}

/* Settles an open run, writing the cell numbers of its tries. */
LANE_OUTLINE void iq3_settle_open(const struct iq3_sub *sub, const struct iq3_open *open,
                                  int32_t *digits)
{
    const struct iq3_run *run = open->run;
    const uint16_t *list = sub->grid->packed + run->start;
    const float tolerance = sub->group[run->group].tolerance;
    const int a = iq3_agree(sub, run, open->least_first), b = iq3_agree(sub, run, open->least_last);
    bool two = a >= 0 && b >= 0;
    if (two && a != b) {
        /* where both lines cross */
        const float crossing =
            (open->lines.b[b] - open->lines.b[a]) / (open->lines.a[b] - open->lines.a[a]);
        const float greatest = sub->scale[run->first], least = sub->scale[run->last];
        two = crossing <= greatest && crossing >= least;
        if (two) {
            const uint64_t points = iq3_open_at(open, crossing, 2 * tolerance);
            two = !(points & ~(open->least_first | open->least_last));
        }
    }
    if (!two) {
        for (int try = run->first; try <= run->last; try++)
            digits[try] = iq3_open_try(sub, open, try);
        return;
    }
    const lf da = lf_set(open->lines.a[b] - open->lines.a[a]);
    const lf db = lf_set(open->lines.b[b] - open->lines.b[a]);
    for (int try = run->first; try <= run->last; try += QFS_LANES) {
        const lf over = lf_load(sub->scale + try) * da - db; /* b's line over a's */
        const lm mine = li_lt(li_iota(), li_set(run->last - try + 1));
        const li chosen = li_select(lf_gt(over, lf_set(0.f)), li_set(list[a]), li_set(list[b]));
        li_store(digits + try, li_select(mine, chosen, li_load(digits + try)));
        if (a == b)
            continue;
        const lm close = lm_and(mine, lf_le(lf_abs(over), lf_set(tolerance)));
        for (uint32_t bits = lm_bits(close); bits; bits &= bits - 1) {
            const int here = try + __builtin_ctz(bits);
            digits[here] = iq3_open_try(sub, open, here);
        }
    }
}

#endif
