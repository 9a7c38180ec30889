/* GGUF files as a source: which they are and what a view of them is called, their headers, their
 * tensors. A split set is found by its names, as llama.cpp's loader does, and held to what its keys
 * say. */
#include "gguf_source.h"
#include "parts.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PARTS = 4096 };

/* -- names ------------------------------------------------------------------------------------ */

/* Length of "STEM" in "STEM-00002-of-00005.gguf" with its two numbers; 0: no name of a part. */
static size_t part_stem(const char *file, int *ret_part, int *ret_count)
{
    static const char form[] = "-ddddd-of-ddddd.gguf";
    size_t size = strlen(file), length = sizeof(form) - 1;
    if (size <= length)
        return 0;
    const char *at = file + size - length;
    for (size_t i = 0; i < length; i++)
        if (form[i] == 'd' && i < 15 ? !isdigit((unsigned char)at[i]) : at[i] != form[i])
            return 0;
    *ret_part = atoi(at + 1);
    *ret_count = atoi(at + 10);
    return size - length;
}

/* Is it what people write for a tensor type: F16, BF16, Q8_0, Q4_K_M, IQ2_XXS, TQ1_0, MXFP4? */
static bool is_type_name(const char *text, bool *ret_float)
{
    static const char *const floats[] = {"f32", "f16", "bf16", "fp32", "fp16"};
    static const char *const others[] = {"mxfp4", "mxfp4_moe", "nvfp4"};
    for (size_t i = 0; i < QFS_COUNT(floats); i++)
        if (strcasecmp(text, floats[i]) == 0)
            return *ret_float = true;
    *ret_float = false;
    for (size_t i = 0; i < QFS_COUNT(others); i++)
        if (strcasecmp(text, others[i]) == 0)
            return true;
    text += strchr("ItTi", text[0]) && text[0] ? 1 : 0;
    if (toupper((unsigned char)text[0]) != 'Q' || !isdigit((unsigned char)text[1]) ||
        text[2] != '_' || !text[3])
        return false;
    for (text += 3; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_')
            return false;
    return true;
}

/* What is left of a file's name without ".gguf", a part's numbers and the type at its end. */
static char *model_name(struct qfs_arena *arena, const char *file, bool *ret_float)
{
    int part, count;
    size_t size = part_stem(file, &part, &count);
    if (size == 0)
        size = strlen(file) - (qfs_ends_with(file, ".gguf") ? 5 : 0);
    char *name = qfs_arena_copy(arena, file, size);
    *ret_float = false;
    if (!name)
        return NULL;
    for (char *at = name + size; at-- > name + 1;)
        if (*at == '-' || *at == '.') {
            if (is_type_name(at + 1, ret_float))
                *at = 0;
            break;
        }
    return name;
}

int qfs_gguf_source_name(struct qfs_model *model, const char *file, struct qfs_error *error)
{
    int part = 1, count = 1;
    bool is_float;
    size_t stem = part_stem(file, &part, &count);
    if (stem && part != 1)
        return qfs_fail(error, EINVAL,
                        "%s/%s: is part %d of a split set: give the first, %.*s-00001-of-%05d.gguf",
                        model->path, file, part, (int)stem, file, count);
    if (count < 1 || count > MAX_PARTS)
        return qfs_fail(error, EINVAL, "%s/%s: a split set of %d parts is not possible",
                        model->path, file, count);
    model->gguf_names = qfs_arena_array(&model->arena, (size_t)count, sizeof(char *));
    model->name = model_name(&model->arena, file, &is_float);
    if (!model->gguf_names || !model->name)
        return qfs_fail_memory(error);
    for (int i = 0; i < count; i++) {
        char *name = count == 1 ? qfs_arena_string(&model->arena, file)
                                : qfs_arena_printf(&model->arena, "%.*s-%05d-of-%05d.gguf",
                                                   (int)stem, file, i + 1, count);
        if (!name)
            return qfs_fail_memory(error);
        model->gguf_names[i] = name;
    }
    model->ngguf_names = (size_t)count;
    return 0;
}

/* -- a directory of GGUF files ---------------------------------------------------------------- */

/* Weights of another kind: then the directory is a model, and its GGUF files are somebody's copies. */
static bool is_model_weights(const char *name)
{
    return qfs_ends_with(name, ".safetensors") || qfs_ends_with(name, ".pth") ||
           (qfs_ends_with(name, ".bin") &&
            (qfs_starts_with(name, "pytorch_model") || qfs_starts_with(name, "adapter_model")));
}

/* Files that stand beside models: projectors, draft heads, importance matrices. */
static bool is_companion(const char *name)
{
    return qfs_starts_with(name, "mmproj") || qfs_starts_with(name, "mtp-") ||
           strstr(name, "imatrix");
}

struct found {
    char *only_float, *any; /* the last of its kind */
    size_t nfloats, nfiles, nlater_parts;
    struct qfs_buffer list;
    bool is_model, failed;
};

static void look_at(struct found *found, struct qfs_arena *arena, const char *name)
{
    int part = 1, count;
    bool is_float;
    found->is_model |= is_model_weights(name);
    if (!qfs_ends_with(name, ".gguf") || name[0] == '.' || is_companion(name))
        return;
    if (part_stem(name, &part, &count) && part != 1) {
        found->nlater_parts++;
        return;
    }
    char *copy = qfs_arena_string(arena, name);
    if (!copy || !model_name(arena, name, &is_float)) {
        found->failed = true;
        return;
    }
    qfs_buffer_printf(&found->list, "%s%s", found->nfiles ? ", " : "", name);
    found->any = copy;
    found->nfiles++;
    if (is_float) {
        found->only_float = copy;
        found->nfloats++;
    }
}

int qfs_gguf_source_in(struct qfs_model *model, const char **ret_file, struct qfs_error *error)
{
    struct found found = {0};
    DIR *dir = opendir(model->path);
    int rc = 0;
    if (!dir) /* whoever opens it next says why */
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        look_at(&found, &model->arena, entry->d_name);
    closedir(dir);
    if (found.failed || found.list.failed)
        rc = qfs_fail_memory(error);
    else if (found.is_model || (!found.nfiles && !found.nlater_parts))
        rc = 0;
    else if (!found.nfiles)
        rc = qfs_fail(error, ENOENT,
                      "%s: holds parts of a split GGUF set but not the first: download it",
                      model->path);
    else if (found.nfiles == 1 || found.nfloats == 1)
        *ret_file = found.nfiles == 1 ? found.any : found.only_float;
    else
        rc = qfs_fail(error, EINVAL, "%s: holds several GGUF files: give one of %.*s", model->path,
                      (int)QFS_MIN(found.list.size, (size_t)300), (const char *)found.list.data);
    qfs_buffer_done(&found.list);
    return rc;
}

/* -- reading ---------------------------------------------------------------------------------- */

static int open_file(struct qfs_model *model, const char *name, const char *shown,
                     struct qfs_gguf *gguf, struct qfs_error *error)
{
    struct qfs_model_file *file = &model->files[model->nfiles];
    uint8_t head[256];
    struct stat st;
    int rc = qfs_part_open(model, name, shown, &st, error);
    if (rc < 0 || (rc = qfs_gguf_read(gguf, file->fd, shown, error)) < 0)
        return rc;
    size_t size = (size_t)QFS_MIN(file->size, (uint64_t)sizeof(head));
    if ((rc = qfs_pread_full(file->fd, head, size, 0)) < 0)
        return qfs_fail(error, -rc, "%s: cannot be read: %s", shown, strerror(-rc));
    file->identity = qfs_part_identity(model->dir_fd, name, &st, qfs_hash(head, size));
    return 0;
}

/* What a type's rows are read as. */
static enum qfs_dtype dtype_of(enum qfs_type type)
{
    static const struct {
        enum qfs_type type;
        enum qfs_dtype dtype;
    } plain[] = {
        {QFS_TYPE_F16, QFS_DTYPE_F16}, {QFS_TYPE_BF16, QFS_DTYPE_BF16},
        {QFS_TYPE_F64, QFS_DTYPE_F64}, {QFS_TYPE_I64, QFS_DTYPE_I64},
        {QFS_TYPE_I32, QFS_DTYPE_I32}, {QFS_TYPE_I16, QFS_DTYPE_I16},
        {QFS_TYPE_I8, QFS_DTYPE_I8},
    };
    for (size_t i = 0; i < QFS_COUNT(plain); i++)
        if (plain[i].type == type)
            return plain[i].dtype;
    return QFS_DTYPE_F32;
}

static int add_tensors(struct qfs_model *model, const struct qfs_gguf *gguf, const char *shown,
                       struct qfs_error *error)
{
    struct qfs_tensor *all =
        reallocarray(model->tensors, model->ntensors + gguf->ntensors + 1, sizeof(*model->tensors));
    if (!all)
        return qfs_fail_memory(error);
    model->tensors = all;
    for (size_t i = 0; i < gguf->ntensors; i++) {
        const struct qfs_gguf_tensor *from = &gguf->tensors[i];
        struct qfs_tensor *to = &all[model->ntensors];
        *to = (struct qfs_tensor){
            .name = qfs_arena_string(&model->arena, from->name),
            .dtype = dtype_of(from->type),
            .ndim = from->ndim,
            .file = (uint32_t)model->nfiles - 1,
            .offset = from->offset,
            .nbytes = from->nbytes,
            .gguf = true,
            .type = (int8_t)from->type,
        };
        for (int d = 0; d < from->ndim; d++)
            to->shape[d] = from->ne[from->ndim - 1 - d];
        int fresh = to->name
                        ? qfs_map_set(&model->tensor_index, qfs_text_of(to->name), model->ntensors)
                        : -ENOMEM;
        if (fresh < 0)
            return qfs_fail_memory(error);
        if (!fresh)
            return qfs_fail(error, EINVAL, "%s: tensor %s is in an earlier part of the set too",
                            shown, from->name);
        model->ntensors++;
    }
    return 0;
}

/* A number of a split set, whose type the loader insists on. *ret_value stays when it is absent. */
static int split_key(const struct qfs_gguf *gguf, const char *key, enum qfs_kv_type type,
                     const char *shown, int64_t *ret_value, struct qfs_error *error)
{
    const struct qfs_kv *kv = qfs_kv_find(&gguf->kvs, key);
    if (!kv)
        return 0;
    if (kv->type != type || !qfs_kv_get_int(&gguf->kvs, key, ret_value))
        return qfs_fail(error, EINVAL, "%s: its key %s is of a wrong type", shown, key);
    return 0;
}

static int check_first(const struct qfs_model *model, const char *shown, int64_t *ret_count,
                       struct qfs_error *error)
{
    int64_t number = -1;
    int rc;
    if ((rc = split_key(model->gguf, "split.count", QFS_KV_U16, shown, ret_count, error)) < 0)
        return rc;
    if (*ret_count <= 1)
        return 0;
    if ((rc = split_key(model->gguf, "split.no", QFS_KV_U16, shown, &number, error)) < 0)
        return rc;
    if (number != 0)
        return qfs_fail(error, EINVAL, "%s: is not the first part of its split set: give the first",
                        shown);
    if ((size_t)*ret_count != model->ngguf_names)
        return qfs_fail(error, EINVAL,
                        "%s: is the first of %lld parts by its keys, which its name does not "
                        "say: call it NAME-00001-of-%05lld.gguf and the others likewise",
                        shown, (long long)*ret_count, (long long)*ret_count);
    return 0;
}

static int check_last(const struct qfs_model *model, const char *shown, struct qfs_error *error)
{
    int64_t count = -1;
    int rc = split_key(model->gguf, "split.tensors.count", QFS_KV_I32, shown, &count, error);
    if (rc == 0 && (uint64_t)count != model->ntensors)
        rc = qfs_fail(error, EINVAL,
                      "%s: its parts should hold %lld tensors and hold %zu: parts of different "
                      "sets are mixed, download all again",
                      shown, (long long)count, model->ntensors);
    return rc;
}

static int load_part(struct qfs_model *model, size_t index, const char *shown,
                     struct qfs_error *error)
{
    struct qfs_gguf gguf = {0};
    int64_t number = -1;
    int rc = open_file(model, model->gguf_names[index], shown, &gguf, error);
    if (rc == 0)
        rc = split_key(&gguf, "split.no", QFS_KV_U16, shown, &number, error);
    if (rc == 0 && number != (int64_t)index)
        rc = qfs_fail(error, EINVAL,
                      "%s: should be part %zu of its set, but its keys say %lld: parts of "
                      "different sets are mixed, download all again",
                      shown, index + 1, (long long)number + 1);
    if (rc == 0)
        rc = add_tensors(model, &gguf, shown, error);
    qfs_gguf_done(&gguf);
    return rc;
}

/* A blob's name says nothing; what the file calls itself then names its views. */
static int name_blob(struct qfs_model *model, struct qfs_error *error)
{
    struct qfs_text text;
    if (qfs_ends_with(model->gguf_names[0], ".gguf") ||
        !qfs_kv_get_text(&model->gguf->kvs, "general.name", &text) || text.size == 0 ||
        text.size > 128 || text.data[0] == '.')
        return 0;
    char *name = qfs_arena_copy(&model->arena, text.data, text.size);
    if (!name)
        return qfs_fail_memory(error);
    for (char *at = name; *at; at++)
        if (*at == '/' || *at == ' ' || (unsigned char)*at < 32)
            *at = '-';
    if (*name)
        model->name = name;
    return 0;
}

int qfs_gguf_source_load(struct qfs_model *model, struct qfs_error *error)
{
    int64_t count = 0;
    char *first = qfs_arena_printf(&model->arena, "%s/%s", model->path, model->gguf_names[0]);
    model->files = qfs_arena_array(&model->arena, model->ngguf_names, sizeof(*model->files));
    model->gguf = calloc(1, sizeof(*model->gguf));
    if (!first || !model->files || !model->gguf)
        return qfs_fail_memory(error);
    int rc = open_file(model, model->gguf_names[0], first, model->gguf, error);
    if (rc == 0)
        rc = check_first(model, first, &count, error);
    if (rc == 0)
        rc = add_tensors(model, model->gguf, first, error);
    for (size_t i = 1; count > 1 && i < model->ngguf_names && rc == 0; i++) {
        char *shown = qfs_arena_printf(&model->arena, "%s/%s", model->path, model->gguf_names[i]);
        rc = shown ? load_part(model, i, shown, error) : qfs_fail_memory(error);
    }
    if (rc == 0 && count > 1)
        rc = check_last(model, first, error);
    return rc < 0 ? rc : name_blob(model, error);
}
