/* body_codec.c: elements of sources, any number of them, to floats and back. element_codec.h says how. */
#include "element_codec.h"

#include "quantfs/kernels.h"

LANE_KERNEL qfs_decode_fn QFS_KERNEL(decode_f16), QFS_KERNEL(decode_bf16);
LANE_KERNEL qfs_decode_fn QFS_KERNEL(decode_e4m3), QFS_KERNEL(decode_e5m2);
LANE_KERNEL qfs_encode_fn QFS_KERNEL(encode_f16), QFS_KERNEL(encode_bf16);
LANE_KERNEL qfs_finite_fn QFS_KERNEL(finite);

/* The last few items go through a buffer, so that nothing beyond them is touched. */
#define DECODE(name, size, load, convert)                                         \
    LANE_KERNEL void QFS_KERNEL(name)(const void *from, float *to, int64_t count) \
    {                                                                             \
        const uint8_t *bytes = (const uint8_t *)from;                             \
        int64_t i = 0;                                                            \
        for (; i + QFS_LANES <= count; i += QFS_LANES)                            \
            lf_store(to + i, convert(load(bytes + size * i)));                    \
        if (i < count) {                                                          \
            uint8_t items[size * QFS_LANES] = {0};                                \
            float values[QFS_LANES];                                              \
            memcpy(items, bytes + size * i, size * (size_t)(count - i));          \
            lf_store(values, convert(load(items)));                               \
            memcpy(to + i, values, 4 * (size_t)(count - i));                      \
        }                                                                         \
    }

#define ENCODE(name, convert)                                                     \
    LANE_KERNEL void QFS_KERNEL(name)(const float *from, void *to, int64_t count) \
    {                                                                             \
        uint8_t *bytes = (uint8_t *)to;                                           \
        int64_t i = 0;                                                            \
        for (; i + QFS_LANES <= count; i += QFS_LANES)                            \
            li_store_u16(bytes + 2 * i, convert(lf_load(from + i)));              \
        if (i < count) {                                                          \
            float values[QFS_LANES] = {0};                                        \
            uint16_t items[QFS_LANES];                                            \
            memcpy(values, from + i, 4 * (size_t)(count - i));                    \
            li_store_u16(items, convert(lf_load(values)));                        \
            memcpy(bytes + 2 * i, items, 2 * (size_t)(count - i));                \
        }                                                                         \
    }

DECODE(decode_f16, 2, li_load_u16, lf_from_f16)
DECODE(decode_bf16, 2, li_load_u16, decode_bf16)
DECODE(decode_e4m3, 1, li_load_u8, decode_e4m3)
DECODE(decode_e5m2, 1, li_load_u8, decode_e5m2)
ENCODE(encode_f16, encode_f16)
ENCODE(encode_bf16, encode_bf16)

LANE_FN li magnitude_bits(const float *x)
{
    return li_bits(lf_load(x)) & li_set(0x7fffffff);
}

/* The bits of magnitudes are ordered as the magnitudes are; infinity and NaN are above all others. */
LANE_KERNEL bool QFS_KERNEL(finite)(const float *x, int64_t count)
{
    li most = li_set(0), other = li_set(0); /* two, so that one need not wait for the other */
    int64_t i = 0;
    for (; i + 2 * QFS_LANES <= count; i += 2 * QFS_LANES) {
        most = li_max(most, magnitude_bits(x + i));
        other = li_max(other, magnitude_bits(x + i + QFS_LANES));
    }
    for (; i < count; i += QFS_LANES) {
        float values[QFS_LANES] = {0};
        const int64_t left = count - i;
        memcpy(values, x + i, sizeof(float) * (size_t)(left < QFS_LANES ? left : QFS_LANES));
        most = li_max(most, magnitude_bits(values));
    }
    return !lm_any(li_gt(li_max(most, other), li_set(0x7f7fffff)));
}
