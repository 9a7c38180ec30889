/* Patterns of --tensor-type: regular expressions with the meaning of C++'s std::regex (ECMAScript,
 * as libstdc++ reads it), which is not quite PCRE2's. */
#ifndef QUANTFS_GGUF_PATTERN_H
#define QUANTFS_GGUF_PATTERN_H

#include "quantfs/base.h"

struct qfs_pattern;

/* -EINVAL with a sentence for what std::regex rejects. Caller owns *ret_pattern. */
int qfs_pattern_compile(const char *source, struct qfs_pattern **ret_pattern,
                        struct qfs_error *error) QFS_MUST_USE;
void qfs_pattern_free(struct qfs_pattern *pattern);

/* 1 when some part of `name` matches, 0 when none does; -E2BIG when that takes too long to find. */
int qfs_pattern_search(const struct qfs_pattern *pattern, const char *name);

#endif
