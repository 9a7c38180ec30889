/* Private to the model room: a small interpreter for what transformers' configuration classes do.
 *
 * A class of the schema table (schema_table.inc, generated) is text: fields with types and defaults,
 * constants, and procedures as expressions in prefix form. rule_parse.c reads that text into nodes,
 * rule_eval.c and rule_call.c run them over values that mean what Python's do, rule_class.c is the
 * machinery of strict dataclasses around them, rule_json.c goes from and to JSON.
 *
 * A procedure ends in one of three ways: normally, with a Python exception (then the converter takes the
 * raw config.json, so that is a result, not an error), or with something that this interpreter does not
 * know (FAILED: an error with a sentence, never a guess). */
#ifndef QUANTFS_MODEL_RULE_H
#define QUANTFS_MODEL_RULE_H

#include "quantfs/base.h"

/* -- nodes -------------------------------------------------------------------------------------- */

enum rule_node_kind {
    NODE_NIL,
    NODE_TRUE,
    NODE_FALSE,
    NODE_INT,
    NODE_REAL,
    NODE_STRING,
    NODE_SYMBOL,
    NODE_LIST,
};

struct rule_node {
    uint8_t kind;
    uint8_t op; /* NODE_LIST: enum rule_op of its first symbol, OP_NONE when that is no operation */
    uint32_t count; /* NODE_LIST */
    union {
        int64_t integer;
        double real;
        struct qfs_text text;
        struct rule_node *items;
    };
};

/* clang-format off */
#define RULE_OPS(X)                                                                                \
    X(ATTRIBUTE, ".") X(AT, "at") X(SLICE, "slice") X(CALL, "call") X(SUPER, "super")              \
    X(BUILTIN, "builtin") X(FUNCTION, "function") X(CLASS, "class") X(DTYPE, "dtype")              \
    X(LIST, "list") X(TUPLE, "tuple") X(SET, "set") X(DICT, "dict")                                \
    X(EACH_LIST, "each-list") X(EACH_SET, "each-set") X(EACH_DICT, "each-dict")                    \
    X(ADD, "+") X(SUBTRACT, "-") X(MULTIPLY, "*") X(DIVIDE, "/") X(FLOOR, "//") X(MODULO, "%")     \
    X(POWER, "**") X(PIPE, "|") X(AMPERSAND, "&") X(CARET, "^")                                    \
    X(EQUAL, "==") X(UNEQUAL, "!=") X(LESS, "<") X(LESS_EQUAL, "<=") X(GREATER, ">")               \
    X(GREATER_EQUAL, ">=") X(IS, "is") X(ISNOT, "isnot") X(IN, "in") X(NOTIN, "notin")             \
    X(AND, "and") X(OR, "or") X(NOT, "not") X(CHAIN, "chain") X(CONDITION, "?")                    \
    X(FORMAT, "format") X(ASSIGN, "=") X(UPDATE, "update") X(DO, "do") X(IF, "if") X(FOR, "for")   \
    X(WHILE, "while") X(RETURN, "return") X(RAISE, "raise") X(TRY, "try") X(DEL, "del")            \
    X(CONTINUE, "continue") X(BREAK, "break")
/* clang-format on */

enum rule_op {
    OP_NONE,
#define X(name, text) OP_##name,
    RULE_OPS(X)
#undef X
};

/* -- values ------------------------------------------------------------------------------------- */

enum rule_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_BIG, /* an integer of more than 64 bits: kept, never computed with */
    VALUE_REAL,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_SET,
    VALUE_DICT,
    VALUE_OBJECT,  /* an instance of a configuration class */
    VALUE_CLASS,   /* a configuration class */
    VALUE_DTYPE,   /* a torch.dtype; text is "bfloat16" */
    VALUE_BUILTIN, /* a function or type of Python's own; text is its name */
    VALUE_BOUND,   /* a procedure with its object */
    VALUE_SPEC,    /* transformers' SubConfigSpec */
};

struct rule_value {
    enum rule_kind kind;
    union {
        int64_t integer; /* BOOL too */
        double real;     /* BIG too */
        struct qfs_text text;
        struct rule_list *list; /* TUPLE too */
        struct rule_dict *dict; /* SET too: values are nil */
        struct rule_object *object;
        struct rule_class *cls;
        struct rule_bound *bound;
        const struct rule_spec *spec;
    };
};

struct rule_list {
    struct rule_value *items;
    size_t count, capacity;
    struct rule_object *layers_of; /* of per_layer_config: whose layers these are */
};

struct rule_entry {
    struct rule_value key, value;
    uint64_t hash;
};

struct rule_dict { /* in insertion order */
    struct rule_entry *entries;
    size_t count, capacity;
};

struct rule_object {
    struct rule_class *cls;
    struct rule_dict attributes;
};

struct rule_bound {
    struct rule_value self;
    struct rule_class *owner;
    const struct rule_node *procedure;
};

/* -- classes ------------------------------------------------------------------------------------- */

struct rule_field {
    struct qfs_text name;
    const struct rule_node *type, *value;
};

struct rule_spec {
    struct qfs_text key, config_class; /* config_class empty: AutoConfig */
    struct rule_value model_type;
    bool optional;
    const struct rule_node *init;
};

struct rule_class {
    const char *name;
    struct rule_node body;
    struct qfs_text model_type;
    struct rule_class **order; /* method resolution order, itself first */
    size_t norder;
    struct rule_field *fields;
    size_t nfields;
    struct rule_spec *specs;
    size_t nspecs;
    const struct rule_node *map;    /* (map alias target ...) or NULL */
    const struct rule_node *checks; /* (checks name ...) or NULL */
};

/* A row of the generated tables: name and text. */
struct rule_row {
    const char *name, *text;
};

extern const struct rule_row qfs_rule_classes[];     /* by name */
extern const struct rule_row qfs_rule_functions[];   /* by name */
extern const struct rule_row qfs_rule_model_types[]; /* model type → class, by model type */
extern const struct rule_row qfs_rule_dtypes[];      /* names in torch → torch.dtype names */
extern const struct rule_row qfs_rule_activations[]; /* names in transformers.activations.ACT2FN */
const struct rule_row *qfs_rule_row(const struct rule_row *table, struct qfs_text name);

/* -- the machine ---------------------------------------------------------------------------------- */

enum rule_state {
    RULE_RUNNING,
    RULE_RETURN,
    RULE_BREAK,
    RULE_CONTINUE,
    RULE_RAISED, /* a Python exception, exception names it */
    RULE_FAILED, /* the interpreter's own limit, error has the sentence */
};

struct rule_machine {
    struct qfs_arena arena; /* everything below */
    enum rule_state state;
    const char *exception;
    struct rule_value returned;
    struct rule_class **classes; /* loaded so far */
    size_t nclasses, classes_capacity;
    size_t steps, depth;
    struct qfs_error error;
};

struct rule_local {
    struct qfs_text name;
    struct rule_value value;
};

struct rule_scope {
    struct rule_local *locals;
    size_t count, capacity;
};

/* Arguments of a call: positional in order, named in a dict. */
struct rule_args {
    struct rule_list list;
    struct rule_dict named;
};

/* Each of these gives a nil value and leaves the state when something is wrong. */
struct rule_value qfs_rule_raise(struct rule_machine *m, const char *exception);
struct rule_value qfs_rule_fail(struct rule_machine *m, const char *format, ...) QFS_PRINTF(2, 3);
static inline bool qfs_rule_ok(const struct rule_machine *m)
{
    return m->state == RULE_RUNNING;
}

/* rule_parse.c */
bool qfs_rule_parse(struct rule_machine *m, const char *text, struct rule_node *ret_node);
enum rule_op qfs_rule_op(struct qfs_text name);
bool qfs_rule_symbol(const struct rule_node *node, const char *name);

/* rule_value.c */
extern const struct rule_value qfs_rule_nil;
struct rule_value qfs_rule_bool(bool value);
struct rule_value qfs_rule_int(int64_t value);
struct rule_value qfs_rule_real(double value);
struct rule_value qfs_rule_string(struct qfs_text text);
struct rule_value qfs_rule_new_list(struct rule_machine *m, enum rule_kind kind);
struct rule_value qfs_rule_new_dict(struct rule_machine *m, enum rule_kind kind);
void qfs_rule_push(struct rule_machine *m, struct rule_list *list, struct rule_value value);
bool qfs_rule_truthy(struct rule_value value);
bool qfs_rule_is(struct rule_value a, struct rule_value b);
bool qfs_rule_equal(struct rule_value a, struct rule_value b);
bool qfs_rule_is_number(struct rule_value value); /* bool, int or float */
double qfs_rule_number(struct rule_value value);
struct rule_value *qfs_rule_find(const struct rule_dict *dict, struct rule_value key);
struct rule_value *qfs_rule_find_text(const struct rule_dict *dict, struct qfs_text key);
void qfs_rule_put(struct rule_machine *m, struct rule_dict *dict, struct rule_value key,
                  struct rule_value value);
bool qfs_rule_remove(struct rule_dict *dict, struct rule_value key);
/* Items of anything that Python's `for` goes over, as a new list. */
struct rule_list qfs_rule_items(struct rule_machine *m, struct rule_value value);
struct qfs_text qfs_rule_str(struct rule_machine *m, struct rule_value value); /* str() */
struct rule_value qfs_rule_deep_copy(struct rule_machine *m, struct rule_value value);

/* rule_eval.c */
struct rule_value qfs_rule_eval(struct rule_machine *m, struct rule_scope *scope,
                                const struct rule_node *node);
/* Runs (def name (params) body); `owner` is NULL for plain functions. */
struct rule_value qfs_rule_run(struct rule_machine *m, const struct rule_node *procedure,
                               const struct rule_args *args);

/* A function of the table's, by name. */
struct rule_value qfs_rule_function(struct rule_machine *m, struct qfs_text name,
                                    const struct rule_args *args);

/* rule_call.c */
struct rule_value qfs_rule_builtin(struct rule_machine *m, struct qfs_text name,
                                   const struct rule_args *args);
struct rule_value qfs_rule_method(struct rule_machine *m, struct rule_value self,
                                  struct qfs_text name, const struct rule_args *args);
bool qfs_rule_isinstance(struct rule_machine *m, struct rule_value value, struct rule_value type);
struct rule_value qfs_rule_compute(struct rule_machine *m, enum rule_op op, struct rule_value a,
                                   struct rule_value b);

/* rule_class.c */
struct rule_class *qfs_rule_class(struct rule_machine *m, struct qfs_text name);
bool qfs_rule_derives(const struct rule_class *cls, const char *name);
bool qfs_rule_get(
    struct rule_machine *m, struct rule_value self, struct qfs_text name,
    struct rule_value *ret_value); /* false without a state: there is no such attribute */
/* Whether an attribute of an object differs from layer to layer: reading it raises. */
bool qfs_rule_is_per_layer(struct rule_value self, struct qfs_text name);
void qfs_rule_set(struct rule_machine *m, struct rule_value self, struct qfs_text name,
                  struct rule_value value);
/* per_layer_config[layer_type]: the object of all layers of that type. */
struct rule_value qfs_rule_layer(struct rule_machine *m, const struct rule_list *layers,
                                 struct rule_value layer_type);
/* CLASS.name.__set__(self, value): the setter of that class, whatever self's own is. */
void qfs_rule_set_property(struct rule_machine *m, const struct rule_class *cls,
                           struct rule_value self, struct qfs_text name, struct rule_value value);
struct rule_value qfs_rule_super(struct rule_machine *m, struct rule_value self,
                                 struct qfs_text owner, struct qfs_text name,
                                 const struct rule_args *args);
struct rule_value qfs_rule_call_object(struct rule_machine *m, struct rule_value self,
                                       struct qfs_text name, const struct rule_args *args);
struct rule_value qfs_rule_create(struct rule_machine *m, struct rule_class *cls,
                                  const struct rule_dict *fields);
struct rule_value qfs_rule_to_dict(struct rule_machine *m, struct rule_value object);

/* rule_type.c */
bool qfs_rule_fits(struct rule_machine *m, const struct rule_node *type, struct rule_value value);

/* rule_json.c */
struct rule_value qfs_rule_from_json(struct rule_machine *m, const struct qfs_json *json);
/* -ENOMEM, or -EINVAL where a value has no JSON form. */
int qfs_rule_to_json(struct qfs_arena *arena, struct rule_value value, struct qfs_json *ret_json);

#endif
