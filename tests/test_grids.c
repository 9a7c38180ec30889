/* The grids' tables against their definition: each cell's list is what sorting all points by
 * (distance, point) and keeping the nearest rings gives. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../quant/grids.h"

struct near {
    int distance, point;
};

static int near_compare(const void *left, const void *right)
{
    const struct near *a = left, *b = right;
    return a->distance != b->distance ? a->distance - b->distance : a->point - b->point;
}

static int distance_of(const struct qfs_grid *grid, int a, int b)
{
    int sum = 0;
    for (int i = 0; i < grid->dims; i++) {
        int step = a % grid->radix - b % grid->radix;
        sum += 4 * step * step;
        a /= grid->radix, b /= grid->radix;
    }
    return sum;
}

static bool list_right(const struct qfs_grid *grid, int number, int rings)
{
    struct near all[QFS_GRID_POINTS];
    for (int k = 0; k < grid->size; k++) {
        all[k] = (struct near){distance_of(grid, number, grid->number[k]), k};
    }
    qsort(all, grid->size, sizeof(*all), near_compare);
    const struct qfs_grid_cell cell = grid->cell[number];
    if (all[0].distance == 0) {
        return cell.count == 0 && cell.point == all[0].point;
    }
    int count = 0;
    for (int seen = 0, last = 0; count < grid->size; count++) {
        if (all[count].distance > last) {
            if (seen++ == rings) {
                break;
            }
            last = all[count].distance;
        }
    }
    bool right = cell.count == count && cell.point == all[0].point;
    for (int i = 0; i < count && right; i++) {
        int k = all[i].point, apart = 0;
        for (int d = 0, a = number, b = grid->number[k]; d < grid->dims; d++) {
            apart += a % grid->radix != b % grid->radix;
            a /= grid->radix, b /= grid->radix;
        }
        const uint8_t *low = grid->halves + 2 * cell.start, *high = low + cell.count;
        right = grid->list[cell.start + i] == k && (low[i] | high[i] << 8) == grid->nibbles[k] &&
                (i < cell.closer) == (all[i].distance == all[0].distance) &&
                apart <= (i < cell.closer ? cell.apart : cell.farther);
    }
    return right;
}

int main(void)
{
    static const struct {
        int size, rings;
        long entries;
    } want[QFS_GRID_COUNT] = {{256, 2, 113157},  {512, 2, 181721}, {1024, 1, 44716},
                              {2048, 3, 327721}, {256, 2, 18985},  {512, 3, 24733}};
    for (int id = 0; id < QFS_GRID_COUNT; id++) {
        const struct qfs_grid *grid = qfs_grid_get(id);
        long entries = 0;
        for (int number = 0; number < grid->cells; number++) {
            entries += grid->cell[number].count;
        }
        if (grid->size != want[id].size || entries != want[id].entries) {
            fprintf(stderr, "grid %d: %d points, %ld entries\n", id, grid->size, entries);
            return 1;
        }
        for (int k = 0; k < grid->size; k++) {
            int bits = 16 / grid->dims, number = 0;
            for (int i = grid->dims - 1; i >= 0; i--) {
                number =
                    number * grid->radix + (grid->nibbles[k] >> (bits * i) & ((1 << bits) - 1));
            }
            if (number != grid->number[k] || (k && number <= grid->number[k - 1])) {
                fprintf(stderr, "grid %d: point %d has number %d\n", id, k, grid->number[k]);
                return 1;
            }
        }
        /* Sorting takes long: a sample that meets every digit in every place. */
        for (int number = id; number < grid->cells; number += 11) {
            if (!list_right(grid, number, want[id].rings)) {
                fprintf(stderr, "grid %d: wrong list of cell %d\n", id, number);
                return 1;
            }
        }
    }
    return 0;
}
