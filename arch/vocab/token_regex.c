#include "token_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct qfs_regex {
    pcre2_code *code;
    pcre2_match_data *matches;
    pcre2_match_context *context;
};

/* A pattern may come from anywhere: no match may take longer than this many steps. */
enum { MATCH_LIMIT = 10000000, HEAP_LIMIT_KIB = 64 << 10 };

int qfs_regex_new(struct qfs_text pattern, bool literal, const char *shown,
                  struct qfs_regex **ret_regex, struct qfs_error *error)
{
    struct qfs_regex *regex = calloc(1, sizeof(*regex));
    struct qfs_buffer text = {0};
    int code = 0, rc = 0;
    size_t where = 0;
    if (!regex)
        return qfs_fail_memory(error);
    if (literal)
        qfs_buffer_append(&text, pattern.data, pattern.size);
    else
        rc = qfs_onig_translate(pattern, &text);
    if (rc == -ENOMEM || text.failed) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    uint32_t options =
        literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE;
    regex->code = rc < 0 ? NULL
                         : pcre2_compile(text.data ? text.data : (PCRE2_SPTR) "", text.size,
                                         options, &code, &where, NULL);
    if (!regex->code) {
        rc = qfs_fail(error, EINVAL, "%s: the regular expression %.*s is not understood", shown,
                      (int)QFS_MIN(pattern.size, (size_t)300), pattern.data);
        goto out;
    }
    regex->matches = pcre2_match_data_create(1, NULL);
    regex->context = pcre2_match_context_create(NULL);
    if (!regex->matches || !regex->context) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    *ret_regex = regex;
    regex = NULL;
    rc = 0;
out:
    qfs_buffer_done(&text);
    qfs_regex_free(regex);
    return rc;
}

void qfs_regex_free(struct qfs_regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->matches);
    pcre2_code_free(regex->code);
    free(regex);
}

void qfs_spans_add(struct qfs_spans *spans, size_t start, size_t end, bool match)
{
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 64;
        struct qfs_span *items =
            spans->failed ? NULL : realloc(spans->items, capacity * sizeof(*items));
        if (!items) {
            spans->failed = true;
            return;
        }
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (struct qfs_span){start, end, match};
}

void qfs_spans_done(struct qfs_spans *spans)
{
    free(spans->items);
    *spans = (struct qfs_spans){0};
}

/* Onig's find_iter: an empty match right behind the last match is passed over by one character. */
int qfs_regex_spans(const struct qfs_regex *regex, struct qfs_text text, struct qfs_spans *spans,
                    struct qfs_error *error)
{
    size_t from = 0, done = 0, last = SIZE_MAX;
    spans->count = 0;
    if (text.size == 0)
        qfs_spans_add(spans, 0, 0, false);
    while (text.size && from <= text.size) {
        int rc = pcre2_match(regex->code, (PCRE2_SPTR)text.data, text.size, from, 0, regex->matches,
                             regex->context);
        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0)
            return qfs_fail(error, EINVAL, "a regular expression of the tokenizer is too complex");
        const size_t *where = pcre2_get_ovector_pointer(regex->matches);
        size_t start = where[0], end = where[1];
        if (start > end)
            return qfs_fail(error, EINVAL, "a regular expression of the tokenizer is too odd");
        if (start == end && end == last) {
            size_t step =
                from < text.size ? qfs_utf8_length(text.data + from, text.size - from) : 1;
            from += step ? step : 1;
            continue;
        }
        if (done != start)
            qfs_spans_add(spans, done, start, false);
        qfs_spans_add(spans, start, end, true);
        done = from = last = end;
    }
    if (done != text.size)
        qfs_spans_add(spans, done, text.size, false);
    return spans->failed ? qfs_fail_memory(error) : 0;
}
