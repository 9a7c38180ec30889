/* Whether a value has a field's type, as huggingface_hub's strict dataclasses see it: an int is no float, a
 * bool is no int. */
#include "rule.h"

#include <string.h>

/* One of several values; bool and int only equal their own kind. */
static bool fits_literal(const struct rule_node *type, struct rule_value value)
{
    for (uint32_t i = 1; i < type->count; i++) {
        const struct rule_node *allowed = &type->items[i];
        bool same = false;
        switch ((enum rule_node_kind)allowed->kind) {
        case NODE_STRING:
            same = value.kind == VALUE_STRING && qfs_text_equal(value.text, allowed->text);
            break;
        case NODE_INT:
            same = (value.kind == VALUE_INT || value.kind == VALUE_REAL) &&
                   qfs_rule_number(value) == (double)allowed->integer;
            break;
        case NODE_TRUE:
        case NODE_FALSE:
            same = value.kind == VALUE_BOOL && value.integer == (allowed->kind == NODE_TRUE);
            break;
        case NODE_NIL:
            same = value.kind == VALUE_NIL;
            break;
        default:
            break;
        }
        if (same)
            return true;
    }
    return false;
}

static bool all_fit(struct rule_machine *m, const struct rule_node *type, struct rule_list items)
{
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
        if (!qfs_rule_fits(m, type, items.items[i]))
            return false;
    return true;
}

static bool fits_container(struct rule_machine *m, const struct rule_node *type,
                           struct rule_value value)
{
    const struct rule_node *args = type->items + 1;
    uint32_t nargs = type->count - 1;
    if (qfs_rule_symbol(&type->items[0], "dict")) {
        if (value.kind != VALUE_DICT)
            return false;
        for (size_t i = 0; nargs == 2 && i < value.dict->count; i++)
            if (!qfs_rule_fits(m, &args[0], value.dict->entries[i].key) ||
                !qfs_rule_fits(m, &args[1], value.dict->entries[i].value))
                return false;
        return true;
    }
    if (qfs_rule_symbol(&type->items[0], "list") && value.kind != VALUE_LIST)
        return false;
    if (qfs_rule_symbol(&type->items[0], "set") && value.kind != VALUE_SET)
        return false;
    if (qfs_rule_symbol(&type->items[0], "tuple")) { /* of this many, each of its own type */
        if (value.kind != VALUE_TUPLE || (nargs && value.list->count != nargs))
            return false;
        for (uint32_t i = 0; i < nargs; i++)
            if (!qfs_rule_fits(m, &args[i], value.list->items[i]))
                return false;
        return true;
    }
    if (qfs_rule_symbol(&type->items[0], "tuples") && value.kind != VALUE_TUPLE)
        return false;
    if (qfs_rule_symbol(&type->items[0], "sequence") && value.kind != VALUE_LIST &&
        value.kind != VALUE_TUPLE && value.kind != VALUE_STRING)
        return false;
    return nargs == 0 || all_fit(m, &args[0], qfs_rule_items(m, value));
}

/* (interval kind low high): a type and bounds, both included. */
static bool fits_interval(struct rule_machine *m, const struct rule_node *type,
                          struct rule_value value)
{
    double bounds[2];
    if (!qfs_rule_fits(m, &type->items[1], value))
        return false;
    if (!qfs_rule_is_number(value)) {
        qfs_rule_raise(m, "TypeError");
        return false;
    }
    for (int i = 0; i < 2; i++) {
        const struct rule_node *node = &type->items[2 + i];
        bounds[i] = node->kind == NODE_INT ? (double)node->integer : node->real;
    }
    return qfs_rule_number(value) >= bounds[0] && qfs_rule_number(value) <= bounds[1];
}

/* (positive kind): None or an int above zero. */
static bool fits_positive(struct rule_machine *m, const struct rule_node *type,
                          struct rule_value value)
{
    if (!qfs_rule_fits(m, &type->items[1], value))
        return false;
    return value.kind == VALUE_NIL ||
           ((value.kind == VALUE_INT || value.kind == VALUE_BOOL) && value.integer > 0);
}

bool qfs_rule_fits(struct rule_machine *m, const struct rule_node *type, struct rule_value value)
{
    if (type->kind == NODE_NIL)
        return value.kind == VALUE_NIL;
    if (type->kind == NODE_SYMBOL) {
        struct rule_value builtin = {.kind = VALUE_BUILTIN, .text = type->text};
        if (qfs_text_is(type->text, "any"))
            return true;
        if (qfs_text_is(type->text, "never"))
            return false;
        if (qfs_text_is(type->text, "unknown")) {
            qfs_rule_fail(m, "a field has a type that this version does not know");
            return false;
        }
        if (qfs_text_is(type->text, "int") && value.kind == VALUE_BOOL)
            return false;
        return qfs_rule_isinstance(m, value, builtin);
    }
    if (type->kind != NODE_LIST || type->count == 0)
        return false;
    if (qfs_rule_symbol(&type->items[0], "or")) {
        for (uint32_t i = 1; i < type->count; i++)
            if (qfs_rule_fits(m, &type->items[i], value))
                return true;
        return false;
    }
    if (qfs_rule_symbol(&type->items[0], "literal"))
        return fits_literal(type, value);
    if (qfs_rule_symbol(&type->items[0], "class"))
        return value.kind == VALUE_OBJECT &&
               qfs_rule_derives(value.object->cls, type->items[1].text.data);
    if (qfs_rule_symbol(&type->items[0], "interval"))
        return fits_interval(m, type, value);
    if (qfs_rule_symbol(&type->items[0], "positive"))
        return fits_positive(m, type, value);
    if (qfs_rule_symbol(&type->items[0], "activation")) /* (activation kind): a name torch knows */
        return qfs_rule_fits(m, &type->items[1], value) && value.kind == VALUE_STRING &&
               qfs_rule_row(qfs_rule_activations, value.text);
    return fits_container(m, type, value);
}
