/* lanes_scalar.h: one lane. Included by lanes.h, which says what each name means. */
#ifndef QUANTFS_LANES_SCALAR_H
#define QUANTFS_LANES_SCALAR_H

#define QFS_LANES_INTEGER_MINMAX 0

/* Any NaN that a GPU computes has these bits, where CPUs give 0x7fc00000 or 0xffc00000. */
#define LANE_DEVICE_NAN 0x7fffffff

typedef float lf;
typedef int32_t li;
typedef uint32_t lu;
typedef bool lm;

LANE_FN lf lf_set(float value)
{
    return value;
}

LANE_FN li li_set(int32_t value)
{
    return value;
}

LANE_FN lu lu_set(uint32_t value)
{
    return value;
}

LANE_FN lm lm_set(bool value)
{
    return value;
}

LANE_FN li li_iota(void)
{
    return 0;
}

/* Not by memcpy, which nvcc makes four loads of a byte: an array of one lane's items is aligned. */
LANE_FN lf lf_load(const float *from)
{
    return *from;
}

LANE_FN void lf_store(float *to, lf value)
{
    *to = value;
}

LANE_FN li li_load(const int32_t *from)
{
    return *from;
}

LANE_FN void li_store(int32_t *to, li value)
{
    *to = value;
}

LANE_FN li li_load_u8(const void *from)
{
    return *(const uint8_t *)from;
}

LANE_FN li li_load_u16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

LANE_FN void li_store_u8(void *to, li value)
{
    *(uint8_t *)to = (uint8_t)value;
}

LANE_FN void li_store_u16(void *to, li value)
{
    const uint16_t low = (uint16_t)value;
    memcpy(to, &low, sizeof(low));
}

LANE_FN li li_bits(lf value)
{
    li bits;
#if defined(QFS_LANES_DEVICE) && !defined(__CUDACC__)
    if (value != value)
        return LANE_DEVICE_NAN; /* so that tests on the host see what a device would */
#endif
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

LANE_FN lf lf_bits(li bits)
{
    lf value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

LANE_FN lu lu_of(li value)
{
    return (lu)value;
}

LANE_FN li li_of(lu value)
{
    return (li)value;
}

LANE_FN lf lf_gather(const float *table, li index)
{
    return table[index];
}

LANE_FN li li_gather(const int32_t *table, li index)
{
    return table[index];
}

LANE_FN lf lf_lookup8(const float *table, li index)
{
    return table[index];
}

LANE_FN lf lf_spread4(const float *x, int at)
{
    return x[at / 4];
}

LANE_FN lf lf_lookup4_mod(const float *table, li index)
{
    return table[index & 3];
}

LANE_FN lf lf_lookup8_mod(const float *table, li index)
{
    return table[index & 7];
}

LANE_FN lf lf_least(lf a)
{
    return a;
}

LANE_FN void lf_least2(lf *a, lf *b)
{
    *a = lf_least(*a);
    *b = lf_least(*b);
}

LANE_FN lf lf_lookup16(const float *table, li index)
{
    return table[index];
}

LANE_FN lf lf_lookup32(const float *table, li index)
{
    return table[index];
}

LANE_FN li li_lookup16_u8(const uint8_t *table, li index)
{
    return table[index];
}

LANE_FN lm lf_lt(lf a, lf b)
{
    return a < b;
}

LANE_FN lm lf_le(lf a, lf b)
{
    return a <= b;
}

LANE_FN lm lf_gt(lf a, lf b)
{
    return a > b;
}

LANE_FN lm lf_ge(lf a, lf b)
{
    return a >= b;
}

LANE_FN lm lf_eq(lf a, lf b)
{
    return a == b;
}

LANE_FN lm lf_ne(lf a, lf b)
{
    return a != b;
}

LANE_FN lm li_lt(li a, li b)
{
    return a < b;
}

LANE_FN lm li_gt(li a, li b)
{
    return a > b;
}

LANE_FN lm li_eq(li a, li b)
{
    return a == b;
}

LANE_FN lm lm_and(lm a, lm b)
{
    return a & b;
}

LANE_FN lm lm_or(lm a, lm b)
{
    return a | b;
}

LANE_FN lm lm_not(lm a)
{
    return !a;
}

LANE_FN bool lm_any(lm a)
{
    return a;
}

LANE_FN bool lm_all(lm a)
{
    return a;
}

LANE_FN uint32_t lm_bits(lm a)
{
    return a;
}

LANE_FN lf lf_select(lm mask, lf a, lf b)
{
    return mask ? a : b;
}

LANE_FN li li_select(lm mask, li a, li b)
{
    return mask ? a : b;
}

LANE_FN li li_count(li a, lm mask)
{
    return a + mask;
}

LANE_FN lf lf_min(lf a, lf b)
{
    return a < b ? a : b;
}

LANE_FN lf lf_max(lf a, lf b)
{
    return a > b ? a : b;
}

LANE_FN li li_min(li a, li b)
{
    return a < b ? a : b;
}

LANE_FN li li_max(li a, li b)
{
    return a > b ? a : b;
}

LANE_FN lf lf_sqrt(lf a)
{
    return __builtin_sqrtf(a);
}

LANE_FN lf lf_from_int(li a)
{
    return (float)a;
}

LANE_FN li li_trunc(lf a)
{
    return (li)a;
}

LANE_FN float lf_lane(lf a, int lane)
{
    (void)lane;
    return a;
}

LANE_FN int32_t li_lane(li a, int lane)
{
    (void)lane;
    return a;
}

LANE_FN void lf_transpose(const float *x, ptrdiff_t stride, int n, lf *out)
{
    (void)stride;
    for (int i = 0; i < n; i++)
        out[i] = x[i];
}

#endif
