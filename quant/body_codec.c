/* body_codec.c: F16 and BF16 elements to floats and back. Decoding is exact. Encoding rounds as the
 * converter does: F16 as numpy's astype, BF16 as gguf-py (to nearest even; NaN keeps its high bits
 * and becomes quiet). */
#include "fp16.h"

#include "quantfs/kernels.h"

qfs_decode_fn QFS_KERNEL(decode_f16), QFS_KERNEL(decode_bf16);
qfs_encode_fn QFS_KERNEL(encode_f16), QFS_KERNEL(encode_bf16);

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

/* The last few items go through a buffer, so that nothing beyond them is touched. */
#define DECODE(name, convert)                                         \
    void QFS_KERNEL(name)(const void *from, float *to, int64_t count) \
    {                                                                 \
        const uint8_t *bytes = (const uint8_t *)from;                 \
        int64_t i = 0;                                                \
        for (; i + QFS_LANES <= count; i += QFS_LANES)                \
            lf_store(to + i, convert(li_load_u16(bytes + 2 * i)));    \
        if (i < count) {                                              \
            uint16_t items[QFS_LANES] = {0};                          \
            float values[QFS_LANES];                                  \
            memcpy(items, bytes + 2 * i, 2 * (size_t)(count - i));    \
            lf_store(values, convert(li_load_u16(items)));            \
            memcpy(to + i, values, 4 * (size_t)(count - i));          \
        }                                                             \
    }

#define ENCODE(name, convert)                                         \
    void QFS_KERNEL(name)(const float *from, void *to, int64_t count) \
    {                                                                 \
        uint8_t *bytes = (uint8_t *)to;                               \
        int64_t i = 0;                                                \
        for (; i + QFS_LANES <= count; i += QFS_LANES)                \
            li_store_u16(bytes + 2 * i, convert(lf_load(from + i)));  \
        if (i < count) {                                              \
            float values[QFS_LANES] = {0};                            \
            uint16_t items[QFS_LANES];                                \
            memcpy(values, from + i, 4 * (size_t)(count - i));        \
            li_store_u16(items, convert(lf_load(values)));            \
            memcpy(bytes + 2 * i, items, 2 * (size_t)(count - i));    \
        }                                                             \
    }

DECODE(decode_f16, lf_from_f16)
DECODE(decode_bf16, decode_bf16)
ENCODE(encode_f16, encode_f16)
ENCODE(encode_bf16, encode_bf16)
