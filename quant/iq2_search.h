/* iq2_search.h: IQ2_XXS, IQ2_XS and IQ2_S: the search for scales and grid points, and the walk over
 * tiles.
 *
 * The reference tries 13 or 19 scales for each sub-block: rounds its values to codes 0..2, and where
 * 8 codes are no grid point, measures every point of their cell's list. Here, over a tile:
 *   1. codes only change where a value crosses 2 or 4 scales, some three times a group over all
 *      tries; between, tries form a run with one cell (iq2_runs_find);
 *   2. of the cell's list only candidates remain that could win somewhere in the run (iq2_filter.h),
 *      often one; if more, they are measured as the reference does, a lane is a try
 *      (iq2_jobs_do);
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

#if !QFS_LOOKUP

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

/* A choice for a group is a grid point's nibbles in the low 16 bits, and whether the codes that led to
 * it were no grid point themselves. */
enum { IQ2_OFF_GRID = 1 << 16 };

struct iq2_job {
    const struct qfs_grid_cell *cell;
    uint8_t group, first, last; /* tries */
};

enum { IQ2_JOBS = IQ2_TILE_GROUPS * IQ2_TRIES };

/* A job of which several candidates remain. */
struct iq2_open {
    int32_t job;
    struct iq2_rest rest;
};

struct iq2_work {
    bool tame[IQ2_TILE_SUBS];
    float id[IQ2_TILE_SUBS][IQ2_TRIES_ROOM]; /* of each try: 1 / scale */
    float scale[IQ2_TILE_SUBS][IQ2_TRIES_ROOM];
    float units[IQ2_TILE_GROUPS];
    uint8_t below[IQ2_TILE_GROUPS + 3][2][IQ2_GROUP]; /* tries whose code is below 1, below 2 */
    int32_t crossings[IQ2_TILE];                      /* bits of these two */
    uint32_t starts[IQ2_TILE_GROUPS + 1];             /* bit j: another choice from try j on */
    int32_t choice[IQ2_TILE_GROUPS][IQ2_TRIES + QFS_LANES]; /* valid where its bit is set */
    /* Runs off the grid, and their numbers by how many vectors their lists fill; then those of
     * which several candidates remain. */
    int njobs, nby_size[IQ2_VECTORS], nopen, npairs, nmany;
    struct iq2_job jobs[IQ2_JOBS];
    uint16_t by_size[IQ2_VECTORS][IQ2_JOBS];
    struct iq2_open open[IQ2_JOBS];
    uint16_t pairs[IQ2_JOBS], many[IQ2_JOBS]; /* open ones with two, with more candidates */
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

LANE_FN void iq2_scales_make(const struct iq2_rule *rule, float middle, float *scales, float *ids)
{
    for (int j = 0; j < iq2_ntries(rule); j += QFS_LANES) {
        const lf is = lf_from_int(li_iota() + li_set(j - rule->reach));
        const lf id = (lf_set(5.f) + is * lf_set(0.1f)) / lf_set(middle);
        lf_store(ids + j, id);
        lf_store(scales + j, lf_set(1.f) / id);
    }
}

/* The number of tries j with id(j) x <= 2 and < 4, counted in the reference's arithmetic. */
LANE_OUTLINE void iq2_crossings_count(const struct iq2_rule *rule, float middle, const float *x,
                                      int n, uint8_t (*below)[2][IQ2_GROUP], int32_t *crossings)
{
    for (int i = 0; i < n; i++) {
        int count1 = 0, count2 = 0;
        for (int is = -rule->reach; is <= rule->reach; is++) {
            const float y = (5 + (float)is * 0.1f) / middle * x[i];
            count1 += y <= 2;
            count2 += y < 4;
        }
        below[i / IQ2_GROUP][0][i % IQ2_GROUP] = (uint8_t)count1;
        below[i / IQ2_GROUP][1][i % IQ2_GROUP] = (uint8_t)count2;
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
        li bits = li_set(0);
        for (int code = 0; code < 2; code++) {
            const lf place = ratio * lf_set(code ? 40.f : 20.f) - offset;
            const lf inside = lf_min(lf_max(place, zero), ntries);
            const lf count = lf_select(never, ntries, inside);
            const lf rounded = count + lf_set(LANE_ROUND);
            const lf rest = lf_abs(count - (rounded - lf_set(LANE_ROUND)));
            doubtful = lm_or(doubtful, lf_gt(rest, lf_set(0.5f - 1.f / 2048)));
            const li below = li_bits(rounded) & li_set(31);
            uint8_t bytes[QFS_LANES];
            li_store_u8(bytes, below);
            for (int k = 0; k < QFS_LANES; k += IQ2_GROUP)
                memcpy(&work->below[(i + k) / IQ2_GROUP][code][i % IQ2_GROUP], bytes + k,
                       QFS_LANES < IQ2_GROUP ? QFS_LANES : IQ2_GROUP);
            /* 2 to the count, by way of a float's exponent */
            bits = bits | li_trunc(lf_bits((below + li_set(127)) << 23));
        }
        li_store(work->crossings + i, bits);
    }
    if (lm_any(doubtful))
        iq2_crossings_count(rule, tile->middle[sub], tile->x + begin, n,
                            work->below + begin / IQ2_GROUP, work->crossings + begin);
}

/* For each set of codes that are above a border: what it adds to the number of the cell (low half) and
 * to its nibbles (high half). */
LANE_TABLE uint32_t iq2_above[256] = {
#define BIT(i, k) ((uint32_t)(i) >> (k)&1)
#define LOW(i) (BIT(i, 0) + 3 * BIT(i, 1) + 9 * BIT(i, 2) + 27 * BIT(i, 3))
#define HIGH(i) (81 * BIT(i, 4) + 243 * BIT(i, 5) + 729 * BIT(i, 6) + 2187 * BIT(i, 7))
#define SPREAD(i, k) (BIT(i, k) << 2 * (k) | BIT(i, (k) + 1) << 2 * ((k) + 1))
#define NIBBLES(i) (SPREAD(i, 0) | SPREAD(i, 2) | SPREAD(i, 4) | SPREAD(i, 6))
#define ONE(i) (LOW(i) + HIGH(i)) | NIBBLES(i) << 16
#define FOUR(i) ONE(i), ONE((i) + 1), ONE((i) + 2), ONE((i) + 3)
#define SIXTEEN(i) FOUR(i), FOUR((i) + 4), FOUR((i) + 8), FOUR((i) + 12)
#define SIXTY_FOUR(i) SIXTEEN(i), SIXTEEN((i) + 16), SIXTEEN((i) + 32), SIXTEEN((i) + 48)
    SIXTY_FOUR(0),
    SIXTY_FOUR(64),
    SIXTY_FOUR(128),
    SIXTY_FOUR(192),
#undef SIXTY_FOUR
#undef SIXTEEN
#undef FOUR
#undef ONE
#undef NIBBLES
#undef SPREAD
#undef HIGH
#undef LOW
#undef BIT
};

/* From eight digits of two bits to the number whose digits they are in base 3: two, four, eight of
 * them at a time. */
LANE_FN int iq2_number_of(int32_t nibbles)
{
    int number = nibbles - (nibbles >> 2 & 0x3333);
    number -= (number >> 4 & 0x0f0f) * (16 - 9);
    return number - (number >> 8) * (256 - 81);
}

LANE_FN int32_t iq2_choice_off_grid(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                                    int place)
{
    const uint8_t *low = grid->halves + 2 * cell->start + place;
    return low[0] | low[cell->count] << 8 | IQ2_OFF_GRID;
}

/* A choice for the tries from `first` to `last`: known at once (on the grid, or nothing weighs
 * anything and the first of the list wins), or a job. */
LANE_FN void iq2_job_add(const struct qfs_grid *grid, unsigned above0, unsigned above1, int g,
                         float root_sum, int first, int last, struct iq2_work *work)
{
    const uint32_t at = iq2_above[above0] + iq2_above[above1];
    const struct qfs_grid_cell *cell = &grid->cell[at & 0xffff];
    int32_t choice = (int32_t)(at >> 16);
    if (root_sum == 0 && cell->count)
        choice = iq2_choice_off_grid(grid, cell, 0);
    work->choice[g][first] = choice;
    __builtin_prefetch(grid->halves + 2 * cell->start);
    const int size = (cell->count + QFS_BYTES - 1) / QFS_BYTES;
    const bool job = size > 0 && root_sum != 0;
    const int bucket = job ? size - 1 : 0;
    work->jobs[work->njobs] = (struct iq2_job){cell, (uint8_t)g, (uint8_t)first, (uint8_t)last};
    work->by_size[bucket][work->nby_size[bucket]] = (uint16_t)work->njobs;
    work->nby_size[bucket] += job;
    work->njobs += job;
}

/* Where the codes of a group change, by tries. */
LANE_FN uint32_t iq2_starts_of(const struct iq2_rule *rule, int g, const struct iq2_work *work)
{
    uint64_t bits[4];
    memcpy(bits, work->crossings + g * IQ2_GROUP, sizeof(bits));
    bits[0] |= bits[1] | bits[2] | bits[3];
    return ((uint32_t)(bits[0] | bits[0] >> 32) & ((1u << iq2_ntries(rule)) - 1)) | 1;
}

/* The runs of all groups: one loop, whose branch can be foretold. */
LANE_FN void iq2_runs_find(const struct iq2_rule *rule, const struct qfs_grid *grid,
                           const struct iq2_tile *tile, struct iq2_work *work)
{
    int nruns = 0;
    for (int g = 0; g < IQ2_TILE_GROUPS; g++) {
        work->starts[g] = iq2_starts_of(rule, g, work);
        nruns += __builtin_popcount(work->starts[g]);
    }
    uint32_t starts = work->starts[0];
    for (int g = 0, run = 0; run < nruns; run++) {
        const int first = __builtin_ctz(starts);
        starts &= starts - 1;
        const int last = __builtin_ctz(starts | 1u << iq2_ntries(rule)) - 1;
        const uint64_t above = lb_le_bits(lb_load(work->below[g][0]), lb_set((uint8_t)first));
        iq2_job_add(grid, above & 255, above >> 8 & 255, g, tile->root_sum[g], first, last, work);
        g += starts == 0;
        starts = starts ? starts : work->starts[g];
    }
}

/* -- 2. the choice of a run -------------------------------------------------------------------------
 */

/* All jobs whose lists fill `nvectors`. Where one candidate remains, it is the choice; others are
 * left open. No branch depends on the outcome, so that several jobs are under way at once. */
LANE_FN void iq2_jobs_filter(const struct iq2_rule *rule, const struct qfs_grid *grid,
                             const struct iq2_tile *tile, int nvectors, bool run,
                             struct iq2_work *work)
{
    const int njobs = work->nby_size[nvectors - 1];
    for (int i = 0; i < njobs; i++) {
        const uint16_t number = work->by_size[nvectors - 1][i];
        const struct iq2_job *job = &work->jobs[number];
        const int g = job->group, at = g * IQ2_GROUP;
        const float *ids = work->id[g / rule->groups];
        const float ends[2] = {ids[job->first], ids[job->last]};
        const struct iq2_costs costs =
            iq2_costs_make(tile->x + at, tile->root + at, work->units[g], ends, run);
        struct iq2_open *open = &work->open[work->nopen];
        const bool known = iq2_filter(grid, job->cell, nvectors, &costs, run, &open->rest);
        int count = 0, place = 0;
        for (int w = (nvectors * QFS_BYTES - 1) / 64; w >= 0; w--) {
            const uint64_t bits = open->rest.bits[w];
            count += __builtin_popcountll(bits);
            place = bits ? 64 * w + __builtin_ctzll(bits) : place;
        }
        work->choice[g][job->first] = iq2_choice_off_grid(grid, job->cell, place);
        open->job = known ? number : ~number;
        work->pairs[work->npairs] = work->many[work->nmany] = (uint16_t)work->nopen;
        work->npairs += known && count == 2;
        work->nmany += !known || count > 2;
        work->nopen += !known || count > 1;
    }
}

/* Filters with coarser units, for costs that exceeded a byte. */
LANE_OUTLINE void iq2_filter_coarsely(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                                      const float *x, const float *root, float units,
                                      const float ends[2], struct iq2_rest *rest)
{
    const int nvectors = (cell->count + QFS_BYTES - 1) / QFS_BYTES;
    for (float scale = 1.f / 4; scale > 1e-3f; scale *= 1.f / 4) {
        const struct iq2_costs costs = iq2_costs_make(x, root, units * scale, ends, true);
        if (iq2_filter(grid, cell, nvectors, &costs, true, rest))
            return;
    }
    for (int word = 0; word < cell->count; word += 64)
        rest->bits[word / 64] =
            cell->count - word < 64 ? (1ull << (cell->count - word)) - 1 : ~0ull;
}

/* Distances of one candidate at QFS_LANES scales, in the reference's order. (The sign of a difference
 * does not matter to its square.) level: 1, 3, 5 scales. */
LANE_FN lf iq2_distance(int32_t candidate, const float *x, const float *root, const lf *level)
{
    lf distance = lf_set(0.f);
    LANE_UNROLL(8)
    for (int i = 0; i < IQ2_GROUP; i++) {
        const lf difference = lf_set(x[i]) - level[candidate >> 2 * i & 3];
        distance = distance + lf_set(root[i]) * difference * difference;
    }
    return distance;
}

/* Of the tries from `first` on, QFS_LANES or as many as the job has. */
LANE_FN void iq2_choices_store(li choices, int first, const struct iq2_job *job,
                               struct iq2_work *work)
{
    const int n = job->last - first + 1;
    int32_t *to = work->choice[job->group] + first;
    li_store(to, li_select(li_lt(li_iota(), li_set(n)), choices, li_load(to)));
    int32_t each[QFS_LANES + 1];
    li_store(each + 1, choices);
    each[0] = ~each[1];
    const uint32_t starts = ~lm_bits(li_eq(choices, li_load(each)));
    const uint32_t inside = n < QFS_LANES ? (1u << n) - 1 : (1u << QFS_LANES) - 1;
    work->starts[job->group] |= (starts & inside) << first;
}

/* Of two candidates that remain: the later wins where it is strictly nearer. */
LANE_FN void iq2_pair_measure(const struct iq2_rule *rule, const struct qfs_grid *grid,
                              const struct iq2_tile *tile, const struct iq2_open *open,
                              struct iq2_work *work)
{
    const struct iq2_job *job = &work->jobs[open->job];
    const int g = job->group;
    const float *x = tile->x + g * IQ2_GROUP, *root = tile->root + g * IQ2_GROUP;
    int place[2] = {0, 0};
    for (int word = (job->cell->count - 1) / 64; word >= 0; word--) {
        const uint64_t bits = open->rest.bits[word], others = bits & (bits - 1);
        place[1] = others ? 64 * word + __builtin_ctzll(others) : bits ? place[0] : place[1];
        place[0] = bits ? 64 * word + __builtin_ctzll(bits) : place[0];
    }
    const int32_t a = iq2_choice_off_grid(grid, job->cell, place[0]);
    const int32_t b = iq2_choice_off_grid(grid, job->cell, place[1]);
    for (int first = job->first; first <= job->last; first += QFS_LANES) {
        const lf s = lf_load(work->scale[g / rule->groups] + first);
        const lf level[4] = {s, s * lf_set(3.f), s * lf_set(5.f), s};
        const lm later = lf_lt(iq2_distance(b, x, root, level), iq2_distance(a, x, root, level));
        iq2_choices_store(li_select(later, li_set(b), li_set(a)), first, job, work);
    }
}

/* Of more: terms of the sums are taken once for each element and digit. */
LANE_FN void iq2_many_measure(const struct iq2_rule *rule, const struct qfs_grid *grid,
                              const struct iq2_tile *tile, struct iq2_open *open,
                              struct iq2_work *work)
{
    const bool known = open->job >= 0;
    const struct iq2_job *job = &work->jobs[known ? open->job : ~open->job];
    const int g = job->group;
    const float *x = tile->x + g * IQ2_GROUP, *root = tile->root + g * IQ2_GROUP;
    if (!known) {
        const float *ids = work->id[g / rule->groups];
        const float ends[2] = {ids[job->first], ids[job->last]};
        iq2_filter_coarsely(grid, job->cell, x, root, work->units[g], ends, &open->rest);
    }
    for (int first = job->first; first <= job->last; first += QFS_LANES) {
        const lf s = lf_load(work->scale[g / rule->groups] + first);
        lf term[IQ2_GROUP][4];
        for (int digit = 0; digit < 3; digit++) {
            const lf level = s * lf_set((float)(2 * digit + 1));
            LANE_UNROLL(8)
            for (int i = 0; i < IQ2_GROUP; i++) {
                const lf difference = lf_set(x[i]) - level;
                term[i][digit] = lf_set(root[i]) * difference * difference;
            }
        }
        lf least = lf_set(FLT_MAX);
        li choices = li_set(0);
        for (int word = 0; word < job->cell->count; word += 64)
            for (uint64_t bits = open->rest.bits[word / 64]; bits; bits &= bits - 1) {
                const int place = word + __builtin_ctzll(bits);
                const int32_t candidate = iq2_choice_off_grid(grid, job->cell, place);
                lf distance = term[0][candidate & 3];
                LANE_UNROLL(8)
                for (int i = 1; i < IQ2_GROUP; i++)
                    distance = distance + term[i][candidate >> 2 * i & 3];
                const lm better = lf_lt(distance, least);
                least = lf_select(better, distance, least);
                choices = li_select(better, li_set(candidate), choices);
            }
        iq2_choices_store(choices, first, job, work);
    }
}

/* Makes the choices of all jobs. Not `run`: each is of one try. */
LANE_FN void iq2_jobs_do(const struct iq2_rule *rule, const struct qfs_grid *grid,
                         const struct iq2_tile *tile, bool run, struct iq2_work *work)
{
    work->nopen = work->npairs = work->nmany = 0;
    iq2_jobs_filter(rule, grid, tile, 1, run, work);
    iq2_jobs_filter(rule, grid, tile, 2, run, work);
    for (int nvectors = 3; nvectors <= IQ2_VECTORS; nvectors++)
        iq2_jobs_filter(rule, grid, tile, nvectors, run, work);
    for (int i = 0; i < work->npairs; i++)
        iq2_pair_measure(rule, grid, tile, &work->open[work->pairs[i]], work);
    for (int i = 0; i < work->nmany; i++)
        iq2_many_measure(rule, grid, tile, &work->open[work->many[i]], work);
    work->njobs = 0;
    memset(work->nby_size, 0, sizeof(work->nby_size));
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

/* Lists the distinct choices of all sub-blocks, in order of tries; one loop again. */
LANE_FN void iq2_choices_list(const struct iq2_rule *rule, struct iq2_work *work)
{
    uint32_t starts[IQ2_TILE_SUBS + 1];
    const int nsubs = iq2_tile_nsubs(rule);
    int total = 0;
    for (int sub = 0; sub < nsubs; sub++) {
        starts[sub] = 0;
        for (int k = 0; k < rule->groups; k++)
            starts[sub] |= work->starts[sub * rule->groups + k];
        total += __builtin_popcount(starts[sub]);
    }
    starts[nsubs] = 0;
    int32_t current[IQ2_GROUPS_MAX] = {0};
    uint32_t left = starts[0];
    for (int sub = 0, n = 0, i = 0; i < total; i++) {
        const int j = __builtin_ctz(left);
        for (int k = 0; k < rule->groups; k++) {
            const int g = sub * rule->groups + k;
            const int32_t next = work->choice[g][j];
            current[k] = work->starts[g] >> j & 1 ? next : current[k];
            work->rated[n][k][sub] = current[k];
        }
        work->nrated[sub] = ++n;
        left &= left - 1;
        n = left ? n : 0;
        sub += left == 0;
        left = left ? left : starts[sub];
    }
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

/* Seeks the points of a sub-block again, where that is due, at its scale: at once or by jobs of try
 * 0, whose choices iq2_again_take brings home. */
LANE_FN void iq2_again_search(const struct iq2_rule *rule, const struct qfs_grid *grid, int sub,
                              const struct iq2_tile *tile, struct iq2_work *work)
{
    const float scale = tile->scale[sub], id = 1 / scale;
    work->again[sub] = false;
    for (int k = 0; k < rule->groups; k++) {
        const int g = sub * rule->groups + k;
        const float *x = tile->x + g * IQ2_GROUP, *root = tile->root + g * IQ2_GROUP;
        const float sum = tile->root_sum[g];
        work->choice[g][0] = work->best[k][sub];
        if (!((rule->fitted || work->best[k][sub] & IQ2_OFF_GRID) && scale > 0))
            continue;
        work->again[sub] = true;
        if (!(tile->span[g] <= 16 * scale &&
              (sum == 0 || (sum * scale >= 1e-28f && sum * scale * scale >= 1e-28f)))) {
            bool unused;
            const int point = iq2_point_plain(grid, x, root, id, scale, &unused);
            work->choice[g][0] = grid->nibbles[point];
            continue;
        }
        unsigned above0 = 0, above1 = 0;
        for (int i = 0; i < IQ2_GROUP; i += QFS_LANES) {
            const lf y = lf_set(id) * lf_cycle8(x, i);
            above0 |= lm_bits(lf_gt(y, lf_set(2.f))) << i;
            above1 |= lm_bits(lf_ge(y, lf_set(4.f))) << i;
        }
        work->id[sub][0] = id;
        work->scale[sub][0] = scale;
        iq2_job_add(grid, above0 & 255, above1 & 255, g, sum, 0, 0, work);
    }
}

LANE_FN void iq2_again_take(const struct iq2_rule *rule, int sub, struct iq2_work *work)
{
    for (int k = 0; k < rule->groups; k++)
        work->best[k][sub] = work->choice[sub * rule->groups + k][0];
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
    memset(work->nby_size, 0, sizeof(work->nby_size));
    for (int g = 0; g < IQ2_TILE_GROUPS; g += QFS_LANES)
        lf_store(work->units + g, lf_set((float)IQ2_UNITS) / lf_load(tile->root_sum + g));
    for (int sub = 0; sub < nsubs; sub++) {
        work->tame[sub] = tile->live[sub] && iq2_sub_tame(rule, tile, sub);
        work->again[sub] = false;
        if (work->tame[sub]) {
            iq2_scales_make(rule, tile->middle[sub], work->scale[sub], work->id[sub]);
            iq2_crossings_find(rule, tile, sub, work);
            continue;
        }
        /* takes part with all codes 0, a grid point, at every try */
        const int at = sub * rule->groups * IQ2_GROUP, n = rule->groups * IQ2_GROUP;
        iq2_sub_search_plain(rule, grid, sub, tile);
        memset(work->below + at / IQ2_GROUP, 127, 2 * (size_t)n);
        memset(work->crossings + at, 0, sizeof(*work->crossings) * (size_t)n);
    }
    iq2_runs_find(rule, grid, tile, work);
    iq2_jobs_do(rule, grid, tile, true, work);
    iq2_choices_list(rule, work);
    for (int sub = 0; sub < nsubs; sub += QFS_LANES)
        iq2_choices_rate(rule, sub, tile, work);
    for (int sub = 0; sub < nsubs; sub++)
        if (work->tame[sub])
            iq2_again_search(rule, grid, sub, tile, work);
    iq2_jobs_do(rule, grid, tile, false, work);
    for (int sub = 0; sub < nsubs; sub++)
        if (work->tame[sub])
            iq2_again_take(rule, sub, work);
    for (int sub = 0; sub < nsubs; sub += QFS_LANES)
        iq2_again_rate(rule, sub, tile, work);
    for (int sub = 0; sub < nsubs; sub++)
        if (work->tame[sub]) {
            tile->found[sub].scale = tile->scale[sub];
            for (int k = 0; k < rule->groups; k++)
                tile->found[sub].point[k] =
                    grid->cell[iq2_number_of(work->best[k][sub] & 0xffff)].point;
        }
}

_Static_assert(sizeof(struct iq2_tile) + sizeof(struct iq2_work) <= LANE_SCRATCH_SIZE,
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
    float sigma2[QFS_LANES] = {0};
    for (int64_t first = 0; first < nblocks; first += IQ2_TILE_BLOCKS) {
        /* Places that the last blocks leave free are searched with what they hold, not written. */
        const int left = nblocks - first < IQ2_TILE_BLOCKS ? (int)(nblocks - first) : 0;
        const int here = left ? left : IQ2_TILE_BLOCKS;
        for (int b = 0; b < here; b++, x += IQ2_BLOCK) {
            const int64_t at = first + b, column = at * IQ2_BLOCK % row_size;
            if (at % QFS_LANES == 0)
                iq2_sigma2(rule, x, nblocks - at, sigma2);
            iq2_tile_weigh(x, imatrix ? imatrix + column : NULL, sigma2[at % QFS_LANES], b, tile);
        }
        iq2_tile_balance(rule->parity, tile);
        iq2_tile_start(rule, tile);
        iq2_tile_search(rule, grid, tile);
        for (int b = 0; b < here; b++, block += block_bytes)
            pack(b, tile, block);
    }
}

#endif
