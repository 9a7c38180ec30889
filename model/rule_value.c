/* Python's values: equality, truth, containers, str(). */
#include "rule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_LIMIT = 512 << 20 };

const struct rule_value qfs_rule_nil = {.kind = VALUE_NIL};

struct rule_value qfs_rule_raise(struct rule_machine *m, const char *exception)
{
    if (m->state != RULE_FAILED && m->state != RULE_RAISED) {
        m->state = RULE_RAISED;
        m->exception = exception;
    }
    return qfs_rule_nil;
}

struct rule_value qfs_rule_fail(struct rule_machine *m, const char *format, ...)
{
    if (m->state != RULE_FAILED) {
        va_list args;
        va_start(args, format);
        m->error.code = ENOTSUP;
        vsnprintf(m->error.text, sizeof(m->error.text), format, args);
        va_end(args);
        m->state = RULE_FAILED;
    }
    return qfs_rule_nil;
}

struct rule_value qfs_rule_bool(bool value)
{
    return (struct rule_value){.kind = VALUE_BOOL, .integer = value};
}

struct rule_value qfs_rule_int(int64_t value)
{
    return (struct rule_value){.kind = VALUE_INT, .integer = value};
}

struct rule_value qfs_rule_real(double value)
{
    return (struct rule_value){.kind = VALUE_REAL, .real = value};
}

struct rule_value qfs_rule_string(struct qfs_text text)
{
    return (struct rule_value){.kind = VALUE_STRING, .text = text};
}

/* Grows an array in the arena to hold one more; the old one is left behind. */
static void *grow(struct rule_machine *m, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t bigger = *capacity ? *capacity * 2 : 8;
    void *more = m->arena.used > MEMORY_LIMIT ? NULL : qfs_arena_array(&m->arena, bigger, size);
    if (!more) {
        qfs_rule_fail(m, "it asks for more memory than a configuration may take");
        return NULL;
    }
    if (count)
        memcpy(more, items, count * size);
    *capacity = bigger;
    return more;
}

struct rule_value qfs_rule_new_list(struct rule_machine *m, enum rule_kind kind)
{
    struct rule_value value = {.kind = kind};
    value.list = qfs_arena_alloc(&m->arena, sizeof(*value.list));
    return value.list ? value : qfs_rule_fail(m, "out of memory");
}

struct rule_value qfs_rule_new_dict(struct rule_machine *m, enum rule_kind kind)
{
    struct rule_value value = {.kind = kind};
    value.dict = qfs_arena_alloc(&m->arena, sizeof(*value.dict));
    return value.dict ? value : qfs_rule_fail(m, "out of memory");
}

void qfs_rule_push(struct rule_machine *m, struct rule_list *list, struct rule_value value)
{
    struct rule_value *items = grow(m, list->items, list->count, &list->capacity, sizeof(value));
    if (!items)
        return;
    list->items = items;
    list->items[list->count++] = value;
}

bool qfs_rule_is_number(struct rule_value value)
{
    return value.kind == VALUE_BOOL || value.kind == VALUE_INT || value.kind == VALUE_BIG ||
           value.kind == VALUE_REAL;
}

double qfs_rule_number(struct rule_value value)
{
    return value.kind == VALUE_REAL || value.kind == VALUE_BIG ? value.real : (double)value.integer;
}

bool qfs_rule_truthy(struct rule_value value)
{
    switch (value.kind) {
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
    case VALUE_INT:
        return value.integer != 0;
    case VALUE_REAL:
        return value.real != 0;
    case VALUE_STRING:
        return value.text.size != 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return value.list->count != 0;
    case VALUE_SET:
    case VALUE_DICT:
        return value.dict->count != 0;
    default:
        return true;
    }
}

bool qfs_rule_is(struct rule_value a, struct rule_value b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_LIST:
    case VALUE_TUPLE:
        return a.list == b.list;
    case VALUE_SET:
    case VALUE_DICT:
        return a.dict == b.dict;
    case VALUE_OBJECT:
        return a.object == b.object;
    default:
        return qfs_rule_equal(a, b);
    }
}

static bool lists_equal(const struct rule_list *a, const struct rule_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!qfs_rule_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool dicts_equal(const struct rule_dict *a, const struct rule_dict *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct rule_value *other = qfs_rule_find(b, a->entries[i].key);
        if (!other || !qfs_rule_equal(a->entries[i].value, *other))
            return false;
    }
    return true;
}

bool qfs_rule_equal(struct rule_value a, struct rule_value b)
{
    if (qfs_rule_is_number(a) && qfs_rule_is_number(b)) {
        bool whole = (a.kind == VALUE_BOOL || a.kind == VALUE_INT) &&
                     (b.kind == VALUE_BOOL || b.kind == VALUE_INT);
        return whole ? a.integer == b.integer : qfs_rule_number(a) == qfs_rule_number(b);
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_STRING:
    case VALUE_DTYPE:
    case VALUE_BUILTIN:
        return qfs_text_equal(a.text, b.text);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return lists_equal(a.list, b.list);
    case VALUE_SET:
    case VALUE_DICT:
        return dicts_equal(a.dict, b.dict);
    case VALUE_OBJECT:
        return a.object == b.object || (a.object->cls == b.object->cls &&
                                        dicts_equal(&a.object->attributes, &b.object->attributes));
    case VALUE_CLASS:
        return a.cls == b.cls;
    default:
        return a.kind == VALUE_NIL;
    }
}

/* Equal values have equal hashes, whatever their kinds: 1 == 1.0 == True. */
static uint64_t hash(struct rule_value value)
{
    if (qfs_rule_is_number(value)) {
        double number = qfs_rule_number(value) + 0.0; /* -0.0 is 0.0 */
        return qfs_hash64(&number, sizeof(number));
    }
    if (value.kind == VALUE_STRING || value.kind == VALUE_DTYPE || value.kind == VALUE_BUILTIN)
        return qfs_hash64(value.text.data, value.text.size);
    return value.kind;
}

struct rule_value *qfs_rule_find(const struct rule_dict *dict, struct rule_value key)
{
    uint64_t wanted = hash(key);
    for (size_t i = 0; i < dict->count; i++)
        if (dict->entries[i].hash == wanted && qfs_rule_equal(dict->entries[i].key, key))
            return &dict->entries[i].value;
    return NULL;
}

struct rule_value *qfs_rule_find_text(const struct rule_dict *dict, struct qfs_text key)
{
    return qfs_rule_find(dict, qfs_rule_string(key));
}

void qfs_rule_put(struct rule_machine *m, struct rule_dict *dict, struct rule_value key,
                  struct rule_value value)
{
    struct rule_value *known = qfs_rule_find(dict, key);
    if (known) {
        *known = value;
        return;
    }
    if (key.kind == VALUE_LIST || key.kind == VALUE_DICT || key.kind == VALUE_SET) {
        qfs_rule_raise(m, "TypeError"); /* unhashable */
        return;
    }
    struct rule_entry *entries =
        grow(m, dict->entries, dict->count, &dict->capacity, sizeof(*entries));
    if (!entries)
        return;
    dict->entries = entries;
    dict->entries[dict->count++] =
        (struct rule_entry){.key = key, .value = value, .hash = hash(key)};
}

bool qfs_rule_remove(struct rule_dict *dict, struct rule_value key)
{
    struct rule_value *value = qfs_rule_find(dict, key);
    if (!value)
        return false;
    size_t at = (size_t)((struct rule_entry *)((char *)value - offsetof(struct rule_entry, value)) -
                         dict->entries);
    memmove(&dict->entries[at], &dict->entries[at + 1],
            (--dict->count - at) * sizeof(*dict->entries));
    return true;
}

struct rule_list qfs_rule_items(struct rule_machine *m, struct rule_value value)
{
    struct rule_list list = {0};
    switch (value.kind) {
    case VALUE_LIST:
    case VALUE_TUPLE:
        for (size_t i = 0; i < value.list->count; i++)
            qfs_rule_push(m, &list, value.list->items[i]);
        break;
    case VALUE_SET:
    case VALUE_DICT:
    case VALUE_OBJECT: {
        const struct rule_dict *dict =
            value.kind == VALUE_OBJECT ? &value.object->attributes : value.dict;
        for (size_t i = 0; i < dict->count; i++)
            if (value.kind != VALUE_OBJECT ||
                !qfs_rule_is_per_layer(value, dict->entries[i].key.text))
                qfs_rule_push(m, &list, dict->entries[i].key);
        break;
    }
    case VALUE_STRING:
        for (size_t i = 0, n; i < value.text.size; i += n) {
            n = qfs_utf8_length(value.text.data + i, value.text.size - i);
            if (n == 0) /* a lone surrogate, three bytes */
                n = QFS_MIN((size_t)3, value.text.size - i);
            qfs_rule_push(m, &list, qfs_rule_string((struct qfs_text){value.text.data + i, n}));
        }
        break;
    default:
        qfs_rule_raise(m, "TypeError");
    }
    return list;
}

static void put_text(struct qfs_buffer *out, struct qfs_text text)
{
    qfs_buffer_append(out, text.data, text.size);
}

/* The shortest digits that read back as the same number, as Python's repr gives them. */
static void put_real(struct qfs_buffer *out, double value)
{
    char digits[40];
    if (isnan(value) || isinf(value)) {
        qfs_buffer_text(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof(digits), "%.*e", precision - 1, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    char *e = strchr(digits, 'e');
    int exponent = atoi(e + 1);
    if (exponent < -4 || exponent >= 16) {
        *e = 0;
        qfs_buffer_printf(out, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    int ndigits = (int)(e - digits) - (*digits == '-') - (strchr(digits, '.') != NULL);
    int decimals = ndigits - 1 - exponent;
    qfs_buffer_printf(out, "%.*f", decimals < 1 ? 1 : decimals, value);
}

struct qfs_text qfs_rule_str(struct rule_machine *m, struct rule_value value)
{
    struct qfs_buffer out = {0};
    switch (value.kind) {
    case VALUE_STRING:
        return value.text;
    case VALUE_NIL:
        return QFS_TEXT("None");
    case VALUE_BOOL:
        return value.integer ? QFS_TEXT("True") : QFS_TEXT("False");
    case VALUE_INT:
        qfs_buffer_printf(&out, "%lld", (long long)value.integer);
        break;
    case VALUE_REAL:
        put_real(&out, value.real);
        break;
    case VALUE_DTYPE:
        qfs_buffer_text(&out, "torch.");
        put_text(&out, value.text);
        break;
    default:
        qfs_rule_fail(m, "it makes a text of a value that has none here");
    }
    char *copy = qfs_arena_copy(&m->arena, (char *)out.data, out.size);
    struct qfs_text text = {copy, out.size};
    bool bad = out.failed || !copy;
    qfs_buffer_done(&out);
    if (bad) {
        qfs_rule_fail(m, "out of memory");
        return QFS_TEXT("");
    }
    return text;
}

struct rule_value qfs_rule_deep_copy(struct rule_machine *m, struct rule_value value)
{
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (value.kind == VALUE_LIST || value.kind == VALUE_TUPLE) {
        struct rule_value copy = qfs_rule_new_list(m, value.kind);
        for (size_t i = 0; qfs_rule_ok(m) && i < value.list->count; i++)
            qfs_rule_push(m, copy.list, qfs_rule_deep_copy(m, value.list->items[i]));
        return copy;
    }
    const struct rule_dict *from = value.kind == VALUE_DICT || value.kind == VALUE_SET ? value.dict
                                   : value.kind == VALUE_OBJECT ? &value.object->attributes
                                                                : NULL;
    if (!from)
        return value;
    struct rule_dict *to;
    if (value.kind == VALUE_OBJECT) {
        struct rule_object *object = qfs_arena_alloc(&m->arena, sizeof(*object));
        if (!object)
            return qfs_rule_fail(m, "out of memory");
        object->cls = value.object->cls;
        value.object = object;
        to = &object->attributes;
    } else {
        value = qfs_rule_new_dict(m, value.kind);
        if (!qfs_rule_ok(m))
            return qfs_rule_nil;
        to = value.dict;
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < from->count; i++)
        qfs_rule_put(m, to, from->entries[i].key, qfs_rule_deep_copy(m, from->entries[i].value));
    return value;
}
