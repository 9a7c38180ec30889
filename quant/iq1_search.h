/* iq1_search.h: what IQ1_S and IQ1_M share. Weights are -1, 0 or 1 times a scale, all moved up or
 * down by an eighth of it: levels[0] up, levels[1] down. */
#ifndef QUANTFS_IQ1_SEARCH_H
#define QUANTFS_IQ1_SEARCH_H

#include "fp16.h"
#include "grids.h"

#include <float.h>

enum { IQ1_BLOCK = 256 };

static const float iq1_levels[2][3] = {{-0.875f, 0.125f, 1.125f}, {-1.125f, -0.125f, 0.875f}};

/* Indices of x in ascending order, equal ones in their own. */
static inline void iq1_sort(const float *x, int n, int *order)
{
    for (int i = 0; i < n; i++) {
        int k = i;
        for (; k > 0 && x[i] < x[order[k - 1]]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

/* Digits 0..2 of 8 weights to the nearest point in the reference's sense. */
static inline int iq1_point_of(const struct qfs_grid *grid, const uint8_t *digits, const float *x,
                               const float *weight, float scale, const float *levels)
{
    int number = 0;
    for (int i = 7; i >= 0; i--)
        number = 3 * number + digits[i];
    const struct qfs_grid_cell cell = grid->cell[number];
    int best = cell.point;
    float best_d2 = FLT_MAX;
    for (int j = 0; j < cell.count; j++) {
        const int point = grid->list[cell.start + (uint32_t)j];
        float d2 = 0;
        for (int i = 0; i < 8; i++) {
            const float difference = scale * levels[grid->nibbles[point] >> 2 * i & 3] - x[i];
            d2 += weight[i] * difference * difference;
        }
        if (d2 < best_d2) {
            best_d2 = d2;
            best = point;
        }
    }
    return best;
}

/* Adds what 8 weights at `point` give to the fit of a scale. */
static inline void iq1_fit_add(const struct qfs_grid *grid, int point, const float *x,
                               const float *weight, const float *levels, float factor, float *qx,
                               float *q2)
{
    for (int i = 0; i < 8; i++) {
        const float q = levels[grid->nibbles[point] >> 2 * i & 3] * factor;
        *qx += weight[i] * q * x[i];
        *q2 += weight[i] * q * q;
    }
}

static inline void iq1_weights(const float *x, const float *imatrix, float *weight)
{
    float sum = 0;
    for (int i = 0; i < IQ1_BLOCK; i++)
        sum += x[i] * x[i];
    const float sigma2 = 2 * sum / IQ1_BLOCK;
    for (int i = 0; i < IQ1_BLOCK; i++)
        weight[i] = imatrix ? imatrix[i] * __builtin_sqrtf(sigma2 + x[i] * x[i]) : x[i] * x[i];
}

static inline float iq1_max_abs(const float *x, int n)
{
    float max = __builtin_fabsf(x[0]);
    for (int i = 1; i < n; i++)
        max = max > __builtin_fabsf(x[i]) ? max : __builtin_fabsf(x[i]);
    return max;
}

static inline int iq1_scale_code(float inverse, float scale)
{
    const int l = nearest_int(0.5f * (inverse * scale - 1));
    return l < 0 ? 0 : l > 7 ? 7 : l;
}

#endif
