/* iq2_search.h: IQ2_XXS, IQ2_XS and IQ2_S: the search for scales and grid points, and the walk over
 * tiles.
 *
 * The reference tries 13 or 19 scales for each sub-block: rounds its values to codes 0..2, and where
 * 8 codes are no grid point, measures every point of their cell's list. Here, over a tile:
 *   1. codes only change where a value crosses 2 or 4 scales, some three times a group over all
 *      tries; between, tries form a run with one cell (iq2_runs_find);
 *   2. of the cell's list only candidates remain that could win somewhere in the run (iq2_filter.h),
 *      often one; if more, they are measured as the reference does, a lane is a try
 *      (iq2_run_choose);
 *   3. the sums that rate a try are taken once for each distinct choice of points, of which there
 *      are about seven; a lane is a sub-block (iq2_choices_rate);
 *   4. the winning scale's points are sought again and its sums taken again (iq2_again_search,
 *      iq2_again_rate). */
#ifndef QUANTFS_IQ2_SEARCH_H
#define QUANTFS_IQ2_SEARCH_H

#include "iq2_filter.h"
#include "iq2_tile.h"

LANE_OUTLINE void iq2_sub_search_plain(const struct iq2_rule *rule, const struct qfs_grid *grid,
                                       int sub, struct iq2_tile *tile)
{
    const int at = sub * rule->groups * IQ2_GROUP;
    const struct iq2_sub values = {tile->x + at, tile->weight + at, tile->root + at,
                                   tile->middle[sub], tile->scale[sub]};
    tile->found[sub] = (struct iq2_found){.scale = 0};
    if (tile->live[sub])
        tile->found[sub] = iq2_search_plain(rule, grid, &values);
}

#if QFS_LANES == 1 || !QFS_LOOKUP

LANE_FN void iq2_tile_search(const struct iq2_rule *rule, const struct qfs_grid *grid,
                             struct iq2_tile *tile)
{
    for (int sub = 0; sub < iq2_tile_nsubs(rule); sub++)
        iq2_sub_search_plain(rule, grid, sub, tile);
}

#else

enum {
    IQ2_TRIES = 19,         /* at most */
    IQ2_TRIES_ROOM = 2 * 32 /* QFS_LANES can be loaded from any try on */
};

/* A choice is a point for a group: its nibbles in the low 16 bits, its number above them, and
 * whether the codes that led to it were no grid point themselves. */
enum { IQ2_POINT_SHIFT = 16, IQ2_POINT_MASK = 1023, IQ2_OFF_GRID = 1 << 30 };

struct iq2_job {
    const struct qfs_grid_cell *cell;
    uint16_t nearest; /* the cell's nibbles */
    uint8_t group, first, last;
};

struct iq2_work {
    bool tame[IQ2_TILE_SUBS];
    float scale[IQ2_TILE_SUBS][IQ2_TRIES_ROOM]; /* of each try */
    uint8_t below1[IQ2_TILE], below2[IQ2_TILE]; /* tries whose code is below 1, below 2 */
    int32_t crossings[IQ2_TILE];                /* bits of these two */
    uint32_t starts[IQ2_TILE_GROUPS];           /* bit j: another choice from try j on */
    int32_t choice[IQ2_TILE_GROUPS][IQ2_TRIES]; /* valid where its bit is set */
    int njobs;
    struct iq2_job jobs[IQ2_TILE_GROUPS * IQ2_TRIES];
    int32_t rated[IQ2_TRIES][IQ2_GROUPS_MAX][IQ2_TILE_SUBS];
    int32_t nrated[IQ2_TILE_SUBS];
    int32_t best[IQ2_GROUPS_MAX][IQ2_TILE_SUBS]; /* the winning try's choice */
    bool again[IQ2_TILE_SUBS];
};

LANE_FN int iq2_ntries(const struct iq2_rule *rule)
{
    return 2 * rule->reach + 1;
}

/* Whether iq2_filter.h's conditions hold for all groups of a sub-block at scales from middle / 6 on,
 * and nothing comes near overflow or underflow. */
LANE_FN bool iq2_sub_tame(const struct iq2_rule *rule, const struct iq2_tile *tile, int sub)
{
    const float middle = tile->middle[sub];
    bool tame = middle >= 1e-18f && middle <= 1e8f;
    for (int g = sub * rule->groups; g < (sub + 1) * rule->groups; g++) {
        const float sum = tile->root_sum[g];
        const bool weighs =
            sum <= 1e18f && sum * middle >= 1e-26f && sum * middle * middle >= 1e-26f;
        tame &= (sum == 0 || weighs) && tile->span[g] <= 2.5f * middle;
    }
    return tame;
}

/* -- 1. runs of tries with the same codes --------------------------------------------------------
 */

LANE_FN void iq2_scales_make(const struct iq2_rule *rule, float middle, float *scale)
{
    for (int j = 0; j < iq2_ntries(rule); j += QFS_LANES) {
        const lf is = lf_from_int(li_iota() + li_set(j - rule->reach));
        const lf id = (lf_set(5.f) + is * lf_set(0.1f)) / lf_set(middle);
        lf_store(scale + j, lf_set(1.f) / id);
    }
}

/* The number of tries j with id(j) x <= 2 and < 4, counted in the reference's arithmetic. */
LANE_OUTLINE void iq2_crossings_count(const struct iq2_rule *rule, float middle, const float *x,
                                      int n, uint8_t *below1, uint8_t *below2, int32_t *crossings)
{
    for (int i = 0; i < n; i++) {
        int count1 = 0, count2 = 0;
        for (int is = -rule->reach; is <= rule->reach; is++) {
            const float y = (5 + (float)is * 0.1f) / middle * x[i];
            count1 += y <= 2;
            count2 += y < 4;
        }
        below1[i] = (uint8_t)count1;
        below2[i] = (uint8_t)count2;
        crossings[i] = 1 << count1 | 1 << count2;
    }
}

/* nearest_int(0.5 (id x - 1)) is above 0 when id x > 2 and above 1 when id x >= 4, since id x - 1
 * is exact between 1 and 4 as far as these borders go. id grows with the try, so a value's code
 * does. id(j) x = 2 at j = 20 middle / x - 50 + reach; where this is so near to a whole number that
 * rounding matters (it can be off by 1e-4), tries are counted. */
LANE_FN void iq2_crossings_find(const struct iq2_rule *rule, const struct iq2_tile *tile, int sub,
                                struct iq2_work *work)
{
    const lf middle = lf_set(tile->middle[sub]), ntries = lf_set((float)iq2_ntries(rule));
    const lf offset = lf_set(49.5f - (float)rule->reach), zero = lf_set(0.f);
    const int begin = sub * rule->groups * IQ2_GROUP, n = rule->groups * IQ2_GROUP;
    lm doubtful = lm_set(false);
    for (int i = begin; i < begin + n; i += QFS_LANES) {
        const lf x = lf_load(tile->x + i), ratio = middle / x;
        const lm never = lf_le(x, zero);
        li below[2], bits = li_set(0);
        for (int code = 0; code < 2; code++) {
            const lf place = ratio * lf_set(code ? 40.f : 20.f) - offset;
            const lf inside = lf_min(lf_max(place, zero), ntries);
            const lf count = lf_select(never, ntries, inside);
            const lf rounded = count + lf_set(LANE_ROUND);
            const lf rest = lf_abs(count - (rounded - lf_set(LANE_ROUND)));
            doubtful = lm_or(doubtful, lf_gt(rest, lf_set(0.5f - 1.f / 2048)));
            below[code] = li_bits(rounded) & li_set(31);
            /* 2 to the count, by way of a float's exponent */
            bits = bits | li_trunc(lf_bits((below[code] + li_set(127)) << 23));
        }
        li_store_u8(work->below1 + i, below[0]);
        li_store_u8(work->below2 + i, below[1]);
        li_store(work->crossings + i, bits);
    }
    if (lm_any(doubtful))
        iq2_crossings_count(rule, tile->middle[sub], tile->x + begin, n, work->below1 + begin,
                            work->below2 + begin, work->crossings + begin);
}

/* bit k: byte k of `bytes` (below 128) is at most `limit` */
LANE_FN unsigned iq2_bytes_upto(uint64_t bytes, int limit)
{
    const uint64_t each = 0x0101010101010101u;
    const uint64_t flags = (((uint64_t)limit + 128) * each - bytes) >> 7 & each;
    return (unsigned)(flags * 0x0102040810204080u >> 56);
}

struct iq2_cell_at {
    const struct qfs_grid_cell *cell;
    int nibbles;
};

/* The cell of 8 codes: bit k of `above0` and `above1` says whether code k is. */
LANE_FN struct iq2_cell_at iq2_cell_find(const struct qfs_grid *grid, unsigned above0,
                                         unsigned above1)
{
    static const uint8_t number[16] = {0, 1, 3, 4, 9, 10, 12, 13, 27, 28, 30, 31, 36, 37, 39, 40};
    static const uint8_t nibbles[16] = {0, 1, 4, 5, 16, 17, 20, 21, 64, 65, 68, 69, 80, 81, 84, 85};
    const int a = above0 & 15, b = above1 & 15, c = above0 >> 4, d = above1 >> 4;
    const int at = number[a] + number[b] + 81 * (number[c] + number[d]);
    return (struct iq2_cell_at){&grid->cell[at],
                                nibbles[a] + nibbles[b] + ((nibbles[c] + nibbles[d]) << 8)};
}

LANE_FN int32_t iq2_choice_on_grid(struct iq2_cell_at at)
{
    return at.nibbles | at.cell->point << IQ2_POINT_SHIFT;
}

LANE_FN void iq2_runs_find(const struct iq2_rule *rule, const struct qfs_grid *grid, int g,
                           struct iq2_work *work)
{
    uint64_t bits[4], below1, below2;
    memcpy(bits, work->crossings + g * IQ2_GROUP, sizeof(bits));
    memcpy(&below1, work->below1 + g * IQ2_GROUP, sizeof(below1));
    memcpy(&below2, work->below2 + g * IQ2_GROUP, sizeof(below2));
    bits[0] |= bits[1] | bits[2] | bits[3];
    const int ntries = iq2_ntries(rule);
    uint32_t starts = (uint32_t)(bits[0] | bits[0] >> 32) & ((1u << ntries) - 1);
    starts |= 1;
    work->starts[g] = starts;
    while (starts) {
        const int first = __builtin_ctz(starts);
        starts &= starts - 1;
        const struct iq2_cell_at at =
            iq2_cell_find(grid, iq2_bytes_upto(below1, first), iq2_bytes_upto(below2, first));
        const int last = (starts ? __builtin_ctz(starts) : ntries) - 1;
        work->choice[g][first] = iq2_choice_on_grid(at);
        work->jobs[work->njobs] = (struct iq2_job){at.cell, (uint16_t)at.nibbles, (uint8_t)g,
                                                   (uint8_t)first, (uint8_t)last};
        work->njobs += at.cell->count != 0;
    }
}

/* -- 2. the choice of a run -------------------------------------------------------------------------
 */

LANE_FN int32_t iq2_choice_off_grid(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                                    int place)
{
    const uint32_t at = cell->start + (uint32_t)place;
    return grid->low[at] | grid->high[at] << 8 | grid->list[at] << IQ2_POINT_SHIFT | IQ2_OFF_GRID;
}

/* The choices among those that remain at QFS_LANES scales, measured in the reference's order. */
LANE_FN li iq2_rest_measure(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                            const struct iq2_rest *rest, const float *x, const float *root, lf s)
{
    const lf level[3] = {s, s * lf_set(3.f), s * lf_set(5.f)};
    lf least = lf_set(FLT_MAX);
    li choice = li_set(0);
    for (int word = 0; word < cell->count; word += 64)
        for (uint64_t bits = rest->bits[word / 64]; bits; bits &= bits - 1) {
            const int32_t candidate = iq2_choice_off_grid(grid, cell, word + __builtin_ctzll(bits));
            lf distance = lf_set(0.f);
            LANE_UNROLL(8)
            for (int i = 0; i < IQ2_GROUP; i++) {
                const lf difference = level[candidate >> 2 * i & 3] - lf_set(x[i]);
                distance = distance + lf_set(root[i]) * difference * difference;
            }
            const lm better = lf_lt(distance, least);
            least = lf_select(better, distance, least);
            choice = li_select(better, li_set(candidate), choice);
        }
    return choice;
}

LANE_FN void iq2_run_choose(const struct iq2_rule *rule, const struct qfs_grid *grid,
                            const struct iq2_tile *tile, const struct iq2_job *job,
                            struct iq2_work *work)
{
    const int g = job->group, first = job->first, last = job->last;
    const float *x = tile->x + g * IQ2_GROUP, *root = tile->root + g * IQ2_GROUP;
    const float *scale = work->scale[g / rule->groups];
    if (tile->root_sum[g] == 0) { /* all distances are 0 */
        work->choice[g][first] = iq2_choice_off_grid(grid, job->cell, 0);
        return;
    }
    struct iq2_rest rest;
    const float ends[2] = {scale[first], scale[last]};
    iq2_rest_find(grid, job->cell, job->nearest, x, root, tile->root_sum[g], ends, true, &rest);
    if (rest.count == 1) {
        work->choice[g][first] = iq2_choice_off_grid(grid, job->cell, rest.first);
        return;
    }
    int32_t choices[IQ2_TRIES + QFS_LANES];
    for (int j = first; j <= last; j += QFS_LANES)
        li_store(choices + j,
                 iq2_rest_measure(grid, job->cell, &rest, x, root, lf_load(scale + j)));
    int32_t before = 0;
    uint32_t starts = 0;
    for (int j = first; j <= last; j++) {
        work->choice[g][j] = choices[j];
        starts |= (uint32_t)(choices[j] != before) << j;
        before = choices[j];
    }
    work->starts[g] |= starts;
}

/* -- 3. rating ----------------------------------------------------------------------------------------
 */

/* q of element i in lanes of choices */
LANE_FN lf iq2_q_of(li choice, int i)
{
#if QFS_LANES >= 8
    static const float q[8] = {1, 3, 5, 0, 1, 3, 5, 0};
    return lf_lookup8(q, (choice >> 2 * i) & li_set(3));
#else
    /* the code as bits 21 and 22 of 8.0 makes 8, 10, 12 of it */
    const li digit = (choice << (21 - 2 * i > 0 ? 21 - 2 * i : 0)) & li_set(3 << 21);
    return lf_bits(digit | li_set(0x41000000)) - lf_set(7.f);
#endif
}

struct iq2_rates {
    lf qx, q2;
};

/* x: weight times value */
LANE_FN struct iq2_rates iq2_rate(const struct iq2_rule *rule, const lf *x, const lf *weight,
                                  int32_t (*choice)[IQ2_TILE_SUBS])
{
    struct iq2_rates sums = {lf_set(0.f), lf_set(0.f)};
    for (int k = 0; k < rule->groups; k++) {
        const li code = li_load(choice[k]);
        LANE_UNROLL(8)
        for (int i = 0; i < IQ2_GROUP; i++) {
            const lf q = iq2_q_of(code, i);
            sums.qx = sums.qx + x[k * IQ2_GROUP + i] * q;
            sums.q2 = sums.q2 + weight[k * IQ2_GROUP + i] * q * q;
        }
    }
    return sums;
}

/* Lists the distinct choices of a sub-block, in order of tries. */
LANE_FN int iq2_choices_list(const struct iq2_rule *rule, int sub, struct iq2_work *work)
{
    const int g = sub * rule->groups;
    uint32_t starts = 0;
    for (int k = 0; k < rule->groups; k++)
        starts |= work->starts[g + k];
    int32_t current[IQ2_GROUPS_MAX] = {0};
    int n = 0;
    for (; starts; starts &= starts - 1, n++) {
        const int j = __builtin_ctz(starts);
        for (int k = 0; k < rule->groups; k++) {
            current[k] = work->starts[g + k] >> j & 1 ? work->choice[g + k][j] : current[k];
            work->rated[n][k][sub] = current[k];
        }
    }
    return n;
}

/* Rates the choices of QFS_LANES sub-blocks. */
LANE_FN void iq2_choices_rate(const struct iq2_rule *rule, int sub, struct iq2_tile *tile,
                              struct iq2_work *work)
{
    enum { MAX = IQ2_GROUPS_MAX * IQ2_GROUP };
    const int n = rule->groups * IQ2_GROUP;
    lf x[MAX], weight[MAX];
    lf_transpose(tile->weight + sub * n, n, n, weight);
    lf_transpose(tile->x + sub * n, n, n, x);
    for (int i = 0; i < n; i++)
        x[i] = weight[i] * x[i];
    int nrated = 0;
    for (int k = 0; k < QFS_LANES; k++)
        nrated = nrated > work->nrated[sub + k] ? nrated : work->nrated[sub + k];
    /* sub-blocks with fewer repeat their last, which changes nothing */
    for (int k = 0; k < QFS_LANES; k++)
        for (int j = work->nrated[sub + k]; j < nrated; j++)
            for (int group = 0; group < rule->groups; group++)
                work->rated[j][group][sub + k] = work->rated[j - 1][group][sub + k];
    lf best = lf_set(0.f), scale = lf_load(tile->scale + sub);
    li winner[IQ2_GROUPS_MAX];
    for (int k = 0; k < rule->groups; k++)
        winner[k] = li_set(0); /* all codes 0, on the grid */
    for (int j = 0; j < nrated; j++) {
        int32_t(*choice)[IQ2_TILE_SUBS] = (int32_t(*)[IQ2_TILE_SUBS])(work->rated[j][0] + sub);
        const struct iq2_rates sums = iq2_rate(rule, x, weight, choice);
        const lm better =
            lm_and(lf_gt(sums.q2, lf_set(0.f)), lf_gt(sums.qx * sums.qx, best * sums.q2));
        const lf ratio = sums.qx / sums.q2;
        scale = lf_select(better, ratio, scale);
        best = lf_select(better, ratio * sums.qx, best);
        for (int k = 0; k < rule->groups; k++)
            winner[k] = li_select(better, li_load(choice[k]), winner[k]);
    }
    lf_store(tile->scale + sub, scale);
    for (int k = 0; k < rule->groups; k++)
        li_store(work->best[k] + sub, winner[k]);
}

/* -- 4. the winning scale ------------------------------------------------------------------------------
 */

/* The point for a group at one scale. */
LANE_FN int32_t iq2_again_choose(const struct qfs_grid *grid, const struct iq2_tile *tile, int g,
                                 float scale)
{
    const float *x = tile->x + g * IQ2_GROUP, *root = tile->root + g * IQ2_GROUP;
    const float id = 1 / scale, sum = tile->root_sum[g];
    if (!(tile->span[g] <= 16 * scale &&
          (sum == 0 || (sum * scale >= 1e-28f && sum * scale * scale >= 1e-28f)))) {
        bool unused;
        const int point = iq2_point_plain(grid, x, root, id, scale, &unused);
        return grid->nibbles[point] | point << IQ2_POINT_SHIFT;
    }
    unsigned above0 = 0, above1 = 0;
    for (int i = 0; i < IQ2_GROUP; i += QFS_LANES) {
        const lf y = lf_set(id) * lf_cycle8(x, i);
        above0 |= lm_bits(lf_gt(y, lf_set(2.f))) << i;
        above1 |= lm_bits(lf_ge(y, lf_set(4.f))) << i;
    }
    const struct iq2_cell_at at = iq2_cell_find(grid, above0 & 255, above1 & 255);
    if (at.cell->count == 0)
        return iq2_choice_on_grid(at);
    if (sum == 0)
        return iq2_choice_off_grid(grid, at.cell, 0);
    struct iq2_rest rest;
    const float ends[2] = {scale, scale};
    iq2_rest_find(grid, at.cell, at.nibbles, x, root, sum, ends, false, &rest);
    if (rest.count == 1)
        return iq2_choice_off_grid(grid, at.cell, rest.first);
    return li_lane(iq2_rest_measure(grid, at.cell, &rest, x, root, lf_set(scale)), 0);
}

LANE_FN void iq2_again_search(const struct iq2_rule *rule, const struct qfs_grid *grid, int sub,
                              const struct iq2_tile *tile, struct iq2_work *work)
{
    bool again = false;
    for (int k = 0; k < rule->groups; k++) {
        const int32_t choice = work->best[k][sub];
        if ((rule->fitted || choice & IQ2_OFF_GRID) && tile->scale[sub] > 0) {
            again = true;
            work->best[k][sub] =
                iq2_again_choose(grid, tile, sub * rule->groups + k, tile->scale[sub]);
        }
    }
    work->again[sub] = again;
}

LANE_FN void iq2_again_rate(const struct iq2_rule *rule, int sub, struct iq2_tile *tile,
                            struct iq2_work *work)
{
    enum { MAX = IQ2_GROUPS_MAX * IQ2_GROUP };
    const int n = rule->groups * IQ2_GROUP;
    lf x[MAX], weight[MAX];
    lf_transpose(tile->weight + sub * n, n, n, weight);
    lf_transpose(tile->x + sub * n, n, n, x);
    for (int i = 0; i < n; i++)
        x[i] = weight[i] * x[i];
    int32_t(*choice)[IQ2_TILE_SUBS] = (int32_t(*)[IQ2_TILE_SUBS])(work->best[0] + sub);
    const struct iq2_rates sums = iq2_rate(rule, x, weight, choice);
    int32_t again[QFS_LANES];
    for (int k = 0; k < QFS_LANES; k++)
        again[k] = work->again[sub + k];
    const lm use = lm_and(lf_gt(sums.q2, lf_set(0.f)), li_eq(li_load(again), li_set(1)));
    lf_store(tile->scale + sub, lf_select(use, sums.qx / sums.q2, lf_load(tile->scale + sub)));
}

LANE_FN void iq2_tile_search(const struct iq2_rule *rule, const struct qfs_grid *grid,
                             struct iq2_tile *tile)
{
    struct iq2_work *work = (struct iq2_work *)(tile + 1);
    const int nsubs = iq2_tile_nsubs(rule);
    work->njobs = 0;
    for (int sub = 0; sub < nsubs; sub++) {
        work->tame[sub] = tile->live[sub] && iq2_sub_tame(rule, tile, sub);
        if (!work->tame[sub]) {
            iq2_sub_search_plain(rule, grid, sub, tile);
            for (int g = sub * rule->groups; g < (sub + 1) * rule->groups; g++) {
                work->starts[g] = 1;
                work->choice[g][0] = 0;
            }
            continue;
        }
        iq2_scales_make(rule, tile->middle[sub], work->scale[sub]);
        iq2_crossings_find(rule, tile, sub, work);
        for (int k = 0; k < rule->groups; k++)
            iq2_runs_find(rule, grid, sub * rule->groups + k, work);
    }
    for (int job = 0; job < work->njobs; job++)
        iq2_run_choose(rule, grid, tile, &work->jobs[job], work);
    for (int sub = 0; sub < nsubs; sub++)
        work->nrated[sub] = iq2_choices_list(rule, sub, work);
    for (int sub = 0; sub < nsubs; sub += QFS_LANES)
        iq2_choices_rate(rule, sub, tile, work);
    for (int sub = 0; sub < nsubs; sub++)
        if (work->tame[sub])
            iq2_again_search(rule, grid, sub, tile, work);
    for (int sub = 0; sub < nsubs; sub += QFS_LANES)
        iq2_again_rate(rule, sub, tile, work);
    for (int sub = 0; sub < nsubs; sub++)
        if (work->tame[sub]) {
            tile->found[sub].scale = tile->scale[sub];
            for (int k = 0; k < rule->groups; k++)
                tile->found[sub].point[k] =
                    (uint16_t)(work->best[k][sub] >> IQ2_POINT_SHIFT & IQ2_POINT_MASK);
        }
}

_Static_assert(sizeof(struct iq2_tile) + sizeof(struct iq2_work) <= QFS_SCRATCH_SIZE,
               "a tile fits in the scratch");

#endif

/* Writes super-block `b` of the tile. */
typedef void iq2_pack_fn(int b, struct iq2_tile *tile, uint8_t *block);

LANE_FN void iq2_quantize(const struct iq2_rule *rule, iq2_pack_fn *pack, int block_bytes,
                          const float *x, void *blocks, int64_t nrows, int64_t row_size,
                          const float *imatrix, void *scratch)
{
    const struct qfs_grid *grid = qfs_grid_get(rule->grid);
    struct iq2_tile *tile = (struct iq2_tile *)scratch;
    uint8_t *block = (uint8_t *)blocks;
    const int64_t nblocks = nrows * (row_size / IQ2_BLOCK);
    memset(tile, 0, sizeof(*tile));
    for (int64_t first = 0; first < nblocks; first += IQ2_TILE_BLOCKS) {
        /* What stands in the second place of a last odd block is searched again and not written. */
        const int here = nblocks - first < IQ2_TILE_BLOCKS ? 1 : IQ2_TILE_BLOCKS;
        for (int b = 0; b < here; b++, x += IQ2_BLOCK) {
            const int64_t column = (first + b) * IQ2_BLOCK % row_size;
            iq2_tile_weigh(x, imatrix ? imatrix + column : NULL, iq2_sigma2(rule, x), b, tile);
        }
        iq2_tile_balance(rule->parity, tile);
        iq2_tile_start(rule, tile);
        iq2_tile_search(rule, grid, tile);
        for (int b = 0; b < here; b++, block += block_bytes)
            pack(b, tile, block);
    }
}

#endif
