/* Private to the arch room: regular expressions of tokenizers, which are Oniguruma's (Ruby syntax), run
 * by PCRE2. */
#ifndef QUANTFS_ARCH_TOKEN_REGEX_H
#define QUANTFS_ARCH_TOKEN_REGEX_H

#include "quantfs/base.h"

/* The pattern in PCRE2's syntax (UTF and UCP on, multi-line), appended to `out`. -EINVAL when it uses
 * what is not understood. onig_pattern.c */
int qfs_onig_translate(struct qfs_text pattern, struct qfs_buffer *out);

struct qfs_regex;

/* `literal`: the text stands for itself. `shown` names the file in errors. */
int qfs_regex_new(struct qfs_text pattern, bool literal, const char *shown,
                  struct qfs_regex **ret_regex, struct qfs_error *error) QFS_MUST_USE;
void qfs_regex_free(struct qfs_regex *regex);

struct qfs_span {
    size_t start, end;
    bool match;
};

struct qfs_spans {
    struct qfs_span *items;
    size_t count, capacity;
    bool failed; /* out of memory, sticky */
};

void qfs_spans_add(struct qfs_spans *spans, size_t start, size_t end, bool match);
void qfs_spans_done(struct qfs_spans *spans);

/* Matches and what lies between them, covering `text` from end to end, in order; an empty text is one
 * span that does not match. Replaces what `spans` held. Text must be valid UTF-8. */
int qfs_regex_spans(const struct qfs_regex *regex, struct qfs_text text, struct qfs_spans *spans,
                    struct qfs_error *error) QFS_MUST_USE;

#endif
