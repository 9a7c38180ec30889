#include "vocab.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* gpt-oss' tokenizer.json is 28 MB, Gemma 3's 33 MB. */
enum { FILE_LIMIT = 256 << 20 };

bool qfs_vocab_file_exists(const struct qfs_model *model, const char *name)
{
    struct stat st;
    return fstatat(model->dir_fd, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

const char *qfs_vocab_shown(struct qfs_arena *arena, const struct qfs_model *model,
                            const char *name)
{
    return qfs_arena_printf(arena, "%s/%s", model->path, name);
}

int qfs_vocab_read_json(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                        const struct qfs_json **ret_value, struct qfs_error *error)
{
    const struct qfs_json *value = NULL;
    if (qfs_vocab_file_exists(model, name)) {
        const char *shown = qfs_vocab_shown(arena, model, name);
        if (!shown)
            return qfs_fail_memory(error);
        int rc = qfs_json_read(arena, model->dir_fd, name, FILE_LIMIT, shown, &value, error);
        if (rc < 0)
            return rc;
    }
    *ret_value = value;
    return 0;
}

int qfs_vocab_read_object(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                          const struct qfs_json **ret_value, struct qfs_error *error)
{
    const struct qfs_json *value = NULL;
    int rc = qfs_vocab_read_json(arena, model, name, &value, error);
    if (rc == 0 && value && value->kind != QFS_JSON_OBJECT)
        rc = qfs_fail(error, EINVAL, "%s/%s: is not an object", model->path, name);
    if (rc == 0)
        *ret_value = value;
    return rc;
}

int qfs_vocab_read_text(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                        struct qfs_text *ret_text, struct qfs_error *error)
{
    const char *shown = qfs_vocab_shown(arena, model, name);
    char *data = NULL;
    size_t size = 0, kept = 0;
    if (!shown)
        return qfs_fail_memory(error);
    int rc = qfs_file_read(model->dir_fd, name, FILE_LIMIT, shown, &data, &size, error);
    if (rc < 0)
        return rc;
    if (!qfs_utf8_valid(data, size)) {
        free(data);
        return qfs_fail(error, EINVAL, "%s: is not UTF-8", shown);
    }
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\r' && data[i + 1] == '\n') /* zero-terminated, so i + 1 is there */
            continue;
        data[kept++] = data[i] == '\r' ? '\n' : data[i];
    }
    char *copy = qfs_arena_copy(arena, data, kept);
    free(data);
    if (!copy)
        return qfs_fail_memory(error);
    *ret_text = (struct qfs_text){copy, kept};
    return 0;
}

int qfs_vocab_space_prefix(struct qfs_conversion *conversion, struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    const struct qfs_json *config = NULL;
    int rc =
        qfs_vocab_read_object(&arena, conversion->model, "tokenizer_config.json", &config, error);
    const struct qfs_json *prefix = qfs_json_get(config, "add_prefix_space");
    if (rc == 0 && prefix)
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_space_prefix", qfs_json_truthy(prefix));
    qfs_arena_done(&arena);
    return rc;
}
