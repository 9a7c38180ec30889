/* body_mxfp4.c: MXFP4. A block of 32 weights: a byte e for a power of two and 32 codes of 4 bits, a
 * sign and a magnitude of 0, 0.5, 1, 1.5, 2, 3, 4, 6 times 2^(e - 127). Byte i holds codes i and i
 * + 16. */
#include "small_blocks.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_mxfp4);

enum { BLOCK = 32, BLOCK_BYTES = 17 };

/* floor(log2f(amax)) - 2 + 127 as a byte, 0 for 0, as the reference computes it: log2f of a float
 * just below 2^k rounds up to k, and does so the earlier the wider floats around k are spaced. The
 * slack is half that spacing, times ln 2, in units of the last place below 2^k. */
LANE_STATIC uint8_t exponent_of(float amax)
{
    uint32_t bits;
    if (!(amax > 0))
        return 0;
    const bool denormal = amax < 0x1p-126f;
    amax = denormal ? amax * 0x1p24f : amax;
    memcpy(&bits, &amax, sizeof(bits));
    if (bits == 0x7f800000)
        return 0;
    const int k = (int)(bits >> 23) - 126 - (denormal ? 24 : 0);
    const unsigned spacing = (unsigned)(k > 0 ? k - 1 : -k);
    const uint32_t slack = spacing ? 88u >> (7 - (31 - __builtin_clz(spacing))) : 0;
    const int log2 = (bits & 0x7fffff) + slack >= 0x800000 ? k : k - 1;
    return (uint8_t)(log2 - 2 + 127);
}

/* half of 2^(e - 127), the unit of which the magnitudes are 0, 1, 2, 3, 4, 6, 8, 12 */
LANE_STATIC float unit_of(uint8_t e)
{
    const uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    float unit;
    memcpy(&unit, &bits, sizeof(unit));
    return unit;
}

/* The nearest magnitude, the smaller one of two as near: the reference takes the first of the
 * smallest differences, which are exact wherever they could be equal. Minus zero is written as 0,
 * the first code of that value. */
LANE_FN li code_of(lf x, const lf *border)
{
    li code = li_set(0);
    const lf magnitude = lf_abs(x);
    for (int i = 0; i < 7; i++)
        code = li_count(code, lf_gt(magnitude, border[i]));
    const lm negative = lm_and(lf_lt(x, lf_set(0.f)), li_gt(code, li_set(0)));
    return li_select(negative, code | li_set(8), code);
}

LANE_STATIC void blocks_quantize(const float *x, uint8_t *blocks)
{
    static const float borders[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    float amax[QFS_LANES];
    lf_store(amax, small_blocks_amax(x, BLOCK));
    for (int k = 0; k < QFS_LANES; k++) {
        uint8_t *block = blocks + k * BLOCK_BYTES;
        block[0] = exponent_of(amax[k]);
        const float unit = unit_of(block[0]);
        lf border[7];
        for (int i = 0; i < 7; i++)
            border[i] = lf_set(borders[i] * unit);
        for (int i = 0; i < 16; i += QFS_LANES) {
            const float *from = x + k * BLOCK + i;
            const li low = code_of(lf_load(from), border);
            const li high = code_of(lf_load(from + 16), border);
            li_store_u8(block + 1 + i, low | (high << 4));
        }
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_mxfp4)(const float *x, void *blocks, int64_t nrows,
                                            int64_t row_size, const float *imatrix, void *scratch)
{
    (void)imatrix;
    small_blocks_each(x, blocks, nrows * (row_size / BLOCK), BLOCK, BLOCK_BYTES, scratch,
                      blocks_quantize);
}
