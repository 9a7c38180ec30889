/* Reads quantfs.json. Whatever is wrong in it is said with file, line and key: it is written by hand. */
#include "own_views.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A directory may come from anybody: what its file can make us do is bounded. */
enum { FILE_LIMIT = 1 << 20, MOST_VIEWS = 64, MOST_WORDS = 256, LONGEST_NAME = 200 };

struct reader {
    struct qfs_arena *arena;
    const struct qfs_model *model;
    struct qfs_own_views *views;
    const char *shown; /* the file, in errors */
    const char *dir;   /* where relative paths start; NULL: here */
    bool trusted;      /* named by the user: may name files anywhere */
    const char *text;
    size_t path[4], depth; /* of the value being read, as qfs_json_line wants it */
    struct qfs_error *error;
};

static QFS_PRINTF(2, 3) int fail(const struct reader *r, const char *format, ...)
{
    char sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    return qfs_fail(r->error, EINVAL, "%s:%zu: %s", r->shown,
                    qfs_json_line(r->text, r->path, r->depth), sentence);
}

/* What is read of a view before it is known to be whole. */
struct draft {
    struct qfs_own_view *view;
    const char *imatrix, *imatrix_name;
    const char *include[MOST_WORDS], *exclude[MOST_WORDS];
    size_t ninclude, nexclude;
};

/* -- names ------------------------------------------------------------------------------------ */

/* "{model}" becomes the model's name; ".gguf" at the end goes. */
static char *expand(const struct reader *r, const char *name)
{
    static const char place[] = "{model}";
    struct qfs_buffer to = {0};
    size_t size = strlen(name) - (qfs_ends_with(name, ".gguf") ? strlen(".gguf") : 0);
    for (const char *at = name, *end = name + size; at < end;)
        if ((size_t)(end - at) >= strlen(place) && qfs_starts_with(at, place)) {
            qfs_buffer_text(&to, r->model->name);
            at += strlen(place);
        } else {
            qfs_buffer_append(&to, at++, 1);
        }
    char *stem =
        to.failed ? NULL : qfs_arena_copy(r->arena, to.data ? (const char *)to.data : "", to.size);
    qfs_buffer_done(&to);
    return stem;
}

static bool is_plain(const char *stem)
{
    for (const char *at = stem; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F || *at == '/' || *at == ',')
            return false;
    return *stem && *stem != '.' && *stem != '-' && strlen(stem) <= LONGEST_NAME &&
           qfs_utf8_valid(stem, strlen(stem));
}

/* -00001-of-00002: llama.cpp would look for the other parts. */
static bool is_like_a_part(const char *stem)
{
    static const char pattern[] = "-00000-of-00000";
    size_t size = strlen(stem), count = strlen(pattern);
    if (size < count)
        return false;
    for (const char *at = stem + size - count, *p = pattern; *p; at++, p++)
        if (*p == '0' ? *at < '0' || *at > '9' : *at != *p)
            return false;
    return true;
}

static const char *without(const char *string, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncasecmp(string, prefix, size) == 0 ? string + size : string;
}

/* "Model-q4_k_m", "mmproj-Model-F16", "Q4_K_M": what views of types are called, or could be. */
static bool is_built_in(const struct reader *r, const char *stem)
{
    char *prefix = qfs_arena_printf(r->arena, "%s-", r->model->name);
    const char *rest = without(without(stem, "mmproj-"), "mtp-");
    return !prefix || qfs_ftype_by_name(without(rest, prefix)) || qfs_ftype_by_name(rest);
}

static int set_name(struct reader *r, struct draft *draft, const char *value)
{
    struct qfs_own_view *view = draft->view;
    char *stem = expand(r, value), *prefix;
    if (!stem)
        return qfs_fail_memory(r->error);
    if (!is_plain(stem))
        return fail(r,
                    "name: '%.60s' is no name for a file: at most %d bytes without '/', ',' and "
                    "control characters, not beginning with '.' or '-'",
                    value, LONGEST_NAME);
    if (is_built_in(r, stem))
        return fail(r, "name: '%.60s' is what a view of a type is called: take another name",
                    value);
    if (is_like_a_part(stem))
        return fail(r, "name: '%.60s' is what a part of a split set is called: take another name",
                    value);
    prefix = qfs_arena_printf(r->arena, "%s-", r->model->name);
    if (!prefix)
        return qfs_fail_memory(r->error);
    view->stem = stem;
    view->type = qfs_starts_with(stem, prefix) ? stem + strlen(prefix) : stem;
    for (const struct qfs_own_view *other = r->views->items; other < view; other++)
        if (!strcasecmp(other->stem, view->stem) || !strcasecmp(other->type, view->type))
            return fail(r, "name: '%.60s' is the name of an earlier view too", value);
    return 0;
}

/* -- keys of a view --------------------------------------------------------------------------- */

enum shape { FLAG, WORD, COUNT, WORDS, PAIRS, LAYERS, REMARK };

static const char *const expected[] = {
    [FLAG] = "true or false",
    [WORD] = "a string",
    [COUNT] = "a number, or a string as \"4G\"",
    [WORDS] = "a string or a list of strings",
    [PAIRS] = "an object of strings, or a list of strings as \"KEY=VALUE\"",
    [LAYERS] = "a list of layer numbers",
};

/* Those without a function of their own are options of llama-quantize (or the converter), by the
 * same name. */
struct key {
    const char *name;
    enum shape shape;
    int (*set)(struct reader *r, struct draft *draft, const char *value);
};

static int set_type(struct reader *r, struct draft *draft, const char *value)
{
    struct qfs_buffer known = {0};
    draft->view->options.ftype = qfs_ftype_by_name(value);
    if (draft->view->options.ftype)
        return 0;
    for (const struct qfs_ftype *type = qfs_ftypes; type->name; type++)
        qfs_buffer_printf(&known, " %s", type->name);
    int rc = fail(r, "type: '%.40s' is not a type: known are%.*s", value, (int)known.size,
                  known.data ? (const char *)known.data : "");
    qfs_buffer_done(&known);
    return rc;
}

/* A file of the directory itself, of a name that a mount looks for changes of: what a view holds never
 * changes unnoticed. What a link leads to is the directory's own affair: the hub cache is made of links. */
static bool is_beside(const char *path)
{
    static const char *const ends[] = {".gguf", ".dat", ".imatrix"};
    if (qfs_starts_with(path, "./"))
        path += 2;
    for (size_t i = 0; i < QFS_COUNT(ends); i++)
        if (qfs_ends_with(path, ends[i]))
            return !strchr(path, '/');
    return false;
}

static int set_imatrix(struct reader *r, struct draft *draft, const char *value)
{
    if (!*value)
        return fail(r, "imatrix: is empty: give the path of an importance matrix file");
    if (!r->trusted && !is_beside(value))
        return fail(
            r,
            "imatrix: '%.100s' is no .gguf, .dat or .imatrix file of the model directory: put "
            "it there, or give the file with this view by --views",
            value);
    draft->imatrix =
        *value == '/' || !r->dir ? value : qfs_arena_printf(r->arena, "%s/%s", r->dir, value);
    return draft->imatrix ? 0 : qfs_fail_memory(r->error);
}

static int set_imatrix_name(struct reader *r, struct draft *draft, const char *value)
{
    draft->imatrix_name = value;
    return 0;
}

static int set_include(struct reader *r, struct draft *draft, const char *value)
{
    draft->include[draft->ninclude++] = value;
    return 0;
}

static int set_exclude(struct reader *r, struct draft *draft, const char *value)
{
    draft->exclude[draft->nexclude++] = value;
    return 0;
}

static const struct key keys[] = {
    {"name", WORD, set_name},
    {"type", WORD, set_type},
    {"imatrix", WORD, set_imatrix},
    {"imatrix-name", WORD, set_imatrix_name},
    {"include-weights", WORDS, set_include},
    {"exclude-weights", WORDS, set_exclude},
    {"pure", FLAG, NULL},
    {"leave-output-tensor", FLAG, NULL},
    {"output-tensor-type", WORD, NULL},
    {"token-embedding-type", WORD, NULL},
    {"tensor-type", PAIRS, NULL},
    {"override-kv", PAIRS, NULL},
    {"prune-layers", LAYERS, NULL},
    {"allow-requantize", FLAG, NULL},
    {"outtype", WORD, NULL},
    {"split-max-size", COUNT, NULL},
    {"split-max-tensors", COUNT, NULL},
    {"no-tensor-first-split", FLAG, NULL},
    {"comment", REMARK, NULL},
};

static const struct key *find_key(struct qfs_text name)
{
    for (size_t i = 0; i < QFS_COUNT(keys); i++)
        if (qfs_text_is(name, keys[i].name))
            return &keys[i];
    return NULL;
}

static int unknown_key(struct reader *r, struct qfs_text name)
{
    struct qfs_buffer known = {0};
    for (size_t i = 0; i < QFS_COUNT(keys); i++)
        qfs_buffer_printf(&known, "%s %s", i ? "," : "", keys[i].name);
    int rc = fail(r, "'%.60s' is no key of a view: known are%.*s", name.data, (int)known.size,
                  known.data ? (const char *)known.data : "");
    qfs_buffer_done(&known);
    return rc;
}

static int set(struct reader *r, struct draft *draft, const struct key *key, const char *value)
{
    struct qfs_error reason = {0};
    if (key->set)
        return key->set(r, draft, value);
    int rc = qfs_view_options_set(&draft->view->options, r->arena, key->name, value, &reason);
    if (rc == -ENOMEM)
        return qfs_fail_memory(r->error);
    return rc < 0 ? fail(r, "%s", reason.text) : 0;
}

/* -- values ----------------------------------------------------------------------------------- */

static int misshapen(struct reader *r, const struct key *key)
{
    return fail(r, "%s: must be %s", key->name, expected[key->shape]);
}

/* A string, or a number that may stand where the shape wants one. */
static int set_word(struct reader *r, struct draft *draft, const struct key *key,
                    const struct qfs_json *value)
{
    bool number = key->shape == COUNT || key->shape == LAYERS;
    const char *word = NULL;
    if (number && qfs_json_is(value, QFS_JSON_INT))
        word = qfs_arena_printf(r->arena, "%lld", (long long)value->integer);
    else if (key->shape != LAYERS)
        word = qfs_json_string(value);
    return word ? set(r, draft, key, word) : misshapen(r, key);
}

static int set_pair(struct reader *r, struct draft *draft, const struct key *key,
                    const struct qfs_json_member *member)
{
    const char *value = qfs_json_string(&member->value);
    if (!value || memchr(member->key.data, 0, member->key.size))
        return misshapen(r, key);
    char *pair = qfs_arena_printf(r->arena, "%s=%s", member->key.data, value);
    return pair ? set(r, draft, key, pair) : qfs_fail_memory(r->error);
}

/* Every item of a list, or member of an object, on its own line. */
static int set_many(struct reader *r, struct draft *draft, const struct key *key,
                    const struct qfs_json *value)
{
    bool object = value->kind == QFS_JSON_OBJECT;
    int rc = 0;
    if (value->count > MOST_WORDS)
        return fail(r, "%s: holds more than %d values", key->name, MOST_WORDS);
    if (object && value->repeated)
        return fail(r, "%s: holds a key twice", key->name);
    size_t *place = &r->path[r->depth++];
    for (*place = 0; *place < value->count && rc == 0; ++*place)
        rc = object ? set_pair(r, draft, key, &value->members[*place])
                    : set_word(r, draft, key, &value->items[*place]);
    r->depth--;
    return rc;
}

static int set_value(struct reader *r, struct draft *draft, const struct key *key,
                     const struct qfs_json *value)
{
    if (key->shape == REMARK)
        return 0;
    if (key->shape == FLAG) {
        if (!qfs_json_is_bool(value))
            return misshapen(r, key);
        return qfs_json_truthy(value) ? set(r, draft, key, NULL) : 0;
    }
    bool list = key->shape == WORDS || key->shape == PAIRS || key->shape == LAYERS;
    if (value->kind == QFS_JSON_OBJECT ? key->shape == PAIRS : value->kind == QFS_JSON_ARRAY)
        return list ? set_many(r, draft, key, value) : misshapen(r, key);
    return set_word(r, draft, key, value);
}

/* -- views ------------------------------------------------------------------------------------ */

static int open_imatrix(struct reader *r, const struct draft *draft)
{
    struct qfs_own_views *views = r->views;
    struct qfs_error reason = {0};
    const struct qfs_imatrix_options how = {
        .file = draft->imatrix_name,
        .include = draft->include,
        .ninclude = draft->ninclude,
        .exclude = draft->exclude,
        .nexclude = draft->nexclude,
    };
    if (!draft->imatrix && (how.file || how.ninclude || how.nexclude))
        return fail(r, "imatrix: is missing, which imatrix-name, include-weights and "
                       "exclude-weights are for");
    if (!draft->imatrix)
        return 0;
    if (views->nimatrices == QFS_COUNT(views->imatrices))
        return fail(r, "imatrix: at most %zu views of one file may have one",
                    QFS_COUNT(views->imatrices));
    int rc = qfs_imatrix_open(draft->imatrix, &how, &views->imatrices[views->nimatrices], &reason);
    if (rc == -ENOMEM)
        return qfs_fail_memory(r->error);
    if (rc < 0)
        return fail(r, "imatrix: %s", reason.text);
    draft->view->options.imatrix = views->imatrices[views->nimatrices++];
    return 0;
}

static int read_members(struct reader *r, struct draft *draft, const struct qfs_json *value)
{
    int rc = 0;
    size_t *place = &r->path[r->depth++];
    for (*place = 0; *place < value->count && rc == 0; ++*place) {
        const struct key *key = find_key(value->members[*place].key);
        rc = key ? set_value(r, draft, key, &value->members[*place].value)
                 : unknown_key(r, value->members[*place].key);
    }
    r->depth--;
    return rc;
}

/* The next view. */
static int read_view(struct reader *r, const struct qfs_json *value)
{
    const struct qfs_view_options none = QFS_VIEW_OPTIONS_INIT;
    struct draft *draft = calloc(1, sizeof(*draft));
    int rc = 0;
    if (!draft)
        return qfs_fail_memory(r->error);
    draft->view = &r->views->items[r->views->count];
    draft->view->options = none;
    if (!qfs_json_is(value, QFS_JSON_OBJECT))
        rc = fail(r, "a view must be an object: {\"name\": …, \"type\": …}");
    else if (value->repeated)
        rc = fail(r, "a view holds a key twice");
    else
        rc = read_members(r, draft, value);
    if (rc == 0 && !draft->view->stem)
        rc = fail(r, "name: is missing: a view needs a name and a type");
    if (rc == 0 && !draft->view->options.ftype)
        rc = fail(r, "type: is missing: a view needs a name and a type");
    if (rc == 0 && r->model->gguf && draft->view->options.outtype >= 0)
        rc = fail(r, "outtype: is of the file that a model directory is converted to first; a GGUF "
                     "source is that file");
    if (rc == 0)
        rc = open_imatrix(r, draft);
    if (rc == 0)
        r->views->count++;
    free(draft);
    return rc;
}

static int read_views(struct reader *r, const struct qfs_json *list)
{
    int rc = 0;
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return fail(r, "views: must be a list of views");
    if (list->count > MOST_VIEWS)
        return fail(r, "views: holds more than %d", MOST_VIEWS);
    r->views->items = qfs_arena_array(r->arena, list->count, sizeof(*r->views->items));
    if (!r->views->items)
        return list->count ? qfs_fail_memory(r->error) : 0;
    size_t *place = &r->path[r->depth++];
    for (*place = 0; *place < list->count && rc == 0; ++*place)
        rc = read_view(r, &list->items[*place]);
    r->depth--;
    return rc;
}

static int read_root(struct reader *r, const struct qfs_json *root)
{
    int rc = 0;
    if (!qfs_json_is(root, QFS_JSON_OBJECT) || root->repeated)
        return fail(r, "must hold one object: {\"views\": […]}");
    size_t *place = &r->path[r->depth++];
    for (*place = 0; *place < root->count && rc == 0; ++*place) {
        struct qfs_text name = root->members[*place].key;
        if (qfs_text_is(name, "views"))
            rc = read_views(r, &root->members[*place].value);
        else if (!qfs_text_is(name, "comment"))
            rc = fail(r, "'%.60s' is not known here: the file holds views, and may hold a comment",
                      name.data);
    }
    r->depth--;
    return rc;
}

static int parse(struct reader *r, size_t size)
{
    const struct qfs_json *root;
    int rc = qfs_json_parse(r->arena, r->text, size, r->shown, &root, r->error);
    return rc < 0 ? rc : read_root(r, root);
}

int qfs_own_views_read(struct qfs_arena *arena, const struct qfs_model *model, const char *file,
                       struct qfs_own_views *ret_views, struct qfs_error *error)
{
    static const char name[] = "quantfs.json";
    struct qfs_own_views views = {0};
    struct reader r = {
        .arena = arena, .model = model, .views = &views, .trusted = file, .error = error};
    struct qfs_error unread = {0};
    char *text = NULL;
    size_t size;
    if (file && strcmp(file, "none") == 0)
        return 0;
    const char *slash = file ? strrchr(file, '/') : NULL;
    r.shown = file ? file : qfs_arena_printf(arena, "%s/%s", model->path, name);
    r.dir = !file   ? model->path
            : slash ? qfs_arena_copy(arena, file, (size_t)(slash - file))
                    : NULL;
    if (!r.shown || (slash && !r.dir))
        return qfs_fail_memory(error);
    int rc = qfs_file_read(file ? AT_FDCWD : model->dir_fd, file ? file : name, FILE_LIMIT, r.shown,
                           &text, &size, &unread);
    if (rc == -ENOENT && !file)
        return 0;
    if (rc < 0)
        return qfs_fail(error, -rc, "%s", unread.text);
    r.text = text;
    rc = parse(&r, size);
    free(text);
    if (rc < 0)
        qfs_own_views_done(&views);
    else
        *ret_views = views;
    return rc;
}

void qfs_own_views_done(struct qfs_own_views *views)
{
    for (size_t i = 0; i < views->nimatrices; i++)
        qfs_imatrix_free(views->imatrices[i]);
    *views = (struct qfs_own_views){0};
}
