/* lanes_bytes.h: bytes side by side, 4 for each lane: QFS_BYTES of them in an lb, unsigned. They come
 * in parts of 16 bytes, as the machines' table lookups have them. For filters that weigh many
 * candidates at once; not in the one-lane build. Included by lanes.h.
 *
 * lb_set lb_load lb_store           as li_*, QFS_BYTES consecutive bytes
 * lb_pack(a, b, c, d)               part p: four lanes 4p..4p+3 of a, then of b, c, d; each lane, not
 *                                   negative, becomes a byte, 255 if it is more
 * lb_part(a, p)                     part p in every part; p constant
 * lb_lookup(table, index)           each part's bytes by index 0..15
 * lb_low4 lb_high4                  nibbles
 * lb_add lb_sub                     saturating
 * lb_min lb_avg                     smaller, mean rounded up
 * lb_or lb_and lb_le_bits(a, b)     bit k: a <= b in byte k
 * lb_pair_least(least, low, high)   least so far, by lanes of 16 bits, of the pairs high << 8 | low
 * lb_pair_spread(least, &low, &high)  the least of all lanes, its bytes everywhere; also returned
 * QFS_LOOKUP                        whether these are here: where lb_lookup is an instruction */
#ifndef QUANTFS_LANES_BYTES_H
#define QUANTFS_LANES_BYTES_H

#define QFS_BYTES (4 * QFS_LANES)

typedef uint8_t lb __attribute__((vector_size(QFS_BYTES)));
typedef uint16_t lb_pair __attribute__((vector_size(QFS_BYTES)));

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

LANE_FN lb_pair lb_pair_set(uint16_t value)
{
    return value + (lb_pair){0};
}

LANE_FN lb lb_or(lb a, lb b)
{
    return a | b;
}

LANE_FN lb lb_and(lb a, lb b)
{
    return a & b;
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

LANE_FN lb lb_sub(lb a, lb b)
{
    return (lb)_mm512_subs_epu8((__m512i)a, (__m512i)b);
}

LANE_FN lb_pair lb_pair_least(lb_pair least, lb low, lb high)
{
    const __m512i a = _mm512_unpacklo_epi8((__m512i)low, (__m512i)high);
    const __m512i b = _mm512_unpackhi_epi8((__m512i)low, (__m512i)high);
    return (lb_pair)_mm512_min_epu16((__m512i)least, _mm512_min_epu16(a, b));
}

LANE_FN unsigned lb_pair_spread(lb_pair pairs, lb *low, lb *high)
{
    __m512i least = (__m512i)pairs;
    least = _mm512_min_epu16(least, _mm512_shuffle_i32x4(least, least, 0x4e));
    least = _mm512_min_epu16(least, _mm512_shuffle_i32x4(least, least, 0xb1));
    const __m128i one = _mm_minpos_epu16(_mm512_castsi512_si128(least));
    const __m512i everywhere = _mm512_broadcastw_epi16(one);
    *low = lb_lookup((lb)everywhere, lb_set(0));
    *high = lb_lookup((lb)everywhere, lb_set(1));
    return (unsigned)_mm_cvtsi128_si32(one) & 0xffff;
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
    return part == 0 ? (lb)_mm256_permute2x128_si256((__m256i)a, (__m256i)a, 0x00)
                     : (lb)_mm256_permute2x128_si256((__m256i)a, (__m256i)a, 0x11);
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

LANE_FN lb lb_sub(lb a, lb b)
{
    return (lb)_mm256_subs_epu8((__m256i)a, (__m256i)b);
}

LANE_FN lb_pair lb_pair_least(lb_pair least, lb low, lb high)
{
    const __m256i a = _mm256_unpacklo_epi8((__m256i)low, (__m256i)high);
    const __m256i b = _mm256_unpackhi_epi8((__m256i)low, (__m256i)high);
    return (lb_pair)_mm256_min_epu16((__m256i)least, _mm256_min_epu16(a, b));
}

LANE_FN unsigned lb_pair_spread(lb_pair pairs, lb *low, lb *high)
{
    const __m128i one = _mm_minpos_epu16(_mm_min_epu16(
        _mm256_castsi256_si128((__m256i)pairs), _mm256_extracti128_si256((__m256i)pairs, 1)));
    *low = (lb)_mm256_broadcastb_epi8(one);
    *high = (lb)_mm256_broadcastb_epi8(_mm_srli_epi16(one, 8));
    return (unsigned)_mm_cvtsi128_si32(one) & 0xffff;
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

LANE_FN lb lb_sub(lb a, lb b)
{
    return (lb)vqsubq_u8((uint8x16_t)a, (uint8x16_t)b);
}

LANE_FN lb_pair lb_pair_least(lb_pair least, lb low, lb high)
{
    const uint16x8_t a = vreinterpretq_u16_u8(vzip1q_u8((uint8x16_t)low, (uint8x16_t)high));
    const uint16x8_t b = vreinterpretq_u16_u8(vzip2q_u8((uint8x16_t)low, (uint8x16_t)high));
    return (lb_pair)vminq_u16((uint16x8_t)least, vminq_u16(a, b));
}

LANE_FN unsigned lb_pair_spread(lb_pair pairs, lb *low, lb *high)
{
    const uint16_t one = vminvq_u16((uint16x8_t)pairs);
    *low = (lb)vdupq_n_u8((uint8_t)one);
    *high = (lb)vdupq_n_u8((uint8_t)(one >> 8));
    return one;
}

#else /* SSE2 */

#define QFS_LOOKUP 0

#endif

#endif
