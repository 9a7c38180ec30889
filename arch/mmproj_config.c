/* Reading the parts of config.json that encoders have, and writing what they say. */
#include "mmproj.h"

#include <math.h>
#include <string.h>
#include <strings.h>

int qfs_config_wrong(struct qfs_converter *c, const char *key, const char *what)
{
    return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not %s", c->model->path, key, what);
}

int qfs_config_set(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                   const struct qfs_json *value)
{
    static const struct qfs_json none = {.kind = QFS_JSON_NULL};
    if (!dict)
        return qfs_config_wrong(c, "an encoder's part", "there");
    return qfs_dict_set(c->arena, dict, name, value ? value : &none) < 0 ? qfs_fail_memory(c->error)
                                                                         : 0;
}

int qfs_config_set_int(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                       int64_t value)
{
    const struct qfs_json number = {.kind = QFS_JSON_INT, .integer = value};
    return qfs_config_set(c, dict, name, &number);
}

int qfs_config_rename(struct qfs_converter *c, struct qfs_json *dict, const char *to,
                      const char *from)
{
    return qfs_config_set(c, dict, to, qfs_json_get(dict, from));
}

int qfs_config_set_reals(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                         const double *values, size_t count)
{
    struct qfs_json *items = qfs_arena_array(c->arena, count, sizeof(*items));
    struct qfs_json list = {.kind = QFS_JSON_ARRAY, .count = (uint32_t)count};
    if (!items)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct qfs_json){.kind = QFS_JSON_REAL, .real = values[i]};
    list.items = items;
    return qfs_config_set(c, dict, name, &list);
}

int qfs_config_default_int(struct qfs_converter *c, struct qfs_json *dict, const char *name,
                           int64_t value)
{
    return qfs_json_get(dict, name) ? 0 : qfs_config_set_int(c, dict, name, value);
}

int qfs_config_size(struct qfs_converter *c, const struct qfs_json *dict, const char *name,
                    int64_t *ret_value)
{
    const struct qfs_json *value = qfs_json_get(dict, name);
    if (!qfs_json_is(value, QFS_JSON_INT) || value->integer < 0 || value->integer > INT32_MAX)
        return qfs_config_wrong(c, name, value ? "a count" : "there");
    *ret_value = value->integer;
    return 0;
}

int qfs_config_size_or(struct qfs_converter *c, const struct qfs_json *dict, const char *name,
                       int64_t fallback, int64_t *ret_value)
{
    if (qfs_json_get(dict, name))
        return qfs_config_size(c, dict, name, ret_value);
    *ret_value = fallback;
    return 0;
}

bool qfs_config_is(const struct qfs_json *dict, const char *name, const char *value)
{
    return qfs_text_is(qfs_json_text(qfs_json_get(dict, name)), value);
}

int qfs_put_params_of(struct qfs_converter *c, struct qfs_json *dict, const struct qfs_param *table)
{
    struct qfs_json *own = c->hparams;
    if (!dict)
        return qfs_config_wrong(c, "an encoder's part", "there");
    c->hparams = dict;
    int rc = qfs_put_params(c, table);
    c->hparams = own;
    return rc;
}

int qfs_put_f32_or(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                   const char *name, double fallback)
{
    const struct qfs_json *value = qfs_json_get(dict, name);
    if (value)
        return qfs_put_param(c, key, QFS_PARAM_F32, value);
    qfs_put_f32(c, key, fallback);
    return 0;
}

int qfs_put_u32_or(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                   const char *name, int64_t fallback)
{
    const struct qfs_json *value = qfs_json_get(dict, name);
    if (value)
        return qfs_put_param(c, key, QFS_PARAM_U32, value);
    qfs_put_u32(c, key, fallback);
    return 0;
}

int qfs_put_f32_from(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                     const char *name)
{
    return qfs_put_param(c, key, QFS_PARAM_F32, qfs_json_get(dict, name));
}

int qfs_put_u32_from(struct qfs_converter *c, const char *key, const struct qfs_json *dict,
                     const char *name)
{
    return qfs_put_param(c, key, QFS_PARAM_U32, qfs_json_get(dict, name));
}

void qfs_put_projector(struct qfs_converter *c, const char *type)
{
    qfs_put_string(c, "projector_type", type);
}

int qfs_put_activation(struct qfs_converter *c, const struct qfs_json *dict)
{
    if (qfs_config_is(dict, "hidden_act", "silu"))
        qfs_put_bool(c, "use_silu", true);
    else if (qfs_config_is(dict, "hidden_act", "gelu"))
        qfs_put_bool(c, "use_gelu", true);
    else
        return qfs_config_wrong(c, "hidden_act", "gelu or silu, which are all that llama.cpp has");
    return 0;
}

void qfs_put_activation_if_known(struct qfs_converter *c, const struct qfs_json *dict)
{
    const char *act = qfs_json_string(qfs_json_get(dict, "hidden_act"));
    if (act && strcasecmp(act, "gelu") == 0)
        qfs_put_bool(c, "use_gelu", true);
    else if (act && strcasecmp(act, "silu") == 0)
        qfs_put_bool(c, "use_silu", true);
}

int qfs_put_pixel_limits(struct qfs_converter *c)
{
    const struct qfs_json *pre = c->mmproj->preprocessor;
    int rc = qfs_put_u32_from(c, "vision.image_min_pixels", pre, "min_pixels");
    return rc < 0 ? rc : qfs_put_u32_from(c, "vision.image_max_pixels", pre, "max_pixels");
}

int qfs_put_inverse_scale(struct qfs_converter *c, const struct qfs_json *dict, const char *name)
{
    double ratio;
    if (!qfs_json_real(qfs_json_get(dict, name), &ratio) || !(1 / ratio >= 0) ||
        1 / ratio > 1 << 20)
        return qfs_config_wrong(c, name, "a ratio");
    qfs_put_u32(c, "vision.projector.scale_factor", (int64_t)(1 / ratio));
    return 0;
}

int qfs_put_pool_factor(struct qfs_converter *c)
{
    enum { USUAL = 4 };
    int64_t ntokens = 0, image_size = 0, patch_size = 0;
    int rc;
    if ((rc = qfs_config_size_or(c, c->mmproj->preprocessor, "image_seq_length", 256, &ntokens)) <
            0 ||
        (rc = qfs_config_size(c, c->hparams, "image_size", &image_size)) < 0 ||
        (rc = qfs_config_size(c, c->hparams, "patch_size", &patch_size)) < 0)
        return rc;
    int64_t side = (int64_t)sqrt((double)ntokens);
    if (side == 0 || patch_size == 0)
        return qfs_config_wrong(c, "patch_size or image_seq_length", "a size");
    int64_t factor = image_size / patch_size / side;
    if (factor > 0 && factor != USUAL)
        qfs_put_u32(c, "vision.projector.scale_factor", factor);
    return 0;
}
