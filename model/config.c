#include "quantfs/model.h"

enum { CONFIG_LIMIT = 16 << 20 };

int qfs_config_load(struct qfs_model *model, struct qfs_error *error)
{
    char *shown = qfs_arena_printf(&model->arena, "%s/config.json", model->path);
    const struct qfs_json *raw;
    if (!shown)
        return qfs_fail_memory(error);
    int rc = qfs_json_read(&model->arena, model->dir_fd, "config.json", CONFIG_LIMIT, shown, &raw,
                           error);
    if (rc == -ENOENT)
        return qfs_fail(
            error, ENOENT,
            "%s: there is none: give the directory that holds the model's config.json and "
            "safetensors files",
            shown);
    if (rc < 0)
        return rc;
    if (!qfs_json_is(raw, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s: is not a JSON object", shown);
    model->config_raw = raw;
    model->config = raw;
    return 0;
}
