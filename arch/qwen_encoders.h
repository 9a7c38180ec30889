/* Private to the arch room: parts of Qwen's vision and audio encoders that the models with both
 * put together. */
#ifndef QUANTFS_ARCH_QWEN_ENCODERS_H
#define QUANTFS_ARCH_QWEN_ENCODERS_H

#include "converter.h"

/* What the class does beyond its parent: to the configuration, tensors, keys. qwen_vision.c */
int qfs_qwen2vl_begin(struct qfs_converter *c);
int qfs_qwen2vl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid);
int qfs_qwen2vl_put(struct qfs_converter *c);
int qfs_qwen3vl_begin(struct qfs_converter *c);
int qfs_qwen3vl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid);
int qfs_qwen3vl_put(struct qfs_converter *c);

#endif
