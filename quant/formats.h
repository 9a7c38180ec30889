/* formats.h: the formats that have a kernel. X(type, name): enum qfs_type's QFS_TYPE_<type> is
 * quantized by QFS_KERNEL(quantize_<name>), which body_<name>.c defines. The table of every
 * instruction set, its tests and its measurements are made from this list. */
#ifndef QUANTFS_FORMATS_H
#define QUANTFS_FORMATS_H

/* clang-format off */
#define QFS_FORMATS(X) \
    X(Q2_K, q2_k) \
    X(Q4_K, q4_k) \
    X(Q5_K, q5_k) \
    X(IQ2_XXS, iq2_xxs) \
    X(IQ2_XS, iq2_xs) \
    X(IQ2_S, iq2_s) \
    X(IQ1_M, iq1_m) \
    X(IQ1_S, iq1_s) \
    X(IQ3_S, iq3_s) \
    X(IQ3_XXS, iq3_xxs) \
    X(Q4_0, q4_0) \
    X(Q4_1, q4_1) \
    X(Q5_0, q5_0) \
    X(Q5_1, q5_1) \
    X(Q8_0, q8_0) \
    X(Q3_K, q3_k) \
    X(Q6_K, q6_k) \
    X(IQ4_NL, iq4_nl) \
    X(IQ4_XS, iq4_xs) \
    X(TQ1_0, tq1_0) \
    X(TQ2_0, tq2_0) \
    X(MXFP4, mxfp4) \
    X(Q1_0, q1_0) \
    X(Q2_0, q2_0) \
    /* one line a format */
/* clang-format on */

#endif
