/* iq1_search.h: what IQ1_S and IQ1_M share. Weights are -1, 0 or 1 times a scale, all moved up or
 * down by an eighth of it. The reference sorts the weights of a sub-block, tries all splits of them
 * into three levels by their prefix sums, then looks for grid points: eight digits that are no point
 * become the one of their cell's list that is nearest.
 *
 * A tile is QFS_LANES super-blocks. For sorting, splits and sums a lane is a sub-block, QFS_LANES of
 * them a band; for lists a lane is a point; for the last sums of IQ1_M a lane is a super-block. */
#ifndef QUANTFS_IQ1_SEARCH_H
#define QUANTFS_IQ1_SEARCH_H

#include "fp16.h"
#include "grids.h"

#include "quantfs/kernels.h"

enum {
    IQ1_BLOCK = 256,
    IQ1_TILE = QFS_LANES,     /* super-blocks */
    IQ1_SUBS = 16 * IQ1_TILE, /* sub-blocks, or half of them */
    IQ1_MOST = 32,            /* weights of a sub-block, or half of them */
};

/* What a digit stands for, moved up, then moved down. */
LANE_TABLE float iq1_levels[2][4] = {{-0.875f, 0.125f, 1.125f, 0}, {-1.125f, -0.125f, 0.875f, 0}};

struct iq1_tile {
    float x[IQ1_TILE * IQ1_BLOCK], weight[IQ1_TILE * IQ1_BLOCK];
    /* by sub-block */
    float scale[IQ1_SUBS];
    bool live[IQ1_SUBS];
    int32_t shift[4][IQ1_SUBS];  /* of each group of 8: 0 up, 1 down */
    int32_t cell[4][IQ1_SUBS];   /* of the digits */
    int32_t point[4][IQ1_SUBS];  /* 0 where not live */
    int32_t digits[4][IQ1_SUBS]; /* the point's, two bits each */
    int32_t moved[IQ1_SUBS];     /* some digits were no point */
};

/* Sums over the first j of a band's sorted weights, of w x and of w; in IQ1_M of each half. */
struct iq1_sums {
    float x[2][IQ1_MOST + 1][QFS_LANES], w[2][IQ1_MOST + 1][QFS_LANES];
};

struct iq1_band {
    lf x[IQ1_MOST], weight[IQ1_MOST];
    li rank[IQ1_MOST];
    struct iq1_sums sums;
    /* the split: weights of rank below `low` are level 0, from `high` on level 2; -1: none found */
    int32_t low[QFS_LANES], high[QFS_LANES], shifts[QFS_LANES];
    float scale[QFS_LANES];
};

/* -- weights
 * ----------------------------------------------------------------------------------------- */

/* Importances of the tile's weights; without an imatrix the squares. */
LANE_FN void iq1_weigh(const float *x, int64_t first, int64_t row_size, const float *imatrix,
                       struct iq1_tile *tile)
{
    float sigma2[IQ1_TILE];
    lf sum = lf_set(0.f);
    for (int i = 0; i < IQ1_BLOCK; i += 4) {
        lf columns[4];
        lf_transpose(x + i, IQ1_BLOCK, 4, columns);
        for (int c = 0; c < 4; c++)
            sum = sum + columns[c] * columns[c];
    }
    lf_store(sigma2, lf_set(2.f) * sum / lf_set((float)IQ1_BLOCK));
    for (int b = 0; b < IQ1_TILE; b++) {
        const float *from = imatrix ? imatrix + (first + b) * IQ1_BLOCK % row_size : NULL;
        for (int i = 0; i < IQ1_BLOCK; i += QFS_LANES) {
            const int at = b * IQ1_BLOCK + i;
            const lf square = lf_load(x + at) * lf_load(x + at);
            lf_store(tile->weight + at,
                     from ? lf_load(from + i) * lf_sqrt(lf_set(sigma2[b]) + square) : square);
        }
    }
}

/* -- sorting
 * ----------------------------------------------------------------------------------------- */

/* The places of n numbers in ascending order, equal ones in their own order. */
LANE_FN void iq1_rank(const lf *x, int n, li *rank)
{
    li less[IQ1_MOST]; /* how many before it are greater */
    for (int i = 0; i < n; i++)
        less[i] = li_set(0);
    for (int i = 0; i < n; i++) {
        const lf here = x[i];
        li above = li_set(i) - less[i];
        for (int j = i + 1; j < n; j++) {
            const lm greater = lf_lt(x[j], here);
            above = li_count(above, greater);
            less[j] = li_count(less[j], greater);
        }
        rank[i] = above;
    }
}

/* Loads the band of sub-blocks from `sub` on, sorts it and sums it up; by halves of 8 weights or in
 * one piece. */
LANE_FN void iq1_band_prepare(const float *x, const float *weight, int n, bool halves,
                              struct iq1_band *band)
{
    struct iq1_sums *sums = &band->sums;
    lf_transpose(x, n, n, band->x);
    lf_transpose(weight, n, n, band->weight);
    iq1_rank(band->x, n, band->rank);
    for (int i = 0; i < n; i++) {
        const int mine = halves ? i / 8 : 0;
        float wx[QFS_LANES], w[QFS_LANES];
        int32_t rank[QFS_LANES];
        lf_store(wx, band->weight[i] * band->x[i]);
        lf_store(w, band->weight[i]);
        li_store(rank, band->rank[i]);
        for (int k = 0; k < QFS_LANES; k++) {
            sums->x[mine][rank[k] + 1][k] = wx[k];
            sums->w[mine][rank[k] + 1][k] = w[k];
            if (halves) {
                sums->x[!mine][rank[k] + 1][k] = 0;
                sums->w[!mine][rank[k] + 1][k] = 0;
            }
        }
    }
    for (int half = 0; half <= halves; half++) {
        lf sum_x = lf_set(0.f), sum_w = sum_x;
        lf_store(sums->x[half][0], sum_x);
        lf_store(sums->w[half][0], sum_w);
        for (int j = 1; j <= n; j++) {
            sum_x = sum_x + lf_load(sums->x[half][j]);
            sum_w = sum_w + lf_load(sums->w[half][j]);
            lf_store(sums->x[half][j], sum_x);
            lf_store(sums->w[half][j], sum_w);
        }
    }
}

/* -- splits
 * ------------------------------------------------------------------------------------------ */

/* The best of what the lanes have tried: its score qx^2 / q2 and its number. */
struct iq1_best {
    lf score;
    li at;
};

/* Tries qx, q2, where q2 cannot be 0 unless qx is. */
LANE_FN void iq1_try(lf qx, lf q2, int number, struct iq1_best *best)
{
    const lm better = lf_gt(qx * qx, best->score * q2);
    best->score = lf_select(better, qx / q2 * qx, best->score);
    best->at = li_select(better, li_set(number), best->at);
}

/* Weights so small that q2 can vanish beside a qx that does not. */
LANE_FN bool iq1_weightless(lf total)
{
    return lm_any(lm_and(lf_gt(total, lf_set(0.f)), lf_lt(total, lf_set(1e-30f))));
}

/* -- digits, points
 * ---------------------------------------------------------------------------------- */

/* The cells of the band's split, group by group, for the sub-blocks from `sub` on. */
LANE_FN void iq1_band_finish(const struct iq1_band *band, int n, float dead, int sub,
                             struct iq1_tile *tile)
{
    const li low = li_load(band->low), high = li_load(band->high), two = li_set(2);
    const lm negative = lf_lt(lf_load(band->scale), lf_set(0.f));
    lf max = lf_abs(band->x[0]);
    for (int i = 1; i < n; i++)
        max = lf_max(max, lf_abs(band->x[i]));
    const uint32_t none = lm_bits(lm_or(lf_lt(max, lf_set(dead)), li_lt(low, li_set(0))));
    for (int g = 0; g < n / 8; g++) {
        li cell = li_set(0);
        for (int i = 7; i >= 0; i--) {
            const li rank = band->rank[8 * g + i];
            const li above = li_count(li_set(0), li_lt(rank, low));
            const li digit = two - li_count(above, li_lt(rank, high));
            cell = cell + cell + cell + li_select(negative, two - digit, digit);
        }
        li_store(tile->cell[g] + sub, cell);
    }
    lf_store(tile->scale + sub, lf_abs(lf_load(band->scale)));
    for (int k = 0; k < QFS_LANES; k++)
        tile->live[sub + k] = !(none >> k & 1);
}

/* The reference's choice of a cell's list. A lane is a point. */
LANE_FN int iq1_measure(const struct qfs_grid *grid, const struct qfs_grid_cell *cell,
                        const float *x, const float *weight, float scale, const float *levels)
{
    float level[QFS_LANES > 4 ? QFS_LANES : 4], term[8][4];
    for (int l = 0; l < (QFS_LANES > 4 ? QFS_LANES : 4); l++)
        level[l] = levels[l % 4];
    for (int at = 0; at < 32; at += QFS_LANES) {
        const lf product = lf_set(scale) * lf_load(level + (QFS_LANES < 4 ? at % 4 : 0));
        const lf difference = product - lf_spread4(x, at);
        lf_store(term[0] + at, lf_spread4(weight, at) * difference * difference);
    }
    lf best = lf_set(__builtin_inff());
    li place = li_set(0);
    for (int j = 0; j < cell->count; j += QFS_LANES) {
        const li digits = li_load_u16(grid->packed + cell->start + j);
        lf d = lf_lookup4_mod(term[0], digits);
        for (int i = 1; i < 8; i++)
            d = d + lf_lookup4_mod(term[i], digits >> 2 * i);
        lm less = lf_lt(d, best);
        if (cell->count - j < QFS_LANES)
            less = lm_and(less, li_lt(li_iota(), li_set(cell->count - j)));
        best = lf_select(less, d, best);
        place = li_select(less, li_set(j), place);
    }
    /* the least lane, and of equal ones the first in the list */
    int32_t each[QFS_LANES];
    li_store(each, place + li_iota());
    int first = cell->count - 1;
    for (uint32_t bits = lm_bits(lf_eq(best, lf_least(best))); bits; bits &= bits - 1) {
        const int32_t here = each[__builtin_ctz(bits)];
        first = here < first ? here : first;
    }
    return grid->list[cell->start + (uint32_t)first];
}

LANE_FN void iq1_find_points(const struct qfs_grid *grid, int n, int nsubs, struct iq1_tile *tile)
{
    for (int s = 0; s < nsubs; s++) {
        tile->moved[s] = 0;
        for (int g = 0; g < n / 8; g++) {
            const int at = s * n + 8 * g;
            int point = 0;
            if (tile->live[s]) {
                const struct qfs_grid_cell *cell = &grid->cell[tile->cell[g][s]];
                point = cell->point;
                if (cell->count) {
                    tile->moved[s] = -1;
                    point = iq1_measure(grid, cell, tile->x + at, tile->weight + at, tile->scale[s],
                                        iq1_levels[tile->shift[g][s]]);
                }
            }
            tile->point[g][s] = point;
            tile->digits[g][s] = grid->nibbles[point];
        }
        if (!tile->live[s]) {
            tile->scale[s] = 0;
            for (int g = 0; g < n / 8; g++)
                tile->shift[g][s] = 0;
        }
    }
}

/* The scales that fit points which were moved. */
LANE_FN void iq1_fit(int n, int nsubs, struct iq1_tile *tile)
{
    for (int s = 0; s < nsubs; s += QFS_LANES) {
        const lf zero = lf_set(0.f);
        lf qx = zero, q2 = zero;
        for (int i = 0; i < n; i += 4) {
            lf x[4], w[4];
            lf_transpose(tile->x + s * n + i, n, 4, x);
            lf_transpose(tile->weight + s * n + i, n, 4, w);
            const li digits = li_load(tile->digits[i / 8] + s);
            const li shift = li_load(tile->shift[i / 8] + s) << 2;
            for (int c = 0; c < 4; c++) {
                const li digit = (digits >> 2 * (i % 8 + c)) & li_set(3);
                const lf wq = w[c] * lf_lookup8(iq1_levels[0], digit | shift);
                qx = qx + wq * x[c];
                q2 = q2 + wq * lf_lookup8(iq1_levels[0], digit | shift);
            }
        }
        const lm moved = li_lt(li_load(tile->moved + s), li_set(0));
        const lm fits = lm_and(moved, lm_and(lf_gt(qx, zero), lf_gt(q2, zero)));
        lf_store(tile->scale + s, lf_select(fits, qx / q2, lf_load(tile->scale + s)));
    }
}

/* A super-block's scales to three bits each: nearest((scale / d - 1) / 2). */
LANE_FN li iq1_scale_code(lf inverse, lf scale)
{
    const li l = li_nearest(lf_set(0.5f) * (inverse * scale - lf_set(1.f)));
    return li_max(li_set(0), li_min(li_set(7), l));
}

#endif
