/* _set_vocab_rwkv_world: rwkv_vocab_v20230424.txt, lines of an id, a Python literal and its length in
 * bytes; each token is written as Python prints those bytes. */
#include "vocab.h"

#include <math.h>
#include <string.h>

/* `count` hexadecimal digits (or up to three octal ones) as a number; false where there are too few. */
static bool number(struct qfs_text text, size_t *at, size_t count, unsigned base, uint32_t *ret)
{
    uint32_t value = 0;
    size_t i = 0;
    for (; i < count && *at < text.size; i++, ++*at) {
        int d = qfs_hex_digit(text.data[*at]);
        if (d < 0 || (unsigned)d >= base)
            break;
        value = value * base + (uint32_t)d;
    }
    *ret = value;
    return base == 8 ? i > 0 : i == count;
}

/* A backslash and what follows: 1 done, 0 a character by its number in *ret, -1 malformed. */
static int escape(struct qfs_text text, size_t *at, bool bytes, struct qfs_buffer *out,
                  uint32_t *ret)
{
    static const char plain[] = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";
    char c = text.data[(*at)++];
    if (c == '\n')
        return 1;
    for (size_t i = 0; i + 1 < sizeof(plain); i += 2)
        if (plain[i] == c) {
            qfs_buffer_append(out, &plain[i + 1], 1);
            return 1;
        }
    size_t width = c == 'x' ? 2 : bytes ? 0 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (width)
        return number(text, at, width, 16, ret) && *ret <= 0x10FFFF ? 0 : -1;
    if (c >= '0' && c <= '7') {
        --*at;
        return number(text, at, 3, 8, ret) ? 0 : -1;
    }
    if (!bytes && c == 'N')
        return -1;
    qfs_buffer_text(out, "\\"); /* Python keeps both characters of an escape it does not know */
    qfs_buffer_append(out, &c, 1);
    return 1;
}

/* ast.literal_eval of a text or bytes literal, as bytes. */
static bool literal(struct qfs_text text, struct qfs_buffer *out)
{
    size_t at = 0;
    bool bytes = false, raw = false;
    for (; at < text.size && text.data[at] != '\'' && text.data[at] != '"'; at++) {
        char c = text.data[at];
        if ((c == 'b' || c == 'B') && !bytes)
            bytes = true;
        else if ((c == 'r' || c == 'R') && !raw)
            raw = true;
        else if ((c != 'u' && c != 'U') || at)
            return false;
    }
    if (at + 2 > text.size)
        return false;
    char quote = text.data[at++];
    while (at < text.size && text.data[at] != quote) {
        uint32_t c = 0;
        if (text.data[at] != '\\' || raw) {
            if ((bytes && (text.data[at] & 0x80)) || text.data[at] == '\n')
                return false;
            qfs_buffer_append(out, &text.data[at++], 1);
            continue;
        }
        if (++at == text.size)
            return false;
        int rc = escape(text, &at, bytes, out, &c);
        if (rc < 0 || (rc == 0 && !bytes && c >= 0xD800 && c < 0xE000))
            return false;
        uint8_t byte = (uint8_t)c;
        if (rc == 0 && bytes)
            qfs_buffer_append(out, &byte, 1);
        else if (rc == 0)
            qfs_buffer_point(out, c);
    }
    return at + 1 == text.size;
}

/* repr(bytes)[2:-1] */
static struct qfs_text show_bytes(struct qfs_arena *arena, const struct qfs_buffer *bytes)
{
    bool apostrophe = bytes->size && memchr(bytes->data, '\'', bytes->size);
    char quote = apostrophe && !memchr(bytes->data, '"', bytes->size) ? '"' : '\'';
    char *text = qfs_arena_alloc(arena, bytes->size * 4 + 1), *to = text;
    for (size_t i = 0; text && i < bytes->size; i++) {
        static const char digits[] = "0123456789abcdef";
        uint8_t c = bytes->data[i];
        if (c == '\\' || c == (uint8_t)quote || c == '\t' || c == '\n' || c == '\r') {
            *to++ = '\\';
            *to++ = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : (char)c;
        } else if (c < ' ' || c >= 0x7F) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    return (struct qfs_text){text, text ? (size_t)(to - text) : 0};
}

/* "1 '\x00' 1": the part between the first and the last space. */
static bool split_line(struct qfs_text line, struct qfs_text *ret_literal, int64_t *ret_size)
{
    const char *first = memchr(line.data, ' ', line.size);
    const char *last = memrchr(line.data, ' ', line.size);
    if (!first || last == first)
        return false;
    *ret_literal = (struct qfs_text){first + 1, (size_t)(last - first - 1)};
    return qfs_python_int((struct qfs_text){last + 1, line.size - (size_t)(last + 1 - line.data)},
                          ret_size);
}

static int read_tokens(struct qfs_tokens *tokens, struct qfs_arena *arena,
                       const struct qfs_model *model, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    static const char name[] = "rwkv_vocab_v20230424.txt";
    struct qfs_buffer bytes = {0};
    struct qfs_text text, line;
    size_t size = 0, count = 1;
    int rc;
    if (!qfs_vocab_file_exists(model, name))
        return qfs_fail(error, EINVAL, "%s/%s: there is no such file", model->path, name);
    if ((rc = qfs_vocab_read_text(arena, model, name, &text, error)) < 0 ||
        (rc = qfs_vocab_size(model, hparams, 65536, &size, error)) < 0 ||
        (rc = qfs_tokens_init(tokens, arena, size, NAN, error)) < 0)
        return rc;
    if (size == 0)
        return qfs_fail(error, EINVAL, "%s/config.json: vocab_size is 0", model->path);
    tokens->texts[0] = QFS_TEXT("<s>");
    tokens->types[0] = QFS_TOKEN_CONTROL;
    for (size_t at = 0; rc == 0 && qfs_text_line(text, &at, &line); count++) {
        struct qfs_text shown;
        int64_t length = 0;
        bytes.size = 0;
        if (count >= size)
            rc = qfs_fail(error, EINVAL, "%s/%s: has more tokens than config.json's vocab_size",
                          model->path, name);
        else if (!split_line(line, &shown, &length) || !literal(shown, &bytes) ||
                 length != (int64_t)bytes.size)
            rc = qfs_fail(error, EINVAL, "%s/%s: line %zu is malformed", model->path, name, count);
        else if (bytes.failed || !(shown = show_bytes(arena, &bytes)).data)
            rc = qfs_fail_memory(error);
        else {
            tokens->texts[count] = shown;
            tokens->types[count] = QFS_TOKEN_NORMAL;
        }
    }
    qfs_buffer_done(&bytes);
    return rc;
}

/* special_token_ids[type] = id, at its place where it is there. */
static void override(struct qfs_special_vocab *special, const char *type, int64_t id)
{
    size_t i = 0;
    while (i < special->nids && strcmp(special->ids[i].type, type) != 0)
        i++;
    if (i == QFS_SPECIAL_TYPES)
        return; /* there are fewer types than that */
    special->ids[i] = (struct qfs_special_id){type, id};
    special->nids = QFS_MAX(special->nids, i + 1);
}

int qfs_vocab_rwkv_world(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error)
{
    struct qfs_text text = qfs_vocab_template("llama-cpp-rwkv-world.jinja");
    const struct qfs_json template = {
        .kind = QFS_JSON_STRING, .count = (uint32_t)text.size, .string = text.data};
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    struct qfs_special_vocab special;
    int rc = read_tokens(&tokens, &arena, conversion->model, hparams, error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "rwkv", NULL, error);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &arena, conversion->model, NULL, false, NULL, -1,
                                    error);
    if (rc == 0) {
        if (!special.chat_template)
            special.chat_template = &template;
        rc = qfs_special_vocab_set(&special, "eot", 261, error); /* two newlines */
    }
    if (rc == 0) {
        override(&special, "bos", 0);
        override(&special, "eos", 0);
        rc = qfs_special_vocab_write(&special, conversion, error);
    }
    qfs_arena_done(&arena);
    return rc;
}
