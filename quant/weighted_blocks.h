/* weighted_blocks.h: what the formats with blocks of 32 share when there are importances: a
 * weight's weight is its importance times sqrt(the row's mean square + x * x), and one block is one
 * lane. */
#ifndef QUANTFS_WEIGHTED_BLOCKS_H
#define QUANTFS_WEIGHTED_BLOCKS_H

#include "fp16.h"

#include "search_qkx.h"

enum { WEIGHTED_BLOCK = 32, WEIGHTED_ROWS = 64, WEIGHTED_TILE = QKX_GROUPS * QFS_LANES };

/* One format's work on a tile, QKX_GROUPS times QFS_LANES blocks: wave->x[g][i] and wave->w[g][i] are
 * weight i of each block of group g, and its weight. */
typedef void weighted_tile_fn(struct qkx_wave *wave, uint8_t *blocks);

struct weighted_scratch {
    struct qkx_wave wave;
    float x[WEIGHTED_TILE * WEIGHTED_BLOCK], imatrix[WEIGHTED_TILE * WEIGHTED_BLOCK];
    uint8_t blocks[WEIGHTED_TILE * WEIGHTED_BLOCK];
};

/* ret_mean[r]: the mean of row r's squares, added in order. One row a lane; the rows left over are
 * added four side by side. */
LANE_OUTLINE void mean_squares(const float *x, int nrows, int64_t row_size, float *ret_mean)
{
    int row = 0;
    for (; row + QFS_LANES <= nrows; row += QFS_LANES) {
        lf sum = lf_set(0.f);
        for (int64_t i = 0; i < row_size; i += WEIGHTED_BLOCK) {
            lf columns[WEIGHTED_BLOCK];
            lf_transpose(x + row * row_size + i, row_size, WEIGHTED_BLOCK, columns);
            for (int k = 0; k < WEIGHTED_BLOCK; k++)
                sum = sum + columns[k] * columns[k];
        }
        lf_store(ret_mean + row, sum / lf_set((float)row_size));
    }
    for (; row < nrows; row += 4) {
        const float *from[4];
        float sum[4] = {0};
        for (int k = 0; k < 4; k++)
            from[k] = x + (row + k < nrows ? row + k : row) * row_size;
        for (int64_t i = 0; i < row_size; i++)
            for (int k = 0; k < 4; k++)
                sum[k] += from[k][i] * from[k][i];
        for (int k = 0; k < 4 && row + k < nrows; k++)
            ret_mean[row + k] = sum[k] / (float)row_size;
    }
}

/* Blocks `first` to `first + count` of all rows. What does not stand in one piece is brought together
 * in `scratch`: importances where the tile reaches over a row's end, blocks where too few are left.
 * `mean` has the mean square of each block's row. */
LANE_FN void weighted_tile(const float *x, uint8_t *blocks, int64_t first, int count,
                           int64_t row_size, const float *imatrix, const float *mean, int nbytes,
                           struct weighted_scratch *scratch, weighted_tile_fn *quantize)
{
    const float *from = x + first * WEIGHTED_BLOCK;
    const int64_t column = first * WEIGHTED_BLOCK % row_size;
    const float *importance = imatrix + column;
    if (count < WEIGHTED_TILE) {
        memset(scratch->x, 0, sizeof(scratch->x));
        memcpy(scratch->x, from, sizeof(float) * WEIGHTED_BLOCK * (size_t)count);
        from = scratch->x;
    }
    if (column + WEIGHTED_TILE * WEIGHTED_BLOCK > row_size) {
        for (int k = 0; k < WEIGHTED_TILE; k++)
            memcpy(scratch->imatrix + k * WEIGHTED_BLOCK,
                   imatrix + (first + k) * WEIGHTED_BLOCK % row_size,
                   sizeof(float) * WEIGHTED_BLOCK);
        importance = scratch->imatrix;
    }
    for (int g = 0; g < QKX_GROUPS; g++) {
        const int at = g * QFS_LANES * WEIGHTED_BLOCK;
        const lf sigma2 = lf_load(mean + g * QFS_LANES);
        lf *xs = scratch->wave.x[g], *ws = scratch->wave.w[g];
        lf_transpose(from + at, WEIGHTED_BLOCK, WEIGHTED_BLOCK, xs);
        lf_transpose(importance + at, WEIGHTED_BLOCK, WEIGHTED_BLOCK, ws);
        for (int i = 0; i < WEIGHTED_BLOCK; i++)
            ws[i] = ws[i] * lf_sqrt(sigma2 + xs[i] * xs[i]);
    }
    uint8_t *to = blocks + first * nbytes;
    quantize(&scratch->wave, count < WEIGHTED_TILE ? scratch->blocks : to);
    if (count < WEIGHTED_TILE)
        memcpy(to, scratch->blocks, (size_t)(count * nbytes));
}

LANE_FN void weighted_blocks_each(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                                  const float *imatrix, int nbytes, void *scratch,
                                  weighted_tile_fn *quantize)
{
    const int64_t row_blocks = row_size / WEIGHTED_BLOCK;
    for (int64_t row = 0; row < nrows; row += WEIGHTED_ROWS) {
        const int here = nrows - row < WEIGHTED_ROWS ? (int)(nrows - row) : WEIGHTED_ROWS;
        float row_mean[WEIGHTED_ROWS];
        mean_squares(x + row * row_size, here, row_size, row_mean);
        const int64_t end = (row + here) * row_blocks;
        for (int64_t b = row * row_blocks; b < end; b += WEIGHTED_TILE) {
            const int count = end - b < WEIGHTED_TILE ? (int)(end - b) : WEIGHTED_TILE;
            float mean[WEIGHTED_TILE] = {0};
            for (int k = 0; k < count; k++)
                mean[k] = row_mean[(b + k) / row_blocks - row];
            weighted_tile(x, (uint8_t *)blocks, b, count, row_size, imatrix, mean, nbytes,
                          (struct weighted_scratch *)scratch, quantize);
        }
    }
}

/* Writes 16 bytes a block, `stride` apart: byte i is low[i] | high[i] << 4 of the block's lane. */
LANE_FN void nibbles_store(const li *low, const li *high, uint8_t *to, int stride)
{
    int32_t words[4][QFS_LANES];
    for (int i = 0; i < 4; i++) {
        li word = low[4 * i] | (high[4 * i] << 4);
        for (int k = 1; k < 4; k++)
            word = word | (low[4 * i + k] << (8 * k)) | (high[4 * i + k] << (8 * k + 4));
        li_store(words[i], word);
    }
    for (int k = 0; k < QFS_LANES; k++)
        for (int i = 0; i < 4; i++)
            memcpy(to + k * stride + 4 * i, &words[i][k], 4);
}

#endif
