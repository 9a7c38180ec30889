/* YAML as PyYAML's SafeLoader reads it: libyaml gives the events, types are YAML 1.1's.
 *
 * A document is composed into nodes first, because merge keys (<<) move nodes about before anything has a
 * value; values are then made once a node, so what an alias repeats is shared. */
#include "quantfs/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define TAG_PREFIX "tag:yaml.org,2002:"

enum { DEPTH_LIMIT = 150, NODE_LIMIT = 1 << 20 };

enum kind { SCALAR, SEQUENCE, MAPPING };

struct node {
    enum kind kind;
    const char *tag; /* whole, resolved */
    struct qfs_text text;
    struct node **children; /* of a mapping: key, value, key, value, ... */
    size_t count, capacity;
    size_t line, column;
    enum { FRESH, ACTIVE, DONE } state;
    struct qfs_json value;
};

struct anchor {
    const char *name;
    struct node *node;
};

struct loader {
    struct qfs_arena *arena;
    yaml_parser_t parser;
    struct anchor *anchors;
    size_t nanchors, anchors_capacity;
    size_t nnodes;
    const char *shown;
    struct qfs_error *error;
};

static int fail_at(struct loader *l, size_t line, size_t column, const char *format, ...)
    QFS_PRINTF(4, 5);

static int fail_at(struct loader *l, size_t line, size_t column, const char *format, ...)
{
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return qfs_fail(l->error, EINVAL, "%s: line %zu column %zu: %s", l->shown, line + 1, column + 1,
                    what);
}

static int fail_node(struct loader *l, const struct node *node, const char *what)
{
    return fail_at(l, node->line, node->column, "%s", what);
}

/* -- composing ----------------------------------------------------------------------------------- */

static bool resolve_plain(struct qfs_text text, const char **ret_tag);

static int next_event(struct loader *l, yaml_event_t *event)
{
    if (yaml_parser_parse(&l->parser, event))
        return 0;
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return qfs_fail_memory(l->error);
    return fail_at(l, p->problem_mark.line, p->problem_mark.column, "%s%s%s",
                   p->context ? p->context : "", p->context ? ", " : "",
                   p->problem ? p->problem : "not YAML");
}

/* Grows an array of `size` bytes an item in the arena. */
static void *grow(struct qfs_arena *arena, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t bigger = *capacity ? *capacity * 2 : 4;
    void *more = qfs_arena_array(arena, bigger, size);
    if (more && count)
        memcpy(more, items, count * size);
    if (more)
        *capacity = bigger;
    return more;
}

static int add_child(struct loader *l, struct node *node, struct node *child)
{
    struct node **children =
        grow(l->arena, node->children, node->count, &node->capacity, sizeof(struct node *));
    if (!children)
        return qfs_fail_memory(l->error);
    node->children = children;
    node->children[node->count++] = child;
    return 0;
}

static struct node *find_anchor(const struct loader *l, const char *name)
{
    for (size_t i = 0; i < l->nanchors; i++)
        if (strcmp(l->anchors[i].name, name) == 0)
            return l->anchors[i].node;
    return NULL;
}

static int add_anchor(struct loader *l, const char *name, struct node *node)
{
    if (find_anchor(l, name))
        return fail_at(l, node->line, node->column, "found duplicate anchor '%s'", name);
    struct anchor *anchors =
        grow(l->arena, l->anchors, l->nanchors, &l->anchors_capacity, sizeof(*anchors));
    char *copy = qfs_arena_string(l->arena, name);
    if (!anchors || !copy)
        return qfs_fail_memory(l->error);
    l->anchors = anchors;
    l->anchors[l->nanchors++] = (struct anchor){copy, node};
    return 0;
}

/* The tag that an event names, or NULL when it is for us to find: "!" names none. */
static int explicit_tag(struct loader *l, const yaml_char_t *tag, const char **ret_tag)
{
    *ret_tag = NULL;
    if (!tag || strcmp((const char *)tag, "!") == 0)
        return 0;
    *ret_tag = qfs_arena_string(l->arena, (const char *)tag);
    return *ret_tag ? 0 : qfs_fail_memory(l->error);
}

static int compose(struct loader *l, yaml_event_t *event, int depth, struct node **ret_node);

/* Children up to `end`; takes the events. */
static int compose_children(struct loader *l, struct node *node, yaml_event_type_t end, int depth)
{
    for (;;) {
        yaml_event_t event;
        struct node *child;
        int rc = next_event(l, &event);
        if (rc < 0)
            return rc;
        if (event.type == end) {
            yaml_event_delete(&event);
            return 0;
        }
        rc = compose(l, &event, depth + 1, &child);
        yaml_event_delete(&event);
        if (rc < 0 || (rc = add_child(l, node, child)) < 0)
            return rc;
    }
}

static int compose_scalar(struct loader *l, const yaml_event_t *event, struct node *node)
{
    const char *data = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    char *copy = qfs_arena_copy(l->arena, data, size);
    int rc = explicit_tag(l, event->data.scalar.tag, &node->tag);
    if (!copy)
        return qfs_fail_memory(l->error);
    node->text = (struct qfs_text){copy, size};
    bool plain = event->data.scalar.plain_implicit ||
                 (size == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE); /* "!" alone */
    if (rc == 0 && !node->tag && !(plain && resolve_plain(node->text, &node->tag)))
        node->tag = TAG_PREFIX "str";
    return rc;
}

/* The node that `event` begins; the event stays the caller's. */
static int compose(struct loader *l, yaml_event_t *event, int depth, struct node **ret_node)
{
    size_t line = event->start_mark.line, column = event->start_mark.column;
    const yaml_char_t *anchor = NULL;
    int rc = 0;
    if (event->type == YAML_ALIAS_EVENT) {
        const char *name = (const char *)event->data.alias.anchor;
        *ret_node = find_anchor(l, name);
        return *ret_node ? 0 : fail_at(l, line, column, "found undefined alias '%s'", name);
    }
    if (depth > DEPTH_LIMIT || ++l->nnodes > NODE_LIMIT)
        return fail_at(l, line, column, "nested too deeply, or too long");
    struct node *node = qfs_arena_alloc(l->arena, sizeof(*node));
    if (!node)
        return qfs_fail_memory(l->error);
    node->line = line;
    node->column = column;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        node->kind = SCALAR;
        anchor = event->data.scalar.anchor;
        rc = compose_scalar(l, event, node);
        break;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = SEQUENCE;
        anchor = event->data.sequence_start.anchor;
        rc = explicit_tag(l, event->data.sequence_start.tag, &node->tag);
        if (!node->tag)
            node->tag = TAG_PREFIX "seq";
        break;
    case YAML_MAPPING_START_EVENT:
        node->kind = MAPPING;
        anchor = event->data.mapping_start.anchor;
        rc = explicit_tag(l, event->data.mapping_start.tag, &node->tag);
        if (!node->tag)
            node->tag = TAG_PREFIX "map";
        break;
    default:
        return fail_at(l, line, column, "expected a value");
    }
    if (rc == 0 && anchor)
        rc = add_anchor(l, (const char *)anchor, node);
    if (rc == 0 && node->kind != SCALAR)
        rc = compose_children(
            l, node, node->kind == SEQUENCE ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT,
            depth);
    if (rc == 0)
        *ret_node = node;
    return rc;
}

/* The only document of the stream; *ret_node NULL when it is empty. */
static int compose_document(struct loader *l, struct node **ret_node)
{
    yaml_event_t event;
    bool seen = false;
    int rc;
    *ret_node = NULL;
    for (;;) {
        if ((rc = next_event(l, &event)) < 0)
            return rc;
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen)
            rc = fail_at(l, event.start_mark.line, event.start_mark.column,
                         "expected a single document, but found another");
        else if (type == YAML_DOCUMENT_START_EVENT)
            seen = true;
        else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                 type != YAML_DOCUMENT_END_EVENT)
            rc = compose(l, &event, 0, ret_node);
        yaml_event_delete(&event);
        if (rc < 0 || type == YAML_STREAM_END_EVENT)
            return rc;
    }
}

/* -- plain scalars: the resolver of YAML 1.1, as PyYAML writes it down --------------------------------- */

static bool is_one_of(struct qfs_text text, const char *const *words)
{
    for (; *words; words++)
        if (qfs_text_is(text, *words))
            return true;
    return false;
}

/* Bytes at the front of [at, end) that are in `set`. */
static size_t span(const char *at, const char *end, const char *set)
{
    const char *start = at;
    while (at < end && *at && strchr(set, *at))
        at++;
    return (size_t)(at - start);
}

#define DIGITS "0123456789"

/* (?::[0-5]?[0-9])+ up to the end or, for a float, up to its point; NULL when it is not there. */
static const char *skip_sexagesimal(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at == ':') {
        size_t n = span(at + 1, end, DIGITS);
        if (n == 0 || n > 2 || (n == 2 && at[1] > '5'))
            return NULL;
        at += 1 + n;
    }
    return at > start ? at : NULL;
}

static bool is_bool(struct qfs_text text)
{
    static const char *const words[] = {"yes",  "Yes",  "YES",   "no",    "No",    "NO", "true",
                                        "True", "TRUE", "false", "False", "FALSE", "on", "On",
                                        "ON",   "off",  "Off",   "OFF",   NULL};
    return is_one_of(text, words);
}

static bool is_null(struct qfs_text text)
{
    static const char *const words[] = {"~", "null", "Null", "NULL", "", NULL};
    return is_one_of(text, words);
}

/* (?:[eE][-+][0-9]+)? to the end */
static bool ends_with_exponent(const char *at, const char *end)
{
    if (at == end)
        return true;
    if (end - at < 3 || (*at != 'e' && *at != 'E') || (at[1] != '-' && at[1] != '+'))
        return false;
    return at + 2 + span(at + 2, end, DIGITS) == end;
}

static bool is_float(struct qfs_text text)
{
    static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
    const char *at = text.data, *end = at + text.size;
    bool sign = at < end && (*at == '-' || *at == '+');
    if (is_one_of(text, nans))
        return true;
    if (is_one_of((struct qfs_text){at + sign, text.size - sign}, infinities))
        return true;
    at += sign;
    if (at >= end)
        return false;
    if (*at == '.') { /* without a sign, and with a digit behind the point */
        if (sign || at + 1 >= end || !strchr(DIGITS, at[1]))
            return false;
        at++;
        return ends_with_exponent(at + span(at, end, DIGITS "_"), end);
    }
    if (!strchr(DIGITS, *at))
        return false;
    at += span(at, end, DIGITS "_");
    if (at < end && *at == ':') {
        at = skip_sexagesimal(at, end);
        if (!at || at >= end || *at != '.')
            return false;
        at++;
        return at + span(at, end, DIGITS "_") == end;
    }
    if (at >= end || *at != '.')
        return false;
    at++;
    return ends_with_exponent(at + span(at, end, DIGITS "_"), end);
}

static bool is_int(struct qfs_text text)
{
    const char *at = text.data, *end = at + text.size;
    at += at < end && (*at == '-' || *at == '+');
    if (at >= end || !strchr(DIGITS, *at))
        return false;
    if (*at == '0') {
        if (at + 1 == end)
            return true;
        if (at[1] == 'b' || at[1] == 'x')
            return at + 2 < end &&
                   at + 2 + span(at + 2, end, at[1] == 'b' ? "01_" : DIGITS "abcdefABCDEF_") == end;
        return at + 1 + span(at + 1, end, "01234567_") == end;
    }
    at += span(at, end, DIGITS "_");
    return at == end || skip_sexagesimal(at, end) == end;
}

/* A date, or date and time: what PyYAML's two patterns of it have in common. */
struct timestamp {
    int year, month, day, hour, minute, second, tz_hour, tz_minute;
    bool time;
};

/* `most` digits at most into *ret, `least` at least. */
static bool take_number(const char **at, const char *end, size_t least, size_t most, int *ret)
{
    size_t n = span(*at, end, DIGITS);
    n = QFS_MIN(n, most);
    if (n < least)
        return false;
    for (*ret = 0; n; n--)
        *ret = *ret * 10 + *(*at)++ - '0';
    return true;
}

static bool take(const char **at, const char *end, const char *set)
{
    bool found = *at < end && **at && strchr(set, **at);
    *at += found;
    return found;
}

static bool parse_timestamp(struct qfs_text text, struct timestamp *t)
{
    const char *at = text.data, *end = at + text.size;
    *t = (struct timestamp){0};
    if (!take_number(&at, end, 4, 4, &t->year) || !take(&at, end, "-") ||
        !take_number(&at, end, 1, 2, &t->month) || !take(&at, end, "-") ||
        !take_number(&at, end, 1, 2, &t->day))
        return false;
    if (at == end)
        return text.size == 10; /* YYYY-MM-DD and no shorter */
    if (!take(&at, end, "Tt")) {
        if (!span(at, end, " \t"))
            return false;
        at += span(at, end, " \t");
    }
    t->time = true;
    if (!take_number(&at, end, 1, 2, &t->hour) || !take(&at, end, ":") ||
        !take_number(&at, end, 2, 2, &t->minute) || !take(&at, end, ":") ||
        !take_number(&at, end, 2, 2, &t->second))
        return false;
    if (take(&at, end, "."))
        at += span(at, end, DIGITS);
    if (at == end)
        return true;
    at += span(at, end, " \t");
    if (take(&at, end, "Z"))
        return at == end;
    if (!take(&at, end, "-+") || !take_number(&at, end, 1, 2, &t->tz_hour))
        return false;
    return at == end ||
           (take(&at, end, ":") && take_number(&at, end, 2, 2, &t->tz_minute) && at == end);
}

static bool is_timestamp(struct qfs_text text)
{
    struct timestamp t;
    return parse_timestamp(text, &t);
}

static bool is_merge(struct qfs_text text)
{
    return qfs_text_is(text, "<<");
}

static bool is_value(struct qfs_text text)
{
    return qfs_text_is(text, "=");
}

static bool resolve_plain(struct qfs_text text, const char **ret_tag)
{
    static const struct {
        bool (*is)(struct qfs_text text);
        const char *tag;
    } rows[] = {
        {is_bool, TAG_PREFIX "bool"},   {is_float, TAG_PREFIX "float"},
        {is_int, TAG_PREFIX "int"},     {is_merge, TAG_PREFIX "merge"},
        {is_null, TAG_PREFIX "null"},   {is_timestamp, TAG_PREFIX "timestamp"},
        {is_value, TAG_PREFIX "value"},
    };
    for (size_t i = 0; i < QFS_COUNT(rows); i++)
        if (rows[i].is(text)) {
            *ret_tag = rows[i].tag;
            return true;
        }
    return false;
}

/* -- constructing -------------------------------------------------------------------------------------- */

static bool has_tag(const struct node *node, const char *name)
{
    return qfs_starts_with(node->tag, TAG_PREFIX) &&
           strcmp(node->tag + strlen(TAG_PREFIX), name) == 0;
}

static int construct(struct loader *l, struct node *node, int depth);

/* The text of a scalar, or of the value under "=" in a mapping. */
static int scalar_text(struct loader *l, const struct node *node, struct qfs_text *ret)
{
    for (int depth = 0; node->kind == MAPPING && depth < DEPTH_LIMIT; depth++) {
        const struct node *found = NULL;
        for (size_t i = 0; i < node->count && !found; i += 2)
            if (has_tag(node->children[i], "value"))
                found = node->children[i + 1];
        if (!found)
            break;
        node = found;
    }
    if (node->kind != SCALAR)
        return fail_node(l, node, "expected a scalar");
    *ret = node->text;
    return 0;
}

/* Removes underscores; lower case if asked. */
static char *cleaned(struct loader *l, struct qfs_text text, bool lower)
{
    char *copy = qfs_arena_alloc(l->arena, text.size + 1), *to = copy;
    for (size_t i = 0; copy && i < text.size; i++) {
        char c = text.data[i];
        if (c != '_')
            *to++ = lower && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return copy;
}

static int construct_null(struct loader *l, struct node *node, int depth)
{
    struct qfs_text text;
    node->value.kind = QFS_JSON_NULL;
    return scalar_text(l, node, &text);
}

static int construct_bool(struct loader *l, struct node *node, int depth)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true},    {"no", false}, {"true", true},
                 {"false", false}, {"on", true},  {"off", false}};
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(words); i++)
        if (text.size == strlen(words[i].word) &&
            strncasecmp(text.data, words[i].word, text.size) == 0) {
            node->value.kind = words[i].value ? QFS_JSON_TRUE : QFS_JSON_FALSE;
            return 0;
        }
    return fail_node(l, node, "is tagged as a boolean and is none");
}

/* int(digits, base) with a sign; beyond 64 bits a real number that says so. */
static int set_integer(struct loader *l, struct node *node, const char *digits, int base,
                       bool minus)
{
    char *end;
    bool start = *digits && !strchr("+- \t", *digits);
    errno = 0;
    long long value = start ? strtoll(digits, &end, base) : 0;
    if (!start || *end)
        return fail_node(l, node, "is an integer without digits");
    node->value.kind = QFS_JSON_INT;
    node->value.integer = minus ? -value : value;
    if (errno == ERANGE) {
        double real = 0;
        for (const char *c = digits; *c; c++) {
            int digit = *c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10;
            real = real * base + digit;
        }
        if (base == 10)
            real = strtod(digits, NULL);
        node->value.kind = QFS_JSON_REAL;
        node->value.big = true;
        node->value.real = minus ? -real : real;
    }
    return 0;
}

/* 190:20:30 in base 60. */
static int set_sexagesimal(struct loader *l, struct node *node, const char *text, bool minus,
                           bool whole)
{
    int64_t integer = 0;
    double real = 0, base = 1;
    const char *at = text;
    for (; whole && *at; at += *at == ':') {
        char *end;
        errno = 0;
        long long digit = strtoll(at, &end, 10);
        if (end == at || errno || !qfs_mul(integer, 60, &integer) ||
            !qfs_add(integer, digit, &integer) || (*end && *end != ':'))
            return fail_node(l, node, "is no number that fits 64 bits");
        at = end;
    }
    for (at = text + strlen(text); !whole && at > text;) { /* from the last part, as PyYAML adds */
        const char *start = at;
        while (start > text && start[-1] != ':')
            start--;
        char *end;
        double digit = strtod(start, &end);
        if (end != at)
            return fail_node(l, node, "is no number");
        real += digit * base;
        base *= 60;
        at = start > text ? start - 1 : start;
    }
    node->value.kind = whole ? QFS_JSON_INT : QFS_JSON_REAL;
    if (whole)
        node->value.integer = minus ? -integer : integer;
    else
        node->value.real = minus ? -real : real;
    return 0;
}

static int construct_int(struct loader *l, struct node *node, int depth)
{
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    char *value = rc < 0 ? NULL : cleaned(l, text, false);
    if (!value)
        return rc < 0 ? rc : qfs_fail_memory(l->error);
    bool minus = *value == '-';
    value += minus || *value == '+';
    if (strncmp(value, "0b", 2) == 0)
        return set_integer(l, node, value + 2, 2, minus);
    if (strncmp(value, "0x", 2) == 0)
        return set_integer(l, node, value + 2, 16, minus);
    if (*value == '0')
        return set_integer(l, node, value, 8, minus);
    if (strchr(value, ':'))
        return set_sexagesimal(l, node, value, minus, true);
    return set_integer(l, node, value, 10, minus);
}

static int construct_float(struct loader *l, struct node *node, int depth)
{
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    char *value = rc < 0 ? NULL : cleaned(l, text, true), *end;
    if (!value)
        return rc < 0 ? rc : qfs_fail_memory(l->error);
    bool minus = *value == '-';
    value += minus || *value == '+';
    node->value.kind = QFS_JSON_REAL;
    if (strcmp(value, ".inf") == 0) {
        node->value.real = minus ? -INFINITY : INFINITY;
        return 0;
    }
    if (strcmp(value, ".nan") == 0) {
        node->value.real = NAN;
        return 0;
    }
    if (strchr(value, ':'))
        return set_sexagesimal(l, node, value, minus, false);
    double real = strtod(value, &end);
    if (end == value || *end)
        return fail_node(l, node, "is tagged as a number and is none");
    node->value.real = minus ? -real : real;
    return 0;
}

/* A value that JSON has no kind for; its text is kept for messages. */
static void set_other(struct node *node, struct qfs_text text)
{
    node->value.kind = QFS_JSON_OTHER;
    node->value.string = text.data;
    node->value.count = (uint32_t)text.size;
}

static int construct_timestamp(struct loader *l, struct node *node, int depth)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct timestamp t;
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    if (rc < 0)
        return rc;
    bool valid = parse_timestamp(text, &t) && t.year > 0 && t.month > 0 && t.month <= 12;
    if (valid) {
        bool leap = t.month == 2 && t.year % 4 == 0 && (t.year % 100 != 0 || t.year % 400 == 0);
        valid = t.day > 0 && t.day <= days[t.month - 1] + leap && t.hour < 24 && t.minute < 60 &&
                t.second < 60 && t.tz_hour * 60 + t.tz_minute < 24 * 60;
    }
    if (!valid)
        return fail_node(l, node, "is no date: put it in quotes if it is meant as text");
    set_other(node, text);
    return 0;
}

static int construct_string(struct loader *l, struct node *node, int depth)
{
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    if (rc == 0) {
        node->value.kind = QFS_JSON_STRING;
        node->value.string = text.data;
        node->value.count = (uint32_t)text.size;
    }
    return rc;
}

static int construct_binary(struct loader *l, struct node *node, int depth)
{
    struct qfs_text text;
    int rc = scalar_text(l, node, &text);
    if (rc == 0)
        set_other(node, text);
    return rc;
}

static int construct_sequence(struct loader *l, struct node *node, int depth)
{
    if (node->kind != SEQUENCE)
        return fail_node(l, node, "expected a sequence");
    struct qfs_json *items = qfs_arena_array(l->arena, node->count, sizeof(*items));
    if (!items)
        return qfs_fail_memory(l->error);
    for (size_t i = 0; i < node->count; i++) {
        int rc = construct(l, node->children[i], depth + 1);
        if (rc < 0)
            return rc;
        items[i] = node->children[i]->value;
    }
    node->value.kind = QFS_JSON_ARRAY;
    node->value.items = items;
    node->value.count = (uint32_t)node->count;
    return 0;
}

static int flatten(struct loader *l, struct node *node, int depth);

static int append_children(struct loader *l, struct node *to, const struct node *from)
{
    int rc = 0;
    for (size_t i = 0; i < from->count && rc == 0; i++)
        rc = ++l->nnodes > NODE_LIMIT ? fail_node(l, from, "merges too much")
                                      : add_child(l, to, from->children[i]);
    return rc;
}

/* What a merge key brings, in the order that PyYAML puts it: of a list the last mapping first. */
static int merge(struct loader *l, struct node *merged, struct node *value, int depth)
{
    int rc;
    if (value->kind == MAPPING)
        return (rc = flatten(l, value, depth + 1)) < 0 ? rc : append_children(l, merged, value);
    if (value->kind != SEQUENCE)
        return fail_node(l, value, "expected a mapping or a list of mappings for merging");
    for (size_t i = 0; i < value->count; i++) {
        if (value->children[i]->kind != MAPPING)
            return fail_node(l, value->children[i], "expected a mapping for merging");
        if ((rc = flatten(l, value->children[i], depth + 1)) < 0)
            return rc;
    }
    for (size_t i = value->count; i > 0; i--)
        if ((rc = append_children(l, merged, value->children[i - 1])) < 0)
            return rc;
    return 0;
}

static int flatten(struct loader *l, struct node *node, int depth)
{
    struct node merged = {0};
    size_t kept = 0;
    int rc;
    if (depth > DEPTH_LIMIT)
        return fail_node(l, node, "merges itself");
    for (size_t i = 0; i < node->count; i += 2) {
        struct node *key = node->children[i], *value = node->children[i + 1];
        if (has_tag(key, "merge")) {
            if ((rc = merge(l, &merged, value, depth)) < 0)
                return rc;
            continue;
        }
        if (has_tag(key, "value"))
            key->tag = TAG_PREFIX "str";
        node->children[kept++] = key;
        node->children[kept++] = value;
    }
    node->count = kept;
    if (merged.count == 0)
        return 0;
    if ((rc = append_children(l, &merged, node)) < 0)
        return rc;
    node->children = merged.children;
    node->count = merged.count;
    node->capacity = merged.capacity;
    return 0;
}

/* Keys that are no texts are checked and left out: nobody looks for them. */
static int construct_mapping(struct loader *l, struct node *node, int depth)
{
    struct qfs_map seen = {0};
    uint32_t count = 0;
    int rc;
    if (node->kind != MAPPING)
        return fail_node(l, node, "expected a mapping");
    if ((rc = flatten(l, node, depth)) < 0)
        return rc;
    struct qfs_json_member *members = qfs_arena_array(l->arena, node->count / 2, sizeof(*members));
    if (!members)
        return qfs_fail_memory(l->error);
    for (size_t i = 0; i < node->count && rc >= 0; i += 2) {
        struct node *key = node->children[i], *value = node->children[i + 1];
        uint64_t where = count;
        if ((rc = construct(l, key, depth + 1)) < 0)
            break;
        if (key->value.kind == QFS_JSON_ARRAY || key->value.kind == QFS_JSON_OBJECT ||
            has_tag(key, "set")) {
            rc = fail_node(l, key, "a list, mapping or set cannot be a key");
            break;
        }
        if ((rc = construct(l, value, depth + 1)) < 0)
            break;
        if (key->value.kind != QFS_JSON_STRING)
            continue;
        struct qfs_text text = {key->value.string, key->value.count};
        if (!qfs_map_get(&seen, text, &where)) {
            where = count++;
            members[where].key = text;
            if ((rc = qfs_map_set(&seen, text, where)) < 0)
                qfs_fail_memory(l->error);
        }
        members[where].value = value->value;
    }
    qfs_map_done(&seen);
    if (rc < 0)
        return rc;
    node->value.kind = QFS_JSON_OBJECT;
    node->value.members = members;
    node->value.count = count;
    return 0;
}

static int construct_set(struct loader *l, struct node *node, int depth)
{
    int rc = construct_mapping(l, node, depth);
    if (rc == 0)
        set_other(node, QFS_TEXT("a set"));
    return rc;
}

/* !!omap and !!pairs: a list of pairs. */
static int construct_pairs(struct loader *l, struct node *node, int depth)
{
    if (node->kind != SEQUENCE)
        return fail_node(l, node, "expected a sequence of single pairs");
    struct qfs_json *items = qfs_arena_array(l->arena, node->count, sizeof(*items));
    if (!items)
        return qfs_fail_memory(l->error);
    for (size_t i = 0; i < node->count; i++) {
        struct node *pair = node->children[i];
        int rc = 0;
        if (pair->kind != MAPPING || pair->count != 2)
            return fail_node(l, pair, "expected a mapping of one pair");
        for (int k = 0; k < 2 && rc == 0; k++)
            rc = construct(l, pair->children[k], depth + 1);
        if (rc < 0)
            return rc;
        items[i].kind = QFS_JSON_OTHER; /* a tuple */
    }
    node->value.kind = QFS_JSON_ARRAY;
    node->value.items = items;
    node->value.count = (uint32_t)node->count;
    return 0;
}

static const struct {
    const char *tag;
    int (*run)(struct loader *l, struct node *node, int depth);
} constructors[] = {
    {"null", construct_null},    {"bool", construct_bool},   {"int", construct_int},
    {"float", construct_float},  {"str", construct_string},  {"timestamp", construct_timestamp},
    {"seq", construct_sequence}, {"map", construct_mapping}, {"binary", construct_binary},
    {"set", construct_set},      {"omap", construct_pairs},  {"pairs", construct_pairs},
};

static int construct(struct loader *l, struct node *node, int depth)
{
    int rc;
    if (node->state != FRESH)
        return 0; /* done, or an alias within itself, which is a value of its own kind meanwhile */
    if (depth > DEPTH_LIMIT)
        return fail_node(l, node, "nested too deeply");
    node->state = ACTIVE;
    node->value.kind = QFS_JSON_OTHER;
    for (size_t i = 0; i < QFS_COUNT(constructors); i++)
        if (has_tag(node, constructors[i].tag)) {
            rc = constructors[i].run(l, node, depth);
            node->state = DONE;
            return rc;
        }
    return fail_at(l, node->line, node->column, "has the tag '%.100s', which is not known",
                   node->tag);
}

int qfs_yaml_parse(struct qfs_arena *arena, const char *text, size_t size, const char *shown,
                   const struct qfs_json **ret_value, struct qfs_error *error)
{
    struct loader l = {.arena = arena, .shown = shown, .error = error};
    struct node *node;
    if (!yaml_parser_initialize(&l.parser))
        return qfs_fail_memory(error);
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, size);
    int rc = compose_document(&l, &node);
    if (rc == 0 && !node && !(node = qfs_arena_alloc(arena, sizeof(*node))))
        rc = qfs_fail_memory(error);
    else if (rc == 0 && node->tag)
        rc = construct(&l, node, 0);
    yaml_parser_delete(&l.parser);
    if (rc == 0)
        *ret_value = &node->value;
    return rc;
}
