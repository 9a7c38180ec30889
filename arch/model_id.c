/* A model's name taken apart as gguf-py's Metadata does it: split at hyphens, each part recognized by how it
 * looks, the rest by where it stands. Texts are Python's: patterns see Unicode, so the work is done on
 * code points. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "model_id.h"

#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

enum { /* what a part is taken for, as a set */
       BASENAME = 1,
       SIZE_LABEL = 2,
       FINETUNE = 4,
       VERSION = 8,
       TYPE = 16,
};

struct part {
    int32_t *points;
    size_t count;
    unsigned types;
};

#define VERSION_PATTERN "(v|iter)?\\d+([.]\\d+)*"
#define TYPE_PATTERN "i?q\\d(_\\w)*|b?fp?(16|32)"
#define SIZE_PATTERN "(([A]|\\d+[x])?\\d+([._]\\d+)?[KMBT][\\d]?|small|mini|medium|large|x?xl)"
#define FINETUNE_PATTERN "chat|instruct|vision|lora"
#define NUMBER_PATTERN "v\\d+(?:\\.\\d+)*|\\d.*"

/* re.fullmatch(pattern, text, flags); false too when out of memory, which the caller's next allocation
 * reports. */
static bool full_match(const char *pattern, bool any_case, struct qfs_text text)
{
    int code;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                       (any_case ? PCRE2_CASELESS : 0);
    pcre2_code *regex =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    pcre2_match_data *match = regex ? pcre2_match_data_create_from_pattern(regex, NULL) : NULL;
    bool found =
        match && pcre2_match(regex, (PCRE2_SPTR)text.data, text.size, 0, 0, match, NULL) >= 0;
    pcre2_match_data_free(match);
    pcre2_code_free(regex);
    return found;
}

/* -- code points --------------------------------------------------------------------------------- */

static bool is_decimal(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

static bool is_alpha(int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_cased(int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT;
}

/* str.isspace */
static bool is_space(int32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

/* `text` as code points; NULL when out of memory. Invalid UTF-8 ends the text. */
static int32_t *to_points(struct qfs_arena *arena, struct qfs_text text, size_t *ret_count)
{
    int32_t *points = qfs_arena_array(arena, text.size + 1, sizeof(*points));
    *ret_count = 0;
    for (size_t i = 0; points && i < text.size;) {
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text.data + i,
                             (utf8proc_ssize_t)(text.size - i), &points[*ret_count]);
        if (n <= 0)
            break;
        i += (size_t)n;
        ++*ret_count;
    }
    return points;
}

/* Zero-terminated UTF-8 of code points. */
static char *to_text(struct qfs_arena *arena, const int32_t *points, size_t count)
{
    char *text = qfs_arena_array(arena, count + 1, 4), *to = text;
    for (size_t i = 0; text && i < count; i++)
        to += utf8proc_encode_char(points[i], (utf8proc_uint8_t *)to);
    return text;
}

/* -- the parts of a name ----------------------------------------------------------------------------- */

/* "7b1" as in bloom-7b1 becomes "7.1b"; then the suffix becomes upper case behind a digit. */
static void normalize_size(struct part *part)
{
    int32_t *c = part->points;
    size_t n = part->count;
    for (size_t i = 0; i < n; i++)
        if (c[i] == '_')
            c[i] = '.';
    if (is_decimal(c[n - 1])) { /* the pattern puts a letter before it */
        c[n] = c[n - 2];
        c[n - 2] = '.';
        part->count = ++n;
    }
    if (n > 1 && is_decimal(c[n - 2]) && c[n - 1] < 128 && strchr("kmbt", c[n - 1]))
        c[n - 1] -= 'a' - 'A';
}

/* A digit's value: the decimal digits of every script stand together, from zero to nine. */
static int32_t digit_value(int32_t c)
{
    int32_t zero = c;
    while (is_decimal(zero - 1))
        zero--;
    return (c - zero) % 10;
}

/* float(part[:-1]) * 1000 ** (place of the suffix); false where float() raises. */
static bool size_of(struct qfs_arena *arena, const struct part *part, double *ret_size)
{
    static const char suffixes[] = " KMBT";
    char *digits = qfs_arena_alloc(arena, part->count), *end;
    int32_t last = part->points[part->count - 1];
    const char *suffix = last < 128 ? strchr(suffixes, last) : NULL;
    for (size_t i = 0; digits && i + 1 < part->count; i++) {
        int32_t c = part->points[i];
        if (!is_decimal(c) && c != '.')
            return false;
        digits[i] = c == '.' ? '.' : (char)('0' + digit_value(c));
    }
    if (!digits)
        return false;
    double number = strtod(digits, &end);
    if (end == digits || *end)
        return false;
    *ret_size = suffix ? number * pow(1000, (double)(suffix - suffixes)) : number * 0.001;
    return true;
}

static void annotate_size(struct qfs_arena *arena, struct part *part, int64_t nparams)
{
    double size;
    normalize_size(part);
    /* A size far from the model's own is likely its context length. Adapters do not have all layers. */
    if (nparams && size_of(arena, part, &size) &&
        (nparams < 0 ? size < (double)(-nparams / 8)
                     : fabs(size - (double)nparams) > (double)(7 * nparams / 8))) {
        part->types |= FINETUNE;
        part->points[part->count - 1] = utf8proc_tolower(part->points[part->count - 1]);
    }
    if (!part->types)
        part->types |= SIZE_LABEL;
}

static int annotate(struct qfs_arena *arena, struct part *part, bool first, int64_t nparams)
{
    char *string = to_text(arena, part->points, part->count);
    if (!string)
        return -ENOMEM;
    struct qfs_text text = qfs_text_of(string);
    if (full_match(VERSION_PATTERN, true, text)) {
        part->types |= VERSION;
    } else if (full_match(TYPE_PATTERN, true, text)) {
        part->types |= TYPE;
        for (size_t i = 0; i < part->count; i++)
            part->points[i] = utf8proc_toupper(part->points[i]);
    } else if (!first && full_match(SIZE_PATTERN, true, text)) {
        annotate_size(arena, part, nparams);
    } else if (!first && full_match(FINETUNE_PATTERN, true, text)) {
        part->types |= nparams < 0 && strcasecmp(string, "lora") == 0 ? TYPE : FINETUNE;
    }
    return 0;
}

static bool any_point(const struct part *part, bool (*is)(int32_t), bool wanted)
{
    for (size_t i = 0; i < part->count; i++)
        if (is(part->points[i]) == wanted)
            return true;
    return false;
}

/* What annotate() left open, by where parts stand. */
static void place(struct part *parts, size_t count)
{
    bool numbers = false, at_start = true;
    for (size_t i = 0; i < count; i++)
        numbers |= (parts[i].types & SIZE_LABEL) && any_point(&parts[i], is_decimal, true);
    for (size_t i = 0; numbers && i < count; i++) /* "small" is no size beside "7B" */
        if (!any_point(&parts[i], is_alpha, false))
            parts[i].types &= ~(unsigned)SIZE_LABEL;
    for (size_t i = 0; i < count; i++) {
        struct part *part = &parts[i];
        if (at_start && ((!part->types && is_alpha(part->points[0])) || (part->types & VERSION))) {
            part->types |= BASENAME;
        } else {
            at_start = false;
            if (!part->types)
                part->types = FINETUNE;
        }
    }
    for (size_t i = count; i > 0; i--) { /* a version at the end is no part of the base name */
        if (!(parts[i - 1].types & BASENAME) || parts[i - 1].types == BASENAME)
            break;
        parts[i - 1].types &= ~(unsigned)BASENAME;
    }
}

/* Parts that have `type` and not `without`, joined by hyphens; each once if `unique`. *ret stays when there
 * are none. */
static int join(struct qfs_arena *arena, const struct part *parts, size_t count, unsigned type,
                unsigned without, bool unique, const char **ret)
{
    char *joined = NULL;
    for (size_t i = 0; i < count; i++) {
        bool seen = !(parts[i].types & type) || (parts[i].types & without);
        for (size_t k = 0; unique && !seen && k < i; k++)
            seen = (parts[k].types & type) && parts[k].count == parts[i].count &&
                   memcmp(parts[k].points, parts[i].points,
                          parts[i].count * sizeof(*parts[i].points)) == 0;
        if (seen)
            continue;
        char *text = to_text(arena, parts[i].points, parts[i].count);
        joined = !text ? NULL : joined ? qfs_arena_printf(arena, "%s-%s", joined, text) : text;
        if (!joined)
            return -ENOMEM;
    }
    if (joined)
        *ret = joined;
    return 0;
}

/* Hyphens cut the name; empty parts are dropped. */
static int split(struct qfs_arena *arena, const char *name, struct part **ret_parts,
                 size_t *ret_count)
{
    size_t most = 1, count = 0;
    for (const char *c = name; *c; c++)
        most += *c == '-';
    struct part *parts = qfs_arena_array(arena, most, sizeof(*parts));
    if (!parts)
        return -ENOMEM;
    for (const char *at = name; *at; at += *at == '-') {
        size_t size = strcspn(at, "-");
        if (size) {
            /* One more than it needs: normalize_size() may add a point. */
            parts[count].points =
                to_points(arena, (struct qfs_text){at, size}, &parts[count].count);
            if (!parts[count].points)
                return -ENOMEM;
            count += parts[count].count > 0;
        }
        at += size;
    }
    *ret_parts = parts;
    *ret_count = count;
    return 0;
}

int qfs_model_id_parse(struct qfs_arena *arena, struct qfs_text id, int64_t nparams,
                       struct qfs_model_id *ret_id, struct qfs_error *error)
{
    struct qfs_model_id parsed = {0};
    struct part *parts;
    size_t count;
    char *name = qfs_arena_copy(arena, id.data, id.size), *slash;
    if (!name)
        return qfs_fail_memory(error);
    parsed.name = name;
    if (strchr(name, ' ')) { /* a sentence, no identifier */
        *ret_id = parsed;
        return 0;
    }
    if ((slash = strchr(name, '/'))) {
        *slash = 0;
        parsed.name = slash + 1;
        parsed.organization = *name == '.' ? NULL : name;
    }
    if (split(arena, parsed.name, &parts, &count) < 0)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < count; i++)
        if (annotate(arena, &parts[i], i == 0, nparams) < 0)
            return qfs_fail_memory(error);
    place(parts, count);
    if (join(arena, parts, count, BASENAME, 0, false, &parsed.basename) < 0 ||
        join(arena, parts, count, SIZE_LABEL, 0, true, &parsed.size_label) < 0 ||
        join(arena, parts, count, FINETUNE, 0, false, &parsed.finetune) < 0 ||
        join(arena, parts, count, VERSION, BASENAME, false, &parsed.version) < 0)
        return qfs_fail_memory(error);
    if (!parsed.size_label && !parsed.finetune && !parsed.version)
        parsed.basename = NULL; /* too ambiguous */
    *ret_id = parsed;
    return 0;
}

/* -- titles --------------------------------------------------------------------------------------------- */

/* str.title() of one word that is all in lower case, unless it is a version or begins with a digit. */
static int title_word(struct qfs_arena *arena, int32_t *word, size_t count)
{
    bool cased = false, behind = false;
    for (size_t i = 0; i < count; i++) {
        utf8proc_category_t category = utf8proc_category(word[i]);
        if (category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT)
            return 0;
        cased |= category == UTF8PROC_CATEGORY_LL;
    }
    if (!cased)
        return 0;
    char *text = to_text(arena, word, count);
    if (!text)
        return -ENOMEM;
    if (full_match(NUMBER_PATTERN, false, qfs_text_of(text)))
        return 0;
    for (size_t i = 0; i < count; i++) {
        int32_t c = word[i];
        word[i] = behind ? utf8proc_tolower(c) : utf8proc_totitle(c);
        behind = is_cased(c);
    }
    return 0;
}

char *qfs_model_id_title(struct qfs_arena *arena, const char *id)
{
    size_t count, kept = 0;
    int32_t *points = to_points(arena, qfs_text_of(id), &count);
    if (!points)
        return NULL;
    for (size_t i = 0; i < count;) { /* words move left, one space between them */
        size_t start = i;
        while (i < count && !is_space(points[i]) && points[i] != '-')
            i++;
        if (i == start) {
            i++;
            continue;
        }
        if (title_word(arena, points + start, i - start) < 0)
            return NULL;
        if (kept)
            points[kept++] = ' ';
        memmove(points + kept, points + start, (i - start) * sizeof(*points));
        kept += i - start;
    }
    return to_text(arena, points, kept);
}

/* -- sizes ------------------------------------------------------------------------------------------------ */

char *qfs_size_label(struct qfs_arena *arena, const uint64_t nparams[3], int64_t nexperts)
{
    static const struct {
        double above, scale;
        char suffix;
    } units[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    double count = (double)(nexperts > 0 ? nparams[1] + nparams[2] : nparams[0]);
    size_t unit = 0;
    char digits[32];
    while (count <= units[unit].above)
        unit++;
    double scaled = count * units[unit].scale;
    int ndigits = snprintf(digits, sizeof(digits), "%.0f", nearbyint(scaled));
    if (*digits == '0')
        ndigits = 0;
    int decimals = ndigits < 2 ? 2 - ndigits : 0;
    if (nexperts > 0)
        return qfs_arena_printf(arena, "%lldx%.*f%c", (long long)nexperts, decimals, scaled,
                                units[unit].suffix);
    return qfs_arena_printf(arena, "%.*f%c", decimals, scaled, units[unit].suffix);
}
