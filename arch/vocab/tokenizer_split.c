/* Pre-tokenizers: bits of a text into smaller bits. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void qfs_bits_add(struct qfs_bits *bits, struct qfs_bit bit)
{
    if (bit.text.size == 0)
        return;
    if (bits->count == bits->capacity) {
        size_t capacity = bits->capacity ? bits->capacity * 2 : 64;
        struct qfs_bit *items =
            bits->failed ? NULL : realloc(bits->items, capacity * sizeof(*items));
        if (!items) {
            bits->failed = true;
            return;
        }
        bits->items = items;
        bits->capacity = capacity;
    }
    bits->items[bits->count++] = bit;
}

void qfs_bits_done(struct qfs_bits *bits)
{
    free(bits->items);
    *bits = (struct qfs_bits){0};
}

uint32_t qfs_byte_character(uint8_t byte)
{
    if ((byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD))
        return byte;
    /* The others, in order, from U+0100 on: 00–20, 7F–A0, AD. */
    return byte <= 0x20 ? 256u + byte : byte == 0xAD ? 256u + 67 : 256u + 33 + (byte - 0x7Fu);
}

static bool is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
               (c >= 0x7B && c <= 0x7E);
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static bool is_numeric(uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_NO;
}

bool qfs_rust_space(uint32_t c)
{
    return qfs_python_space(c) && !(c >= 0x1C && c <= 0x1F);
}

bool qfs_rust_word(uint32_t c)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) ||
           category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D ||
           (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

/* Spans of single characters that `is` says yes to, and of what lies between them. */
static void character_spans(struct qfs_text text, bool (*is)(uint32_t), uint32_t wanted,
                            struct qfs_spans *spans)
{
    size_t done = 0;
    spans->count = 0;
    for (size_t at = 0; at < text.size;) {
        size_t start = at;
        uint32_t c = qfs_utf8_next(text, &at);
        if (is ? !is(c) : c != wanted)
            continue;
        if (done < start)
            qfs_spans_add(spans, done, start, false);
        qfs_spans_add(spans, start, at, true);
        done = at;
    }
    if (done < text.size || text.size == 0)
        qfs_spans_add(spans, done, text.size, false);
}

/* \w+|[^\w\s]+ */
static void word_spans(struct qfs_text text, struct qfs_spans *spans)
{
    size_t start = 0;
    int previous = -1;
    spans->count = 0;
    for (size_t at = 0; at < text.size;) {
        size_t here = at;
        uint32_t c = qfs_utf8_next(text, &at);
        int kind = qfs_rust_word(c) ? 1 : qfs_rust_space(c) ? 0 : 2;
        if (kind != previous && here > start) {
            qfs_spans_add(spans, start, here, previous != 0);
            start = here;
        }
        previous = kind;
    }
    qfs_spans_add(spans, start, text.size, previous > 0);
}

/* NormalizedString::split: joins spans as `behavior` says. */
static void join(struct qfs_spans *spans, enum qfs_behavior behavior)
{
    struct qfs_span *items = spans->items;
    size_t kept = 0;
    bool previous = false;
    switch (behavior) {
    case QFS_BEHAVIOR_ISOLATED:
        return;
    case QFS_BEHAVIOR_REMOVED:
        for (size_t i = 0; i < spans->count; i++)
            if (!items[i].match)
                items[kept++] = items[i];
        break;
    case QFS_BEHAVIOR_CONTIGUOUS:
    case QFS_BEHAVIOR_MERGED_WITH_PREVIOUS:
        for (size_t i = 0; i < spans->count; i++) {
            struct qfs_span span = items[i];
            bool merge = behavior == QFS_BEHAVIOR_CONTIGUOUS ? span.match == previous
                                                             : span.match && !previous;
            if (merge && kept)
                items[kept - 1].end = span.end;
            else
                items[kept++] = span;
            previous = span.match;
        }
        break;
    case QFS_BEHAVIOR_MERGED_WITH_NEXT: {
        size_t to = spans->count; /* the same from the end, kept at the end */
        for (size_t i = spans->count; i-- > 0;) {
            struct qfs_span span = items[i];
            if (span.match && !previous && to < spans->count)
                items[to].start = span.start;
            else
                items[--to] = span;
            previous = span.match;
        }
        kept = spans->count - to;
        memmove(items, items + to, kept * sizeof(*items));
        break;
    }
    }
    spans->count = kept;
}

static void add_spans(const struct qfs_bit *bit, const struct qfs_spans *spans,
                      struct qfs_bits *out)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct qfs_span *span = &spans->items[i];
        qfs_bits_add(out, (struct qfs_bit){
                              .text = {bit->text.data + span->start, span->end - span->start},
                              .id = -1,
                              .first = bit->first && span->start == 0,
                          });
    }
    out->failed = out->failed || spans->failed;
}

static bool starts_with(struct qfs_text text, uint32_t character)
{
    size_t at = 0;
    return text.size && qfs_utf8_next(text, &at) == character;
}

/* The text with `character` before it, in the scratch arena. */
static int prepend(struct qfs_tokenizer *t, struct qfs_text *text, uint32_t character,
                   struct qfs_error *error)
{
    utf8proc_uint8_t bytes[4];
    size_t width = (size_t)utf8proc_encode_char((utf8proc_int32_t)character, bytes);
    char *data = qfs_arena_alloc(&t->scratch, text->size + width + 1);
    if (!data)
        return qfs_fail_memory(error);
    memcpy(data, bytes, width);
    memcpy(data + width, text->data, text->size);
    *text = (struct qfs_text){data, text->size + width};
    return 0;
}

/* Each byte as its character. */
static int spell(struct qfs_tokenizer *t, struct qfs_bit *bit, struct qfs_error *error)
{
    char *data = qfs_arena_array(&t->scratch, bit->text.size + 1, 2), *to = data;
    if (!data)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < bit->text.size; i++)
        to += utf8proc_encode_char((utf8proc_int32_t)qfs_byte_character((uint8_t)bit->text.data[i]),
                                   (utf8proc_uint8_t *)to);
    bit->text = (struct qfs_text){data, (size_t)(to - data)};
    return 0;
}

static int byte_level(struct qfs_tokenizer *t, const struct qfs_step *step, struct qfs_bit bit,
                      struct qfs_spans *spans, struct qfs_bits *out, struct qfs_error *error)
{
    int rc = 0;
    if (step->add_prefix_space && !starts_with(bit.text, ' '))
        rc = prepend(t, &bit.text, ' ', error);
    size_t from = out->count;
    if (rc == 0 && step->regex) {
        rc = qfs_regex_spans(step->regex, bit.text, spans, error);
        add_spans(&bit, spans, out);
    } else {
        qfs_bits_add(out, bit);
    }
    for (; from < out->count && rc == 0; from++)
        rc = spell(t, &out->items[from], error);
    return rc;
}

static int metaspace(struct qfs_tokenizer *t, const struct qfs_step *step, struct qfs_bit bit,
                     struct qfs_spans *spans, struct qfs_bits *out, struct qfs_error *error)
{
    utf8proc_uint8_t bytes[5] = {0};
    utf8proc_encode_char((utf8proc_int32_t)step->character, bytes);
    bit.text = qfs_text_replace(&t->scratch, bit.text, " ", (const char *)bytes);
    if (!bit.text.data)
        return qfs_fail_memory(error);
    bool wanted =
        step->prepend == QFS_PREPEND_ALWAYS || (step->prepend == QFS_PREPEND_FIRST && bit.first);
    if (wanted && !starts_with(bit.text, step->character)) {
        int rc = prepend(t, &bit.text, step->character, error);
        if (rc < 0)
            return rc;
    }
    if (!step->split) {
        qfs_bits_add(out, bit);
        return 0;
    }
    character_spans(bit.text, NULL, step->character, spans);
    join(spans, QFS_BEHAVIOR_MERGED_WITH_NEXT);
    add_spans(&bit, spans, out);
    return 0;
}

static void fixed_length(const struct qfs_step *step, const struct qfs_bit *bit,
                         struct qfs_spans *spans, struct qfs_bits *out)
{
    size_t start = 0, count = 0;
    spans->count = 0;
    for (size_t at = 0; at < bit->text.size;) {
        qfs_utf8_next(bit->text, &at);
        if (++count == step->start || at == bit->text.size) {
            qfs_spans_add(spans, start, at, false);
            start = at;
            count = 0;
        }
    }
    add_spans(bit, spans, out);
}

static void by_character(const struct qfs_bit *bit, bool (*is)(uint32_t), uint32_t wanted,
                         enum qfs_behavior behavior, struct qfs_spans *spans, struct qfs_bits *out)
{
    character_spans(bit->text, is, wanted, spans);
    join(spans, behavior);
    add_spans(bit, spans, out);
}

static int apply(struct qfs_tokenizer *t, const struct qfs_step *step, const struct qfs_bit *bit,
                 struct qfs_spans *spans, struct qfs_bits *out, struct qfs_error *error)
{
    int rc = 0;
    switch (step->kind) {
    case QFS_STEP_BYTE_LEVEL:
        return byte_level(t, step, *bit, spans, out, error);
    case QFS_STEP_METASPACE:
        return metaspace(t, step, *bit, spans, out, error);
    case QFS_STEP_SPLIT:
        rc = qfs_regex_spans(step->regex, bit->text, spans, error);
        for (size_t i = 0; i < spans->count && step->invert; i++)
            spans->items[i].match = !spans->items[i].match;
        join(spans, step->behavior);
        add_spans(bit, spans, out);
        return rc;
    case QFS_STEP_DIGITS:
        by_character(bit, is_numeric, 0,
                     step->individual ? QFS_BEHAVIOR_ISOLATED : QFS_BEHAVIOR_CONTIGUOUS, spans,
                     out);
        return 0;
    case QFS_STEP_PUNCTUATION:
        by_character(bit, is_punctuation, 0, step->behavior, spans, out);
        return 0;
    case QFS_STEP_CHAR_DELIMITER:
        by_character(bit, NULL, step->character, QFS_BEHAVIOR_REMOVED, spans, out);
        return 0;
    case QFS_STEP_WHITESPACE_SPLIT:
        by_character(bit, qfs_rust_space, 0, QFS_BEHAVIOR_REMOVED, spans, out);
        return 0;
    case QFS_STEP_WHITESPACE:
        word_spans(bit->text, spans);
        for (size_t i = 0; i < spans->count; i++)
            spans->items[i].match = !spans->items[i].match;
        join(spans, QFS_BEHAVIOR_REMOVED);
        add_spans(bit, spans, out);
        return 0;
    case QFS_STEP_FIXED_LENGTH:
        fixed_length(step, bit, spans, out);
        return 0;
    case QFS_STEP_BERT_PRE_TOKENIZER: {
        struct qfs_bits words = {0};
        by_character(bit, qfs_rust_space, 0, QFS_BEHAVIOR_REMOVED, spans, &words);
        for (size_t i = 0; i < words.count; i++)
            by_character(&words.items[i], is_punctuation, 0, QFS_BEHAVIOR_ISOLATED, spans, out);
        out->failed = out->failed || words.failed;
        qfs_bits_done(&words);
        return 0;
    }
    default:
        return qfs_fail(error, EINVAL, "a step of the pre-tokenizer is no pre-tokenizer");
    }
}

int qfs_pre_tokenize(struct qfs_tokenizer *t, struct qfs_bits *bits, struct qfs_error *error)
{
    struct qfs_spans spans = {0};
    int rc = 0;
    for (size_t i = 0; i < t->pre_tokenizers.count && rc == 0; i++) {
        struct qfs_bits out = {0};
        for (size_t j = 0; j < bits->count && rc == 0; j++) {
            if (bits->items[j].id >= 0)
                qfs_bits_add(&out, bits->items[j]);
            else
                rc = apply(t, &t->pre_tokenizers.items[i], &bits->items[j], &spans, &out, error);
        }
        out.failed = out.failed || bits->failed || spans.failed;
        qfs_bits_done(bits);
        *bits = out;
    }
    qfs_spans_done(&spans);
    if (rc == 0 && bits->failed)
        rc = qfs_fail_memory(error);
    return rc;
}
