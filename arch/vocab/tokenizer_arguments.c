/* What the tokenizer's classes are called with: tokenizer_config.json's fields, special_tokens_map.json
 * over them, and the special tokens among them, as PreTrainedTokenizerBase sorts them out. */
#include "tokenizer_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const named_names[QFS_NAMED_COUNT] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

int qfs_loader_fail(const struct qfs_loader *l, const char *field, const char *what)
{
    return qfs_fail(l->error, EINVAL, "%s/tokenizer_config.json: %s %s", l->model->path, field,
                    what);
}

/* -- keyword arguments ------------------------------------------------------------------------------- */

struct qfs_argument *qfs_loader_argument(const struct qfs_loader *l, const char *name)
{
    for (size_t i = 0; i < l->narguments; i++)
        if (qfs_text_is(l->arguments[i].name, name))
            return &l->arguments[i];
    return NULL;
}

/* kwargs[name], made if it is not there. */
static struct qfs_argument *set_argument(struct qfs_loader *l, struct qfs_text name)
{
    for (size_t i = 0; i < l->narguments; i++)
        if (qfs_text_equal(l->arguments[i].name, name))
            return &l->arguments[i];
    struct qfs_argument *items =
        qfs_arena_array(&l->t->arena, l->narguments + 1, sizeof(*l->arguments));
    if (!items)
        return NULL;
    if (l->narguments)
        memcpy(items, l->arguments, l->narguments * sizeof(*items));
    l->arguments = items;
    items[l->narguments] = (struct qfs_argument){.name = name};
    return &items[l->narguments++];
}

const struct qfs_json *qfs_loader_value(const struct qfs_loader *l, const char *name)
{
    const struct qfs_argument *argument = qfs_loader_argument(l, name);
    return argument ? argument->value : NULL;
}

static void remove_argument(struct qfs_loader *l, struct qfs_argument *argument)
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

static int start_arguments(struct qfs_loader *l)
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
            (struct qfs_argument){.name = c->members[i].key, .value = &c->members[i].value};
    }
    struct qfs_argument *additional = qfs_loader_argument(l, "additional_special_tokens");
    if (additional && !qfs_json_truthy(qfs_loader_value(l, "extra_special_tokens"))) {
        struct qfs_argument *extra = set_argument(l, QFS_TEXT("extra_special_tokens"));
        additional = qfs_loader_argument(l, "additional_special_tokens"); /* may have moved */
        if (!extra)
            return qfs_fail_memory(l->error);
        extra->value = additional->value;
        remove_argument(l, additional);
    }
    return 0;
}

/* -- added_tokens_decoder ------------------------------------------------------------------------------ */

static int set_added(struct qfs_loader *l, int64_t index, const struct qfs_added_token *token)
{
    struct qfs_text key = {(const char *)&index, sizeof(index)};
    uint64_t place;
    if (qfs_map_get(&l->places, key, &place)) {
        l->added[place].token = *token;
        return 0;
    }
    if (l->nadded == l->added_capacity) {
        size_t capacity = l->added_capacity ? l->added_capacity * 2 : 256;
        struct qfs_indexed_token *items = qfs_arena_array(&l->t->arena, capacity, sizeof(*items));
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
    l->added[l->nadded++] = (struct qfs_indexed_token){index, *token};
    return 0;
}

static int read_decoder(struct qfs_loader *l, const struct qfs_json *decoder)
{
    if (!qfs_json_is(decoder, QFS_JSON_OBJECT))
        return qfs_loader_fail(l, "added_tokens_decoder", "is not an object");
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
            return qfs_loader_fail(l, "added_tokens_decoder", "has a key that is no id");
        if ((rc = set_added(l, index, &token)) < 0)
            return rc;
    }
    return 0;
}

/* special_tokens_map.json, whose entries go over tokenizer_config.json's. */
static int read_special_map(struct qfs_loader *l)
{
    const struct qfs_json *map;
    int rc =
        qfs_vocab_read_object(&l->t->arena, l->model, "special_tokens_map.json", &map, l->error);
    if (rc < 0 || !map)
        return rc;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct qfs_json_member *member = &map->members[i];
        struct qfs_argument *argument = set_argument(l, member->key);
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
    struct qfs_argument *extra = qfs_loader_argument(l, "extra_special_tokens");
    if (extra && qfs_json_is(extra->value, QFS_JSON_OBJECT)) {
        l->models_own[1] = extra->value;
        remove_argument(l, extra);
    }
    return 0;
}

static bool names_special(const struct qfs_loader *l, struct qfs_text text)
{
    for (size_t i = 0; i < QFS_NAMED_COUNT; i++) {
        const struct qfs_argument *a = qfs_loader_argument(l, named_names[i]);
        if (a && qfs_text_equal(a->is_token ? a->token.content : qfs_json_text(a->value), text))
            return true;
    }
    const struct qfs_json *extra = qfs_loader_value(l, "extra_special_tokens");
    for (uint32_t i = 0; qfs_json_is(extra, QFS_JSON_ARRAY) && i < extra->count; i++)
        if (qfs_text_equal(qfs_json_text(&extra->items[i]), text))
            return true;
    return false;
}

/* added_tokens.json */
static int read_added_file(struct qfs_loader *l)
{
    const struct qfs_json *file;
    int rc = qfs_vocab_read_object(&l->t->arena, l->model, "added_tokens.json", &file, l->error);
    if (rc < 0 || !file)
        return rc;
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
static int read_file_tokens(struct qfs_loader *l)
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
static int token_of(struct qfs_loader *l, const struct qfs_argument *a,
                    struct qfs_named_token *token)
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
static void prefer_added(const struct qfs_loader *l, struct qfs_named_token *token)
{
    for (size_t i = l->nadded; i-- > 0;) /* the last one with this content */
        if (qfs_text_equal(l->added[i].token.content, token->token.content)) {
            token->token = l->added[i].token;
            token->is_string = false;
            return;
        }
}

static int add_named(struct qfs_loader *l, const struct qfs_named_token *token)
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

static int read_named(struct qfs_loader *l)
{
    for (size_t i = 0; i < QFS_NAMED_COUNT; i++) {
        struct qfs_named_token token = {.name = qfs_text_of(named_names[i])};
        const struct qfs_argument *argument = qfs_loader_argument(l, named_names[i]);
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

/* Tokens of the class's own names. */
static int read_class_named(struct qfs_loader *l)
{
    for (const struct qfs_own_token *own = l->class.named; own && own->name; own++) {
        struct qfs_named_token token = {.name = qfs_text_of(own->name)};
        const struct qfs_argument *argument = qfs_loader_argument(l, own->name);
        int rc = 1;
        if (argument) {
            rc = token_of(l, argument, &token);
        } else {
            token.set = token.is_string = true;
            token.token.content = qfs_text_of(own->text);
        }
        if (rc > 0 && strcmp(own->name, "fill_token") == 0)
            l->t->infill = token.token.content;
        if (rc < 0 || (rc > 0 && (rc = add_named(l, &token)) < 0))
            return rc;
    }
    return 0;
}

/* Tokens of the model's own names. `early`: those that _from_pretrained collected (texts in
 * tokenizer_config.json); the others come first. */
static int read_models_own(struct qfs_loader *l, bool early)
{
    for (size_t i = 0; i < l->narguments; i++) {
        const struct qfs_argument *a = &l->arguments[i];
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

static int read_own_object(struct qfs_loader *l, const struct qfs_json *object)
{
    for (uint32_t i = 0; object && i < object->count; i++) {
        struct qfs_argument argument = {.name = object->members[i].key,
                                        .value = &object->members[i].value};
        struct qfs_named_token token = {.name = argument.name};
        int rc = token_of(l, &argument, &token);
        if (rc == 0)
            rc = qfs_loader_fail(l, "extra_special_tokens", "has a token that is null");
        if (rc < 0 || (rc = add_named(l, &token)) < 0)
            return rc;
    }
    return 0;
}

static size_t length(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static int read_extra_list(struct qfs_loader *l, const struct qfs_json *list)
{
    if (qfs_json_is_null(list))
        return 0;
    if (list->kind != QFS_JSON_ARRAY)
        return qfs_loader_fail(l, "extra_special_tokens", "is no list");
    for (uint32_t i = 0; i < list->count; i++) {
        struct qfs_argument argument = {.name = QFS_TEXT("extra_special_tokens"),
                                        .value = &list->items[i]};
        int rc = token_of(l, &argument, &l->t->extra[l->t->nextra]);
        if (rc == 0)
            rc = qfs_loader_fail(l, "extra_special_tokens", "has a token that is null");
        if (rc < 0)
            return rc;
        l->t->nextra++;
    }
    return 0;
}

static int read_extra(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    const struct qfs_argument *extra = qfs_loader_argument(l, "extra_special_tokens");
    const struct qfs_json *list = extra ? extra->value : NULL;
    if (!extra) /* special_tokens_map.json may have the old name */
        list = qfs_loader_value(l, "additional_special_tokens");
    size_t given = qfs_json_is(list, QFS_JSON_ARRAY) ? list->count : 0;
    t->extra =
        qfs_arena_array(&t->arena, given + t->nnamed + length(l->class.extra), sizeof(*t->extra));
    if (!t->extra)
        return qfs_fail_memory(l->error);
    int rc = read_extra_list(l, list);
    if (rc < 0 || extra)
        return rc;
    for (size_t i = 0; l->class.named_are_extra && i < t->nnamed; i++)
        for (const struct qfs_own_token *own = l->class.named; own->name; own++)
            if (qfs_text_is(t->named[i].name, own->name))
                t->extra[t->nextra++] = t->named[i];
    for (size_t i = 0; qfs_json_is_null(list) && i < length(l->class.extra); i++)
        t->extra[t->nextra++] =
            (struct qfs_named_token){.name = QFS_TEXT("extra_special_tokens"),
                                     .set = true,
                                     .is_string = true,
                                     .token.content = qfs_text_of(l->class.extra[i])};
    return 0;
}

static int read_special(struct qfs_loader *l)
{
    const struct qfs_argument *decoder = qfs_loader_argument(l, "added_tokens_decoder");
    struct qfs_argument *extra = qfs_loader_argument(l, "extra_special_tokens");
    int rc;
    if (extra && qfs_json_is(extra->value, QFS_JSON_OBJECT)) {
        l->models_own[0] = extra->value;
        remove_argument(l, extra);
        decoder = qfs_loader_argument(l, "added_tokens_decoder");
    }
    if (decoder) {
        if ((rc = read_decoder(l, decoder->value)) < 0)
            return rc;
    } else if ((rc = read_special_map(l)) < 0 || (rc = read_added_file(l)) < 0 ||
               (rc = read_file_tokens(l)) < 0) {
        return rc;
    }
    if ((rc = read_named(l)) < 0 || (rc = read_class_named(l)) < 0 ||
        (rc = read_models_own(l, false)) < 0 || (rc = read_models_own(l, true)) < 0 ||
        (rc = read_own_object(l, l->models_own[0])) < 0 ||
        (rc = read_own_object(l, l->models_own[1])) < 0)
        return rc;
    return read_extra(l);
}

int qfs_loader_read_arguments(struct qfs_loader *l)
{
    int rc = start_arguments(l);
    return rc < 0 ? rc : read_special(l);
}
