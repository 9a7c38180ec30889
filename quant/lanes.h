/* lanes.h: a few numbers side by side, one per lane, as every kernel body is written over them.
 *
 * A body is compiled once for each instruction set, with QFS_LANES_ISA naming it; QFS_LANES is then
 * the number of lanes (1, 4, 8 or 16). Intrinsics live in the lanes_*.h files alone: bodies use the
 * names below, plain operators (+ - * / on lf; + - * & | ^ << >> on li and lu) and scalars, in the
 * subset of C that is C++ too, so that a CUDA thread can run the one-lane form.
 *
 * Exactness: every operation is IEEE single precision, rounded once, in the order written; nothing
 * here fuses, reassociates or approximates. A lane never sees another one, save in the functions
 * that say so.
 *
 * Types     lf  floats        li  int32      lu  uint32 (only where >> must be logical)
 *           lm  truth values: only lm_* functions, comparisons and selects touch them
 * Making    lf_set li_set lu_set lm_set           the same value in every lane
 *           li_iota                               0, 1, 2, ...
 *           lf_load li_load, lf_store li_store    QFS_LANES consecutive items, any alignment
 *           li_load_u8 li_load_u16                widened to 32 bits, zero-extended
 *           li_store_u8 li_store_u16              low bits of each lane
 *           lf_gather(table, li) li_gather        table[index] lane by lane (slow where emulated)
 *           lf_cycle8(x, at)                      8 floats over and over, from x[at % 8]
 *           lf_lookup8/16/32(table, li)           table of 8/16/32 floats, index in range: permutes
 *           lf_lookup4_mod(table, li)             table of 4 floats, index modulo 4
 *           lf_lookup8_mod(table, li)             table of 8 floats, index modulo 8
 *           li_lookup16_u8(table, li)             table of 16 bytes
 *           lf_spread4(x, at)                     lane k: x[(at + k) / 4]; 4 and lanes divide at
 * Comparing lf_lt lf_le lf_gt lf_ge lf_eq (false on NaN), lf_ne (true on NaN), li_lt li_gt li_eq
 *           lm_and lm_or lm_not lm_andnot(a, b) = a and not b
 *           lm_any lm_all lm_bits                 across lanes; bit k of lm_bits is lane k
 *           lf_select li_select(m, a, b)          m ? a : b
 *           lf_min(a, b) = a < b ? a : b          exactly: b when equal or NaN, as SSE's MINPS
 *           lf_max(a, b) = a > b ? a : b          the reference's MAX(a, b), MIN(a, b) likewise
 *           lf_min_plus lf_max_plus               of numbers that are not negative and not NaN: by the
 *                                                 integer unit, which the additions leave idle
 *           li_min li_max
 *           lf_least(lf)                          the least lane (no NaN) in every lane
 *           li_count(a, m)                        a + 1 where m, a elsewhere
 *           lf_least2(&a, &b)                     the same for two
 * Computing lf_abs lf_neg lf_copysign lf_sqrt
 *           lf_from_int(li), li_trunc(lf)         C's conversions; li_trunc for values in range
 * only li_bits(lf), lf_bits(li)              reinterpret; lu_of(li), li_of(lu) likewise
 *           li_nearest(lf)                        the reference's nearest_int, bit for bit: also
 * for infinities (-4194304), NaN (0), huge values Moving    lf_transpose(x, stride, n, out) out[i]
 * lane k = x[k * stride + i], i < n, 4 | n lf_lane(a, k), li_lane                one lane as a
 * scalar (slow: not in inner loops)
 */
#ifndef QUANTFS_LANES_H
#define QUANTFS_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QFS_LANES_scalar 1
#define QFS_LANES_sse2 4
#define QFS_LANES_avx2 8
#define QFS_LANES_avx512 16
#define QFS_LANES_neon 4
#define QFS_LANES_cuda 1

#ifndef QFS_LANES_ISA
#error "QFS_LANES_ISA names the instruction set: scalar, sse2, avx2, avx512, neon or cuda"
#endif
#define QFS_PASTE_(a, b) a##b
#define QFS_PASTE(a, b) QFS_PASTE_(a, b)
#define QFS_QUOTE_(a) #a
#define QFS_QUOTE(a) QFS_QUOTE_(a)
#define QFS_LANES QFS_PASTE(QFS_LANES_, QFS_LANES_ISA)

/* The name of a kernel in this instruction set: QFS_KERNEL(quantize_q4_k) is
 * qfs_quantize_q4_k_avx2 there. */
#define QFS_KERNEL(name) QFS_PASTE(QFS_PASTE(qfs_##name, _), QFS_LANES_ISA)

/* Functions and tables of bodies. LANE_FN is inlined whatever its size, LANE_OUTLINE never; of LANE_STATIC
 * and LANE_INLINE the compiler judges. LANE_KERNEL is what other files call. */
#ifdef __CUDACC__
#include "cuda/lanes_cuda.h"
#else
#define LANE_FN static inline __attribute__((always_inline))
#define LANE_OUTLINE static __attribute__((noinline, unused))
#define LANE_STATIC static
#define LANE_INLINE static inline
#define LANE_TABLE static const
#define LANE_KERNEL
#endif
#if defined(__CUDACC__)
#define LANE_UNROLL(n) _Pragma(QFS_QUOTE(unroll n))
#elif defined(__clang__)
#define LANE_UNROLL(n) _Pragma(QFS_QUOTE(clang loop unroll_count(n)))
#else
#define LANE_UNROLL(n) _Pragma(QFS_QUOTE(GCC unroll n))
#endif

/* how much of a kernel's scratch its struct may take */
#define LANE_SCRATCH_SIZE (QFS_LANES == 1 ? QFS_SCRATCH_ONE_LANE : QFS_SCRATCH_SIZE)

#if QFS_LANES == 1
#include "lanes_scalar.h"
#else
#include "lanes_vector.h"
#endif

LANE_FN lm lm_andnot(lm a, lm b)
{
    return lm_and(a, lm_not(b));
}

LANE_FN lf lf_min_plus(lf a, lf b)
{
    return QFS_LANES_INTEGER_MINMAX ? lf_bits(li_min(li_bits(a), li_bits(b))) : lf_min(a, b);
}

LANE_FN lf lf_max_plus(lf a, lf b)
{
    return QFS_LANES_INTEGER_MINMAX ? lf_bits(li_max(li_bits(a), li_bits(b))) : lf_max(a, b);
}

LANE_FN lf lf_abs(lf a)
{
    return lf_bits(li_bits(a) & li_set(0x7fffffff));
}

LANE_FN lf lf_neg(lf a)
{
    return lf_bits(li_bits(a) ^ li_set(INT32_MIN));
}

LANE_FN lf lf_copysign(lf magnitude, lf sign)
{
    return lf_bits((li_bits(magnitude) & li_set(0x7fffffff)) | (li_bits(sign) & li_set(INT32_MIN)));
}

/* x[(at + k) % 8] in lane k; at is a multiple of QFS_LANES */
LANE_FN lf lf_cycle8(const float *x, int at)
{
#if QFS_LANES == 16
    return lf_lookup8(x, li_iota() & li_set(7));
#else
    return lf_load(x + at % 8);
#endif
}

/* 1.5 * 2^23: adding it leaves the nearest integer (ties to even) in the low mantissa bits. */
#define LANE_ROUND 12582912.f

LANE_FN li li_nearest(lf a)
{
    const lf sum = a + lf_set(LANE_ROUND);
#ifdef QFS_LANES_DEVICE /* its NaN has other bits, and is 0 nevertheless */
    return lf_ne(sum, sum) ? 0 : (li_bits(sum) & 0x007fffff) - 0x00400000;
#else
    return (li_bits(sum) & li_set(0x007fffff)) - li_set(0x00400000);
#endif
}

LANE_INLINE int nearest_int(float value) /* the same for one number */
{
#ifdef QFS_LANES_DEVICE
    return li_nearest(value);
#else
    const float sum = value + LANE_ROUND;
    int32_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return (bits & 0x007fffff) - 0x00400000;
#endif
}

#if QFS_LANES > 1
#include "lanes_bytes.h"
#else
#define QFS_LOOKUP 0
#endif

#endif
