/* lanes_x86.h: 4 lanes of SSE2 and 8 lanes of AVX2. Truth values are all-ones or zero lanes. */
#ifndef QUANTFS_LANES_X86_H
#define QUANTFS_LANES_X86_H

#define QFS_LANES_INTEGER_MINMAX (QFS_LANES == 8) /* SSE2 has none of 32 bits */

#include <immintrin.h>

#include "lanes_truth.h"

#if QFS_LANES == 8

LANE_FN uint32_t lm_bits(lm a)
{
    return (uint32_t)_mm256_movemask_ps((__m256)a);
}

LANE_FN lf lf_select(lm mask, lf a, lf b)
{
    return (lf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
}

LANE_FN li li_select(lm mask, li a, li b)
{
    return (li)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
}

LANE_FN lf lf_min(lf a, lf b)
{
    return (lf)_mm256_min_ps((__m256)a, (__m256)b);
}

LANE_FN lf lf_max(lf a, lf b)
{
    return (lf)_mm256_max_ps((__m256)a, (__m256)b);
}

LANE_FN li li_min(li a, li b)
{
    return (li)_mm256_min_epi32((__m256i)a, (__m256i)b);
}

LANE_FN li li_max(li a, li b)
{
    return (li)_mm256_max_epi32((__m256i)a, (__m256i)b);
}

LANE_FN lf lf_sqrt(lf a)
{
    return (lf)_mm256_sqrt_ps((__m256)a);
}

LANE_FN li li_trunc(lf a)
{
    return (li)_mm256_cvttps_epi32((__m256)a);
}

LANE_FN li li_load_u8(const void *from)
{
    return (li)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
}

LANE_FN li li_load_u16(const void *from)
{
    return (li)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from));
}

LANE_FN void li_store_u16(void *to, li value)
{
    const __m256i low = _mm256_and_si256((__m256i)value, _mm256_set1_epi32(0xffff));
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    _mm_storeu_si128((__m128i *)to, packed);
}

LANE_FN void li_store_u8(void *to, li value)
{
    const __m256i low = _mm256_and_si256((__m256i)value, _mm256_set1_epi32(0xff));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}

LANE_FN lf lf_gather(const float *table, li index)
{
    return (lf)_mm256_i32gather_ps(table, (__m256i)index, 4);
}

LANE_FN li li_gather(const int32_t *table, li index)
{
    return (li)_mm256_i32gather_epi32(table, (__m256i)index, 4);
}

LANE_FN lf lf_lookup8(const float *table, li index)
{
    __m256 entries = (__m256)lf_load(table);
    __asm__("" : "+x"(entries)); /* Zen 3 takes twice as long to permute from memory */
    return (lf)_mm256_permutevar8x32_ps(entries, (__m256i)index);
}

LANE_FN lf lf_spread4(const float *x, int at)
{
    const __m128 low = _mm_broadcast_ss(x + at / 4), high = _mm_broadcast_ss(x + at / 4 + 1);
    return (lf)_mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

LANE_FN lf lf_lookup4_mod(const float *table, li index)
{
    const __m256 entries =
        _mm256_broadcast_ps((const __m128 *)(const void *)table); /* in each half */
    return (lf)_mm256_permutevar_ps(entries, (__m256i)index);
}

LANE_FN lf lf_lookup8_mod(const float *table, li index)
{
    return lf_lookup8(table, index);
}

LANE_FN lf lf_least(lf a)
{
    __m256 least = _mm256_min_ps((__m256)a, _mm256_permute2f128_ps((__m256)a, (__m256)a, 1));
    least = _mm256_min_ps(least, _mm256_permute_ps(least, 0x4e));
    return (lf)_mm256_min_ps(least, _mm256_permute_ps(least, 0xb1));
}

LANE_FN void lf_least2(lf *a, lf *b)
{
    const __m256 low = _mm256_permute2f128_ps((__m256)*a, (__m256)*b, 0x20);
    const __m256 high = _mm256_permute2f128_ps((__m256)*a, (__m256)*b, 0x31);
    __m256 least = _mm256_min_ps(low, high); /* of a in the low half, of b in the high one */
    least = _mm256_min_ps(least, _mm256_permute_ps(least, 0x4e));
    least = _mm256_min_ps(least, _mm256_permute_ps(least, 0xb1));
    *a = (lf)_mm256_permute2f128_ps(least, least, 0x00);
    *b = (lf)_mm256_permute2f128_ps(least, least, 0x11);
}

LANE_FN lf lf_lookup16(const float *table, li index)
{
    return lf_select(index << 28, lf_lookup8(table + 8, index), lf_lookup8(table, index));
}

LANE_FN lf lf_lookup32(const float *table, li index)
{
    return lf_select(index << 27, lf_lookup16(table + 16, index), lf_lookup16(table, index));
}

LANE_FN li li_lookup16_u8(const void *table, li index)
{
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    /* bytes 1 to 3 of each index get the top bit, which makes zeros of them */
    return (li)_mm256_shuffle_epi8(bytes, (__m256i)(index | li_set((int32_t)0x80808000)));
}

LANE_FN lf lf_pair(const float *low, const float *high)
{
    return (lf)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high),
                                    1);
}

LANE_FN void lf_transpose4(const float *x, ptrdiff_t stride, lf out[4])
{
    const __m256 a = (__m256)lf_pair(x, x + 4 * stride);
    const __m256 b = (__m256)lf_pair(x + stride, x + 5 * stride);
    const __m256 c = (__m256)lf_pair(x + 2 * stride, x + 6 * stride);
    const __m256 d = (__m256)lf_pair(x + 3 * stride, x + 7 * stride);
    const __m256 ab0 = _mm256_unpacklo_ps(a, b), ab1 = _mm256_unpackhi_ps(a, b);
    const __m256 cd0 = _mm256_unpacklo_ps(c, d), cd1 = _mm256_unpackhi_ps(c, d);
    out[0] = (lf)_mm256_shuffle_ps(ab0, cd0, 0x44);
    out[1] = (lf)_mm256_shuffle_ps(ab0, cd0, 0xee);
    out[2] = (lf)_mm256_shuffle_ps(ab1, cd1, 0x44);
    out[3] = (lf)_mm256_shuffle_ps(ab1, cd1, 0xee);
}

#else /* 4 lanes, SSE2 alone */

LANE_FN uint32_t lm_bits(lm a)
{
    return (uint32_t)_mm_movemask_ps((__m128)a);
}

LANE_FN li li_select(lm mask, li a, li b)
{
    return (mask & a) | (~mask & b);
}

LANE_FN lf lf_select(lm mask, lf a, lf b)
{
    return (lf)li_select(mask, (li)a, (li)b);
}

LANE_FN lf lf_min(lf a, lf b)
{
    return (lf)_mm_min_ps((__m128)a, (__m128)b);
}

LANE_FN lf lf_max(lf a, lf b)
{
    return (lf)_mm_max_ps((__m128)a, (__m128)b);
}

LANE_FN li li_min(li a, li b)
{
    return li_select(li_lt(a, b), a, b);
}

LANE_FN li li_max(li a, li b)
{
    return li_select(li_gt(a, b), a, b);
}

LANE_FN lf lf_sqrt(lf a)
{
    return (lf)_mm_sqrt_ps((__m128)a);
}

LANE_FN li li_trunc(lf a)
{
    return (li)_mm_cvttps_epi32((__m128)a);
}

LANE_FN li li_load_u8(const void *from)
{
    int32_t bytes;
    memcpy(&bytes, from, sizeof(bytes));
    const __m128i zero = _mm_setzero_si128();
    return (li)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
}

LANE_FN li li_load_u16(const void *from)
{
    return (li)_mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i *)from), _mm_setzero_si128());
}

LANE_FN void li_store_u16(void *to, li value)
{
    /* sign-extended, so that SSE2's signed pack leaves the low bits alone */
    const __m128i low = _mm_srai_epi32(_mm_slli_epi32((__m128i)value, 16), 16);
    _mm_storel_epi64((__m128i *)to, _mm_packs_epi32(low, low));
}

LANE_FN void li_store_u8(void *to, li value)
{
    const __m128i low = _mm_and_si128((__m128i)value, _mm_set1_epi32(0xff));
    const __m128i words = _mm_packs_epi32(low, low);
    const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
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

LANE_FN lf lf_lookup8(const float *table, li index)
{
    return lf_gather_each(table, index);
}

LANE_FN lf lf_spread4(const float *x, int at)
{
    return lf_set(x[at / 4]);
}

LANE_FN lf lf_lookup4_mod(const float *table, li index)
{
    return lf_gather_each(table, index & li_set(3));
}

LANE_FN lf lf_lookup8_mod(const float *table, li index)
{
    return lf_gather_each(table, index & li_set(7));
}

LANE_FN lf lf_least(lf a)
{
    __m128 least = _mm_min_ps((__m128)a, _mm_shuffle_ps((__m128)a, (__m128)a, 0x4e));
    return (lf)_mm_min_ps(least, _mm_shuffle_ps(least, least, 0xb1));
}

LANE_FN void lf_least2(lf *a, lf *b)
{
    *a = lf_least(*a);
    *b = lf_least(*b);
}

LANE_FN lf lf_lookup16(const float *table, li index)
{
    return lf_gather_each(table, index);
}

LANE_FN lf lf_lookup32(const float *table, li index)
{
    return lf_gather_each(table, index);
}

LANE_FN li li_lookup16_u8(const uint8_t *table, li index)
{
    li value;
    for (int k = 0; k < QFS_LANES; k++)
        value[k] = table[index[k]];
    return value;
}

LANE_FN void lf_transpose4(const float *x, ptrdiff_t stride, lf out[4])
{
    __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(x + stride);
    __m128 c = _mm_loadu_ps(x + 2 * stride), d = _mm_loadu_ps(x + 3 * stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    out[0] = (lf)a;
    out[1] = (lf)b;
    out[2] = (lf)c;
    out[3] = (lf)d;
}

#endif

LANE_FN li li_count(li a, lm mask)
{
    return a - mask;
}

LANE_FN bool lm_any(lm a)
{
    return lm_bits(a) != 0;
}

LANE_FN bool lm_all(lm a)
{
    return lm_bits(a) == (1u << QFS_LANES) - 1;
}

#endif
