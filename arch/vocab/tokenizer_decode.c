/* Decoders: tokens back to text. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct chain {
    struct qfs_tokenizer *t;
    struct qfs_text *tokens;
    size_t count;
    struct qfs_error *error;
};

/* Keeps what `buffer` holds as a token; NULL data when out of memory. */
static struct qfs_text keep(struct qfs_tokenizer *t, const struct qfs_buffer *buffer)
{
    if (buffer->failed)
        return (struct qfs_text){NULL, 0};
    return (struct qfs_text){qfs_arena_copy(&t->scratch, (const char *)buffer->data, buffer->size),
                             buffer->size};
}

static int one_token(struct chain *c, struct qfs_buffer *buffer)
{
    struct qfs_text text = keep(c->t, buffer);
    if (!text.data)
        return qfs_fail_memory(c->error);
    c->tokens[0] = text; /* there is room for one: see qfs_decode_tokens */
    c->count = 1;
    return 0;
}

/* String::from_utf8_lossy: U+FFFD for each longest part of a character. */
static void append_lossy(const uint8_t *data, size_t size, struct qfs_buffer *out)
{
    for (size_t i = 0; i < size;) {
        size_t n = qfs_utf8_length((const char *)data + i, size - i);
        if (n) {
            qfs_buffer_append(out, data + i, n);
            i += n;
            continue;
        }
        /* Try the character with its missing bytes made up: what of it is there goes together. */
        size_t part = 1;
        for (size_t have = 2; have < 4 && i + have <= size; have++) {
            uint8_t whole[4] = {0x80, 0x80, 0x80, 0x80};
            memcpy(whole, data + i, have);
            size_t length = qfs_utf8_length((const char *)whole, 4);
            if (length > have)
                part = have;
        }
        qfs_buffer_text(out, "\xEF\xBF\xBD");
        i += part;
    }
}

static int byte_value(uint32_t character)
{
    for (int byte = 0; byte < 256; byte++)
        if (qfs_byte_character((uint8_t)byte) == character)
            return byte;
    return -1;
}

static int byte_level(struct chain *c)
{
    struct qfs_buffer bytes = {0}, text = {0};
    for (size_t i = 0; i < c->count; i++) {
        size_t from = bytes.size;
        bool ok = true;
        for (size_t at = 0; at < c->tokens[i].size && ok;) {
            int value = byte_value(qfs_utf8_next(c->tokens[i], &at));
            uint8_t byte = (uint8_t)value;
            ok = value >= 0;
            if (ok)
                qfs_buffer_append(&bytes, &byte, 1);
        }
        if (!ok) { /* not byte-level: as it stands */
            bytes.size = from;
            qfs_buffer_append(&bytes, c->tokens[i].data, c->tokens[i].size);
        }
    }
    append_lossy(bytes.data, bytes.size, &text);
    text.failed = text.failed || bytes.failed;
    int rc = one_token(c, &text);
    qfs_buffer_done(&bytes);
    qfs_buffer_done(&text);
    return rc;
}

static int fallback_byte(struct qfs_text token)
{
    if (token.size != 6 || memcmp(token.data, "<0x", 3) != 0 || token.data[5] != '>')
        return -1;
    int low = qfs_hex_digit(token.data[4]);
    int high =
        token.data[3] == '+' ? 0 : qfs_hex_digit(token.data[3]); /* from_str_radix takes "+a" */
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* A run of byte tokens becomes one token, or one U+FFFD for each where it is no UTF-8. */
static int byte_fallback(struct chain *c)
{
    struct qfs_text bad = QFS_TEXT("\xEF\xBF\xBD");
    size_t kept = 0;
    for (size_t i = 0; i < c->count;) {
        size_t run = 0;
        while (i + run < c->count && fallback_byte(c->tokens[i + run]) >= 0)
            run++;
        if (run == 0) {
            c->tokens[kept++] = c->tokens[i++];
            continue;
        }
        char *bytes = qfs_arena_alloc(&c->t->scratch, run + 1);
        if (!bytes)
            return qfs_fail_memory(c->error);
        for (size_t j = 0; j < run; j++)
            bytes[j] = (char)fallback_byte(c->tokens[i + j]);
        if (qfs_utf8_valid(bytes, run))
            c->tokens[kept++] = (struct qfs_text){bytes, run};
        else
            for (size_t j = 0; j < run; j++)
                c->tokens[kept++] = bad;
        i += run;
    }
    c->count = kept;
    return 0;
}

static int fuse(struct chain *c)
{
    struct qfs_buffer text = {0};
    for (size_t i = 0; i < c->count; i++)
        qfs_buffer_append(&text, c->tokens[i].data, c->tokens[i].size);
    int rc = one_token(c, &text);
    qfs_buffer_done(&text);
    return rc;
}

static int replace_all(struct chain *c, struct qfs_text *token, const char *const (*table)[2],
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *token = qfs_text_replace(&c->t->scratch, *token, table[i][0], table[i][1]);
        if (!token->data)
            return qfs_fail_memory(c->error);
    }
    return 0;
}

static int wordpiece(struct chain *c, const struct qfs_step *step)
{
    static const char *const cleanup[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < c->count; i++) {
        struct qfs_text *token = &c->tokens[i];
        if (i && token->size >= step->text.size &&
            memcmp(token->data, step->text.data, step->text.size) == 0) {
            token->data += step->text.size;
            token->size -= step->text.size;
        } else if (i) {
            char *data = qfs_arena_alloc(&c->t->scratch, token->size + 2);
            if (!data)
                return qfs_fail_memory(c->error);
            data[0] = ' ';
            memcpy(data + 1, token->data, token->size);
            *token = (struct qfs_text){data, token->size + 1};
        }
        int rc = step->cleanup ? replace_all(c, token, cleanup, QFS_COUNT(cleanup)) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Tokens made anew character by character: what `edit` appends for character number `at` of token
 * number `i`. */
static int metaspace(struct chain *c, const struct qfs_step *step)
{
    struct qfs_buffer text = {0};
    int rc = 0;
    for (size_t i = 0; i < c->count && rc == 0; i++) {
        text.size = 0;
        for (size_t at = 0; at < c->tokens[i].size;) {
            size_t start = at;
            if (qfs_utf8_next(c->tokens[i], &at) != step->character)
                qfs_buffer_append(&text, c->tokens[i].data + start, at - start);
            else if (i || step->prepend == QFS_PREPEND_NEVER)
                qfs_buffer_text(&text, " ");
        }
        c->tokens[i] = keep(c->t, &text);
        if (!c->tokens[i].data)
            rc = qfs_fail_memory(c->error);
    }
    qfs_buffer_done(&text);
    return rc;
}

static int replace(struct chain *c, const struct qfs_step *step)
{
    struct qfs_buffer text = {0};
    struct qfs_spans spans = {0};
    int rc = 0;
    for (size_t i = 0; i < c->count && rc == 0; i++) {
        text.size = 0;
        rc = qfs_regex_spans(step->regex, c->tokens[i], &spans, c->error);
        for (size_t j = 0; j < spans.count; j++) {
            const struct qfs_span *span = &spans.items[j];
            if (span->match)
                qfs_buffer_append(&text, step->text.data, step->text.size);
            else
                qfs_buffer_append(&text, c->tokens[i].data + span->start, span->end - span->start);
        }
        if (rc == 0 && !(c->tokens[i] = keep(c->t, &text)).data)
            rc = qfs_fail_memory(c->error);
    }
    qfs_spans_done(&spans);
    qfs_buffer_done(&text);
    return rc;
}

static int strip(struct chain *c, const struct qfs_step *step)
{
    utf8proc_uint8_t bytes[4];
    size_t width = (size_t)utf8proc_encode_char((utf8proc_int32_t)step->character, bytes);
    for (size_t i = 0; i < c->count; i++) {
        struct qfs_text *token = &c->tokens[i];
        for (size_t n = 0;
             n < step->start && token->size >= width && memcmp(token->data, bytes, width) == 0;
             n++) {
            token->data += width;
            token->size -= width;
        }
        for (size_t n = 0; n < step->stop && token->size >= width &&
                           memcmp(token->data + token->size - width, bytes, width) == 0;
             n++)
            token->size -= width;
    }
    return 0;
}

static int bpe(struct chain *c, const struct qfs_step *step)
{
    for (size_t i = 0; i < c->count; i++) {
        const char *suffix = qfs_arena_copy(&c->t->scratch, step->text.data, step->text.size);
        if (!suffix)
            return qfs_fail_memory(c->error);
        if (!*suffix)
            continue;
        c->tokens[i] =
            qfs_text_replace(&c->t->scratch, c->tokens[i], suffix, i + 1 == c->count ? "" : " ");
        if (!c->tokens[i].data)
            return qfs_fail_memory(c->error);
    }
    return 0;
}

static int apply(struct chain *c, const struct qfs_step *step)
{
    switch (step->kind) {
    case QFS_STEP_BYTE_LEVEL:
        return byte_level(c);
    case QFS_STEP_BYTE_FALLBACK:
        return byte_fallback(c);
    case QFS_STEP_FUSE:
        return fuse(c);
    case QFS_STEP_WORDPIECE:
        return wordpiece(c, step);
    case QFS_STEP_METASPACE:
        return metaspace(c, step);
    case QFS_STEP_REPLACE:
        return replace(c, step);
    case QFS_STEP_STRIP_CHARS:
        return strip(c, step);
    case QFS_STEP_BPE_DECODER:
        return bpe(c, step);
    default:
        return qfs_fail(c->error, EINVAL, "a step of the tokenizer's decoder is no decoder");
    }
}

/* clean_up_tokenization of transformers. */
static int clean_up(struct chain *c, struct qfs_text *text)
{
    static const char *const table[][2] = {
        {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
        {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    return replace_all(c, text, table, QFS_COUNT(table));
}

int qfs_decode_tokens(struct qfs_tokenizer *t, struct qfs_text *tokens, size_t count,
                      struct qfs_text *ret_text, struct qfs_error *error)
{
    /* A copy with room for at least one token. */
    struct qfs_text *own = qfs_arena_array(&t->scratch, count + 1, sizeof(*own));
    struct qfs_buffer text = {0};
    struct chain c = {t, own, count, error};
    int rc = 0;
    if (!own)
        return qfs_fail_memory(error);
    if (count)
        memcpy(own, tokens, count * sizeof(*own));
    for (size_t i = 0; i < t->decoders.count && rc == 0; i++)
        rc = apply(&c, &t->decoders.items[i]);
    for (size_t i = 0; i < c.count && rc == 0; i++) {
        if (i && !t->decoders.present)
            qfs_buffer_text(&text, " ");
        qfs_buffer_append(&text, c.tokens[i].data, c.tokens[i].size);
    }
    if (rc == 0) {
        *ret_text = keep(t, &text);
        if (!ret_text->data)
            rc = qfs_fail_memory(error);
        else if (t->clean_up && (t->tokens.kind != QFS_MODEL_BPE || t->clean_up_bpe))
            rc = clean_up(&c, ret_text);
    }
    qfs_buffer_done(&text);
    return rc;
}

struct qfs_text qfs_text_spell(struct qfs_arena *arena, struct qfs_text bytes)
{
    char *text = qfs_arena_alloc(arena, bytes.size * 2 + 1), *to = text;
    for (size_t i = 0; text && i < bytes.size; i++) {
        uint32_t c = qfs_byte_character((uint8_t)bytes.data[i]); /* below U+0144 */
        if (c >= 0x80)
            *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(c < 0x80 ? c : 0x80 | (c & 0x3F));
    }
    return (struct qfs_text){text, text ? (size_t)(to - text) : 0};
}
