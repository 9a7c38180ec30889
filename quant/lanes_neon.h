/* lanes_neon.h: 4 lanes of AArch64's Advanced SIMD. Truth values are all-ones or zero lanes. */
#ifndef QUANTFS_LANES_NEON_H
#define QUANTFS_LANES_NEON_H

#define QFS_LANES_INTEGER_MINMAX 1

#include <arm_neon.h>

#include "lanes_truth.h"

LANE_FN uint32_t lm_bits(lm a)
{
    const uint32x4_t weight = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32((uint32x4_t)a, weight));
}

LANE_FN li li_count(li a, lm mask)
{
    return a - mask;
}

LANE_FN bool lm_any(lm a)
{
    return vmaxvq_u32((uint32x4_t)a) != 0;
}

LANE_FN bool lm_all(lm a)
{
    return vminvq_u32((uint32x4_t)a) != 0;
}

LANE_FN lf lf_select(lm mask, lf a, lf b)
{
    return (lf)vbslq_f32((uint32x4_t)mask, (float32x4_t)a, (float32x4_t)b);
}

LANE_FN li li_select(lm mask, li a, li b)
{
    return (li)vbslq_s32((uint32x4_t)mask, (int32x4_t)a, (int32x4_t)b);
}

/* FMIN and FMAX return NaN for NaN and order zeros, which is not a < b ? a : b */
LANE_FN lf lf_min(lf a, lf b)
{
    return lf_select(lf_lt(a, b), a, b);
}

LANE_FN lf lf_max(lf a, lf b)
{
    return lf_select(lf_gt(a, b), a, b);
}

LANE_FN li li_min(li a, li b)
{
    return (li)vminq_s32((int32x4_t)a, (int32x4_t)b);
}

LANE_FN li li_max(li a, li b)
{
    return (li)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
}

LANE_FN lf lf_sqrt(lf a)
{
    return (lf)vsqrtq_f32((float32x4_t)a);
}

LANE_FN li li_trunc(lf a)
{
    return (li)vcvtq_s32_f32((float32x4_t)a);
}

LANE_FN li li_load_u8(const void *from)
{
    uint32_t bytes;
    memcpy(&bytes, from, sizeof(bytes));
    const uint8x8_t narrow = vreinterpret_u8_u32(vdup_n_u32(bytes));
    return (li)vmovl_u16(vget_low_u16(vmovl_u8(narrow)));
}

LANE_FN li li_load_u16(const void *from)
{
    uint16x4_t narrow;
    memcpy(&narrow, from, sizeof(narrow));
    return (li)vmovl_u16(narrow);
}

LANE_FN void li_store_u16(void *to, li value)
{
    const uint16x4_t narrow = vmovn_u32((uint32x4_t)value);
    memcpy(to, &narrow, sizeof(narrow));
}

LANE_FN void li_store_u8(void *to, li value)
{
    const uint16x4_t words = vmovn_u32((uint32x4_t)value);
    const uint32_t bytes =
        vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(to, &bytes, sizeof(bytes));
}

LANE_FN lf lf_gather(const float *table, li index)
{
    return lf_gather_each(table, index);
}

LANE_FN li li_gather(const int32_t *table, li index)
{
    return li_gather_each(table, index);
}

/* The four bytes of entry `index` of a table of floats. */
LANE_FN uint8x16_t lf_bytes_of(li index)
{
    return (uint8x16_t)(index * li_set(0x04040404) + li_set(0x03020100));
}

LANE_FN lf lf_lookup8(const float *table, li index)
{
    uint8x16x2_t bytes;
    memcpy(&bytes, table, sizeof(bytes));
    return (lf)vqtbl2q_u8(bytes, lf_bytes_of(index));
}

LANE_FN lf lf_spread4(const float *x, int at)
{
    return lf_set(x[at / 4]);
}

LANE_FN lf lf_lookup4_mod(const float *table, li index)
{
    const uint8x16_t bytes = vreinterpretq_u8_f32(vld1q_f32(table));
    return (lf)vqtbl1q_u8(bytes, lf_bytes_of(index & li_set(3)));
}

LANE_FN lf lf_lookup8_mod(const float *table, li index)
{
    return lf_lookup8(table, index & li_set(7));
}

LANE_FN lf lf_least(lf a)
{
    return lf_set(vminvq_f32((float32x4_t)a));
}

LANE_FN void lf_least2(lf *a, lf *b)
{
    *a = lf_least(*a);
    *b = lf_least(*b);
}

LANE_FN lf lf_lookup16(const float *table, li index)
{
    uint8x16x4_t bytes;
    memcpy(&bytes, table, sizeof(bytes));
    return (lf)vqtbl4q_u8(bytes, lf_bytes_of(index));
}

LANE_FN lf lf_lookup32(const float *table, li index)
{
    uint8x16x4_t low, high;
    memcpy(&low, table, sizeof(low));
    memcpy(&high, table + 16, sizeof(high));
    const uint8x16_t bytes = lf_bytes_of(index);
    /* what is out of the first table's range gives zeros, out of the second's is left alone */
    return (lf)vqtbx4q_u8(vqtbl4q_u8(low, bytes), high, vsubq_u8(bytes, vdupq_n_u8(64)));
}

LANE_FN li li_lookup16_u8(const uint8_t *table, li index)
{
    const uint8x16_t bytes = vld1q_u8(table);
    return (li)vqtbl1q_u8(bytes, (uint8x16_t)(index | li_set((int32_t)0x80808000)));
}

LANE_FN void lf_transpose4(const float *x, ptrdiff_t stride, lf out[4])
{
    const float32x4_t a = vld1q_f32(x), b = vld1q_f32(x + stride);
    const float32x4_t c = vld1q_f32(x + 2 * stride), d = vld1q_f32(x + 3 * stride);
    const float64x2_t ab0 = (float64x2_t)vtrn1q_f32(a, b), ab1 = (float64x2_t)vtrn2q_f32(a, b);
    const float64x2_t cd0 = (float64x2_t)vtrn1q_f32(c, d), cd1 = (float64x2_t)vtrn2q_f32(c, d);
    out[0] = (lf)vtrn1q_f64(ab0, cd0);
    out[1] = (lf)vtrn1q_f64(ab1, cd1);
    out[2] = (lf)vtrn2q_f64(ab0, cd0);
    out[3] = (lf)vtrn2q_f64(ab1, cd1);
}

#endif
