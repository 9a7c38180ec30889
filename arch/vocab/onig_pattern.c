/* Patterns of tokenizer.json in PCRE2's words.
 *
 * The two syntaxes agree on nearly everything tokenizers use. Where they do not:
 *   {n,m}+     Ruby: the interval, repeated; PCRE2: possessive
 *   {,n}       Ruby: at most n; PCRE2 10.42: literal
 *   (?m: )     Ruby: the dot matches newlines, PCRE2's (?s: ); ^ and $ are always for lines
 *   (?i)a|b    Ruby: the option covers both branches
 *   \h \v \w   other sets
 *   [a&&[^b]]  set intersection and sets in sets: written as lookaheads here */
#include "token_regex.h"

#include <ctype.h>
#include <string.h>

enum { DEPTH_LIMIT = 64 };

/* \w: letters, letter numbers, marks, decimal digits, connectors, and the few others that Oniguruma has
 * there: Latin-1's raised digits and fractions, letters in circles and squares. */
static const char word_items[] =
    "\\p{L}\\p{Nl}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}\\x{24B6}-\\x{24E9}"
    "\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";

struct translator {
    const char *at, *end;
    struct qfs_buffer *out;
    unsigned depth;
    bool bad;
};

/* What a set's brackets held: characters that fit one PCRE2 class, and expressions for one character
 * that do not. */
struct set {
    struct qfs_buffer items;
    struct qfs_buffer others; /* "|[…]|[…]" */
};

static void put(struct translator *t, const char *text)
{
    qfs_buffer_text(t->out, text);
}

static void put_range(struct translator *t, const char *from, const char *to)
{
    qfs_buffer_append(t->out, from, (size_t)(to - from));
}

static bool ahead(const struct translator *t, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(t->end - t->at) >= size && memcmp(t->at, text, size) == 0;
}

/* Property names that Oniguruma knows by their long names. PCRE2 10.42 wants the short ones. */
static const char *short_property(const char *name, size_t size)
{
    static const char *const table[][2] = {
        {"alnum", "Xan"},
        {"alpha", "Alphabetic"},
        {"letter", "L"},
        {"lowercase_letter", "Ll"},
        {"lower", "Lowercase"},
        {"uppercase_letter", "Lu"},
        {"upper", "Uppercase"},
        {"titlecase_letter", "Lt"},
        {"modifier_letter", "Lm"},
        {"other_letter", "Lo"},
        {"mark", "M"},
        {"nonspacing_mark", "Mn"},
        {"spacing_mark", "Mc"},
        {"enclosing_mark", "Me"},
        {"number", "N"},
        {"decimal_number", "Nd"},
        {"digit", "Nd"},
        {"letter_number", "Nl"},
        {"other_number", "No"},
        {"punctuation", "P"},
        {"punct", "P"},
        {"connector_punctuation", "Pc"},
        {"dash_punctuation", "Pd"},
        {"open_punctuation", "Ps"},
        {"close_punctuation", "Pe"},
        {"initial_punctuation", "Pi"},
        {"final_punctuation", "Pf"},
        {"other_punctuation", "Po"},
        {"symbol", "S"},
        {"math_symbol", "Sm"},
        {"currency_symbol", "Sc"},
        {"modifier_symbol", "Sk"},
        {"other_symbol", "So"},
        {"separator", "Z"},
        {"space_separator", "Zs"},
        {"line_separator", "Zl"},
        {"paragraph_separator", "Zp"},
        {"space", "Xsp"},
        {"other", "C"},
        {"control", "Cc"},
        {"cntrl", "Cc"},
        {"format", "Cf"},
        {"unassigned", "Cn"},
        {"private_use", "Co"},
    };
    char lower[32];
    if (size >= sizeof(lower))
        return NULL;
    for (size_t i = 0; i < size; i++)
        lower[i] = name[i] == ' ' ? '_' : (char)tolower((unsigned char)name[i]);
    lower[size] = 0;
    for (size_t i = 0; i < QFS_COUNT(table); i++)
        if (strcmp(lower, table[i][0]) == 0)
            return table[i][1];
    return NULL;
}

/* \p{…}, \P{…}; t->at is behind the letter. */
static void property(struct translator *t, struct qfs_buffer *to, bool negated)
{
    const char *close =
        t->at < t->end && *t->at == '{' ? memchr(t->at, '}', (size_t)(t->end - t->at)) : NULL;
    if (!close) {
        t->bad = true;
        return;
    }
    const char *name = t->at + 1;
    if (name < close && *name == '^') {
        negated = !negated;
        name++;
    }
    const char *known = short_property(name, (size_t)(close - name));
    for (const char *c = name; c < close; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != ' ' && *c != '&')
            t->bad = true;
    qfs_buffer_text(to, negated ? "\\P{" : "\\p{");
    if (known)
        qfs_buffer_text(to, known);
    else
        qfs_buffer_append(to, name, (size_t)(close - name));
    qfs_buffer_text(to, "}");
    t->at = close + 1;
}

static bool hex_digits(struct translator *t, size_t limit, unsigned long *ret)
{
    size_t n = 0;
    *ret = 0;
    for (; n < limit && t->at < t->end && isxdigit((unsigned char)*t->at); n++, t->at++)
        *ret =
            *ret * 16 + (unsigned long)(isdigit((unsigned char)*t->at) ? *t->at - '0'
                                                                       : (*t->at | 32) - 'a' + 10);
    return n > 0;
}

/* \x41, \x{1F600}, \u0041: the character; t->at is behind the letter. */
static void code_point(struct translator *t, struct qfs_buffer *to, char letter)
{
    unsigned long point = 0;
    bool braces = letter == 'x' && t->at < t->end && *t->at == '{';
    t->at += braces;
    if (!hex_digits(t, braces ? 8 : letter == 'u' ? 4 : 2, &point) || point > 0x10FFFF)
        t->bad = true;
    if (braces) {
        if (t->at < t->end && *t->at == '}')
            t->at++;
        else
            t->bad = true;
    }
    qfs_buffer_printf(to, "\\x{%lX}", point);
}

/* An escape that means the same inside and outside of a set; false if it is another one. t->at is
 * behind the backslash. */
static bool common_escape(struct translator *t, struct qfs_buffer *to)
{
    char c = *t->at;
    switch (c) {
    case 'p':
    case 'P':
        t->at++;
        property(t, to, c == 'P');
        return true;
    case 'x':
    case 'u':
        t->at++;
        code_point(t, to, c);
        return true;
    case 'v':
        t->at++;
        qfs_buffer_text(to, "\\x0B");
        return true;
    case 'd':
    case 'D':
    case 's':
    case 'S':
    case 't':
    case 'n':
    case 'r':
    case 'f':
    case 'a':
    case 'e':
        t->at++;
        qfs_buffer_printf(to, "\\%c", c);
        return true;
    default:
        break;
    }
    if (isalnum((unsigned char)c))
        return false;
    if ((unsigned char)c < 0x80)
        qfs_buffer_text(to, "\\");
    size_t size = qfs_utf8_length(t->at, (size_t)(t->end - t->at));
    t->bad = t->bad || size == 0;
    qfs_buffer_append(to, t->at, size);
    t->at += size;
    return true;
}

static void parse_set(struct translator *t, struct qfs_buffer *to);

/* One item of a set. t->at is at it. */
static void set_item(struct translator *t, struct set *set)
{
    if (*t->at == '[') {
        if (ahead(t, "[:")) {
            const char *close = memmem(t->at, (size_t)(t->end - t->at), ":]", 2);
            if (close && close - t->at < 16) { /* [:alpha:] */
                const char *name = t->at + 2;
                bool negated = *name == '^';
                name += negated;
                const char *known = short_property(name, (size_t)(close - name));
                if (!known)
                    t->bad = true;
                else
                    qfs_buffer_printf(&set->items, negated ? "\\P{%s}" : "\\p{%s}", known);
                t->at = close + 2;
                return;
            }
        }
        qfs_buffer_text(&set->others, "|");
        t->at++;
        parse_set(t, &set->others);
        return;
    }
    if (*t->at != '\\') {
        qfs_buffer_append(&set->items, t->at++, 1);
        return;
    }
    if (++t->at >= t->end) {
        t->bad = true;
        return;
    }
    char c = *t->at;
    if (common_escape(t, &set->items))
        return;
    t->at++;
    if (c == 'w')
        qfs_buffer_text(&set->items, word_items);
    else if (c == 'W')
        qfs_buffer_printf(&set->others, "|[^%s]", word_items);
    else if (c == 'h')
        qfs_buffer_text(&set->items, "0-9a-fA-F");
    else if (c == 'H')
        qfs_buffer_text(&set->others, "|[^0-9a-fA-F]");
    else if (c == 'b')
        qfs_buffer_text(&set->items, "\\x08");
    else
        t->bad = true;
}

/* An operand of && (or the whole set): one expression for one character. */
static void close_set(const struct set *set, bool negated, struct qfs_buffer *to)
{
    const struct qfs_buffer *items = &set->items, *others = &set->others;
    if (others->size == 0) {
        qfs_buffer_text(to, negated ? "[^" : "[");
        qfs_buffer_append(to, items->data, items->size);
        qfs_buffer_text(to, "]");
        return;
    }
    qfs_buffer_text(to, negated ? "(?:(?!" : "(?:");
    if (items->size) {
        qfs_buffer_text(to, "[");
        qfs_buffer_append(to, items->data, items->size);
        qfs_buffer_text(to, "]");
        qfs_buffer_append(to, others->data, others->size);
    } else {
        qfs_buffer_append(to, others->data + 1, others->size - 1); /* without the first bar */
    }
    qfs_buffer_text(to, negated ? ")(?s:.))" : ")");
}

static void set_done(struct set *set)
{
    qfs_buffer_done(&set->items);
    qfs_buffer_done(&set->others);
}

/* t->at is behind the opening bracket. */
static void parse_set(struct translator *t, struct qfs_buffer *to)
{
    struct set set = {0};
    struct qfs_buffer met = {0}; /* operands of && so far, as lookaheads */
    bool negated = false, first = true;
    if (++t->depth > DEPTH_LIMIT)
        t->bad = true;
    if (t->at < t->end && *t->at == '^') {
        negated = true;
        t->at++;
    }
    while (!t->bad && t->at < t->end && (*t->at != ']' || first)) {
        if (ahead(t, "&&")) {
            qfs_buffer_text(&met, "(?=");
            close_set(&set, false, &met);
            qfs_buffer_text(&met, ")");
            set_done(&set);
            t->at += 2;
        } else if (first && *t->at == ']') {
            qfs_buffer_text(&set.items, "\\]");
            t->at++;
        } else {
            set_item(t, &set);
        }
        first = false;
    }
    if (t->at >= t->end)
        t->bad = true;
    else
        t->at++;
    if (met.size == 0) {
        close_set(&set, negated, to);
    } else {
        qfs_buffer_text(to, negated ? "(?:(?!" : "(?:");
        qfs_buffer_append(to, met.data, met.size);
        close_set(&set, false, to);
        qfs_buffer_text(to, negated ? ")(?s:.))" : ")");
    }
    if (set.items.failed || set.others.failed || met.failed)
        to->failed = true;
    set_done(&set);
    qfs_buffer_done(&met);
    t->depth--;
}

static void escape(struct translator *t)
{
    char c = *t->at;
    if (common_escape(t, t->out))
        return;
    t->at++;
    switch (c) {
    case 'w':
        qfs_buffer_printf(t->out, "[%s]", word_items);
        break;
    case 'W':
        qfs_buffer_printf(t->out, "[^%s]", word_items);
        break;
    case 'h':
        put(t, "[0-9a-fA-F]");
        break;
    case 'H':
        put(t, "[^0-9a-fA-F]");
        break;
    case 'b':
        qfs_buffer_printf(t->out, "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))", word_items, word_items,
                          word_items, word_items);
        break;
    case 'B':
        qfs_buffer_printf(t->out, "(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))", word_items, word_items,
                          word_items, word_items);
        break;
    case 'A':
    case 'z':
    case 'Z':
    case 'G':
    case 'K':
    case 'R':
    case 'X':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        qfs_buffer_printf(t->out, "\\%c", c);
        break;
    default:
        t->bad = true;
    }
}

/* {n}, {n,}, {,m}, {n,m}: its length, 0 if the brace is a literal. */
static size_t interval(const struct translator *t, bool *ret_single)
{
    const char *c = t->at + 1, *low = c, *high;
    while (c < t->end && isdigit((unsigned char)*c))
        c++;
    bool has_low = c > low;
    *ret_single = true;
    if (c < t->end && *c == ',') {
        *ret_single = false;
        high = ++c;
        while (c < t->end && isdigit((unsigned char)*c))
            c++;
        if (!has_low && c == high)
            return 0;
    } else if (!has_low) {
        return 0;
    }
    return c < t->end && *c == '}' ? (size_t)(c + 1 - t->at) : 0;
}

/* Puts "(?:" before what stands in the output from `start` on, and ")" behind it. */
static void wrap(struct translator *t, size_t start)
{
    struct qfs_buffer copy = {0};
    qfs_buffer_append(&copy, t->out->data + start, t->out->size - start);
    t->out->size = start;
    put(t, "(?:");
    qfs_buffer_append(t->out, copy.data, copy.size);
    put(t, ")");
    t->out->failed = t->out->failed || copy.failed;
    qfs_buffer_done(&copy);
}

/* Quantifiers behind the atom that starts at `atom` in the output. */
static void quantifiers(struct translator *t, size_t atom)
{
    while (!t->bad && t->at < t->end) {
        bool single;
        size_t size;
        if (*t->at == '?' || *t->at == '*' || *t->at == '+') {
            qfs_buffer_append(t->out, t->at++, 1);
            if (t->at < t->end && (*t->at == '?' || *t->at == '+')) /* lazy, possessive: as there */
                qfs_buffer_append(t->out, t->at++, 1);
        } else if (*t->at == '{' && (size = interval(t, &single))) {
            put(t, t->at[1] == ',' ? "{0" : "{");
            put_range(t, t->at + 1, t->at + size);
            t->at += size;
            if (t->at < t->end && *t->at == '?' && !single)
                qfs_buffer_append(t->out, t->at++, 1);
        } else {
            return;
        }
        wrap(t, atom); /* so that the next one means the whole, never a modifier */
    }
}

static void sequence(struct translator *t);

/* A group. t->at is behind the parenthesis. */
static void group(struct translator *t)
{
    static const char *const plain[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};
    const char *start = t->at;
    if (++t->depth > DEPTH_LIMIT) {
        t->bad = true;
        return;
    }
    put(t, "(");
    for (size_t i = 0; i < QFS_COUNT(plain) && t->at == start; i++)
        if (ahead(t, plain[i])) {
            put(t, plain[i]);
            t->at += strlen(plain[i]);
        }
    if (t->at == start && ahead(t, "?<")) { /* (?<name> */
        const char *close = memchr(t->at, '>', (size_t)(t->end - t->at));
        if (close)
            put_range(t, t->at, close + 1);
        else
            t->bad = true;
        t->at = close ? close + 1 : t->end;
    } else if (t->at == start && ahead(t, "?#")) {
        const char *close = memchr(t->at, ')', (size_t)(t->end - t->at));
        t->at = close ? close : t->end;
        put(t, "?:");
    } else if (t->at == start && ahead(t, "?")) { /* (?i) (?i-m: */
        put(t, "?");
        for (t->at++; t->at < t->end && strchr("imx-", *t->at) && *t->at; t->at++)
            put(t, *t->at == 'm' ? "s" : (char[]){*t->at, 0});
        put(t, ":");
        if (t->at < t->end && *t->at == ':')
            t->at++;
        else if (t->at < t->end && *t->at == ')') {
            t->at++; /* until the end of the group around it */
            sequence(t);
            put(t, ")");
            t->depth--;
            return;
        } else {
            t->bad = true;
        }
    }
    sequence(t);
    if (t->at < t->end && *t->at == ')')
        t->at++;
    else
        t->bad = true;
    put(t, ")");
    t->depth--;
}

/* Up to a closing parenthesis that it leaves there, or the end. */
static void sequence(struct translator *t)
{
    while (!t->bad && t->at < t->end && *t->at != ')') {
        size_t atom = t->out->size;
        char c = *t->at;
        if (c == '|') {
            qfs_buffer_append(t->out, t->at++, 1);
            continue;
        }
        if (c == '(') {
            t->at++;
            group(t);
        } else if (c == '[') {
            t->at++;
            parse_set(t, t->out);
        } else if (c == '\\') {
            if (++t->at >= t->end)
                t->bad = true;
            else
                escape(t);
        } else if (c == '{' || c == '}' || c == ']') {
            qfs_buffer_printf(t->out, "\\%c", c);
            t->at++;
        } else if (c == '*' || c == '+' || c == '?') {
            t->bad = true; /* nothing to repeat */
        } else {
            size_t size = qfs_utf8_length(t->at, (size_t)(t->end - t->at));
            t->bad = t->bad || size == 0;
            put_range(t, t->at, t->at + size);
            t->at += size;
        }
        if (!t->bad)
            quantifiers(t, atom);
    }
}

int qfs_onig_translate(struct qfs_text pattern, struct qfs_buffer *out)
{
    struct translator t = {.at = pattern.data, .end = pattern.data + pattern.size, .out = out};
    sequence(&t);
    if (out->failed)
        return -ENOMEM;
    return t.bad || t.at < t.end ? -EINVAL : 0;
}
