/* Numbers of llama-quantize's types (enum llama_ftype) and sets of them, for the mixture rules. */
#ifndef QUANTFS_GGUF_FTYPE_H
#define QUANTFS_GGUF_FTYPE_H

#include "quantfs/gguf.h"

enum qfs_ftype_number {
    QFS_FTYPE_F32 = 0,
    QFS_FTYPE_F16 = 1,
    QFS_FTYPE_Q4_0 = 2,
    QFS_FTYPE_Q4_1 = 3,
    QFS_FTYPE_Q8_0 = 7,
    QFS_FTYPE_Q5_0 = 8,
    QFS_FTYPE_Q5_1 = 9,
    QFS_FTYPE_Q2_K = 10,
    QFS_FTYPE_Q3_K_S = 11,
    QFS_FTYPE_Q3_K_M = 12,
    QFS_FTYPE_Q3_K_L = 13,
    QFS_FTYPE_Q4_K_S = 14,
    QFS_FTYPE_Q4_K_M = 15,
    QFS_FTYPE_Q5_K_S = 16,
    QFS_FTYPE_Q5_K_M = 17,
    QFS_FTYPE_Q6_K = 18,
    QFS_FTYPE_IQ2_XXS = 19,
    QFS_FTYPE_IQ2_XS = 20,
    QFS_FTYPE_Q2_K_S = 21,
    QFS_FTYPE_IQ3_XS = 22,
    QFS_FTYPE_IQ3_XXS = 23,
    QFS_FTYPE_IQ1_S = 24,
    QFS_FTYPE_IQ4_NL = 25,
    QFS_FTYPE_IQ3_S = 26,
    QFS_FTYPE_IQ3_M = 27,
    QFS_FTYPE_IQ2_S = 28,
    QFS_FTYPE_IQ2_M = 29,
    QFS_FTYPE_IQ4_XS = 30,
    QFS_FTYPE_IQ1_M = 31,
    QFS_FTYPE_BF16 = 32,
    QFS_FTYPE_TQ1_0 = 36,
    QFS_FTYPE_TQ2_0 = 37,
    QFS_FTYPE_MXFP4_MOE = 38,
    QFS_FTYPE_Q1_0 = 40,
    QFS_FTYPE_Q2_0 = 41,
};

/* A set is an OR of these. */
#define QFS_FTYPE_BIT(name) (UINT64_C(1) << QFS_FTYPE_##name)

#endif
