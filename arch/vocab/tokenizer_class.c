/* Which tokenizer class AutoTokenizer takes for a model directory, and what that class builds. The
 * tables are generated from transformers; the rules are AutoTokenizer.from_pretrained's, in its order. */
#include "tokenizer.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const char qfs_default_none[] = "None";
const char qfs_default_absent[] = "";

#define NONE qfs_default_none
#define ABSENT qfs_default_absent

enum tri { IS_ANY, IS_NULL, IS_TRUE, IS_FALSE };

struct arguments { /* of tokenizer_config.json, which change what a class builds */
    enum tri add_prefix_space, legacy, do_lower_case, strip_accents, tokenize_chinese_chars;
};

struct variant {
    enum tri add_prefix_space, legacy, do_lower_case, strip_accents, tokenize_chinese_chars;
    const char *normalizer, *pre_tokenizer, *decoder, *model;
};

struct rebuilt {
    const char *name;
    enum qfs_token_model_kind model;
    enum qfs_class_post post;
    int cls_id, sep_id;
    bool adds_special, old_files, charsmap;
    const char *special[QFS_NAMED_COUNT];
    struct arguments defaults;
    const struct qfs_own_token *named;
    bool named_are_extra, unk_by_text;
    const char *const *extra;
    const struct variant *variants;
    size_t nvariants;
};

enum kind { KIND_FILE, KIND_REBUILT, KIND_OTHER };

struct class_name {
    const char *name, *means;
    enum kind kind;
};

struct model_type {
    const char *name, *mapped, *final;
    bool known, inside; /* AutoConfig knows it; TOKENIZER_MAPPING has its configuration class */
};

#include "tokenizer_classes.inc"

static int compare(const void *name, const void *row)
{
    return strcmp(name, *(const char *const *)row); /* rows begin with their name */
}

#define FIND(table, name) bsearch((name), (table), QFS_COUNT(table), sizeof(*(table)), compare)

/* tokenizer_class_from_name, of a name that may end in "Fast"; NULL: None. */
static const struct class_name *find_class(const char *name);

/* The same of a name whose "Fast" is taken off first. */
static const struct class_name *find_slow(const char *name)
{
    char shorter[128];
    size_t size = strlen(name);
    if (!qfs_ends_with(name, "Fast"))
        return find_class(name);
    if (size - 4 >= sizeof(shorter))
        return NULL;
    memcpy(shorter, name, size - 4);
    shorter[size - 4] = 0;
    return find_class(shorter);
}

static const struct class_name *find_class(const char *name)
{
    const struct class_name *found = FIND(class_names, name);
    return found || !qfs_ends_with(name, "Fast") ? found : find_slow(name);
}

static bool same_class(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    n -= qfs_ends_with(a, "Fast") ? 4 : 0;
    m -= qfs_ends_with(b, "Fast") ? 4 : 0;
    return n == m && memcmp(a, b, n) == 0;
}

static bool is_mislabelled(const struct qfs_json *name)
{
    const char *text = qfs_json_string(name);
    return text && FIND(mislabelled, text);
}

static bool one_of(const char *name, const char *const *list)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

struct chooser {
    const struct qfs_model *model;
    const struct qfs_json *config; /* tokenizer_config.json */
    const struct model_type *type; /* NULL: not in the tables */
    const char *type_name;         /* model_type, NULL where it is no text */
    const char *mapped;            /* TOKENIZER_MAPPING_NAMES.get(model_type) */
    const char *declared;          /* tokenizer_config.json's class, else config.json's; or NULL */
    const char *own;               /* tokenizer_config.json's */
    bool untyped;                  /* model_type is null */
    bool byte_level, remote;       /* remote: an auto_map names code for it */
    struct qfs_error *error;
};

static const struct class_name backend = {"TokenizersBackend", "TokenizersBackend", KIND_FILE};

/* The class of a tokenizer_class field: NULL where there is none; *ret_bad where it is no text. */
static const char *class_field(const struct qfs_json *json, bool *ret_bad)
{
    const struct qfs_json *field = qfs_json_get(json, "tokenizer_class");
    if (!qfs_json_truthy(field))
        return NULL;
    const char *name = qfs_json_string(field);
    *ret_bad = *ret_bad || !name;
    return name;
}

static bool tekken(const struct chooser *c)
{
    return qfs_vocab_file_exists(c->model, "tekken.json");
}

/* The name in config.json of a model whose type AutoConfig does not know, as a glob sees it. */
static bool wants_file(const struct chooser *c)
{
    const char *name = qfs_json_string(qfs_json_get(c->model->config_raw, "_name_or_path"));
    if (!name || c->type) /* else it is the directory's name, which has no slash */
        return false;
    for (size_t i = 0; i < QFS_COUNT(file_only); i++)
        if (fnmatch(file_only[i], name, FNM_CASEFOLD) == 0)
            return true;
    return false;
}

static bool mislabelled_type(const struct chooser *c)
{
    return c->type_name && FIND(mislabelled, c->type_name);
}

static bool mislabelled_model(const struct chooser *c)
{
    return mislabelled_type(c) || is_mislabelled(qfs_json_get(c->model->config_raw, "model_name"));
}

/* The class when the declared one is not the one that belongs to the model type. */
static const struct class_name *choose_differing(const struct chooser *c)
{
    static const char *const generic[] = {"TokenizersBackend", "PythonBackend",
                                          "PreTrainedTokenizerFast", "MistralCommonBackend", NULL};
    static const char *const plain[] = {"TokenizersBackend", "PythonBackend",
                                        "PreTrainedTokenizerFast", NULL};
    if (!one_of(c->mapped, generic)) {
        const char *name = mislabelled_model(c) ? c->mapped : c->declared;
        const struct class_name *found = find_class(name);
        if (found && !one_of(found->means, plain))
            return found;
    }
    if (strcmp(c->mapped, "MistralCommonBackend") == 0 && tekken(c))
        return find_class("MistralCommonBackend");
    return &backend;
}

static const struct class_name *choose(const struct chooser *c)
{
    const struct class_name *found;
    if (!c->remote && wants_file(c))
        return &backend;
    if (!c->remote && c->declared && same_class(c->declared, "LlamaTokenizer") &&
        !(c->mapped && same_class(c->mapped, "MistralCommonBackend")) && !mislabelled_model(c) &&
        c->byte_level)
        return &backend;
    if (!c->remote && c->declared && c->mapped && !same_class(c->mapped, c->declared))
        return choose_differing(c);
    if (c->own) {
        found = find_slow(c->own);
        return !found || strcmp(found->means, "PythonBackend") == 0 ? &backend : found;
    }
    if (c->declared)
        return strstr(c->declared, "PreTrainedTokenizerFast") ? find_class(c->declared)
                                                              : find_slow(c->declared);
    if (!c->type || !c->type->inside)
        return c->untyped ? NULL : &backend;
    if (c->type->final && strcmp(c->type->final, "MistralCommonBackend") == 0 && !tekken(c))
        return &backend;
    return c->type->final ? find_class(c->type->final) : NULL;
}

/* Does code that comes with the model have to run? What AutoTokenizer asks about on a terminal. */
static int check_remote(struct chooser *c)
{
    const struct qfs_json *map = qfs_json_get(c->config, "auto_map");
    if (!map)
        return 0;
    if (map->kind == QFS_JSON_OBJECT)
        map = qfs_json_get(map, "AutoTokenizer");
    else if (map->kind != QFS_JSON_ARRAY)
        return qfs_fail(c->error, EINVAL, "%s/tokenizer_config.json: auto_map is malformed",
                        c->model->path);
    if (qfs_json_is_null(map))
        return 0;
    c->remote = true;
    bool local = (c->type && c->type->inside) || (c->own && find_class(c->own));
    if (mislabelled_type(c) || local)
        return 0;
    return qfs_fail(c->error, ENOTSUP,
                    "%s/tokenizer_config.json: its tokenizer is code that comes with the model, "
                    "which is not run",
                    c->model->path);
}

/* -- what a class builds ----------------------------------------------------------------------------- */

static int tri_of(const struct chooser *c, const char *name, enum tri fallback, enum tri *ret)
{
    const struct qfs_json *value = qfs_json_get(c->config, name);
    if (!value || fallback == IS_ANY) /* the class has no such argument */
        *ret = fallback;
    else if (value->kind == QFS_JSON_NULL)
        *ret = IS_NULL;
    else if (qfs_json_is_bool(value))
        *ret = value->kind == QFS_JSON_TRUE ? IS_TRUE : IS_FALSE;
    else
        return qfs_fail(c->error, EINVAL, "%s/tokenizer_config.json: %s is neither true nor false",
                        c->model->path, name);
    return 0;
}

static bool fits(enum tri wanted, enum tri given)
{
    return wanted == IS_ANY || wanted == given;
}

static const struct variant *find_variant(const struct rebuilt *class, const struct arguments *a)
{
    for (size_t i = 0; i < class->nvariants; i++) {
        const struct variant *v = &class->variants[i];
        if (fits(v->add_prefix_space, a->add_prefix_space) && fits(v->legacy, a->legacy) &&
            fits(v->do_lower_case, a->do_lower_case) && fits(v->strip_accents, a->strip_accents) &&
            fits(v->tokenize_chinese_chars, a->tokenize_chinese_chars))
            return v;
    }
    return NULL;
}

static int describe(const struct chooser *c, const struct class_name *name,
                    struct qfs_tokenizer_class *ret)
{
    *ret = (struct qfs_tokenizer_class){.name = name->means, .kind = QFS_CLASS_FILE};
    if (name->kind == KIND_FILE)
        return 0;
    const struct rebuilt *class = FIND(classes, name->means);
    if (name->kind == KIND_OTHER || !class)
        return qfs_fail(c->error, ENOTSUP, "%s: the tokenizer class %s is not supported",
                        c->model->path, name->means);
    struct arguments a = {0};
    int rc;
    const struct arguments *d = &class->defaults;
    if ((rc = tri_of(c, "add_prefix_space", d->add_prefix_space, &a.add_prefix_space)) < 0 ||
        (rc = tri_of(c, "legacy", d->legacy, &a.legacy)) < 0 ||
        (rc = tri_of(c, "do_lower_case", d->do_lower_case, &a.do_lower_case)) < 0 ||
        (rc = tri_of(c, "strip_accents", d->strip_accents, &a.strip_accents)) < 0 ||
        (rc = tri_of(c, "tokenize_chinese_chars", d->tokenize_chinese_chars,
                     &a.tokenize_chinese_chars)) < 0)
        return rc;
    const struct variant *variant = find_variant(class, &a);
    if (!variant)
        return qfs_fail(c->error, EINVAL,
                        "%s/tokenizer_config.json: %s does not take its arguments", c->model->path,
                        class->name);
    *ret = (struct qfs_tokenizer_class){
        .name = class->name,
        .kind = QFS_CLASS_REBUILT,
        .model = class->model,
        .post = class->post,
        .cls_id = class->cls_id,
        .sep_id = class->sep_id,
        .adds_special = class->adds_special,
        .add_prefix_space = class->defaults.add_prefix_space == IS_TRUE,
        .charsmap = class->charsmap,
        .old_files = class->old_files,
        .special = class->special,
        .named = class->named,
        .named_are_extra = class->named_are_extra,
        .extra = class->extra,
        .unk_by_text = class->unk_by_text,
        .normalizer = variant->normalizer,
        .pre_tokenizer = variant->pre_tokenizer,
        .decoder = variant->decoder,
        .options = variant->model,
    };
    return 0;
}

int qfs_tokenizer_choose(const struct qfs_model *model, const struct qfs_json *config,
                         bool byte_level, struct qfs_tokenizer_class *ret_class,
                         struct qfs_error *error)
{
    struct chooser c = {
        .model = model,
        .config = config,
        .type_name = qfs_json_string(qfs_json_get(model->config_raw, "model_type")),
        .untyped = qfs_json_is(qfs_json_get(model->config_raw, "model_type"), QFS_JSON_NULL),
        .byte_level = byte_level,
        .error = error,
    };
    bool bad = false;
    if (model->config_refused)
        return qfs_fail(error, EINVAL,
                        "%s/config.json: transformers refuses it, and with it "
                        "the tokenizer",
                        model->path);
    const struct model_type *type = c.type_name ? FIND(model_types, c.type_name) : NULL;
    c.mapped = type ? type->mapped : NULL;
    c.type = model->config_auto ? type : NULL; /* else the configuration has no class of its own */
    c.own = class_field(config, &bad);
    c.declared = c.own ? c.own : class_field(model->config_raw, &bad);
    if (bad)
        return qfs_fail(error, EINVAL, "%s: tokenizer_class is not a text", model->path);
    int rc = check_remote(&c);
    if (rc < 0)
        return rc;
    const struct class_name *name = choose(&c);
    if (!name)
        return qfs_fail(error, EINVAL, "%s: there is no tokenizer class %s", model->path,
                        c.declared ? c.declared : "for its model type");
    return describe(&c, name, ret_class);
}
