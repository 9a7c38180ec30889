/* Python's operators. Integers keep 64 bits: what would leave them is refused, not rounded. */
#include "rule.h"

#include <math.h>
#include <string.h>

static bool is_whole(struct rule_value value)
{
    return value.kind == VALUE_INT || value.kind == VALUE_BOOL;
}

static struct rule_value too_large(struct rule_machine *m)
{
    return qfs_rule_fail(m, "it computes with numbers of more than 64 bits");
}

static struct rule_value whole_power(struct rule_machine *m, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    if (exponent < 0)
        return base ? qfs_rule_real(pow((double)base, (double)exponent))
                    : qfs_rule_raise(m, "ZeroDivisionError");
    if (base == 0 || base == 1)
        return qfs_rule_int(exponent ? base : 1);
    for (; exponent > 0; exponent--)
        if (!qfs_mul(result, base, &result))
            return too_large(m);
    return qfs_rule_int(result);
}

static struct rule_value whole(struct rule_machine *m, enum rule_op op, int64_t a, int64_t b)
{
    int64_t result = 0;
    switch (op) {
    case OP_ADD:
        return qfs_add(a, b, &result) ? qfs_rule_int(result) : too_large(m);
    case OP_SUBTRACT:
        return __builtin_sub_overflow(a, b, &result) ? too_large(m) : qfs_rule_int(result);
    case OP_MULTIPLY:
        return qfs_mul(a, b, &result) ? qfs_rule_int(result) : too_large(m);
    case OP_DIVIDE:
        return b ? qfs_rule_real((double)a / (double)b) : qfs_rule_raise(m, "ZeroDivisionError");
    case OP_FLOOR:
    case OP_MODULO:
        if (b == 0)
            return qfs_rule_raise(m, "ZeroDivisionError");
        if (a == INT64_MIN && b == -1)
            return too_large(m);
        result = a % b; /* C truncates, Python floors */
        if (result && (result < 0) != (b < 0))
            result += b;
        return qfs_rule_int(op == OP_MODULO ? result : (a - result) / b);
    case OP_POWER:
        return whole_power(m, a, b);
    case OP_PIPE:
        return qfs_rule_int(a | b);
    case OP_AMPERSAND:
        return qfs_rule_int(a & b);
    case OP_CARET:
        return qfs_rule_int(a ^ b);
    default:
        return qfs_rule_raise(m, "TypeError");
    }
}

static struct rule_value real(struct rule_machine *m, enum rule_op op, double a, double b)
{
    double result;
    switch (op) {
    case OP_ADD:
        return qfs_rule_real(a + b);
    case OP_SUBTRACT:
        return qfs_rule_real(a - b);
    case OP_MULTIPLY:
        return qfs_rule_real(a * b);
    case OP_DIVIDE:
        return b != 0 ? qfs_rule_real(a / b) : qfs_rule_raise(m, "ZeroDivisionError");
    case OP_FLOOR:
    case OP_MODULO:
        if (b == 0)
            return qfs_rule_raise(m, "ZeroDivisionError");
        result = fmod(a, b);
        if (result != 0 && (result < 0) != (b < 0))
            result += b;
        return qfs_rule_real(op == OP_MODULO ? result : floor((a - result) / b + 0.5));
    case OP_POWER:
        return qfs_rule_real(pow(a, b));
    default:
        return qfs_rule_raise(m, "TypeError");
    }
}

static struct rule_value joined(struct rule_machine *m, struct rule_value a, struct rule_value b)
{
    if (a.kind == VALUE_STRING) {
        char *copy = qfs_arena_alloc(&m->arena, a.text.size + b.text.size + 1);
        if (!copy)
            return qfs_rule_fail(m, "out of memory");
        if (a.text.size)
            memcpy(copy, a.text.data, a.text.size);
        if (b.text.size)
            memcpy(copy + a.text.size, b.text.data, b.text.size);
        return qfs_rule_string((struct qfs_text){copy, a.text.size + b.text.size});
    }
    struct rule_value result = qfs_rule_new_list(m, a.kind);
    for (size_t i = 0; qfs_rule_ok(m) && i < a.list->count; i++)
        qfs_rule_push(m, result.list, a.list->items[i]);
    for (size_t i = 0; qfs_rule_ok(m) && i < b.list->count; i++)
        qfs_rule_push(m, result.list, b.list->items[i]);
    return result;
}

static struct rule_value repeated(struct rule_machine *m, struct rule_value a, int64_t times)
{
    struct rule_value result;
    if (a.kind == VALUE_STRING)
        return qfs_rule_fail(m, "it repeats a text");
    result = qfs_rule_new_list(m, a.kind);
    if (a.list->count == 0)
        return result;
    for (int64_t k = 0; qfs_rule_ok(m) && k < times; k++)
        for (size_t i = 0; qfs_rule_ok(m) && i < a.list->count; i++)
            qfs_rule_push(m, result.list, a.list->items[i]);
    return result;
}

/* a | b, a & b, a - b, a ^ b of sets; a | b of dicts. */
static struct rule_value merged(struct rule_machine *m, enum rule_op op, struct rule_value a,
                                struct rule_value b)
{
    struct rule_value result = qfs_rule_new_dict(m, a.kind);
    for (size_t i = 0; qfs_rule_ok(m) && i < a.dict->count; i++) {
        bool both = qfs_rule_find(b.dict, a.dict->entries[i].key) != NULL;
        if (op == OP_PIPE || both == (op == OP_AMPERSAND))
            qfs_rule_put(m, result.dict, a.dict->entries[i].key, a.dict->entries[i].value);
    }
    for (size_t i = 0; (op == OP_PIPE || op == OP_CARET) && qfs_rule_ok(m) && i < b.dict->count;
         i++)
        if (op == OP_PIPE || !qfs_rule_find(a.dict, b.dict->entries[i].key))
            qfs_rule_put(m, result.dict, b.dict->entries[i].key, b.dict->entries[i].value);
    return result;
}

static int compare_texts(struct qfs_text a, struct qfs_text b)
{
    size_t common = QFS_MIN(a.size, b.size);
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool ordered(enum rule_op op, int order)
{
    return op == OP_LESS         ? order < 0
           : op == OP_LESS_EQUAL ? order <= 0
           : op == OP_GREATER    ? order > 0
                                 : order >= 0;
}

static struct rule_value compare(struct rule_machine *m, enum rule_op op, struct rule_value a,
                                 struct rule_value b)
{
    if (is_whole(a) && is_whole(b))
        return qfs_rule_bool(ordered(op, (a.integer > b.integer) - (a.integer < b.integer)));
    if (qfs_rule_is_number(a) && qfs_rule_is_number(b)) {
        double x = qfs_rule_number(a), y = qfs_rule_number(b);
        return qfs_rule_bool(!isnan(x) && !isnan(y) && ordered(op, (x > y) - (x < y)));
    }
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING)
        return qfs_rule_bool(ordered(op, compare_texts(a.text, b.text)));
    if (a.kind == b.kind && (a.kind == VALUE_LIST || a.kind == VALUE_TUPLE)) {
        for (size_t i = 0; i < a.list->count && i < b.list->count; i++)
            if (!qfs_rule_equal(a.list->items[i], b.list->items[i]))
                return compare(m, op, a.list->items[i], b.list->items[i]);
        return qfs_rule_bool(
            ordered(op, (a.list->count > b.list->count) - (a.list->count < b.list->count)));
    }
    if (a.kind == VALUE_SET && b.kind == VALUE_SET)
        return qfs_rule_fail(m, "it compares sets");
    return qfs_rule_raise(m, "TypeError");
}

static struct rule_value contains(struct rule_machine *m, struct rule_value item,
                                  struct rule_value within)
{
    switch (within.kind) {
    case VALUE_LIST:
    case VALUE_TUPLE:
        for (size_t i = 0; i < within.list->count; i++)
            if (qfs_rule_equal(item, within.list->items[i]))
                return qfs_rule_bool(true);
        return qfs_rule_bool(false);
    case VALUE_SET:
    case VALUE_DICT:
        if (item.kind == VALUE_LIST || item.kind == VALUE_DICT || item.kind == VALUE_SET)
            return qfs_rule_raise(m, "TypeError");
        return qfs_rule_bool(qfs_rule_find(within.dict, item) != NULL);
    case VALUE_STRING:
        if (item.kind != VALUE_STRING)
            return qfs_rule_raise(m, "TypeError");
        return qfs_rule_bool(item.text.size == 0 || memmem(within.text.data, within.text.size,
                                                           item.text.data, item.text.size) != NULL);
    case VALUE_OBJECT: /* goes over the object's keys */
        return qfs_rule_bool(qfs_rule_find(&within.object->attributes, item) != NULL);
    default:
        return qfs_rule_raise(m, "TypeError");
    }
}

static bool is_sequence(struct rule_value value)
{
    return value.kind == VALUE_STRING || value.kind == VALUE_LIST || value.kind == VALUE_TUPLE;
}

static bool is_container(struct rule_value value)
{
    return value.kind == VALUE_SET || value.kind == VALUE_DICT;
}

struct rule_value qfs_rule_compute(struct rule_machine *m, enum rule_op op, struct rule_value a,
                                   struct rule_value b)
{
    struct rule_value result;
    switch (op) {
    case OP_EQUAL:
    case OP_UNEQUAL:
        return qfs_rule_bool(qfs_rule_equal(a, b) == (op == OP_EQUAL));
    case OP_IS:
    case OP_ISNOT:
        return qfs_rule_bool(qfs_rule_is(a, b) == (op == OP_IS));
    case OP_IN:
    case OP_NOTIN:
        result = contains(m, a, b);
        return qfs_rule_bool(result.integer == (op == OP_IN));
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
        return compare(m, op, a, b);
    default:
        break;
    }
    if (a.kind == VALUE_BIG || b.kind == VALUE_BIG)
        return too_large(m);
    if (is_whole(a) && is_whole(b)) {
        result = whole(m, op, a.integer, b.integer);
        if (op >= OP_PIPE && op <= OP_CARET && a.kind == VALUE_BOOL && b.kind == VALUE_BOOL)
            result.kind = VALUE_BOOL;
        return result;
    }
    if (qfs_rule_is_number(a) && qfs_rule_is_number(b))
        return real(m, op, qfs_rule_number(a), qfs_rule_number(b));
    if (op == OP_ADD && a.kind == b.kind && is_sequence(a))
        return joined(m, a, b);
    if (op == OP_MULTIPLY && is_sequence(a) && is_whole(b))
        return repeated(m, a, b.integer);
    if (op == OP_MULTIPLY && is_sequence(b) && is_whole(a))
        return repeated(m, b, a.integer);
    if (a.kind == b.kind && is_container(a) && (a.kind == VALUE_SET || op == OP_PIPE) &&
        (op == OP_SUBTRACT || (op >= OP_PIPE && op <= OP_CARET)))
        return merged(m, op, a, b);
    if (op == OP_MODULO && a.kind == VALUE_STRING)
        return qfs_rule_fail(m, "it formats with %%");
    if (op == OP_PIPE && (a.kind == VALUE_BUILTIN || a.kind == VALUE_CLASS)) { /* types: A | B */
        result = qfs_rule_new_list(m, VALUE_TUPLE);
        qfs_rule_push(m, result.list, a);
        qfs_rule_push(m, result.list, b);
        return result;
    }
    return qfs_rule_raise(m, "TypeError");
}
