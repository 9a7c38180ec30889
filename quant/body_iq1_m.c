/* body_iq1_m.c: IQ1_M. A super-block of 256 weights: 32 low bytes of grid points (one a group of
 * 8), 16 bytes of a sub-block's high bits and shifts, 4 words of four 3-bit scales and four bits of
 * a half. */
#include "iq1_search.h"

#include "quantfs/quant.h"

qfs_quantize_fn QFS_KERNEL(quantize_iq1_m);

enum { SUB = 16, NSUB = 16, BLOCK_BYTES = 56, QH = 32, SCALES = 48 };

struct split {
    int low, high; /* sorted weights before `low` are level 0, from `high` on level 2 */
    int shifts;    /* bit 1: the first half's, bit 0: the second's */
    float scale;
};

static struct split split_search(const float *x, const float *weight, const int *order, float max)
{
    float px[2][SUB + 1], pw[2][SUB + 1];
    for (int half = 0; half < 2; half++) {
        px[half][0] = pw[half][0] = 0;
        for (int j = 0; j < SUB; j++) {
            const int i = order[j];
            const bool mine = i / 8 == half;
            px[half][j + 1] = mine ? px[half][j] + weight[i] * x[i] : px[half][j];
            pw[half][j + 1] = mine ? pw[half][j] + weight[i] : pw[half][j];
        }
    }
    struct split best = {-1, -1, -1, max};
    float best_score = -FLT_MAX;
    for (int i1 = 0; i1 <= SUB; i1++)
        for (int i2 = i1; i2 <= SUB; i2++) {
            float qx[2][2], q2[2][2];
            for (int half = 0; half < 2; half++)
                for (int shift = 0; shift < 2; shift++) {
                    const float *v = iq1_levels[shift];
                    const float c1 = v[0] * v[0] - v[1] * v[1], c2 = v[1] * v[1] - v[2] * v[2];
                    qx[half][shift] = px[half][SUB] * v[2] - (px[half][i1] + px[half][i2]);
                    q2[half][shift] =
                        pw[half][SUB] * v[2] * v[2] + pw[half][i1] * c1 + pw[half][i2] * c2;
                }
            for (int k = 0; k < 4; k++) {
                const float sum_qx = qx[0][k >> 1] + qx[1][k & 1];
                const float sum_q2 = q2[0][k >> 1] + q2[1][k & 1];
                if (sum_q2 > 0 && sum_qx * sum_qx > best_score * sum_q2) {
                    best = (struct split){i1, i2, k, sum_qx / sum_q2};
                    best_score = best.scale * sum_qx;
                }
            }
        }
    return best;
}

static float sub_quantize(const struct qfs_grid *grid, const float *x, const float *weight,
                          uint16_t *points, int *shifts)
{
    const float max = iq1_max_abs(x, SUB);
    *shifts = 0;
    if (max < 1e-7f)
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
        best.shifts = 3 - best.shifts;
    }
    bool on_grid = true;
    float qx = 0, q2 = 0;
    for (int k = 0; k < 2; k++) {
        const float *levels = iq1_levels[best.shifts >> (1 - k) & 1];
        points[k] = (uint16_t)iq1_point_of(grid, digits + 8 * k, x + 8 * k, weight + 8 * k,
                                           best.scale, levels);
        for (int i = 0; i < 8; i++)
            on_grid &= (grid->nibbles[points[k]] >> 2 * i & 3) == digits[8 * k + i];
        iq1_fit_add(grid, points[k], x + 8 * k, weight + 8 * k, levels, 1, &qx, &q2);
    }
    *shifts = best.shifts;
    return !on_grid && qx > 0 && q2 > 0 ? qx / q2 : best.scale;
}

static void block_quantize(const struct qfs_grid *grid, const float *x, const float *imatrix,
                           uint8_t *block)
{
    static const uint8_t masks[4] = {0x00, 0x80, 0x08, 0x88};
    float weight[IQ1_BLOCK], scales[NSUB], max_scale = 0;
    int shifts[NSUB];
    uint16_t points[NSUB][2] = {{0}};
    iq1_weights(x, imatrix, weight);
    memset(block, 0, BLOCK_BYTES);
    for (int sub = 0; sub < NSUB; sub++) {
        scales[sub] =
            sub_quantize(grid, x + SUB * sub, weight + SUB * sub, points[sub], &shifts[sub]);
        max_scale = max_scale > scales[sub] ? max_scale : scales[sub];
        block[2 * sub] = (uint8_t)points[sub][0];
        block[2 * sub + 1] = (uint8_t)points[sub][1];
        block[QH + sub] = (uint8_t)(points[sub][0] >> 8 | points[sub][1] >> 8 << 4);
    }
    if (!max_scale)
        return;
    float d = max_scale / 15, qx = 0, q2 = 0;
    const float inverse = 1 / d;
    uint16_t words[4] = {0};
    for (int sub = 0; sub < NSUB; sub++) {
        const int l = iq1_scale_code(inverse, scales[sub]);
        words[sub / 4] |= (uint16_t)(l << 3 * (sub % 4));
        block[QH + sub] |= masks[shifts[sub]];
        for (int k = 0; k < 2; k++)
            iq1_fit_add(grid, points[sub][k], x + SUB * sub + 8 * k, weight + SUB * sub + 8 * k,
                        iq1_levels[shifts[sub] >> (1 - k) & 1], (float)(2 * l + 1), &qx, &q2);
    }
    if (q2 > 0)
        d = qx / q2;
    const uint16_t half = f16_from_float(d * 1.1125f);
    for (int k = 0; k < 4; k++)
        words[k] |= (uint16_t)((half >> 4 * k & 15) << 12);
    memcpy(block + SCALES, words, sizeof(words));
}

void QFS_KERNEL(quantize_iq1_m)(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                                const float *imatrix, void *scratch)
{
    (void)scratch;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ1);
    for (int64_t b = 0; b < nrows * row_size / IQ1_BLOCK; b++)
        block_quantize(grid, x + b * IQ1_BLOCK, imatrix ? imatrix + b * IQ1_BLOCK % row_size : NULL,
                       (uint8_t *)blocks + b * BLOCK_BYTES);
}
