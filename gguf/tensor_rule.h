/* --tensor-type: which tensors get which type, whatever the mixture says. */
#ifndef QUANTFS_GGUF_TENSOR_RULE_H
#define QUANTFS_GGUF_TENSOR_RULE_H

#include "pattern.h"
#include "quantfs/gguf.h"

struct qfs_tensor_rule {
    struct qfs_pattern *pattern;
    enum qfs_type type;
};

/* "REGEX=type": up to the first '=', lower-cased as llama-quantize does. -EINVAL with a sentence.
 * Free with qfs_tensor_rule_done. */
int qfs_tensor_rule_parse(const char *string, struct qfs_tensor_rule *ret_rule,
                          struct qfs_error *error) QFS_MUST_USE;
void qfs_tensor_rule_done(struct qfs_tensor_rule *rule);

#endif
