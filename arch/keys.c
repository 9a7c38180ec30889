#include "converter.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *qfs_key(struct qfs_converter *c, const char *name)
{
    const char *key = qfs_arena_printf(c->arena, "%s.%s", c->arch, name);
    if (!key) {
        c->out->kvs.failed = true;
        return name;
    }
    return key;
}

static int wrong(struct qfs_converter *c, const char *key, const char *what)
{
    return qfs_fail(c->error, EINVAL, "%s/config.json: the value for %s is not %s", c->model->path,
                    key, what);
}

static int put_list(struct qfs_converter *c, const char *key, const struct qfs_json *list)
{
    int32_t *items = qfs_arena_array(c->arena, list->count, sizeof(*items));
    if (!items)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < list->count; i++) {
        int64_t value;
        if (!qfs_json_int(&list->items[i], &value) || value < INT32_MIN || value > INT32_MAX)
            return wrong(c, key, "a list of integers");
        items[i] = (int32_t)value;
    }
    qfs_put_i32s(c, key, items, list->count);
    return 0;
}

/* A list as GGUFWriter.add_array types it: all items are of the first one's type. */
static int put_typed_list(struct qfs_converter *c, const char *key, const struct qfs_json *list)
{
    const struct qfs_json *first = qfs_json_at(list, 0);
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return wrong(c, key, "a list");
    if (!first || qfs_json_is(first, QFS_JSON_INT))
        return put_list(c, key, list);
    float *floats = qfs_arena_array(c->arena, list->count, sizeof(*floats));
    uint8_t *bools = qfs_arena_array(c->arena, list->count, sizeof(*bools));
    if (!floats || !bools)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct qfs_json *item = &list->items[i];
        if (qfs_json_is_bool(item) != qfs_json_is_bool(first) ||
            (!qfs_json_is_bool(item) && !qfs_json_is(item, QFS_JSON_REAL)))
            return wrong(c, key, "a list of numbers of one type");
        bools[i] = item->kind == QFS_JSON_TRUE;
        floats[i] = (float)item->real;
    }
    if (qfs_json_is_bool(first))
        qfs_put_bools(c, key, bools, list->count);
    else
        qfs_put_f32s(c, key, floats, list->count);
    return 0;
}

int qfs_put_param(struct qfs_converter *c, const char *key, enum qfs_param_type type,
                  const struct qfs_json *value)
{
    int64_t integer;
    double real;
    switch (type) {
    case QFS_PARAM_U32_OR_LIST:
        if (qfs_json_is(value, QFS_JSON_ARRAY))
            return put_list(c, key, value);
        /* fall through */
    case QFS_PARAM_U32:
        if (!qfs_json_int(value, &integer) || integer < 0 || integer > UINT32_MAX)
            return wrong(c, key, "an unsigned integer of 32 bits");
        qfs_put_u32(c, key, integer);
        return 0;
    case QFS_PARAM_F32:
        if (!qfs_json_real(value, &real))
            return wrong(c, key, "a number");
        qfs_put_f32(c, key, real);
        return 0;
    case QFS_PARAM_BOOL:
        qfs_put_bool(c, key, qfs_json_truthy(value));
        return 0;
    case QFS_PARAM_STRING:
        if (!qfs_json_is(value, QFS_JSON_STRING))
            return wrong(c, key, "a string");
        qfs_kv_text(&c->out->kvs, qfs_key(c, key), qfs_json_text(value));
        return 0;
    case QFS_PARAM_LIST:
        return put_typed_list(c, key, value);
    }
    return -EINVAL;
}

int qfs_put_params(struct qfs_converter *c, const struct qfs_param *table)
{
    for (const struct qfs_param *param = table; param && param->key; param++) {
        const struct qfs_json *value = qfs_hparam_first(c, param->names);
        if (param->required && qfs_json_is_null(value))
            return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path,
                            param->names[0]);
        int rc = qfs_json_is_null(value) ? 0 : qfs_put_param(c, param->key, param->type, value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void qfs_put_u32(struct qfs_converter *c, const char *name, int64_t value)
{
    qfs_kv_u32(&c->out->kvs, qfs_key(c, name), (uint32_t)value);
}

void qfs_put_f32(struct qfs_converter *c, const char *name, double value)
{
    qfs_kv_f32(&c->out->kvs, qfs_key(c, name), (float)value);
}

void qfs_put_bool(struct qfs_converter *c, const char *name, bool value)
{
    qfs_kv_bool(&c->out->kvs, qfs_key(c, name), value);
}

void qfs_put_string(struct qfs_converter *c, const char *name, const char *value)
{
    qfs_kv_string(&c->out->kvs, qfs_key(c, name), value);
}

void qfs_put_sigmoid_gating(struct qfs_converter *c)
{
    qfs_put_u32(c, "expert_gating_func", 2);
}

/* GGUFWriter leaves empty arrays out. */
void qfs_put_i32s(struct qfs_converter *c, const char *name, const int32_t *items, size_t count)
{
    if (count)
        qfs_kv_array(&c->out->kvs, qfs_key(c, name), QFS_KV_I32, items, count);
}

void qfs_put_f32s(struct qfs_converter *c, const char *name, const float *items, size_t count)
{
    if (count)
        qfs_kv_array(&c->out->kvs, qfs_key(c, name), QFS_KV_F32, items, count);
}

void qfs_put_bools(struct qfs_converter *c, const char *name, const uint8_t *items, size_t count)
{
    if (count)
        qfs_kv_array(&c->out->kvs, qfs_key(c, name), QFS_KV_BOOL, items, count);
}

static double number_or_zero(const struct qfs_json *value)
{
    double number;
    return qfs_json_real(value, &number) ? number : 0;
}

int qfs_put_layer_limits(struct qfs_converter *c, const char *key, const char *name)
{
    const struct qfs_json *limits = qfs_hparam(c, name);
    if (qfs_json_is_null(limits))
        return 0;
    float *values = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++)
        values[i] = (float)number_or_zero(qfs_json_at(limits, (size_t)i));
    qfs_put_f32s(c, key, values, (size_t)c->block_count);
    return 0;
}

enum { MODULES_LIMIT = 1 << 20 };

/* The directory of the first module whose type ends in Pooling; *ret_path NULL if there is none. */
static int find_pooling(struct qfs_converter *c, const char **ret_path)
{
    const struct qfs_json *modules;
    const char *shown = qfs_arena_printf(c->arena, "%s/modules.json", c->model->path);
    *ret_path = NULL;
    if (!shown)
        return qfs_fail_memory(c->error);
    if (faccessat(c->model->dir_fd, "modules.json", F_OK, 0) != 0)
        return 0;
    int rc = qfs_json_read(c->arena, c->model->dir_fd, "modules.json", MODULES_LIMIT, shown,
                           &modules, c->error);
    for (size_t i = 0; rc == 0 && qfs_json_at(modules, i); i++) {
        const char *type = qfs_json_string(qfs_json_get(qfs_json_at(modules, i), "type"));
        const char *path = qfs_json_string(qfs_json_get(qfs_json_at(modules, i), "path"));
        if (!type || !path || strstr(path, "..") || path[0] == '/')
            return qfs_fail(c->error, EINVAL,
                            "%s: a module has no type, or no path inside the model", shown);
        if (qfs_ends_with(type, "Pooling")) {
            *ret_path = path;
            break;
        }
    }
    return rc;
}

int qfs_put_pooling(struct qfs_converter *c)
{
    /* llama.cpp's enum llama_pooling_type */
    enum { MEAN = 1, CLS = 2, LAST = 3 };
    static const struct {
        const char *flag, *mode;
        int type;
    } kinds[] = {{"pooling_mode_mean_tokens", "mean", MEAN},
                 {"pooling_mode_cls_token", "cls", CLS},
                 {"pooling_mode_lasttoken", "lasttoken", LAST}};
    const struct qfs_json *pooling;
    const char *path;
    int rc = find_pooling(c, &path);
    if (rc < 0 || !path)
        return rc;
    const char *file = qfs_arena_printf(c->arena, "%s/config.json", *path ? path : ".");
    const char *shown = qfs_arena_printf(c->arena, "%s/%s", c->model->path, file);
    if (!file || !shown)
        return qfs_fail_memory(c->error);
    rc = qfs_json_read(c->arena, c->model->dir_fd, file, MODULES_LIMIT, shown, &pooling, c->error);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(kinds); i++)
        if (qfs_json_truthy(qfs_json_get(pooling, kinds[i].flag))) {
            qfs_put_u32(c, "pooling_type", kinds[i].type);
            return 0;
        }
    for (size_t i = 0; i < QFS_COUNT(kinds); i++)
        if (qfs_text_is(qfs_json_text(qfs_json_get(pooling, "pooling_mode")), kinds[i].mode)) {
            qfs_put_u32(c, "pooling_type", kinds[i].type);
            return 0;
        }
    return qfs_fail(
        c->error, EINVAL,
        "%s: its pooling is none of mean, cls and last token, which are all that llama.cpp has",
        shown);
}
