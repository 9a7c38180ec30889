/* iq3_search.h: IQ3_XXS and IQ3_S: the search for scales and grid points, and the walk over tiles.
 *
 * The reference tries 31 or 19 scales for each sub-block of 32 weights: rounds its values to digits
 * 0..7 and, where 4 digits are no grid point, measures every point of their cell's list. Here:
 *   1. the cells of all tries (a lane is a try), and the runs of tries with the same cell, some four
 *      a group (iq3_find_cells, iq3_find_runs);
 *   2. the points of each run's list as lines (iq3_lines.h; a lane is a point);
 *   3. the sums that rate a try, in order (a lane is a try);
 *   4. the best try (a lane is a sub-block);
 *   5. its groups once more with the scale found, and the sums of that (a lane is a sub-block). */
#ifndef QUANTFS_IQ3_SEARCH_H
#define QUANTFS_IQ3_SEARCH_H

#include "iq3_lines.h"

enum {
    IQ3_ROW = IQ3_TRIES,                               /* cells of a group, try by try */
    IQ3_CELLS = IQ3_GROUPS * IQ3_ROW + QFS_LANES + 32, /* runs are written with an overhang */
    IQ3_SIGMAS = 64,
};

struct iq3_work {
    struct iq3_tile tile;
    struct iq3_sub sub;
    float nonnegative[IQ3_SUB];
    int32_t nearest[QFS_LANES + IQ3_CELLS]; /* of one sub-block, before lists are searched */
    uint16_t place[IQ3_RUNS + 1];
    uint8_t queue[3][IQ3_RUNS + 1];
    struct iq3_open open[IQ3_RUNS + 1];
    int32_t cells[IQ3_TILE_SUBS][IQ3_CELLS]; /* of all tries, see IQ3_OFF_GRID */
    float sums[IQ3_TILE_SUBS][2][IQ3_TRIES]; /* of w x q, of w q q, by try */
    int32_t best[IQ3_TILE_SUBS];             /* try; -1: none */
    float sigma2[IQ3_SIGMAS];
};

_Static_assert(sizeof(struct iq3_work) <= LANE_SCRATCH_SIZE, "a tile fits in the scratch");

/* -- 1. cells and runs
 * ------------------------------------------------------------------------------- */

/* (x * iscale - 1) / 2 rounded to 0..7, for x * iscale of 0 to 2^23: adding 1.5 * 2^24 rounds to
 * even numbers, whose halves are the low bits. */
LANE_FN li iq3_digit(lf x, lf iscale)
{
    return li_bits(lf_min(iscale * x - lf_set(1.f), lf_set(14.f)) + lf_set(0x1.8p24f));
}

/* The same for any x * iscale, as the reference has it. */
LANE_FN li iq3_digit_any(lf x, lf iscale)
{
    const li l = li_nearest(lf_set(0.5f) * (iscale * x - lf_set(1.f)));
    return li_max(li_set(0), li_min(li_set(7), l));
}

LANE_FN void iq3_find_cells(int ntries, bool tame, const struct iq3_sub *sub, const float *x,
                            int32_t *cells)
{
    for (int t = 0; t < ntries; t += QFS_LANES) {
        const lf iscale = lf_load(sub->iscale + t);
        for (int g = 0; g < IQ3_GROUPS; g++) {
            li digit[4];
            for (int i = 0; i < 4; i++) {
                const lf value = lf_set(x[4 * g + i]);
                digit[i] = tame ? iq3_digit(value, iscale) : iq3_digit_any(value, iscale);
            }
            const li cell = (digit[0] + (digit[1] << 3)) + ((digit[2] << 6) + (digit[3] << 9));
            li_store(cells + g * IQ3_ROW + t, cell & li_set(4095));
        }
    }
}

/* Where runs start: places in `cells`, ascending, and where the last ends. */
LANE_FN int iq3_find_starts(int ntries, const int32_t *cells, uint16_t *place)
{
    enum { TOGETHER = 2 }; /* groups whose bits are a word */
    int nruns = 0;
    for (int g = 0; g < IQ3_GROUPS; g += TOGETHER) {
        uint64_t starts = 0;
        for (int k = 0; k < TOGETHER; k++) {
            uint32_t bits = 0;
            for (int t = 0; t < ntries; t += QFS_LANES) {
                const int32_t *here = cells + (g + k) * IQ3_ROW + t;
                bits |= lm_bits(lm_not(li_eq(li_load(here), li_load(here - 1)))) << t;
            }
            bits = (bits | 1) & ((1u << ntries) - 1);
            starts |= (uint64_t)bits << k * IQ3_ROW;
        }
        for (; starts; starts &= starts - 1)
            place[nruns++] = (uint16_t)(g * IQ3_ROW + __builtin_ctzll(starts));
    }
    place[nruns] = IQ3_GROUPS * IQ3_ROW;
    return nruns;
}

/* Fills sub->run; queue[c] lists those to search, by length of their lists: up to 1 or 2 vectors,
 * or more. */
LANE_FN void iq3_find_runs(int ntries, const int32_t *cells, struct iq3_work *work, int nqueued[3])
{
    struct iq3_sub *sub = &work->sub;
    const int nruns = sub->nruns = iq3_find_starts(ntries, cells, work->place);
    nqueued[0] = nqueued[1] = nqueued[2] = 0;
    for (int r = 0; r < nruns; r++) {
        const int place = work->place[r], next = work->place[r + 1];
        const int first = place % IQ3_ROW, length = next - place;
        const int32_t number = cells[place];
        const struct qfs_grid_cell cell = sub->grid->cell[number];
        const int most = ntries - first;
        sub->run[r] = (struct iq3_run){
            .value = number,
            .start = cell.start,
            .count = cell.count,
            .group = (uint8_t)(place / IQ3_ROW),
            .first = (uint8_t)first,
            .last = (uint8_t)(first + (length < most ? length : most) - 1),
        };
        const int size = (cell.count > QFS_LANES) + (cell.count > 2 * QFS_LANES);
        work->queue[size][nqueued[size]] = (uint8_t)r;
        nqueued[size] += cell.count > 0;
    }
}

/* -- 2. points
 * --------------------------------------------------------------------------------------- */

LANE_FN void iq3_write_runs(const struct iq3_sub *sub, int32_t *cells)
{
    enum { MOST = 16 }; /* few are longer; what is written beyond a run is the next one's */
    for (int r = 0; r < sub->nruns; r++) {
        const struct iq3_run *run = &sub->run[r];
        int32_t *to = cells + run->group * IQ3_ROW + run->first;
        const li cell = li_set(run->value);
        for (int k = 0; k < MOST; k += QFS_LANES)
            li_store(to + k, cell);
        if (run->last - run->first >= MOST)
            for (int k = MOST; k < 2 * MOST; k += QFS_LANES)
                li_store(to + k, cell);
    }
}

LANE_FN void iq3_search_lists(struct iq3_work *work, const int nqueued[3], int32_t *cells)
{
    struct iq3_sub *sub = &work->sub;
    struct iq3_open *open = work->open;
    int nopen;
    nopen = iq3_settle_ends(sub, work->queue[0], nqueued[0], 1, open);
    nopen += iq3_settle_ends(sub, work->queue[1], nqueued[1], 2, open + nopen);
    nopen += iq3_settle_ends(sub, work->queue[2], nqueued[2], 0, open + nopen);
    iq3_write_runs(sub, cells);
    for (int k = 0; k < nopen; k++)
        iq3_settle_open(sub, &open[k], cells + open[k].run->group * IQ3_ROW);
}

/* -- 3. and 4.: the best try
 * ------------------------------------------------------------------------- */

LANE_FN void iq3_rate_tries(int ntries, const float *x, const float *weight, const int32_t *cells,
                            float sums[2][IQ3_TRIES])
{
    for (int t = 0; t < ntries; t += QFS_LANES) {
        lf qx = lf_set(0.f), q2 = qx;
        for (int g = 0; g < IQ3_GROUPS; g++) {
            const li cell = li_load(cells + g * IQ3_ROW + t);
            for (int i = 0; i < 4; i++) {
                const float w = weight[4 * g + i];
                const lf q = lf_lookup8_mod(iq3_odd, cell >> 3 * i);
                qx = qx + lf_set(w * x[4 * g + i]) * q;
                q2 = q2 + lf_set(w) * q * q;
            }
        }
        lf_store(sums[0] + t, qx);
        lf_store(sums[1] + t, q2);
    }
}

LANE_FN void iq3_pick_tries(int ntries, struct iq3_work *work)
{
    struct iq3_tile *tile = &work->tile;
    for (int sub = 0; sub < IQ3_TILE_SUBS; sub += QFS_LANES) {
        lf best = lf_set(0.f), scale = lf_load(tile->max + sub) / lf_set(15.f);
        li at = li_set(-1);
        for (int t = 0; t < ntries; t += 4) {
            lf qx[4], q2[4];
            lf_transpose(work->sums[sub][0] + t, 2 * IQ3_TRIES, 4, qx);
            lf_transpose(work->sums[sub][1] + t, 2 * IQ3_TRIES, 4, q2);
            for (int k = 0; k < 4 && t + k < ntries; k++) {
                const lm better =
                    lm_and(lf_gt(q2[k], lf_set(0.f)), lf_gt(qx[k] * qx[k], best * q2[k]));
                const lf fit = qx[k] / q2[k];
                scale = lf_select(better, fit, scale);
                best = lf_select(better, fit * qx[k], best);
                at = li_select(better, li_set(t + k), at);
            }
        }
        lf_store(tile->scale + sub, scale);
        li_store(work->best + sub, at);
    }
}

/* -- 5. the last search
 * ------------------------------------------------------------------------------ */

/* Leaves the points of sub-block `s` in tile->digits; says whether its scale must be fit again. */
LANE_FN bool iq3_search_last(const struct iq3_rule *rule, struct iq3_work *work, int s)
{
    struct iq3_tile *tile = &work->tile;
    const int best = work->best[s];
    bool off[IQ3_GROUPS], any = false;
    for (int g = 0; g < IQ3_GROUPS; g++) {
        const int32_t value = best < 0 ? 0 : work->cells[s][g * IQ3_ROW + best];
        tile->digits[g][s] = value & ~IQ3_OFF_GRID;
        off[g] = best < 0 ? !rule->keep_on_grid : (value & IQ3_OFF_GRID) != 0;
        any |= off[g];
    }
    const float scale = tile->scale[s];
    if (!any || !(scale > 0))
        return false;
    const float *x = tile->x + s * IQ3_SUB, *root = tile->root + s * IQ3_SUB;
    const struct qfs_grid *grid = work->sub.grid;
    int32_t digit[IQ3_SUB];
    const lf iscale = lf_set(1 / scale);
    for (int i = 0; i < IQ3_SUB; i += QFS_LANES)
        li_store(digit + i, iq3_digit_any(lf_load(x + i), iscale));
    for (int g = 0; g < IQ3_GROUPS; g++) {
        if (rule->keep_on_grid && !off[g])
            continue;
        const int32_t *d = digit + 4 * g;
        const int32_t number = d[0] | d[1] << 3 | d[2] << 6 | d[3] << 9;
        const struct qfs_grid_cell cell = grid->cell[number];
        tile->digits[g][s] =
            cell.count ? iq3_measure(grid, cell.start, cell.count, x + 4 * g, root + 4 * g, scale)
                       : number;
    }
    return true;
}

/* The scales that fit the points of the last search. */
LANE_FN void iq3_fit_last(const bool *again, struct iq3_tile *tile)
{
    for (int sub = 0; sub < IQ3_TILE_SUBS; sub += QFS_LANES) {
        lf qx = lf_set(0.f), q2 = qx;
        for (int g = 0; g < IQ3_GROUPS; g++) {
            const li cell = li_load(tile->digits[g] + sub);
            lf x[4], w[4];
            lf_transpose(tile->x + sub * IQ3_SUB + 4 * g, IQ3_SUB, 4, x);
            lf_transpose(tile->weight + sub * IQ3_SUB + 4 * g, IQ3_SUB, 4, w);
            for (int i = 0; i < 4; i++) {
                const li digit = (cell >> 3 * i) & li_set(7);
                const lf q = lf_from_int(digit + digit + li_set(1));
                qx = qx + w[i] * x[i] * q;
                q2 = q2 + w[i] * q * q;
            }
        }
        float fit[QFS_LANES], total[QFS_LANES];
        lf_store(fit, qx / q2);
        lf_store(total, q2);
        for (int k = 0; k < QFS_LANES; k++)
            if (again[sub + k] && total[k] > 0)
                tile->scale[sub + k] = fit[k];
    }
}

/* -- tiles
 * ------------------------------------------------------------------------------------------- */

LANE_FN void iq3_search_sub(const struct iq3_rule *rule, struct iq3_work *work, int s)
{
    struct iq3_tile *tile = &work->tile;
    struct iq3_sub *sub = &work->sub;
    const float *x = tile->x + s * IQ3_SUB, *root = tile->root + s * IQ3_SUB;
    const float max = tile->max[s];
    int32_t *nearest = work->nearest + QFS_LANES;
    int nqueued[3];
    for (int t = 0; t < rule->ntries; t += QFS_LANES) {
        const lf step = lf_from_int(li_set(t - rule->middle) + li_iota()) * lf_set(0.2f);
        const lf iscale = (lf_set(15.f) + step) / lf_set(max);
        lf_store(sub->iscale + t, iscale);
        lf_store(sub->scale + t, lf_set(1.f) / iscale);
    }
    sub->x = x;
    sub->root = root;
    lf least = lf_load(x);
    for (int i = 0; i < IQ3_SUB; i += QFS_LANES) {
        least = lf_min(lf_load(x + i), least);
        lf_store(work->nonnegative + i, lf_max(lf_load(x + i), lf_set(0.f)));
    }
    /* Where the reference's rounding trick is sound, digits of negative x are 0. */
    const bool tame = max > 1e-30f && max < 1e30f && lf_lane(lf_least(least), 0) > -1e5f * max;
    if (tame)
        iq3_find_cells(rule->ntries, true, sub, work->nonnegative, nearest);
    else
        iq3_find_cells(rule->ntries, false, sub, x, nearest);
    iq3_find_runs(rule->ntries, nearest, work, nqueued);
    iq3_prepare_lines(sub);
    iq3_prepare_tolerances(sub->scale[rule->ntries - 1], sub->scale[0], sub);
    iq3_search_lists(work, nqueued, work->cells[s]);
    iq3_rate_tries(rule->ntries, x, tile->weight + s * IQ3_SUB, work->cells[s], work->sums[s]);
}

LANE_FN void iq3_search_tile(const struct iq3_rule *rule, struct iq3_work *work)
{
    struct iq3_tile *tile = &work->tile;
    bool again[IQ3_TILE_SUBS] = {false};
    for (int s = 0; s < IQ3_TILE_SUBS; s++)
        if (tile->live[s])
            iq3_search_sub(rule, work, s);
    iq3_pick_tries(rule->ntries, work);
    for (int s = 0; s < IQ3_TILE_SUBS; s++) {
        if (tile->live[s]) {
            again[s] = iq3_search_last(rule, work, s);
            continue;
        }
        tile->scale[s] = 0;
        for (int g = 0; g < IQ3_GROUPS; g++)
            tile->digits[g][s] = 0;
    }
    iq3_fit_last(again, tile);
}

/* Writes super-block `b` of the tile. */
typedef void iq3_pack_fn(const struct qfs_grid *grid, struct iq3_tile *tile, int b, uint8_t *block);

LANE_FN void iq3_quantize(const struct iq3_rule *rule, const struct qfs_grid *grid,
                          iq3_pack_fn *pack, int block_bytes, const float *x, uint8_t *blocks,
                          int64_t nblocks, int64_t row_size, const float *imatrix, void *scratch)
{
    struct iq3_work *work = (struct iq3_work *)scratch;
    struct iq3_tile *tile = &work->tile;
    memset(work, 0, sizeof(*work));
    work->sub.grid = grid;
    for (int64_t b = 0; b < nblocks; b += IQ3_TILE_BLOCKS) {
        const int64_t left = nblocks - b;
        if (imatrix && b % IQ3_SIGMAS == 0)
            iq3_sigma2(x + b * IQ3_BLOCK, left < IQ3_SIGMAS ? (int)left : IQ3_SIGMAS, work->sigma2);
        const int here = left < IQ3_TILE_BLOCKS ? (int)left : IQ3_TILE_BLOCKS;
        for (int k = 0; k < here; k++) /* a missing super-block stays what was there before */
            iq3_weigh(x + (b + k) * IQ3_BLOCK,
                      imatrix ? imatrix + (b + k) * IQ3_BLOCK % row_size : NULL,
                      work->sigma2[(b + k) % IQ3_SIGMAS], 8 * k, tile);
        if (rule->even_signs)
            iq3_even_signs(tile);
        iq3_find_max(rule, tile);
        for (int s = 8 * here; s < IQ3_TILE_SUBS; s++)
            tile->live[s] = false;
        iq3_search_tile(rule, work);
        for (int k = 0; k < here; k++)
            pack(grid, tile, k, blocks + (b + k) * block_bytes);
    }
}

#endif
