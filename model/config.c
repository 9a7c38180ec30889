/* config.json, twice: as it is written, and as ModelBase.load_hparams of the converter gives it, which is what
 * transformers' AutoConfig makes of it, or the file itself where AutoConfig refuses. */
#include "rule.h"

#include "quantfs/model.h"

#include <stdlib.h>
#include <string.h>

static const struct rule_value *get(const struct rule_dict *dict, const char *key)
{
    return qfs_rule_find_text(dict, qfs_text_of(key));
}

/* Whether `container` (a dict, list or text of Python's) has `name` in it; false with a state set where
 * Python raises. */
static bool holds(struct rule_machine *m, const struct rule_value *container, const char *name)
{
    struct rule_value result =
        qfs_rule_compute(m, OP_IN, qfs_rule_string(qfs_text_of(name)), *container);
    return qfs_rule_ok(m) && result.integer;
}

/* The class that AutoConfig picks; raises what it raises. */
static struct rule_class *choose_class(struct rule_machine *m, struct rule_dict *config)
{
    struct rule_value key = qfs_rule_string(QFS_TEXT("model_type"));
    const struct rule_value *type = get(config, "model_type"), *map = get(config, "auto_map");
    const struct rule_row *row;
    if (!type && get(config, "pretrained_cfg")) {
        qfs_rule_put(m, config, key, qfs_rule_string(QFS_TEXT("timm_wrapper")));
        type = get(config, "model_type");
    }
    row =
        type && type->kind == VALUE_STRING ? qfs_rule_row(qfs_rule_model_types, type->text) : NULL;
    /* Code that comes with the model is never run: without a class of transformers' own that is an
     * error, with one it is passed over. */
    if (map && holds(m, map, "AutoConfig") && !row)
        qfs_rule_raise(m, "ValueError");
    if (!row)
        qfs_rule_raise(m, "ValueError");
    if (!qfs_rule_ok(m))
        return NULL;
    if (strcmp(row->name, "mistral") == 0 && get(config, "layer_types")) {
        qfs_rule_put(m, config, key, qfs_rule_string(QFS_TEXT("ministral")));
        row = qfs_rule_row(qfs_rule_model_types, QFS_TEXT("ministral"));
    }
    return qfs_rule_class(m, qfs_text_of(row->text));
}

/* cls.from_dict(config, name_or_path=name) */
static struct rule_value construct(struct rule_machine *m, struct rule_class *cls,
                                   struct rule_value config, const char *name)
{
    struct rule_value self = {.kind = VALUE_CLASS, .cls = cls};
    struct rule_value key = qfs_rule_string(QFS_TEXT("name_or_path"));
    struct rule_args args = {0};
    qfs_rule_push(m, &args.list, config);
    qfs_rule_put(m, &args.named, key, qfs_rule_string(qfs_text_of(name)));
    return qfs_rule_call_object(m, self, QFS_TEXT("from_dict"), &args);
}

/* AutoConfig.from_pretrained(name).to_dict() */
static struct rule_value auto_config(struct rule_machine *m, const struct qfs_json *raw,
                                     const char *name)
{
    struct rule_value config = qfs_rule_from_json(m, raw);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    struct rule_class *cls = choose_class(m, config.dict);
    if (!cls)
        return qfs_rule_nil;
    struct rule_value object = construct(m, cls, config, name);
    if (!qfs_rule_ok(m))
        return qfs_rule_nil;
    return qfs_rule_to_dict(m, object);
}

/* Where AutoConfig fails, AutoTokenizer makes the general configuration instead; whether that raises. */
static bool general_config_raises(const struct qfs_json *raw, const char *name)
{
    struct rule_machine *m = calloc(1, sizeof(*m));
    if (!m)
        return false;
    struct rule_value config = qfs_rule_from_json(m, raw);
    struct rule_class *cls =
        qfs_rule_ok(m) ? qfs_rule_class(m, QFS_TEXT("PreTrainedConfig")) : NULL;
    if (cls)
        construct(m, cls, config, name);
    bool raised = m->state == RULE_RAISED;
    qfs_arena_done(&m->arena);
    free(m);
    return raised;
}

/* Whether AutoTokenizer fails at the configuration. */
static bool stops_tokenizer(const struct qfs_model *model, const struct rule_machine *m)
{
    if (m->state != RULE_RAISED || !m->exception)
        return false;
    if (strcmp(m->exception, "ValueError") == 0 || strcmp(m->exception, "OSError") == 0)
        return general_config_raises(model->config_raw, model->name);
    return true;
}

/* -- what load_hparams does to either ------------------------------------------------------------------ */

static const struct {
    const char *key, *below; /* config[key], or config[key][below], becomes text_config */
} text_configs[] = {
    {"llm_config", NULL},      {"lm_config", NULL}, {"thinker_config", "text_config"},
    {"language_config", NULL}, {"lfm", NULL},
};

/* Sets a member in place or at the end. The members may be config_raw's, so they are copied. */
static int set_member(struct qfs_arena *arena, struct qfs_json *object, const char *key,
                      struct qfs_json value)
{
    size_t at = 0;
    struct qfs_json_member *members =
        qfs_arena_array(arena, (size_t)object->count + 1, sizeof(*members));
    if (!members)
        return -ENOMEM;
    if (object->count)
        memcpy(members, object->members, object->count * sizeof(*members));
    while (at < object->count && !qfs_text_is(members[at].key, key))
        at++;
    members[at] = (struct qfs_json_member){qfs_text_of(key), value};
    object->count += at == object->count;
    object->members = members;
    return 0;
}

static int rename_text_config(struct qfs_model *model, struct qfs_json *config,
                              struct qfs_error *error)
{
    for (size_t i = 0; i < QFS_COUNT(text_configs); i++) {
        const struct qfs_json *value = qfs_json_get(config, text_configs[i].key);
        if (value && text_configs[i].below && !(value = qfs_json_get(value, text_configs[i].below)))
            return qfs_fail(error, EINVAL, "%s/config.json: its %s has no %s", model->path,
                            text_configs[i].key, text_configs[i].below);
        if (value && set_member(&model->arena, config, "text_config", *value) < 0)
            return qfs_fail_memory(error);
    }
    return 0;
}

static int load_auto(struct qfs_model *model, struct qfs_error *error)
{
    struct rule_machine *m = calloc(1, sizeof(*m));
    struct qfs_json *config = qfs_arena_alloc(&model->arena, sizeof(*config));
    int rc = 0;
    if (!m || !config) {
        free(m);
        return qfs_fail_memory(error);
    }
    struct rule_value dict = auto_config(m, model->config_raw, model->name);
    if (m->state == RULE_FAILED)
        rc = qfs_fail(error, m->error.code, "%s/config.json: %s", model->path, m->error.text);
    else if (m->state != RULE_RUNNING)
        *config = *model->config_raw;
    else if ((rc = qfs_rule_to_json(&model->arena, dict, config)) < 0)
        rc = qfs_fail(error, -rc, "%s/config.json: holds a value that has no JSON form",
                      model->path);
    if (rc == 0) {
        model->config_auto = m->state == RULE_RUNNING;
        model->config_refused = stops_tokenizer(model, m);
        rc = rename_text_config(model, config, error);
    }
    qfs_arena_done(&m->arena);
    free(m);
    if (rc == 0)
        model->config = config;
    return rc;
}

/* params.json of Mistral's own format, if there is one: sets mistral_format. */
static int load_params(struct qfs_model *model, struct qfs_error *error)
{
    static const struct qfs_json empty = {.kind = QFS_JSON_OBJECT};
    const struct qfs_json *params = NULL;
    int rc = qfs_model_json(model, "params.json", &params, error);
    if (rc < 0 || !params)
        return rc;
    if (!qfs_json_is(params, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s/params.json: is not a JSON object", model->path);
    model->mistral_format = true;
    model->config_raw = &empty;
    model->config = params;
    return 0;
}

int qfs_params_load(struct qfs_model *model, struct qfs_error *error)
{
    const struct qfs_json *raw = NULL;
    int rc = load_params(model, error);
    if (rc == 0 && !model->mistral_format)
        rc = qfs_fail(error, ENOENT,
                      "%s/params.json: there is none: the model is not in Mistral's own format, "
                      "leave --mistral-format out",
                      model->path);
    if (rc < 0 || (rc = qfs_model_json(model, "config.json", &raw, error)) < 0 || !raw)
        return rc;
    if (!qfs_json_is(raw, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s/config.json: is not a JSON object", model->path);
    model->config_raw = raw;
    return 0;
}

int qfs_config_load(struct qfs_model *model, struct qfs_error *error)
{
    const struct qfs_json *raw = NULL;
    int rc = qfs_model_json(model, "config.json", &raw, error);
    if (rc == 0 && !raw)
        rc = load_params(model, error);
    if (rc < 0 || model->mistral_format)
        return rc;
    if (!raw)
        return qfs_fail(error, ENOENT,
                        "%s/config.json: there is none: give the directory that holds the model's "
                        "config.json and safetensors files",
                        model->path);
    if (!qfs_json_is(raw, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s/config.json: is not a JSON object", model->path);
    model->config_raw = raw;
    return load_auto(model, error);
}
