/* The general.* keys as gguf-py's Metadata finds them: the model card first, then _name_or_path of config.json
 * (the raw file), then the directory's name; sampling settings from generation_config.json.
 *
 * Values of the card are kept as YAML gave them: the converter writes whatever is there and stops when a
 * number or a date stands where a text belongs, and so do we. */
#include "quantfs/arch.h"

#include "model_id.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field { /* in the order of general.* keys */
             NAME,
             AUTHOR,
             VERSION,
             ORGANIZATION,
             FINETUNE,
             BASENAME,
             DESCRIPTION,
             SIZE_LABEL,
             LICENSE,
             LICENSE_NAME,
             LICENSE_LINK,
             SOURCE_URL,
             SOURCE_DOI,
             SOURCE_UUID,
             SOURCE_REPO_URL,
             NFIELDS,
};

static const char *const field_keys[NFIELDS] = {
    [NAME] = "general.name",
    [AUTHOR] = "general.author",
    [VERSION] = "general.version",
    [ORGANIZATION] = "general.organization",
    [FINETUNE] = "general.finetune",
    [BASENAME] = "general.basename",
    [DESCRIPTION] = "general.description",
    [SIZE_LABEL] = "general.size_label",
    [LICENSE] = "general.license",
    [LICENSE_NAME] = "general.license.name",
    [LICENSE_LINK] = "general.license.link",
    [SOURCE_URL] = "general.source.url",
    [SOURCE_DOI] = "general.source.doi",
    [SOURCE_UUID] = "general.source.uuid",
    [SOURCE_REPO_URL] = "general.source.repo_url",
};

/* Keys of a model card, the first that holds something wins. */
static const struct {
    enum field field;
    const char *key;
} card_keys[] = {
    {NAME, "name"},
    {AUTHOR, "author"},
    {VERSION, "version"},
    {ORGANIZATION, "organization"},
    {DESCRIPTION, "description"},
    {FINETUNE, "finetune"},
    {BASENAME, "basename"},
    {SIZE_LABEL, "size_label"},
    {SOURCE_URL, "url"},
    {SOURCE_DOI, "doi"},
    {SOURCE_UUID, "uuid"},
    {SOURCE_REPO_URL, "repo_url"},
    {NAME, "model_name"},
    {AUTHOR, "model_author"},
    {VERSION, "model_version"},
    {ORGANIZATION, "model_organization"},
    {DESCRIPTION, "model_description"},
    {FINETUNE, "model_finetune"},
    {BASENAME, "model_basename"},
    {SIZE_LABEL, "model_size_label"},
    {SOURCE_URL, "model_url"},
    {SOURCE_DOI, "model_doi"},
    {SOURCE_UUID, "model_uuid"},
    {SOURCE_REPO_URL, "model_repo_url"},
    {AUTHOR, "model_creator"},
    {BASENAME, "model_type"},
    {LICENSE, "license"},
    {LICENSE_NAME, "license_name"},
    {LICENSE_LINK, "license_link"},
};

/* What base models and datasets say of themselves, in the order it is written. */
static const char *const entry_keys[] = {"name", "author", "version", "organization", "description",
                                         "url",  "doi",    "uuid",    "repo_url"};

static const struct {
    const char *key, *json, *other;
    enum qfs_kv_type type;
} samplings[] = {
    {"general.sampling.sequence", "sequence", NULL, QFS_KV_STRING},
    {"general.sampling.top_k", "top_k", NULL, QFS_KV_I32},
    {"general.sampling.top_p", "top_p", NULL, QFS_KV_F32},
    {"general.sampling.min_p", "min_p", NULL, QFS_KV_F32},
    {"general.sampling.xtc_probability", "xtc_probability", NULL, QFS_KV_F32},
    {"general.sampling.xtc_threshold", "xtc_threshold", NULL, QFS_KV_F32},
    {"general.sampling.temp", "temperature", NULL, QFS_KV_F32},
    {"general.sampling.penalty_last_n", "penalty_last_n", NULL, QFS_KV_I32},
    {"general.sampling.penalty_repeat", "penalty_repeat", "repetition_penalty", QFS_KV_F32},
    {"general.sampling.mirostat", "mirostat", NULL, QFS_KV_I32},
    {"general.sampling.mirostat_tau", "mirostat_tau", NULL, QFS_KV_F32},
    {"general.sampling.mirostat_eta", "mirostat_eta", NULL, QFS_KV_F32},
};

struct metadata {
    struct qfs_conversion *out;
    struct qfs_arena *arena;
    struct qfs_error *error;
    const struct qfs_json *card;
    int64_t nparams;
    const struct qfs_json *fields[NFIELDS]; /* NULL: Python's None */
};

/* -- writing -------------------------------------------------------------------------------------------- */

static int not_a_text(struct metadata *m, const char *file, const char *key)
{
    return qfs_fail(
        m->error, EINVAL,
        "%s/%s: the value for %s is not a text, where the converter stops: put it in quotes",
        m->out->model->path, file, key);
}

/* GGUFWriter.add_string: what is empty or zero is left out. */
static int put_text(struct metadata *m, const char *file, const char *key,
                    const struct qfs_json *value)
{
    struct qfs_text text = qfs_json_text(value);
    if (!qfs_json_truthy(value))
        return 0;
    if (!qfs_json_is(value, QFS_JSON_STRING))
        return not_a_text(m, file, key);
    if (!qfs_utf8_valid(text.data, text.size))
        return qfs_fail(m->error, EINVAL, "%s/%s: the value for %s is not valid Unicode",
                        m->out->model->path, file, key);
    qfs_kv_text(&m->out->kvs, key, text);
    return 0;
}

static int put_sampling(struct metadata *m)
{
    static const char file[] = "generation_config.json";
    const struct qfs_json *config = m->out->model->generation_config;
    int rc = 0;
    for (size_t i = 0; i < QFS_COUNT(samplings) && rc == 0; i++) {
        const struct qfs_json *value = qfs_json_get(config, samplings[i].json);
        const char *key = samplings[i].key;
        int64_t integer;
        double real;
        if (!value && samplings[i].other)
            value = qfs_json_get(config, samplings[i].other);
        if (qfs_json_is_null(value))
            continue;
        if (samplings[i].type == QFS_KV_STRING) {
            rc = put_text(m, file, key, value);
        } else if (samplings[i].type == QFS_KV_I32) {
            if (!qfs_json_int(value, &integer) || integer < INT32_MIN || integer > INT32_MAX)
                return qfs_fail(m->error, EINVAL, "%s/%s: %s is not a 32-bit integer",
                                m->out->model->path, file, samplings[i].json);
            qfs_kv_i32(&m->out->kvs, key, (int32_t)integer);
        } else {
            if (!qfs_json_real(value, &real) || (isfinite(real) && isinf((float)real)))
                return qfs_fail(m->error, EINVAL, "%s/%s: %s is not a 32-bit float",
                                m->out->model->path, file, samplings[i].json);
            qfs_kv_f32(&m->out->kvs, key, (float)real);
        }
    }
    return rc;
}

static int put_license(struct metadata *m)
{
    const struct qfs_json *license = m->fields[LICENSE];
    struct qfs_buffer joined = {0};
    struct qfs_json text = {.kind = QFS_JSON_STRING};
    if (!qfs_json_is(license, QFS_JSON_ARRAY))
        return put_text(m, "README.md", field_keys[LICENSE], license);
    for (uint32_t i = 0; i < license->count; i++) {
        struct qfs_text item = qfs_json_text(&license->items[i]);
        if (!qfs_json_is(&license->items[i], QFS_JSON_STRING)) {
            qfs_buffer_done(&joined);
            return not_a_text(m, "README.md", field_keys[LICENSE]);
        }
        qfs_buffer_append(&joined, ",", i > 0);
        qfs_buffer_append(&joined, item.data, item.size);
    }
    text.string = qfs_arena_copy(m->arena, (char *)joined.data, joined.size);
    text.count = (uint32_t)joined.size;
    bool failed = joined.failed || !text.string;
    qfs_buffer_done(&joined);
    return failed ? qfs_fail_memory(m->error)
                  : put_text(m, "README.md", field_keys[LICENSE], &text);
}

/* GGUFValueType.get_type; false for what it does not know. */
static bool item_type(const struct qfs_json *item, uint32_t *ret_type)
{
    switch ((enum qfs_json_kind)item->kind) {
    case QFS_JSON_STRING:
        *ret_type = QFS_KV_STRING;
        return true;
    case QFS_JSON_ARRAY:
        *ret_type = QFS_KV_ARRAY;
        return true;
    case QFS_JSON_REAL:
        *ret_type = QFS_KV_F32;
        return !item->big;
    case QFS_JSON_TRUE:
    case QFS_JSON_FALSE:
        *ret_type = QFS_KV_BOOL;
        return true;
    case QFS_JSON_INT:
        *ret_type = QFS_KV_I32;
        return item->integer == (int32_t)item->integer;
    default:
        return false;
    }
}

/* An array's bytes: type of the first item, which all must have, count, items. */
static bool pack_array(struct qfs_buffer *out, const struct qfs_json *items, uint64_t count)
{
    uint32_t type, other;
    if (count == 0 || !item_type(&items[0], &type))
        return false;
    qfs_buffer_append(out, &type, sizeof(type));
    qfs_buffer_append(out, &count, sizeof(count));
    for (uint64_t i = 0; i < count; i++) {
        const struct qfs_json *item = &items[i];
        struct qfs_text text = qfs_json_text(item);
        uint64_t size = text.size;
        int32_t integer = (int32_t)item->integer;
        uint8_t boolean = item->kind == QFS_JSON_TRUE;
        float real = (float)item->real;
        if (!item_type(item, &other) || other != type || !qfs_utf8_valid(text.data, text.size))
            return false;
        if (type == QFS_KV_STRING) {
            qfs_buffer_append(out, &size, sizeof(size));
            qfs_buffer_append(out, text.data, text.size);
        } else if (type == QFS_KV_ARRAY) {
            if (!pack_array(out, item->items, item->count))
                return false;
        } else if (type == QFS_KV_F32) {
            qfs_buffer_append(out, &real, sizeof(real));
        } else if (type == QFS_KV_BOOL) {
            qfs_buffer_append(out, &boolean, sizeof(boolean));
        } else {
            qfs_buffer_append(out, &integer, sizeof(integer));
        }
    }
    return true;
}

/* GGUFWriter.add_array: an empty one is left out. */
static int put_array(struct metadata *m, const char *key, const struct qfs_json *items,
                     size_t count)
{
    struct qfs_buffer data = {0};
    int rc = 0;
    if (count == 0)
        return 0;
    if (!pack_array(&data, items, count))
        rc = qfs_fail(
            m->error, EINVAL,
            "%s/README.md: the items for %s are not all texts, where the converter stops: put "
            "them in quotes",
            m->out->model->path, key);
    else if (data.failed)
        rc = qfs_fail_memory(m->error);
    else
        qfs_kv_set(&m->out->kvs, key, QFS_KV_ARRAY, data.data, data.size);
    qfs_buffer_done(&data);
    return rc;
}

/* -- base models and datasets ---------------------------------------------------------------------------- */

/* What is known of one base model or dataset: the card's own object, or found in its name. */
struct entry {
    const struct qfs_json *values[QFS_COUNT(entry_keys)];
};

static int set_text(struct metadata *m, const struct qfs_json **ret, const char *string)
{
    struct qfs_json *value = qfs_arena_alloc(m->arena, sizeof(*value));
    if (!value || !string)
        return qfs_fail_memory(m->error);
    value->kind = QFS_JSON_STRING;
    value->string = string;
    value->count = (uint32_t)strlen(string);
    *ret = value;
    return 0;
}

static const struct qfs_json **entry_value(struct entry *entry, const char *key)
{
    for (size_t i = 0; i < QFS_COUNT(entry_keys); i++)
        if (strcmp(entry_keys[i], key) == 0)
            return &entry->values[i];
    return NULL;
}

static int fill_from_id(struct metadata *m, struct entry *entry, struct qfs_text text, bool url)
{
    struct qfs_model_id id;
    int rc = qfs_model_id_parse(m->arena, text, m->nparams, &id, m->error);
    if (rc == 0)
        rc = set_text(m, entry_value(entry, "name"), qfs_model_id_title(m->arena, id.name));
    if (rc == 0 && id.organization)
        rc = set_text(m, entry_value(entry, "organization"),
                      qfs_model_id_title(m->arena, id.organization));
    if (rc == 0 && id.version)
        rc = set_text(m, entry_value(entry, "version"), id.version);
    if (rc == 0 && id.organization && url)
        rc = set_text(
            m, entry_value(entry, "repo_url"),
            qfs_arena_printf(m->arena, "https://huggingface.co/%s/%s", id.organization, id.name));
    return rc;
}

/* org/name of "https://huggingface.co/org/name": re.match(r"https?://huggingface.co/([^/]+/[^/]+)$"), where
 * the dot is any character and a final newline is passed over. */
static bool hub_id(struct qfs_text url, struct qfs_text *ret_id)
{
    static const char host[] = "://huggingface?co/";
    size_t at = 4, end = url.size;
    if (url.size < 4 || memcmp(url.data, "http", 4) != 0 ||
        !memmem(url.data, url.size, "huggingface.co", strlen("huggingface.co")))
        return false;
    at += at < end && url.data[at] == 's';
    for (const char *c = host; *c; c++) {
        size_t n = at < end ? qfs_utf8_length(url.data + at, end - at) : 0;
        if (n == 0 || (*c == '?' ? url.data[at] == '\n' : url.data[at] != *c))
            return false;
        at += n;
    }
    struct qfs_text id = {url.data + at, end - at};
    const char *slash = id.size ? memchr(id.data, '/', id.size) : NULL;
    if (!slash || slash == id.data)
        return false;
    size_t rest = id.size - (size_t)(slash + 1 - id.data);
    /* [^/]+ takes a final newline itself, greedy as it is. */
    if (rest == 0 || memchr(slash + 1, '/', rest))
        return false;
    *ret_id = id;
    return true;
}

static bool begins(struct qfs_text text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static int fill_entry(struct metadata *m, struct entry *entry, const struct qfs_json *value)
{
    struct qfs_text text = qfs_json_text(value), id;
    int rc;
    if (qfs_json_is(value, QFS_JSON_OBJECT)) {
        for (size_t i = 0; i < QFS_COUNT(entry_keys); i++)
            entry->values[i] = qfs_json_get(value, entry_keys[i]);
        return 0;
    }
    if (!qfs_json_is(value, QFS_JSON_STRING))
        return 0; /* the converter complains and goes on */
    if (!begins(text, "http://") && !begins(text, "https://") && !begins(text, "ssh://"))
        return fill_from_id(m, entry, text, true);
    rc =
        set_text(m, entry_value(entry, "repo_url"), qfs_arena_copy(m->arena, text.data, text.size));
    if (rc == 0 && hub_id(text, &id))
        rc = fill_from_id(m, entry, id, false);
    return rc;
}

/* The list under the first of `keys` that the card has; each entry under "PREFIX.N.". */
static int put_entries(struct metadata *m, const char *const keys[3], const char *prefix)
{
    const struct qfs_json *list = NULL;
    char key[80];
    int rc = 0;
    for (int i = 0; i < 3 && !list; i++)
        list = qfs_json_get(m->card, keys[i]);
    if (!list)
        return 0;
    bool array = qfs_json_is(list, QFS_JSON_ARRAY);
    uint32_t count = array ? list->count : qfs_json_is(list, QFS_JSON_STRING);
    snprintf(key, sizeof(key), "%s.count", prefix);
    qfs_kv_u32(&m->out->kvs, key, count);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        struct entry entry = {0};
        rc = fill_entry(m, &entry, array ? &list->items[i] : list);
        for (size_t k = 0; k < QFS_COUNT(entry_keys) && rc == 0; k++) {
            snprintf(key, sizeof(key), "%s.%u.%s", prefix, (unsigned)i, entry_keys[k]);
            rc = put_text(m, "README.md", key, entry.values[k]);
        }
    }
    return rc;
}

/* Texts of two card keys, one after the other: lists are joined, a text is one item. */
static int put_lists(struct metadata *m, const char *first, const char *second, const char *key)
{
    const struct qfs_json *from[2] = {qfs_json_get(m->card, first), qfs_json_get(m->card, second)};
    size_t count = 0;
    for (int i = 0; i < 2; i++)
        count += qfs_json_is(from[i], QFS_JSON_ARRAY) ? from[i]->count
                                                      : qfs_json_is(from[i], QFS_JSON_STRING);
    struct qfs_json *items = qfs_arena_array(m->arena, count, sizeof(*items));
    if (!items)
        return qfs_fail_memory(m->error);
    count = 0;
    for (int i = 0; i < 2; i++) {
        if (qfs_json_is(from[i], QFS_JSON_STRING))
            items[count++] = *from[i];
        for (uint32_t k = 0; qfs_json_is(from[i], QFS_JSON_ARRAY) && k < from[i]->count; k++)
            items[count++] = from[i]->items[k];
    }
    return put_array(m, key, items, count);
}

/* -- finding ---------------------------------------------------------------------------------------------- */

static int fill_from_name(struct metadata *m, struct qfs_text text)
{
    struct qfs_model_id id;
    int rc = qfs_model_id_parse(m->arena, text, m->nparams, &id, m->error);
    if (rc < 0)
        return rc;
    const struct {
        enum field field;
        const char *text;
        bool title;
    } found[] = {
        {NAME, id.name, true},          {ORGANIZATION, id.organization, true},
        {BASENAME, id.basename, false}, {FINETUNE, id.finetune, false},
        {VERSION, id.version, false},   {SIZE_LABEL, id.size_label, false},
    };
    for (size_t i = 0; i < QFS_COUNT(found) && rc == 0; i++)
        if (!m->fields[found[i].field] && found[i].text)
            rc = set_text(m, &m->fields[found[i].field],
                          found[i].title ? qfs_model_id_title(m->arena, found[i].text)
                                         : found[i].text);
    return rc;
}

/* _name_or_path, when it is a model's name and not a path of somebody's machine. */
static int fill_from_config(struct metadata *m)
{
    const struct qfs_json *value = qfs_json_get(m->out->model->adapter ? m->out->model->adapter_raw
                                                                       : m->out->model->config_raw,
                                                "_name_or_path");
    struct qfs_text text = qfs_json_text(value);
    size_t nslashes = 0;
    if (qfs_json_is_null(value))
        return 0;
    if (!qfs_json_is(value, QFS_JSON_STRING))
        return qfs_fail(m->error, EINVAL, "%s/config.json: _name_or_path is not a text",
                        m->out->model->path);
    for (size_t i = 0; i < text.size; i++)
        nslashes += text.data[i] == '/';
    return nslashes <= 1 ? fill_from_name(m, text) : 0;
}

int qfs_metadata_add(struct qfs_conversion *conversion, const uint64_t nparams[3], int64_t nexperts,
                     struct qfs_error *error)
{
    static const char *const base_models[] = {"base_model", "base_models", "base_model_sources"};
    static const char *const datasets[] = {"datasets", "dataset", "dataset_sources"};
    struct metadata m = {.out = conversion,
                         .arena = &conversion->arena,
                         .error = error,
                         .card = conversion->model->card,
                         .nparams = (int64_t)nparams[0]};
    bool lora = conversion->product == QFS_PRODUCT_LORA;
    int rc;
    if (lora) /* only what is not likely exact counts as negative there */
        m.nparams = -m.nparams;

    for (size_t i = 0; i < QFS_COUNT(card_keys); i++) {
        const struct qfs_json *value = qfs_json_get(m.card, card_keys[i].key);
        if (!m.fields[card_keys[i].field] && !qfs_json_is_null(value))
            m.fields[card_keys[i].field] = value;
    }
    if ((rc = fill_from_config(&m)) < 0 ||
        (rc = fill_from_name(&m, qfs_text_of(conversion->model->name))) < 0)
        return rc;
    if (conversion->model_name && (rc = set_text(&m, &m.fields[NAME], conversion->model_name)) < 0)
        return rc;
    if (!m.fields[SIZE_LABEL] && m.nparams > 0 &&
        (rc = set_text(&m, &m.fields[SIZE_LABEL], qfs_size_label(m.arena, nparams, nexperts))) < 0)
        return rc;

    qfs_kv_string(&conversion->kvs, "general.type",
                  lora                                        ? "adapter"
                  : conversion->product == QFS_PRODUCT_MMPROJ ? "mmproj"
                                                              : "model");
    if (lora)
        qfs_kv_string(&conversion->kvs, "adapter.type", "lora");
    if ((rc = put_sampling(&m)) < 0)
        return rc;
    for (int i = 0; i < NFIELDS; i++)
        if ((rc = i == LICENSE ? put_license(&m)
                               : put_text(&m, "README.md", field_keys[i], m.fields[i])) < 0)
            return rc;
    if ((rc = put_entries(&m, base_models, "general.base_model")) < 0 ||
        (rc = put_entries(&m, datasets, "general.dataset")) < 0 ||
        (rc = put_lists(&m, "tags", "pipeline_tag", "general.tags")) < 0 ||
        (rc = put_lists(&m, "languages", "language", "general.languages")) < 0)
        return rc;
    return 0;
}
