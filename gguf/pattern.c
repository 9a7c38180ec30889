#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The source is parsed with libstdc++'s grammar and written anew for PCRE2 in a form that leaves it
 * no choice: characters in hexadecimal, sets spelled out, each quantified atom in a group of its
 * own. So what PCRE2 reads otherwise ({,3}, a*+, \A, (?i), \Q, a bracket in a bracket) never
 * reaches it. */

enum { MAX_DEPTH = 200, MATCH_LIMIT = 1000000 };

struct qfs_pattern {
    pcre2_code *code;
    pcre2_match_context *context;
};

struct parser {
    const char *source, *at;
    struct qfs_buffer out;
    unsigned ngroups, depth;
    bool group_open[64]; /* a reference to a group that is not closed yet is an error */
    struct qfs_error *error;
    int rc;
};

struct set {
    bool has[256];
};

static void fail(struct parser *p, const char *what)
{
    if (p->rc == 0)
        p->rc = qfs_fail(p->error, EINVAL, "tensor-type: '%s' is no regular expression: %s",
                         p->source, what);
}

static bool accept(struct parser *p, const char *token)
{
    if (p->rc < 0 || !qfs_starts_with(p->at, token))
        return false;
    p->at += strlen(token);
    return true;
}

/* -- sets of characters -------------------------------------------------------------------------
 */

static bool is_word(int c)
{
    return isalnum(c) || c == '_';
}

static int in_class(const char *name, size_t size, int c)
{
    static const struct {
        const char *name;
        int (*test)(int);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
                   {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
                   {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
                   {"d", isdigit},     {"s", isspace}};
    if (size == 1 && tolower(*name) == 'w')
        return c < 128 && is_word(c);
    for (size_t i = 0; i < QFS_COUNT(classes); i++)
        if (strlen(classes[i].name) == size && strncasecmp(classes[i].name, name, size) == 0)
            return c < 128 && classes[i].test(c) != 0;
    return -1;
}

/* Adds a named class, or all that is not in it; false when there is none of that name. */
static bool add_class(struct set *set, const char *name, size_t size, bool negated)
{
    for (int c = 0; c < 256; c++) {
        int in = in_class(name, size, c);
        if (in < 0)
            return false;
        set->has[c] |= (in != 0) != negated;
    }
    return true;
}

static void put_set(struct parser *p, const struct set *set, bool negated)
{
    bool any = false;
    for (int c = 0; c < 256; c++)
        any |= set->has[c] != negated;
    if (!any) {
        qfs_buffer_text(&p->out, "(?!)");
        return;
    }
    qfs_buffer_text(&p->out, "[");
    for (int c = 0; c < 256; c++)
        if (set->has[c] != negated)
            qfs_buffer_printf(&p->out, "\\x%02x", c);
    qfs_buffer_text(&p->out, "]");
}

/* -- escapes ------------------------------------------------------------------------------------
 */

enum escape_kind { CHARACTER, CLASS, BOUNDARY, REFERENCE };

struct escape {
    enum escape_kind kind;
    unsigned value; /* character, letter of the class, 'b' or 'B', or number of the group */
};

/* What follows a backslash. */
static struct escape take_escape(struct parser *p, bool in_bracket)
{
    static const char from[] = "0bfnrtv", to[] = "\0\b\f\n\r\t\v";
    struct escape e = {CHARACTER, 0};
    unsigned char c = (unsigned char)*p->at;
    if (!c) {
        fail(p, "it ends with a backslash");
        return e;
    }
    p->at++;
    const char *simple = strchr(from, c);
    if (simple && (c != 'b' || in_bracket)) {
        e.value = (unsigned char)to[simple - from];
    } else if (c == 'b' || c == 'B') {
        e = (struct escape){BOUNDARY, c};
    } else if (strchr("dDsSwW", c)) {
        e = (struct escape){CLASS, c};
    } else if (c == 'c') {
        e.value = (unsigned char)*p->at;
        if (!*p->at)
            fail(p, "\\c stands at the end");
        else
            p->at++;
    } else if (c == 'x' || c == 'u') {
        for (int i = 0; i < (c == 'x' ? 2 : 4); i++) {
            if (!isxdigit((unsigned char)*p->at)) {
                fail(p, "\\x takes two hexadecimal digits, \\u four");
                return e;
            }
            char digit[2] = {*p->at++, 0};
            e.value = e.value * 16 + (unsigned)strtoul(digit, NULL, 16);
        }
        e.value &= 0xFF; /* of one char */
    } else if (isdigit(c)) {
        e = (struct escape){REFERENCE, c - '0'};
        while (isdigit((unsigned char)*p->at) && e.value < 1000)
            e.value = e.value * 10 + (unsigned)(*p->at++ - '0');
    } else {
        e.value = c;
    }
    return e;
}

/* -- [...] --------------------------------------------------------------------------------------
 */

/* [:name:], [.x.], [=x=]: the text between, or NULL when `at` is not at such a thing. */
static const char *take_named(struct parser *p, char mark, size_t *ret_size)
{
    if (p->at[0] != '[' || p->at[1] != mark)
        return NULL;
    const char *name = p->at + 2, *end = strchr(name, mark);
    if (!end || end[1] != ']') {
        fail(p, "a named class is not closed");
        return NULL;
    }
    *ret_size = (size_t)(end - name);
    p->at = end + 2;
    return name;
}

enum term { TERM_END, TERM_CHARACTER, TERM_CLASS, TERM_DASH };

/* The next term of a bracket; classes are added at once, a character goes to *ret_character. */
static enum term take_term(struct parser *p, struct set *set, unsigned char *ret_character)
{
    size_t size;
    const char *name;
    if (p->rc < 0 || !*p->at) {
        fail(p, "a bracket is not closed");
        return TERM_END;
    }
    if ((name = take_named(p, ':', &size))) {
        if (!add_class(set, name, size, false))
            fail(p, "a named class does not exist");
        return TERM_CLASS;
    }
    if ((name = take_named(p, '=', &size))) {
        if (size != 1)
            fail(p, "an equivalence class has more than one character");
        set->has[(unsigned char)tolower((unsigned char)*name)] = true;
        set->has[(unsigned char)toupper((unsigned char)*name)] = true;
        return TERM_CLASS;
    }
    if ((name = take_named(p, '.', &size))) {
        if (size != 1)
            fail(p, "a collating symbol has more than one character");
        *ret_character = (unsigned char)*name;
        return TERM_CHARACTER;
    }
    if (p->rc < 0)
        return TERM_END;
    char c = *p->at++;
    if (c == ']')
        return TERM_END;
    if (c == '-')
        return TERM_DASH;
    *ret_character = (unsigned char)c;
    if (c != '\\')
        return TERM_CHARACTER;
    struct escape e = take_escape(p, true);
    if (e.kind == CLASS) {
        char letter = (char)tolower((int)e.value);
        add_class(set, &letter, 1, isupper((int)e.value));
        return TERM_CLASS;
    }
    if (e.kind != CHARACTER)
        fail(p, "a bracket holds what is no character");
    *ret_character = (unsigned char)e.value;
    return TERM_CHARACTER;
}

/* After the opening bracket. A dash is itself where no range can begin or end with it. */
static void parse_bracket(struct parser *p)
{
    struct set set = {{0}};
    bool negated = accept(p, "^"), first = true;
    enum { NOTHING, ONE, A_CLASS } last = NOTHING;
    unsigned char character = 0, next;
    for (;; first = false) {
        enum term term = take_term(p, &set, &next);
        if (p->rc < 0)
            return;
        if (term == TERM_END)
            break;
        if (term == TERM_CLASS) {
            last = A_CLASS;
            continue;
        }
        if (term == TERM_DASH && !first && *p->at != ']') {
            if (last == A_CLASS) {
                fail(p, "a range begins with a class");
                return;
            }
            if (last == ONE) {
                unsigned char to = '-';
                if (*p->at == '-') {
                    p->at++;
                } else if (take_term(p, &set, &to) != TERM_CHARACTER) {
                    fail(p, "a range ends with a class");
                    return;
                }
                if (character > to)
                    fail(p, "a range runs backwards");
                for (int c = character; c <= to; c++)
                    set.has[c] = true;
                last = NOTHING;
                continue;
            }
        }
        character = term == TERM_DASH ? '-' : next;
        set.has[character] = true;
        last = ONE;
    }
    put_set(p, &set, negated);
}

/* -- the rest -----------------------------------------------------------------------------------
 */

static void parse_disjunction(struct parser *p);

static void parse_group(struct parser *p, const char *open)
{
    if (++p->depth > MAX_DEPTH)
        fail(p, "its groups are nested too deeply");
    qfs_buffer_text(&p->out, open);
    parse_disjunction(p);
    if (!accept(p, ")"))
        fail(p, "a parenthesis is not closed");
    qfs_buffer_text(&p->out, ")");
    p->depth--;
}

static bool parse_assertion(struct parser *p)
{
    if (accept(p, "^"))
        qfs_buffer_text(&p->out, "\\A");
    else if (accept(p, "$"))
        qfs_buffer_text(&p->out, "\\z");
    else if (accept(p, "\\b"))
        qfs_buffer_text(&p->out, "\\b");
    else if (accept(p, "\\B"))
        qfs_buffer_text(&p->out, "\\B");
    else if (accept(p, "(?="))
        parse_group(p, "(?=");
    else if (accept(p, "(?!"))
        parse_group(p, "(?!");
    else
        return false;
    return true;
}

static void parse_escape(struct parser *p)
{
    struct escape e = take_escape(p, false);
    struct set set = {{0}};
    char letter = (char)tolower((int)e.value);
    if (e.kind == CLASS) {
        add_class(&set, &letter, 1, isupper((int)e.value));
        put_set(p, &set, false);
    } else if (e.kind == REFERENCE) {
        if (e.value == 0 || e.value > p->ngroups ||
            (e.value < QFS_COUNT(p->group_open) && p->group_open[e.value]))
            fail(p, "it refers to a group that is not there");
        qfs_buffer_printf(&p->out, "\\g{%u}", e.value);
    } else {
        qfs_buffer_printf(&p->out, "\\x%02x", e.value);
    }
}

static bool parse_atom(struct parser *p)
{
    if (!*p->at || strchr("|)*+?{", *p->at) || p->rc < 0)
        return false;
    if (accept(p, ".")) {
        qfs_buffer_text(&p->out, "[^\\n\\r]");
    } else if (accept(p, "(?:")) {
        parse_group(p, "(?:");
    } else if (qfs_starts_with(p->at, "(?")) {
        fail(p, "(? must be followed by one of : = !");
    } else if (accept(p, "(")) {
        unsigned number = ++p->ngroups;
        if (number < QFS_COUNT(p->group_open))
            p->group_open[number] = true;
        parse_group(p, "(");
        if (number < QFS_COUNT(p->group_open))
            p->group_open[number] = false;
    } else if (accept(p, "[")) {
        parse_bracket(p);
    } else if (accept(p, "\\")) {
        parse_escape(p);
    } else {
        qfs_buffer_printf(&p->out, "\\x%02x", (unsigned char)*p->at++);
    }
    return true;
}

static bool take_count(struct parser *p, unsigned *ret_count)
{
    if (!isdigit((unsigned char)*p->at))
        return false;
    for (*ret_count = 0; isdigit((unsigned char)*p->at); p->at++)
        *ret_count = QFS_MIN(*ret_count * 10 + (unsigned)(*p->at - '0'), 100000u);
    return true;
}

/* Puts what was written since `start` into a group and the quantifier behind it. */
static bool parse_quantifier(struct parser *p, size_t start)
{
    char text[32];
    unsigned from, to;
    if (p->rc < 0)
        return false;
    if (*p->at && strchr("*+?", *p->at)) {
        text[0] = *p->at++;
        text[1] = 0;
    } else if (accept(p, "{")) {
        if (!take_count(p, &from)) {
            fail(p, "{ must be followed by a number");
            return false;
        }
        snprintf(text, sizeof(text), "{%u}", from);
        if (accept(p, ",")) {
            snprintf(text, sizeof(text), "{%u,}", from);
            if (take_count(p, &to)) {
                snprintf(text, sizeof(text), "{%u,%u}", from, to);
                if (to < from)
                    fail(p, "a number of repetitions runs backwards");
            }
        }
        if (!accept(p, "}")) {
            fail(p, "{ is not closed");
            return false;
        }
    } else {
        return false;
    }
    if (accept(p, "?"))
        strcat(text, "?");
    qfs_buffer_text(&p->out, "(?:"); /* room for it */
    if (p->out.failed)
        return false;
    memmove(p->out.data + start + 3, p->out.data + start, p->out.size - 3 - start);
    memcpy(p->out.data + start, "(?:", 3);
    qfs_buffer_printf(&p->out, ")%s", text);
    return true;
}

static void parse_disjunction(struct parser *p)
{
    do {
        for (;;) {
            size_t start = p->out.size;
            if (parse_assertion(p))
                continue;
            if (!parse_atom(p))
                break;
            while (parse_quantifier(p, start))
                ;
        }
        if (p->rc == 0 && *p->at == '|')
            qfs_buffer_text(&p->out, "|");
    } while (accept(p, "|"));
}

int qfs_pattern_compile(const char *source, struct qfs_pattern **ret_pattern,
                        struct qfs_error *error)
{
    struct parser p = {.source = source, .at = source, .error = error};
    struct qfs_pattern *pattern = NULL;
    int code = 0;
    PCRE2_SIZE where = 0;
    parse_disjunction(&p);
    if (*p.at)
        fail(&p, *p.at == ')' ? "a parenthesis closes nothing" : "nothing can be repeated there");
    if (p.rc == 0 && p.out.failed)
        p.rc = qfs_fail_memory(error);
    if (p.rc == 0 && !(pattern = calloc(1, sizeof(*pattern))))
        p.rc = qfs_fail_memory(error);
    if (p.rc == 0) {
        /* PCRE2 10.42 loses matches of (?=a)(|a)a to its start optimization. */
        pattern->code = pcre2_compile((PCRE2_SPTR)(p.out.data ? (char *)p.out.data : ""),
                                      p.out.size, PCRE2_NO_START_OPTIMIZE, &code, &where, NULL);
        pattern->context = pcre2_match_context_create(NULL);
        if (!pattern->code)
            fail(&p, "it is too large");
        else if (!pattern->context)
            p.rc = qfs_fail_memory(error);
        else
            pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
    }
    qfs_buffer_done(&p.out);
    if (p.rc < 0)
        qfs_pattern_free(pattern);
    else
        *ret_pattern = pattern;
    return p.rc;
}

void qfs_pattern_free(struct qfs_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_match_context_free(pattern->context);
    pcre2_code_free(pattern->code);
    free(pattern);
}

int qfs_pattern_search(const struct qfs_pattern *pattern, const char *name)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data)
        return -ENOMEM;
    int rc =
        pcre2_match(pattern->code, (PCRE2_SPTR)name, strlen(name), 0, 0, data, pattern->context);
    pcre2_match_data_free(data);
    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}
