#include "grids.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* Entries of all lists together; fixed by the codebooks, checked by tests/test_grids.c. */
enum {
    ENTRIES_IQ2_XXS = 113157,
    ENTRIES_IQ2_XS = 181721,
    ENTRIES_IQ2_S = 44716,
    ENTRIES_IQ1 = 327721,
    ENTRIES_IQ3_XXS = 18985,
    ENTRIES_IQ3_S = 24733,
    CELLS_MAX = 6561,
    HALF_MAX = 81, /* numbers that half of a cell's digits can make */
};

/* What is computed for one grid. In .bss: untouched pages of grids that nobody uses cost nothing.
 */
#define STORAGE(name, npoints, ncells, nentries)                     \
    static struct qfs_grid_cell name##_cell[ncells];                 \
    static uint16_t name##_nibbles[npoints], name##_number[npoints]; \
    static uint16_t name##_list[(nentries) + QFS_GRID_SLACK];        \
    static uint16_t name##_packed[(nentries) + QFS_GRID_SLACK];      \
    static uint8_t name##_halves[2 * (nentries) + QFS_GRID_SLACK]

STORAGE(iq2_xxs, 256, 6561, ENTRIES_IQ2_XXS);
STORAGE(iq2_xs, 512, 6561, ENTRIES_IQ2_XS);
STORAGE(iq2_s, 1024, 6561, ENTRIES_IQ2_S);
STORAGE(iq1, 2048, 6561, ENTRIES_IQ1);
STORAGE(iq3_xxs, 256, 4096, ENTRIES_IQ3_XXS);
STORAGE(iq3_s, 512, 4096, ENTRIES_IQ3_S);

/* A list holds the points at the `rings` smallest of the distances that occur. */
static const struct source {
    const uint16_t *packed; /* the codebook, `bits` a digit */
    int size, dims, bits, radix, rings;
    struct qfs_grid_cell *cell;
    uint16_t *nibbles, *number, *list, *list_packed;
    uint8_t *halves;
} sources[QFS_GRID_COUNT] = {
#define TABLES(name)                                                                              \
    .cell = name##_cell, .nibbles = name##_nibbles, .number = name##_number, .list = name##_list, \
    .list_packed = name##_packed, .halves = name##_halves
    [QFS_GRID_IQ2_XXS] = {qfs_grid_points_iq2_xxs, 256, 8, 2, 3, 2, TABLES(iq2_xxs)},
    [QFS_GRID_IQ2_XS] = {qfs_grid_points_iq2_xs, 512, 8, 2, 3, 2, TABLES(iq2_xs)},
    [QFS_GRID_IQ2_S] = {qfs_grid_points_iq2_s, 1024, 8, 2, 3, 1, TABLES(iq2_s)},
    [QFS_GRID_IQ1] = {qfs_grid_points_iq1, 2048, 8, 2, 3, 3, TABLES(iq1)},
    [QFS_GRID_IQ3_XXS] = {qfs_grid_points_iq3_xxs, 256, 4, 3, 8, 2, TABLES(iq3_xxs)},
    [QFS_GRID_IQ3_S] = {qfs_grid_points_iq3_s, 512, 4, 3, 8, 3, TABLES(iq3_s)},
};

static struct qfs_grid grids[QFS_GRID_COUNT];
static atomic_bool ready[QFS_GRID_COUNT];
static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;

/* Squared distances (in digits, from NEAREST = -128 for 0 upwards, so that bytes compare as signed)
 * are sums of two halves' ones: from each half cell number to the same half of each point.
 * Guarded by `building`. */
typedef int8_t bytes16 __attribute__((vector_size(16)));
enum { NEAREST = -128, FARTHEST = 127 /* 196 is the largest that occurs */ };
static bytes16 half_distance[2][HALF_MAX][QFS_GRID_POINTS / 16];

static void points_unpack(const struct source *source)
{
    for (int k = 0; k < source->size; k++) {
        unsigned number = 0, nibbles = 0, weight = 1;
        int nibble_bits = 16 / source->dims;
        for (int i = 0; i < source->dims; i++) {
            unsigned digit = source->packed[k] >> (source->bits * i) & ((1u << source->bits) - 1);
            number += digit * weight;
            nibbles |= digit << (nibble_bits * i);
            weight *= source->radix;
        }
        source->number[k] = number;
        source->nibbles[k] = nibbles;
    }
}

static void halves_measure(const struct source *source, int half_cells)
{
    static int8_t between[HALF_MAX][HALF_MAX]; /* guarded by `building` too */
    for (int a = 0; a < half_cells; a++) {
        for (int b = 0; b < half_cells; b++) {
            int sum = 0;
            for (int i = 0, x = a, y = b; i < source->dims / 2; i++) {
                int step = x % source->radix - y % source->radix;
                sum += step * step;
                x /= source->radix, y /= source->radix;
            }
            between[a][b] = sum;
        }
    }
    for (int a = 0; a < half_cells; a++) {
        int8_t *low = (int8_t *)half_distance[0][a], *high = (int8_t *)half_distance[1][a];
        for (int k = 0; k < source->size; k++) {
            low[k] = between[a][source->number[k] % half_cells] + NEAREST / 2;
            high[k] = between[a][source->number[k] / half_cells] + NEAREST / 2;
        }
    }
}

/* The smallest of `distance` above `floor`, FARTHEST if there is none. */
static int next_ring(const bytes16 *distance, int nvectors, int floor)
{
    bytes16 least = (bytes16){} + FARTHEST, bound = (bytes16){} + (int8_t)floor;
    for (int k = 0; k < nvectors; k++) {
        bytes16 better = (distance[k] > bound) & (distance[k] < least);
        least = (distance[k] & better) | (least & ~better);
    }
    int ring = FARTHEST;
    for (int i = 0; i < 16; i++) {
        ring = least[i] < ring ? least[i] : ring;
    }
    return ring;
}

/* Writes the list of a cell at `start` and says in the cell what it is. */
static void list_write(const struct source *source, int number, int half_cells, uint32_t start)
{
    const int low = number % half_cells, high = number / half_cells;
    bytes16 distance[QFS_GRID_POINTS / 16];
    const int nvectors = source->size / 16;
    for (int k = 0; k < nvectors; k++) {
        distance[k] = half_distance[0][low][k] + half_distance[1][high][k];
    }
    int rings[4], nrings = 0, limit = NEAREST;
    while (nrings < source->rings) {
        int ring = next_ring(distance, nvectors, limit);
        if (ring == FARTHEST) {
            break;
        }
        limit = rings[nrings++] = ring;
    }
    /* Ascending points of all rings first, then ring by ring. */
    uint16_t found[QFS_GRID_LIST];
    const bytes16 outside = (bytes16){} + (int8_t)limit;
    int count = 0;
    for (int k = 0; k < nvectors; k++) {
        uint64_t inside[2];
        bytes16 mask = (distance[k] <= outside) & 1;
        memcpy(inside, &mask, sizeof(inside));
        for (int half = 0; half < 2; half++) {
            for (uint64_t eight = inside[half]; eight; eight &= eight - 1) {
                found[count++] = 16 * k + 8 * half + __builtin_ctzll(eight) / 8;
            }
        }
    }
    const int8_t *at_point = (const int8_t *)distance;
    uint8_t *low_half = source->halves + 2 * start, *high_half = low_half + count;
    int written = 0, closer = 0;
    for (int r = 0; r < nrings; r++) {
        for (int i = 0; i < count; i++) {
            if (at_point[found[i]] == rings[r]) {
                source->list[start + written] = found[i];
                source->list_packed[start + written] = source->packed[found[i]];
                low_half[written] = source->nibbles[found[i]] & 255;
                high_half[written] = source->nibbles[found[i]] >> 8;
                written++;
            }
        }
        closer = r == 0 ? written : closer;
    }
    /* Each digit that differs adds 1 or more to a distance. */
    const int apart = rings[0] - NEAREST, farther = rings[nrings - 1] - NEAREST;
    source->cell[number] = (struct qfs_grid_cell){
        .start = start,
        .closer = closer,
        .apart = apart < source->dims ? apart : source->dims,
        .count = count,
        .farther = farther < source->dims ? farther : source->dims,
        .point = source->list[start],
    };
}

static void grid_build(enum qfs_grid_id id)
{
    const struct source *source = &sources[id];
    int half_cells = 1;
    for (int i = 0; i < source->dims / 2; i++) {
        half_cells *= source->radix;
    }
    points_unpack(source);
    halves_measure(source, half_cells);
    static bool on_grid[CELLS_MAX]; /* guarded by `building` */
    memset(on_grid, 0, sizeof(on_grid));
    for (int k = 0; k < source->size; k++) {
        int number = source->number[k];
        on_grid[number] = true;
        source->cell[number] = (struct qfs_grid_cell){.point = k};
    }
    uint32_t start = 0;
    for (int number = 0; number < half_cells * half_cells; number++) {
        if (!on_grid[number]) {
            list_write(source, number, half_cells, start);
            start += source->cell[number].count;
        }
    }
    grids[id] = (struct qfs_grid){
        .size = source->size,
        .dims = source->dims,
        .radix = source->radix,
        .cells = half_cells * half_cells,
        .cell = source->cell,
        .nibbles = source->nibbles,
        .number = source->number,
        .list = source->list,
        .halves = source->halves,
        .packed = source->list_packed,
    };
}

const struct qfs_grid *qfs_grid_get(enum qfs_grid_id id)
{
    if (!atomic_load_explicit(&ready[id], memory_order_acquire)) {
        pthread_mutex_lock(&building);
        if (!atomic_load_explicit(&ready[id], memory_order_relaxed)) {
            grid_build(id);
            atomic_store_explicit(&ready[id], true, memory_order_release);
        }
        pthread_mutex_unlock(&building);
    }
    return &grids[id];
}
