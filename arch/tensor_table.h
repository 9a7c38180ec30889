/* Private to the arch room: tensor names as the converter's tables have them (generated). */
#ifndef QUANTFS_ARCH_TENSOR_TABLE_H
#define QUANTFS_ARCH_TENSOR_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { QFS_NO_TENSOR = 0xFFFF };

/* Source names that match `pattern` ("{bid}" stands for the layer) become tensor number `tensor`.
 */
struct qfs_name_rule {
    const char *pattern;
    uint16_t tensor;
};

struct qfs_arch_tensors {
    const char *arch;        /* "llama" */
    const uint16_t *tensors; /* tensors this architecture has; ends with QFS_NO_TENSOR */
    const struct qfs_name_rule
        *replace; /* rules that replace all layer rules of their tensor, or NULL */
};

extern const char *const qfs_tensor_names[]; /* by tensor number: "blk.{bid}.attn_q" */
extern const size_t qfs_tensor_name_count;
extern const struct qfs_name_rule qfs_name_rules[];      /* ends with pattern NULL */
extern const struct qfs_arch_tensors qfs_arch_tensors[]; /* ends with arch NULL */

#endif
