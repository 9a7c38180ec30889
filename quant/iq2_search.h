/* iq2_search.h: IQ2_XXS, IQ2_XS and IQ2_S: the walk over tiles and the search. */
#ifndef QUANTFS_IQ2_SEARCH_H
#define QUANTFS_IQ2_SEARCH_H

#include "iq2_tile.h"

LANE_FN void iq2_tile_search(const struct iq2_rule *rule, const struct qfs_grid *grid,
                             struct iq2_tile *tile)
{
    for (int sub = 0; sub < iq2_tile_nsubs(rule); sub++) {
        const int at = sub * rule->groups * IQ2_GROUP;
        const struct iq2_sub values = {tile->x + at, tile->weight + at, tile->root + at,
                                       tile->middle[sub], tile->scale[sub]};
        if (tile->live[sub])
            tile->found[sub] = iq2_search_plain(rule, grid, &values);
        else
            tile->found[sub] = (struct iq2_found){.scale = 0};
    }
}

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
    float max[IQ2_TILE_GROUPS];
    memset(tile, 0, sizeof(*tile));
    for (int64_t first = 0; first < nblocks; first += IQ2_TILE_BLOCKS) {
        /* What stands in the second place of a last odd block is searched again and not written. */
        const int here = nblocks - first < IQ2_TILE_BLOCKS ? 1 : IQ2_TILE_BLOCKS;
        for (int b = 0; b < here; b++, x += IQ2_BLOCK) {
            const int64_t column = (first + b) * IQ2_BLOCK % row_size;
            iq2_tile_weigh(x, imatrix ? imatrix + column : NULL, iq2_sigma2(rule, x), b, tile);
        }
        iq2_tile_balance(rule->parity, tile, max);
        iq2_tile_start(rule, max, tile);
        iq2_tile_search(rule, grid, tile);
        for (int b = 0; b < here; b++, block += block_bytes)
            pack(b, tile, block);
    }
}

#endif
