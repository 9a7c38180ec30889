/* Opening a model directory: each reader in turn, and the small JSON files that need no reader of
 * their own. */
#include "quantfs/model.h"

#include <stdlib.h>
#include <unistd.h>

enum { SMALL_FILE = 64 << 20 };

int qfs_model_json(struct qfs_model *model, const char *name, const struct qfs_json **ret_value,
                   struct qfs_error *error)
{
    char *shown = qfs_arena_printf(&model->arena, "%s/%s", model->path, name);
    if (!shown)
        return qfs_fail_memory(error);
    struct qfs_error unread = {0};
    int rc =
        qfs_json_read(&model->arena, model->dir_fd, name, SMALL_FILE, shown, ret_value, &unread);
    if (rc < 0 && rc != -ENOENT)
        return qfs_fail(error, -rc, "%s", unread.text);
    return 0;
}

/* The converter passes over a generation_config.json that is not JSON, but not over one that is not
 * UTF-8 or that holds something other than an object. */
int qfs_generation_config_load(struct qfs_model *model, struct qfs_error *error)
{
    static const char name[] = "generation_config.json";
    char *shown = qfs_arena_printf(&model->arena, "%s/%s", model->path, name), *text;
    const struct qfs_json *value;
    size_t size;
    if (!shown)
        return qfs_fail_memory(error);
    struct qfs_error unread = {0};
    int rc = qfs_file_read(model->dir_fd, name, SMALL_FILE, shown, &text, &size, &unread);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return qfs_fail(error, -rc, "%s", unread.text);
    bool valid = qfs_utf8_valid(text, size);
    rc = valid ? qfs_json_parse(&model->arena, text, size, shown, &value, &unread) : 0;
    free(text);
    if (!valid)
        return qfs_fail(error, EINVAL, "%s: is not valid UTF-8", shown);
    if (rc == -ENOMEM)
        return qfs_fail_memory(error);
    if (rc < 0 || !qfs_json_truthy(value))
        return 0;
    if (!qfs_json_is(value, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s: is not a JSON object", shown);
    model->generation_config = value;
    return 0;
}

static int load_directory(struct qfs_model *model, const struct qfs_model_how *how,
                          struct qfs_error *error)
{
    int rc;
    if ((!how->mistral_format && (rc = qfs_adapter_load(model, how->base, error)) < 0) ||
        (!model->adapter &&
         (rc = (how->mistral_format ? qfs_params_load : qfs_config_load)(model, error)) < 0) ||
        (rc = qfs_generation_config_load(model, error)) < 0 ||
        (rc = qfs_model_json(model, "tokenizer_config.json", &model->tokenizer_config, error)) <
            0 ||
        (rc = qfs_card_load(model, error)) < 0)
        return rc;
    return (model->adapter ? qfs_adapter_parts_load : qfs_parts_load)(model, error);
}

int qfs_model_open(const char *path, struct qfs_model **ret_model, struct qfs_error *error)
{
    static const struct qfs_model_how plain;
    return qfs_model_open_with(path, &plain, ret_model, error);
}

int qfs_model_open_with(const char *path, const struct qfs_model_how *how,
                        struct qfs_model **ret_model, struct qfs_error *error)
{
    struct qfs_model *model = calloc(1, sizeof(*model));
    if (!model)
        return qfs_fail_memory(error);
    model->dir_fd = -1;
    int rc = qfs_source_locate(model, path, error);
    if (rc == 0)
        rc = model->gguf_names ? qfs_gguf_source_load(model, error)
                               : load_directory(model, how, error);
    if (rc == 0)
        *ret_model = model;
    else
        qfs_model_close(model);
    return rc;
}

void qfs_model_close(struct qfs_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->nfiles; i++)
        if (model->files[i].fd >= 0)
            close(model->files[i].fd);
    if (model->dir_fd >= 0)
        close(model->dir_fd);
    if (model->gguf)
        qfs_gguf_done(model->gguf);
    free(model->gguf);
    qfs_model_close(model->base);
    free(model->tensors); /* grown by the safetensors reader */
    qfs_map_done(&model->tensor_index);
    qfs_arena_done(&model->arena);
    free(model);
}
