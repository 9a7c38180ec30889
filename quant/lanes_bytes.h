/* lanes_bytes.h: bytes side by side, 4 for each lane: QFS_BYTES of them in an lb, unsigned. They come
 * in parts of 16 bytes, as the machines' table lookups have them. For filters that weigh many
 * candidates at once; not in the one-lane build. Included by lanes.h.
 *
 * lb_set lb_load lb_store           as li_*, QFS_BYTES consecutive bytes
 * lb_pack(a, b, c, d)               part p: four lanes 4p..4p+3 of a, then of b, c, d; each lane, from
 *                                   0 to 32767, becomes a byte or 255
 * lb_part(a, p)                     part p in every part; p constant
 * lb_lookup(table, index)           each part's bytes by index 0..15
 * lb_low4 lb_high4                  nibbles
 * lb_add lb_min lb_avg              saturating sum, smaller, mean rounded up
 * lb_or lb_le_bits(a, b)            bit k: a <= b in byte k
 * lb_least(a)                       the smallest byte
 * QFS_LOOKUP                        whether lb_lookup is an instruction */
#ifndef QUANTFS_LANES_BYTES_H
#define QUANTFS_LANES_BYTES_H

#define QFS_BYTES (4 * QFS_LANES)

typedef uint8_t lb __attribute__((vector_size(QFS_BYTES)));

LANE_FN lb lb_set(uint8_t value)
{
    return value + (lb){0};
}

LANE_FN lb lb_load(const uint8_t *from)
{
    lb value;
    memcpy(&value, from, sizeof(value));
    return value;
}

LANE_FN void lb_store(uint8_t *to, lb value)
{
    memcpy(to, &value, sizeof(value));
}

LANE_FN lb lb_or(lb a, lb b)
{
    return a | b;
}

#if QFS_LANES == 16

#define QFS_LOOKUP 1

LANE_FN lb lb_pack(li a, li b, li c, li d)
{
    const __m512i ab = _mm512_packs_epi32((__m512i)a, (__m512i)b);
    return (lb)_mm512_packus_epi16(ab, _mm512_packs_epi32((__m512i)c, (__m512i)d));
}

LANE_FN lb lb_part(lb a, int part)
{
    const __m512i v = (__m512i)a;
    switch (part) {
    case 0:
        return (lb)_mm512_shuffle_i32x4(v, v, 0x00);
    case 1:
        return (lb)_mm512_shuffle_i32x4(v, v, 0x55);
    case 2:
        return (lb)_mm512_shuffle_i32x4(v, v, 0xaa);
    default:
        return (lb)_mm512_shuffle_i32x4(v, v, 0xff);
    }
}

LANE_FN lb lb_lookup(lb table, lb index)
{
    return (lb)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
}

LANE_FN lb lb_low4(lb a)
{
    return a & lb_set(15);
}

LANE_FN lb lb_high4(lb a)
{
    return (lb)_mm512_srli_epi16((__m512i)a, 4) & lb_set(15);
}

LANE_FN lb lb_add(lb a, lb b)
{
    return (lb)_mm512_adds_epu8((__m512i)a, (__m512i)b);
}

LANE_FN lb lb_min(lb a, lb b)
{
    return (lb)_mm512_min_epu8((__m512i)a, (__m512i)b);
}

LANE_FN lb lb_avg(lb a, lb b)
{
    return (lb)_mm512_avg_epu8((__m512i)a, (__m512i)b);
}

LANE_FN uint64_t lb_le_bits(lb a, lb b)
{
    return _mm512_cmple_epu8_mask((__m512i)a, (__m512i)b);
}

LANE_FN int lb_least(lb a)
{
    __m512i least = (__m512i)a;
    least = _mm512_min_epu8(least, _mm512_shuffle_i32x4(least, least, 0x4e));
    least = _mm512_min_epu8(least, _mm512_shuffle_i32x4(least, least, 0xb1));
    least = (__m512i)((lb)_mm512_min_epu8(least, _mm512_srli_epi16(least, 8)) &
                      (lb)(li_set(0x00ff00ff)));
    return _mm_cvtsi128_si32(_mm_minpos_epu16(_mm512_castsi512_si128(least))) & 255;
}

#elif QFS_LANES == 8

#define QFS_LOOKUP 1

LANE_FN lb lb_pack(li a, li b, li c, li d)
{
    const __m256i ab = _mm256_packs_epi32((__m256i)a, (__m256i)b);
    return (lb)_mm256_packus_epi16(ab, _mm256_packs_epi32((__m256i)c, (__m256i)d));
}

LANE_FN lb lb_part(lb a, int part)
{
    return part == 0 ? (lb)_mm256_permute4x64_epi64((__m256i)a, 0x44)
                     : (lb)_mm256_permute4x64_epi64((__m256i)a, 0xee);
}

LANE_FN lb lb_lookup(lb table, lb index)
{
    return (lb)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
}

LANE_FN lb lb_low4(lb a)
{
    return a & lb_set(15);
}

LANE_FN lb lb_high4(lb a)
{
    return (lb)_mm256_srli_epi16((__m256i)a, 4) & lb_set(15);
}

LANE_FN lb lb_add(lb a, lb b)
{
    return (lb)_mm256_adds_epu8((__m256i)a, (__m256i)b);
}

LANE_FN lb lb_min(lb a, lb b)
{
    return (lb)_mm256_min_epu8((__m256i)a, (__m256i)b);
}

LANE_FN lb lb_avg(lb a, lb b)
{
    return (lb)_mm256_avg_epu8((__m256i)a, (__m256i)b);
}

LANE_FN uint64_t lb_le_bits(lb a, lb b)
{
    const __m256i less = _mm256_cmpeq_epi8((__m256i)lb_min(a, b), (__m256i)a);
    return (uint32_t)_mm256_movemask_epi8(less);
}

LANE_FN int lb_least(lb a)
{
    __m128i least =
        _mm_min_epu8(_mm256_castsi256_si128((__m256i)a), _mm256_extracti128_si256((__m256i)a, 1));
    least = _mm_min_epu8(least, _mm_srli_epi16(least, 8));
    return _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_and_si128(least, _mm_set1_epi16(255)))) & 255;
}

#elif defined(__aarch64__)

#define QFS_LOOKUP 1

LANE_FN lb lb_pack(li a, li b, li c, li d)
{
    const int16x8_t ab = vqmovn_high_s32(vqmovn_s32((int32x4_t)a), (int32x4_t)b);
    const int16x8_t cd = vqmovn_high_s32(vqmovn_s32((int32x4_t)c), (int32x4_t)d);
    return (lb)vqmovun_high_s16(vqmovun_s16(ab), cd);
}

LANE_FN lb lb_part(lb a, int part)
{
    (void)part;
    return a;
}

LANE_FN lb lb_lookup(lb table, lb index)
{
    return (lb)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)index);
}

LANE_FN lb lb_low4(lb a)
{
    return a & lb_set(15);
}

LANE_FN lb lb_high4(lb a)
{
    return (lb)vshrq_n_u8((uint8x16_t)a, 4);
}

LANE_FN lb lb_add(lb a, lb b)
{
    return (lb)vqaddq_u8((uint8x16_t)a, (uint8x16_t)b);
}

LANE_FN lb lb_min(lb a, lb b)
{
    return (lb)vminq_u8((uint8x16_t)a, (uint8x16_t)b);
}

LANE_FN lb lb_avg(lb a, lb b)
{
    return (lb)vrhaddq_u8((uint8x16_t)a, (uint8x16_t)b);
}

LANE_FN uint64_t lb_le_bits(lb a, lb b)
{
    const uint8x16_t weight = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bits = vandq_u8(vcleq_u8((uint8x16_t)a, (uint8x16_t)b), weight);
    return (uint64_t)vaddv_u8(vget_low_u8(bits)) | (uint64_t)vaddv_u8(vget_high_u8(bits)) << 8;
}

LANE_FN int lb_least(lb a)
{
    return vminvq_u8((uint8x16_t)a);
}

#else /* SSE2 */

#define QFS_LOOKUP 0

LANE_FN lb lb_pack(li a, li b, li c, li d)
{
    const __m128i ab = _mm_packs_epi32((__m128i)a, (__m128i)b);
    return (lb)_mm_packus_epi16(ab, _mm_packs_epi32((__m128i)c, (__m128i)d));
}

LANE_FN lb lb_part(lb a, int part)
{
    (void)part;
    return a;
}

LANE_FN lb lb_lookup(lb table, lb index)
{
    lb value;
    for (int k = 0; k < QFS_BYTES; k++)
        value[k] = table[index[k]];
    return value;
}

LANE_FN lb lb_low4(lb a)
{
    return a & lb_set(15);
}

LANE_FN lb lb_high4(lb a)
{
    return (lb)_mm_srli_epi16((__m128i)a, 4) & lb_set(15);
}

LANE_FN lb lb_add(lb a, lb b)
{
    return (lb)_mm_adds_epu8((__m128i)a, (__m128i)b);
}

LANE_FN lb lb_min(lb a, lb b)
{
    return (lb)_mm_min_epu8((__m128i)a, (__m128i)b);
}

LANE_FN lb lb_avg(lb a, lb b)
{
    return (lb)_mm_avg_epu8((__m128i)a, (__m128i)b);
}

LANE_FN uint64_t lb_le_bits(lb a, lb b)
{
    const __m128i less = _mm_cmpeq_epi8((__m128i)lb_min(a, b), (__m128i)a);
    return (uint32_t)_mm_movemask_epi8(less);
}

LANE_FN int lb_least(lb a)
{
    __m128i least = _mm_min_epu8((__m128i)a, _mm_srli_si128((__m128i)a, 8));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 4));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 2));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 1));
    return _mm_cvtsi128_si32(least) & 255;
}

#endif

#endif
