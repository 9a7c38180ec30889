/* The codebooks ("grids") of the IQ1, IQ2 and IQ3 formats and, for every digit vector that is not
 * on a grid, the list of grid points near it among which the reference searches.
 *
 * A point has 8 digits of 0..2 (IQ1, IQ2) or 4 digits of 0..7 (IQ3); digit l stands for 2l + 1.
 * Points and cells are written in two ways:
 *   cell number   sum of digit[i] * radix^i: 6561 cells (radix 3) or 4096 (radix 8); for radix 8 it
 *                 is the reference's packed index;
 *   nibbles       16 bits, four nibbles p of the digits 2p and 2p + 1 (low two bits, high two bits)
 *                 for radix 3, of the digit p for radix 8. For radix 3 it is the reference's packed
 *                 index. A nibble is an index into a table of 16 bytes.
 *
 * The tables are computed from the codebooks when a grid is first asked for (a few milliseconds)
 * and never change: any number of threads may ask and read. */
#ifndef QUANTFS_QUANT_GRIDS_H
#define QUANTFS_QUANT_GRIDS_H

#include <stdint.h>

enum qfs_grid_id {
    QFS_GRID_IQ2_XXS,
    QFS_GRID_IQ2_XS,
    QFS_GRID_IQ2_S,
    QFS_GRID_IQ1, /* IQ1_S and IQ1_M */
    QFS_GRID_IQ3_XXS,
    QFS_GRID_IQ3_S,
    QFS_GRID_COUNT,
};

enum {
    QFS_GRID_POINTS = 2048, /* most points of a grid */
    QFS_GRID_LIST = 292,    /* most entries of a list */
    QFS_GRID_SLACK = 64,    /* entries that can be read beyond the end of any list */
};

struct qfs_grid_cell {
    uint32_t start : 19;  /* its list's first entry */
    uint32_t closer : 9;  /* entries at the least distance */
    uint32_t apart : 4;   /* digits in which these differ from the cell, at most */
    uint16_t count : 10;  /* entries; 0: the cell is on the grid */
    uint16_t farther : 6; /* digits in which the other entries differ, at most */
    uint16_t point;       /* on the grid: the point; else the first entry of the list */
};

struct qfs_grid {
    int size; /* points */
    int dims, radix, cells;
    const struct qfs_grid_cell *cell; /* by cell number */
    const uint16_t *nibbles;          /* by point */
    const uint16_t *number;           /* cell number by point */
    /* The lists, one after another. Inside a list: nearest first, equally near ones by point; its
     * order decides ties. `halves` + 2 start: its entries' low halves of nibbles, then the high. */
    const uint16_t *list;
    const uint8_t *halves;
    const uint16_t *packed; /* the entry's nibbles (radix 3) or cell number (radix 8) */
};

#ifdef __CUDACC__
/* Filled in by the host, with tables that lie on the device. */
extern "C" {
__device__ struct qfs_grid qfs_device_grid[QFS_GRID_COUNT];
}
static __device__ inline const struct qfs_grid *qfs_grid_get(enum qfs_grid_id id)
{
    return &qfs_device_grid[id];
}
#else
const struct qfs_grid *qfs_grid_get(enum qfs_grid_id id);
#endif

/* The codebooks as the reference packs them (2 or 3 bits a digit, lowest first), ascending. */
extern const uint16_t qfs_grid_points_iq2_xxs[256], qfs_grid_points_iq2_xs[512],
    qfs_grid_points_iq2_s[1024], qfs_grid_points_iq1[2048], qfs_grid_points_iq3_xxs[256],
    qfs_grid_points_iq3_s[512];

#endif
