/* Private to the quant room: reading a recipe's nodes, and the ops that have files of their own. */
#ifndef QUANTFS_QUANT_RECIPE_READ_H
#define QUANTFS_QUANT_RECIPE_READ_H

#include "worker.h"

struct qfs_reader {
    const struct qfs_kernels *kernels;
    const struct qfs_model *model;
    struct qfs_error *error; /* never NULL */
};

/* Elements [first, first + count) of a node into `out`, in its dtype. */
int qfs_recipe_node(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                    int64_t count, uint8_t *out) QFS_MUST_USE;

/* SCALE, OFFSET; UNPACK. recipe_dequant.c */
int qfs_recipe_scale(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                     int64_t count, float *out) QFS_MUST_USE;
int qfs_recipe_unpack(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                      int64_t count, float *out) QFS_MUST_USE;
/* One integer of an integer dtype, sign extended (U8 and BOOL not). */
int64_t qfs_integer_at(enum qfs_dtype dtype, const uint8_t *raw, int64_t i);
/* GPTQ. recipe_gptq.c */
int qfs_recipe_gptq(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                    int64_t count, float *out) QFS_MUST_USE;
/* Weights [first, first + count) of a node that has a qfs_recipe_type, as blocks of that type; and an MXFP4
 * or NVFP4 node's as floats. recipe_blocks.c */
int qfs_recipe_blocks(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                      int64_t count, uint8_t *out) QFS_MUST_USE;
int qfs_recipe_fp4(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                   int64_t count, float *out) QFS_MUST_USE;

#endif
