/* LoRA adapters: a directory with adapter_config.json and adapter_model.safetensors (or
 * adapter_model.bin), and the model that it was made for, of which only the configuration is read. */
#include "quantfs/model.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has(const struct qfs_model *model, const char *name)
{
    return faccessat(model->dir_fd, name, F_OK, 0) == 0;
}

/* The base's name is a directory as seen from here or from the adapter, or a repository in the hub
 * cache. */
static int find_base(struct qfs_model *model, const char **ret_base, struct qfs_error *error)
{
    const char *name = qfs_json_string(qfs_json_get(model->adapter, "base_model_name_or_path"));
    struct stat st;
    if (!name || !*name)
        return qfs_fail(error, EINVAL,
                        "%s/adapter_config.json: does not name its base model: give it with --base",
                        model->path);
    char *beside = qfs_arena_printf(&model->arena, "%s/%s", model->path, name);
    if (!beside)
        return qfs_fail_memory(error);
    *ret_base = stat(name, &st) < 0 && stat(beside, &st) == 0 ? beside : name;
    return 0;
}

static int open_base(struct qfs_model *model, const char *path, bool named, struct qfs_error *error)
{
    struct qfs_error reason = {0};
    struct qfs_model *base = calloc(1, sizeof(*base));
    if (!base)
        return qfs_fail_memory(error);
    base->dir_fd = -1;
    model->base = base;
    int rc = qfs_source_locate(base, path, &reason);
    if (rc == 0 && base->gguf_names)
        rc = qfs_fail(&reason, EINVAL, "%s: is a GGUF file, not a model directory", path);
    if (rc == 0)
        rc = qfs_config_load(base, &reason);
    if (rc < 0)
        return qfs_fail(error, -rc, "%s: its base model is needed: %.400s%s", model->path,
                        reason.text, named ? "" : ": download it, or give it with --base");
    model->config = base->config;
    model->config_raw = base->config_raw;
    model->config_auto = base->config_auto;
    return 0;
}

int qfs_adapter_load(struct qfs_model *model, const char *base, struct qfs_error *error)
{
    const char *path = base;
    int rc;
    if (has(model, "model.safetensors") || has(model, "model.safetensors.index.json"))
        return 0;
    rc = qfs_model_json(model, "adapter_config.json", &model->adapter, error);
    if (rc < 0 || !model->adapter)
        return rc;
    if (!qfs_json_is(model->adapter, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s/adapter_config.json: is not an object", model->path);
    if ((rc = qfs_model_json(model, "config.json", &model->adapter_raw, error)) < 0)
        return rc;
    if (!path && (rc = find_base(model, &path, error)) < 0)
        return rc;
    return open_base(model, path, base != NULL, error);
}
