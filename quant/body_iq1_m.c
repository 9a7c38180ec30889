/* body_iq1_m.c: IQ1_M. A super-block of 256 weights: 32 low bytes of grid points (one a group of
 * 8), 16 bytes of a sub-block's high bits and shifts, 4 words of four 3-bit scales and four bits of
 * a half. */
#include "iq1_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq1_m);

enum { SUB = 16, NSUB = 16, BLOCK_BYTES = 56, LOW = 0, HIGH = 32, SCALES = 48, TOGETHER = 2 };

struct work {
    struct iq1_tile tile;
    struct iq1_band band[TOGETHER];
    /* the last sums, by sub-block and lane: a lane is a super-block */
    float scale[NSUB][QFS_LANES];
    int32_t digits[NSUB][2][QFS_LANES], shift[NSUB][2][QFS_LANES], code[NSUB][QFS_LANES];
};

_Static_assert(sizeof(struct work) <= LANE_SCRATCH_SIZE, "a tile fits in the scratch");

/* Each half of a sub-block has its own shift. With levels one apart, a half's sums for the split
 * (i1, i2) are
 *     qx = total_x * v[2] - (sum_x[i1] + sum_x[i2])
 *     q2 = total_w * v[2]^2 + sum_w[i1] * (v[0]^2 - v[1]^2) + sum_w[i2] * (v[1]^2 - v[2]^2). */
LANE_TABLE float first_factor[2] = {0.75f, 1.25f}, last_factor[2] = {-1.25f, -0.75f};

struct half {
    lf total_x[2], total_w[2]; /* by shift: times v[2], times v[2]^2 */
};

LANE_FN void split_try(const struct iq1_band *band, const struct half *halves,
                       const lf first_w[2][2], const lf last_w[2][2], int i1, int i2,
                       bool weightless, struct iq1_best *best)
{
    lf qx[2][2], q2[2][2];
    for (int half = 0; half < 2; half++) {
        const lf x = lf_load(band->sums.x[half][i1]) + lf_load(band->sums.x[half][i2]);
        for (int shift = 0; shift < 2; shift++) {
            qx[half][shift] = halves[half].total_x[shift] - x;
            q2[half][shift] = first_w[half][shift] + last_w[half][shift];
        }
    }
    for (int k = 0; k < 4; k++) {
        lf sum_q2 = q2[0][k >> 1] + q2[1][k & 1];
        if (weightless) /* NaN is never better */
            sum_q2 = lf_select(lf_gt(sum_q2, lf_set(0.f)), sum_q2, lf_set(__builtin_nanf("")));
        iq1_try(qx[0][k >> 1] + qx[1][k & 1], sum_q2, (i1 * (SUB + 1) + i2) * 4 + k, best);
    }
}

LANE_FN void splits_search(const struct iq1_band *bands, bool weightless, struct iq1_best *best)
{
    struct half halves[TOGETHER][2];
    lf last_w[SUB + 1][TOGETHER][2][2];
    for (int b = 0; b < TOGETHER; b++) {
        for (int half = 0; half < 2; half++)
            for (int shift = 0; shift < 2; shift++) {
                const lf v = lf_set(iq1_levels[shift][2]);
                halves[b][half].total_x[shift] = lf_load(bands[b].sums.x[half][SUB]) * v;
                halves[b][half].total_w[shift] = lf_load(bands[b].sums.w[half][SUB]) * v * v;
                for (int i = 0; i <= SUB; i++)
                    last_w[i][b][half][shift] =
                        lf_load(bands[b].sums.w[half][i]) * lf_set(last_factor[shift]);
            }
        best[b] = (struct iq1_best){lf_set(-0x1.fffffep127f), li_set(-1)};
    }
    for (int i1 = 0; i1 <= SUB; i1++) {
        lf first_w[TOGETHER][2][2];
        for (int b = 0; b < TOGETHER; b++)
            for (int half = 0; half < 2; half++)
                for (int shift = 0; shift < 2; shift++)
                    first_w[b][half][shift] =
                        halves[b][half].total_w[shift] +
                        lf_load(bands[b].sums.w[half][i1]) * lf_set(first_factor[shift]);
        for (int i2 = i1; i2 <= SUB; i2++)
            for (int b = 0; b < TOGETHER; b++)
                split_try(&bands[b], halves[b], first_w[b], last_w[i2][b], i1, i2, weightless,
                          &best[b]);
    }
}

LANE_OUTLINE void splits_search_usual(const struct iq1_band *bands, struct iq1_best *best)
{
    splits_search(bands, false, best);
}

LANE_OUTLINE void splits_search_weightless(const struct iq1_band *bands, struct iq1_best *best)
{
    splits_search(bands, true, best);
}

/* Turns the number of each lane's best split into its levels, shifts and scale. */
LANE_FN void split_decode(const struct iq1_best *best, struct iq1_band *band)
{
    int32_t number[QFS_LANES];
    li_store(number, best->at);
    for (int k = 0; k < QFS_LANES; k++) {
        band->low[k] = band->high[k] = -1;
        band->shifts[k] = 0;
        band->scale[k] = 0;
        if (number[k] < 0)
            continue;
        const int i1 = number[k] / 4 / (SUB + 1), i2 = number[k] / 4 % (SUB + 1);
        float qx[2], q2[2];
        for (int half = 0; half < 2; half++) {
            const int shift = number[k] >> (1 - half) & 1;
            const float v = iq1_levels[shift][2];
            const float(*x)[QFS_LANES] = band->sums.x[half], (*w)[QFS_LANES] = band->sums.w[half];
            qx[half] = x[SUB][k] * v - (x[i1][k] + x[i2][k]);
            q2[half] =
                w[SUB][k] * v * v + w[i1][k] * first_factor[shift] + w[i2][k] * last_factor[shift];
        }
        band->low[k] = i1;
        band->high[k] = i2;
        band->scale[k] = (qx[0] + qx[1]) / (q2[0] + q2[1]);
        band->shifts[k] = band->scale[k] < 0 ? 3 - number[k] % 4 : number[k] % 4;
    }
}

LANE_FN void splits_find(struct work *work)
{
    struct iq1_tile *tile = &work->tile;
    for (int sub = 0; sub < NSUB * IQ1_TILE; sub += TOGETHER * QFS_LANES) {
        struct iq1_best best[TOGETHER];
        bool weightless = false;
        for (int b = 0; b < TOGETHER; b++) {
            const int at = (sub + b * QFS_LANES) * SUB;
            iq1_band_prepare(tile->x + at, tile->weight + at, SUB, true, &work->band[b]);
            for (int half = 0; half < 2; half++)
                weightless |= iq1_weightless(lf_load(work->band[b].sums.w[half][SUB]));
        }
        if (weightless)
            splits_search_weightless(work->band, best);
        else
            splits_search_usual(work->band, best);
        for (int b = 0; b < TOGETHER; b++) {
            struct iq1_band *band = &work->band[b];
            const int at = sub + b * QFS_LANES;
            split_decode(&best[b], band);
            iq1_band_finish(band, SUB, 1e-7f, at, tile);
            const li shifts = li_load(band->shifts);
            li_store(tile->shift[0] + at, shifts >> 1);
            li_store(tile->shift[1] + at, shifts & li_set(1));
        }
    }
}

/* The scales' codes, and the halves that fit all 256 weights with them, by lane. */
LANE_FN void blocks_fit(struct work *work, int nblocks, uint16_t *half, bool *zero)
{
    const struct iq1_tile *tile = &work->tile;
    lf max = lf_set(0.f);
    for (int b = 0; b < nblocks; b++)
        for (int sub = 0; sub < NSUB; sub++) {
            const int s = b * NSUB + sub;
            work->scale[sub][b] = tile->scale[s];
            for (int g = 0; g < 2; g++) {
                work->digits[sub][g][b] = tile->digits[g][s];
                work->shift[sub][g][b] = tile->shift[g][s] << 2;
            }
        }
    for (int sub = 0; sub < NSUB; sub++)
        max = lf_max(max, lf_load(work->scale[sub]));
    lf d = max / lf_set(15.f), qx = lf_set(0.f), q2 = qx;
    const lf inverse = lf_set(1.f) / d;
    for (int sub = 0; sub < NSUB; sub++) {
        const li code = iq1_scale_code(inverse, lf_load(work->scale[sub]));
        const lf factor = lf_from_int(code + code + li_set(1));
        li_store(work->code[sub], code);
        for (int i = 0; i < SUB; i += 4) {
            lf x[4], w[4];
            lf_transpose(tile->x + sub * SUB + i, IQ1_BLOCK, 4, x);
            lf_transpose(tile->weight + sub * SUB + i, IQ1_BLOCK, 4, w);
            const li digits = li_load(work->digits[sub][i / 8]);
            const li shift = li_load(work->shift[sub][i / 8]);
            for (int c = 0; c < 4; c++) {
                const li digit = (digits >> 2 * (i % 8 + c)) & li_set(3);
                const lf q = lf_lookup8(iq1_levels[0], digit | shift) * factor;
                qx = qx + w[c] * q * x[c];
                q2 = q2 + w[c] * q * q;
            }
        }
    }
    d = lf_select(lf_gt(q2, lf_set(0.f)), qx / q2, d);
    const li halves = li_f16_from(d * lf_set(1.1125f));
    for (int b = 0; b < nblocks; b++) {
        half[b] = (uint16_t)li_lane(halves, b);
        zero[b] = lf_lane(max, b) == 0;
    }
}

LANE_FN void block_pack(const struct work *work, int b, uint16_t half, bool zero, uint8_t *block)
{
    const struct iq1_tile *tile = &work->tile;
    uint16_t words[4];
    for (int k = 0; k < 4; k++)
        words[k] = zero ? 0 : (uint16_t)((half >> 4 * k & 15) << 12);
    for (int sub = 0; sub < NSUB; sub++) {
        const int s = b * NSUB + sub, point0 = tile->point[0][s], point1 = tile->point[1][s];
        block[LOW + 2 * sub] = (uint8_t)point0;
        block[LOW + 2 * sub + 1] = (uint8_t)point1;
        block[HIGH + sub] = (uint8_t)(point0 >> 8 | point1 >> 8 << 4);
        if (zero)
            continue;
        block[HIGH + sub] |= (uint8_t)(tile->shift[1][s] << 7 | tile->shift[0][s] << 3);
        words[sub / 4] |= (uint16_t)(work->code[sub][b] << 3 * (sub % 4));
    }
    memcpy(block + SCALES, words, sizeof(words));
}

LANE_KERNEL void QFS_KERNEL(quantize_iq1_m)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    struct work *work = (struct work *)scratch;
    struct iq1_tile *tile = &work->tile;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ1);
    const int64_t nblocks = nrows * row_size / IQ1_BLOCK;
    memset(work, 0, sizeof(*work));
    for (int64_t b = 0; b < nblocks; b += IQ1_TILE) {
        const int here = nblocks - b < IQ1_TILE ? (int)(nblocks - b) : IQ1_TILE;
        uint16_t half[QFS_LANES];
        bool zero[QFS_LANES];
        memcpy(tile->x, x + b * IQ1_BLOCK, sizeof(float) * IQ1_BLOCK * (size_t)here);
        iq1_weigh(tile->x, b, row_size, imatrix, tile);
        splits_find(work);
        iq1_find_points(grid, SUB, here * NSUB, tile);
        iq1_fit(SUB, here * NSUB, tile);
        blocks_fit(work, here, half, zero);
        for (int k = 0; k < here; k++)
            block_pack(work, k, half[k], zero[k], (uint8_t *)blocks + (b + k) * BLOCK_BYTES);
    }
}
