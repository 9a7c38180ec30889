#include "converter.h"

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
