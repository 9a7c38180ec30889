/* small_blocks.h: what formats share whose blocks need no search: the walk over blocks, QFS_LANES
 * at a time, and what is asked of a block's weights. Weights lie side by side in their lanes here
 * (a block of 32 is two registers of 16 lanes); only the scales stand one block a lane. */
#ifndef QUANTFS_SMALL_BLOCKS_H
#define QUANTFS_SMALL_BLOCKS_H

#include "fp16.h"

/* One format's work on QFS_LANES blocks. */
typedef void small_blocks_fn(const float *x, uint8_t *blocks);

/* Does `quantize` for `count` blocks of `size` weights and `nbytes` bytes. The last few are done in
 * `scratch`, filled up with zeros. */
LANE_FN void small_blocks_each(const float *x, void *blocks, int64_t count, int size, int nbytes,
                               void *scratch, small_blocks_fn *quantize)
{
    uint8_t *to = (uint8_t *)blocks;
    int64_t b = 0;
    for (; b + QFS_LANES <= count; b += QFS_LANES)
        quantize(x + b * size, to + b * nbytes);
    const int rest = (int)(count - b);
    if (rest <= 0)
        return;
    float *tile = (float *)scratch;
    uint8_t *tile_blocks = (uint8_t *)(tile + QFS_LANES * size);
    memset(tile, 0, sizeof(float) * (size_t)(QFS_LANES * size));
    memcpy(tile, x + b * size, sizeof(float) * (size_t)(rest * size));
    quantize(tile, tile_blocks);
    memcpy(to + b * nbytes, tile_blocks, (size_t)(rest * nbytes));
}

/* lane k: the largest (smallest) of the lanes of rows[k] */
LANE_FN lf lf_across_max(const lf rows[QFS_LANES])
{
    lf columns[QFS_LANES];
    lf_transpose((const float *)rows, QFS_LANES, QFS_LANES, columns);
    for (int half = QFS_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            columns[i] = lf_max(columns[i], columns[i + half]);
    return columns[0];
}

LANE_FN lf lf_across_min(const lf rows[QFS_LANES])
{
    lf columns[QFS_LANES];
    lf_transpose((const float *)rows, QFS_LANES, QFS_LANES, columns);
    for (int half = QFS_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            columns[i] = lf_min(columns[i], columns[i + half]);
    return columns[0];
}

/* Lane k: the largest magnitude in block k of `size` weights. The order of comparisons shows in
 * nothing: equal magnitudes have equal bits. */
LANE_FN lf small_blocks_amax(const float *x, int size)
{
    lf rows[QFS_LANES];
    for (int k = 0; k < QFS_LANES; k++) {
        rows[k] = lf_abs(lf_load(x + k * size));
        for (int i = QFS_LANES; i < size; i += QFS_LANES)
            rows[k] = lf_max(lf_abs(lf_load(x + k * size + i)), rows[k]);
    }
    return lf_across_max(rows);
}

/* The smallest and the largest lane, block by block; which zero stands for zero is open. */
LANE_FN void small_blocks_bounds(const float *x, int size, lf *ret_min, lf *ret_max)
{
    lf low[QFS_LANES], high[QFS_LANES];
    for (int k = 0; k < QFS_LANES; k++) {
        low[k] = high[k] = lf_load(x + k * size);
        for (int i = QFS_LANES; i < size; i += QFS_LANES) {
            const lf v = lf_load(x + k * size + i);
            low[k] = lf_min(v, low[k]);
            high[k] = lf_max(v, high[k]);
        }
    }
    *ret_min = lf_across_min(low);
    *ret_max = lf_across_max(high);
}

/* Lane k: the smallest and the largest weight of block k. Among equal ones the first counts, which
 * shows where both zeros occur: -0 is written as such. */
LANE_FN void small_blocks_range(const float *x, int size, lf *ret_min, lf *ret_max)
{
    small_blocks_bounds(x, size, ret_min, ret_max);
    const lm zero = lf_eq(*ret_min, lf_set(0.f));
    if (!lm_any(zero))
        return;
    float min[QFS_LANES];
    lf_store(min, *ret_min);
    for (uint32_t left = lm_bits(zero); left; left &= left - 1) {
        const int k = __builtin_ctz(left);
        int i = 0;
        while (i < size - 1 && x[k * size + i] != 0)
            i++;
        min[k] = x[k * size + i];
    }
    *ret_min = lf_load(min);
    *ret_max = lf_select(lm_and(zero, lf_eq(*ret_max, lf_set(0.f))), *ret_min, *ret_max);
}

/* Lane k: the weight of largest magnitude in block k, the first one where +a and -a tie; +0 for a
 * block of zeros. */
LANE_FN lf small_blocks_extreme(const float *x, int size)
{
    lf min, max;
    small_blocks_bounds(x, size, &min, &max);
    const lf extreme = lf_select(lf_gt(lf_neg(min), max), min, max);
    const lm tie = lf_eq(lf_neg(min), max);
    if (!lm_any(tie))
        return extreme;
    float each[QFS_LANES];
    lf_store(each, extreme);
    for (uint32_t left = lm_bits(tie); left; left &= left - 1) {
        const int k = __builtin_ctz(left);
        int i = 0;
        while (i < size - 1 && __builtin_fabsf(x[k * size + i]) != each[k])
            i++;
        each[k] = each[k] == 0 ? 0.f : x[k * size + i];
    }
    return lf_load(each);
}

/* 1 / d, and 0 where d is 0. `ret_huge`: where it overflows, as d is denormal. What the reference
 * does with the infinities then is in each format's words. */
LANE_FN lf inverse_or_zero(lf d, lm *ret_huge)
{
    const lf zero = lf_set(0.f), inverse = lf_set(1.f) / d;
    const lm huge = lf_gt(lf_abs(inverse), lf_set(0x1.fffffep127f));
    *ret_huge = lm_andnot(huge, lf_eq(d, zero));
    return lf_select(huge, zero, inverse);
}

/* Half precision numbers, one for each lane, as 16 bits in an array of 32. */
LANE_FN void halves_store(int32_t *to, lf values)
{
    li_store(to, li_f16_from(values));
}

LANE_FN void half_copy(uint8_t *to, const int32_t *half)
{
    const uint16_t bits = (uint16_t)*half;
    memcpy(to, &bits, sizeof(bits));
}

/* roundf, to the nearest integer with halves away from zero, for |a| < 2^22. */
LANE_FN li li_round(lf a)
{
    return li_trunc(a + lf_copysign(lf_set(0x1.fffffep-2f), a));
}

#endif
