/* transformers' configuration classes: strict dataclasses whose attributes have aliases, properties and
 * checked types, and which contain one another. */
#include "rule.h"

#include <string.h>

#define VERSION "5.23.0"

/* -- loading from the table ------------------------------------------------------------------------ */

/* The item of a class's text that begins with `head`, and whose second symbol or definition is `name`
 * when that is given. */
static const struct rule_node *find_item(const struct rule_class *cls, const char *head,
                                         const struct qfs_text *name)
{
    for (uint32_t i = 0; i < cls->body.count; i++) {
        const struct rule_node *item = &cls->body.items[i];
        if (!qfs_rule_symbol(&item->items[0], head))
            continue;
        if (!name)
            return item;
        const struct rule_node *second = &item->items[1];
        if (second->kind == NODE_LIST)
            second = &second->items[1]; /* (method (def name ...)) */
        if (qfs_text_equal(second->text, *name))
            return item;
    }
    return NULL;
}

static bool load_fields(struct rule_machine *m, struct rule_class *cls)
{
    const struct rule_node *own = find_item(cls, "fields", NULL);
    bool derived = cls->norder > 1 && qfs_rule_derives(cls, "PreTrainedConfig") &&
                   strcmp(cls->name, "PreTrainedConfig") != 0;
    struct rule_class *base = derived ? qfs_rule_class(m, QFS_TEXT("PreTrainedConfig")) : NULL;
    size_t nbase = base ? base->nfields : 0, nown = own ? own->count - 1 : 0;
    cls->fields = qfs_arena_array(&m->arena, nbase + nown, sizeof(*cls->fields));
    if (!cls->fields)
        return false;
    for (; cls->nfields < nbase; cls->nfields++)
        cls->fields[cls->nfields] = base->fields[cls->nfields];
    for (size_t i = 0; i < nown; i++) {
        const struct rule_node *node = &own->items[i + 1]; /* (name type default) */
        struct rule_field field = {node->items[0].text, &node->items[1], &node->items[2]};
        size_t at = 0;
        while (at < cls->nfields && !qfs_text_equal(cls->fields[at].name, field.name))
            at++;
        cls->fields[at] = field;
        cls->nfields += at == cls->nfields;
    }
    return true;
}

static bool load_specs(struct rule_machine *m, struct rule_class *cls)
{
    const struct rule_node *subs = find_item(cls, "subs", NULL);
    if (!subs)
        return true;
    cls->specs = qfs_arena_array(&m->arena, subs->count, sizeof(*cls->specs));
    if (!cls->specs)
        return false;
    for (uint32_t i = 1; i < subs->count; i++) {
        const struct rule_node *node = subs->items[i].items; /* (key class type optional init) */
        struct rule_spec *spec = &cls->specs[cls->nspecs++];
        spec->key = node[0].text;
        if (node[1].kind == NODE_STRING)
            spec->config_class = node[1].text;
        if (node[2].kind == NODE_STRING)
            spec->model_type = qfs_rule_string(node[2].text);
        spec->optional = node[3].kind == NODE_TRUE;
        spec->init = &node[4];
    }
    return true;
}

static bool load_order(struct rule_machine *m, struct rule_class *cls)
{
    const struct rule_node *order = find_item(cls, "order", NULL);
    cls->order = qfs_arena_array(&m->arena, order ? order->count : 1, sizeof(struct rule_class *));
    if (!cls->order || !order)
        return false;
    for (uint32_t i = 1; i < order->count; i++) {
        struct rule_class *base = qfs_rule_class(m, order->items[i].text);
        if (!base)
            return false;
        cls->order[cls->norder++] = base;
    }
    return true;
}

struct rule_class *qfs_rule_class(struct rule_machine *m, struct qfs_text name)
{
    for (size_t i = 0; i < m->nclasses; i++)
        if (qfs_text_is(name, m->classes[i]->name))
            return m->classes[i];
    const struct rule_row *row = qfs_rule_row(qfs_rule_classes, name);
    if (!row) {
        qfs_rule_fail(m, "it needs the class %.*s, which this version does not know",
                      (int)name.size, name.data);
        return NULL;
    }
    if (m->nclasses == m->classes_capacity) {
        size_t capacity = m->nclasses ? m->nclasses * 2 : 16;
        struct rule_class **more = qfs_arena_array(&m->arena, capacity, sizeof(*more));
        if (!more) {
            qfs_rule_fail(m, "out of memory");
            return NULL;
        }
        if (m->nclasses)
            memcpy(more, m->classes, m->nclasses * sizeof(*more));
        m->classes = more;
        m->classes_capacity = capacity;
    }
    struct rule_class *cls = qfs_arena_alloc(&m->arena, sizeof(*cls));
    if (!cls || !qfs_rule_parse(m, row->text, &cls->body)) {
        qfs_rule_fail(m, "out of memory");
        return NULL;
    }
    cls->name = row->name;
    m->classes[m->nclasses++] = cls; /* before its order, which begins with it */
    const struct rule_node *types = find_item(cls, "types", NULL);
    if (types)
        cls->model_type = types->items[1].text;
    cls->map = find_item(cls, "map", NULL);
    cls->checks = find_item(cls, "checks", NULL);
    if (!load_order(m, cls) || !load_fields(m, cls) || !load_specs(m, cls)) {
        qfs_rule_fail(m, "out of memory");
        return NULL;
    }
    return cls;
}

bool qfs_rule_derives(const struct rule_class *cls, const char *name)
{
    for (size_t i = 0; i < cls->norder; i++)
        if (strcmp(cls->order[i]->name, name) == 0)
            return true;
    return false;
}

/* -- attributes --------------------------------------------------------------------------------------- */

static struct qfs_text unaliased(const struct rule_class *cls, struct qfs_text name)
{
    for (uint32_t i = 1; cls->map && i + 1 < cls->map->count; i += 2)
        if (qfs_text_equal(cls->map->items[i].text, name))
            return cls->map->items[i + 1].text;
    return name;
}

/* A procedure of the first class at or behind `from` in the order that has one. */
static const struct rule_node *find_procedure(const struct rule_class *cls, size_t from,
                                              const char *head, struct qfs_text name,
                                              struct rule_class **ret_owner)
{
    for (size_t i = from; i < cls->norder; i++) {
        const struct rule_node *item = find_item(cls->order[i], head, &name);
        if (item) {
            if (ret_owner)
                *ret_owner = cls->order[i];
            return &item->items[1];
        }
    }
    return NULL;
}

/* What a class calls under a name: a method, or one that takes no object or the class instead. */
static const struct rule_node *find_callable(const struct rule_class *cls, size_t from,
                                             struct qfs_text name, const char **ret_head)
{
    static const char *const heads[] = {"method", "static", "classmethod"};
    for (size_t i = from; i < cls->norder; i++)
        for (size_t k = 0; k < QFS_COUNT(heads); k++) {
            const struct rule_node *item = find_item(cls->order[i], heads[k], &name);
            if (item) {
                *ret_head = heads[k];
                return &item->items[1];
            }
        }
    return NULL;
}

/* A class attribute may stand before a property of a parent class: (hide name ...). */
static bool is_hidden(const struct rule_class *cls, struct qfs_text name)
{
    const struct rule_node *hide = find_item(cls, "hide", NULL);
    for (uint32_t i = 1; hide && i < hide->count; i++)
        if (qfs_text_equal(hide->items[i].text, name))
            return true;
    return false;
}

static const struct rule_node *find_property(const struct rule_class *cls, const char *head,
                                             struct qfs_text name)
{
    const struct rule_node *found = find_procedure(cls, 0, head, name, NULL);
    return found && !is_hidden(cls, name) ? found : NULL;
}

static struct rule_value run_on(struct rule_machine *m, const struct rule_node *procedure,
                                struct rule_value self, const struct rule_args *args)
{
    struct rule_args all = {0};
    qfs_rule_push(m, &all.list, self);
    if (args) {
        all.named = args->named;
        for (size_t i = 0; i < args->list.count; i++)
            qfs_rule_push(m, &all.list, args->list.items[i]);
    }
    return qfs_rule_run(m, procedure, &all);
}

static struct rule_value constant(struct rule_machine *m, const struct rule_node *node)
{
    struct rule_scope nothing = {0};
    if (qfs_rule_symbol(node, "unknown"))
        return qfs_rule_fail(m, "it reads a constant that this version does not know");
    return qfs_rule_eval(m, &nothing, node);
}

static struct rule_value spec_value(const struct rule_spec *spec)
{
    return (struct rule_value){.kind = VALUE_SPEC, .spec = spec};
}

/* {key: spec} or, for sub_configs, {key: class}. */
static struct rule_value specs_dict(struct rule_machine *m, const struct rule_class *cls,
                                    bool classes)
{
    struct rule_value dict = qfs_rule_new_dict(m, VALUE_DICT);
    for (size_t i = 0; qfs_rule_ok(m) && i < cls->nspecs; i++) {
        struct rule_value value = spec_value(&cls->specs[i]);
        if (classes)
            value = qfs_rule_string(cls->specs[i].config_class);
        qfs_rule_put(m, dict.dict, qfs_rule_string(cls->specs[i].key), value);
    }
    return dict;
}

static struct rule_value alias_dict(struct rule_machine *m, const struct rule_class *cls)
{
    struct rule_value dict = qfs_rule_new_dict(m, VALUE_DICT);
    for (uint32_t i = 1; qfs_rule_ok(m) && cls->map && i + 1 < cls->map->count; i += 2)
        qfs_rule_put(m, dict.dict, qfs_rule_string(cls->map->items[i].text),
                     qfs_rule_string(cls->map->items[i + 1].text));
    return dict;
}

/* {name: nothing that anybody reads} */
static struct rule_value field_dict(struct rule_machine *m, const struct rule_class *cls)
{
    struct rule_value dict = qfs_rule_new_dict(m, VALUE_DICT);
    for (size_t i = 0; qfs_rule_ok(m) && i < cls->nfields; i++)
        qfs_rule_put(m, dict.dict, qfs_rule_string(cls->fields[i].name), qfs_rule_nil);
    return dict;
}

/* What the class itself has under a name: constants, defaults of fields, its machinery. */
static bool class_attribute(struct rule_machine *m, struct rule_class *cls, struct qfs_text name,
                            struct rule_value *ret)
{
    for (size_t i = 0; i < cls->norder; i++) {
        const struct rule_node *item = find_item(cls->order[i], "const", &name);
        if (item) {
            *ret = constant(m, &item->items[2]);
            return true;
        }
    }
    for (size_t i = 0; i < cls->nfields; i++) {
        const struct rule_node *value = cls->fields[i].value;
        bool attribute = value->kind != NODE_SYMBOL && /* not of a default_factory */
                         !(value->kind == NODE_LIST && value->op != OP_TUPLE &&
                           value->op != OP_CLASS && value->op != OP_DTYPE);
        if (attribute && qfs_text_equal(cls->fields[i].name, name)) {
            *ret = constant(m, value);
            return true;
        }
    }
    if (qfs_text_is(name, "model_type"))
        *ret = qfs_rule_string(cls->model_type);
    else if (qfs_text_is(name, "__class__"))
        *ret = (struct rule_value){.kind = VALUE_CLASS, .cls = cls};
    else if (qfs_text_is(name, "__name__"))
        *ret = qfs_rule_string(qfs_text_of(cls->name));
    else if (qfs_text_is(name, "attribute_map"))
        *ret = alias_dict(m, cls);
    else if (qfs_text_is(name, "__dataclass_fields__"))
        *ret = field_dict(m, cls);
    else if (qfs_text_is(name, "sub_configs_defaults"))
        *ret = specs_dict(m, cls, false);
    else if (qfs_text_is(name, "sub_configs"))
        *ret = specs_dict(m, cls, true);
    else
        return false;
    return true;
}

static bool get_attribute(struct rule_machine *m, struct rule_value self, struct qfs_text name,
                          struct rule_value *ret_value);

static bool spec_attribute(struct rule_machine *m, const struct rule_spec *spec,
                           struct qfs_text name, struct rule_value *ret)
{
    if (qfs_text_is(name, "optional")) {
        *ret = qfs_rule_bool(spec->optional);
    } else if (qfs_text_is(name, "model_type")) {
        *ret = spec->model_type;
    } else if (qfs_text_is(name, "init_kwargs")) {
        *ret = constant(m, spec->init);
    } else if (qfs_text_is(name, "config_class") && spec->config_class.size) {
        ret->kind = VALUE_CLASS;
        ret->cls = qfs_rule_class(m, spec->config_class);
    } else {
        return false;
    }
    return true;
}

bool qfs_rule_is_per_layer(struct rule_value self, struct qfs_text name)
{
    const struct rule_dict *own = &self.object->attributes;
    const struct rule_value *spec = qfs_rule_find_text(own, QFS_TEXT("_heterogeneity_spec"));
    const struct rule_value *allow =
        qfs_rule_find_text(own, QFS_TEXT("allow_global_per_layer_attribute_access"));
    if (!spec || spec->kind != VALUE_OBJECT || (allow && qfs_rule_truthy(*allow)))
        return false;
    const struct rule_value *names =
        qfs_rule_find_text(&spec->object->attributes, QFS_TEXT("per_layer_attributes"));
    return names && names->kind == VALUE_SET && qfs_rule_find_text(names->dict, name);
}

/* The per_layer_config property: one object a layer, with the layer's own values. */
static struct rule_value layer_configs(struct rule_machine *m, struct rule_value self)
{
    struct rule_value result = qfs_rule_new_list(m, VALUE_LIST), count, none, spec;
    struct rule_value *overrides = NULL;
    if (!qfs_rule_get(m, self, QFS_TEXT("num_hidden_layers"), &count) || count.kind != VALUE_INT)
        return qfs_rule_raise(m, "AttributeError");
    none = qfs_rule_new_dict(m, VALUE_DICT);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    result.list->layers_of = self.object;
    bool differ = get_attribute(m, self, QFS_TEXT("_heterogeneity_spec"), &spec);
    if (differ && spec.kind == VALUE_OBJECT)
        overrides = qfs_rule_find_text(&spec.object->attributes, QFS_TEXT("per_layer_overrides"));
    for (int64_t i = 0; qfs_rule_ok(m) && i < count.integer; i++) {
        struct rule_args args = {0};
        struct rule_value *own = overrides && overrides->kind == VALUE_DICT
                                     ? qfs_rule_find(overrides->dict, qfs_rule_int(i))
                                     : NULL;
        qfs_rule_push(m, &args.list, self);
        qfs_rule_push(m, &args.list, own ? *own : none);
        qfs_rule_push(m, result.list,
                      differ ? qfs_rule_function(m, QFS_TEXT("_get_layer_config"), &args) : self);
    }
    return result;
}

struct rule_value qfs_rule_layer(struct rule_machine *m, const struct rule_list *layers,
                                 struct rule_value layer_type)
{
    struct rule_value self = {.kind = VALUE_OBJECT, .object = layers->layers_of}, types;
    const struct rule_value *found = NULL;
    if (!qfs_rule_get(m, self, QFS_TEXT("layer_types"), &types) || types.kind != VALUE_LIST)
        return qfs_rule_raise(m, "ValueError");
    for (size_t i = 0; i < types.list->count && i < layers->count; i++) {
        if (!qfs_rule_equal(types.list->items[i], layer_type))
            continue;
        if (found && !qfs_rule_equal(*found, layers->items[i]))
            return qfs_rule_raise(m, "ValueError"); /* they differ among themselves */
        if (!found)
            found = &layers->items[i];
    }
    return found ? *found : qfs_rule_raise(m, "ValueError");
}

bool qfs_rule_get(struct rule_machine *m, struct rule_value self, struct qfs_text name,
                  struct rule_value *ret_value)
{
    *ret_value = qfs_rule_nil;
    if (self.kind == VALUE_OBJECT &&
        qfs_rule_is_per_layer(self, unaliased(self.object->cls, name))) {
        qfs_rule_raise(m, "AmbiguousGlobalPerLayerAttributeError");
        return true;
    }
    return get_attribute(m, self, name, ret_value);
}

/* Attributes that may differ between layers too. */
static bool get_attribute(struct rule_machine *m, struct rule_value self, struct qfs_text name,
                          struct rule_value *ret_value)
{
    const struct rule_node *procedure;
    const struct rule_value *own;
    *ret_value = qfs_rule_nil;
    if (self.kind == VALUE_CLASS)
        return class_attribute(m, self.cls, name, ret_value);
    if (self.kind == VALUE_SPEC)
        return spec_attribute(m, self.spec, name, ret_value);
    if (self.kind != VALUE_OBJECT)
        return false;
    struct rule_class *cls = self.object->cls;
    name = unaliased(cls, name);
    if (qfs_text_is(name, "per_layer_config")) {
        *ret_value = layer_configs(m, self);
        return true;
    }
    if ((procedure = find_property(cls, "get", name))) {
        *ret_value = run_on(m, procedure, self, NULL);
        return true;
    }
    if ((own = qfs_rule_find_text(&self.object->attributes, name))) {
        *ret_value = *own;
        return true;
    }
    if (qfs_text_is(name, "__dict__")) {
        *ret_value = (struct rule_value){.kind = VALUE_DICT, .dict = &self.object->attributes};
        return true;
    }
    if (class_attribute(m, cls, name, ret_value))
        return true;
    struct rule_class *owner;
    if ((procedure = find_procedure(cls, 0, "method", name, &owner))) {
        struct rule_bound *bound = qfs_arena_alloc(&m->arena, sizeof(*bound));
        if (!bound)
            return qfs_rule_fail(m, "out of memory"), true;
        *bound = (struct rule_bound){self, owner, procedure};
        *ret_value = (struct rule_value){.kind = VALUE_BOUND, .bound = bound};
        return true;
    }
    return false;
}

void qfs_rule_set(struct rule_machine *m, struct rule_value self, struct qfs_text name,
                  struct rule_value value)
{
    const struct rule_node *setter;
    if (self.kind != VALUE_OBJECT) {
        qfs_rule_raise(m, "AttributeError");
        return;
    }
    struct rule_class *cls = self.object->cls;
    for (size_t i = 0; i < cls->nfields; i++)
        if (qfs_text_equal(cls->fields[i].name, name)) {
            if (!qfs_rule_fits(m, cls->fields[i].type, value) && qfs_rule_ok(m))
                qfs_rule_raise(m, "StrictDataclassFieldValidationError");
            break;
        }
    if (!qfs_rule_ok(m))
        return;
    name = unaliased(cls, name);
    if ((setter = find_property(cls, "set", name))) {
        struct rule_args args = {0};
        qfs_rule_push(m, &args.list, value);
        run_on(m, setter, self, &args);
    } else if (find_property(cls, "get", name) || qfs_text_is(name, "sub_configs")) {
        qfs_rule_raise(m, "AttributeError");
    } else {
        qfs_rule_put(m, &self.object->attributes, qfs_rule_string(name), value);
    }
}

void qfs_rule_set_property(struct rule_machine *m, const struct rule_class *cls,
                           struct rule_value self, struct qfs_text name, struct rule_value value)
{
    const struct rule_node *setter = find_property(cls, "set", name);
    struct rule_args args = {0};
    qfs_rule_push(m, &args.list, value);
    if (setter && self.kind == VALUE_OBJECT)
        run_on(m, setter, self, &args);
    else
        qfs_rule_raise(m, "AttributeError");
}

/* -- objects ------------------------------------------------------------------------------------------- */

struct rule_value qfs_rule_create(struct rule_machine *m, struct rule_class *cls,
                                  const struct rule_dict *fields)
{
    struct rule_object *object = qfs_arena_alloc(&m->arena, sizeof(*object));
    struct rule_value self = {.kind = VALUE_OBJECT, .object = object};
    struct rule_args rest = {0};
    if (!object)
        return qfs_rule_fail(m, "out of memory");
    object->cls = cls;
    for (size_t i = 0; qfs_rule_ok(m) && i < cls->nfields; i++) {
        const struct rule_field *field = &cls->fields[i];
        const struct rule_value *given = qfs_rule_find_text(fields, field->name);
        if (given)
            qfs_rule_set(m, self, field->name, *given);
        else if (qfs_rule_symbol(field->value, "required"))
            qfs_rule_raise(m, "TypeError");
        else
            qfs_rule_set(m, self, field->name, constant(m, field->value));
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < fields->count; i++) {
        struct rule_value key = fields->entries[i].key;
        bool known = false;
        if (key.kind != VALUE_STRING)
            return qfs_rule_raise(m, "TypeError"); /* keywords must be strings */
        for (size_t k = 0; k < cls->nfields && !known; k++)
            known = qfs_text_equal(cls->fields[k].name, key.text);
        if (!known)
            qfs_rule_put(m, &rest.named, key, fields->entries[i].value);
    }
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (qfs_rule_derives(cls, "PreTrainedConfig"))
        qfs_rule_call_object(m, self, QFS_TEXT("__post_init__"), &rest);
    for (uint32_t i = 1; cls->checks && qfs_rule_ok(m) && i < cls->checks->count; i++) {
        struct rule_args nothing = {0};
        struct qfs_text check = cls->checks->items[i].text;
        const char *head;
        const struct rule_node *procedure = find_callable(cls, 0, check, &head);
        if (procedure)
            run_on(m, procedure, self, &nothing);
        else
            qfs_rule_fail(m, "it checks %.*s, which this version does not know", (int)check.size,
                          check.data);
        if (m->state == RULE_RAISED &&
            (strcmp(m->exception, "ValueError") == 0 || strcmp(m->exception, "TypeError") == 0))
            m->exception = "StrictDataclassClassValidationError"; /* no ValueError any more */
    }
    return qfs_rule_ok(m) ? self : qfs_rule_nil;
}

/* -- to_dict ---------------------------------------------------------------------------------------------- */

static const char *const not_serialized[] = {
    "_is_quantized",
    "_auto_class",
    "_commit_hash",
    "_attn_implementation_internal",
    "_experts_implementation_internal",
    "_post_init_done",
    "ignore_keys_at_rope_validation",
    "base_model_tp_plan",
    "base_model_pp_plan",
    "base_model_fsdp_plan",
    "distributed_config",
};

static void remove_keys(struct rule_machine *m, struct rule_dict *dict)
{
    struct rule_value key = qfs_rule_string(QFS_TEXT("_output_attentions"));
    for (size_t i = 0; i < QFS_COUNT(not_serialized); i++)
        qfs_rule_remove(dict, qfs_rule_string(qfs_text_of(not_serialized[i])));
    const struct rule_value *found = qfs_rule_find(dict, key);
    if (found) {
        struct rule_value value = *found;
        qfs_rule_remove(dict, key);
        qfs_rule_put(m, dict, qfs_rule_string(QFS_TEXT("output_attentions")), value);
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < dict->count; i++)
        if (dict->entries[i].value.kind == VALUE_DICT)
            remove_keys(m, dict->entries[i].value.dict);
}

/* The part of `text` behind its last dot. */
static struct rule_value behind_dot(struct qfs_text text)
{
    for (size_t i = text.size; i > 0; i--)
        if (text.data[i - 1] == '.')
            return qfs_rule_string((struct qfs_text){text.data + i, text.size - i});
    return qfs_rule_string(text);
}

/* Whether str() of a list has no '.' in it for certain. */
static bool holds_no_point(const struct rule_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].kind != VALUE_NIL && list->items[i].kind != VALUE_BOOL &&
            list->items[i].kind != VALUE_INT)
            return false;
    return true;
}

static void name_dtypes(struct rule_machine *m, struct rule_dict *dict)
{
    struct rule_value *dtype = qfs_rule_find_text(dict, QFS_TEXT("dtype"));
    if (dtype && dtype->kind == VALUE_DICT) {
        for (size_t i = 0; qfs_rule_ok(m) && i < dtype->dict->count; i++) {
            struct rule_value *value = &dtype->dict->entries[i].value;
            *value = behind_dot(qfs_rule_str(m, *value));
        }
    } else if (dtype && dtype->kind == VALUE_DTYPE) {
        *dtype = qfs_rule_string(dtype->text);
    } else if (dtype && dtype->kind == VALUE_REAL) {
        struct qfs_text text = qfs_rule_str(m, *dtype); /* taken for "torch.something" */
        if (!memchr(text.data, '.', text.size))
            qfs_rule_raise(m, "IndexError");
        *dtype = behind_dot(text);
    } else if (dtype && dtype->kind == VALUE_LIST && holds_no_point(dtype->list)) {
        qfs_rule_raise(m, "IndexError");
    } else if (dtype && dtype->kind != VALUE_NIL && dtype->kind != VALUE_STRING &&
               dtype->kind != VALUE_INT && dtype->kind != VALUE_BOOL) {
        qfs_rule_fail(m, "its dtype is neither a name nor a table of names");
    }
    for (size_t i = 0; qfs_rule_ok(m) && i < dict->count; i++)
        if (dict->entries[i].value.kind == VALUE_DICT)
            name_dtypes(m, dict->entries[i].value.dict);
}

/* PreTrainedConfig.to_dict */
static struct rule_value plain_to_dict(struct rule_machine *m, struct rule_value self)
{
    struct rule_class *cls = self.object->cls;
    struct rule_value output = qfs_rule_new_dict(m, VALUE_DICT), quantization;
    struct rule_value object = qfs_rule_deep_copy(m, self);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    *output.dict = object.object->attributes;
    qfs_rule_put(m, output.dict, qfs_rule_string(QFS_TEXT("model_type")),
                 qfs_rule_string(cls->model_type));
    qfs_rule_put(m, output.dict, qfs_rule_string(QFS_TEXT("transformers_version")),
                 qfs_rule_string(QFS_TEXT(VERSION)));
    qfs_rule_remove(output.dict, qfs_rule_string(QFS_TEXT("kwargs")));
    for (size_t i = 0; qfs_rule_ok(m) && i < output.dict->count; i++) {
        struct rule_value *value = &output.dict->entries[i].value;
        if (value->kind == VALUE_OBJECT &&
            qfs_rule_derives(value->object->cls, "PreTrainedConfig")) {
            *value = qfs_rule_to_dict(m, *value);
            if (qfs_rule_ok(m) &&
                !qfs_rule_remove(value->dict, qfs_rule_string(QFS_TEXT("transformers_version"))))
                qfs_rule_raise(m, "KeyError");
        }
    }
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    if (qfs_rule_get(m, self, QFS_TEXT("quantization_config"), &quantization)) {
        if (quantization.kind == VALUE_OBJECT)
            quantization = qfs_rule_to_dict(m, quantization);
        else if (quantization.kind != VALUE_DICT && quantization.kind != VALUE_NIL)
            return qfs_rule_raise(m, "AttributeError");
        qfs_rule_put(m, output.dict, qfs_rule_string(QFS_TEXT("quantization_config")),
                     quantization);
    }
    remove_keys(m, output.dict);
    name_dtypes(m, output.dict);
    struct rule_args args = {0};
    qfs_rule_push(m, &args.list, output);
    if (qfs_rule_ok(m))
        qfs_rule_call_object(m, self, QFS_TEXT("_update_heterogeneous_to_dict_output"), &args);
    return output;
}

struct rule_value qfs_rule_to_dict(struct rule_machine *m, struct rule_value object)
{
    struct rule_args nothing = {0};
    return qfs_rule_call_object(m, object, QFS_TEXT("to_dict"), &nothing);
}

/* -- calls ------------------------------------------------------------------------------------------------ */

/* SubConfigSpec.create_subconfig(key, subconfig, **kwargs): the object and the kwargs that are left. */
static struct rule_value create_subconfig(struct rule_machine *m, const struct rule_spec *spec,
                                          const struct rule_args *args)
{
    struct rule_value given = args->list.items[1], result = qfs_rule_new_list(m, VALUE_TUPLE);
    struct rule_value rest = qfs_rule_new_dict(m, VALUE_DICT);
    struct rule_class *cls = NULL;
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    *rest.dict = args->named;
    if (given.kind != VALUE_OBJECT) {
        if (qfs_text_is(args->list.items[0].text, "backbone_config"))
            return qfs_rule_fail(m, "it has a backbone_config");
        if (given.kind != VALUE_NIL && given.kind != VALUE_DICT)
            return qfs_rule_raise(m, spec->config_class.size ? "TypeError" : "AttributeError");
        struct qfs_text name = spec->config_class;
        if (!name.size) { /* AutoConfig: by model_type */
            struct rule_value type = spec->model_type;
            const struct rule_value *own =
                given.kind == VALUE_DICT ? qfs_rule_find_text(given.dict, QFS_TEXT("model_type"))
                                         : NULL;
            if (own)
                type = *own;
            const struct rule_row *row =
                type.kind == VALUE_STRING ? qfs_rule_row(qfs_rule_model_types, type.text) : NULL;
            if (!row)
                return qfs_rule_raise(m, "ValueError");
            name = qfs_text_of(row->text);
        }
        if (given.kind == VALUE_NIL)
            given = constant(m, spec->init);
        cls = qfs_rule_class(m, name);
        if (!cls || !qfs_rule_ok(m))
            return qfs_rule_nil;
        given = qfs_rule_create(m, cls, given.dict);
    }
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    qfs_rule_push(m, result.list, given);
    qfs_rule_push(m, result.list, rest);
    return result;
}

/* PreTrainedConfig.from_dict, called as AutoConfig calls it: a dict, and the path to remember. */
static struct rule_value from_dict(struct rule_machine *m, struct rule_class *cls,
                                   const struct rule_args *args)
{
    static const struct qfs_text key = {"name_or_path", 12};
    const struct rule_value *path = qfs_rule_find_text(&args->named, key);
    if (args->list.count != 1 || args->list.items[0].kind != VALUE_DICT || !path ||
        args->named.count != 1)
        return qfs_rule_fail(m, "it builds another configuration from a dict");
    struct rule_dict *dict = args->list.items[0].dict;
    qfs_rule_put(m, dict, qfs_rule_string(key), *path);
    struct rule_value object = qfs_rule_create(m, cls, dict);
    if (qfs_rule_ok(m))
        qfs_rule_set(m, object, key, *path);
    return object;
}

/* getattr and hasattr for attributes that may differ between layers. */
static struct rule_value look_up(struct rule_machine *m, struct rule_value self, bool has,
                                 const struct rule_args *args)
{
    struct rule_value value;
    bool found = get_attribute(m, self, args->list.items[0].text, &value);
    if (m->state == RULE_RAISED && m->exception && strcmp(m->exception, "AttributeError") == 0) {
        m->state = RULE_RUNNING;
        found = false;
    }
    if (has || !qfs_rule_ok(m))
        return qfs_rule_bool(found);
    if (found)
        return value;
    return args->list.count > 1 ? args->list.items[1] : qfs_rule_raise(m, "AttributeError");
}

/* A method of `self`'s class at or behind `from` in its order, ours where the table has none. */
static struct rule_value call_from(struct rule_machine *m, struct rule_value self, size_t from,
                                   struct qfs_text name, const struct rule_args *args)
{
    struct rule_class *cls = self.kind == VALUE_OBJECT ? self.object->cls : self.cls;
    const char *head;
    const struct rule_node *procedure = find_callable(cls, from, name, &head);
    if (procedure && strcmp(head, "static") == 0)
        return qfs_rule_run(m, procedure, args);
    if (procedure && strcmp(head, "classmethod") == 0)
        return run_on(m, procedure, (struct rule_value){.kind = VALUE_CLASS, .cls = cls}, args);
    if (procedure && self.kind == VALUE_OBJECT)
        return run_on(m, procedure, self, args);
    if (procedure) /* Class.method(object) */
        return qfs_rule_run(m, procedure, args);
    if (self.kind == VALUE_CLASS && qfs_text_is(name, "from_dict"))
        return from_dict(m, cls, args);
    if (self.kind == VALUE_OBJECT && qfs_text_is(name, "to_dict"))
        return plain_to_dict(m, self);
    if (self.kind == VALUE_OBJECT && args->list.count > 0 &&
        args->list.items[0].kind == VALUE_STRING &&
        (qfs_text_is(name, "_getattr_without_heterogeneous_validation") ||
         qfs_text_is(name, "_hasattr_without_heterogeneous_validation")))
        return look_up(m, self, name.data[1] == 'h', args);
    return qfs_rule_fail(m, "it calls %s.%.*s, which this version does not know", cls->name,
                         (int)name.size, name.data);
}

struct rule_value qfs_rule_call_object(struct rule_machine *m, struct rule_value self,
                                       struct qfs_text name, const struct rule_args *args)
{
    if (self.kind == VALUE_SPEC) {
        if (qfs_text_is(name, "create_subconfig") && args->list.count == 2 &&
            args->list.items[0].kind == VALUE_STRING)
            return create_subconfig(m, self.spec, args);
        return qfs_rule_fail(m, "it calls SubConfigSpec.%.*s, which this version does not know",
                             (int)name.size, name.data);
    }
    if (self.kind == VALUE_OBJECT && qfs_rule_find_text(&self.object->attributes, name))
        return qfs_rule_raise(m, "TypeError"); /* an attribute of that name cannot be called */
    return call_from(m, self, 0, name, args);
}

struct rule_value qfs_rule_super(struct rule_machine *m, struct rule_value self,
                                 struct qfs_text owner, struct qfs_text name,
                                 const struct rule_args *args)
{
    if (self.kind != VALUE_OBJECT && self.kind != VALUE_CLASS)
        return qfs_rule_fail(m, "it calls its parent class without an object");
    struct rule_class *cls = self.kind == VALUE_OBJECT ? self.object->cls : self.cls;
    size_t at = 0;
    while (at < cls->norder && !qfs_text_is(owner, cls->order[at]->name))
        at++;
    return call_from(m, self, at + 1, name, args);
}
