/* element_codec.h: elements of sources as numbers: F16 and BF16 to floats and back, FP8 to floats. Decoding
 * is exact. Encoding rounds as the converter does: F16 as numpy's astype, BF16 as gguf-py (to nearest
 * even; NaN keeps its high bits and becomes quiet). */
#ifndef QUANTFS_ELEMENT_CODEC_H
#define QUANTFS_ELEMENT_CODEC_H

#include "fp16.h"

LANE_FN lf decode_bf16(li item)
{
    return lf_bits(item << 16);
}

LANE_FN li encode_bf16(lf value)
{
    const li bits = li_bits(value);
    const lm nan = li_gt(bits & li_set(0x7fffffff), li_set(0x7f800000));
    const li high = li_of(lu_of(bits) >> 16);
    const li rounded = li_of((lu_of(bits) + lu_set(0x7fff) + (lu_of(high) & lu_set(1))) >> 16);
    return li_select(nan, high | li_set(64), rounded);
}

/* numpy keeps the top of a NaN's payload and makes sure that something is left of it */
LANE_FN li encode_f16(lf value)
{
    const li bits = li_bits(value);
    const li magnitude = bits & li_set(0x7fffffff);
    const li payload = li_of(lu_of(magnitude & li_set(0x007fffff)) >> 13);
    const li kept = li_select(li_eq(payload, li_set(0)), li_set(1), payload);
    const li nan = (li_of(lu_of(bits) >> 16) & li_set(0x8000)) | li_set(0x7c00) | kept;
    return li_select(li_gt(magnitude, li_set(0x7f800000)), nan, li_f16_from(value));
}

/* E4M3 without infinities ("fn") and E5M2, NaN as torch writes it. A byte's exponent and mantissa, put
 * where a float has its lowest ones, make the value times a power of two. */
LANE_FN lf decode_e4m3(li item)
{
    const li magnitude = item & li_set(0x7f), sign = (item & li_set(0x80)) << 24;
    const lf value = lf_bits(magnitude << 20) * lf_set(0x1p120f);
    const lm nan = li_eq(magnitude, li_set(0x7f));
    return lf_bits(li_select(nan, li_set(0x7ff00000), li_bits(value)) | sign);
}

LANE_FN lf decode_e5m2(li item)
{
    const li magnitude = item & li_set(0x7f), sign = (item & li_set(0x80)) << 24;
    const lf value = lf_bits(magnitude << 21) * lf_set(0x1p112f);
    const li payload = (magnitude & li_set(3)) << 21;
    const lm infinite = li_eq(payload, li_set(0));
    const li special = payload | li_select(infinite, li_set(0x7f800000), li_set(0x7fc00000));
    return lf_bits(li_select(li_gt(magnitude, li_set(0x7b)), special, li_bits(value)) | sign);
}

#endif
