/* gguf-py's SpecialVocab: special token ids, add_* flags, merges, chat template and normalizer
 * flags, from tokenizer.json, tokenizer_config.json, the chat template files and config.json as it
 * stands. */
#include "vocab.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The fields of tokenizer_config.json that reading tokenizer.json changes. */
struct overlay {
    struct {
        const char *name; /* "bos_token" */
        const struct qfs_json *value;
    } items[6];
    size_t count;
};

struct loader {
    struct qfs_special_vocab *v;
    const struct qfs_json *tokenizer; /* tokenizer.json, NULL: none */
    const struct qfs_json *config;    /* tokenizer_config.json, NULL: none or empty */
    struct overlay overlay;
    /* special_bos … as _try_load_from_tokenizer_json has them; NULL: None */
    const struct qfs_json *bos, *cls, *eos, *sep;
    struct qfs_error *error;
};

static int malformed(const struct loader *l, const char *file, const char *what)
{
    return qfs_fail(l->error, EINVAL, "%s/%s: %s is malformed", l->v->model->path, file, what);
}

/* -- what the loaders set
 * ---------------------------------------------------------------------------- */

int qfs_special_vocab_set(struct qfs_special_vocab *v, const char *type, int64_t id,
                          struct qfs_error *error)
{
    if (id < 0)
        return qfs_fail(error, EINVAL, "%s: the special token %s has the id %lld", v->model->path,
                        type, (long long)id);
    if (v->nvocab >= 0 && id >= v->nvocab)
        return 0; /* the converter warns and goes on */
    for (size_t i = 0; i < v->nids; i++)
        if (strcmp(v->ids[i].type, type) == 0)
            return 0;
    if (v->nids == QFS_SPECIAL_TYPES)
        return qfs_fail(error, EINVAL, "%s: too many special tokens", v->model->path);
    v->ids[v->nids++] = (struct qfs_special_id){type, id};
    return 0;
}

/* _set_special_token of any JSON value: what is no integer is passed over. */
static int set_json(struct loader *l, const char *type, const struct qfs_json *value)
{
    int64_t id;
    if (value && value->kind == QFS_JSON_REAL && value->big)
        id = value->real < 0 ? -1 : INT64_MAX;
    else if (!qfs_json_int(value, &id))
        return 0;
    return qfs_special_vocab_set(l->v, type, id, l->error);
}

static void set_add(struct qfs_special_vocab *v, const char *type, bool value)
{
    size_t i = 0;
    while (i < v->nadds && strcmp(v->adds[i].type, type) != 0)
        i++;
    if (i == QFS_SPECIAL_TYPES)
        return; /* there are fewer types than that */
    v->adds[i].type = type;
    v->adds[i].value = value;
    if (i == v->nadds)
        v->nadds++;
}

static bool has_type(const struct qfs_special_vocab *v, const char *type)
{
    for (size_t i = 0; i < v->ntypes; i++)
        if (strcmp(v->types[i], type) == 0)
            return true;
    return false;
}

/* -- tokenizer_config.json with its overlay
 * ------------------------------------------------------------- */

static const struct qfs_json *config_get(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->overlay.count; i++)
        if (strcmp(l->overlay.items[i].name, name) == 0)
            return l->overlay.items[i].value;
    return qfs_json_get(l->config, name);
}

static void config_set(struct loader *l, const char *name, const struct qfs_json *value)
{
    struct overlay *o = &l->overlay;
    size_t i = 0;
    while (i < o->count && strcmp(o->items[i].name, name) != 0)
        i++;
    if (i == QFS_COUNT(o->items))
        return; /* six names are all there are: bos, eos, cls, sep, eot, eom */
    o->items[i].name = name;
    o->items[i].value = value;
    if (i == o->count)
        o->count++;
}

/* -- tokenizer.json
 * ----------------------------------------------------------------------------------------- */

/* "a b", from a pair as transformers 4.45 writes it: spaces inside become U+0120. */
static int join_merge(struct loader *l, const struct qfs_json *pair, struct qfs_text *ret)
{
    static const char space[] = "Ġ";
    size_t size = 0;
    for (uint32_t i = 0; i < pair->count; i++) {
        if (pair->items[i].kind != QFS_JSON_STRING)
            return malformed(l, "tokenizer.json", "a merge");
        size += 1 + (size_t)pair->items[i].count * 2;
    }
    char *data = qfs_arena_alloc(l->v->arena, size + 1), *to = data;
    if (!data)
        return qfs_fail_memory(l->error);
    for (uint32_t i = 0; i < pair->count; i++) {
        if (i)
            *to++ = ' ';
        for (uint32_t j = 0; j < pair->items[i].count; j++) {
            if (pair->items[i].string[j] == ' ') {
                memcpy(to, space, sizeof(space) - 1);
                to += sizeof(space) - 1;
            } else {
                *to++ = pair->items[i].string[j];
            }
        }
    }
    *ret = (struct qfs_text){data, (size_t)(to - data)};
    return 0;
}

static int load_merges(struct loader *l)
{
    const struct qfs_json *model = qfs_json_get(l->tokenizer, "model");
    if (model && model->kind != QFS_JSON_OBJECT)
        return malformed(l, "tokenizer.json", "model");
    const struct qfs_json *merges = qfs_json_get(model, "merges");
    if (!qfs_json_is(merges, QFS_JSON_ARRAY) || merges->count == 0)
        return 0;
    const struct qfs_json *first = &merges->items[0];
    bool pairs = first->kind == QFS_JSON_ARRAY && first->count == 2 &&
                 first->items[0].kind == QFS_JSON_STRING;
    if (!pairs && first->kind != QFS_JSON_STRING)
        return malformed(l, "tokenizer.json", "model.merges");
    struct qfs_text *texts = qfs_arena_array(l->v->arena, merges->count, sizeof(*texts));
    if (!texts)
        return qfs_fail_memory(l->error);
    for (uint32_t i = 0; i < merges->count; i++) {
        const struct qfs_json *merge = &merges->items[i];
        if (merge->kind != first->kind)
            return malformed(l, "tokenizer.json", "a merge");
        int rc = 0;
        if (pairs)
            rc = join_merge(l, merge, &texts[i]);
        else
            texts[i] = qfs_json_text(merge);
        if (rc < 0)
            return rc;
    }
    l->v->merges = texts;
    l->v->nmerges = merges->count;
    return 0;
}

static int load_normalizer(struct loader *l, const struct qfs_json *normalizer)
{
    static const struct qfs_json yes = {.kind = QFS_JSON_TRUE};
    if (!qfs_json_is(normalizer, QFS_JSON_OBJECT))
        return malformed(l, "tokenizer.json", "normalizer");
    struct qfs_text type = qfs_json_text(qfs_json_get(normalizer, "type"));
    if (qfs_text_is(type, "Lowercase")) {
        l->v->lowercase = &yes;
    } else if (qfs_text_is(type, "StripAccents")) {
        l->v->strip_accents = &yes;
    } else if (qfs_text_is(type, "BertNormalizer")) {
        const struct qfs_json *value = qfs_json_get(normalizer, "lowercase");
        if (value)
            l->v->lowercase = value;
        value = qfs_json_get(normalizer, "strip_accents");
        if (value)
            l->v->strip_accents = value;
    } else if (qfs_text_is(type, "Sequence")) {
        const struct qfs_json *list = qfs_json_get(normalizer, "normalizers");
        if (list && list->kind != QFS_JSON_ARRAY)
            return malformed(l, "tokenizer.json", "normalizer.normalizers");
        for (uint32_t i = 0; list && i < list->count; i++) {
            int rc = load_normalizer(l, &list->items[i]);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* entry.get(kind, {}).get('id'): *ret_id NULL when there is none. */
static int template_id(struct loader *l, const struct qfs_json *entry, const char *kind,
                       const struct qfs_json **ret_id)
{
    const struct qfs_json *inner = qfs_json_get(entry, kind);
    if (!qfs_json_is(entry, QFS_JSON_OBJECT) || (inner && inner->kind != QFS_JSON_OBJECT))
        return malformed(l, "tokenizer.json", "the template of post_processor");
    *ret_id = qfs_json_get(inner, "id");
    return 0;
}

/* processor.get(name, [other])[0] */
static int first_of(struct loader *l, const struct qfs_json *processor, const char *name,
                    const struct qfs_json *other, const struct qfs_json **ret)
{
    const struct qfs_json *list = qfs_json_get(processor, name);
    if (list && (list->kind != QFS_JSON_ARRAY || list->count == 0))
        return malformed(l, "tokenizer.json", "post_processor");
    *ret = list ? &list->items[0] : other;
    return 0;
}

static int load_roberta(struct loader *l, const struct qfs_json *processor)
{
    int rc = 0;
    set_add(l->v, "bos", true);
    set_add(l->v, "eos", true);
    set_add(l->v, "sep", true);
    if (!qfs_json_truthy(l->cls) && l->config) {
        rc = first_of(l, processor, "cls", l->bos, &l->cls);
        config_set(l, "cls_token", l->cls);
    }
    if (rc == 0 && !qfs_json_truthy(l->sep) && l->config) {
        rc = first_of(l, processor, "sep", l->eos, &l->sep);
        config_set(l, "sep_token", l->sep);
    }
    return rc;
}

static void take_leading(struct loader *l, const struct qfs_json *first)
{
    if (!l->config) {
        l->bos = first;
    } else if (!qfs_python_equal(first, l->bos) && !qfs_python_equal(first, l->cls)) {
        if (!qfs_json_truthy(l->bos))
            config_set(l, "bos_token", l->bos = first);
        if (!qfs_json_truthy(l->cls))
            config_set(l, "cls_token", l->cls = first);
    }
    set_add(l->v, "bos", qfs_python_equal(first, l->bos) || qfs_python_equal(first, l->cls));
}

static void take_trailing(struct loader *l, const struct qfs_json *last)
{
    if (!l->config) {
        l->eos = last;
    } else if (!qfs_python_equal(last, l->eos)) {
        static const char *const spare[][2] = {{"eot", "eot_token"}, {"eom", "eom_token"}};
        for (size_t i = 0; i < QFS_COUNT(spare); i++)
            if (!has_type(l->v, spare[i][0]) && l->v->ntypes < QFS_SPECIAL_TYPES) {
                l->v->types[l->v->ntypes++] = spare[i][0];
                config_set(l, spare[i][1], l->eos);
                break;
            }
        config_set(l, "eos_token", l->eos = last);
    }
    set_add(l->v, "eos", qfs_python_equal(last, l->eos));
}

static bool separates(const struct loader *l, const struct qfs_json *id)
{
    return qfs_python_equal(id, l->sep) || qfs_python_equal(id, l->eos);
}

/* What stands between A and B in a pair's template, whose ends were cut where the single one's
 * special tokens were seen. */
static int load_pair(struct loader *l, const struct qfs_json *pair, const struct qfs_json *first,
                     const struct qfs_json *last)
{
    const struct qfs_json *id = NULL, *a = NULL, *b = NULL;
    uint32_t start = 0, stop = pair->count;
    int rc;
    if (qfs_json_truthy(first)) {
        if ((rc = template_id(l, &pair->items[0], "SpecialToken", &id)) < 0)
            return rc;
        start = qfs_python_equal(id, first);
    }
    if (qfs_json_truthy(last)) {
        if ((rc = template_id(l, &pair->items[pair->count - 1], "SpecialToken", &id)) < 0)
            return rc;
        stop -= qfs_python_equal(id, last);
    }
    if (start >= stop)
        return 0;
    if ((rc = template_id(l, &pair->items[start], "Sequence", &a)) < 0 ||
        (rc = template_id(l, &pair->items[stop - 1], "Sequence", &b)) < 0)
        return rc;
    if (!qfs_text_is(qfs_json_text(a), "A") || !qfs_text_is(qfs_json_text(b), "B") ||
        stop - start <= 2)
        return 0;
    bool add = false;
    if ((rc = template_id(l, &pair->items[start + 1], "SpecialToken", &id)) < 0)
        return rc;
    if (qfs_json_truthy(id) && separates(l, id) && !qfs_json_truthy(last))
        add = true;
    if (stop - start == 4) {
        if ((rc = template_id(l, &pair->items[start + 2], "SpecialToken", &id)) < 0)
            return rc;
        if (qfs_json_truthy(id) && separates(l, id))
            add = true;
    }
    set_add(l->v, "sep", add);
    if (add && !qfs_json_truthy(l->sep) && l->config)
        config_set(l, "sep_token", l->eos);
    return 0;
}

static int load_template(struct loader *l, const struct qfs_json *processor)
{
    const struct qfs_json *single = qfs_json_get(processor, "single");
    const struct qfs_json *pair = qfs_json_get(processor, "pair");
    const struct qfs_json *first = NULL, *last = NULL;
    int rc = 0;
    if (single && single->kind != QFS_JSON_ARRAY)
        return malformed(l, "tokenizer.json", "post_processor.single");
    if (single && single->count > 1) {
        if ((rc = template_id(l, &single->items[0], "SpecialToken", &first)) < 0)
            return rc;
        if (qfs_json_truthy(first))
            take_leading(l, first);
        if ((rc = template_id(l, &single->items[single->count - 1], "SpecialToken", &last)) < 0)
            return rc;
        if (qfs_json_truthy(last))
            take_trailing(l, last);
    }
    if (!qfs_json_truthy(pair))
        return 0;
    if (pair->kind != QFS_JSON_ARRAY)
        return malformed(l, "tokenizer.json", "post_processor.pair");
    return load_pair(l, pair, first, last);
}

static int load_post_processor(struct loader *l, const struct qfs_json *post)
{
    if (post->kind != QFS_JSON_OBJECT)
        return malformed(l, "tokenizer.json", "post_processor");
    const struct qfs_json *list = qfs_json_get(post, "processors");
    if (list && list->kind != QFS_JSON_ARRAY)
        return malformed(l, "tokenizer.json", "post_processor.processors");
    for (uint32_t i = 0; i < (list ? list->count : 1); i++) {
        const struct qfs_json *processor = list ? &list->items[i] : post;
        struct qfs_text type = qfs_json_text(qfs_json_get(processor, "type"));
        int rc = 0;
        if (processor->kind != QFS_JSON_OBJECT)
            return malformed(l, "tokenizer.json", "post_processor.processors");
        if (qfs_text_is(type, "RobertaProcessing"))
            rc = load_roberta(l, processor);
        else if (qfs_text_is(type, "TemplateProcessing"))
            rc = load_template(l, processor);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int load_tokenizer(struct loader *l)
{
    const struct qfs_json *value;
    int rc = l->v->load_merges ? load_merges(l) : 0;
    if (rc == 0 && qfs_json_truthy(value = qfs_json_get(l->tokenizer, "normalizer")))
        rc = load_normalizer(l, value);
    if (rc < 0 || !qfs_json_truthy(l->tokenizer))
        return rc;
    l->bos = qfs_json_get(l->config, "bos_token");
    l->cls = qfs_json_get(l->config, "cls_token");
    l->eos = qfs_json_get(l->config, "eos_token");
    l->sep = qfs_json_get(l->config, "sep_token");
    if (!qfs_json_truthy(l->bos) && qfs_json_truthy(l->cls))
        config_set(l, "bos_token", l->bos = l->cls);
    if (!qfs_json_truthy(l->eos) && qfs_json_truthy(l->sep))
        config_set(l, "eos_token", l->eos = l->sep);
    value = qfs_json_get(l->tokenizer, "post_processor");
    return qfs_json_truthy(value) ? load_post_processor(l, value) : 0;
}

/* -- chat templates
 * -------------------------------------------------------------------------------------------- */

static struct qfs_json json_text(struct qfs_text text)
{
    return (struct qfs_json){
        .kind = QFS_JSON_STRING, .count = (uint32_t)text.size, .string = text.data};
}

static int append_template(struct loader *l, struct qfs_json *list, struct qfs_text name,
                           struct qfs_text text)
{
    struct qfs_json_member *members = qfs_arena_array(l->v->arena, 2, sizeof(*members));
    struct qfs_json *items = qfs_arena_array(l->v->arena, (size_t)list->count + 1, sizeof(*items));
    if (!members || !items)
        return qfs_fail_memory(l->error);
    members[0] = (struct qfs_json_member){QFS_TEXT("name"), json_text(name)};
    members[1] = (struct qfs_json_member){QFS_TEXT("template"), json_text(text)};
    if (list->count)
        memcpy(items, list->items, list->count * sizeof(*items));
    items[list->count] = (struct qfs_json){.kind = QFS_JSON_OBJECT, .count = 2, .members = members};
    list->items = items;
    list->count++;
    return 0;
}

/* additional_chat_templates/NAME.jinja, in the directory's own order, as Path.glob lists them. */
static int append_directory(struct loader *l, struct qfs_json *list)
{
    static const char folder[] = "additional_chat_templates";
    int fd = openat(l->v->model->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        struct qfs_text text;
        size_t size = strlen(entry->d_name);
        if (!qfs_ends_with(entry->d_name, ".jinja"))
            continue;
        char *path = qfs_arena_printf(l->v->arena, "%s/%s", folder, entry->d_name);
        /* Path.stem: of ".jinja" it is ".jinja" */
        char *name = qfs_arena_copy(l->v->arena, entry->d_name, size > 6 ? size - 6 : size);
        if (!path || !name)
            rc = qfs_fail_memory(l->error);
        else if ((rc = qfs_vocab_read_text(l->v->arena, l->v->model, path, &text, l->error)) == 0)
            rc = append_template(l, list, qfs_text_of(name), text);
    }
    closedir(dir);
    return rc;
}

static int load_template_files(struct loader *l, const struct qfs_json **ret)
{
    const struct qfs_model *model = l->v->model;
    const struct qfs_json *value = NULL;
    int rc;
    if (qfs_vocab_file_exists(model, "chat_template.jinja")) {
        struct qfs_json *made = qfs_arena_array(l->v->arena, 2, sizeof(*made));
        struct qfs_text text;
        if (!made)
            return qfs_fail_memory(l->error);
        rc = qfs_vocab_read_text(l->v->arena, model, "chat_template.jinja", &text, l->error);
        if (rc < 0)
            return rc;
        made[0] = json_text(text);
        made[1] = (struct qfs_json){.kind = QFS_JSON_ARRAY};
        if ((rc = append_template(l, &made[1], QFS_TEXT("default"), text)) < 0 ||
            (rc = append_directory(l, &made[1])) < 0)
            return rc;
        *ret = made[1].count > 1 ? &made[1] : &made[0];
        return 0;
    }
    rc = qfs_vocab_read_object(l->v->arena, model, "chat_template.json", &value, l->error);
    if (rc == 0)
        *ret = qfs_json_get(value, "chat_template");
    return rc;
}

/* -- tokenizer_config.json and config.json
 * --------------------------------------------------------------------- */

/* The id of the first of tokenizer.json's added tokens with this content; NULL if there is none. */
static int find_added(struct loader *l, struct qfs_text content, const struct qfs_json **ret)
{
    const struct qfs_json *added = qfs_json_get(l->tokenizer, "added_tokens");
    *ret = NULL;
    if (added && added->kind != QFS_JSON_ARRAY &&
        !(added->kind == QFS_JSON_OBJECT && !added->count))
        return malformed(l, "tokenizer.json", "added_tokens");
    for (uint32_t i = 0; added && i < added->count; i++) {
        const struct qfs_json *token = &added->items[i];
        if (token->kind != QFS_JSON_OBJECT)
            return malformed(l, "tokenizer.json", "added_tokens");
        const struct qfs_json *text = qfs_json_get(token, "content");
        if (qfs_json_is(text, QFS_JSON_STRING) && qfs_text_equal(qfs_json_text(text), content)) {
            *ret = qfs_json_get(token, "id");
            return 0;
        }
    }
    return 0;
}

static int load_config_tokens(struct loader *l)
{
    for (size_t i = 0; i < l->v->ntypes; i++) {
        const char *type = l->v->types[i];
        char name[48], add[48];
        const struct qfs_json *id = NULL;
        snprintf(name, sizeof(name), "%s_token", type);
        snprintf(add, sizeof(add), "add_%s_token", type);
        const struct qfs_json *flag = config_get(l, add), *entry = config_get(l, name);
        if (qfs_json_is_bool(flag))
            set_add(l->v, type, flag->kind == QFS_JSON_TRUE);
        if (qfs_json_is(entry, QFS_JSON_OBJECT))
            entry = qfs_json_get(entry, "content");
        if (!qfs_json_is(entry, QFS_JSON_STRING))
            continue;
        int rc = find_added(l, qfs_json_text(entry), &id);
        if (rc < 0 || (rc = set_json(l, type, id)) < 0)
            return rc;
    }
    return 0;
}

static int load_tokenizer_config(struct loader *l)
{
    const struct qfs_json *template = NULL;
    int rc = load_template_files(l, &template);
    if (rc < 0)
        return rc;
    const struct qfs_json *own = qfs_json_get(l->config, "chat_template");
    if (own) /* even null */
        template = own;
    if (qfs_json_is(template, QFS_JSON_STRING) || qfs_json_is(template, QFS_JSON_ARRAY))
        l->v->chat_template = template;
    return load_config_tokens(l);
}

static int load_config(struct loader *l)
{
    const struct qfs_json *config = l->v->model->config_raw;
    const struct qfs_json *inner = qfs_json_get(config, "text_config");
    for (size_t i = 0; i < l->v->ntypes; i++) {
        char name[48];
        snprintf(name, sizeof(name), "%s_token_id", l->v->types[i]);
        const struct qfs_json *id = qfs_json_get(config, name);
        if (qfs_json_is_null(id) && inner) {
            if (inner->kind != QFS_JSON_OBJECT)
                return malformed(l, "config.json", "text_config");
            id = qfs_json_get(inner, name);
        }
        int rc = set_json(l, l->v->types[i], id);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* -- merges.txt
 * -----------------------------------------------------------------------------------------------------
 */

/* The next word of line[*at…], empty at its end. */
static struct qfs_text next_word(struct qfs_text line, size_t *at)
{
    size_t start = *at, end;
    for (size_t next = start; next < line.size; start = next)
        if (!qfs_python_space(qfs_utf8_next(line, &next)))
            break;
    end = start;
    for (size_t next = start; next < line.size; end = next)
        if (qfs_python_space(qfs_utf8_next(line, &next)))
            break;
    *at = end;
    return (struct qfs_text){line.data + start, end - start};
}

static int load_merges_txt(struct loader *l)
{
    struct qfs_special_vocab *v = l->v;
    struct qfs_text text, row;
    if (!qfs_vocab_file_exists(v->model, "merges.txt"))
        return 0;
    int rc = qfs_vocab_read_text(v->arena, v->model, "merges.txt", &text, l->error);
    if (rc < 0)
        return rc;
    size_t count = 0;
    struct qfs_text *merges = qfs_arena_array(v->arena, qfs_text_lines(text), sizeof(*merges));
    if (!merges)
        return qfs_fail_memory(l->error);
    for (size_t start = 0, line = 0; qfs_text_line(text, &start, &row); line++) {
        size_t at = 0;
        struct qfs_text a = next_word(row, &at), b = next_word(row, &at), c = next_word(row, &at);
        if (a.size == 0 || b.size == 0 || c.size != 0 || (line == 0 && a.data[0] == '#'))
            continue;
        char *joined =
            qfs_arena_printf(v->arena, "%.*s %.*s", (int)a.size, a.data, (int)b.size, b.data);
        if (!joined)
            return qfs_fail_memory(l->error);
        merges[count++] = (struct qfs_text){joined, a.size + 1 + b.size};
    }
    v->merges = merges;
    v->nmerges = count;
    return 0;
}

/* -- loading and writing
 * ------------------------------------------------------------------------------------------------
 */

int qfs_special_vocab_load(struct qfs_special_vocab *ret_vocab, struct qfs_arena *arena,
                           const struct qfs_model *model, const struct qfs_json *tokenizer,
                           bool load_merges_too, const char *const *types, int64_t nvocab,
                           struct qfs_error *error)
{
    static const char *const usual[] = {"bos", "eos", "unk", "sep", "pad", "cls", "mask", NULL};
    struct qfs_special_vocab v = {
        .arena = arena, .model = model, .nvocab = nvocab, .load_merges = load_merges_too};
    struct loader l = {.v = &v, .tokenizer = tokenizer, .error = error};
    int rc = 0;
    for (types = types ? types : usual; *types && v.ntypes < QFS_SPECIAL_TYPES - 2; types++)
        v.types[v.ntypes++] = *types;
    if (!tokenizer)
        rc = qfs_vocab_read_json(arena, model, "tokenizer.json", &l.tokenizer, error);
    if (rc == 0)
        rc = qfs_vocab_read_json(arena, model, "tokenizer_config.json", &l.config, error);
    if (rc < 0)
        return rc;
    if (l.tokenizer && l.tokenizer->kind != QFS_JSON_OBJECT)
        return qfs_fail(error, EINVAL, "%s/tokenizer.json: is not an object", model->path);
    if (!qfs_json_truthy(l.config))
        l.config = NULL;
    else if (l.config->kind != QFS_JSON_OBJECT)
        return qfs_fail(error, EINVAL, "%s/tokenizer_config.json: is not an object", model->path);
    if ((l.tokenizer && (rc = load_tokenizer(&l)) < 0) ||
        (l.config && (rc = load_tokenizer_config(&l)) < 0) || (rc = load_config(&l)) < 0)
        return rc;
    if (load_merges_too && v.nmerges == 0 && (rc = load_merges_txt(&l)) < 0)
        return rc;
    *ret_vocab = v;
    return 0;
}

/* A name of a chat template: everything but ASCII letters and digits becomes "_". */
static int template_key(struct qfs_arena *arena, struct qfs_text name, char **ret_name)
{
    char *clean = qfs_arena_alloc(arena, name.size + 1), *to = clean;
    if (!clean)
        return -ENOMEM;
    for (size_t at = 0; at < name.size;) {
        uint32_t c = qfs_utf8_next(name, &at);
        bool kept = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        *to++ = kept ? (char)c : '_';
    }
    *to = 0;
    *ret_name = clean;
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    const struct qfs_text *x = a, *y = b;
    return strcmp(x->data, y->data);
}

static int put_template(struct qfs_conversion *conversion, const char *key,
                        const struct qfs_json *template, struct qfs_error *error)
{
    struct qfs_text text = qfs_json_text(template);
    if (!qfs_json_truthy(template))
        return 0; /* GGUFWriter leaves empty strings out */
    if (!text.data || !qfs_utf8_valid(text.data, text.size))
        return qfs_fail(error, EINVAL, "%s: its %s is no valid text", conversion->model->path, key);
    qfs_kv_text(&conversion->kvs, key, text);
    return 0;
}

/* A list of {name, template}: one key each, and the sorted list of the names (the reference's own
 * order is a set's, so chance). */
static int put_templates(struct qfs_conversion *conversion, struct qfs_arena *arena,
                         const struct qfs_json *list, struct qfs_error *error)
{
    struct qfs_text *names = qfs_arena_array(arena, list->count, sizeof(*names));
    const struct qfs_json *plain = NULL;
    size_t count = 0;
    if (!names)
        return qfs_fail_memory(error);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct qfs_json *choice = &list->items[i], *text = qfs_json_get(choice, "template");
        const struct qfs_json *name = qfs_json_get(choice, "name");
        char *clean = NULL, *key;
        if (choice->kind != QFS_JSON_OBJECT || (name && name->kind != QFS_JSON_STRING))
            return qfs_fail(error, EINVAL, "%s: chat template %u has no name",
                            conversion->model->path, i);
        if (template_key(arena, qfs_json_text(name), &clean) < 0 ||
            !(key = qfs_arena_printf(arena, "tokenizer.chat_template.%s", clean)))
            return qfs_fail_memory(error);
        if (!*clean || qfs_json_is_null(text))
            continue;
        if (strcmp(clean, "default") == 0) {
            plain = text;
            continue;
        }
        int rc = put_template(conversion, key, text, error);
        if (rc < 0)
            return rc;
        bool seen = false;
        for (size_t j = 0; j < count; j++)
            seen = seen || qfs_text_is(names[j], clean);
        if (!seen)
            names[count++] = qfs_text_of(clean);
    }
    qsort(names, count, sizeof(*names), compare_texts);
    if (count)
        qfs_kv_texts(&conversion->kvs, "tokenizer.chat_templates", names, count);
    return plain ? put_template(conversion, "tokenizer.chat_template", plain, error) : 0;
}

static const char *key_of(const char *const (*table)[2], size_t count, const char *type)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i][0], type) == 0)
            return table[i][1];
    return NULL;
}

int qfs_special_vocab_write(const struct qfs_special_vocab *v, struct qfs_conversion *conversion,
                            struct qfs_error *error)
{
    /* Types that are not here have no setter in GGUFWriter: it warns and goes on. */
    static const char *const id_keys[][2] = {
        {"bos", "tokenizer.ggml.bos_token_id"},     {"eos", "tokenizer.ggml.eos_token_id"},
        {"unk", "tokenizer.ggml.unknown_token_id"}, {"sep", "tokenizer.ggml.seperator_token_id"},
        {"pad", "tokenizer.ggml.padding_token_id"}, {"mask", "tokenizer.ggml.mask_token_id"},
        {"eot", "tokenizer.ggml.eot_token_id"},     {"eom", "tokenizer.ggml.eom_token_id"},
    };
    static const char *const add_keys[][2] = {
        {"bos", "tokenizer.ggml.add_bos_token"},
        {"eos", "tokenizer.ggml.add_eos_token"},
        {"sep", "tokenizer.ggml.add_sep_token"},
    };
    struct qfs_kvs *kvs = &conversion->kvs;
    int rc = 0;
    for (size_t i = 0; i < v->nmerges; i++)
        if (!qfs_utf8_valid(v->merges[i].data, v->merges[i].size))
            return qfs_fail(error, EINVAL, "%s/tokenizer.json: merge %zu is no valid text",
                            v->model->path, i);
    if (v->nmerges)
        qfs_kv_texts(kvs, "tokenizer.ggml.merges", v->merges, v->nmerges);
    for (size_t i = 0; i < v->nids; i++) {
        const char *key = key_of(id_keys, QFS_COUNT(id_keys), v->ids[i].type);
        if (key && v->ids[i].id > UINT32_MAX)
            return qfs_fail(error, EINVAL, "%s: the special token %s has an id beyond 32 bits",
                            v->model->path, v->ids[i].type);
        if (key)
            qfs_kv_u32(kvs, key, (uint32_t)v->ids[i].id);
    }
    for (size_t i = 0; i < v->nadds; i++) {
        const char *key = key_of(add_keys, QFS_COUNT(add_keys), v->adds[i].type);
        if (key)
            qfs_kv_bool(kvs, key, v->adds[i].value);
    }
    if (qfs_json_is(v->chat_template, QFS_JSON_STRING))
        rc = put_template(conversion, "tokenizer.chat_template", v->chat_template, error);
    else if (v->chat_template)
        rc = put_templates(conversion, v->arena, v->chat_template, error);
    if (!qfs_json_is_null(v->lowercase))
        qfs_kv_bool(kvs, "tokenizer.ggml.normalizer.lowercase", qfs_json_truthy(v->lowercase));
    if (!qfs_json_is_null(v->strip_accents))
        qfs_kv_bool(kvs, "tokenizer.ggml.normalizer.strip_accents",
                    qfs_json_truthy(v->strip_accents));
    if (rc == 0 && kvs->failed)
        rc = qfs_fail_memory(error);
    return rc;
}

int qfs_special_vocab_put(struct qfs_conversion *conversion, struct qfs_arena *arena,
                          const struct qfs_json *tokenizer, size_t nvocab, struct qfs_error *error)
{
    struct qfs_special_vocab v;
    int rc = qfs_special_vocab_load(&v, arena, conversion->model, tokenizer, false, NULL,
                                    (int64_t)nvocab, error);
    return rc < 0 ? rc : qfs_special_vocab_write(&v, conversion, error);
}

int qfs_vocab_add_special(struct qfs_conversion *conversion, const char *const *types,
                          const struct qfs_special_id *ids, bool with_chat_template,
                          struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    struct qfs_special_vocab v;
    int rc = qfs_special_vocab_load(&v, &arena, conversion->model, NULL, false, types, -1, error);
    for (; rc == 0 && ids && ids->type; ids++)
        rc = qfs_special_vocab_set(&v, ids->type, ids->id, error);
    if (rc == 0) {
        if (!with_chat_template)
            v.chat_template = NULL;
        rc = qfs_special_vocab_write(&v, conversion, error);
    }
    qfs_arena_done(&arena);
    return rc;
}
