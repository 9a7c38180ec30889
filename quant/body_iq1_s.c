/* body_iq1_s.c: IQ1_S. A super-block of 256 weights: a half, 32 low bytes of grid points (one a
 * group of 8), 8 words of a sub-block's high bits (3 a point), 3-bit scale and shift. */
#include "iq1_search.h"

#include "quantfs/quant.h"

qfs_quantize_fn QFS_KERNEL(quantize_iq1_s);

enum { SUB = 32, NSUB = 8, BLOCK_BYTES = 50 };

struct split {
    int low, high; /* sorted weights before `low` are level 0, from `high` on level 2 */
    int shift;
    float scale;
};

static struct split split_search(const float *x, const float *weight, const int *order, float max)
{
    float sumx[SUB + 1], sumw[SUB + 1];
    sumx[0] = sumw[0] = 0;
    for (int j = 0; j < SUB; j++) {
        sumx[j + 1] = sumx[j] + weight[order[j]] * x[order[j]];
        sumw[j + 1] = sumw[j] + weight[order[j]];
    }
    struct split best = {-1, -1, 0, max};
    float best_score = -FLT_MAX;
    for (int i1 = 0; i1 <= SUB; i1++)
        for (int i2 = i1; i2 <= SUB; i2++)
            for (int shift = 0; shift < 2; shift++) {
                const float *v = iq1_levels[shift];
                const float qx = (sumx[i1] - sumx[0]) * v[0] + (sumx[i2] - sumx[i1]) * v[1] +
                                 (sumx[SUB] - sumx[i2]) * v[2];
                const float q2 = (sumw[i1] - sumw[0]) * v[0] * v[0] +
                                 (sumw[i2] - sumw[i1]) * v[1] * v[1] +
                                 (sumw[SUB] - sumw[i2]) * v[2] * v[2];
                if (q2 > 0 && qx * qx > best_score * q2) {
                    best = (struct split){i1, i2, shift, qx / q2};
                    best_score = best.scale * qx;
                }
            }
    return best;
}

/* Leaves points (0 for a dead sub-block) and returns the scale; *shift is 1 for down. */
static float sub_quantize(const struct qfs_grid *grid, const float *x, const float *weight,
                          uint16_t *points, int *shift)
{
    const float max = iq1_max_abs(x, SUB);
    *shift = 0;
    if (max < 1e-12f)
        return 0;
    int order[SUB];
    uint8_t digits[SUB];
    iq1_sort(x, SUB, order);
    struct split best = split_search(x, weight, order, max);
    if (best.low < 0)
        return 0;
    for (int j = 0; j < SUB; j++)
        digits[order[j]] = j < best.low ? 0 : j < best.high ? 1 : 2;
    if (best.scale < 0) {
        for (int j = 0; j < SUB; j++)
            digits[j] = 2 - digits[j];
        best.scale = -best.scale;
        best.shift = !best.shift;
    }
    const float *levels = iq1_levels[best.shift];
    bool on_grid = true;
    float qx = 0, q2 = 0;
    for (int k = 0; k < SUB / 8; k++) {
        points[k] = (uint16_t)iq1_point_of(grid, digits + 8 * k, x + 8 * k, weight + 8 * k,
                                           best.scale, levels);
        for (int i = 0; i < 8; i++)
            on_grid &= (grid->nibbles[points[k]] >> 2 * i & 3) == digits[8 * k + i];
        iq1_fit_add(grid, points[k], x + 8 * k, weight + 8 * k, levels, 1, &qx, &q2);
    }
    *shift = best.shift;
    return !on_grid && qx > 0 && q2 > 0 ? qx / q2 : best.scale;
}

static void block_quantize(const struct qfs_grid *grid, const float *x, const float *imatrix,
                           uint8_t *block)
{
    float weight[IQ1_BLOCK], scales[NSUB], max_scale = 0;
    int shifts[NSUB];
    uint16_t high[NSUB];
    iq1_weights(x, imatrix, weight);
    memset(block, 0, BLOCK_BYTES);
    for (int sub = 0; sub < NSUB; sub++) {
        uint16_t points[SUB / 8] = {0};
        scales[sub] = sub_quantize(grid, x + SUB * sub, weight + SUB * sub, points, &shifts[sub]);
        max_scale = max_scale > scales[sub] ? max_scale : scales[sub];
        high[sub] = 0;
        for (int k = 0; k < SUB / 8; k++) {
            block[2 + 4 * sub + k] = (uint8_t)points[k];
            high[sub] |= (uint16_t)(points[k] >> 8 << 3 * k);
        }
    }
    if (max_scale) {
        const float d = max_scale / 15, inverse = 1 / d;
        f16_store(block, d * 1.125f);
        for (int sub = 0; sub < NSUB; sub++)
            high[sub] |=
                (uint16_t)((iq1_scale_code(inverse, scales[sub]) | shifts[sub] << 3) << 12);
    }
    memcpy(block + 34, high, sizeof(high));
}

void QFS_KERNEL(quantize_iq1_s)(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                                const float *imatrix, void *scratch)
{
    (void)scratch;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ1);
    for (int64_t b = 0; b < nrows * row_size / IQ1_BLOCK; b++)
        block_quantize(grid, x + b * IQ1_BLOCK, imatrix ? imatrix + b * IQ1_BLOCK % row_size : NULL,
                       (uint8_t *)blocks + b * BLOCK_BYTES);
}
