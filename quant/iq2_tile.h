/* iq2_tile.h: what IQ2_XXS, IQ2_XS and IQ2_S do alike with super-blocks of 256 weights, some at a
 * time: importances, signs, magnitudes, the scales to start from; after the search, four-bit scales. */
#ifndef QUANTFS_IQ2_TILE_H
#define QUANTFS_IQ2_TILE_H

#include "fp16.h"
#include "iq2_fit.h"
#include "iq2_plain.h"

#include "quantfs/kernels.h"

enum {
    IQ2_BLOCK = 256,
    IQ2_TILE_BLOCKS = QFS_LANES == 16  ? 4
                      : QFS_LANES == 1 ? 1
                                       : 2, /* two groups of lanes for iq2_fit.h */
    IQ2_TILE = IQ2_TILE_BLOCKS * IQ2_BLOCK,
    IQ2_TILE_GROUPS = IQ2_TILE / IQ2_GROUP,
    IQ2_TILE_SUBS = IQ2_TILE / 16, /* or half of them */
};

struct iq2_tile {
    float x[IQ2_TILE], weight[IQ2_TILE], root[IQ2_TILE]; /* see struct iq2_sub */
    float middle[IQ2_TILE_SUBS], scale[IQ2_TILE_SUBS];
    bool live[IQ2_TILE_SUBS]; /* else nothing of the sub-block is written, its signs neither */
    float root_sum[IQ2_TILE_GROUPS], max[IQ2_TILE_GROUPS], span[IQ2_TILE_GROUPS]; /* below */
    uint8_t signs[IQ2_TILE_GROUPS];
    struct iq2_found found[IQ2_TILE_SUBS];
};

LANE_FN int iq2_tile_nsubs(const struct iq2_rule *rule)
{
    return IQ2_TILE_GROUPS / rule->groups;
}

/* Magnitudes, signs and importances of super-block `b` of the tile. Without an imatrix (IQ2_S alone)
 * importances are the squares, raised by a quarter of sigma2. */
LANE_FN void iq2_tile_weigh(const float *x, const float *imatrix, float sigma2, int b,
                            struct iq2_tile *tile)
{
    const int base = b * IQ2_BLOCK;
    for (int i = 0; i < IQ2_BLOCK; i += 32) {
        uint32_t negative = 0;
        for (int k = i; k < i + 32; k += QFS_LANES) {
            const lf value = lf_load(x + k), square = value * value;
            const lf weight = imatrix ? lf_load(imatrix + k) * lf_sqrt(lf_set(sigma2) + square)
                                      : lf_set(0.25f * sigma2) + square;
            lf_store(tile->weight + base + k, weight);
            lf_store(tile->root + base + k, lf_sqrt(weight));
            const lm positive = lf_ge(value, lf_set(0.f));
            lf_store(tile->x + base + k, lf_select(positive, value, lf_neg(value)));
            negative |= lm_bits(lm_not(positive)) << (k - i);
        }
        memcpy(tile->signs + (base + i) / IQ2_GROUP, &negative, sizeof(negative));
    }
}

/* Of each group: the sum of root, in whatever order; the largest magnitude (span). With `parity`,
 * groups with an odd number of signs flip the sign of the weight that matters least (the first of
 * equal ones), whose magnitude becomes negative. Then the largest value (max). */
LANE_FN void iq2_tile_balance(bool parity, struct iq2_tile *tile)
{
    for (int g = 0; g < IQ2_TILE_GROUPS; g += QFS_LANES) {
        lf x[IQ2_GROUP], w[IQ2_GROUP];
        lf_transpose(tile->root + g * IQ2_GROUP, IQ2_GROUP, IQ2_GROUP, w);
        lf_store(tile->root_sum + g,
                 ((w[0] + w[1]) + (w[2] + w[3])) + ((w[4] + w[5]) + (w[6] + w[7])));
        lf_transpose(tile->x + g * IQ2_GROUP, IQ2_GROUP, IQ2_GROUP, x);
        lf largest = x[0];
        for (int i = 1; i < IQ2_GROUP; i++)
            largest = lf_max(largest, x[i]);
        lf_store(tile->span + g, largest);
        lf_store(tile->max + g, largest);
        if (!parity)
            continue;
        int32_t odd[QFS_LANES], least[QFS_LANES];
        lf_transpose(tile->weight + g * IQ2_GROUP, IQ2_GROUP, IQ2_GROUP, w);
        lf min = w[0] * x[0] * x[0];
        li at = li_set(0);
        for (int i = 1; i < IQ2_GROUP; i++) {
            const lf value = w[i] * x[i] * x[i];
            const lm less = lf_lt(value, min);
            min = lf_select(less, value, min);
            at = li_select(less, li_set(i), at);
        }
        for (int k = 0; k < QFS_LANES; k++)
            odd[k] = __builtin_parity(tile->signs[g + k]);
        li_store(least, at);
        const li flip = li_load(odd) << 31;
        for (int i = 0; i < IQ2_GROUP; i++) {
            const li here = li_select(li_eq(at, li_set(i)), flip, li_set(0));
            x[i] = lf_bits(li_bits(x[i]) ^ here);
            largest = i ? lf_max(largest, x[i]) : x[0];
        }
        lf_store(tile->max + g, largest);
        for (int k = 0; k < QFS_LANES; k++) {
            float *flipped = &tile->x[(g + k) * IQ2_GROUP + least[k]];
            *flipped = odd[k] ? -*flipped : *flipped;
            tile->signs[g + k] ^= (uint8_t)(odd[k] << least[k]);
        }
    }
}

/* Where the tries of each sub-block are. */
LANE_FN void iq2_tile_start(const struct iq2_rule *rule, struct iq2_tile *tile)
{
    const float *max = tile->max;
    const int nsubs = iq2_tile_nsubs(rule);
    for (int sub = 0; rule->fitted && sub < nsubs; sub += IQ2_FIT_WAYS * QFS_LANES) {
        struct iq2_fit fit[IQ2_FIT_WAYS];
        lf scale[IQ2_FIT_WAYS];
        for (int way = 0; way < IQ2_FIT_WAYS; way++) {
            const int at = (sub + way * QFS_LANES) * IQ2_FIT_SUB;
            lf_transpose(tile->x + at, IQ2_FIT_SUB, IQ2_FIT_SUB, fit[way].x);
            lf_transpose(tile->weight + at, IQ2_FIT_SUB, IQ2_FIT_SUB, fit[way].weight);
        }
        iq2_fit_scales(fit, scale);
        for (int way = 0; way < IQ2_FIT_WAYS; way++)
            lf_store(tile->scale + sub + way * QFS_LANES, scale[way]);
    }
    for (int sub = 0; sub < nsubs; sub++) {
        float largest = max[sub * rule->groups];
        for (int k = 1; k < rule->groups; k++) {
            const float next = max[sub * rule->groups + k];
            largest = largest > next ? largest : next;
        }
        tile->live[sub] = !(largest < rule->floor);
        if (rule->fitted) {
            tile->middle[sub] = tile->scale[sub] * 3;
            tile->live[sub] &= !(tile->middle[sub] <= 0);
        } else {
            tile->middle[sub] = largest;
            tile->scale[sub] = largest / 5;
        }
    }
}

/* sigma2 of `n` super-blocks, QFS_LANES at most: their mean squares, summed in order, times the
 * rule's factor. */
LANE_FN void iq2_sigma2(const struct iq2_rule *rule, const float *x, int64_t n, float *sigma2)
{
    if (n >= QFS_LANES) {
        lf sum = lf_set(0.f);
        for (int i = 0; i < IQ2_BLOCK; i += 4) {
            lf columns[4];
            lf_transpose(x + i, IQ2_BLOCK, 4, columns);
            for (int c = 0; c < 4; c++)
                sum = sum + columns[c] * columns[c];
        }
        lf_store(sigma2, lf_set(rule->sigma_factor) * sum / lf_set((float)IQ2_BLOCK));
        return;
    }
    for (int b = 0; b < n; b++) {
        float sum = 0;
        for (int i = b * IQ2_BLOCK; i < (b + 1) * IQ2_BLOCK; i++)
            sum += x[i] * x[i];
        sigma2[b] = rule->sigma_factor * sum / IQ2_BLOCK;
    }
}

/* Signs as they are written: flipped where the scale came out negative (those that are written),
 * none where the sub-block is dead. Returns the super-block's scale (0: all is zero) and gives the
 * sub-blocks' scales in its units. */
LANE_FN float iq2_tile_scale(const struct iq2_rule *rule, int b, struct iq2_tile *tile,
                             uint8_t *codes)
{
    const int nsubs = iq2_tile_nsubs(rule) / IQ2_TILE_BLOCKS;
    const uint8_t written = rule->parity ? 127 : 255;
    const bool *live = tile->live + b * nsubs;
    struct iq2_found *found = tile->found + b * nsubs;
    float max = 0;
    for (int sub = 0; sub < nsubs; sub++) {
        uint8_t *signs = tile->signs + (b * nsubs + sub) * rule->groups;
        const uint8_t flip = found[sub].scale < 0 ? 255 : 0;
        for (int k = 0; k < rule->groups; k++)
            signs[k] = live[sub] ? (signs[k] ^ flip) & written : 0;
        found[sub].scale = found[sub].scale < 0 ? -found[sub].scale : found[sub].scale;
        max = max > found[sub].scale ? max : found[sub].scale;
    }
    const float d = max / 31, id = 1 / d;
    for (int sub = 0; sub < nsubs; sub++) {
        const int code = iq2_clamp(nearest_int(0.5f * (id * found[sub].scale - 1)), 15);
        codes[sub] = max != 0 ? (uint8_t)code : 0;
    }
    return d;
}

#endif
