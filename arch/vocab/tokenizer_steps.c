/* Parts of a pipeline from their JSON, checked as the tokenizers library checks them. */
#include "../charsmap.h"
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* GPT-2's words. */
static const char gpt2_pattern[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct source {
    struct qfs_tokenizer *t;
    const struct qfs_json *json;
    const char *role, *type;
    struct qfs_error *error;
};

static int malformed(const struct source *s, const char *field)
{
    return qfs_fail(s->error, EINVAL, "%s: %s of the %s %s is missing or malformed", s->t->shown,
                    field, s->role, s->type);
}

static int read_bool(const struct source *s, const char *field, const bool *fallback, bool *ret)
{
    const struct qfs_json *value = qfs_json_get(s->json, field);
    if (!value && fallback)
        *ret = *fallback;
    else if (qfs_json_is_bool(value))
        *ret = value->kind == QFS_JSON_TRUE;
    else
        return malformed(s, field);
    return 0;
}

static int read_text(const struct source *s, const char *field, struct qfs_text *ret)
{
    const struct qfs_json *value = qfs_json_get(s->json, field);
    if (!qfs_json_is(value, QFS_JSON_STRING) || !qfs_utf8_valid(value->string, value->count))
        return malformed(s, field);
    *ret = qfs_json_text(value);
    return 0;
}

static int read_character(const struct source *s, const char *field, uint32_t *ret)
{
    struct qfs_text text;
    size_t at = 0;
    int rc = read_text(s, field, &text);
    if (rc < 0)
        return rc;
    if (text.size == 0)
        return malformed(s, field);
    *ret = qfs_utf8_next(text, &at);
    return at == text.size ? 0 : malformed(s, field);
}

static int read_size(const struct source *s, const char *field, size_t *ret)
{
    const struct qfs_json *value = qfs_json_get(s->json, field);
    if (!qfs_json_is(value, QFS_JSON_INT) || value->integer < 0 || value->integer > INT32_MAX)
        return malformed(s, field);
    *ret = (size_t)value->integer;
    return 0;
}

static int read_pattern(const struct source *s, struct qfs_step *step)
{
    const struct qfs_json *pattern = qfs_json_get(s->json, "pattern");
    const struct qfs_json *text = qfs_json_get(pattern, "String");
    bool literal = text != NULL;
    if (!text)
        text = qfs_json_get(pattern, "Regex");
    if (!qfs_json_is(text, QFS_JSON_STRING) || pattern->count != 1)
        return malformed(s, "pattern");
    return qfs_regex_new(qfs_json_text(text), literal, s->t->shown, &step->regex, s->error);
}

static int read_behavior(const struct source *s, bool required, enum qfs_behavior *ret)
{
    static const char *const names[] = {
        [QFS_BEHAVIOR_ISOLATED] = "Isolated",
        [QFS_BEHAVIOR_REMOVED] = "Removed",
        [QFS_BEHAVIOR_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [QFS_BEHAVIOR_MERGED_WITH_NEXT] = "MergedWithNext",
        [QFS_BEHAVIOR_CONTIGUOUS] = "Contiguous",
    };
    const struct qfs_json *value = qfs_json_get(s->json, "behavior");
    if (!value && !required)
        return 0; /* isolated */
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (qfs_text_is(qfs_json_text(value), names[i])) {
            *ret = (enum qfs_behavior)i;
            return 0;
        }
    return malformed(s, "behavior");
}

static int read_bert(const struct source *s, struct qfs_step *step)
{
    const struct qfs_json *strip = qfs_json_get(s->json, "strip_accents");
    int rc;
    if ((rc = read_bool(s, "clean_text", NULL, &step->clean_text)) < 0 ||
        (rc = read_bool(s, "handle_chinese_chars", NULL, &step->chinese)) < 0 ||
        (rc = read_bool(s, "lowercase", NULL, &step->lowercase)) < 0)
        return rc;
    if (!qfs_json_is_null(strip))
        return read_bool(s, "strip_accents", NULL, &step->strip_accents);
    step->strip_accents = step->lowercase;
    return 0;
}

static int read_strip_spaces(const struct source *s, struct qfs_step *step)
{
    int rc = read_bool(s, "strip_left", NULL, &step->left);
    return rc < 0 ? rc : read_bool(s, "strip_right", NULL, &step->right);
}

static int read_prepend(const struct source *s, struct qfs_step *step)
{
    return read_text(s, "prepend", &step->text);
}

static int read_replace(const struct source *s, struct qfs_step *step)
{
    int rc = read_text(s, "content", &step->text);
    return rc < 0 ? rc : read_pattern(s, step);
}

static int read_byte_level(const struct source *s, struct qfs_step *step)
{
    static const bool yes = true;
    bool use_regex = true, trim;
    int rc;
    if ((rc = read_bool(s, "add_prefix_space", NULL, &step->add_prefix_space)) < 0 ||
        (rc = read_bool(s, "trim_offsets", NULL, &trim)) < 0 ||
        (rc = read_bool(s, "use_regex", &yes, &use_regex)) < 0)
        return rc;
    if (!use_regex)
        return 0;
    return qfs_regex_new(QFS_TEXT(gpt2_pattern), false, s->t->shown, &step->regex, s->error);
}

static int read_split(const struct source *s, struct qfs_step *step)
{
    int rc;
    if ((rc = read_behavior(s, true, &step->behavior)) < 0 ||
        (rc = read_bool(s, "invert", NULL, &step->invert)) < 0)
        return rc;
    return read_pattern(s, step);
}

static int read_metaspace(const struct source *s, struct qfs_step *step)
{
    static const char *const schemes[] = {
        [QFS_PREPEND_ALWAYS] = "always",
        [QFS_PREPEND_FIRST] = "first",
        [QFS_PREPEND_NEVER] = "never",
    };
    const struct qfs_json *scheme = qfs_json_get(s->json, "prepend_scheme");
    const struct qfs_json *prefix = qfs_json_get(s->json, "add_prefix_space");
    const struct qfs_json *split = qfs_json_get(s->json, "split");
    size_t i = scheme ? 0 : QFS_PREPEND_ALWAYS;
    int rc = read_character(s, "replacement", &step->character);
    if (rc < 0)
        return rc;
    while (scheme && i < QFS_COUNT(schemes) && !qfs_text_is(qfs_json_text(scheme), schemes[i]))
        i++;
    if (i == QFS_COUNT(schemes))
        return malformed(s, "prepend_scheme");
    step->prepend = (enum qfs_prepend)i;
    if (!qfs_json_is_null(prefix) && !qfs_json_is_bool(prefix))
        return malformed(s, "add_prefix_space");
    if (prefix && prefix->kind == QFS_JSON_FALSE && step->prepend != QFS_PREPEND_NEVER)
        return malformed(s, "add_prefix_space");
    if (!qfs_json_is_null(split) && !qfs_json_is_bool(split))
        return malformed(s, "split");
    step->split = qfs_json_is_null(split) || split->kind == QFS_JSON_TRUE;
    return 0;
}

static int read_digits(const struct source *s, struct qfs_step *step)
{
    return read_bool(s, "individual_digits", NULL, &step->individual);
}

static int read_punctuation(const struct source *s, struct qfs_step *step)
{
    return read_behavior(s, false, &step->behavior);
}

static int read_delimiter(const struct source *s, struct qfs_step *step)
{
    return read_character(s, "delimiter", &step->character);
}

static int read_fixed_length(const struct source *s, struct qfs_step *step)
{
    step->start = 5;
    if (!qfs_json_get(s->json, "length"))
        return 0;
    int rc = read_size(s, "length", &step->start);
    return rc < 0 || step->start ? rc : malformed(s, "length");
}

static int read_suffix(const struct source *s, struct qfs_step *step)
{
    return read_text(s, "suffix", &step->text);
}

static int read_strip_chars(const struct source *s, struct qfs_step *step)
{
    int rc;
    if ((rc = read_character(s, "content", &step->character)) < 0 ||
        (rc = read_size(s, "start", &step->start)) < 0)
        return rc;
    return read_size(s, "stop", &step->stop);
}

static int read_wordpiece(const struct source *s, struct qfs_step *step)
{
    int rc = read_text(s, "prefix", &step->text);
    return rc < 0 ? rc : read_bool(s, "cleanup", NULL, &step->cleanup);
}

static int read_precompiled(const struct source *s, struct qfs_step *step)
{
    struct qfs_charsmap map;
    struct qfs_text text;
    int rc = read_text(s, "precompiled_charsmap", &text);
    if (rc < 0)
        return rc;
    rc = qfs_base64_decode(&s->t->arena, text, &step->text);
    if (rc == -ENOMEM)
        return qfs_fail_memory(s->error);
    return rc < 0 || !qfs_charsmap_open(step->text, &map) ? malformed(s, "precompiled_charsmap")
                                                          : 0;
}

/* Known there, not here: an error where it is used. */
static int read_unsupported(const struct source *s, struct qfs_step *step)
{
    step->text = qfs_text_of(s->type);
    return 0;
}

struct entry {
    const char *type;
    enum qfs_step_kind kind;
    int (*read)(const struct source *s, struct qfs_step *step); /* NULL: it has no fields */
};

static const struct entry normalizers[] = {
    {"BertNormalizer", QFS_STEP_BERT_NORMALIZER, read_bert},
    {"ByteLevel", QFS_STEP_BYTE_LEVEL, NULL},
    {"Lowercase", QFS_STEP_LOWERCASE, NULL},
    {"NFC", QFS_STEP_NFC, NULL},
    {"NFD", QFS_STEP_NFD, NULL},
    {"NFKC", QFS_STEP_NFKC, NULL},
    {"NFKD", QFS_STEP_NFKD, NULL},
    {"Nmt", QFS_STEP_NMT, NULL},
    {"Precompiled", QFS_STEP_PRECOMPILED, read_precompiled},
    {"Prepend", QFS_STEP_PREPEND, read_prepend},
    {"Replace", QFS_STEP_REPLACE, read_replace},
    {"Strip", QFS_STEP_STRIP_SPACES, read_strip_spaces},
    {"StripAccents", QFS_STEP_STRIP_ACCENTS, NULL},
    {NULL},
};

static const struct entry pre_tokenizers[] = {
    {"BertPreTokenizer", QFS_STEP_BERT_PRE_TOKENIZER, NULL},
    {"ByteLevel", QFS_STEP_BYTE_LEVEL, read_byte_level},
    {"CharDelimiterSplit", QFS_STEP_CHAR_DELIMITER, read_delimiter},
    {"Digits", QFS_STEP_DIGITS, read_digits},
    {"FixedLength", QFS_STEP_FIXED_LENGTH, read_fixed_length},
    {"Metaspace", QFS_STEP_METASPACE, read_metaspace},
    {"Punctuation", QFS_STEP_PUNCTUATION, read_punctuation},
    {"Split", QFS_STEP_SPLIT, read_split},
    {"UnicodeScripts", QFS_STEP_UNSUPPORTED, read_unsupported},
    {"Whitespace", QFS_STEP_WHITESPACE, NULL},
    {"WhitespaceSplit", QFS_STEP_WHITESPACE_SPLIT, NULL},
    {NULL},
};

static const struct entry decoders[] = {
    {"BPEDecoder", QFS_STEP_BPE_DECODER, read_suffix},
    {"ByteFallback", QFS_STEP_BYTE_FALLBACK, NULL},
    {"ByteLevel", QFS_STEP_BYTE_LEVEL, read_byte_level},
    {"CTC", QFS_STEP_UNSUPPORTED, read_unsupported},
    {"Fuse", QFS_STEP_FUSE, NULL},
    {"Metaspace", QFS_STEP_METASPACE, read_metaspace},
    {"Replace", QFS_STEP_REPLACE, read_replace},
    {"Strip", QFS_STEP_STRIP_CHARS, read_strip_chars},
    {"WordPiece", QFS_STEP_WORDPIECE, read_wordpiece},
    {NULL},
};

static const struct {
    const char *name, *list; /* the role's, and the field of a Sequence */
    const struct entry *entries;
} roles[] = {
    [QFS_ROLE_NORMALIZER] = {"normalizer", "normalizers", normalizers},
    [QFS_ROLE_PRE_TOKENIZER] = {"pre-tokenizer", "pretokenizers", pre_tokenizers},
    [QFS_ROLE_DECODER] = {"decoder", "decoders", decoders},
};

static struct qfs_step *append(struct qfs_tokenizer *t, struct qfs_steps *steps)
{
    if (steps->count == steps->capacity) {
        size_t capacity = steps->capacity ? steps->capacity * 2 : 8;
        struct qfs_step *items = qfs_arena_array(&t->arena, capacity, sizeof(*items));
        if (!items)
            return NULL;
        if (steps->count)
            memcpy(items, steps->items, steps->count * sizeof(*items));
        steps->items = items;
        steps->capacity = capacity;
    }
    struct qfs_step *step = &steps->items[steps->count++];
    *step = (struct qfs_step){0};
    return step;
}

int qfs_steps_read(struct qfs_tokenizer *t, enum qfs_role role, const struct qfs_json *json,
                   struct qfs_steps *steps, struct qfs_error *error)
{
    if (qfs_json_is_null(json))
        return 0;
    steps->present = true;
    const char *type = qfs_json_string(qfs_json_get(json, "type"));
    if (!type)
        return qfs_fail(error, EINVAL, "%s: its %s has no type", t->shown, roles[role].name);
    if (strcmp(type, "Sequence") == 0) {
        const struct qfs_json *list = qfs_json_get(json, roles[role].list);
        int rc = 0;
        if (!qfs_json_is(list, QFS_JSON_ARRAY))
            return qfs_fail(error, EINVAL, "%s: its sequence of %s is malformed", t->shown,
                            roles[role].list);
        for (uint32_t i = 0; i < list->count && rc == 0; i++)
            rc = qfs_json_is_null(&list->items[i])
                     ? qfs_fail(error, EINVAL, "%s: a %s is null", t->shown, roles[role].name)
                     : qfs_steps_read(t, role, &list->items[i], steps, error);
        return rc;
    }
    for (const struct entry *e = roles[role].entries; e->type; e++)
        if (strcmp(e->type, type) == 0) {
            struct source source = {t, json, roles[role].name, type, error};
            struct qfs_step *step = append(t, steps);
            if (!step)
                return qfs_fail_memory(error);
            step->kind = e->kind;
            return e->read ? e->read(&source, step) : 0;
        }
    return qfs_fail(error, ENOTSUP, "%s: the %s %s is not known", t->shown, roles[role].name, type);
}

void qfs_steps_done(struct qfs_steps *steps)
{
    for (size_t i = 0; i < steps->count; i++)
        qfs_regex_free(steps->items[i].regex);
    *steps = (struct qfs_steps){0};
}
