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
 *  3. The unit of the bytes is u = s W / 512 or more, that is 2e-3 s W. So if g(c) > g(d) + u at both
 *     ends, then D(c) > D(d) + u s between them, and since two times 3.5e-4 is less than 2e-3, the
 *     reference finds c worse than d: c is not its choice.
 *  4. Bytes are floor(term / u), for each element, and saturate. Terms in floats are off by at most
 *     8 e w (24 s + 8 |x|), all eight together by 1e-4 s W at most, u / 20. An element whose digit is
 *     the nearest has a term of 0 or of such an error. So, in units, bytes(c) <= g(c) + 0.05, and
 *     g(d) <= bytes(d) + h(d) + 0.05, where h(d) counts the digits of d that are not the nearest.
 *     If bytes(c) > bytes(d) + h(d), hence >= bytes(d) + h(d) + 1, then g(c) > g(d) + 0.9 u, which
 *     is enough for 3. (d's sum must not be saturated; c's may.)
 * Thus, for any d, only candidates with bytes(c) <= bytes(d) + h(d) at one end or the other remain,
 * d among them. d is chosen by the mean of both ends; its choice is a matter of speed alone. */
#ifndef QUANTFS_IQ2_FILTER_H
#define QUANTFS_IQ2_FILTER_H

#include "iq2_plain.h"

#if QFS_LANES > 1

enum {
    IQ2_WORDS = (QFS_GRID_LIST + 63) / 64 + 1,
    IQ2_VECTORS = QFS_GRID_LIST / QFS_BYTES + 1,
};

/* Candidates that remain, as bits by their place in the list. */
struct iq2_rest {
    int count, first; /* how many, and some one of them */
    uint64_t bits[IQ2_WORDS];
};

/* Where in a part of terms (four elements' for q = 1, then for 3, then for 5) those of a nibble's low
 * and high digit stand: elements 0 and 1 of the part, then elements 2 and 3. */
#define EACH_PART(...)                                     \
    {                                                      \
        __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ \
    }
static const uint8_t iq2_patterns[4][64] = {
    EACH_PART(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12),
    EACH_PART(1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9, 13, 13, 13, 13),
    EACH_PART(2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14, 2, 6, 10, 14),
    EACH_PART(3, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11, 15, 15, 15, 15),
};
#undef EACH_PART

/* Tables of a pair of elements' cost by nibble, at two scales. */
struct iq2_costs {
    lb table[2][4];
};

/* Scales `scale[0]` for the first 8 of 16 (two times 8 elements), `scale[1]` for the others. */
LANE_FN struct iq2_costs iq2_costs_make(const float *x, const float *root, const float scale[2],
                                        const float inverse_unit[2])
{
    enum { NVECTORS = 16 / QFS_LANES, PARTS = QFS_LANES / 4 };
    struct iq2_costs costs;
    for (int v = 0; v < NVECTORS; v++) {
        const int at = v * QFS_LANES;
        const lm first = li_lt(li_iota() + li_set(at), li_set(8));
        const lf s = lf_select(first, lf_set(scale[0]), lf_set(scale[1]));
        const lf inverse = lf_select(first, lf_set(inverse_unit[0]), lf_set(inverse_unit[1]));
        const lf xs = lf_cycle8(x, at), zero = lf_set(0.f);
        const lf w4 = lf_cycle8(root, at) * (inverse * lf_set(4.f));
        /* terms of q = 3 and 5 less that of q = 1 */
        const lf three = w4 * (s + s - xs);
        const lf five = (w4 + w4) * (s + s + s - xs);
        const lf least = lf_min(lf_min(three, five), zero);
        const lf limit = lf_set(255.f);
        const lb terms =
            lb_pack(li_trunc(lf_min(zero - least, limit)), li_trunc(lf_min(three - least, limit)),
                    li_trunc(lf_min(five - least, limit)), li_set(0));
        const lb low = lb_add(lb_lookup(terms, lb_load(iq2_patterns[0])),
                              lb_lookup(terms, lb_load(iq2_patterns[1])));
        const lb high = lb_add(lb_lookup(terms, lb_load(iq2_patterns[2])),
                               lb_lookup(terms, lb_load(iq2_patterns[3])));
        for (int p = 0; p < PARTS; p++) {
            const int part = v * PARTS + p; /* elements 0..3 and 4..7 at each scale */
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

/* Digits in which two grid points differ. */
LANE_FN int iq2_digits_apart(int a, int b)
{
    const unsigned apart = (unsigned)(a ^ b);
    return __builtin_popcount((apart | apart >> 1) & 0x5555);
}

/* What remains of a cell's list; `nearest`: the cell's own nibbles. With `run` at any scale between
 * scale[0] and scale[1], else at scale[0]. root_sum > 0. */
LANE_FN void iq2_rest_find(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                           int nearest, const float *x, const float *root, float root_sum,
                           const float scale[2], bool run, struct iq2_rest *rest)
{
    static const uint8_t beyond[2 * 64] = {
        [64] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255,        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255,        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255,        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    };
    const int nvectors = (cell->count + QFS_BYTES - 1) / QFS_BYTES;
    const uint8_t *low = grid->low + cell->start, *high = grid->high + cell->start;
    uint8_t sums[2][IQ2_VECTORS * QFS_BYTES];
    float inverse_unit[2] = {512.f / (scale[0] * root_sum), 512.f / (scale[1] * root_sum)};
    int least, chosen = 0;
    for (int attempt = 0;; attempt++) {
        const struct iq2_costs costs = iq2_costs_make(x, root, scale, inverse_unit);
        lb least_mean = lb_set(255);
        for (int v = 0; v < nvectors; v++) {
            const lb a = lb_load(low + v * QFS_BYTES), b = lb_load(high + v * QFS_BYTES);
            const lb nibbles[4] = {lb_low4(a), lb_high4(a), lb_low4(b), lb_high4(b)};
            const int here = cell->count - v * QFS_BYTES;
            const lb tail = lb_load(beyond + 64 - (here < QFS_BYTES ? here : QFS_BYTES));
            lb sum = lb_or(iq2_cost(costs.table[0], nibbles), tail);
            lb_store(sums[0] + v * QFS_BYTES, sum);
            if (run) {
                const lb other = lb_or(iq2_cost(costs.table[1], nibbles), tail);
                lb_store(sums[1] + v * QFS_BYTES, other);
                sum = lb_avg(sum, other);
            }
            least_mean = lb_min(least_mean, sum);
        }
        least = lb_least(least_mean);
        if (least < 255 || attempt == 3)
            break;
        inverse_unit[0] *= 1.f / 16;
        inverse_unit[1] *= 1.f / 16;
    }
    for (int v = 0; v < nvectors; v++) {
        const lb sum = lb_load(sums[0] + v * QFS_BYTES);
        const lb mean = run ? lb_avg(sum, lb_load(sums[1] + v * QFS_BYTES)) : sum;
        const uint64_t here = lb_le_bits(mean, lb_set((uint8_t)least));
        if (here) {
            chosen = v * QFS_BYTES + __builtin_ctzll(here);
            break;
        }
    }
    const int apart = iq2_digits_apart(nearest, low[chosen] | high[chosen] << 8);
    const int limit[2] = {sums[0][chosen] + apart, run ? sums[1][chosen] + apart : 0};
    const lb limit0 = lb_set((uint8_t)(limit[0] < 255 ? limit[0] : 255));
    const lb limit1 = lb_set((uint8_t)(limit[1] < 255 ? limit[1] : 255));
    rest->first = chosen;
    rest->count = 0;
    for (int v = 0; v < nvectors; v++) {
        uint64_t bits = lb_le_bits(lb_load(sums[0] + v * QFS_BYTES), limit0);
        if (run)
            bits |= lb_le_bits(lb_load(sums[1] + v * QFS_BYTES), limit1);
        const int here = cell->count - v * QFS_BYTES, at = v * QFS_BYTES;
        if (here < 64)
            bits &= (1ull << here) - 1;
        rest->bits[at / 64] = at % 64 ? rest->bits[at / 64] | bits << at % 64 : bits;
        rest->count += __builtin_popcountll(bits);
    }
}

#endif

#endif
