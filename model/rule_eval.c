/* Expressions and statements of the rule language, one function a shape. Statements are expressions whose
 * value nobody takes; how a procedure goes on is the machine's state. */
#include "rule.h"

#include <string.h>

enum { STEP_LIMIT = 20 << 20, DEPTH_LIMIT = 150 };

static struct rule_value eval(struct rule_machine *m, struct rule_scope *scope,
                              const struct rule_node *node)
{
    return qfs_rule_eval(m, scope, node);
}

/* -- names -------------------------------------------------------------------------------------- */

static struct rule_local *find_local(struct rule_scope *scope, struct qfs_text name)
{
    for (size_t i = scope->count; i > 0; i--)
        if (qfs_text_equal(scope->locals[i - 1].name, name))
            return &scope->locals[i - 1];
    return NULL;
}

static void push_local(struct rule_machine *m, struct rule_scope *scope, struct qfs_text name,
                       struct rule_value value)
{
    if (scope->count == scope->capacity) {
        size_t capacity = scope->capacity ? scope->capacity * 2 : 16;
        struct rule_local *more = qfs_arena_array(&m->arena, capacity, sizeof(*more));
        if (!more) {
            qfs_rule_fail(m, "out of memory");
            return;
        }
        if (scope->count)
            memcpy(more, scope->locals, scope->count * sizeof(*more));
        scope->locals = more;
        scope->capacity = capacity;
    }
    scope->locals[scope->count++] = (struct rule_local){name, value};
}

/* An index into `count` items, counted from the end when negative; -1 when there is none. */
static int64_t position(struct rule_value index, size_t count)
{
    if (index.kind != VALUE_INT && index.kind != VALUE_BOOL)
        return -1;
    int64_t at = index.integer < 0 ? index.integer + (int64_t)count : index.integer;
    return at >= 0 && at < (int64_t)count ? at : -1;
}

static void assign(struct rule_machine *m, struct rule_scope *scope, const struct rule_node *target,
                   struct rule_value value, bool fresh)
{
    if (!qfs_rule_ok(m))
        return;
    if (target->kind == NODE_SYMBOL) {
        struct rule_local *local = fresh ? NULL : find_local(scope, target->text);
        if (local)
            local->value = value;
        else
            push_local(m, scope, target->text, value);
    } else if (target->op == OP_TUPLE) {
        struct rule_list items = qfs_rule_items(m, value);
        if (qfs_rule_ok(m) && items.count != target->count - 1)
            qfs_rule_raise(m, "ValueError");
        for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++)
            assign(m, scope, &target->items[i + 1], items.items[i], fresh);
    } else if (target->op == OP_ATTRIBUTE) {
        struct rule_value self = eval(m, scope, &target->items[1]);
        if (qfs_rule_ok(m))
            qfs_rule_set(m, self, target->items[2].text, value);
    } else if (target->op == OP_AT) {
        struct rule_value self = eval(m, scope, &target->items[1]);
        struct rule_value key = eval(m, scope, &target->items[2]);
        if (!qfs_rule_ok(m))
            return;
        if (self.kind == VALUE_DICT) {
            qfs_rule_put(m, self.dict, key, value);
        } else if (self.kind == VALUE_LIST) {
            int64_t at = position(key, self.list->count);
            if (at < 0)
                qfs_rule_raise(m, "IndexError");
            else
                self.list->items[at] = value;
        } else {
            qfs_rule_raise(m, "TypeError");
        }
    } else {
        qfs_rule_fail(m, "it assigns to something that this version does not know");
    }
}

/* -- expressions ---------------------------------------------------------------------------------- */

static struct rule_value subscript(struct rule_machine *m, struct rule_value self,
                                   struct rule_value key)
{
    if (self.kind == VALUE_DICT) {
        const struct rule_value *found = qfs_rule_find(self.dict, key);
        return found ? *found : qfs_rule_raise(m, "KeyError");
    }
    if (self.kind == VALUE_LIST && self.list->layers_of && key.kind == VALUE_STRING)
        return qfs_rule_layer(m, self.list, key);
    if (self.kind == VALUE_LIST || self.kind == VALUE_TUPLE || self.kind == VALUE_STRING) {
        if (key.kind != VALUE_INT && key.kind != VALUE_BOOL)
            return qfs_rule_raise(m, "TypeError");
        struct rule_list items = qfs_rule_items(m, self);
        int64_t at = position(key, items.count);
        return at < 0 ? qfs_rule_raise(m, "IndexError") : items.items[at];
    }
    return qfs_rule_raise(m, "TypeError");
}

/* A bound of a slice over `count` items, clipped as Python clips it. */
static int64_t bound(struct rule_value value, int64_t count, int64_t absent)
{
    if (value.kind != VALUE_INT)
        return absent;
    int64_t at = value.integer < 0 ? value.integer + count : value.integer;
    return at < 0 ? 0 : at > count ? count : at;
}

static struct rule_value slice(struct rule_machine *m, struct rule_scope *scope,
                               const struct rule_node *node)
{
    struct rule_value self = eval(m, scope, &node->items[1]), bounds[3];
    for (int i = 0; i < 3; i++)
        bounds[i] = eval(m, scope, &node->items[2 + i]);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (self.kind != VALUE_LIST && self.kind != VALUE_TUPLE && self.kind != VALUE_STRING)
        return qfs_rule_raise(m, "TypeError");
    struct rule_list items = qfs_rule_items(m, self);
    int64_t count = (int64_t)items.count, step = 1;
    if (bounds[2].kind == VALUE_INT)
        step = bounds[2].integer;
    if (step != 1 && (step != -1 || bounds[0].kind != VALUE_NIL || bounds[1].kind != VALUE_NIL))
        return qfs_rule_fail(m, "it slices with a step");
    int64_t from = bound(bounds[0], count, 0), to = bound(bounds[1], count, count);
    if (self.kind == VALUE_STRING && step == 1) {
        size_t size = 0;
        for (int64_t i = from; i < to; i++)
            size += items.items[i].text.size;
        const char *start = from < to ? items.items[from].text.data : "";
        return qfs_rule_string((struct qfs_text){start, size});
    }
    struct rule_value result = qfs_rule_new_list(m, self.kind);
    for (int64_t i = from; qfs_rule_ok(m) && i < to; i++)
        qfs_rule_push(m, result.list, items.items[step == 1 ? i : count - 1 - i]);
    return result;
}

static bool is_spread(const struct rule_node *node, enum rule_op op)
{
    return node->kind == NODE_LIST && node->op == op && node->count == 2;
}

static struct rule_value make_list(struct rule_machine *m, struct rule_scope *scope,
                                   const struct rule_node *node)
{
    bool set = node->op == OP_SET;
    struct rule_value result =
        set ? qfs_rule_new_dict(m, VALUE_SET)
            : qfs_rule_new_list(m, node->op == OP_LIST ? VALUE_LIST : VALUE_TUPLE);
    for (uint32_t i = 1; qfs_rule_ok(m) && i < node->count; i++) {
        bool spread = is_spread(&node->items[i], OP_MULTIPLY);
        struct rule_value item =
            eval(m, scope, spread ? &node->items[i].items[1] : &node->items[i]);
        if (!qfs_rule_ok(m))
            break;
        if (set) {
            qfs_rule_put(m, result.dict, item, qfs_rule_nil);
        } else if (spread) {
            struct rule_list items = qfs_rule_items(m, item);
            for (size_t k = 0; qfs_rule_ok(m) && k < items.count; k++)
                qfs_rule_push(m, result.list, items.items[k]);
        } else {
            qfs_rule_push(m, result.list, item);
        }
    }
    return result;
}

static void merge(struct rule_machine *m, struct rule_dict *into, struct rule_value from)
{
    if (from.kind != VALUE_DICT) {
        qfs_rule_raise(m, "TypeError");
        return;
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < from.dict->count; i++)
        qfs_rule_put(m, into, from.dict->entries[i].key, from.dict->entries[i].value);
}

static struct rule_value make_dict(struct rule_machine *m, struct rule_scope *scope,
                                   const struct rule_node *node)
{
    struct rule_value result = qfs_rule_new_dict(m, VALUE_DICT);
    for (uint32_t i = 1; qfs_rule_ok(m) && i < node->count; i++) {
        if (is_spread(&node->items[i], OP_POWER)) {
            struct rule_value from = eval(m, scope, &node->items[i].items[1]);
            if (qfs_rule_ok(m))
                merge(m, result.dict, from);
            continue;
        }
        struct rule_value key = eval(m, scope, &node->items[i]);
        struct rule_value value = eval(m, scope, &node->items[++i]);
        if (qfs_rule_ok(m))
            qfs_rule_put(m, result.dict, key, value);
    }
    return result;
}

/* One generator of a comprehension after the other; the innermost adds an element to `result`. */
static void comprehend(struct rule_machine *m, struct rule_scope *scope,
                       const struct rule_node *node, uint32_t level, struct rule_value result)
{
    if (level == node->count) {
        struct rule_value element = eval(m, scope, &node->items[1]);
        if (!qfs_rule_ok(m))
            return;
        if (node->op == OP_EACH_DICT)
            qfs_rule_put(m, result.dict, element.list->items[0], element.list->items[1]);
        else if (node->op == OP_EACH_SET)
            qfs_rule_put(m, result.dict, element, qfs_rule_nil);
        else
            qfs_rule_push(m, result.list, element);
        return;
    }
    const struct rule_node *part = &node->items[level]; /* (in target iterable condition ...) */
    struct rule_value iterable = eval(m, scope, &part->items[2]);
    struct rule_list items = {0};
    if (qfs_rule_ok(m))
        items = qfs_rule_items(m, iterable);
    for (size_t i = 0; qfs_rule_ok(m) && i < items.count; i++) {
        size_t outside = scope->count;
        bool wanted = true;
        assign(m, scope, &part->items[1], items.items[i], true);
        for (uint32_t k = 3; qfs_rule_ok(m) && wanted && k < part->count; k++)
            wanted = qfs_rule_truthy(eval(m, scope, &part->items[k]));
        if (qfs_rule_ok(m) && wanted)
            comprehend(m, scope, node, level + 1, result);
        scope->count = outside; /* a comprehension's names are its own */
    }
}

static struct rule_value format(struct rule_machine *m, struct rule_scope *scope,
                                const struct rule_node *node)
{
    struct qfs_buffer out = {0};
    for (uint32_t i = 1; qfs_rule_ok(m) && i < node->count; i++) {
        struct rule_value piece = eval(m, scope, &node->items[i]);
        if (!qfs_rule_ok(m))
            break;
        struct qfs_text text = qfs_rule_str(m, piece);
        qfs_buffer_append(&out, text.data, text.size);
    }
    char *copy = qfs_arena_copy(&m->arena, (char *)out.data, out.size);
    struct qfs_text text = {copy, out.size};
    bool bad = out.failed || !copy;
    qfs_buffer_done(&out);
    return bad ? qfs_rule_fail(m, "out of memory") : qfs_rule_string(text);
}

static struct rule_value logic(struct rule_machine *m, struct rule_scope *scope,
                               const struct rule_node *node)
{
    struct rule_value value = qfs_rule_nil;
    for (uint32_t i = 1; i < node->count; i++) {
        value = eval(m, scope, &node->items[i]);
        if (!qfs_rule_ok(m) || qfs_rule_truthy(value) == (node->op == OP_OR))
            break;
    }
    return value;
}

static struct rule_value chain(struct rule_machine *m, struct rule_scope *scope,
                               const struct rule_node *node)
{
    struct rule_value left = eval(m, scope, &node->items[1]), result = qfs_rule_bool(true);
    for (uint32_t i = 2; qfs_rule_ok(m) && i + 1 < node->count; i += 2) {
        struct rule_value right = eval(m, scope, &node->items[i + 1]);
        if (!qfs_rule_ok(m))
            break;
        result = qfs_rule_compute(m, qfs_rule_op(node->items[i].text), left, right);
        if (!qfs_rule_truthy(result))
            break;
        left = right;
    }
    return result;
}

/* -- calls ------------------------------------------------------------------------------------------ */

static struct rule_args arguments(struct rule_machine *m, struct rule_scope *scope,
                                  const struct rule_node *node, uint32_t first)
{
    struct rule_args args = {0};
    for (uint32_t i = first; qfs_rule_ok(m) && i < node->count; i++) {
        const struct rule_node *arg = &node->items[i];
        bool named = arg->kind == NODE_LIST && arg->count == 2 &&
                     arg->items[0].kind == NODE_SYMBOL && *arg->items[0].text.data == ':';
        bool list = is_spread(arg, OP_MULTIPLY), dict = is_spread(arg, OP_POWER);
        struct rule_value value = eval(m, scope, named || list || dict ? &arg->items[1] : arg);
        if (!qfs_rule_ok(m))
            break;
        if (named) {
            struct qfs_text name = arg->items[0].text;
            qfs_rule_put(m, &args.named,
                         qfs_rule_string((struct qfs_text){name.data + 1, name.size - 1}), value);
        } else if (dict) {
            merge(m, &args.named, value);
        } else if (list) {
            struct rule_list items = qfs_rule_items(m, value);
            for (size_t k = 0; qfs_rule_ok(m) && k < items.count; k++)
                qfs_rule_push(m, &args.list, items.items[k]);
        } else {
            qfs_rule_push(m, &args.list, value);
        }
    }
    return args;
}

static struct rule_value call_value(struct rule_machine *m, struct rule_value callee,
                                    const struct rule_args *args)
{
    switch (callee.kind) {
    case VALUE_CLASS:
        if (args->list.count)
            return qfs_rule_raise(m, "ValueError");
        return qfs_rule_create(m, callee.cls, &args->named);
    case VALUE_BUILTIN:
        return qfs_rule_builtin(m, callee.text, args);
    case VALUE_BOUND: {
        struct rule_args with_self = {.named = args->named};
        qfs_rule_push(m, &with_self.list, callee.bound->self);
        for (size_t i = 0; i < args->list.count; i++)
            qfs_rule_push(m, &with_self.list, args->list.items[i]);
        return qfs_rule_run(m, callee.bound->procedure, &with_self);
    }
    default:
        return qfs_rule_raise(m, "TypeError");
    }
}

struct rule_value qfs_rule_function(struct rule_machine *m, struct qfs_text name,
                                    const struct rule_args *args)
{
    const struct rule_row *row = qfs_rule_row(qfs_rule_functions, name);
    struct rule_node body;
    if (!row || !qfs_rule_parse(m, row->text, &body) || body.count != 1)
        return qfs_rule_fail(m, "it calls %.*s, which this version does not know", (int)name.size,
                             name.data);
    return qfs_rule_run(m, &body.items[0], args);
}

static struct rule_value call(struct rule_machine *m, struct rule_scope *scope,
                              const struct rule_node *node)
{
    const struct rule_node *head = &node->items[1];
    if (head->kind == NODE_LIST && head->op == OP_ATTRIBUTE) {
        struct rule_value self = eval(m, scope, &head->items[1]);
        struct rule_args args = arguments(m, scope, node, 2);
        if (!qfs_rule_ok(m))
            return qfs_rule_nil;
        struct qfs_text name = head->items[2].text;
        if (self.kind == VALUE_OBJECT || self.kind == VALUE_SPEC || self.kind == VALUE_CLASS)
            return qfs_rule_call_object(m, self, name, &args);
        return qfs_rule_method(m, self, name, &args);
    }
    struct rule_value callee = qfs_rule_nil;
    bool function = head->kind == NODE_LIST && head->op == OP_FUNCTION;
    if (!function)
        callee = eval(m, scope, head);
    struct rule_args args = arguments(m, scope, node, 2);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    return function ? qfs_rule_function(m, head->items[1].text, &args)
                    : call_value(m, callee, &args);
}

static struct rule_value call_super(struct rule_machine *m, struct rule_scope *scope,
                                    const struct rule_node *node)
{
    struct rule_local *self = find_local(scope, QFS_TEXT("self"));
    if (!self)
        self = find_local(scope, QFS_TEXT("cls"));
    struct rule_args args = arguments(m, scope, node, 3);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (!self)
        return qfs_rule_fail(m, "it calls its parent class without an object");
    return qfs_rule_super(m, self->value, node->items[1].text, node->items[2].text, &args);
}

/* -- statements -------------------------------------------------------------------------------------- */

static void loop(struct rule_machine *m, struct rule_scope *scope, const struct rule_node *node)
{
    struct rule_list items = {0};
    if (node->op == OP_FOR) {
        struct rule_value iterable = eval(m, scope, &node->items[2]);
        if (qfs_rule_ok(m))
            items = qfs_rule_items(m, iterable);
    }
    for (size_t i = 0; qfs_rule_ok(m); i++) {
        if (node->op == OP_FOR) {
            if (i >= items.count)
                break;
            assign(m, scope, &node->items[1], items.items[i], false);
        } else if (!qfs_rule_truthy(eval(m, scope, &node->items[1]))) {
            break;
        }
        if (qfs_rule_ok(m))
            eval(m, scope, &node->items[node->count - 1]);
        if (m->state == RULE_CONTINUE)
            m->state = RULE_RUNNING;
        if (m->state == RULE_BREAK) {
            m->state = RULE_RUNNING;
            break;
        }
    }
}

/* The handler of (try body (except (kind ...) handler) ...) for what was raised. */
static void handle(struct rule_machine *m, struct rule_scope *scope, const struct rule_node *node)
{
    for (uint32_t i = 2; i < node->count; i++) {
        const struct rule_node *part = &node->items[i];
        if (!qfs_rule_symbol(&part->items[0], "except"))
            continue;
        for (uint32_t k = 0; k < part->items[1].count; k++) {
            struct qfs_text kind = part->items[1].items[k].text;
            if (!qfs_text_is(kind, m->exception) && !qfs_text_is(kind, "Exception"))
                continue;
            const char *exception = m->exception;
            m->state = RULE_RUNNING;
            eval(m, scope, &part->items[2]);
            if (m->state == RULE_RAISED && !m->exception)
                m->exception = exception; /* a bare raise */
            return;
        }
    }
}

static void attempt(struct rule_machine *m, struct rule_scope *scope, const struct rule_node *node)
{
    eval(m, scope, &node->items[1]);
    bool raised = m->state == RULE_RAISED;
    if (raised)
        handle(m, scope, node);
    for (uint32_t i = 2; i < node->count; i++) {
        const struct rule_node *part = &node->items[i];
        if (qfs_rule_symbol(&part->items[0], "else") && !raised && qfs_rule_ok(m))
            eval(m, scope, &part->items[1]);
        if (qfs_rule_symbol(&part->items[0], "finally") && m->state != RULE_FAILED) {
            enum rule_state state = m->state;
            m->state = RULE_RUNNING;
            eval(m, scope, &part->items[1]);
            if (qfs_rule_ok(m))
                m->state = state;
        }
    }
}

static struct rule_value update(struct rule_machine *m, struct rule_scope *scope,
                                const struct rule_node *node)
{
    const struct rule_node *target = &node->items[2];
    struct rule_value old = eval(m, scope, target), add = eval(m, scope, &node->items[3]);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    struct rule_value result = qfs_rule_compute(m, qfs_rule_op(node->items[1].text), old, add);
    assign(m, scope, target, result, false);
    return result;
}

static void delete (struct rule_machine *m, struct rule_scope *scope, const struct rule_node *node)
{
    const struct rule_node *target = &node->items[1];
    if (target->op == OP_AT) {
        struct rule_value self = eval(m, scope, &target->items[1]);
        struct rule_value key = eval(m, scope, &target->items[2]);
        if (!qfs_rule_ok(m))
            return;
        if (self.kind == VALUE_DICT) {
            if (!qfs_rule_remove(self.dict, key))
                qfs_rule_raise(m, "KeyError");
            return;
        }
    }
    qfs_rule_fail(m, "it deletes something that this version does not know");
}

static struct rule_value eval_list(struct rule_machine *m, struct rule_scope *scope,
                                   const struct rule_node *node)
{
    struct rule_value a = qfs_rule_nil, b;
    switch ((enum rule_op)node->op) {
    case OP_ATTRIBUTE:
        a = eval(m, scope, &node->items[1]);
        if (!qfs_rule_ok(m))
            return qfs_rule_nil;
        if (!qfs_rule_get(m, a, node->items[2].text, &b))
            return qfs_rule_raise(m, "AttributeError");
        return b;
    case OP_AT:
        a = eval(m, scope, &node->items[1]);
        b = eval(m, scope, &node->items[2]);
        return qfs_rule_ok(m) ? subscript(m, a, b) : qfs_rule_nil;
    case OP_SLICE:
        return slice(m, scope, node);
    case OP_CALL:
        return call(m, scope, node);
    case OP_SUPER:
        return call_super(m, scope, node);
    case OP_BUILTIN:
        return (struct rule_value){.kind = VALUE_BUILTIN, .text = node->items[1].text};
    case OP_DTYPE:
        return (struct rule_value){.kind = VALUE_DTYPE, .text = node->items[1].text};
    case OP_CLASS: {
        struct rule_class *cls = qfs_rule_class(m, node->items[1].text);
        return (struct rule_value){.kind = cls ? VALUE_CLASS : VALUE_NIL, .cls = cls};
    }
    case OP_LIST:
    case OP_TUPLE:
    case OP_SET:
        return make_list(m, scope, node);
    case OP_DICT:
        return make_dict(m, scope, node);
    case OP_EACH_LIST:
    case OP_EACH_SET:
    case OP_EACH_DICT:
        a = node->op == OP_EACH_LIST  ? qfs_rule_new_list(m, VALUE_LIST)
            : node->op == OP_EACH_SET ? qfs_rule_new_dict(m, VALUE_SET)
                                      : qfs_rule_new_dict(m, VALUE_DICT);
        if (qfs_rule_ok(m))
            comprehend(m, scope, node, 2, a);
        return a;
    case OP_AND:
    case OP_OR:
        return logic(m, scope, node);
    case OP_NOT:
        a = eval(m, scope, &node->items[1]);
        return qfs_rule_bool(!qfs_rule_truthy(a));
    case OP_CHAIN:
        return chain(m, scope, node);
    case OP_CONDITION:
    case OP_IF:
        a = eval(m, scope, &node->items[1]);
        if (!qfs_rule_ok(m))
            return qfs_rule_nil;
        if (qfs_rule_truthy(a))
            return eval(m, scope, &node->items[2]);
        return node->count > 3 ? eval(m, scope, &node->items[3]) : qfs_rule_nil;
    case OP_FORMAT:
        return format(m, scope, node);
    case OP_ASSIGN:
        a = eval(m, scope, &node->items[node->count - 1]);
        for (uint32_t i = 1; qfs_rule_ok(m) && i + 1 < node->count; i++)
            assign(m, scope, &node->items[i], a, false);
        return a;
    case OP_UPDATE:
        return update(m, scope, node);
    case OP_DO:
        for (uint32_t i = 1; qfs_rule_ok(m) && i < node->count; i++)
            eval(m, scope, &node->items[i]);
        return qfs_rule_nil;
    case OP_FOR:
    case OP_WHILE:
        loop(m, scope, node);
        return qfs_rule_nil;
    case OP_RETURN:
        a = eval(m, scope, &node->items[1]);
        if (qfs_rule_ok(m)) {
            m->returned = a;
            m->state = RULE_RETURN;
        }
        return qfs_rule_nil;
    case OP_RAISE:
        return qfs_rule_raise(m, node->count > 1 ? node->items[1].text.data : NULL);
    case OP_TRY:
        attempt(m, scope, node);
        return qfs_rule_nil;
    case OP_DEL:
        delete (m, scope, node);
        return qfs_rule_nil;
    case OP_CONTINUE:
        m->state = RULE_CONTINUE;
        return qfs_rule_nil;
    case OP_BREAK:
        m->state = RULE_BREAK;
        return qfs_rule_nil;
    case OP_FUNCTION:
    case OP_NONE:
        return qfs_rule_fail(m, "it does something that this version does not know");
    default: /* the operators */
        a = eval(m, scope, &node->items[1]);
        b = qfs_rule_ok(m) ? eval(m, scope, &node->items[2]) : qfs_rule_nil;
        return qfs_rule_ok(m) ? qfs_rule_compute(m, node->op, a, b) : qfs_rule_nil;
    }
}

struct rule_value qfs_rule_eval(struct rule_machine *m, struct rule_scope *scope,
                                const struct rule_node *node)
{
    struct rule_local *local;
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (++m->steps > STEP_LIMIT)
        return qfs_rule_fail(m, "it asks for more work than a configuration may take");
    switch ((enum rule_node_kind)node->kind) {
    case NODE_NIL:
        return qfs_rule_nil;
    case NODE_TRUE:
    case NODE_FALSE:
        return qfs_rule_bool(node->kind == NODE_TRUE);
    case NODE_INT:
        return qfs_rule_int(node->integer);
    case NODE_REAL:
        return qfs_rule_real(node->real);
    case NODE_STRING:
        return qfs_rule_string(node->text);
    case NODE_SYMBOL:
        local = find_local(scope, node->text);
        return local ? local->value
                     : qfs_rule_fail(m, "it uses '%.*s', which this version does not know",
                                     (int)node->text.size, node->text.data);
    case NODE_LIST:
        return eval_list(m, scope, node);
    }
    return qfs_rule_nil;
}

/* -- procedures --------------------------------------------------------------------------------------- */

static void bind(struct rule_machine *m, struct rule_scope *scope, const struct rule_node *params,
                 const struct rule_args *args)
{
    size_t taken = 0;
    struct rule_dict rest = {0};
    const struct rule_node *rest_name = NULL, *list_name = NULL;
    for (uint32_t i = 0; qfs_rule_ok(m) && i < params->count; i++) {
        const struct rule_node *param = &params->items[i];
        const struct rule_node *name = param->kind == NODE_LIST ? &param->items[0] : param;
        if (param->op == OP_POWER) {
            rest_name = &param->items[1];
            continue;
        }
        if (param->op == OP_MULTIPLY) {
            list_name = &param->items[1];
            continue;
        }
        struct rule_value *named = qfs_rule_find_text(&args->named, name->text), value;
        if (taken < args->list.count) {
            if (named)
                qfs_rule_raise(m, "TypeError");
            value = args->list.items[taken++];
        } else if (named) {
            value = *named;
        } else if (param->kind == NODE_LIST) {
            value = eval(m, scope, &param->items[1]);
        } else {
            value = qfs_rule_raise(m, "TypeError");
        }
        push_local(m, scope, name->text, value);
    }
    if (list_name) {
        struct rule_value list = qfs_rule_new_list(m, VALUE_TUPLE);
        while (qfs_rule_ok(m) && taken < args->list.count)
            qfs_rule_push(m, list.list, args->list.items[taken++]);
        push_local(m, scope, list_name->text, list);
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < args->named.count; i++)
        if (!find_local(scope, args->named.entries[i].key.text))
            qfs_rule_put(m, &rest, args->named.entries[i].key, args->named.entries[i].value);
    if (qfs_rule_ok(m) && (taken < args->list.count || (rest.count && !rest_name)))
        qfs_rule_raise(m, "TypeError");
    if (qfs_rule_ok(m) && rest_name) {
        struct rule_value kwargs = qfs_rule_new_dict(m, VALUE_DICT);
        if (qfs_rule_ok(m))
            *kwargs.dict = rest;
        push_local(m, scope, rest_name->text, kwargs);
    }
}

struct rule_value qfs_rule_run(struct rule_machine *m, const struct rule_node *procedure,
                               const struct rule_args *args)
{
    struct rule_scope scope = {0};
    struct rule_value result = qfs_rule_nil;
    if (!qfs_rule_ok(m))
        return result;
    if (procedure->count != 4) /* (def name unknown) */
        return qfs_rule_fail(m, "it runs %.*s, which this version does not know",
                             (int)procedure->items[1].text.size, procedure->items[1].text.data);
    if (++m->depth > DEPTH_LIMIT)
        return qfs_rule_fail(m, "it nests more deeply than a configuration may");
    bind(m, &scope, &procedure->items[2], args);
    qfs_rule_eval(m, &scope, &procedure->items[3]);
    if (m->state == RULE_RETURN) {
        m->state = RULE_RUNNING;
        result = m->returned;
    }
    m->depth--;
    return result;
}
