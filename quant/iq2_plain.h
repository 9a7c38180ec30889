/* iq2_plain.h: the search of IQ2_XXS, IQ2_XS and IQ2_S for one sub-block, in the reference's words:
 * every candidate of every try is measured. What the one-lane build runs, and every other one where
 * the shortcuts of iq2_search.h are not proven: extreme magnitudes, non-finite input. */
#ifndef QUANTFS_IQ2_PLAIN_H
#define QUANTFS_IQ2_PLAIN_H

#include "grids.h"
#include "lanes.h"

#include <float.h>

enum { IQ2_GROUP = 8 /* weights that a grid point covers */, IQ2_GROUPS_MAX = 4 };

/* What the three formats differ in. */
struct iq2_rule {
    enum qfs_grid_id grid;
    int groups;         /* a sub-block: 4 (IQ2_XXS) or 2 */
    int reach;          /* tries: scales middle / (5 + 0.1 i), i = -reach..reach */
    bool parity;        /* an even number of signs a group: seven bits tell the eighth */
    bool fitted;        /* the middle of the tries is 3 fitted scales (iq2_fit.h), not the largest
                         * value, and the winning scale's points are sought again in all groups, not
                         * only in those that are off the grid */
    float floor;        /* sub-blocks whose largest value is below are all zero */
    float sigma_factor; /* importance weight: imatrix * sqrt(factor * mean(x^2) + x^2) */
};

/* One sub-block: magnitudes (one a group may be negative for parity's sake), importances for the
 * sums, and their square roots for the search. */
struct iq2_sub {
    const float *x, *weight, *root;
    float middle, scale; /* the scale that stays when no try is better than nothing */
};

struct iq2_found {
    float scale; /* may be negative: then it counts as positive and all signs are flipped */
    uint16_t point[IQ2_GROUPS_MAX];
};

LANE_INLINE int iq2_clamp(int value, int limit)
{
    return value < 0 ? 0 : value > limit ? limit : value;
}

LANE_INLINE float iq2_q(int nibbles, int i)
{
    return (float)(2 * (nibbles >> 2 * i & 3) + 1);
}

/* The grid point for 8 values: that of their nearest codes, or the best of its list. */
LANE_INLINE int iq2_point_plain(const struct qfs_grid *grid, const float *x, const float *root,
                                float id, float scale, bool *ret_on_grid)
{
    int number = 0;
    for (int i = IQ2_GROUP - 1; i >= 0; i--)
        number = 3 * number + iq2_clamp(nearest_int(0.5f * (id * x[i] - 1)), 2);
    const struct qfs_grid_cell *cell = &grid->cell[number];
    *ret_on_grid = cell->count == 0;
    float best = FLT_MAX;
    int point = cell->point;
    for (int j = 0; j < cell->count; j++) {
        const int candidate = grid->list[cell->start + (uint32_t)j];
        float distance = 0;
        for (int i = 0; i < IQ2_GROUP; i++) {
            const float difference = scale * iq2_q(grid->nibbles[candidate], i) - x[i];
            distance += root[i] * difference * difference;
        }
        if (distance < best) {
            best = distance;
            point = candidate;
        }
    }
    return point;
}

struct iq2_sums {
    float qx, q2;
};

LANE_INLINE struct iq2_sums iq2_sums_plain(const struct qfs_grid *grid, int groups,
                                           const struct iq2_sub *sub, const uint16_t *point)
{
    struct iq2_sums sums = {0, 0};
    for (int i = 0; i < IQ2_GROUP * groups; i++) {
        const float q = iq2_q(grid->nibbles[point[i / IQ2_GROUP]], i % IQ2_GROUP);
        sums.qx += sub->weight[i] * sub->x[i] * q;
        sums.q2 += sub->weight[i] * q * q;
    }
    return sums;
}

LANE_OUTLINE struct iq2_found iq2_search_plain(const struct iq2_rule *rule,
                                               const struct qfs_grid *grid,
                                               const struct iq2_sub *sub)
{
    struct iq2_found found = {.scale = sub->scale};
    bool again[IQ2_GROUPS_MAX] = {rule->fitted, rule->fitted, rule->fitted, rule->fitted};
    float best = 0;
    for (int is = -rule->reach; is <= rule->reach; is++) {
        const float id = (5 + (float)is * 0.1f) / sub->middle;
        const float scale = 1 / id;
        uint16_t point[IQ2_GROUPS_MAX];
        bool on_grid[IQ2_GROUPS_MAX];
        for (int k = 0; k < rule->groups; k++) {
            const int at = IQ2_GROUP * k;
            point[k] = (uint16_t)iq2_point_plain(grid, sub->x + at, sub->root + at, id, scale,
                                                 &on_grid[k]);
        }
        const struct iq2_sums sums = iq2_sums_plain(grid, rule->groups, sub, point);
        if (sums.q2 > 0 && sums.qx * sums.qx > best * sums.q2) {
            found.scale = sums.qx / sums.q2;
            best = found.scale * sums.qx;
            for (int k = 0; k < rule->groups; k++) {
                found.point[k] = point[k];
                again[k] = rule->fitted || !on_grid[k];
            }
        }
    }
    bool any = false;
    for (int k = 0; k < rule->groups; k++)
        any |= again[k];
    if (!any || !(found.scale > 0))
        return found;
    const float id = 1 / found.scale;
    for (int k = 0; k < rule->groups; k++) {
        const int at = IQ2_GROUP * k;
        bool unused;
        if (again[k])
            found.point[k] = (uint16_t)iq2_point_plain(grid, sub->x + at, sub->root + at, id,
                                                       found.scale, &unused);
    }
    const struct iq2_sums sums = iq2_sums_plain(grid, rule->groups, sub, found.point);
    if (sums.q2 > 0)
        found.scale = sums.qx / sums.q2;
    return found;
}

#endif
