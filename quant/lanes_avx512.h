/* lanes_avx512.h: 16 lanes of AVX-512 (F, BW, DQ, VL). Truth values are mask registers. */
#ifndef QUANTFS_LANES_AVX512_H
#define QUANTFS_LANES_AVX512_H

#define QFS_LANES_INTEGER_MINMAX 1

#include <immintrin.h>

typedef __mmask16 lm;

LANE_FN lm lm_set(bool value)
{
    return (lm)(value ? 0xffff : 0);
}

LANE_FN lm lf_lt(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}

LANE_FN lm lf_le(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
}

LANE_FN lm lf_gt(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}

LANE_FN lm lf_ge(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GE_OQ);
}

LANE_FN lm lf_eq(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}

LANE_FN lm lf_ne(lf a, lf b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_NEQ_UQ);
}

LANE_FN lm li_lt(li a, li b)
{
    return _mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b);
}

LANE_FN lm li_gt(li a, li b)
{
    return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b);
}

LANE_FN lm li_eq(li a, li b)
{
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}

LANE_FN lm lm_and(lm a, lm b)
{
    return (lm)(a & b);
}

LANE_FN lm lm_or(lm a, lm b)
{
    return (lm)(a | b);
}

LANE_FN lm lm_not(lm a)
{
    return (lm)~a;
}

LANE_FN uint32_t lm_bits(lm a)
{
    return a;
}

LANE_FN bool lm_any(lm a)
{
    return a != 0;
}

LANE_FN bool lm_all(lm a)
{
    return a == 0xffff;
}

LANE_FN lf lf_select(lm mask, lf a, lf b)
{
    return (lf)_mm512_mask_blend_ps(mask, (__m512)b, (__m512)a);
}

LANE_FN li li_select(lm mask, li a, li b)
{
    return (li)_mm512_mask_blend_epi32(mask, (__m512i)b, (__m512i)a);
}

LANE_FN li li_count(li a, lm mask)
{
    return (li)_mm512_mask_sub_epi32((__m512i)a, mask, (__m512i)a, (__m512i)li_set(-1));
}

LANE_FN lf lf_min(lf a, lf b)
{
    return (lf)_mm512_min_ps((__m512)a, (__m512)b);
}

LANE_FN lf lf_max(lf a, lf b)
{
    return (lf)_mm512_max_ps((__m512)a, (__m512)b);
}

LANE_FN li li_min(li a, li b)
{
    return (li)_mm512_min_epi32((__m512i)a, (__m512i)b);
}

LANE_FN li li_max(li a, li b)
{
    return (li)_mm512_max_epi32((__m512i)a, (__m512i)b);
}

LANE_FN lf lf_sqrt(lf a)
{
    return (lf)_mm512_sqrt_ps((__m512)a);
}

LANE_FN li li_trunc(lf a)
{
    return (li)_mm512_cvttps_epi32((__m512)a);
}

LANE_FN li li_load_u8(const void *from)
{
    return (li)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from));
}

LANE_FN li li_load_u16(const void *from)
{
    return (li)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
}

LANE_FN void li_store_u16(void *to, li value)
{
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16((__m512i)value));
}

LANE_FN void li_store_u8(void *to, li value)
{
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)value));
}

LANE_FN lf lf_gather(const float *table, li index)
{
    return (lf)_mm512_i32gather_ps((__m512i)index, table, 4);
}

LANE_FN li li_gather(const int32_t *table, li index)
{
    return (li)_mm512_i32gather_epi32((__m512i)index, table, 4);
}

LANE_FN lf lf_lookup8(const float *table, li index)
{
    const __m512 entries = _mm512_castps256_ps512(_mm256_loadu_ps(table));
    return (lf)_mm512_permutexvar_ps((__m512i)index, entries);
}

LANE_FN lf lf_spread4(const float *x, int at)
{
    const __m512i four = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512 from = _mm512_castps128_ps512(_mm_loadu_ps(x + at / 4));
    return (lf)_mm512_permutexvar_ps(four, from);
}

LANE_FN lf lf_lookup4_mod(const float *table, li index)
{
    const __m512 entries = _mm512_broadcast_f32x4(_mm_loadu_ps(table)); /* in each part */
    return (lf)_mm512_permutevar_ps(entries, (__m512i)index);
}

LANE_FN lf lf_lookup8_mod(const float *table, li index)
{
    const __m512 entries = _mm512_broadcast_f32x8(_mm256_loadu_ps(table)); /* twice */
    return (lf)_mm512_permutexvar_ps((__m512i)index, entries);
}

LANE_FN lf lf_least(lf a)
{
    __m512 least = _mm512_min_ps((__m512)a, _mm512_shuffle_f32x4((__m512)a, (__m512)a, 0x4e));
    least = _mm512_min_ps(least, _mm512_shuffle_f32x4(least, least, 0xb1));
    least = _mm512_min_ps(least, _mm512_permute_ps(least, 0x4e));
    return (lf)_mm512_min_ps(least, _mm512_permute_ps(least, 0xb1));
}

LANE_FN void lf_least2(lf *a, lf *b)
{
    const __m512 low = _mm512_shuffle_f32x4((__m512)*a, (__m512)*b, 0x44);
    const __m512 high = _mm512_shuffle_f32x4((__m512)*a, (__m512)*b, 0xee);
    __m512 least = _mm512_min_ps(low, high); /* of a in the low half, of b in the high one */
    least = _mm512_min_ps(least, _mm512_shuffle_f32x4(least, least, 0xb1));
    least = _mm512_min_ps(least, _mm512_permute_ps(least, 0x4e));
    least = _mm512_min_ps(least, _mm512_permute_ps(least, 0xb1));
    *a = (lf)_mm512_shuffle_f32x4(least, least, 0x00);
    *b = (lf)_mm512_shuffle_f32x4(least, least, 0xff);
}

LANE_FN lf lf_lookup16(const float *table, li index)
{
    return (lf)_mm512_permutexvar_ps((__m512i)index, (__m512)lf_load(table));
}

LANE_FN lf lf_lookup32(const float *table, li index)
{
    return (lf)_mm512_permutex2var_ps((__m512)lf_load(table), (__m512i)index,
                                      (__m512)lf_load(table + 16));
}

LANE_FN li li_lookup16_u8(const void *table, li index)
{
    const __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
    /* bytes 1 to 3 of each index get the top bit, which makes zeros of them */
    return (li)_mm512_shuffle_epi8(bytes, (__m512i)(index | li_set((int32_t)0x80808000)));
}

LANE_FN lf lf_quad(const float *x, ptrdiff_t stride) /* 4 floats each of rows 0, 4, 8, 12 */
{
    __m512 rows = _mm512_castps128_ps512(_mm_loadu_ps(x));
    rows = _mm512_insertf32x4(rows, _mm_loadu_ps(x + 4 * stride), 1);
    rows = _mm512_insertf32x4(rows, _mm_loadu_ps(x + 8 * stride), 2);
    rows = _mm512_insertf32x4(rows, _mm_loadu_ps(x + 12 * stride), 3);
    return (lf)rows;
}

LANE_FN void lf_transpose4(const float *x, ptrdiff_t stride, lf out[4])
{
    const __m512 a = (__m512)lf_quad(x, stride);
    const __m512 b = (__m512)lf_quad(x + stride, stride);
    const __m512 c = (__m512)lf_quad(x + 2 * stride, stride);
    const __m512 d = (__m512)lf_quad(x + 3 * stride, stride);
    const __m512 ab0 = _mm512_unpacklo_ps(a, b), ab1 = _mm512_unpackhi_ps(a, b);
    const __m512 cd0 = _mm512_unpacklo_ps(c, d), cd1 = _mm512_unpackhi_ps(c, d);
    out[0] = (lf)_mm512_shuffle_ps(ab0, cd0, 0x44);
    out[1] = (lf)_mm512_shuffle_ps(ab0, cd0, 0xee);
    out[2] = (lf)_mm512_shuffle_ps(ab1, cd1, 0x44);
    out[3] = (lf)_mm512_shuffle_ps(ab1, cd1, 0xee);
}

#endif
