/* Private to the arch room: tensors that are pairs of matrices, as convert_lora_to_gguf.py's
 * LoraTorchTensor: what is done to the product B @ A is done to A or to B instead. */
#ifndef QUANTFS_ARCH_LORA_H
#define QUANTFS_ARCH_LORA_H

#include "converter.h"

static inline bool qfs_is_lora(const struct qfs_recipe *a)
{
    return a && a->op == QFS_OP_LORA;
}

/* The operations of recipe.c, for operands that are pairs. */
const struct qfs_recipe *qfs_lora_pair(struct qfs_converter *c, const struct qfs_recipe *a,
                                       const struct qfs_recipe *b);
const struct qfs_recipe *qfs_lora_reshape(struct qfs_converter *c, const struct qfs_recipe *pair,
                                          int ndim, const int64_t *shape);
const struct qfs_recipe *qfs_lora_swapaxes(struct qfs_converter *c, const struct qfs_recipe *pair,
                                           int i, int j);
const struct qfs_recipe *qfs_lora_cut(struct qfs_converter *c, const struct qfs_recipe *pair,
                                      int axis, int64_t first, int64_t count, int64_t step);
const struct qfs_recipe *qfs_lora_join(struct qfs_converter *c,
                                       const struct qfs_recipe *const *pairs, size_t count,
                                       bool stack);
const struct qfs_recipe *qfs_lora_unary(struct qfs_converter *c, enum qfs_op op,
                                        const struct qfs_recipe *pair, double number);

/* get_tensors: sets c->tensors. */
int qfs_lora_tensors(struct qfs_converter *c);
/* set_gguf_parameters */
int qfs_lora_keys(struct qfs_converter *c);
/* get_total_parameter_count's first, as a positive number: weights of the products. */
uint64_t qfs_lora_parameters(const struct qfs_conversion *out);

#endif
