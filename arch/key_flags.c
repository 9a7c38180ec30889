/* Keys of one value a layer, and keys with a default. */
#include "converter.h"

int qfs_put_param_or(struct qfs_converter *c, const char *key, enum qfs_param_type type,
                     const char *name, double fallback)
{
    struct qfs_json number = {.kind = QFS_JSON_INT, .integer = (int64_t)fallback};
    const struct qfs_json *value = qfs_hparam(c, name);
    if (type == QFS_PARAM_F32)
        number = (struct qfs_json){.kind = QFS_JSON_REAL, .real = fallback};
    return qfs_put_param(c, key, type, value ? value : &number);
}

int qfs_put_layer_flags(struct qfs_converter *c, const char *key, const char *name,
                        const char *value)
{
    const struct qfs_json *list = qfs_hparam(c, name);
    if (qfs_json_is_null(list))
        return 0;
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a list", c->model->path, name);
    uint8_t *flags = qfs_arena_array(c->arena, list->count, sizeof(*flags));
    if (!flags)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < list->count; i++)
        flags[i] = qfs_text_is(qfs_json_text(&list->items[i]), value);
    qfs_put_bools(c, key, flags, list->count);
    return 0;
}

int qfs_put_sliding_layers(struct qfs_converter *c)
{
    if (qfs_json_is_null(qfs_hparam(c, "layer_types")))
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_types is not a list",
                        c->model->path);
    return qfs_put_layer_flags(c, "attention.sliding_window_pattern", "layer_types",
                               "sliding_attention");
}
