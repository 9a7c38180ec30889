#include "converter.h"

#include <math.h>
#include <string.h>

struct qfs_json *qfs_dict_copy(struct qfs_arena *arena, const struct qfs_json *object)
{
    struct qfs_json *copy = qfs_arena_alloc(arena, sizeof(*copy));
    size_t count = qfs_json_is(object, QFS_JSON_OBJECT) ? object->count : 0;
    if (!copy)
        return NULL;
    copy->kind = QFS_JSON_OBJECT;
    copy->count = (uint32_t)count;
    copy->members = qfs_arena_array(arena, count, sizeof(*copy->members));
    if (!copy->members)
        return NULL;
    if (count)
        memcpy(copy->members, object->members, count * sizeof(*copy->members));
    return copy;
}

int qfs_dict_set(struct qfs_arena *arena, struct qfs_json *dict, const char *key,
                 const struct qfs_json *value)
{
    for (uint32_t i = 0; i < dict->count; i++)
        if (qfs_text_is(dict->members[i].key, key)) {
            dict->members[i].value = *value;
            return 0;
        }
    /* Dicts are small and rarely grown: one copy each time keeps struct qfs_json without a
     * capacity. */
    struct qfs_json_member *members =
        qfs_arena_array(arena, (size_t)dict->count + 1, sizeof(*members));
    char *name = qfs_arena_string(arena, key);
    if (!members || !name)
        return -ENOMEM;
    if (dict->count)
        memcpy(members, dict->members, dict->count * sizeof(*members));
    members[dict->count] = (struct qfs_json_member){qfs_text_of(name), *value};
    dict->members = members;
    dict->count++;
    return 0;
}

int qfs_dict_merge(struct qfs_arena *arena, struct qfs_json *dict, const struct qfs_json *other)
{
    int rc = 0;
    for (uint32_t i = 0; qfs_json_is(other, QFS_JSON_OBJECT) && i < other->count && rc == 0; i++)
        rc = qfs_dict_set(arena, dict, other->members[i].key.data, &other->members[i].value);
    return rc;
}

const struct qfs_json *qfs_hparam(const struct qfs_converter *c, const char *name)
{
    return qfs_json_get(c->hparams, name);
}

const struct qfs_json *qfs_hparam_first(const struct qfs_converter *c, const char *const *names)
{
    const struct qfs_json *value = NULL;
    for (; *names && !value; names++)
        value = qfs_json_get(c->hparams, *names);
    return value;
}

int qfs_hparam_size(struct qfs_converter *c, const char *const *names, int64_t *ret_value)
{
    const char *const *name = names;
    while (*name && !qfs_json_get(c->hparams, *name))
        name++;
    if (!*name)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path, names[0]);
    const struct qfs_json *value = qfs_json_get(c->hparams, *name);
    if (value->kind != QFS_JSON_INT || value->integer < 0 || value->integer > INT32_MAX)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a count", c->model->path,
                        *name);
    *ret_value = value->integer;
    return 0;
}

int qfs_hparam_count_or(struct qfs_converter *c, const char *name, int64_t fallback,
                        int64_t *ret_value)
{
    if (qfs_json_get(c->hparams, name))
        return qfs_hparam_count(c, ret_value, name);
    *ret_value = fallback;
    return 0;
}

int qfs_hparam_set(struct qfs_converter *c, const char *name, const struct qfs_json *value)
{
    return qfs_dict_set(c->arena, c->hparams, name, value) < 0 ? qfs_fail_memory(c->error) : 0;
}

int qfs_hparam_set_int(struct qfs_converter *c, const char *name, int64_t value)
{
    const struct qfs_json number = {.kind = QFS_JSON_INT, .integer = value};
    return qfs_hparam_set(c, name, &number);
}

void qfs_hparam_remove(struct qfs_converter *c, const char *name)
{
    struct qfs_json *dict = c->hparams;
    for (uint32_t i = 0; i < dict->count; i++)
        if (qfs_text_is(dict->members[i].key, name)) {
            memmove(dict->members + i, dict->members + i + 1,
                    (dict->count - i - 1) * sizeof(*dict->members));
            dict->count--;
            return;
        }
}

double qfs_json_number_or(const struct qfs_json *object, const char *key, double fallback)
{
    double value;
    return qfs_json_real(qfs_json_get(object, key), &value) ? value : fallback;
}

int qfs_rotated_dim(struct qfs_converter *c, double fallback, int64_t *ret_dim)
{
    int64_t dim;
    int rc = qfs_head_dim(c, &dim);
    if (rc == 0)
        *ret_dim =
            (int64_t)((double)dim * qfs_json_number_or(c->rope, "partial_rotary_factor", fallback));
    return rc;
}

int qfs_rotary_sizes(struct qfs_converter *c, double factor, int64_t *ret_hidden,
                     int64_t *ret_nheads)
{
    int rc;
    if ((rc = qfs_hparam_count(c, ret_hidden, "hidden_size", "n_embd")) < 0 ||
        (rc = qfs_hparam_count(c, ret_nheads, "num_attention_heads", "n_head")) < 0)
        return rc;
    if (*ret_nheads == 0 || !(factor >= 0 && factor <= 1e3))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: num_attention_heads, or the part of a head that is "
                        "rotated, is no size",
                        c->model->path);
    return 0;
}

int qfs_begin_with_nextn(struct qfs_converter *c)
{
    int64_t nlayers, nextn;
    int rc;
    if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0)
        return rc;
    c->block_count = QFS_MIN(nlayers, (int64_t)4096) + QFS_MIN(nextn, (int64_t)4096);
    return 0;
}

int qfs_hparam_real(struct qfs_converter *c, const char *name, double *ret_value)
{
    const struct qfs_json *value = qfs_hparam(c, name);
    if (!value)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path, name);
    if (!qfs_json_real(value, ret_value))
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a number", c->model->path,
                        name);
    return 0;
}

int qfs_rope_number(struct qfs_converter *c, const char *name, double fallback, double *ret_value)
{
    const struct qfs_json *value = qfs_json_get(c->rope, name);
    if (!value && isnan(fallback))
        return qfs_fail(c->error, EINVAL, "%s/config.json: its rope_parameters have no %s",
                        c->model->path, name);
    if (value && !qfs_json_real(value, ret_value))
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_parameters: %s is not a number",
                        c->model->path, name);
    if (!value)
        *ret_value = fallback;
    return 0;
}
