/* iq2_filter.h: which grid points of a list can be the best for 8 values, at one scale or at any of
 * a run of scales. Costs are weighed in bytes, QFS_BYTES candidates at once, so that a handful is
 * left of the 10 to 60 that the reference measures one by one.
 *
 * What is looked for. The reference takes the first candidate c of the list with the least
 *
 *     D(c, s) = sum of w[i] (s q[i] - x[i])^2,   q[i] = 1, 3 or 5 by c's digit i,
 *
 * in floats, rounding as it goes. Let g(c, s) be (D(c, s) - sum of w[i] x[i]^2) / s, that is
 * sum of w[i] q[i] (s q[i] - 2 x[i]), less the same sum for the best digits regardless of the grid:
 * of each element, min over q is taken away, so all terms are >= 0.
 *
 * What is left out, and why that is safe. Let W = sum of w[i], |x[i]| <= 16 s (callers see to it),
 * e = 2^-24.
 *  1. g(c, s) - g(d, s) is linear in s. If c is worse than d by m at both ends of a run of scales, it
 *     is worse by m at all scales between.
 *  2. A reference's D is off by little: one rounding in s q, one in the difference, two in the
 *     products, at most seven in the sum, so by at most e (11.1 D + 2.1 sum of w |s q - x| s q) <=
 *     13.2 e sum of w (5 s + |x|)^2 <= 13.2 e 441 s^2 W < 3.5e-4 s^2 W. Relative to s: 3.5e-4 s W.
 *  3. The unit of the bytes is u = s W / 512 or more, that is 1.9e-3 s W. So if g(c) > g(d) + 0.9 u
 *     at both ends, then D(c) > D(d) + 1.7e-3 s^2 W between them, and since two times 3.5e-4 is less,
 *     the reference finds c worse than d: c is not its choice.
 *  4. Bytes are floor(term / u) for each element, and saturate. Terms in floats are off by at most
 *     1e-4 s W, all eight together (some 16 roundings, of numbers up to 8 w (3 s + |x|)), u / 20. An
 *     element whose digit is the nearest has a term of 0 or of such an error. So, in units,
 *     bytes(c) <= g(c) + 0.05, and g(d) <= bytes(d) + apart(d) + 0.05, where apart(d) counts the
 *     digits of d that are not the nearest. If bytes(c) > bytes(d) + apart(d), it is that plus one
 *     at least, and g(c) > g(d) + 0.9 u. (d's sum must not be saturated; c's may.)
 * Thus, for any d, only candidates with bytes(c) <= bytes(d) + apart(d) at one end or the other
 * remain, d among them. d is that with the least mean of both ends' right hand sides; its choice is a
 * matter of speed alone. */
#ifndef QUANTFS_IQ2_FILTER_H
#define QUANTFS_IQ2_FILTER_H

#include "iq2_plain.h"

#if QFS_LOOKUP

enum {
    IQ2_VECTORS = (QFS_GRID_LIST + QFS_BYTES - 1) / QFS_BYTES,
    IQ2_WORDS = (IQ2_VECTORS * QFS_BYTES + 63) / 64,
    IQ2_UNITS = 512, /* in s W */
};

/* The candidates of a list that remain, as bits by their place in it. */
struct iq2_rest {
    uint64_t bits[IQ2_WORDS];
};

/* Where in a part of terms (four elements' for q = 1, then for 3, then for 5) those of a nibble's low
 * and high digit stand: elements 0 and 1 of the part, then elements 2 and 3. */
#define EACH_PART(...)                                     \
    {                                                      \
        __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ \
    }
LANE_TABLE uint8_t iq2_patterns[4][64] = {
    EACH_PART(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12),
    EACH_PART(1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9, 13, 13, 13, 13),
    EACH_PART(2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14),
    EACH_PART(3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15),
};
#undef EACH_PART

/* Tables of a pair of elements' cost by nibble, at the two ends of a run. */
struct iq2_costs {
    lb table[2][4];
};

/* `units`: units in s W, over W. `id`: 1 / s at the two ends. */
LANE_FN struct iq2_costs iq2_costs_make(const float *x, const float *root, float units,
                                        const float id[2], bool run)
{
    enum { NVECTORS = 16 / QFS_LANES, PARTS = QFS_LANES / 4 };
    struct iq2_costs costs;
    for (int v = 0; v < NVECTORS; v++) {
        /* elements 0..7 at the first end, 0..7 at the second */
        const int at = v * QFS_LANES;
        if (at >= 8 && !run)
            break;
        const lm first = li_lt(li_iota() + li_set(at), li_set(8));
        const lf y = lf_cycle8(x, at) * lf_select(first, lf_set(id[0]), lf_set(id[1]));
        const lf w4 = lf_cycle8(root, at) * lf_set(4 * units);
        /* terms of q = 3 and 5 less that of q = 1 */
        const lf three = w4 * (lf_set(2.f) - y), five = (w4 + w4) * (lf_set(3.f) - y);
        const lf least = lf_min(lf_min(three, five), lf_set(0.f));
        const lb terms = lb_pack(li_trunc(lf_neg(least)), li_trunc(three - least),
                                 li_trunc(five - least), li_set(0));
        const lb low = lb_add(lb_lookup(terms, lb_load(iq2_patterns[0])),
                              lb_lookup(terms, lb_load(iq2_patterns[1])));
        const lb high = lb_add(lb_lookup(terms, lb_load(iq2_patterns[2])),
                               lb_lookup(terms, lb_load(iq2_patterns[3])));
        for (int p = 0; p < PARTS; p++) {
            const int part = v * PARTS + p; /* elements 0..3 and 4..7 at each end */
            costs.table[part / 2][part % 2 * 2] = lb_part(low, p);
            costs.table[part / 2][part % 2 * 2 + 1] = lb_part(high, p);
        }
    }
    return costs;
}

LANE_FN lb iq2_cost(const lb table[4], const lb nibbles[4])
{
    return lb_add(lb_add(lb_lookup(table[0], nibbles[0]), lb_lookup(table[1], nibbles[1])),
                  lb_add(lb_lookup(table[2], nibbles[2]), lb_lookup(table[3], nibbles[3])));
}

/* n bytes of 0 (0 to QFS_BYTES), then of 255 */
LANE_FN lb iq2_from(int n)
{
#define SIXTEEN(b) b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b
#define SIXTY_FOUR(b) SIXTEEN(b), SIXTEEN(b), SIXTEEN(b), SIXTEEN(b)
    static const uint8_t border[128] = {SIXTY_FOUR(0), SIXTY_FOUR(255)};
#undef SIXTY_FOUR
#undef SIXTEEN
    return lb_load(border + 64 - n);
}

/* What remains of a cell's list at the ends of a run, or (not `run`) at one scale. `nvectors`: of the
 * list. False when all sums are saturated and nothing is known. */
LANE_FN bool iq2_filter(const struct qfs_grid *grid, const struct qfs_grid_cell *cell, int nvectors,
                        const struct iq2_costs *costs, bool run, struct iq2_rest *rest)
{
    const int count = cell->count, closer = cell->closer;
    const uint8_t *low = grid->halves + 2 * cell->start, *high = low + count;
    const lb apart = lb_set(cell->apart), more = lb_set((uint8_t)(cell->farther - cell->apart));
    lb sum[IQ2_VECTORS], other[IQ2_VECTORS];
    lb_pair least = lb_pair_set(0xffff);
    for (int v = 0; v < nvectors; v++) {
        const int at = v * QFS_BYTES;
        const lb a = lb_load(low + at), b = lb_load(high + at);
        const lb nibbles[4] = {lb_low4(a), lb_high4(a), lb_low4(b), lb_high4(b)};
        sum[v] = iq2_cost(costs->table[0], nibbles);
        other[v] = run ? iq2_cost(costs->table[1], nibbles) : sum[v];
        if (v == nvectors - 1) {
            const lb beyond = iq2_from(count - at);
            sum[v] = lb_or(sum[v], beyond);
            other[v] = lb_or(other[v], beyond);
        }
        const lb away = lb_add(apart, lb_and(iq2_from(iq2_clamp(closer - at, QFS_BYTES)), more));
        const lb upper = lb_add(sum[v], away);
        least = lb_pair_least(least, upper, run ? lb_avg(upper, lb_add(other[v], away)) : upper);
    }
    lb limit, mean;
    const unsigned chosen = lb_pair_spread(least, &limit, &mean);
    /* the other end's limit: twice the mean less this one's */
    const lb other_limit = lb_sub(lb_add(mean, lb_sub(mean, limit)), lb_sub(limit, mean));
    for (int v = 0; v < nvectors; v++) {
        uint64_t bits = lb_le_bits(sum[v], limit);
        if (run)
            bits |= lb_le_bits(other[v], other_limit);
        const int at = v * QFS_BYTES;
        rest->bits[at / 64] = at % 64 ? rest->bits[at / 64] | bits << at % 64 : bits;
    }
    const int limits[2] = {(int)(chosen & 255), 2 * (int)(chosen >> 8) - (int)(chosen & 255)};
    return limits[0] < 255 && limits[1] < 255;
}

#endif

#endif
