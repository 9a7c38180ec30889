/* Python's own functions, and the methods of its texts and containers, as far as configuration classes use
 * them: one small function and one row each. */
#include "rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct rule_value builtin_fn(struct rule_machine *m, struct rule_value *args, size_t count);

static bool is_kind(struct rule_value value, enum rule_kind a, enum rule_kind b)
{
    return value.kind == a || value.kind == b;
}

/* -- isinstance -------------------------------------------------------------------------------- */

static bool is_builtin_instance(struct rule_value value, struct qfs_text type)
{
    static const struct {
        const char *type;
        enum rule_kind kinds[3];
    } rows[] = {
        {"int", {VALUE_INT, VALUE_BIG, VALUE_BOOL}},
        {"float", {VALUE_REAL, VALUE_REAL, VALUE_REAL}},
        {"str", {VALUE_STRING, VALUE_STRING, VALUE_STRING}},
        {"bool", {VALUE_BOOL, VALUE_BOOL, VALUE_BOOL}},
        {"list", {VALUE_LIST, VALUE_LIST, VALUE_LIST}},
        {"tuple", {VALUE_TUPLE, VALUE_TUPLE, VALUE_TUPLE}},
        {"dict", {VALUE_DICT, VALUE_DICT, VALUE_DICT}},
        {"set", {VALUE_SET, VALUE_SET, VALUE_SET}},
        {"NoneType", {VALUE_NIL, VALUE_NIL, VALUE_NIL}},
        {"dtype", {VALUE_DTYPE, VALUE_DTYPE, VALUE_DTYPE}},
        {"Sequence", {VALUE_LIST, VALUE_TUPLE, VALUE_STRING}},
    };
    if (qfs_text_is(type, "Iterable"))
        return value.kind >= VALUE_STRING && value.kind <= VALUE_OBJECT;
    for (size_t i = 0; i < QFS_COUNT(rows); i++)
        if (qfs_text_is(type, rows[i].type))
            return value.kind == rows[i].kinds[0] || value.kind == rows[i].kinds[1] ||
                   value.kind == rows[i].kinds[2];
    return qfs_text_is(type, "object");
}

bool qfs_rule_isinstance(struct rule_machine *m, struct rule_value value, struct rule_value type)
{
    if (type.kind == VALUE_TUPLE) {
        for (size_t i = 0; i < type.list->count; i++)
            if (qfs_rule_isinstance(m, value, type.list->items[i]))
                return true;
        return false;
    }
    if (type.kind == VALUE_CLASS)
        return value.kind == VALUE_OBJECT && qfs_rule_derives(value.object->cls, type.cls->name);
    if (type.kind == VALUE_BUILTIN)
        return is_builtin_instance(value, type.text);
    if (type.kind == VALUE_NIL)
        return value.kind == VALUE_NIL;
    qfs_rule_raise(m, "TypeError");
    return false;
}

/* -- functions ------------------------------------------------------------------------------------ */

static struct rule_value fn_isinstance(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_bool(qfs_rule_isinstance(m, a[0], a[1]));
}

static struct rule_value fn_len(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[0].kind == VALUE_OBJECT || a[0].kind == VALUE_NIL)
        return qfs_rule_raise(m, "TypeError");
    return qfs_rule_int((int64_t)qfs_rule_items(m, a[0]).count);
}

static struct rule_value fn_range(struct rule_machine *m, struct rule_value *a, size_t n)
{
    int64_t from = 0, to, step = 1;
    for (size_t i = 0; i < n; i++)
        if (!is_kind(a[i], VALUE_INT, VALUE_BOOL))
            return qfs_rule_raise(m, "TypeError");
    to = a[n > 1].integer;
    if (n > 1)
        from = a[0].integer;
    if (n > 2)
        step = a[2].integer;
    if (step == 0)
        return qfs_rule_raise(m, "ValueError");
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    for (int64_t i = from; qfs_rule_ok(m) && (step > 0 ? i < to : i > to);) {
        qfs_rule_push(m, result.list, qfs_rule_int(i));
        if (!qfs_add(i, step, &i))
            break;
    }
    return result;
}

/* The attribute, with Python's rule that AttributeError inside a property means that there is none. */
static bool attribute(struct rule_machine *m, struct rule_value self, struct rule_value name,
                      struct rule_value *ret)
{
    if (name.kind != VALUE_STRING) {
        qfs_rule_raise(m, "TypeError");
        return false;
    }
    bool found = qfs_rule_get(m, self, name.text, ret);
    if (m->state == RULE_RAISED && m->exception && strcmp(m->exception, "AttributeError") == 0) {
        m->state = RULE_RUNNING;
        return false;
    }
    return found && qfs_rule_ok(m);
}

static struct rule_value fn_getattr(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value value;
    if (attribute(m, a[0], a[1], &value))
        return value;
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    return n > 2 ? a[2] : qfs_rule_raise(m, "AttributeError");
}

static struct rule_value fn_hasattr(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value value;
    return qfs_rule_bool(attribute(m, a[0], a[1], &value));
}

static struct rule_value fn_setattr(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[1].kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    qfs_rule_set(m, a[0], a[1].text, a[2]);
    return qfs_rule_nil;
}

static struct rule_value fn_delattr(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[0].kind != VALUE_OBJECT || !qfs_rule_remove(&a[0].object->attributes, a[1]))
        return qfs_rule_raise(m, "AttributeError");
    return qfs_rule_nil;
}

static struct rule_value as_list(struct rule_machine *m, struct rule_value from,
                                 enum rule_kind kind)
{
    struct rule_value result = qfs_rule_new_list(m, kind);
    struct rule_list items = qfs_rule_items(m, from);
    if (qfs_rule_ok(m))
        *result.list = items;
    return result;
}

static struct rule_value fn_list(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return n ? as_list(m, a[0], VALUE_LIST) : qfs_rule_new_list(m, VALUE_LIST);
}

static struct rule_value fn_tuple(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return n ? as_list(m, a[0], VALUE_TUPLE) : qfs_rule_new_list(m, VALUE_TUPLE);
}

static struct rule_value fn_set(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_dict(m, VALUE_SET);
    struct rule_list items = {0};
    if (n)
        items = qfs_rule_items(m, a[0]);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        qfs_rule_put(m, result.dict, items.items[i], qfs_rule_nil);
    return result;
}

static struct rule_value fn_dict(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_dict(m, VALUE_DICT);
    if (n == 0)
        return result;
    bool dict = a[0].kind == VALUE_DICT;
    struct rule_list items = qfs_rule_items(m, a[0]);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++) {
        if (dict) {
            qfs_rule_put(m, result.dict, items.items[i], *qfs_rule_find(a[0].dict, items.items[i]));
            continue;
        }
        struct rule_list pair = qfs_rule_items(m, items.items[i]);
        if (qfs_rule_ok(m) && pair.count != 2)
            return qfs_rule_raise(m, "ValueError");
        if (qfs_rule_ok(m))
            qfs_rule_put(m, result.dict, pair.items[0], pair.items[1]);
    }
    return result;
}

/* The text without the white space around it, zero-terminated. */
static char *trimmed(struct rule_machine *m, struct qfs_text text)
{
    static const char space[] = " \t\n\r\v\f";
    while (text.size && strchr(space, *text.data) && *text.data)
        text.data++, text.size--;
    while (text.size && strchr(space, text.data[text.size - 1]) && text.data[text.size - 1])
        text.size--;
    return qfs_arena_copy(&m->arena, text.data, text.size);
}

static struct rule_value fn_int(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (n == 0)
        return qfs_rule_int(0);
    if (is_kind(a[0], VALUE_INT, VALUE_BOOL))
        return qfs_rule_int(a[0].integer);
    if (a[0].kind == VALUE_BIG)
        return a[0];
    if (a[0].kind == VALUE_REAL) {
        if (isnan(a[0].real))
            return qfs_rule_raise(m, "ValueError");
        if (isinf(a[0].real))
            return qfs_rule_raise(m, "OverflowError");
        if (fabs(a[0].real) >= 9.2e18)
            return qfs_rule_fail(m, "it computes with numbers of more than 64 bits");
        return qfs_rule_int((int64_t)a[0].real);
    }
    if (a[0].kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    char *text = trimmed(m, a[0].text), *end;
    if (!text)
        return qfs_rule_fail(m, "out of memory");
    const char *digits = text + (*text == '-' || *text == '+');
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*digits < '0' || *digits > '9' || *end)
        return qfs_rule_raise(m, "ValueError");
    return errno ? qfs_rule_fail(m, "it computes with numbers of more than 64 bits")
                 : qfs_rule_int(value);
}

static struct rule_value fn_float(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (n == 0)
        return qfs_rule_real(0);
    if (qfs_rule_is_number(a[0]))
        return qfs_rule_real(qfs_rule_number(a[0]));
    if (a[0].kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    char *text = trimmed(m, a[0].text), *end;
    if (!text)
        return qfs_rule_fail(m, "out of memory");
    double value = strtod(text, &end);
    return end == text || *end ? qfs_rule_raise(m, "ValueError") : qfs_rule_real(value);
}

static struct rule_value fn_str(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_string(n ? qfs_rule_str(m, a[0]) : QFS_TEXT(""));
}

static struct rule_value fn_bool(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_bool(n && qfs_rule_truthy(a[0]));
}

/* The smallest or largest of several arguments or of one iterable. */
static struct rule_value extreme(struct rule_machine *m, struct rule_value *a, size_t n,
                                 enum rule_op op)
{
    struct rule_list items = {.items = a, .count = n};
    if (n == 1)
        items = qfs_rule_items(m, a[0]);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (items.count == 0)
        return qfs_rule_raise(m, "ValueError");
    struct rule_value best = items.items[0];
    for (size_t i = 1; qfs_rule_ok(m) && i < items.count; i++)
        if (qfs_rule_truthy(qfs_rule_compute(m, op, items.items[i], best)))
            best = items.items[i];
    return best;
}

static struct rule_value fn_min(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return extreme(m, a, n, OP_LESS);
}

static struct rule_value fn_max(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return extreme(m, a, n, OP_GREATER);
}

static struct rule_value fold(struct rule_machine *m, struct rule_value from, enum rule_op op,
                              int64_t start)
{
    struct rule_list items = qfs_rule_items(m, from);
    struct rule_value total = qfs_rule_int(start);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        total = qfs_rule_compute(m, op, total, items.items[i]);
    return total;
}

static struct rule_value fn_sum(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return fold(m, a[0], OP_ADD, 0);
}

static struct rule_value fn_prod(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return fold(m, a[0], OP_MULTIPLY, 1);
}

static struct rule_value fn_any(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[0]);
    for (size_t i = 0; i < items.count; i++)
        if (qfs_rule_truthy(items.items[i]))
            return qfs_rule_bool(true);
    return qfs_rule_bool(false);
}

static struct rule_value fn_all(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[0]);
    for (size_t i = 0; i < items.count; i++)
        if (!qfs_rule_truthy(items.items[i]))
            return qfs_rule_bool(false);
    return qfs_rule_bool(true);
}

static void push_pair(struct rule_machine *m, struct rule_list *list, struct rule_value a,
                      struct rule_value b)
{
    struct rule_value pair = qfs_rule_new_list(m, VALUE_TUPLE);
    if (!qfs_rule_ok(m))
        return;
    qfs_rule_push(m, pair.list, a);
    qfs_rule_push(m, pair.list, b);
    qfs_rule_push(m, list, pair);
}

static struct rule_value fn_zip(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list first = qfs_rule_items(m, a[0]), second = qfs_rule_items(m, a[1]);
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    for (size_t i = 0; qfs_rule_ok(m) && i < first.count && i < second.count; i++)
        push_pair(m, result.list, first.items[i], second.items[i]);
    return result;
}

static struct rule_value fn_enumerate(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[0]);
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    int64_t start = n > 1 && a[1].kind == VALUE_INT ? a[1].integer : 0;
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        push_pair(m, result.list, qfs_rule_int(start + (int64_t)i), items.items[i]);
    return result;
}

static struct rule_value fn_sorted(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = as_list(m, a[0], VALUE_LIST);
    for (size_t i = 1; qfs_rule_ok(m) && i < result.list->count; i++) { /* stable insertion */
        struct rule_value item = result.list->items[i];
        size_t k = i;
        while (k &&
               qfs_rule_truthy(qfs_rule_compute(m, OP_LESS, item, result.list->items[k - 1]))) {
            result.list->items[k] = result.list->items[k - 1];
            k--;
        }
        result.list->items[k] = item;
    }
    return result;
}

static struct rule_value fn_reversed(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    struct rule_list items = qfs_rule_items(m, a[0]);
    for (size_t i = items.count; qfs_rule_ok(m) && i > 0; i--)
        qfs_rule_push(m, result.list, items.items[i - 1]);
    return result;
}

static struct rule_value fn_next(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[0]);
    if (items.count)
        return items.items[0];
    return n > 1 ? a[1] : qfs_rule_raise(m, "StopIteration");
}

static struct rule_value fn_deep_copy(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_deep_copy(m, a[0]);
}

static struct rule_value fn_copy(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[0].kind != VALUE_OBJECT)
        return qfs_rule_fail(m, "it copies a value");
    struct rule_object *object = qfs_arena_alloc(&m->arena, sizeof(*object));
    if (!object)
        return qfs_rule_fail(m, "out of memory");
    const struct rule_dict *from = &a[0].object->attributes;
    object->cls = a[0].object->cls;
    for (size_t i = 0; qfs_rule_ok(m) && i < from->count; i++)
        qfs_rule_put(m, &object->attributes, from->entries[i].key, from->entries[i].value);
    return (struct rule_value){.kind = VALUE_OBJECT, .object = object};
}

static struct rule_value rounded(struct rule_machine *m, struct rule_value a,
                                 double (*round)(double))
{
    if (is_kind(a, VALUE_INT, VALUE_BOOL))
        return qfs_rule_int(a.integer);
    if (a.kind != VALUE_REAL)
        return qfs_rule_raise(m, "TypeError");
    struct rule_value whole = qfs_rule_real(round(a.real));
    return fn_int(m, &whole, 1);
}

static struct rule_value fn_ceil(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return rounded(m, a[0], ceil);
}

static struct rule_value fn_floor(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return rounded(m, a[0], floor);
}

static struct rule_value fn_sqrt(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (!qfs_rule_is_number(a[0]))
        return qfs_rule_raise(m, "TypeError");
    double value = qfs_rule_number(a[0]);
    return value < 0 ? qfs_rule_raise(m, "ValueError") : qfs_rule_real(sqrt(value));
}

static struct rule_value fn_log2(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (!qfs_rule_is_number(a[0]))
        return qfs_rule_raise(m, "TypeError");
    double value = qfs_rule_number(a[0]);
    return value <= 0 ? qfs_rule_raise(m, "ValueError") : qfs_rule_real(log2(value));
}

static struct rule_value fn_isfinite(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_is_number(a[0]) ? qfs_rule_bool(isfinite(qfs_rule_number(a[0])))
                                    : qfs_rule_raise(m, "TypeError");
}

static struct rule_value fn_type(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[0].kind == VALUE_OBJECT)
        return (struct rule_value){.kind = VALUE_CLASS, .cls = a[0].object->cls};
    return qfs_rule_fail(m, "it asks for a value's type");
}

/* getattr(torch, name): the types that torch has under that name. */
static struct rule_value fn_dtype(struct rule_machine *m, struct rule_value *a, size_t n)
{
    const struct rule_row *row = qfs_rule_row(qfs_rule_dtypes, a[0].text);
    if (!row)
        return qfs_rule_raise(m, "AttributeError");
    return (struct rule_value){.kind = VALUE_DTYPE, .text = qfs_text_of(row->text)};
}

/* inspect.signature(class.__init__).parameters.keys() */
static struct rule_value fn_parameters(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    if (a[0].kind != VALUE_CLASS)
        return qfs_rule_raise(m, "TypeError");
    qfs_rule_push(m, result.list, qfs_rule_string(QFS_TEXT("self")));
    for (size_t i = 0; qfs_rule_ok(m) && i < a[0].cls->nfields; i++)
        qfs_rule_push(m, result.list, qfs_rule_string(a[0].cls->fields[i].name));
    return result;
}

static struct rule_value fn_set_property(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[0].kind != VALUE_CLASS || a[1].kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    qfs_rule_set_property(m, a[0].cls, a[2], a[1].text, a[3]);
    return qfs_rule_nil;
}

static const struct {
    const char *name;
    uint8_t least, most; /* arguments */
    builtin_fn *run;
} builtins[] = {
    {"isinstance", 2, 2, fn_isinstance},
    {"len", 1, 1, fn_len},
    {"range", 1, 3, fn_range},
    {"getattr", 2, 3, fn_getattr},
    {"hasattr", 2, 2, fn_hasattr},
    {"setattr", 3, 3, fn_setattr},
    {"delattr", 2, 2, fn_delattr},
    {"list", 0, 1, fn_list},
    {"tuple", 0, 1, fn_tuple},
    {"set", 0, 1, fn_set},
    {"dict", 0, 1, fn_dict},
    {"int", 0, 1, fn_int},
    {"float", 0, 1, fn_float},
    {"str", 0, 1, fn_str},
    {"bool", 0, 1, fn_bool},
    {"min", 1, 9, fn_min},
    {"max", 1, 9, fn_max},
    {"sum", 1, 1, fn_sum},
    {"any", 1, 1, fn_any},
    {"all", 1, 1, fn_all},
    {"zip", 2, 2, fn_zip},
    {"enumerate", 1, 2, fn_enumerate},
    {"sorted", 1, 1, fn_sorted},
    {"reversed", 1, 1, fn_reversed},
    {"next", 1, 2, fn_next},
    {"type", 1, 1, fn_type},
    {"copy.deepcopy", 1, 1, fn_deep_copy},
    {"copy.copy", 1, 1, fn_copy},
    {"math.ceil", 1, 1, fn_ceil},
    {"math.floor", 1, 1, fn_floor},
    {"math.sqrt", 1, 1, fn_sqrt},
    {"math.log2", 1, 1, fn_log2},
    {"math.prod", 1, 1, fn_prod},
    {"math.isfinite", 1, 1, fn_isfinite},
    {"torch.dtype", 1, 1, fn_dtype},
    {"parameters", 1, 1, fn_parameters},
    {"set_property", 4, 4, fn_set_property},
};

struct rule_value qfs_rule_builtin(struct rule_machine *m, struct qfs_text name,
                                   const struct rule_args *args)
{
    if (qfs_text_is(name, "dict") && args->named.count) { /* dict(x, key=value) */
        struct rule_value result = fn_dict(m, args->list.items, args->list.count);
        for (size_t i = 0; qfs_rule_ok(m) && i < args->named.count; i++)
            qfs_rule_put(m, result.dict, args->named.entries[i].key, args->named.entries[i].value);
        return result;
    }
    for (size_t i = 0; i < QFS_COUNT(builtins); i++)
        if (qfs_text_is(name, builtins[i].name)) {
            if (args->list.count < builtins[i].least || args->list.count > builtins[i].most)
                return qfs_rule_raise(m, "TypeError");
            if (args->named.count)
                break;
            return builtins[i].run(m, args->list.items, args->list.count);
        }
    return qfs_rule_fail(m, "it calls %.*s, which this version does not know", (int)name.size,
                         name.data);
}

/* -- methods: a[0] is the object ------------------------------------------------------------------ */

static struct rule_value dict_get(struct rule_machine *m, struct rule_value *a, size_t n)
{
    const struct rule_value *found = qfs_rule_find(a[0].dict, a[1]);
    return found ? *found : n > 2 ? a[2] : qfs_rule_nil;
}

static struct rule_value dict_pop(struct rule_machine *m, struct rule_value *a, size_t n)
{
    const struct rule_value *found = qfs_rule_find(a[0].dict, a[1]);
    if (!found)
        return n > 2 ? a[2] : qfs_rule_raise(m, "KeyError");
    struct rule_value value = *found;
    qfs_rule_remove(a[0].dict, a[1]);
    return value;
}

static struct rule_value dict_setdefault(struct rule_machine *m, struct rule_value *a, size_t n)
{
    const struct rule_value *found = qfs_rule_find(a[0].dict, a[1]);
    if (found)
        return *found;
    struct rule_value value = n > 2 ? a[2] : qfs_rule_nil;
    qfs_rule_put(m, a[0].dict, a[1], value);
    return value;
}

static struct rule_value dict_keys(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return as_list(m, a[0], VALUE_LIST);
}

static struct rule_value dict_values(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    for (size_t i = 0; qfs_rule_ok(m) && i < a[0].dict->count; i++)
        qfs_rule_push(m, result.list, a[0].dict->entries[i].value);
    return result;
}

static struct rule_value dict_items(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    for (size_t i = 0; qfs_rule_ok(m) && i < a[0].dict->count; i++)
        push_pair(m, result.list, a[0].dict->entries[i].key, a[0].dict->entries[i].value);
    return result;
}

static struct rule_value dict_update(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value from = n > 1 ? fn_dict(m, &a[1], 1) : qfs_rule_new_dict(m, VALUE_DICT);
    for (size_t i = 0; qfs_rule_ok(m) && i < from.dict->count; i++)
        qfs_rule_put(m, a[0].dict, from.dict->entries[i].key, from.dict->entries[i].value);
    return qfs_rule_nil;
}

static struct rule_value dict_copy(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return fn_dict(m, a, 1);
}

static struct rule_value list_append(struct rule_machine *m, struct rule_value *a, size_t n)
{
    qfs_rule_push(m, a[0].list, a[1]);
    return qfs_rule_nil;
}

static struct rule_value list_extend(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[1]);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        qfs_rule_push(m, a[0].list, items.items[i]);
    return qfs_rule_nil;
}

static struct rule_value list_index(struct rule_machine *m, struct rule_value *a, size_t n)
{
    for (size_t i = 0; i < a[0].list->count; i++)
        if (qfs_rule_equal(a[0].list->items[i], a[1]))
            return qfs_rule_int((int64_t)i);
    return qfs_rule_raise(m, "ValueError");
}

static struct rule_value list_count(struct rule_machine *m, struct rule_value *a, size_t n)
{
    int64_t count = 0;
    for (size_t i = 0; i < a[0].list->count; i++)
        count += qfs_rule_equal(a[0].list->items[i], a[1]);
    return qfs_rule_int(count);
}

static struct rule_value list_copy(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return as_list(m, a[0], VALUE_LIST);
}

static struct rule_value set_add(struct rule_machine *m, struct rule_value *a, size_t n)
{
    qfs_rule_put(m, a[0].dict, a[1], qfs_rule_nil);
    return qfs_rule_nil;
}

static struct rule_value set_isdisjoint(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[1]);
    for (size_t i = 0; i < items.count; i++)
        if (qfs_rule_find(a[0].dict, items.items[i]))
            return qfs_rule_bool(false);
    return qfs_rule_bool(true);
}

static struct rule_value set_difference(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_compute(m, OP_SUBTRACT, a[0], fn_set(m, &a[1], 1));
}

static struct rule_value set_difference_update(struct rule_machine *m, struct rule_value *a,
                                               size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[1]);
    for (size_t i = 0; i < items.count; i++)
        qfs_rule_remove(a[0].dict, items.items[i]);
    return qfs_rule_nil;
}

static struct rule_value set_update(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[1]);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        qfs_rule_put(m, a[0].dict, items.items[i], qfs_rule_nil);
    return qfs_rule_nil;
}

static struct rule_value set_discard(struct rule_machine *m, struct rule_value *a, size_t n)
{
    qfs_rule_remove(a[0].dict, a[1]);
    return qfs_rule_nil;
}

static struct rule_value string_zfill(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (a[1].kind != VALUE_INT)
        return qfs_rule_raise(m, "TypeError");
    size_t width = a[1].integer > (int64_t)a[0].text.size ? (size_t)a[1].integer : a[0].text.size;
    char *copy = width > 4096 ? NULL : qfs_arena_alloc(&m->arena, width + 1);
    if (!copy)
        return qfs_rule_fail(m, "out of memory");
    memset(copy, '0', width);
    memcpy(copy + width - a[0].text.size, a[0].text.data, a[0].text.size);
    return qfs_rule_string((struct qfs_text){copy, width});
}

static struct rule_value string_split(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST);
    if (n < 2 || a[1].kind != VALUE_STRING || a[1].text.size == 0)
        return qfs_rule_fail(m, "it splits a text at white space");
    struct qfs_text rest = a[0].text, by = a[1].text;
    while (qfs_rule_ok(m)) {
        const char *hit = memmem(rest.data, rest.size, by.data, by.size);
        size_t size = hit ? (size_t)(hit - rest.data) : rest.size;
        qfs_rule_push(m, result.list, qfs_rule_string((struct qfs_text){rest.data, size}));
        if (!hit)
            break;
        rest.data = hit + by.size;
        rest.size -= size + by.size;
    }
    return result;
}

static struct rule_value string_strip(struct rule_machine *m, struct rule_value *a, size_t n)
{
    if (n > 1)
        return qfs_rule_fail(m, "it strips characters of its choice");
    char *text = trimmed(m, a[0].text);
    return text ? qfs_rule_string(qfs_text_of(text)) : qfs_rule_fail(m, "out of memory");
}

static struct rule_value recased(struct rule_machine *m, struct qfs_text text, char first,
                                 char last)
{
    char *copy = qfs_arena_copy(&m->arena, text.data, text.size);
    if (!copy)
        return qfs_rule_fail(m, "out of memory");
    for (size_t i = 0; i < text.size; i++) {
        if (copy[i] & 0x80)
            return qfs_rule_fail(m, "it changes the case of a text that is not ASCII");
        if (copy[i] >= first && copy[i] <= last)
            copy[i] ^= 0x20;
    }
    return qfs_rule_string((struct qfs_text){copy, text.size});
}

static struct rule_value string_lower(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return recased(m, a[0].text, 'A', 'Z');
}

static struct rule_value string_upper(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return recased(m, a[0].text, 'a', 'z');
}

/* Whether the text has its argument (or one of a tuple of them) at its start or end. */
static struct rule_value affix(struct rule_machine *m, struct qfs_text text, struct rule_value what,
                               bool at_end)
{
    if (what.kind == VALUE_TUPLE) {
        struct rule_value any = qfs_rule_bool(false);
        for (size_t i = 0; qfs_rule_ok(m) && !any.integer && i < what.list->count; i++)
            any = affix(m, text, what.list->items[i], at_end);
        return any;
    }
    if (what.kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    if (what.text.size > text.size)
        return qfs_rule_bool(false);
    const char *at = at_end ? text.data + text.size - what.text.size : text.data;
    return qfs_rule_bool(what.text.size == 0 || memcmp(at, what.text.data, what.text.size) == 0);
}

static struct rule_value string_startswith(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return affix(m, a[0].text, a[1], false);
}

static struct rule_value string_endswith(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return affix(m, a[0].text, a[1], true);
}

static struct rule_value string_join(struct rule_machine *m, struct rule_value *a, size_t n)
{
    struct rule_list items = qfs_rule_items(m, a[1]);
    struct rule_value result = qfs_rule_string(QFS_TEXT(""));
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++) {
        if (i)
            result = qfs_rule_compute(m, OP_ADD, result, a[0]);
        result = qfs_rule_compute(m, OP_ADD, result, items.items[i]);
    }
    return result;
}

static struct rule_value real_is_integer(struct rule_machine *m, struct rule_value *a, size_t n)
{
    return qfs_rule_bool(isfinite(a[0].real) && floor(a[0].real) == a[0].real);
}

static const struct {
    enum rule_kind kind;
    const char *name;
    uint8_t least, most; /* arguments, the object included */
    builtin_fn *run;
} methods[] = {
    {VALUE_DICT, "get", 2, 3, dict_get},
    {VALUE_DICT, "pop", 2, 3, dict_pop},
    {VALUE_DICT, "setdefault", 2, 3, dict_setdefault},
    {VALUE_DICT, "keys", 1, 1, dict_keys},
    {VALUE_DICT, "values", 1, 1, dict_values},
    {VALUE_DICT, "items", 1, 1, dict_items},
    {VALUE_DICT, "update", 1, 2, dict_update},
    {VALUE_DICT, "copy", 1, 1, dict_copy},
    {VALUE_LIST, "append", 2, 2, list_append},
    {VALUE_LIST, "extend", 2, 2, list_extend},
    {VALUE_LIST, "index", 2, 2, list_index},
    {VALUE_LIST, "count", 2, 2, list_count},
    {VALUE_LIST, "copy", 1, 1, list_copy},
    {VALUE_TUPLE, "index", 2, 2, list_index},
    {VALUE_TUPLE, "count", 2, 2, list_count},
    {VALUE_SET, "add", 2, 2, set_add},
    {VALUE_SET, "isdisjoint", 2, 2, set_isdisjoint},
    {VALUE_SET, "difference", 2, 2, set_difference},
    {VALUE_SET, "difference_update", 2, 2, set_difference_update},
    {VALUE_SET, "update", 2, 2, set_update},
    {VALUE_SET, "discard", 2, 2, set_discard},
    {VALUE_STRING, "zfill", 2, 2, string_zfill},
    {VALUE_STRING, "split", 1, 2, string_split},
    {VALUE_STRING, "strip", 1, 2, string_strip},
    {VALUE_STRING, "lower", 1, 1, string_lower},
    {VALUE_STRING, "upper", 1, 1, string_upper},
    {VALUE_STRING, "startswith", 2, 2, string_startswith},
    {VALUE_STRING, "endswith", 2, 2, string_endswith},
    {VALUE_STRING, "join", 2, 2, string_join},
    {VALUE_REAL, "is_integer", 1, 1, real_is_integer},
};

/* Methods that Python's types have and no row above: using one is this interpreter's limit. Anything else
 * is a Python AttributeError, as when a configuration has a text where a dict belongs. */
static bool exists_in_python(struct rule_value self, struct qfs_text name)
{
    static const struct {
        enum rule_kind kind;
        const char *names;
    } rows[] = {
        {VALUE_STRING,
         " replace rsplit lstrip rstrip format find rfind index count title capitalize "
         "isdigit isalpha isdecimal partition rpartition removeprefix "
         "removesuffix splitlines encode casefold "},
        {VALUE_LIST, " insert pop remove reverse sort clear "},
        {VALUE_DICT, " clear popitem fromkeys "},
        {VALUE_SET, " copy remove union intersection issubset issuperset pop clear "},
        {VALUE_INT, " bit_length to_bytes is_integer "},
    };
    char wanted[64];
    if (name.size > 60)
        return false;
    wanted[0] = ' ';
    memcpy(wanted + 1, name.data, name.size);
    memcpy(wanted + 1 + name.size, " ", 2);
    for (size_t i = 0; i < QFS_COUNT(rows); i++)
        if (rows[i].kind == self.kind && strstr(rows[i].names, wanted))
            return true;
    return false;
}

struct rule_value qfs_rule_method(struct rule_machine *m, struct rule_value self,
                                  struct qfs_text name, const struct rule_args *args)
{
    struct rule_list all = {0};
    for (size_t i = 0; i < QFS_COUNT(methods); i++) {
        if (methods[i].kind != self.kind || !qfs_text_is(name, methods[i].name))
            continue;
        if (args->list.count + 1 < methods[i].least || args->list.count + 1 > methods[i].most)
            return qfs_rule_raise(m, "TypeError");
        if (args->named.count)
            return qfs_rule_fail(m, "it names arguments of %s", methods[i].name);
        if (self.kind == VALUE_DICT && args->list.count && strcmp(methods[i].name, "update") &&
            (args->list.items[0].kind == VALUE_LIST || args->list.items[0].kind == VALUE_DICT))
            return qfs_rule_raise(m, "TypeError"); /* unhashable */
        qfs_rule_push(m, &all, self);
        for (size_t k = 0; k < args->list.count; k++)
            qfs_rule_push(m, &all, args->list.items[k]);
        return qfs_rule_ok(m) ? methods[i].run(m, all.items, all.count) : qfs_rule_nil;
    }
    if (exists_in_python(self, name))
        return qfs_rule_fail(m, "it calls the method %.*s, which this version does not know",
                             (int)name.size, name.data);
    return qfs_rule_raise(m, "AttributeError");
}
