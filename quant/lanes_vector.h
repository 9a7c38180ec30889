/* lanes_vector.h: lanes as GCC and Clang vector types. What the vector extensions say well is here;
 * the rest is in lanes_x86.h (SSE2, AVX2), lanes_avx512.h and lanes_neon.h. Included by lanes.h. */
#ifndef QUANTFS_LANES_VECTOR_H
#define QUANTFS_LANES_VECTOR_H

typedef float lf __attribute__((vector_size(4 * QFS_LANES)));
typedef int32_t li __attribute__((vector_size(4 * QFS_LANES)));
typedef uint32_t lu __attribute__((vector_size(4 * QFS_LANES)));

LANE_FN lf lf_set(float value)
{
    return value - (lf){0}; /* a splat: value - 0 is value, -0 and NaN included */
}

LANE_FN li li_set(int32_t value)
{
    return value + (li){0};
}

LANE_FN lu lu_set(uint32_t value)
{
    return value + (lu){0};
}

LANE_FN lf lf_load(const float *from)
{
    lf value;
    memcpy(&value, from, sizeof(value));
    return value;
}

LANE_FN void lf_store(float *to, lf value)
{
    memcpy(to, &value, sizeof(value));
}

LANE_FN li li_load(const int32_t *from)
{
    li value;
    memcpy(&value, from, sizeof(value));
    return value;
}

LANE_FN void li_store(int32_t *to, li value)
{
    memcpy(to, &value, sizeof(value));
}

LANE_FN li li_iota(void)
{
    static const int32_t count[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return li_load(count);
}

LANE_FN li li_bits(lf value)
{
    return (li)value;
}

LANE_FN lf lf_bits(li bits)
{
    return (lf)bits;
}

LANE_FN lu lu_of(li value)
{
    return (lu)value;
}

LANE_FN li li_of(lu value)
{
    return (li)value;
}

LANE_FN lf lf_from_int(li a)
{
    return __builtin_convertvector(a, lf);
}

LANE_FN float lf_lane(lf a, int lane)
{
    return a[lane];
}

LANE_FN int32_t li_lane(li a, int lane)
{
    return a[lane];
}

/* lane by lane, for sets that have no instruction for it */
LANE_FN lf lf_gather_each(const float *table, li index)
{
    lf value;
    for (int k = 0; k < QFS_LANES; k++)
        value[k] = table[index[k]];
    return value;
}

LANE_FN li li_gather_each(const int32_t *table, li index)
{
    li value;
    for (int k = 0; k < QFS_LANES; k++)
        value[k] = table[index[k]];
    return value;
}

LANE_FN void lf_transpose4(const float *x, ptrdiff_t stride, lf out[4]);

#if QFS_LANES == 16
#include "lanes_avx512.h"
#elif defined(__aarch64__)
#include "lanes_neon.h"
#else
#include "lanes_x86.h"
#endif

LANE_FN void lf_transpose(const float *x, ptrdiff_t stride, int n, lf *out)
{
    for (int i = 0; i < n; i += 4)
        lf_transpose4(x + i, stride, out + i);
}

#endif
