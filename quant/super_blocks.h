/* super_blocks.h: super-blocks of 256 weights taken QFS_LANES at a time, where a sum over one of
 * them or a search over its scales has one super-block a lane. */
#ifndef QUANTFS_SUPER_BLOCKS_H
#define QUANTFS_SUPER_BLOCKS_H

#include "lanes.h"

enum { SUPER_BLOCK = 256 };

/* `count` super-blocks of x at `x`, or in `tile`, filled up with zeros to `full` of them. */
LANE_FN const float *super_blocks_fill(const float *x, int count, int full, float *tile)
{
    if (count == full)
        return x;
    memset(tile, 0, sizeof(float) * (size_t)(full * SUPER_BLOCK));
    memcpy(tile, x, sizeof(float) * (size_t)(count * SUPER_BLOCK));
    return tile;
}

/* The importances of `count` super-blocks from number `first` on, one after another in `tile`. */
LANE_FN void super_blocks_importances(const float *imatrix, int64_t row_size, int64_t first,
                                      int count, float *tile)
{
    for (int k = 0; k < count; k++)
        memcpy(tile + k * SUPER_BLOCK, imatrix + (first + k) * SUPER_BLOCK % row_size,
               sizeof(float) * SUPER_BLOCK);
}

/* Lane k: twice the mean of super-block k's squares, added in order. */
LANE_FN lf super_blocks_squares(const float *x)
{
    lf sum = lf_set(0.f);
    for (int i = 0; i < SUPER_BLOCK; i += 32) {
        lf columns[32];
        lf_transpose(x + i, SUPER_BLOCK, 32, columns);
        for (int k = 0; k < 32; k++)
            sum = sum + columns[k] * columns[k];
    }
    return sum * lf_set(2.f / SUPER_BLOCK);
}

#endif
