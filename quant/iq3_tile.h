/* iq3_tile.h: IQ3_XXS and IQ3_S take super-blocks two at a time, a tile: importances, signs and
 * magnitudes before the search, four-bit scales after it. */
#ifndef QUANTFS_IQ3_TILE_H
#define QUANTFS_IQ3_TILE_H

#include "fp16.h"
#include "grids.h"

#include "quantfs/kernels.h"

enum {
    IQ3_BLOCK = 256,
    IQ3_SUB = 32,
    IQ3_GROUPS = 8, /* of 4 weights, a sub-block */
    IQ3_TILE_BLOCKS = QFS_LANES == 1 ? 1 : 2,
    IQ3_TILE = IQ3_TILE_BLOCKS * IQ3_BLOCK,
    IQ3_TILE_SUBS = IQ3_TILE / IQ3_SUB,
};

struct iq3_rule {
    int ntries, middle; /* scales tried: of max / (15 + 0.2 * (try - middle)) */
    float dead;         /* a sub-block whose maximum is less or equal is all zero */
    bool even_signs;    /* signs of 8 weights are stored as 7 bits: their parity is even */
    bool keep_on_grid;  /* the last search leaves groups alone that the best try had on the grid */
};

struct iq3_tile {
    float x[IQ3_TILE];                      /* magnitudes; with even_signs a few are negative */
    float weight[IQ3_TILE], root[IQ3_TILE]; /* importances and their square roots */
    float max[IQ3_TILE_SUBS];
    uint32_t signs[IQ3_TILE_SUBS];
    bool live[IQ3_TILE_SUBS];
    /* the search's results */
    float scale[IQ3_TILE_SUBS];
    int32_t digits[IQ3_GROUPS][IQ3_TILE_SUBS]; /* cell numbers, all on the grid */
};

/* 2 * mean(x^2) of super-blocks first..first+n-1, each summed in order. A lane is a super-block. */
LANE_FN void iq3_sigma2(const float *x, int n, float *sigma2)
{
    int b = 0;
    for (; b + QFS_LANES <= n; b += QFS_LANES) {
        lf sum = lf_set(0.f);
        for (int i = 0; i < IQ3_BLOCK; i += 4) {
            lf columns[4];
            lf_transpose(x + b * IQ3_BLOCK + i, IQ3_BLOCK, 4, columns);
            for (int c = 0; c < 4; c++)
                sum = sum + columns[c] * columns[c];
        }
        lf_store(sigma2 + b, lf_set(2.f) * sum / lf_set((float)IQ3_BLOCK));
    }
    for (; b < n; b++) {
        float sum = 0;
        for (int i = 0; i < IQ3_BLOCK; i++)
            sum += x[b * IQ3_BLOCK + i] * x[b * IQ3_BLOCK + i];
        sigma2[b] = 2 * sum / IQ3_BLOCK;
    }
}

/* Importances, signs and magnitudes of one super-block, its sub-blocks being `sub` to `sub` + 7. */
LANE_FN void iq3_weigh(const float *x, const float *imatrix, float sigma2, int sub,
                       struct iq3_tile *tile)
{
    for (int i = 0; i < IQ3_BLOCK; i += IQ3_SUB, sub++) {
        uint32_t signs = 0;
        for (int k = 0; k < IQ3_SUB; k += QFS_LANES) {
            const int to = sub * IQ3_SUB + k;
            const lf value = lf_load(x + i + k), square = value * value;
            const lf weight =
                imatrix ? lf_load(imatrix + i + k) * lf_sqrt(lf_set(sigma2) + square) : square;
            const lm positive = lf_ge(value, lf_set(0.f));
            lf_store(tile->weight + to, weight);
            lf_store(tile->root + to, lf_sqrt(weight));
            lf_store(tile->x + to, lf_select(positive, value, lf_neg(value)));
            signs |= lm_bits(lm_not(positive)) << k;
        }
        tile->signs[sub] = signs;
    }
}

/* Turns the sign of one weight of each 8 that have an odd number of signs: the one that costs
 * least, the first of equal ones. Its magnitude becomes negative. A lane is 8 weights. */
LANE_FN void iq3_even_signs(struct iq3_tile *tile)
{
    uint8_t least[IQ3_TILE / 8];
    for (int g = 0; g < IQ3_TILE / 8; g += QFS_LANES) {
        lf x[8], weight[8];
        lf_transpose(tile->x + 8 * g, 8, 8, x);
        lf_transpose(tile->weight + 8 * g, 8, 8, weight);
        lf min = weight[0] * x[0] * x[0];
        li at = li_set(0);
        for (int i = 1; i < 8; i++) {
            const lf cost = weight[i] * x[i] * x[i];
            const lm less = lf_lt(cost, min);
            min = lf_select(less, cost, min);
            at = li_select(less, li_set(i), at);
        }
        li_store_u8(least + g, at);
    }
    for (int g = 0; g < IQ3_TILE / 8; g++) {
        const uint32_t bit = 8 * (g % 4) + least[g];
        const uint32_t odd = (uint32_t)__builtin_parity(tile->signs[g / 4] >> 8 * (g % 4) & 255);
        float *x = tile->x + 8 * g + least[g];
        *x = odd ? -*x : *x;
        tile->signs[g / 4] ^= odd << bit;
    }
}

/* The greatest of each sub-block. A lane is a sub-block. */
LANE_FN void iq3_find_max(const struct iq3_rule *rule, struct iq3_tile *tile)
{
    for (int sub = 0; sub < IQ3_TILE_SUBS; sub += QFS_LANES) {
        lf x[IQ3_SUB];
        lf_transpose(tile->x + sub * IQ3_SUB, IQ3_SUB, IQ3_SUB, x);
        lf max = x[0];
        for (int i = 1; i < IQ3_SUB; i++)
            max = lf_max(max, x[i]);
        lf_store(tile->max + sub, max);
    }
    for (int sub = 0; sub < IQ3_TILE_SUBS; sub++)
        tile->live[sub] = !(tile->max[sub] < rule->dead) && tile->max[sub] != 0;
}

/* Makes scales positive. Returns the greatest of one super-block. */
LANE_FN float iq3_settle_scales(struct iq3_tile *tile, int first)
{
    float max = 0;
    for (int sub = first; sub < first + 8; sub++) {
        if (tile->scale[sub] < 0) {
            tile->scale[sub] = -tile->scale[sub];
            tile->signs[sub] = ~tile->signs[sub];
        }
        max = max > tile->scale[sub] ? max : tile->scale[sub];
    }
    return max;
}

LANE_INLINE uint32_t iq3_scale_code(float inverse, float scale)
{
    const int l = nearest_int(0.5f * (inverse * scale - 1));
    return l < 0 ? 0 : l > 15 ? 15 : (uint32_t)l;
}

#endif
