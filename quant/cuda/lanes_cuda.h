/* lanes_cuda.h: how nvcc is told that a body runs on the device, one lane a thread. The one-lane names
 * themselves are lanes_scalar.h's. Included by lanes.h. */
#ifndef QUANTFS_LANES_CUDA_H
#define QUANTFS_LANES_CUDA_H

#define LANE_FN static __device__ __forceinline__
#define LANE_OUTLINE static __device__ __noinline__
#define LANE_STATIC static __device__
#define LANE_INLINE static __device__ inline
#define LANE_TABLE static __device__ const
#define LANE_KERNEL static __device__

/* what the bodies take from GCC and Clang */
#define _Static_assert static_assert
#define __builtin_expect(value, expected) (value)
#define __builtin_ctz(bits) (__ffs((int)(bits)) - 1)
#define __builtin_ctzll(bits) (__ffsll((long long)(bits)) - 1)
#define __builtin_clz(bits) __clz((int)(bits))
#define __builtin_popcount(bits) __popc(bits)
#define __builtin_popcountll(bits) __popcll(bits)
#define __builtin_parity(bits) (__popc(bits) & 1)
#define __builtin_fabsf(value) fabsf(value)
#define __builtin_sqrtf(value) __fsqrt_rn(value)
#define __builtin_prefetch(at) ((void)(at))

#endif
