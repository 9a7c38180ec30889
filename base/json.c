/* A recursive-descent JSON reader with Python's meaning (see quantfs/base.h).
 *
 * Values are built bottom up: the items of an open array or object wait on one stack that the whole
 * parse shares, and are copied into the arena, exactly sized, when their bracket closes. So a
 * tokenizer.json of 28 MB costs its values once and no reallocation leaves holes behind. */
#include "quantfs/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 500, INDEXED_OBJECT = 16 };

struct parser {
    struct qfs_arena *arena;
    const char *text, *at, *end, *shown;
    struct qfs_error *error;
    struct qfs_json_member *stack; /* pending members; arrays use only .value */
    size_t stack_size, stack_capacity;
};

static int fail(struct parser *p, const char *what)
{
    size_t line = 1;
    const char *start = p->text;
    for (const char *c = p->text; c < p->at; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    return qfs_fail(p->error, EINVAL, "%s: line %zu column %zu: %s", p->shown, line,
                    (size_t)(p->at - start) + 1, what);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t'))
        p->at++;
}

static char *put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xC0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *to++ = (char)(0xE0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    } else {
        *to++ = (char)(0xF0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3F));
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    return to;
}

/* The four hex digits at p->at; -1 if they are not there. */
static int32_t hex4(const struct parser *p, const char *at)
{
    int32_t value = 0;
    if (p->end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* p->at is behind the opening quote. */
static int parse_string(struct parser *p, struct qfs_text *ret)
{
    const char *start = p->at, *c = p->at;
    bool plain = true;
    for (; c < p->end && *c != '"'; c++) {
        if (*c == '\\') {
            plain = false;
            if (++c >= p->end)
                break;
        }
    }
    if (c >= p->end)
        return fail(p, "string is not closed");
    /* No escape makes text longer than its source. */
    char *copy = qfs_arena_copy(p->arena, plain ? start : "", plain ? (size_t)(c - start) : 0);
    if (!plain)
        copy = qfs_arena_alloc(p->arena, (size_t)(c - start) + 1);
    if (!copy)
        return qfs_fail_memory(p->error);
    char *to = copy;
    while (p->at < c) {
        unsigned char byte = (unsigned char)*p->at;
        if (byte < 0x20)
            return fail(p, "control character in a string");
        if (byte != '\\') {
            size_t n = qfs_utf8_length(p->at, (size_t)(c - p->at));
            if (n == 0)
                return fail(p, "invalid UTF-8");
            memmove(to, p->at, n);
            to += n;
            p->at += n;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
        char escape = p->at[1];
        const char *simple = escape ? strchr(from, escape) : NULL;
        if (simple) {
            *to++ = into[simple - from];
            p->at += 2;
            continue;
        }
        int32_t point = escape == 'u' ? hex4(p, p->at + 2) : -1;
        if (point < 0)
            return fail(p, "invalid escape in a string");
        p->at += 6;
        if (point >= 0xD800 && point < 0xDC00 && c - p->at >= 6 && p->at[0] == '\\' &&
            p->at[1] == 'u') {
            int32_t low = hex4(p, p->at + 2);
            if (low >= 0xDC00 && low < 0xE000) {
                point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
                p->at += 6;
            }
        }
        to = put_utf8(to, (uint32_t)point);
    }
    *to = 0;
    p->at = c + 1;
    if ((size_t)(to - copy) > UINT32_MAX)
        return fail(p, "string is longer than 4 GiB");
    *ret = (struct qfs_text){copy, (size_t)(to - copy)};
    return 0;
}

static int parse_number(struct parser *p, struct qfs_json *ret)
{
    const char *start = p->at, *c = p->at;
    bool whole = true;
    if (*c == '-')
        c++;
    if (c >= p->end || *c < '0' || *c > '9')
        return fail(p, "expected a value");
    if (*c == '0')
        c++;
    else
        while (c < p->end && *c >= '0' && *c <= '9')
            c++;
    if (c + 1 < p->end && *c == '.' && c[1] >= '0' && c[1] <= '9') {
        whole = false;
        for (c++; c < p->end && *c >= '0' && *c <= '9'; c++)
            ;
    }
    if (c < p->end && (*c == 'e' || *c == 'E')) {
        const char *e = c + 1;
        if (e < p->end && (*e == '+' || *e == '-'))
            e++;
        if (e < p->end && *e >= '0' && *e <= '9') {
            whole = false;
            for (c = e; c < p->end && *c >= '0' && *c <= '9'; c++)
                ;
        }
    }
    size_t size = (size_t)(c - start);
    if (size > 4000) /* Python refuses integers of more than 4300 digits */
        return fail(p, "number has too many digits");
    char small[4001];
    memcpy(small, start, size);
    small[size] = 0;
    p->at = c;
    if (whole) {
        errno = 0;
        long long value = strtoll(small, NULL, 10);
        if (errno == 0) {
            ret->kind = QFS_JSON_INT;
            ret->integer = value;
            return 0;
        }
        ret->big = true;
    }
    ret->kind = QFS_JSON_REAL;
    ret->real = strtod(small, NULL);
    return 0;
}

static bool word(struct parser *p, const char *literal)
{
    size_t size = strlen(literal);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, literal, size) != 0)
        return false;
    p->at += size;
    return true;
}

static int push(struct parser *p, const struct qfs_json_member *member)
{
    if (p->stack_size == p->stack_capacity) {
        size_t capacity = p->stack_capacity ? p->stack_capacity * 2 : 256;
        void *stack = realloc(p->stack, capacity * sizeof(*p->stack));
        if (!stack)
            return qfs_fail_memory(p->error);
        p->stack = stack;
        p->stack_capacity = capacity;
    }
    p->stack[p->stack_size++] = *member;
    return 0;
}

/* Python's dict: the last value of a repeated key, at the place of the first. Works in place on the
 * `count` members from `base`; returns how many are left, or -ENOMEM. */
static ptrdiff_t unify(struct qfs_json_member *members, size_t count)
{
    size_t kept = 0;
    struct qfs_map seen = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t where = kept;
        bool known = false;
        if (count <= INDEXED_OBJECT) {
            for (where = 0; where < kept && !known; where += !known)
                known = qfs_text_equal(members[where].key, members[i].key);
        } else {
            known = qfs_map_get(&seen, members[i].key, &where);
            if (!known && qfs_map_set(&seen, members[i].key, kept) < 0) {
                qfs_map_done(&seen);
                return -ENOMEM;
            }
        }
        if (known)
            members[where].value = members[i].value;
        else
            members[kept++] = members[i];
    }
    qfs_map_done(&seen);
    return (ptrdiff_t)kept;
}

static int parse_value(struct parser *p, struct qfs_json *ret, int depth);

static int parse_array(struct parser *p, struct qfs_json *ret, int depth)
{
    size_t base = p->stack_size;
    int rc;
    skip_space(p);
    if (p->at < p->end && *p->at == ']') {
        p->at++;
    } else {
        for (;;) {
            struct qfs_json_member item = {0};
            if ((rc = parse_value(p, &item.value, depth + 1)) < 0 || (rc = push(p, &item)) < 0)
                return rc;
            skip_space(p);
            if (p->at < p->end && *p->at == ',') {
                p->at++;
                continue;
            }
            if (p->at < p->end && *p->at == ']') {
                p->at++;
                break;
            }
            return fail(p, "expected ',' or ']'");
        }
    }
    size_t count = p->stack_size - base;
    if (count > UINT32_MAX)
        return fail(p, "array has too many items");
    ret->kind = QFS_JSON_ARRAY;
    ret->count = (uint32_t)count;
    ret->items = qfs_arena_array(p->arena, count, sizeof(*ret->items));
    if (!ret->items)
        return qfs_fail_memory(p->error);
    for (size_t i = 0; i < count; i++)
        ret->items[i] = p->stack[base + i].value;
    p->stack_size = base;
    return 0;
}

static int parse_object(struct parser *p, struct qfs_json *ret, int depth)
{
    size_t base = p->stack_size;
    int rc;
    skip_space(p);
    if (p->at < p->end && *p->at == '}') {
        p->at++;
    } else {
        for (;;) {
            struct qfs_json_member member = {0};
            skip_space(p);
            if (p->at >= p->end || *p->at != '"')
                return fail(p, "expected a key in double quotes");
            p->at++;
            if ((rc = parse_string(p, &member.key)) < 0)
                return rc;
            skip_space(p);
            if (p->at >= p->end || *p->at != ':')
                return fail(p, "expected ':'");
            p->at++;
            if ((rc = parse_value(p, &member.value, depth + 1)) < 0 || (rc = push(p, &member)) < 0)
                return rc;
            skip_space(p);
            if (p->at < p->end && *p->at == ',') {
                p->at++;
                continue;
            }
            if (p->at < p->end && *p->at == '}') {
                p->at++;
                break;
            }
            return fail(p, "expected ',' or '}'");
        }
    }
    size_t found = p->stack_size - base;
    ptrdiff_t count =
        found ? unify(p->stack + base, found) : 0; /* no stack yet: no pointer to add to */
    if (count < 0)
        return qfs_fail_memory(p->error);
    if (count > (ptrdiff_t)UINT32_MAX)
        return fail(p, "object has too many members");
    ret->kind = QFS_JSON_OBJECT;
    ret->count = (uint32_t)count;
    ret->repeated = (size_t)count < found;
    ret->members = qfs_arena_array(p->arena, (size_t)count, sizeof(*ret->members));
    if (!ret->members)
        return qfs_fail_memory(p->error);
    if (count)
        memcpy(ret->members, p->stack + base, (size_t)count * sizeof(*ret->members));
    p->stack_size = base;
    return 0;
}

static int parse_value(struct parser *p, struct qfs_json *ret, int depth)
{
    if (depth > DEPTH_LIMIT)
        return fail(p, "nested too deeply");
    skip_space(p);
    if (p->at >= p->end)
        return fail(p, "expected a value");
    switch (*p->at) {
    case '{':
        p->at++;
        return parse_object(p, ret, depth);
    case '[':
        p->at++;
        return parse_array(p, ret, depth);
    case '"': {
        struct qfs_text text;
        p->at++;
        int rc = parse_string(p, &text);
        if (rc < 0)
            return rc;
        ret->kind = QFS_JSON_STRING;
        ret->string = text.data;
        ret->count = (uint32_t)text.size;
        return 0;
    }
    default:
        break;
    }
    ret->kind = QFS_JSON_REAL;
    if (word(p, "null"))
        ret->kind = QFS_JSON_NULL;
    else if (word(p, "true"))
        ret->kind = QFS_JSON_TRUE;
    else if (word(p, "false"))
        ret->kind = QFS_JSON_FALSE;
    else if (word(p, "NaN"))
        ret->real = NAN;
    else if (word(p, "Infinity"))
        ret->real = INFINITY;
    else if (word(p, "-Infinity"))
        ret->real = -INFINITY;
    else
        return parse_number(p, ret);
    return 0;
}

int qfs_json_parse(struct qfs_arena *arena, const char *text, size_t size, const char *shown,
                   const struct qfs_json **ret_value, struct qfs_error *error)
{
    struct parser p = {.arena = arena,
                       .text = text,
                       .at = text,
                       .end = text + size,
                       .shown = shown,
                       .error = error};
    struct qfs_json *value = qfs_arena_alloc(arena, sizeof(*value));
    int rc = value ? parse_value(&p, value, 0) : qfs_fail_memory(error);
    if (rc == 0) {
        skip_space(&p);
        if (p.at < p.end)
            rc = fail(&p, "text follows the end of the JSON value");
    }
    free(p.stack);
    if (rc == 0)
        *ret_value = value;
    return rc;
}

int qfs_json_read(struct qfs_arena *arena, int dir_fd, const char *path, size_t limit,
                  const char *shown, const struct qfs_json **ret_value, struct qfs_error *error)
{
    char *text;
    size_t size;
    int rc = qfs_file_read(dir_fd, path, limit, shown, &text, &size, error);
    if (rc < 0)
        return rc;
    rc = qfs_json_parse(arena, text, size, shown, ret_value, error);
    free(text);
    return rc;
}

const struct qfs_json *qfs_json_get(const struct qfs_json *object, const char *key)
{
    if (!qfs_json_is(object, QFS_JSON_OBJECT))
        return NULL;
    for (uint32_t i = 0; i < object->count; i++)
        if (qfs_text_is(object->members[i].key, key))
            return &object->members[i].value;
    return NULL;
}

const struct qfs_json *qfs_json_at(const struct qfs_json *array, size_t index)
{
    return qfs_json_is(array, QFS_JSON_ARRAY) && index < array->count ? &array->items[index] : NULL;
}

bool qfs_json_is(const struct qfs_json *value, enum qfs_json_kind kind)
{
    return value && value->kind == kind;
}

bool qfs_json_is_null(const struct qfs_json *value)
{
    return !value || value->kind == QFS_JSON_NULL;
}

bool qfs_json_is_number(const struct qfs_json *value)
{
    return value && (value->kind == QFS_JSON_INT || value->kind == QFS_JSON_REAL);
}

bool qfs_json_is_bool(const struct qfs_json *value)
{
    return value && (value->kind == QFS_JSON_TRUE || value->kind == QFS_JSON_FALSE);
}

bool qfs_json_truthy(const struct qfs_json *value)
{
    if (!value)
        return false;
    switch (value->kind) {
    case QFS_JSON_TRUE:
    case QFS_JSON_OTHER:
        return true;
    case QFS_JSON_INT:
        return value->integer != 0;
    case QFS_JSON_REAL:
        return value->real != 0;
    case QFS_JSON_STRING:
    case QFS_JSON_ARRAY:
    case QFS_JSON_OBJECT:
        return value->count != 0;
    default:
        return false;
    }
}

struct qfs_text qfs_json_text(const struct qfs_json *value)
{
    if (!qfs_json_is(value, QFS_JSON_STRING))
        return (struct qfs_text){NULL, 0};
    return (struct qfs_text){value->string, value->count};
}

const char *qfs_json_string(const struct qfs_json *value)
{
    if (!qfs_json_is(value, QFS_JSON_STRING) || memchr(value->string, 0, value->count))
        return NULL;
    return value->string;
}

bool qfs_json_int(const struct qfs_json *value, int64_t *ret_integer)
{
    if (qfs_json_is_bool(value))
        *ret_integer = value->kind == QFS_JSON_TRUE;
    else if (qfs_json_is(value, QFS_JSON_INT))
        *ret_integer = value->integer;
    else
        return false;
    return true;
}

bool qfs_json_real(const struct qfs_json *value, double *ret_real)
{
    int64_t integer;
    if (qfs_json_int(value, &integer))
        *ret_real = (double)integer;
    else if (qfs_json_is(value, QFS_JSON_REAL))
        *ret_real = value->real;
    else
        return false;
    return true;
}
