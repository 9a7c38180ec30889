/* Text of the schema table to nodes: lists in parentheses, strings in single quotes, numbers, symbols.
 * The text is ours, so what is wrong with it is a defect of the table, not of a user's file. */
#include "rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[] = {NULL,
#define X(name, text) text,
                                       RULE_OPS(X)
#undef X
};

struct reader {
    struct rule_machine *m;
    const char *at;
};

enum rule_op qfs_rule_op(struct qfs_text name)
{
    for (size_t i = 1; i < QFS_COUNT(op_names); i++)
        if (qfs_text_is(name, op_names[i]))
            return (enum rule_op)i;
    return OP_NONE;
}

static void skip_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n')
        r->at++;
}

static bool read_string(struct reader *r, struct rule_node *ret)
{
    const char *end = ++r->at;
    while (*end && *end != '\'')
        end += *end == '\\' && end[1] ? 2 : 1;
    char *copy = qfs_arena_alloc(&r->m->arena, (size_t)(end - r->at) + 1), *to = copy;
    if (!copy)
        return false;
    while (r->at < end) {
        if (*r->at == '\\') {
            r->at++;
            *to++ = *r->at == 'n' ? '\n' : *r->at;
        } else {
            *to++ = *r->at;
        }
        r->at++;
    }
    if (*end)
        r->at = end + 1;
    ret->kind = NODE_STRING;
    ret->text = (struct qfs_text){copy, (size_t)(to - copy)};
    return true;
}

static void read_atom(struct reader *r, struct rule_node *ret)
{
    size_t size = strcspn(r->at, " \n()");
    struct qfs_text text = {r->at, size};
    const char *digits = r->at + (*r->at == '-');
    r->at += size;
    if (*digits >= '0' && *digits <= '9') {
        char *end;
        ret->kind = NODE_INT;
        ret->integer = strtoll(text.data, &end, 10);
        if (end != text.data + size) {
            ret->kind = NODE_REAL;
            ret->real = strtod(text.data, NULL);
        }
    } else if (qfs_text_is(text, "inf") || qfs_text_is(text, "-inf")) {
        ret->kind = NODE_REAL;
        ret->real = *text.data == '-' ? -INFINITY : INFINITY;
    } else {
        ret->kind = qfs_text_is(text, "nil")     ? NODE_NIL
                    : qfs_text_is(text, "true")  ? NODE_TRUE
                    : qfs_text_is(text, "false") ? NODE_FALSE
                                                 : NODE_SYMBOL;
        ret->text = text;
    }
}

static bool read_node(struct reader *r, struct rule_node *ret);

/* Members up to ')' or the end of the text. */
static bool read_list(struct reader *r, struct rule_node *ret)
{
    size_t capacity = 4, count = 0;
    struct rule_node *items = qfs_arena_array(&r->m->arena, capacity, sizeof(*items));
    if (!items)
        return false;
    for (skip_space(r); *r->at && *r->at != ')'; skip_space(r)) {
        if (count == capacity) {
            struct rule_node *more = qfs_arena_array(&r->m->arena, capacity *= 2, sizeof(*items));
            if (!more)
                return false;
            memcpy(more, items, count * sizeof(*items));
            items = more;
        }
        if (!read_node(r, &items[count++]))
            return false;
    }
    ret->kind = NODE_LIST;
    ret->items = items;
    ret->count = (uint32_t)count;
    ret->op = count && items[0].kind == NODE_SYMBOL ? (uint8_t)qfs_rule_op(items[0].text) : OP_NONE;
    return true;
}

static bool read_node(struct reader *r, struct rule_node *ret)
{
    *ret = (struct rule_node){0};
    if (*r->at == '\'')
        return read_string(r, ret);
    if (*r->at == '(') {
        r->at++;
        if (!read_list(r, ret))
            return false;
        r->at += *r->at == ')';
        return true;
    }
    read_atom(r, ret);
    return true;
}

bool qfs_rule_parse(struct rule_machine *m, const char *text, struct rule_node *ret_node)
{
    struct reader r = {.m = m, .at = text};
    if (!read_list(&r, ret_node)) {
        qfs_rule_fail(m, "out of memory");
        return false;
    }
    return true;
}

bool qfs_rule_symbol(const struct rule_node *node, const char *name)
{
    return node->kind == NODE_SYMBOL && qfs_text_is(node->text, name);
}

const struct rule_row *qfs_rule_row(const struct rule_row *table, struct qfs_text name)
{
    for (const struct rule_row *row = table; row->name; row++)
        if (qfs_text_is(name, row->name))
            return row;
    return NULL;
}
