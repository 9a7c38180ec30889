#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "override.h"
#include "tensor_rule.h"

enum { MAX_RULE_FILE = 16 << 20 };

/* A longer copy of an array of `count` items with room for one more; the old one stays in the
 * arena. */
static void *grown(struct qfs_arena *arena, const void *items, size_t count, size_t item_size)
{
    void *copy = qfs_arena_array(arena, count + 1, item_size);
    if (copy && count)
        memcpy(copy, items, count * item_size);
    return copy;
}

static int add_string(struct qfs_arena *arena, const char *const **strings, size_t *count,
                      const char *value, struct qfs_error *error)
{
    const char **copy = grown(arena, *strings, *count, sizeof(*copy));
    char *kept = qfs_arena_string(arena, value);
    if (!copy || !kept)
        return qfs_fail_memory(error);
    copy[(*count)++] = kept;
    *strings = copy;
    return 0;
}

static int add_tensor_type(struct qfs_view_options *options, struct qfs_arena *arena,
                           const char *value, struct qfs_error *error)
{
    struct qfs_tensor_rule rule;
    int rc = qfs_tensor_rule_parse(value, &rule, error);
    if (rc < 0)
        return rc;
    qfs_tensor_rule_done(&rule);
    return add_string(arena, &options->tensor_types, &options->ntensor_types, value, error);
}

/* Rules between white space. */
static int add_tensor_type_file(struct qfs_view_options *options, struct qfs_arena *arena,
                                const char *path, struct qfs_error *error)
{
    static const char space[] = " \t\n\v\f\r";
    char *text, *rest;
    size_t size;
    int rc = qfs_file_read(AT_FDCWD, path, MAX_RULE_FILE, path, &text, &size, error);
    if (rc < 0)
        return rc;
    for (char *word = strtok_r(text, space, &rest); word && rc == 0;
         word = strtok_r(NULL, space, &rest))
        rc = add_tensor_type(options, arena, word, error);
    free(text);
    return rc;
}

static int add_override(struct qfs_view_options *options, struct qfs_arena *arena,
                        const char *value, struct qfs_error *error)
{
    struct qfs_override override;
    int rc = qfs_override_parse(value, &override, error);
    if (rc < 0)
        return rc;
    return add_string(arena, &options->overrides, &options->noverrides, value, error);
}

/* "1,2,5": kept ascending, each once. */
static int add_prune_layers(struct qfs_view_options *options, struct qfs_arena *arena,
                            const char *value, struct qfs_error *error)
{
    const char *at = value;
    for (bool more = true; more;) {
        char *end;
        errno = 0;
        long layer = strtol(at, &end, 10);
        if (!isdigit((unsigned char)*at) || errno || layer > INT_MAX || (*end && *end != ','))
            return qfs_fail(error, EINVAL,
                            "prune-layers '%s' is no list of layers: give numbers with commas",
                            value);
        int *layers = grown(arena, options->prune_layers, options->nprune_layers, sizeof(*layers));
        if (!layers)
            return qfs_fail_memory(error);
        size_t place = options->nprune_layers;
        while (place > 0 && layers[place - 1] > layer)
            place--;
        if (place == 0 || layers[place - 1] != layer) {
            memmove(layers + place + 1, layers + place,
                    (options->nprune_layers - place) * sizeof(*layers));
            layers[place] = (int)layer;
            options->prune_layers = layers;
            options->nprune_layers++;
        }
        more = *end == ',';
        at = end + 1;
    }
    return 0;
}

static int set_type(enum qfs_type *type, const char *name, const char *value,
                    struct qfs_error *error)
{
    enum qfs_type named = qfs_type_by_name(value);
    if (named == QFS_TYPE_NONE)
        return qfs_fail(error, EINVAL, "%s '%s' names no tensor type: try q4_K or q8_0", name,
                        value);
    *type = named;
    return 0;
}

static int set_outtype(struct qfs_view_options *options, const char *value, struct qfs_error *error)
{
    static const char *const names[] = {"f32", "f16", "bf16"}; /* as enum qfs_outtype counts */
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (strcasecmp(value, names[i]) == 0) {
            options->outtype = (int)i;
            return 0;
        }
    if (strcasecmp(value, "auto") != 0)
        return qfs_fail(error, EINVAL, "outtype '%s' is none of f32, f16, bf16, auto", value);
    options->outtype = -1;
    return 0;
}

/* A number above 0, which a letter of `units` multiplies by 1000, its square, its cube. */
static int set_split(uint64_t *number, const char *name, const char *value, const char *units,
                     struct qfs_error *error)
{
    char *end;
    errno = 0;
    unsigned long long given = strtoull(value, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    uint64_t result = given;
    bool fits = isdigit((unsigned char)*value) && !errno && given && (!*end || (unit && !end[1]));
    for (const char *at = units; unit && at <= unit && fits; at++)
        fits = qfs_mul(result, (uint64_t)1000, &result);
    if (!fits || result > INT64_MAX / 2)
        return qfs_fail(error, EINVAL, "%s '%s' is no number above 0%s", name, value,
                        *units ? ", with K, M or G behind it for thousands, millions, milliards"
                               : "");
    *number = result;
    return 0;
}

int qfs_view_options_set(struct qfs_view_options *options, struct qfs_arena *arena,
                         const char *name, const char *value, struct qfs_error *error)
{
    bool *flag = strcmp(name, "pure") == 0                    ? &options->pure
                 : strcmp(name, "leave-output-tensor") == 0   ? &options->leave_output_tensor
                 : strcmp(name, "allow-requantize") == 0      ? &options->allow_requantize
                 : strcmp(name, "no-tensor-first-split") == 0 ? &options->no_tensor_first_split
                                                              : NULL;
    if (flag && value)
        return qfs_fail(error, EINVAL, "%s takes no value", name);
    if (flag) {
        *flag = true;
        return 0;
    }
    if (!value)
        value = "";
    if (strcmp(name, "output-tensor-type") == 0)
        return set_type(&options->output_tensor_type, name, value, error);
    if (strcmp(name, "token-embedding-type") == 0)
        return set_type(&options->token_embedding_type, name, value, error);
    if (strcmp(name, "tensor-type") == 0)
        return add_tensor_type(options, arena, value, error);
    if (strcmp(name, "tensor-type-file") == 0)
        return add_tensor_type_file(options, arena, value, error);
    if (strcmp(name, "override-kv") == 0)
        return add_override(options, arena, value, error);
    if (strcmp(name, "prune-layers") == 0)
        return add_prune_layers(options, arena, value, error);
    if (strcmp(name, "outtype") == 0)
        return set_outtype(options, value, error);
    if (strcmp(name, "split-max-size") == 0)
        return set_split(&options->split_max_size, name, value, "KMG", error);
    if (strcmp(name, "split-max-tensors") == 0)
        return set_split(&options->split_max_tensors, name, value, "", error);
    return qfs_fail(error, ENOENT, "there is no option %s of views", name);
}
