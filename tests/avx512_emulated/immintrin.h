/* The AVX-512 intrinsics that quant/lanes_avx512.h uses, as plain C after Intel's descriptions of them,
 * so that the 16-lane build of every kernel is tested on machines without AVX-512. Found before the
 * compiler's header of this name by the one test that wants it. */
#ifndef QUANTFS_AVX512_EMULATED_H
#define QUANTFS_AVX512_EMULATED_H

#include <stdint.h>
#include <string.h>

typedef float __m128 __attribute__((vector_size(16)));
typedef float __m256 __attribute__((vector_size(32)));
typedef float __m512 __attribute__((vector_size(64)));
typedef int64_t __m128i __attribute__((vector_size(16)));
typedef int64_t __m256i __attribute__((vector_size(32)));
typedef int64_t __m512i __attribute__((vector_size(64)));
typedef int32_t emulated_i512 __attribute__((vector_size(64)));
typedef uint16_t __mmask16;

#define EMULATED static __attribute__((noinline, unused)) /* a call each: quick to compile */
#define EACH(i) for (int i = 0; i < 16; i++)

/* -- compares: predicates that are used ------------------------------------------------------------ */

#define _CMP_LT_OQ 0x11
#define _CMP_LE_OQ 0x12
#define _CMP_GT_OQ 0x1e
#define _CMP_GE_OQ 0x1d
#define _CMP_EQ_OQ 0x00
#define _CMP_NEQ_UQ 0x04

EMULATED int emulated_compare(float a, float b, int predicate)
{
    switch (predicate) {
    case _CMP_LT_OQ:
        return a < b;
    case _CMP_LE_OQ:
        return a <= b;
    case _CMP_GT_OQ:
        return a > b;
    case _CMP_GE_OQ:
        return a >= b;
    case _CMP_EQ_OQ:
        return a == b;
    default:
        return a != b;
    }
}

EMULATED __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int predicate)
{
    unsigned mask = 0;
    EACH(i) mask |= (unsigned)emulated_compare(a[i], b[i], predicate) << i;
    return (__mmask16)mask;
}

#define EMULATED_COMPARE(name, operator)                                                           \
    EMULATED __mmask16 name(__m512i a, __m512i b)                                                  \
    {                                                                                              \
        unsigned mask = 0;                                                                         \
        EACH(i) mask |= (unsigned)(((emulated_i512)a)[i] operator((emulated_i512) b)[i]) << i;     \
        return (__mmask16)mask;                                                                    \
    }

EMULATED_COMPARE(_mm512_cmplt_epi32_mask, <)
EMULATED_COMPARE(_mm512_cmpgt_epi32_mask, >)
EMULATED_COMPARE(_mm512_cmpeq_epi32_mask, ==)

/* -- arithmetic and blends ---------------------------------------------------------------------------- */

EMULATED __m512 _mm512_mask_blend_ps(__mmask16 mask, __m512 a, __m512 b)
{
    EACH(i) a[i] = mask >> i & 1 ? b[i] : a[i];
    return a;
}

EMULATED __m512i _mm512_mask_blend_epi32(__mmask16 mask, __m512i a, __m512i b)
{
    emulated_i512 from = (emulated_i512)a, to = (emulated_i512)b;
    EACH(i) from[i] = mask >> i & 1 ? to[i] : from[i];
    return (__m512i)from;
}

EMULATED __m512i _mm512_mask_sub_epi32(__m512i from, __mmask16 mask, __m512i a, __m512i b)
{
    return _mm512_mask_blend_epi32(mask, from, (__m512i)((emulated_i512)a - (emulated_i512)b));
}

EMULATED __m512 _mm512_min_ps(__m512 a, __m512 b)
{
    EACH(i) a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}

EMULATED __m512 _mm512_max_ps(__m512 a, __m512 b)
{
    EACH(i) a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}

EMULATED __m512i _mm512_min_epi32(__m512i a, __m512i b)
{
    emulated_i512 to = (emulated_i512)a;
    EACH(i) to[i] = to[i] < ((emulated_i512)b)[i] ? to[i] : ((emulated_i512)b)[i];
    return (__m512i)to;
}

EMULATED __m512i _mm512_max_epi32(__m512i a, __m512i b)
{
    emulated_i512 to = (emulated_i512)a;
    EACH(i) to[i] = to[i] > ((emulated_i512)b)[i] ? to[i] : ((emulated_i512)b)[i];
    return (__m512i)to;
}

EMULATED __m512 _mm512_sqrt_ps(__m512 a)
{
    EACH(i) a[i] = __builtin_sqrtf(a[i]);
    return a;
}

EMULATED __m512i _mm512_cvttps_epi32(__m512 a)
{
    emulated_i512 to;
    EACH(i) to[i] = a[i] > -2147483904.f && a[i] < 2147483648.f ? (int32_t)a[i] : INT32_MIN;
    return (__m512i)to;
}

/* -- memory ---------------------------------------------------------------------------------------------- */

#define EMULATED_LOAD(name, type, pointer)                                                         \
    EMULATED type name(pointer from)                                                               \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, from, sizeof(value));                                                       \
        return value;                                                                              \
    }

EMULATED_LOAD(_mm_loadu_ps, __m128, const float *)
EMULATED_LOAD(_mm256_loadu_ps, __m256, const float *)
EMULATED_LOAD(_mm_loadu_si128, __m128i, const __m128i *)
EMULATED_LOAD(_mm256_loadu_si256, __m256i, const __m256i *)

EMULATED void _mm_storeu_si128(__m128i *to, __m128i value)
{
    memcpy((void *)to, &value, sizeof(value));
}

EMULATED void _mm256_storeu_si256(__m256i *to, __m256i value)
{
    memcpy((void *)to, &value, sizeof(value));
}

EMULATED __m512i _mm512_cvtepu8_epi32(__m128i from)
{
    uint8_t bytes[16];
    emulated_i512 to;
    memcpy(bytes, &from, sizeof(bytes));
    EACH(i) to[i] = bytes[i];
    return (__m512i)to;
}

EMULATED __m512i _mm512_cvtepu16_epi32(__m256i from)
{
    uint16_t words[16];
    emulated_i512 to;
    memcpy(words, &from, sizeof(words));
    EACH(i) to[i] = words[i];
    return (__m512i)to;
}

EMULATED __m128i _mm512_cvtepi32_epi8(__m512i from)
{
    uint8_t bytes[16];
    __m128i to;
    EACH(i) bytes[i] = (uint8_t)((emulated_i512)from)[i];
    memcpy(&to, bytes, sizeof(to));
    return to;
}

EMULATED __m256i _mm512_cvtepi32_epi16(__m512i from)
{
    uint16_t words[16];
    __m256i to;
    EACH(i) words[i] = (uint16_t)((emulated_i512)from)[i];
    memcpy(&to, words, sizeof(to));
    return to;
}

EMULATED __m512 _mm512_i32gather_ps(__m512i index, const void *table, int scale)
{
    __m512 to;
    EACH(i)
    {
        float value;
        memcpy(&value, (const char *)table + (int64_t)((emulated_i512)index)[i] * scale, 4);
        to[i] = value;
    }
    return to;
}

EMULATED __m512i _mm512_i32gather_epi32(__m512i index, const void *table, int scale)
{
    return (__m512i)_mm512_i32gather_ps(index, table, scale);
}

/* -- permutes ---------------------------------------------------------------------------------------------- */

EMULATED __m512 _mm512_castps128_ps512(__m128 low)
{
    __m512 to = {0};
    memcpy(&to, &low, sizeof(low));
    return to;
}

EMULATED __m512 _mm512_castps256_ps512(__m256 low)
{
    __m512 to = {0};
    memcpy(&to, &low, sizeof(low));
    return to;
}

EMULATED __m512 _mm512_insertf32x4(__m512 a, __m128 b, int at)
{
    memcpy((char *)&a + 16 * at, &b, sizeof(b));
    return a;
}

EMULATED __m512i _mm512_broadcast_i32x4(__m128i a)
{
    __m512i to;
    for (int i = 0; i < 4; i++)
        memcpy((char *)&to + 16 * i, &a, sizeof(a));
    return to;
}

EMULATED __m512 _mm512_broadcast_f32x4(__m128 a)
{
    __m512 to;
    for (int i = 0; i < 4; i++)
        memcpy((char *)&to + 16 * i, &a, sizeof(a));
    return to;
}

EMULATED __m512i _mm512_setr_epi32(int a, int b, int c, int d, int e, int f, int g, int h, int i,
                                   int j, int k, int l, int m, int n, int o, int p)
{
    return (__m512i)(emulated_i512){a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
}

EMULATED __m512 _mm512_permutevar_ps(__m512 a, __m512i index)
{
    __m512 to;
    EACH(i) to[i] = a[(i & ~3) + (((emulated_i512)index)[i] & 3)];
    return to;
}

EMULATED __m512 _mm512_broadcast_f32x8(__m256 a)
{
    __m512 to;
    memcpy(&to, &a, sizeof(a));
    memcpy((char *)&to + sizeof(a), &a, sizeof(a));
    return to;
}

EMULATED __m512 _mm512_shuffle_f32x4(__m512 a, __m512 b, unsigned control)
{
    __m512 to;
    EACH(i) to[i] = (i & 8 ? b : a)[4 * (int)(control >> (2 * (i >> 2)) & 3) + (i & 3)];
    return to;
}

EMULATED __m512 _mm512_permute_ps(__m512 a, unsigned control)
{
    __m512 to;
    EACH(i) to[i] = a[(i & ~3) + (int)(control >> (2 * (i & 3)) & 3)];
    return to;
}

EMULATED __m512 _mm512_permutexvar_ps(__m512i index, __m512 a)
{
    __m512 to;
    EACH(i) to[i] = a[((emulated_i512)index)[i] & 15];
    return to;
}

EMULATED __m512 _mm512_permutex2var_ps(__m512 a, __m512i index, __m512 b)
{
    __m512 to;
    EACH(i)
    {
        const int at = ((emulated_i512)index)[i];
        to[i] = at & 16 ? b[at & 15] : a[at & 15];
    }
    return to;
}

EMULATED __m512i _mm512_shuffle_epi8(__m512i a, __m512i index)
{
    uint8_t from[64], at[64], to[64];
    memcpy(from, &a, 64);
    memcpy(at, &index, 64);
    for (int i = 0; i < 64; i++)
        to[i] = at[i] & 0x80 ? 0 : from[(i & ~15) | (at[i] & 15)];
    memcpy(&a, to, 64);
    return a;
}

EMULATED __m512 _mm512_unpacklo_ps(__m512 a, __m512 b)
{
    __m512 to;
    EACH(i) to[i] = (i & 1 ? b : a)[(i & ~3) + (i >> 1 & 1)];
    return to;
}

EMULATED __m512 _mm512_unpackhi_ps(__m512 a, __m512 b)
{
    __m512 to;
    EACH(i) to[i] = (i & 1 ? b : a)[(i & ~3) + 2 + (i >> 1 & 1)];
    return to;
}

EMULATED __m512 _mm512_shuffle_ps(__m512 a, __m512 b, unsigned control)
{
    __m512 to;
    EACH(i) to[i] = (i & 2 ? b : a)[(i & ~3) + (int)(control >> (2 * (i & 3)) & 3)];
    return to;
}

/* -- bytes --------------------------------------------------------------------------------------------- */

typedef uint64_t __mmask64;

EMULATED __m512i _mm512_packs_epi32(__m512i a, __m512i b)
{
    int16_t words[32];
    for (int i = 0; i < 32; i++) {
        const int32_t from = ((emulated_i512)(i & 4 ? b : a))[(i >> 3) * 4 + (i & 3)];
        words[i] = (int16_t)(from > 32767 ? 32767 : from < -32768 ? -32768 : from);
    }
    memcpy(&a, words, sizeof(a));
    return a;
}

EMULATED __m512i _mm512_packus_epi16(__m512i a, __m512i b)
{
    int16_t words[2][32];
    uint8_t bytes[64];
    memcpy(words[0], &a, sizeof(a));
    memcpy(words[1], &b, sizeof(b));
    for (int i = 0; i < 64; i++) {
        const int from = words[i >> 3 & 1][(i >> 4) * 8 + (i & 7)];
        bytes[i] = (uint8_t)(from > 255 ? 255 : from < 0 ? 0 : from);
    }
    memcpy(&a, bytes, sizeof(a));
    return a;
}

EMULATED __m512i _mm512_shuffle_i32x4(__m512i a, __m512i b, int control)
{
    __m512i to;
    for (int i = 0; i < 4; i++)
        memcpy((char *)&to + 16 * i,
               (const char *)(i < 2 ? &a : &b) + 16 * (control >> 2 * i & 3), 16);
    return to;
}

EMULATED __m512i _mm512_srli_epi16(__m512i a, int count)
{
    uint16_t words[32];
    memcpy(words, &a, sizeof(a));
    for (int i = 0; i < 32; i++)
        words[i] = (uint16_t)(words[i] >> count);
    memcpy(&a, words, sizeof(a));
    return a;
}

#define EMULATED_BYTES(name, expression)                                                           \
    EMULATED __m512i name(__m512i a, __m512i b)                                                    \
    {                                                                                              \
        uint8_t xs[64], ys[64];                                                                    \
        memcpy(xs, &a, sizeof(a));                                                                 \
        memcpy(ys, &b, sizeof(b));                                                                 \
        for (int i = 0; i < 64; i++) {                                                             \
            const int x = xs[i], y = ys[i];                                                        \
            xs[i] = (uint8_t)(expression);                                                         \
        }                                                                                          \
        memcpy(&a, xs, sizeof(a));                                                                 \
        return a;                                                                                  \
    }

EMULATED_BYTES(_mm512_adds_epu8, x + y > 255 ? 255 : x + y)
EMULATED_BYTES(_mm512_min_epu8, x < y ? x : y)
EMULATED_BYTES(_mm512_avg_epu8, (x + y + 1) >> 1)
EMULATED_BYTES(_mm512_subs_epu8, x > y ? x - y : 0)

#define EMULATED_UNPACK(name, half)                                                                \
    EMULATED __m512i name(__m512i a, __m512i b)                                                    \
    {                                                                                              \
        uint8_t from[2][64], to[64];                                                               \
        memcpy(from[0], &a, sizeof(a));                                                            \
        memcpy(from[1], &b, sizeof(b));                                                            \
        for (int i = 0; i < 64; i++)                                                               \
            to[i] = from[i & 1][(i & ~15) + 8 * half + (i & 15) / 2];                              \
        memcpy(&a, to, sizeof(a));                                                                 \
        return a;                                                                                  \
    }

EMULATED_UNPACK(_mm512_unpacklo_epi8, 0)
EMULATED_UNPACK(_mm512_unpackhi_epi8, 1)

EMULATED __m512i _mm512_min_epu16(__m512i a, __m512i b)
{
    uint16_t x[32], y[32];
    memcpy(x, &a, sizeof(a));
    memcpy(y, &b, sizeof(b));
    for (int i = 0; i < 32; i++)
        x[i] = x[i] < y[i] ? x[i] : y[i];
    memcpy(&a, x, sizeof(a));
    return a;
}

EMULATED __m512i _mm512_broadcastw_epi16(__m128i a)
{
    uint16_t words[32];
    __m512i to;
    for (int i = 0; i < 32; i++)
        memcpy(words + i, &a, 2);
    memcpy(&to, words, sizeof(to));
    return to;
}

EMULATED __mmask64 _mm512_cmple_epu8_mask(__m512i a, __m512i b)
{
    uint8_t x[64], y[64];
    uint64_t mask = 0;
    memcpy(x, &a, sizeof(a));
    memcpy(y, &b, sizeof(b));
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(x[i] <= y[i]) << i;
    return mask;
}

EMULATED __m128i _mm512_castsi512_si128(__m512i a)
{
    __m128i low;
    memcpy(&low, &a, sizeof(low));
    return low;
}

EMULATED __m128i _mm_minpos_epu16(__m128i a)
{
    uint16_t words[8];
    int least = 0;
    memcpy(words, &a, sizeof(a));
    for (int i = 1; i < 8; i++)
        least = words[i] < words[least] ? i : least;
    return (__m128i){words[least] | least << 16, 0};
}

EMULATED int _mm_cvtsi128_si32(__m128i a)
{
    return (int)a[0];
}

#endif
