/* isa_table.h: the tables that this build has, one an instruction set. */
#ifndef QUANTFS_ISA_TABLE_H
#define QUANTFS_ISA_TABLE_H

#include "quantfs/kernels.h"

extern const struct qfs_kernels qfs_kernels_scalar;
#if defined(__x86_64__)
extern const struct qfs_kernels qfs_kernels_sse2, qfs_kernels_avx2, qfs_kernels_avx512;
#elif defined(__aarch64__)
extern const struct qfs_kernels qfs_kernels_neon;
#endif

#endif
