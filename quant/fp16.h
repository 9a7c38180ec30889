/* fp16.h: half precision in lanes and in scalars. Both directions are exact IEEE: to half, nearest
 * even with subnormals and infinities, NaN to 0x7e00 with its sign, as ggml_compute_fp32_to_fp16
 * does. */
#ifndef QUANTFS_FP16_H
#define QUANTFS_FP16_H

#include "lanes.h"

/* low 16 bits: the half */
LANE_FN lf lf_from_f16(li half)
{
    const li sign = (half & li_set(0x8000)) << 16;
    const li magnitude = (half & li_set(0x7fff)) << 13;
    /* as if float: too small by 2^112, which the product puts right, subnormals included */
    const lf value = lf_bits(magnitude) * lf_set(0x1p112f);
    /* infinities and NaN came out as 65536 and more */
    const lm special = li_gt(magnitude, li_set(0x0f7fffff));
    const li bits = li_select(special, magnitude | li_set(0x7f800000), li_bits(value));
    return lf_bits(bits | sign);
}

LANE_FN li li_f16_from(lf value)
{
    const li bits = li_bits(value);
    const li sign = li_of(lu_of(bits) >> 16) & li_set(0x8000);
    const li magnitude = bits & li_set(0x7fffffff);
    /* Scaled up and down again so that what overflows half becomes infinite. */
    const lf base = (lf_bits(magnitude) * lf_set(0x1p112f)) * lf_set(0x1p-110f);
    /* A power of two beside which base's last kept bit is the half's: the addition rounds. */
    const li exponent = li_max(magnitude & li_set(0x7f800000), li_set(0x38800000));
    const li sum = li_bits(lf_bits(exponent + li_set(0x07800000)) + base);
    const li rounded = (li_of(lu_of(sum) >> 13) & li_set(0x7c00)) + (sum & li_set(0x0fff));
    const lm nan = li_gt(magnitude, li_set(0x7f800000));
    return sign | li_select(nan, li_set(0x7e00), rounded);
}

/* the same for one number, whatever the instruction set */

LANE_INLINE float f16_to_float(uint16_t half)
{
    const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    float value;
    memcpy(&value, &magnitude, sizeof(value));
    value *= 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (magnitude > 0x0f7fffff)
        bits = magnitude | 0x7f800000;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

LANE_INLINE uint16_t f16_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    float base;
    memcpy(&base, &magnitude, sizeof(base));
    base = (base * 0x1p112f) * 0x1p-110f;
    uint32_t exponent = magnitude & 0x7f800000;
    exponent = (exponent > 0x38800000 ? exponent : 0x38800000) + 0x07800000;
    float addend;
    memcpy(&addend, &exponent, sizeof(addend));
    base = addend + base;
    uint32_t sum;
    memcpy(&sum, &base, sizeof(sum));
    return (uint16_t)(sign | ((sum >> 13 & 0x7c00) + (sum & 0x0fff)));
}

LANE_INLINE void f16_store(void *to, float value)
{
    const uint16_t half = f16_from_float(value);
    memcpy(to, &half, sizeof(half));
}

#endif
