/* PreTrainedTokenizerBase._from_pretrained and TokenizersBackend.__init__: what becomes of a model
 * directory's tokenizer files.
 *
 * transformers gathers keyword arguments (tokenizer_config.json, then special_tokens_map.json over
 * it), lets the class build its pipeline, and adds tokens from four places in turn. The functions here
 * follow it in its order, since ids of new tokens depend on it. */
#include "tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 256 << 20 };

static const char *const named_names[QFS_NAMED_COUNT] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

/* A keyword argument. */
struct argument {
    struct qfs_text name;
    const struct qfs_json *value;
    bool is_token; /* an AddedToken already */
    struct qfs_added_token token;
};

struct indexed_token { /* of added_tokens_decoder */
    int64_t index;
    struct qfs_added_token token;
};

struct loader {
    struct qfs_tokenizer *t;
    const struct qfs_model *model;
    struct qfs_tokenizer_class class;
    const struct qfs_json *config; /* tokenizer_config.json; NULL: none */
    struct argument *arguments;
    size_t narguments;
    struct indexed_token *added; /* in the order of insertion, indices unique */
    size_t nadded, added_capacity;
    struct qfs_map places;                /* index → place in added */
    const struct qfs_json *models_own[2]; /* model_specific_special_tokens: objects, or NULL */
    bool byte_level;
    struct qfs_error *error;
};

static int config_fail(const struct loader *l, const char *field, const char *what)
{
    return qfs_fail(l->error, EINVAL, "%s/tokenizer_config.json: %s %s", l->model->path, field,
                    what);
}

/* -- keyword arguments ------------------------------------------------------------------------------- */

static struct argument *find_argument(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->narguments; i++)
        if (qfs_text_is(l->arguments[i].name, name))
            return &l->arguments[i];
    return NULL;
}

/* kwargs[name], made if it is not there. */
static struct argument *set_argument(struct loader *l, struct qfs_text name)
{
    for (size_t i = 0; i < l->narguments; i++)
        if (qfs_text_equal(l->arguments[i].name, name))
            return &l->arguments[i];
    struct argument *items =
        qfs_arena_array(&l->t->arena, l->narguments + 1, sizeof(*l->arguments));
    if (!items)
        return NULL;
    if (l->narguments)
        memcpy(items, l->arguments, l->narguments * sizeof(*items));
    l->arguments = items;
    items[l->narguments] = (struct argument){.name = name};
    return &items[l->narguments++];
}

static const struct qfs_json *argument_value(const struct loader *l, const char *name)
{
    const struct argument *argument = find_argument(l, name);
    return argument ? argument->value : NULL;
}

static void remove_argument(struct loader *l, struct argument *argument)
{
    size_t i = (size_t)(argument - l->arguments);
    memmove(argument, argument + 1, (l->narguments - i - 1) * sizeof(*argument));
    l->narguments--;
}

/* {"__type": "AddedToken", …} as it stands in tokenizer_config.json. */
static bool is_token_json(const struct qfs_json *json)
{
    return qfs_text_is(qfs_json_text(qfs_json_get(json, "__type")), "AddedToken");
}

static int start_arguments(struct loader *l)
{
    const struct qfs_json *c = l->config;
    size_t count = c ? c->count : 0;
    l->arguments = qfs_arena_array(&l->t->arena, count + 1, sizeof(*l->arguments));
    if (!l->arguments)
        return qfs_fail_memory(l->error);
    for (size_t i = 0; i < count; i++) {
        if (qfs_text_is(c->members[i].key, "tokenizer_class") ||
            qfs_text_is(c->members[i].key, "init_inputs"))
            continue;
        if (l->t->json && (qfs_text_is(c->members[i].key, "add_bos_token") ||
                           qfs_text_is(c->members[i].key, "add_eos_token")))
            continue; /* tokenizer.json's post-processor says it */
        l->arguments[l->narguments++] =
            (struct argument){.name = c->members[i].key, .value = &c->members[i].value};
    }
    struct argument *additional = find_argument(l, "additional_special_tokens");
    if (additional && !qfs_json_truthy(argument_value(l, "extra_special_tokens"))) {
        struct argument *extra = set_argument(l, QFS_TEXT("extra_special_tokens"));
        additional = find_argument(l, "additional_special_tokens"); /* may have moved */
        if (!extra)
            return qfs_fail_memory(l->error);
        extra->value = additional->value;
        remove_argument(l, additional);
    }
    return 0;
}

/* -- added_tokens_decoder ------------------------------------------------------------------------------ */

static int set_added(struct loader *l, int64_t index, const struct qfs_added_token *token)
{
    struct qfs_text key = {(const char *)&index, sizeof(index)};
    uint64_t place;
    if (qfs_map_get(&l->places, key, &place)) {
        l->added[place].token = *token;
        return 0;
    }
    if (l->nadded == l->added_capacity) {
        size_t capacity = l->added_capacity ? l->added_capacity * 2 : 256;
        struct indexed_token *items = qfs_arena_array(&l->t->arena, capacity, sizeof(*items));
        if (!items)
            return qfs_fail_memory(l->error);
        if (l->nadded)
            memcpy(items, l->added, l->nadded * sizeof(*items));
        l->added = items;
        l->added_capacity = capacity;
    }
    key.data = qfs_arena_copy(&l->t->arena, key.data, key.size);
    if (!key.data || qfs_map_set(&l->places, key, l->nadded) < 0)
        return qfs_fail_memory(l->error);
    l->added[l->nadded++] = (struct indexed_token){index, *token};
    return 0;
}

static int read_decoder(struct loader *l, const struct qfs_json *decoder)
{
    if (!qfs_json_is(decoder, QFS_JSON_OBJECT))
        return config_fail(l, "added_tokens_decoder", "is not an object");
    for (uint32_t i = 0; i < decoder->count; i++) {
        const struct qfs_json_member *member = &decoder->members[i];
        struct qfs_added_token token;
        int64_t index;
        char where[256];
        snprintf(where, sizeof(where), "%.200s/tokenizer_config.json: token %.20s", l->model->path,
                 member->key.data);
        int rc = qfs_added_token_read(&member->value, where, &token, l->error);
        if (rc < 0)
            return rc;
        if (!qfs_python_int(member->key, &index))
            return config_fail(l, "added_tokens_decoder", "has a key that is no id");
        if ((rc = set_added(l, index, &token)) < 0)
            return rc;
    }
    return 0;
}

/* special_tokens_map.json, whose entries go over tokenizer_config.json's. */
static int read_special_map(struct loader *l)
{
    const struct qfs_json *map;
    int rc = qfs_vocab_read_json(&l->t->arena, l->model, "special_tokens_map.json", &map, l->error);
    if (rc < 0 || !map)
        return rc;
    if (map->kind != QFS_JSON_OBJECT)
        return qfs_fail(l->error, EINVAL, "%s/special_tokens_map.json: is not an object",
                        l->model->path);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct qfs_json_member *member = &map->members[i];
        struct argument *argument = set_argument(l, member->key);
        if (!argument)
            return qfs_fail_memory(l->error);
        bool extra = qfs_text_is(member->key, "extra_special_tokens");
        if (extra && member->value.kind == QFS_JSON_ARRAY && qfs_json_truthy(argument->value))
            return qfs_fail(l->error, ENOTSUP,
                            "%s: extra_special_tokens in special_tokens_map.json and "
                            "tokenizer_config.json cannot be joined",
                            l->model->path);
        argument->value = &member->value;
        argument->is_token = false;
        if (member->value.kind == QFS_JSON_OBJECT && !extra) {
            char where[256];
            snprintf(where, sizeof(where), "%.180s/special_tokens_map.json: %.40s", l->model->path,
                     member->key.data);
            if ((rc = qfs_added_token_read(&member->value, where, &argument->token, l->error)) < 0)
                return rc;
            argument->token.special = true;
            argument->is_token = true;
        }
    }
    struct argument *extra = find_argument(l, "extra_special_tokens");
    if (extra && qfs_json_is(extra->value, QFS_JSON_OBJECT)) {
        l->models_own[1] = extra->value;
        remove_argument(l, extra);
    }
    return 0;
}

static bool names_special(const struct loader *l, struct qfs_text text)
{
    for (size_t i = 0; i < QFS_NAMED_COUNT; i++) {
        const struct argument *a = find_argument(l, named_names[i]);
        if (a && qfs_text_equal(a->is_token ? a->token.content : qfs_json_text(a->value), text))
            return true;
    }
    const struct qfs_json *extra = argument_value(l, "extra_special_tokens");
    for (uint32_t i = 0; qfs_json_is(extra, QFS_JSON_ARRAY) && i < extra->count; i++)
        if (qfs_text_equal(qfs_json_text(&extra->items[i]), text))
            return true;
    return false;
}

/* added_tokens.json */
static int read_added_file(struct loader *l)
{
    const struct qfs_json *file;
    int rc = qfs_vocab_read_json(&l->t->arena, l->model, "added_tokens.json", &file, l->error);
    if (rc < 0 || !file)
        return rc;
    if (file->kind != QFS_JSON_OBJECT)
        return qfs_fail(l->error, EINVAL, "%s/added_tokens.json: is not an object", l->model->path);
    for (uint32_t i = 0; i < file->count && rc == 0; i++) {
        const struct qfs_json_member *member = &file->members[i];
        bool special = names_special(l, member->key);
        struct qfs_added_token token = {
            .content = member->key,
            .special = special,
            .normalized = special ? QFS_FLAG_FALSE : QFS_FLAG_TRUE,
        };
        if (member->value.kind != QFS_JSON_INT)
            rc =
                qfs_fail(l->error, EINVAL, "%s/added_tokens.json: the id of '%s' is not an integer",
                         l->model->path, member->key.data);
        else
            rc = set_added(l, member->value.integer, &token);
    }
    return rc;
}

/* tokenizer.json's own list, as far as it is asked for here. */
static int read_file_tokens(struct loader *l)
{
    const struct qfs_json *list = qfs_json_get(l->t->json, "added_tokens");
    int rc = 0;
    if (!l->t->json)
        return 0;
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return qfs_fail(l->error, EINVAL, "%s: has no added_tokens", l->t->shown);
    for (uint32_t i = 0; i < list->count && rc == 0; i++) {
        const struct qfs_json *id = qfs_json_get(&list->items[i], "id");
        struct qfs_added_token token;
        if (!qfs_json_is(id, QFS_JSON_INT))
            return qfs_fail(l->error, EINVAL, "%s: an added token has no id", l->t->shown);
        rc = qfs_added_token_read(&list->items[i], l->t->shown, &token, l->error);
        if (rc == 0)
            rc = set_added(l, id->integer, &token);
    }
    return rc;
}

/* -- special tokens ---------------------------------------------------------------------------------------- */

/* What an argument says of a token: 0 None, 1 a token, negative where transformers refuses it. */
static int token_of(struct loader *l, const struct argument *a, struct qfs_named_token *token)
{
    char where[256];
    snprintf(where, sizeof(where), "%.180s/tokenizer_config.json: %.40s", l->model->path,
             a->name.data);
    if (a->is_token) {
        token->token = a->token;
    } else if (qfs_json_is_null(a->value)) {
        return 0;
    } else if (a->value->kind == QFS_JSON_STRING) {
        if (!qfs_utf8_valid(a->value->string, a->value->count))
            return qfs_fail(l->error, EINVAL, "%s is no valid text", where);
        token->token = (struct qfs_added_token){.content = qfs_json_text(a->value)};
        token->is_string = true;
    } else if (is_token_json(a->value)) {
        int rc = qfs_added_token_read(a->value, where, &token->token, l->error);
        if (rc < 0)
            return rc;
    } else {
        return qfs_fail(l->error, EINVAL, "%s is no token", where);
    }
    token->set = true;
    return 1;
}

/* added_tokens_map.get(str(token), token) */
static void prefer_added(const struct loader *l, struct qfs_named_token *token)
{
    for (size_t i = l->nadded; i-- > 0;) /* the last one with this content */
        if (qfs_text_equal(l->added[i].token.content, token->token.content)) {
            token->token = l->added[i].token;
            token->is_string = false;
            return;
        }
}

static int add_named(struct loader *l, const struct qfs_named_token *token)
{
    struct qfs_tokenizer *t = l->t;
    for (size_t i = 0; i < t->nnamed; i++)
        if (qfs_text_equal(t->named[i].name, token->name)) {
            t->named[i] = *token;
            return 0;
        }
    struct qfs_named_token *items = qfs_arena_array(&t->arena, t->nnamed + 1, sizeof(*t->named));
    if (!items)
        return qfs_fail_memory(l->error);
    if (t->nnamed)
        memcpy(items, t->named, t->nnamed * sizeof(*items));
    items[t->nnamed++] = *token;
    t->named = items;
    return 0;
}

static int read_named(struct loader *l)
{
    for (size_t i = 0; i < QFS_NAMED_COUNT; i++) {
        struct qfs_named_token token = {.name = qfs_text_of(named_names[i])};
        const struct argument *argument = find_argument(l, named_names[i]);
        int rc = 0;
        if (argument) {
            if ((rc = token_of(l, argument, &token)) < 0)
                return rc;
            if (rc)
                prefer_added(l, &token);
        } else if (l->class.kind == QFS_CLASS_REBUILT &&
                   l->class.special[i] != qfs_default_absent &&
                   l->class.special[i] != qfs_default_none) {
            token.set = token.is_string = true;
            token.token.content = qfs_text_of(l->class.special[i]);
        }
        if ((rc = add_named(l, &token)) < 0)
            return rc;
    }
    return 0;
}

static bool is_named(struct qfs_text name)
{
    for (size_t i = 0; i < QFS_NAMED_COUNT; i++)
        if (qfs_text_is(name, named_names[i]))
            return true;
    return false;
}

static bool ends_in_token(struct qfs_text name)
{
    return name.size >= 6 && memcmp(name.data + name.size - 6, "_token", 6) == 0;
}

/* Tokens of the model's own names. `early`: those that _from_pretrained collected (texts in
 * tokenizer_config.json); the others come first. */
static int read_models_own(struct loader *l, bool early)
{
    for (size_t i = 0; i < l->narguments; i++) {
        const struct argument *a = &l->arguments[i];
        struct qfs_named_token token = {.name = a->name};
        if (!ends_in_token(a->name) || is_named(a->name))
            continue;
        bool in_config = !a->is_token && a->value && a->value->kind == QFS_JSON_STRING &&
                         qfs_json_get(l->config, a->name.data) == a->value;
        if (in_config != early)
            continue;
        if (!a->is_token && !qfs_json_is(a->value, QFS_JSON_STRING) && !is_token_json(a->value))
            continue;
        int rc = token_of(l, a, &token);
        if (rc < 0 || (rc > 0 && (rc = add_named(l, &token)) < 0))
            return rc;
    }
    return 0;
}

static int read_own_object(struct loader *l, const struct qfs_json *object)
{
    for (uint32_t i = 0; object && i < object->count; i++) {
        struct argument argument = {.name = object->members[i].key,
                                    .value = &object->members[i].value};
        struct qfs_named_token token = {.name = argument.name};
        int rc = token_of(l, &argument, &token);
        if (rc == 0)
            rc = config_fail(l, "extra_special_tokens", "has a token that is null");
        if (rc < 0 || (rc = add_named(l, &token)) < 0)
            return rc;
    }
    return 0;
}

static int read_extra(struct loader *l)
{
    const struct argument *extra = find_argument(l, "extra_special_tokens");
    const struct qfs_json *list = extra ? extra->value : NULL;
    if (!extra) /* special_tokens_map.json may have the old name */
        list = argument_value(l, "additional_special_tokens");
    if (qfs_json_is_null(list))
        return 0;
    if (list->kind != QFS_JSON_ARRAY)
        return config_fail(l, "extra_special_tokens", "is no list");
    l->t->extra = qfs_arena_array(&l->t->arena, list->count, sizeof(*l->t->extra));
    if (!l->t->extra)
        return qfs_fail_memory(l->error);
    for (uint32_t i = 0; i < list->count; i++) {
        struct argument argument = {.name = QFS_TEXT("extra_special_tokens"),
                                    .value = &list->items[i]};
        int rc = token_of(l, &argument, &l->t->extra[l->t->nextra]);
        if (rc == 0)
            rc = config_fail(l, "extra_special_tokens", "has a token that is null");
        if (rc < 0)
            return rc;
        l->t->nextra++;
    }
    return 0;
}

static int read_special(struct loader *l)
{
    const struct argument *decoder = find_argument(l, "added_tokens_decoder");
    struct argument *extra = find_argument(l, "extra_special_tokens");
    int rc;
    if (extra && qfs_json_is(extra->value, QFS_JSON_OBJECT)) {
        l->models_own[0] = extra->value;
        remove_argument(l, extra);
        decoder = find_argument(l, "added_tokens_decoder");
    }
    if (decoder) {
        if ((rc = read_decoder(l, decoder->value)) < 0)
            return rc;
    } else if ((rc = read_special_map(l)) < 0 || (rc = read_added_file(l)) < 0 ||
               (rc = read_file_tokens(l)) < 0) {
        return rc;
    }
    if ((rc = read_named(l)) < 0 || (rc = read_models_own(l, false)) < 0 ||
        (rc = read_models_own(l, true)) < 0 || (rc = read_own_object(l, l->models_own[0])) < 0 ||
        (rc = read_own_object(l, l->models_own[1])) < 0)
        return rc;
    return read_extra(l);
}

/* -- the pipeline ---------------------------------------------------------------------------------------------- */

/* JSON of the generated tables. */
static int parse_part(struct loader *l, const char *text, const struct qfs_json **ret)
{
    return qfs_json_parse(&l->t->arena, text, strlen(text), l->class.name, ret, l->error);
}

static int read_steps(struct loader *l, const struct qfs_json *normalizer,
                      const struct qfs_json *pre_tokenizer, const struct qfs_json *decoder)
{
    struct qfs_tokenizer *t = l->t;
    int rc;
    if ((rc = qfs_steps_read(t, QFS_ROLE_NORMALIZER, normalizer, &t->normalizers, l->error)) < 0 ||
        (rc = qfs_steps_read(t, QFS_ROLE_PRE_TOKENIZER, pre_tokenizer, &t->pre_tokenizers,
                             l->error)) < 0)
        return rc;
    return qfs_steps_read(t, QFS_ROLE_DECODER, decoder, &t->decoders, l->error);
}

static int check_version(struct loader *l)
{
    const struct qfs_json *version = qfs_json_get(l->t->json, "version");
    if (version && !qfs_text_is(qfs_json_text(version), "1.0"))
        return qfs_fail(l->error, EINVAL, "%s: its version is not 1.0", l->t->shown);
    return 0;
}

/* Tokenizer.from_file's added tokens: all fields must be there. */
static int add_file_tokens(struct loader *l)
{
    static const char *const fields[] = {"content", "single_word", "lstrip",
                                         "rstrip",  "normalized",  "special"};
    const struct qfs_json *list = qfs_json_get(l->t->json, "added_tokens");
    int rc = 0;
    if (list && list->kind != QFS_JSON_ARRAY)
        return qfs_fail(l->error, EINVAL, "%s: added_tokens is no list", l->t->shown);
    for (uint32_t i = 0; list && i < list->count && rc == 0; i++) {
        struct qfs_added_token token;
        for (size_t j = 0; j < QFS_COUNT(fields); j++)
            if (!qfs_json_get(&list->items[i], fields[j]))
                return qfs_fail(l->error, EINVAL, "%s: an added token has no %s", l->t->shown,
                                fields[j]);
        rc = qfs_added_token_read(&list->items[i], l->t->shown, &token, l->error);
        if (rc == 0)
            rc = qfs_added_add(l->t, &token, l->error);
    }
    return rc;
}

/* TokenizersBackend: the file as it stands. */
static int build_from_file(struct loader *l)
{
    struct qfs_tokenizer *t = l->t;
    const struct qfs_json *model = qfs_json_get(t->json, "model");
    const char *type = qfs_json_string(qfs_json_get(model, "type"));
    enum qfs_token_model_kind kind = QFS_MODEL_BPE;
    int rc;
    if (!t->json)
        return qfs_fail(l->error, ENOENT, "%s: there is no such file, and %s needs it", t->shown,
                        l->class.name);
    if (!type && qfs_json_get(model, "max_input_chars_per_word"))
        kind = QFS_MODEL_WORDPIECE; /* files from before models had a type */
    else if (type && strcmp(type, "WordPiece") == 0)
        kind = QFS_MODEL_WORDPIECE;
    else if (type && strcmp(type, "BPE") != 0)
        return qfs_fail(l->error, ENOTSUP, "%s: models of type %s are not supported", t->shown,
                        type);
    if (!qfs_json_is(model, QFS_JSON_OBJECT) ||
        !qfs_json_is(qfs_json_get(model, "vocab"), QFS_JSON_OBJECT) ||
        (kind == QFS_MODEL_BPE && !qfs_json_get(model, "merges")))
        return qfs_fail(l->error, EINVAL, "%s: its model is malformed", t->shown);
    if ((rc = check_version(l)) < 0 ||
        (rc = read_steps(l, qfs_json_get(t->json, "normalizer"),
                         qfs_json_get(t->json, "pre_tokenizer"),
                         qfs_json_get(t->json, "decoder"))) < 0 ||
        (rc = qfs_processor_read(t, qfs_json_get(t->json, "post_processor"), l->error)) < 0 ||
        (rc = qfs_token_model_read(t, kind, model, qfs_json_get(model, "vocab"),
                                   kind == QFS_MODEL_BPE ? qfs_json_get(model, "merges") : NULL,
                                   l->error)) < 0)
        return rc;
    return add_file_tokens(l);
}

/* str(unk_token) */
static struct qfs_text unknown_text(const struct loader *l)
{
    const struct qfs_named_token *unk = &l->t->named[QFS_NAMED_UNK];
    return unk->set ? unk->token.content : QFS_TEXT("None");
}

/* vocab.json and merges.txt, or vocab.txt, where there is no tokenizer.json. */
static int read_old_files(struct loader *l, const struct qfs_json **ret_vocab,
                          const struct qfs_json **ret_merges)
{
    return qfs_fail(l->error, ENOENT, "%s: there is no such file, and %s needs it", l->t->shown,
                    l->class.name);
}

/* The pipeline is the class's, vocabulary and post-processor are the file's. */
static int build_from_class(struct loader *l)
{
    struct qfs_tokenizer *t = l->t;
    const struct qfs_json *normalizer, *pre_tokenizer, *decoder, *options;
    const struct qfs_json *vocab = NULL, *merges = NULL;
    int rc;
    if ((rc = parse_part(l, l->class.normalizer, &normalizer)) < 0 ||
        (rc = parse_part(l, l->class.pre_tokenizer, &pre_tokenizer)) < 0 ||
        (rc = parse_part(l, l->class.decoder, &decoder)) < 0 ||
        (rc = parse_part(l, l->class.options, &options)) < 0)
        return rc;
    if (t->json) {
        const struct qfs_json *model = qfs_json_get(t->json, "model");
        vocab = qfs_json_get(model, "vocab");
        if (l->class.model == QFS_MODEL_BPE)
            merges = qfs_json_get(model, "merges");
        /* The file's own parts are checked, though only the post-processor is taken. */
        if ((rc = check_version(l)) < 0 || (rc = read_steps(l, qfs_json_get(t->json, "normalizer"),
                                                            qfs_json_get(t->json, "pre_tokenizer"),
                                                            qfs_json_get(t->json, "decoder"))) < 0)
            return rc;
        qfs_steps_done(&t->normalizers);
        qfs_steps_done(&t->pre_tokenizers);
        qfs_steps_done(&t->decoders);
    } else if ((rc = read_old_files(l, &vocab, &merges)) < 0) {
        return rc;
    }
    if ((rc = read_steps(l, normalizer, pre_tokenizer, decoder)) < 0 ||
        (rc = qfs_processor_read(t, qfs_json_get(t->json, "post_processor"), l->error)) < 0 ||
        (rc = qfs_token_model_read(t, l->class.model, options, vocab, merges, l->error)) < 0)
        return rc;
    if (t->tokens.has_unk) /* the table has a stand-in */
        t->tokens.unk_token = unknown_text(l);
    return 0;
}

/* -- tokens that the constructor adds ---------------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b)
{
    const struct indexed_token *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool is_named_content(const struct qfs_tokenizer *t, struct qfs_text content)
{
    for (size_t i = 0; i < t->nnamed; i++)
        if (t->named[i].set && qfs_text_equal(t->named[i].token.content, content))
            return true;
    return false;
}

/* A token as add_tokens gets it: a plain text counts as special, and so does a name's token. */
static int add_one(struct loader *l, const struct qfs_added_token *token, bool is_string)
{
    struct qfs_added_token copy = *token;
    if (is_string || is_named_content(l->t, token->content))
        copy.special = true;
    return qfs_added_add(l->t, &copy, l->error);
}

static int add_tokens(struct loader *l)
{
    struct qfs_tokenizer *t = l->t;
    struct qfs_map encoder = {0}; /* contents that are there, or about to be */
    int rc = 0;
    qsort(l->added, l->nadded, sizeof(*l->added), compare_indices);
    for (size_t i = 0; i < t->added.count && rc >= 0; i++)
        rc = qfs_map_set(&encoder, t->added.entries[i]->token.content, 0);
    for (size_t i = 0; i < l->nadded && rc >= 0; i++)
        rc = qfs_map_set(&encoder, l->added[i].token.content, 0);
    if (rc < 0) {
        qfs_map_done(&encoder);
        return qfs_fail_memory(l->error);
    }
    rc = 0;
    for (size_t i = 0; i < l->nadded && rc == 0; i++)
        rc = add_one(l, &l->added[i].token, false);
    for (size_t i = 0; i < t->nnamed + t->nextra && rc == 0; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        if (token->set && !qfs_map_get(&encoder, token->token.content, NULL))
            rc = add_one(l, &token->token, token->is_string);
    }
    qfs_map_done(&encoder);
    return rc;
}

/* add_tokens of all special tokens once more, with plain flags (Qwen2Tokenizer); or as special tokens
 * (_post_init). */
static int add_special_again(struct loader *l, bool post_init)
{
    struct qfs_tokenizer *t = l->t;
    int rc = 0;
    for (size_t i = 0; i < t->nnamed + t->nextra && rc == 0; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        struct qfs_added_token copy = token->token;
        if (!token->set)
            continue;
        if (!post_init || token->is_string)
            copy = (struct qfs_added_token){.content = copy.content};
        if (post_init && token->is_string)
            copy.normalized = QFS_FLAG_FALSE;
        copy.special = true;
        rc = qfs_added_add(t, &copy, l->error);
    }
    return rc;
}

/* -- the post-processor -------------------------------------------------------------------------------------------- */

static int id_of(struct loader *l, enum qfs_flag wanted, size_t name, int64_t *ret_id)
{
    const struct qfs_named_token *token = &l->t->named[name];
    uint32_t id;
    *ret_id = -1;
    if (wanted != QFS_FLAG_TRUE || !token->set)
        return 0;
    if (!qfs_tokenizer_id(l->t, token->token.content, &id) ||
        memchr(token->token.content.data, ' ', token->token.content.size) ||
        memchr(token->token.content.data, ':', token->token.content.size) ||
        token->token.content.data[0] == '$')
        return qfs_fail(l->error, EINVAL, "%s: its %s cannot stand in a template", l->model->path,
                        token->name.data);
    *ret_id = id;
    return 0;
}

/* update_post_processor */
static int update_processor(struct loader *l)
{
    int64_t bos, eos;
    int rc;
    if ((rc = id_of(l, l->t->add_bos ? QFS_FLAG_TRUE : QFS_FLAG_FALSE, QFS_NAMED_BOS, &bos)) < 0 ||
        (rc = id_of(l, l->t->add_eos ? QFS_FLAG_TRUE : QFS_FLAG_FALSE, QFS_NAMED_EOS, &eos)) < 0)
        return rc;
    return qfs_processor_set(l->t, bos, eos, l->error);
}

/* [CLS] text [SEP], as BERT's and RoBERTa's constructors end. */
static int cls_sep_processor(struct loader *l)
{
    struct qfs_named_token *cls = &l->t->named[QFS_NAMED_CLS], *sep = &l->t->named[QFS_NAMED_SEP];
    uint32_t cls_id = (uint32_t)l->class.cls_id, sep_id = (uint32_t)l->class.sep_id;
    bool ok = (cls->set && qfs_tokenizer_id(l->t, cls->token.content, &cls_id)) ||
              (!cls->set && l->class.cls_id >= 0);
    ok = ok && ((sep->set && qfs_tokenizer_id(l->t, sep->token.content, &sep_id)) ||
                (!sep->set && l->class.sep_id >= 0));
    if (!ok)
        return qfs_fail(l->error, EINVAL, "%s: %s has no cls_token or no sep_token", l->model->path,
                        l->class.name);
    return qfs_processor_set(l->t, cls_id, sep_id, l->error);
}

/* -- all of it ------------------------------------------------------------------------------------------------------- */

static int flag(struct loader *l, const char *name, bool *ret)
{
    *ret = qfs_json_truthy(argument_value(l, name));
    return 0;
}

/* tokenizer.json's padding names a pad token where nothing else does. */
static int pad_from_file(struct loader *l)
{
    const struct qfs_json *padding = qfs_json_get(l->t->json, "padding");
    const struct qfs_json *token = qfs_json_get(padding, "pad_token");
    struct qfs_named_token *pad = &l->t->named[QFS_NAMED_PAD];
    if (qfs_json_is_null(padding) || find_argument(l, "pad_token") || pad->set)
        return 0;
    if (!qfs_json_is(token, QFS_JSON_STRING))
        return qfs_fail(l->error, EINVAL, "%s: its padding is malformed", l->t->shown);
    if (l->class.kind == QFS_CLASS_REBUILT && l->class.special[QFS_NAMED_PAD] != qfs_default_absent)
        return 0; /* the constructor gave pad_token, be it None */
    pad->set = pad->is_string = true;
    pad->token = (struct qfs_added_token){.content = qfs_json_text(token)};
    return 0;
}

/* transformers reads the template files, which must be UTF-8. */
static int read_template_files(struct loader *l, bool *ret_any)
{
    struct qfs_text text;
    struct stat st;
    *ret_any = fstatat(l->model->dir_fd, "additional_chat_templates", &st, 0) == 0;
    if (!qfs_vocab_file_exists(l->model, "chat_template.jinja"))
        return 0;
    *ret_any = true;
    return qfs_vocab_read_text(&l->t->arena, l->model, "chat_template.jinja", &text, l->error);
}

/* A list of chat templates becomes a dict there, so each must have a name. */
static int check_templates(struct loader *l)
{
    const struct qfs_json *list = argument_value(l, "chat_template");
    bool any;
    int rc = read_template_files(l, &any);
    if (rc < 0 || any || !qfs_json_is(list, QFS_JSON_ARRAY))
        return rc;
    for (uint32_t i = 0; i < list->count; i++)
        if (!qfs_json_get(&list->items[i], "name") || !qfs_json_get(&list->items[i], "template"))
            return config_fail(l, "chat_template", "has an entry without name or template");
    return 0;
}

static int construct(struct loader *l)
{
    struct qfs_tokenizer *t = l->t;
    int rc = l->class.kind == QFS_CLASS_FILE ? build_from_file(l) : build_from_class(l);
    if (rc < 0 || (rc = pad_from_file(l)) < 0 || (rc = check_templates(l)) < 0)
        return rc;
    bool explicit = find_argument(l, "add_bos_token") || find_argument(l, "add_eos_token");
    flag(l, "add_bos_token", &t->add_bos);
    flag(l, "add_eos_token", &t->add_eos);
    flag(l, "split_special_tokens", &t->split_special_tokens);
    flag(l, "clean_up_tokenization_spaces", &t->clean_up);
    flag(l, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
         &t->clean_up_bpe);
    bool update = explicit || !t->has_processor;
    if ((rc = add_tokens(l)) < 0 || (update && (rc = update_processor(l)) < 0))
        return rc;
    switch (l->class.kind == QFS_CLASS_REBUILT ? l->class.post : QFS_POST_KEEP) {
    case QFS_POST_UPDATE:
        rc = update_processor(l);
        break;
    case QFS_POST_INIT:
        rc = add_special_again(l, true);
        if (rc == 0 && update)
            rc = update_processor(l);
        break;
    case QFS_POST_CLS_SEP:
        rc = cls_sep_processor(l);
        break;
    case QFS_POST_KEEP:
        break;
    }
    if (rc == 0 && l->class.adds_special)
        rc = add_special_again(l, false);
    return rc;
}

static int read_files(struct loader *l)
{
    struct qfs_tokenizer *t = l->t;
    char *text = NULL;
    size_t size = 0;
    int rc =
        qfs_vocab_read_json(&t->arena, l->model, "tokenizer_config.json", &l->config, l->error);
    if (rc < 0)
        return rc;
    if (l->config && l->config->kind != QFS_JSON_OBJECT)
        return qfs_fail(l->error, EINVAL, "%s/tokenizer_config.json: is not an object",
                        l->model->path);
    if (!(t->shown = qfs_vocab_shown(&t->arena, l->model, "tokenizer.json")))
        return qfs_fail_memory(l->error);
    if (!qfs_vocab_file_exists(l->model, "tokenizer.json"))
        return 0;
    rc = qfs_file_read(l->model->dir_fd, "tokenizer.json", FILE_LIMIT, t->shown, &text, &size,
                       l->error);
    if (rc == 0) {
        l->byte_level = memmem(text, size, "\"ByteLevel\"", 11) != NULL;
        rc = qfs_json_parse(&t->arena, text, size, t->shown, &t->json, l->error);
    }
    free(text);
    if (rc == 0 && t->json->kind != QFS_JSON_OBJECT)
        rc = qfs_fail(l->error, EINVAL, "%s: is not an object", t->shown);
    return rc;
}

int qfs_tokenizer_open(const struct qfs_model *model, struct qfs_tokenizer **ret_tokenizer,
                       struct qfs_error *error)
{
    struct qfs_tokenizer *t = calloc(1, sizeof(*t));
    struct loader l = {.t = t, .model = model, .error = error};
    if (!t)
        return qfs_fail_memory(error);
    t->model = model;
    int rc = read_files(&l);
    if (rc == 0)
        rc = qfs_tokenizer_choose(model, l.config, l.byte_level, &l.class, error);
    if (rc == 0) {
        t->class_name = l.class.name;
        rc = start_arguments(&l);
    }
    if (rc == 0 && (rc = read_special(&l)) == 0)
        rc = construct(&l);
    qfs_map_done(&l.places);
    if (rc < 0) {
        qfs_tokenizer_close(t);
        return rc == -ENOENT ? -EINVAL : rc; /* ENOENT has a meaning of its own for callers */
    }
    *ret_tokenizer = t;
    return 0;
}

void qfs_tokenizer_close(struct qfs_tokenizer *t)
{
    if (!t)
        return;
    qfs_steps_done(&t->normalizers);
    qfs_steps_done(&t->pre_tokenizers);
    qfs_steps_done(&t->decoders);
    qfs_token_model_done(&t->tokens);
    qfs_added_done(&t->added);
    qfs_arena_done(&t->scratch);
    qfs_arena_done(&t->arena);
    free(t);
}

/* -- encoding and decoding ------------------------------------------------------------------------------------------------ */

/* The templates around the ids. */
static int post_process(const struct qfs_tokenizer *t, bool special, struct qfs_ids *ids,
                        struct qfs_error *error)
{
    for (size_t i = 0; i < t->ntemplates; i++) {
        struct qfs_ids out = {0};
        for (size_t j = 0; j < t->templates[i].count; j++) {
            const struct qfs_template_part *part = &t->templates[i].parts[j];
            for (size_t k = 0; part->text && k < ids->count; k++)
                qfs_ids_add(&out, ids->items[k]);
            if (!part->text && special)
                qfs_ids_add(&out, part->id);
        }
        out.failed = out.failed || ids->failed;
        free(ids->items);
        *ids = out;
    }
    return ids->failed ? qfs_fail_memory(error) : 0;
}

int qfs_tokenizer_encode(struct qfs_tokenizer *t, struct qfs_text text, bool special,
                         struct qfs_ids *ids, struct qfs_error *error)
{
    struct qfs_bits bits = {0};
    qfs_arena_done(&t->scratch);
    ids->count = 0;
    int rc = qfs_added_extract(t, text, &bits, error);
    if (rc == 0)
        rc = qfs_pre_tokenize(t, &bits, error);
    for (size_t i = 0; i < bits.count && rc == 0; i++) {
        if (bits.items[i].id >= 0)
            qfs_ids_add(ids, (uint32_t)bits.items[i].id);
        else
            rc = qfs_token_model_encode(t, bits.items[i].text, ids, error);
    }
    qfs_bits_done(&bits);
    return rc < 0 ? rc : post_process(t, special, ids, error);
}

int qfs_tokenizer_decode(struct qfs_tokenizer *t, const struct qfs_ids *ids,
                         struct qfs_text *ret_text, struct qfs_error *error)
{
    qfs_arena_done(&t->scratch);
    struct qfs_text *tokens = qfs_arena_array(&t->scratch, ids->count, sizeof(*tokens));
    size_t count = 0;
    if (!tokens)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < ids->count; i++) {
        uint32_t id = ids->items[i];
        const struct qfs_added_entry *entry = qfs_added_get(&t->added, id);
        if (entry)
            tokens[count++] = entry->normalized.data ? entry->normalized : entry->token.content;
        else if (id < t->tokens.limit && t->tokens.texts[id].data)
            tokens[count++] = t->tokens.texts[id];
    }
    return qfs_decode_tokens(t, tokens, count, ret_text, error);
}
