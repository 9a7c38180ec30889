/* Normalizers, one after the other over the whole text. */
#include "../charsmap.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_mark(uint32_t c, bool nonspacing_only)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_MN ||
           (!nonspacing_only &&
            (category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME));
}

/* Control characters in BERT's wide sense. */
static bool is_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CS;
}

static bool is_chinese(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
        {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F},
    };
    for (size_t i = 0; i < QFS_COUNT(ranges); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

static bool nmt_removes(uint32_t c)
{
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           c == 0x8F || c == 0x9F;
}

static bool nmt_space(uint32_t c)
{
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

static void lowercase(struct qfs_text text, struct qfs_buffer *out)
{
    for (size_t at = 0; at < text.size;) {
        uint32_t c = qfs_utf8_next(text, &at);
        if (c == 0x130) /* the one letter whose small form is two characters */
            qfs_buffer_text(out, "i\xCC\x87");
        else
            qfs_buffer_point(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
}

static int unicode_form(struct qfs_text text, int options, struct qfs_buffer *out,
                        struct qfs_error *error)
{
    utf8proc_uint8_t *result = NULL;
    utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, &result,
                     (utf8proc_option_t)(options | UTF8PROC_STABLE));
    if (size >= 0)
        qfs_buffer_append(out, result, (size_t)size);
    free(result);
    return size >= 0 ? 0 : qfs_fail(error, EINVAL, "a text of the tokenizer is no valid Unicode");
}

/* BertNormalizer, in its order. */
static int bert(const struct qfs_step *step, struct qfs_text text, struct qfs_buffer *out,
                struct qfs_error *error)
{
    struct qfs_buffer a = {0}, b = {0};
    int rc = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t c = qfs_utf8_next(text, &at);
        if (step->clean_text) {
            if (c == 0 || c == 0xFFFD || is_control(c))
                continue;
            if (qfs_rust_space(c))
                c = ' ';
        }
        bool chinese = step->chinese && is_chinese(c);
        if (chinese)
            qfs_buffer_point(&a, ' ');
        qfs_buffer_point(&a, c);
        if (chinese)
            qfs_buffer_point(&a, ' ');
    }
    text = (struct qfs_text){(const char *)a.data, a.size};
    if (step->strip_accents) {
        rc = unicode_form(text, UTF8PROC_DECOMPOSE, &b, error);
        a.size = 0;
        text = (struct qfs_text){(const char *)b.data, b.size};
        for (size_t at = 0; at < text.size;) {
            uint32_t c = qfs_utf8_next(text, &at);
            if (!is_mark(c, true))
                qfs_buffer_point(&a, c);
        }
        text = (struct qfs_text){(const char *)a.data, a.size};
    }
    if (step->lowercase)
        lowercase(text, out);
    else
        qfs_buffer_append(out, text.data, text.size);
    out->failed = out->failed || a.failed || b.failed;
    qfs_buffer_done(&a);
    qfs_buffer_done(&b);
    return rc;
}

static int replace(const struct qfs_step *step, struct qfs_text text, struct qfs_buffer *out,
                   struct qfs_error *error)
{
    struct qfs_spans spans = {0};
    int rc = qfs_regex_spans(step->regex, text, &spans, error);
    for (size_t i = 0; i < spans.count && rc == 0; i++) {
        const struct qfs_span *span = &spans.items[i];
        if (span->match)
            qfs_buffer_append(out, step->text.data, step->text.size);
        else
            qfs_buffer_append(out, text.data + span->start, span->end - span->start);
    }
    qfs_spans_done(&spans);
    return rc;
}

static void strip(const struct qfs_step *step, struct qfs_text text, struct qfs_buffer *out)
{
    size_t start = 0, end = 0;
    for (size_t at = 0; step->left && at < text.size; start = at)
        if (!qfs_rust_space(qfs_utf8_next(text, &at)))
            break;
    for (size_t at = start; at < text.size;)
        if (!qfs_rust_space(qfs_utf8_next(text, &at)))
            end = at;
    if (!step->right)
        end = text.size;
    if (end > start)
        qfs_buffer_append(out, text.data + start, end - start);
}

static int apply(const struct qfs_step *step, struct qfs_text text, struct qfs_buffer *out,
                 struct qfs_error *error)
{
    switch (step->kind) {
    case QFS_STEP_NFC:
        return unicode_form(text, UTF8PROC_COMPOSE, out, error);
    case QFS_STEP_NFD:
        return unicode_form(text, UTF8PROC_DECOMPOSE, out, error);
    case QFS_STEP_NFKC:
        return unicode_form(text, UTF8PROC_COMPOSE | UTF8PROC_COMPAT, out, error);
    case QFS_STEP_NFKD:
        return unicode_form(text, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, out, error);
    case QFS_STEP_BERT_NORMALIZER:
        return bert(step, text, out, error);
    case QFS_STEP_REPLACE:
        return replace(step, text, out, error);
    case QFS_STEP_PRECOMPILED: {
        struct qfs_charsmap map;
        if (!qfs_charsmap_open(step->text, &map))
            return qfs_fail(error, EINVAL, "the tokenizer's normalization rules are broken");
        qfs_charsmap_normalize(&map, text, out);
        return 0;
    }
    case QFS_STEP_LOWERCASE:
        lowercase(text, out);
        return 0;
    case QFS_STEP_STRIP_SPACES:
        strip(step, text, out);
        return 0;
    case QFS_STEP_PREPEND:
        if (text.size)
            qfs_buffer_append(out, step->text.data, step->text.size);
        qfs_buffer_append(out, text.data, text.size);
        return 0;
    case QFS_STEP_BYTE_LEVEL:
        for (size_t i = 0; i < text.size; i++)
            qfs_buffer_point(out, qfs_byte_character((uint8_t)text.data[i]));
        return 0;
    case QFS_STEP_STRIP_ACCENTS:
    case QFS_STEP_NMT:
        for (size_t at = 0; at < text.size;) {
            uint32_t c = qfs_utf8_next(text, &at);
            if (step->kind == QFS_STEP_NMT ? nmt_removes(c) : is_mark(c, false))
                continue;
            qfs_buffer_point(out, step->kind == QFS_STEP_NMT && nmt_space(c) ? ' ' : c);
        }
        return 0;
    default:
        return qfs_fail(error, EINVAL, "a step of the tokenizer's normalizer is no normalizer");
    }
}

int qfs_normalize(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_text *ret_text,
                  struct qfs_error *error)
{
    struct qfs_buffer out = {0};
    int rc = 0;
    for (size_t i = 0; i < t->normalizers.count && rc == 0; i++) {
        out.size = 0;
        rc = apply(&t->normalizers.items[i], text, &out, error);
        if (rc == 0 && out.failed)
            rc = qfs_fail_memory(error);
        if (rc == 0) {
            text.data = qfs_arena_copy(&t->scratch, (const char *)out.data, out.size);
            text.size = out.size;
            if (!text.data)
                rc = qfs_fail_memory(error);
        }
    }
    qfs_buffer_done(&out);
    if (rc == 0)
        *ret_text = text;
    return rc;
}
