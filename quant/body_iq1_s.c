/* body_iq1_s.c: IQ1_S. A super-block of 256 weights: a half, 32 low bytes of grid points (one a
 * group of 8), 8 words of a sub-block's high bits (3 a point), 3-bit scale and shift. */
#include "iq1_search.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_iq1_s);

enum { SUB = 32, NSUB = 8, BLOCK_BYTES = 50, LOW = 2, WORDS = 34, TOGETHER = 2 };

struct work {
    struct iq1_tile tile;
    struct iq1_band band[TOGETHER];
};

_Static_assert(sizeof(struct work) <= LANE_SCRATCH_SIZE, "a tile fits in the scratch");

/* Sums of a split (i1, i2) are a part of i1, a part of i2, and in between (sum[i2] - sum[i1]) times
 * the middle level, an eighth up or down. By [shift]. */
struct part {
    lf qx[2], q2[2];
};

LANE_FN struct part part_make(lf sum_x, lf sum_w, int level)
{
    struct part part;
    for (int shift = 0; shift < 2; shift++) {
        const lf v = lf_set(iq1_levels[shift][level]);
        part.qx[shift] = sum_x * v;
        part.q2[shift] = sum_w * v * v;
    }
    return part;
}

LANE_FN void split_try(const struct iq1_band *band, const struct part *first,
                       const struct part *last, int i1, int i2, bool weightless,
                       struct iq1_best *best)
{
    const lf eighth = lf_set(0.125f);
    const lf x = lf_load(band->sums.x[0][i2]) - lf_load(band->sums.x[0][i1]);
    const lf w = lf_load(band->sums.w[0][i2]) - lf_load(band->sums.w[0][i1]);
    const lf middle_x = x * eighth, middle_w = w * eighth * eighth;
    for (int shift = 0; shift < 2; shift++) {
        const lf part = first->qx[shift];
        const lf qx = (shift ? part - middle_x : part + middle_x) + last->qx[shift];
        lf q2 = first->q2[shift] + middle_w + last->q2[shift];
        if (weightless) /* NaN is never better */
            q2 = lf_select(lf_gt(q2, lf_set(0.f)), q2, lf_set(__builtin_nanf("")));
        iq1_try(qx, q2, (i1 * (SUB + 1) + i2) * 2 + shift, best);
    }
}

LANE_FN void splits_search(const struct iq1_band *bands, bool weightless, struct iq1_best *best)
{
    struct part last[SUB + 1][TOGETHER];
    for (int b = 0; b < TOGETHER; b++) {
        const lf total_x = lf_load(bands[b].sums.x[0][SUB]);
        const lf total_w = lf_load(bands[b].sums.w[0][SUB]);
        for (int i = 0; i <= SUB; i++)
            last[i][b] = part_make(total_x - lf_load(bands[b].sums.x[0][i]),
                                   total_w - lf_load(bands[b].sums.w[0][i]), 2);
        best[b] = (struct iq1_best){lf_set(-0x1.fffffep127f), li_set(-1)};
    }
    for (int i1 = 0; i1 <= SUB; i1++) {
        struct part first[TOGETHER];
        for (int b = 0; b < TOGETHER; b++)
            first[b] =
                part_make(lf_load(bands[b].sums.x[0][i1]), lf_load(bands[b].sums.w[0][i1]), 0);
        for (int i2 = i1; i2 <= SUB; i2++)
            for (int b = 0; b < TOGETHER; b++)
                split_try(&bands[b], &first[b], &last[i2][b], i1, i2, weightless, &best[b]);
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

/* Turns the number of each lane's best split into its levels, shift and scale. */
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
        const int i1 = number[k] / 2 / (SUB + 1), i2 = number[k] / 2 % (SUB + 1);
        const float *v = iq1_levels[number[k] % 2];
        const float x1 = band->sums.x[0][i1][k], x2 = band->sums.x[0][i2][k];
        const float w1 = band->sums.w[0][i1][k], w2 = band->sums.w[0][i2][k];
        const float rest_x = band->sums.x[0][SUB][k] - x2, rest_w = band->sums.w[0][SUB][k] - w2;
        const float qx = x1 * v[0] + (x2 - x1) * v[1] + rest_x * v[2];
        const float q2 = w1 * v[0] * v[0] + (w2 - w1) * v[1] * v[1] + rest_w * v[2] * v[2];
        band->low[k] = i1;
        band->high[k] = i2;
        band->scale[k] = qx / q2;
        band->shifts[k] = (number[k] % 2) ^ (band->scale[k] < 0);
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
            iq1_band_prepare(tile->x + at, tile->weight + at, SUB, false, &work->band[b]);
            weightless |= iq1_weightless(lf_load(work->band[b].sums.w[0][SUB]));
        }
        if (weightless)
            splits_search_weightless(work->band, best);
        else
            splits_search_usual(work->band, best);
        for (int b = 0; b < TOGETHER; b++) {
            struct iq1_band *band = &work->band[b];
            const int at = sub + b * QFS_LANES;
            split_decode(&best[b], band);
            iq1_band_finish(band, SUB, 1e-12f, at, tile);
            for (int g = 0; g < SUB / 8; g++)
                li_store(tile->shift[g] + at, li_load(band->shifts));
        }
    }
}

LANE_FN void block_pack(const struct iq1_tile *tile, int b, uint8_t *block)
{
    const int first = b * NSUB;
    float max = 0;
    for (int s = first; s < first + NSUB; s++)
        max = max > tile->scale[s] ? max : tile->scale[s];
    const float d = max / 15, inverse = 1 / d;
    f16_store(block, max ? d * 1.125f : 0);
    for (int sub = 0; sub < NSUB; sub++) {
        const int s = first + sub;
        int l = nearest_int(0.5f * (inverse * tile->scale[s] - 1));
        l = l < 0 ? 0 : l > 7 ? 7 : l;
        uint16_t word = max ? (uint16_t)((l | tile->shift[0][s] << 3) << 12) : 0;
        for (int g = 0; g < SUB / 8; g++) {
            block[LOW + 4 * sub + g] = (uint8_t)tile->point[g][s];
            word |= (uint16_t)(tile->point[g][s] >> 8 << 3 * g);
        }
        memcpy(block + WORDS + 2 * sub, &word, sizeof(word));
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_iq1_s)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    struct work *work = (struct work *)scratch;
    struct iq1_tile *tile = &work->tile;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ1);
    const int64_t nblocks = nrows * row_size / IQ1_BLOCK;
    memset(work, 0, sizeof(*work));
    for (int64_t b = 0; b < nblocks; b += IQ1_TILE) {
        const int here = nblocks - b < IQ1_TILE ? (int)(nblocks - b) : IQ1_TILE;
        memcpy(tile->x, x + b * IQ1_BLOCK, sizeof(float) * IQ1_BLOCK * (size_t)here);
        iq1_weigh(tile->x, b, row_size, imatrix, tile);
        splits_find(work);
        iq1_find_points(grid, SUB, here * NSUB, tile);
        iq1_fit(SUB, here * NSUB, tile);
        for (int k = 0; k < here; k++)
            block_pack(tile, k, (uint8_t *)blocks + (b + k) * BLOCK_BYTES);
    }
}
