/* iq3_search.h: what IQ3_XXS and IQ3_S share: the search for a sub-block's scale and grid points. */
#ifndef QUANTFS_IQ3_SEARCH_H
#define QUANTFS_IQ3_SEARCH_H

#include "fp16.h"
#include "grids.h"

#include <float.h>

enum { IQ3_SUB = 32, IQ3_GROUPS = 8, IQ3_BLOCK = 256 };

struct iq3_rule {
    int tries;        /* on each side of the middle one */
    bool keep_ongrid; /* a group on the grid in the best try stays in the last search */
};

/* Digits 0..7 of a group of 4, three bits each: a cell number. */
static inline int iq3_cell_of(const float *x, float iscale)
{
    int number = 0;
    for (int i = 0; i < 4; i++) {
        int l = nearest_int(0.5f * (iscale * x[i] - 1));
        l = l < 7 ? l : 7;
        l = l > 0 ? l : 0;
        number |= l << 3 * i;
    }
    return number;
}

static inline int iq3_nearest_point(const struct qfs_grid *grid, int number, const float *x,
                                    const float *w, float scale)
{
    const struct qfs_grid_cell cell = grid->cell[number];
    int best = cell.point;
    float best_d2 = FLT_MAX;
    for (int j = 0; j < cell.count; j++) {
        const int point = grid->list[cell.start + (uint32_t)j];
        float d2 = 0;
        for (int i = 0; i < 4; i++) {
            const float q = (float)(2 * (grid->number[point] >> 3 * i & 7) + 1);
            const float difference = scale * q - x[i];
            d2 += w[i] * difference * difference;
        }
        if (d2 < best_d2) {
            best_d2 = d2;
            best = point;
        }
    }
    return best;
}

static inline void iq3_sums(const struct qfs_grid *grid, const uint16_t *points, const float *x,
                            const float *weight, float *qx, float *q2)
{
    *qx = *q2 = 0;
    for (int i = 0; i < IQ3_SUB; i++) {
        const float q = (float)(2 * (grid->number[points[i / 4]] >> 3 * (i % 4) & 7) + 1);
        *qx += weight[i] * x[i] * q;
        *q2 += weight[i] * q * q;
    }
}

/* x: magnitudes, max: their greatest. Leaves a point for each group and returns the scale. */
static inline float iq3_search(const struct qfs_grid *grid, struct iq3_rule rule, const float *x,
                               const float *weight, float max, uint16_t *points)
{
    float root[IQ3_SUB];
    for (int i = 0; i < IQ3_SUB; i++)
        root[i] = __builtin_sqrtf(weight[i]);
    bool ongrid[IQ3_GROUPS];
    for (int k = 0; k < IQ3_GROUPS; k++) {
        ongrid[k] = rule.keep_ongrid;
        points[k] = grid->cell[0].point;
    }
    float best = 0, scale = max / 15;
    for (int is = -rule.tries; is <= rule.tries; is++) {
        const float iscale = (15 + (float)is * 0.2f) / max, this_scale = 1 / iscale;
        uint16_t these[IQ3_GROUPS];
        bool here[IQ3_GROUPS];
        for (int k = 0; k < IQ3_GROUPS; k++) {
            const int number = iq3_cell_of(x + 4 * k, iscale);
            here[k] = grid->cell[number].count == 0;
            these[k] =
                (uint16_t)iq3_nearest_point(grid, number, x + 4 * k, root + 4 * k, this_scale);
        }
        float qx, q2;
        iq3_sums(grid, these, x, weight, &qx, &q2);
        if (q2 > 0 && qx * qx > best * q2) {
            scale = qx / q2;
            best = scale * qx;
            memcpy(points, these, sizeof(these));
            memcpy(ongrid, here, sizeof(here));
        }
    }
    bool all = true;
    for (int k = 0; k < IQ3_GROUPS; k++)
        all &= ongrid[k];
    if (!all && scale > 0) {
        for (int k = 0; k < IQ3_GROUPS; k++)
            if (!rule.keep_ongrid || !ongrid[k])
                points[k] = (uint16_t)iq3_nearest_point(grid, iq3_cell_of(x + 4 * k, 1 / scale),
                                                        x + 4 * k, root + 4 * k, scale);
        float qx, q2;
        iq3_sums(grid, points, x, weight, &qx, &q2);
        if (q2 > 0)
            scale = qx / q2;
    }
    return scale;
}

/* Weights of a super-block; without importances the squares. */
static inline void iq3_weights(const float *x, const float *imatrix, float *weight)
{
    float sum = 0;
    for (int i = 0; i < IQ3_BLOCK; i++)
        sum += x[i] * x[i];
    const float sigma2 = 2 * sum / IQ3_BLOCK;
    for (int i = 0; i < IQ3_BLOCK; i++)
        weight[i] = imatrix ? imatrix[i] * __builtin_sqrtf(sigma2 + x[i] * x[i]) : x[i] * x[i];
}

#endif
