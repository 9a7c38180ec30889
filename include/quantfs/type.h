/* type: the tensor types of GGUF files. */
#ifndef QUANTFS_TYPE_H
#define QUANTFS_TYPE_H

#include <stdbool.h>
#include <stdint.h>

/* Tensor types, numbered as in GGUF files (enum ggml_type). */
enum qfs_type {
    QFS_TYPE_F32 = 0,
    QFS_TYPE_F16 = 1,
    QFS_TYPE_Q4_0 = 2,
    QFS_TYPE_Q4_1 = 3,
    QFS_TYPE_Q5_0 = 6,
    QFS_TYPE_Q5_1 = 7,
    QFS_TYPE_Q8_0 = 8,
    QFS_TYPE_Q8_1 = 9, /* ggml computes with it, no file holds it */
    QFS_TYPE_Q2_K = 10,
    QFS_TYPE_Q3_K = 11,
    QFS_TYPE_Q4_K = 12,
    QFS_TYPE_Q5_K = 13,
    QFS_TYPE_Q6_K = 14,
    QFS_TYPE_Q8_K = 15, /* likewise */
    QFS_TYPE_IQ2_XXS = 16,
    QFS_TYPE_IQ2_XS = 17,
    QFS_TYPE_IQ3_XXS = 18,
    QFS_TYPE_IQ1_S = 19,
    QFS_TYPE_IQ4_NL = 20,
    QFS_TYPE_IQ3_S = 21,
    QFS_TYPE_IQ2_S = 22,
    QFS_TYPE_IQ4_XS = 23,
    QFS_TYPE_I8 = 24,
    QFS_TYPE_I16 = 25,
    QFS_TYPE_I32 = 26,
    QFS_TYPE_I64 = 27,
    QFS_TYPE_F64 = 28,
    QFS_TYPE_IQ1_M = 29,
    QFS_TYPE_BF16 = 30,
    QFS_TYPE_TQ1_0 = 34,
    QFS_TYPE_TQ2_0 = 35,
    QFS_TYPE_MXFP4 = 39,
    QFS_TYPE_NVFP4 = 40,
    QFS_TYPE_Q1_0 = 41,
    QFS_TYPE_Q2_0 = 42,
    QFS_TYPE_COUNT = 43,
    QFS_TYPE_NONE = -1,
};

struct qfs_type_info {
    const char *name;     /* ggml's: "q4_K" */
    uint16_t block_count; /* weights a block, 0 where the number names no type */
    uint16_t block_bytes; /* bytes a block */
    bool quantized;
};

/* Never NULL; block_count is 0 for a number that names no type. */
const struct qfs_type_info *qfs_type_info(int type);
/* By ggml's name ("q4_K", case-insensitive as llama-quantize takes it), else QFS_TYPE_NONE. */
enum qfs_type qfs_type_by_name(const char *name);
/* Bytes of a row of `row_size` weights (a multiple of block_count). */
uint64_t qfs_row_bytes(enum qfs_type type, int64_t row_size);

#endif
