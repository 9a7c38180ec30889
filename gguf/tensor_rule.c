#include "tensor_rule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int qfs_tensor_rule_parse(const char *string, struct qfs_tensor_rule *ret_rule,
                          struct qfs_error *error)
{
    struct qfs_tensor_rule rule;
    const char *equals = strchr(string, '=');
    if (!equals || equals == string || !equals[1])
        return qfs_fail(error, EINVAL, "tensor-type '%s' is not REGEX=TYPE", string);
    rule.type = qfs_type_by_name(equals + 1);
    if (rule.type == QFS_TYPE_NONE)
        return qfs_fail(error, EINVAL, "tensor-type '%s' names no tensor type: try q4_K or q8_0",
                        string);
    char *pattern = strndup(string, (size_t)(equals - string));
    if (!pattern)
        return qfs_fail_memory(error);
    for (char *c = pattern; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    int rc = qfs_pattern_compile(pattern, &rule.pattern, error);
    free(pattern);
    if (rc == 0)
        *ret_rule = rule;
    return rc;
}

void qfs_tensor_rule_done(struct qfs_tensor_rule *rule)
{
    qfs_pattern_free(rule->pattern);
    *rule = (struct qfs_tensor_rule){0};
}
