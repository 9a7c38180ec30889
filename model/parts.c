/* The files that hold a model's weights: which they are, their headers, and reading from them.
 *
 * Which files are the model follows the converter: `model*.safetensors` in the directory, replaced
 * by the index's files where there is a model.safetensors.index.json; where there are none,
 * `pytorch_model*.bin` likewise. Tensors are kept in the converter's order, parts by name and names
 * sorted inside a part (of a .bin: as its dictionary has them), because float views are written in
 * it. */
#include "parts.h"
#include "safetensors.h"
#include "torch_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INDEX_LIMIT = 256 << 20, MAX_PARTS = 4096 };

/* Kinds of weight files: of the first two the one that is there counts, the third is of Mistral's own
 * format. */
static const struct part_kind {
    const char *prefix, *suffix, *index;
} safetensors_kind = {"model", ".safetensors", "model.safetensors.index.json"},
  torch_kind = {"pytorch_model", ".bin", "pytorch_model.bin.index.json"},
  mistral_kind = {"consolidated", ".safetensors", NULL};

struct names {
    char **items;
    size_t count, capacity;
};

static int names_add(struct names *names, struct qfs_arena *arena, struct qfs_text name,
                     struct qfs_error *error)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        char **items = realloc(names->items, capacity * sizeof(*items));
        if (!items)
            return qfs_fail_memory(error);
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = qfs_arena_copy(arena, name.data, name.size);
    if (!copy)
        return qfs_fail_memory(error);
    names->items[names->count++] = copy;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort_unique(struct names *names)
{
    size_t kept = 0;
    if (names->count == 0)
        return;
    qsort(names->items, names->count, sizeof(*names->items), compare_names);
    for (size_t i = 0; i < names->count; i++)
        if (kept == 0 || strcmp(names->items[kept - 1], names->items[i]) != 0)
            names->items[kept++] = names->items[i];
    names->count = kept;
}

/* Files of the model directory that start with `prefix` and end with `suffix`, sorted. */
static int list_parts(struct qfs_model *model, const char *prefix, const char *suffix,
                      struct names *names, struct qfs_error *error)
{
    int fd = openat(model->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int rc = 0;
    if (!dir) {
        rc = errno;
        if (fd >= 0)
            close(fd);
        return qfs_fail(error, rc, "%s: cannot be listed: %s", model->path, strerror(rc));
    }
    while (rc == 0 && (entry = readdir(dir)))
        if (qfs_starts_with(entry->d_name, prefix) && qfs_ends_with(entry->d_name, suffix))
            rc = names_add(names, &model->arena, qfs_text_of(entry->d_name), error);
    closedir(dir);
    names_sort_unique(names);
    return rc;
}

/* The index's part names replace `names`; *ret_map is its weight_map (lives in `scratch`). */
static int read_index(struct qfs_model *model, struct qfs_arena *scratch, const char *index_name,
                      struct names *names, const struct qfs_json **ret_map, struct qfs_error *error)
{
    const struct qfs_json *root, *map;
    char *shown = qfs_arena_printf(scratch, "%s/%s", model->path, index_name);
    int rc;
    if (!shown)
        return qfs_fail_memory(error);
    rc = qfs_json_read(scratch, model->dir_fd, index_name, INDEX_LIMIT, shown, &root, error);
    if (rc < 0)
        return rc;
    map = qfs_json_get(root, "weight_map");
    if (!qfs_json_is(map, QFS_JSON_OBJECT))
        return qfs_fail(error, EINVAL, "%s: has no weight_map that names each tensor's file",
                        shown);
    names->count = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        struct qfs_text part = qfs_json_text(&map->members[i].value);
        if (part.size == 0 || part.size > 255 || memchr(part.data, 0, part.size) ||
            memchr(part.data, '/', part.size) || part.data[0] == '.')
            return qfs_fail(
                error, EINVAL,
                "%s: tensor %.*s: its file '%.*s' is no name of a file in this directory", shown,
                (int)QFS_MIN(map->members[i].key.size, (size_t)100), map->members[i].key.data,
                (int)QFS_MIN(part.size, (size_t)100), part.data);
        /* Neighbours usually share a file: keep the list short before it is sorted. */
        if (names->count && qfs_text_is(part, names->items[names->count - 1]))
            continue;
        if ((rc = names_add(names, &model->arena, part, error)) < 0)
            return rc;
    }
    names_sort_unique(names);
    *ret_map = map;
    return 0;
}

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool qfs_part_hub_digest(int dir_fd, const char *name, char ret_hex[65])
{
    char link[512];
    ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);
    if (n <= 0 || n == (ssize_t)sizeof(link) - 1)
        return false;
    link[n] = 0;
    const char *base = strrchr(link, '/');
    base = base ? base + 1 : link;
    if (strlen(base) != 64 || strspn(base, "0123456789abcdef") != 64)
        return false;
    memcpy(ret_hex, base, 65);
    return true;
}

struct qfs_digest qfs_part_identity(int dir_fd, const char *name, const struct stat *st,
                                    struct qfs_digest header)
{
    char hex[65];
    struct {
        uint64_t dev, ino, size, mtime_s, mtime_ns;
        struct qfs_digest header;
    } facts = {(uint64_t)st->st_dev,         (uint64_t)st->st_ino,          (uint64_t)st->st_size,
               (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec, header};
    return qfs_part_hub_digest(dir_fd, name, hex) ? qfs_hash(hex, 64)
                                                  : qfs_hash(&facts, sizeof(facts));
}

static int read_safetensors(struct qfs_model *model, struct qfs_model_file *file, const char *shown,
                            struct qfs_digest *ret_header, struct qfs_error *error)
{
    uint64_t header_size;
    char *header;
    int fd = file->fd, rc;
    if (file->size < 8 || qfs_pread_full(fd, &header_size, 8, 0) < 0)
        return qfs_fail(error, EINVAL, "%s: is %llu bytes, too short for a safetensors file", shown,
                        (unsigned long long)file->size);
    if (header_size > QFS_SAFETENSORS_HEADER_LIMIT)
        return qfs_fail(error, EINVAL, "%s: its header claims %llu bytes, more than the %d allowed",
                        shown, (unsigned long long)header_size, QFS_SAFETENSORS_HEADER_LIMIT);
    if (header_size > file->size - 8)
        return qfs_fail(error, EINVAL,
                        "%s: its header claims %llu bytes but the file has %llu: it is truncated, "
                        "download it again",
                        shown, (unsigned long long)header_size, (unsigned long long)file->size);
    header = malloc(header_size + 1);
    if (!header)
        return qfs_fail_memory(error);
    rc = qfs_pread_full(fd, header, header_size, 8);
    if (rc < 0) {
        rc = qfs_fail(error, -rc, "%s: cannot be read: %s", shown, strerror(-rc));
        goto out;
    }
    *ret_header = qfs_hash(header, header_size);
    rc = qfs_safetensors_parse(&model->arena, header, header_size, 8 + header_size, file->size,
                               (uint32_t)model->nfiles - 1, shown, &model->tensors,
                               &model->ntensors, error);
out:
    free(header);
    return rc;
}

int qfs_part_open(struct qfs_model *model, const char *name, const char *shown, struct stat *ret_st,
                  struct qfs_error *error)
{
    struct qfs_model_file *file = &model->files[model->nfiles];
    int fd = openat(model->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int rc = errno;
        return qfs_fail(error, rc, "%s: cannot be opened: %s%s", shown, strerror(rc),
                        rc == ENOENT ? ": a part of the model is missing, download it again" : "");
    }
    *file = (struct qfs_model_file){.name = name, .fd = fd};
    model->nfiles++; /* from here on closing the model closes the file */
    if (fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode))
        return qfs_fail(error, EINVAL, "%s: is not a regular file", shown);
    file->size = (uint64_t)ret_st->st_size;
    file->mtime_ns = mtime_ns(ret_st);
    model->mtime_ns = QFS_MAX(model->mtime_ns, file->mtime_ns);
    return 0;
}

static int open_part(struct qfs_model *model, const char *name, struct qfs_error *error)
{
    struct qfs_model_file *file = &model->files[model->nfiles];
    char *shown = qfs_arena_printf(&model->arena, "%s/%s", model->path, name);
    struct qfs_digest digest;
    struct stat st;
    int rc = shown ? qfs_part_open(model, name, shown, &st, error) : qfs_fail_memory(error);
    if (rc < 0)
        return rc;
    if (qfs_ends_with(name, torch_kind.suffix))
        rc = qfs_torch_file_parse(&model->arena, file->fd, file->size, (uint32_t)model->nfiles - 1,
                                  shown, &model->tensors, &model->ntensors, &digest, error);
    else
        rc = read_safetensors(model, file, shown, &digest, error);
    if (rc == 0)
        file->identity = qfs_part_identity(model->dir_fd, name, &st, digest);
    return rc;
}

/* Names → tensors. A name that several parts have keeps its first place and the last part's data,
 * as the converter's dict does. */
static int index_tensors(struct qfs_model *model, struct qfs_error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->ntensors; i++) {
        uint64_t where;
        struct qfs_text name = qfs_text_of(model->tensors[i].name);
        if (qfs_map_get(&model->tensor_index, name, &where)) {
            model->tensors[where] = model->tensors[i];
            continue;
        }
        model->tensors[kept] = model->tensors[i];
        if (qfs_map_set(&model->tensor_index, name, kept++) < 0)
            return qfs_fail_memory(error);
    }
    model->ntensors = kept;
    return 0;
}

/* The index and the parts must name the same tensors. */
static int compare_with_index(const struct qfs_model *model, const char *index_name,
                              const struct qfs_json *map, struct qfs_error *error)
{
    struct qfs_map listed = {0};
    int rc = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        if (!qfs_map_get(&model->tensor_index, map->members[i].key, NULL)) {
            struct qfs_text part = qfs_json_text(&map->members[i].value);
            rc = qfs_fail(
                error, EINVAL, "%s/%s: tensor %.*s is not in %.*s: download that file again",
                model->path, index_name, (int)QFS_MIN(map->members[i].key.size, (size_t)200),
                map->members[i].key.data, (int)part.size, part.data);
            goto out;
        }
        if (qfs_map_set(&listed, map->members[i].key, 0) < 0) {
            rc = qfs_fail_memory(error);
            goto out;
        }
    }
    for (size_t i = 0; i < model->ntensors; i++)
        if (!qfs_map_get(&listed, qfs_text_of(model->tensors[i].name), NULL)) {
            rc = qfs_fail(error, EINVAL,
                          "%s/%s: tensor %.200s of %s is not in it: index and parts "
                          "disagree, download both again",
                          model->path, index_name, model->tensors[i].name,
                          model->files[model->tensors[i].file].name);
            goto out;
        }
out:
    qfs_map_done(&listed);
    return rc;
}

int qfs_parts_load(struct qfs_model *model, struct qfs_error *error)
{
    struct qfs_arena scratch = {0};
    const struct qfs_json *map = NULL;
    struct names names = {0};
    const struct part_kind *kind = model->mistral_format ? &mistral_kind : &safetensors_kind;
    int rc = list_parts(model, kind->prefix, kind->suffix, &names, error);
    if (rc == 0 && names.count == 0 && kind == &safetensors_kind) {
        rc = list_parts(model, torch_kind.prefix, torch_kind.suffix, &names, error);
        kind = names.count ? &torch_kind : kind;
    }
    if (rc < 0)
        goto out;
    /* The converter looks at no index in Mistral's own format. */
    bool indexed = kind->index && faccessat(model->dir_fd, kind->index, F_OK, 0) == 0;
    if (names.count == 0 && kind == &mistral_kind)
        rc = qfs_fail(error, ENOENT, "%s: has params.json but no consolidated.safetensors",
                      model->path);
    else if (names.count && indexed)
        rc = read_index(model, &scratch, kind->index, &names, &map, error);
    else if (names.count == 0 && indexed)
        rc = qfs_fail(error, ENOENT, "%s: none of the files that %s lists is there: download them",
                      model->path, kind->index);
    else if (names.count == 0)
        rc = qfs_fail(error, ENOENT,
                      "%s: has no model.safetensors: give a downloaded model directory",
                      model->path);
    if (rc < 0)
        goto out;
    if (names.count > MAX_PARTS) {
        rc = qfs_fail(error, EINVAL, "%s: has %zu weight files, more than %d", model->path,
                      names.count, MAX_PARTS);
        goto out;
    }
    model->files = qfs_arena_array(&model->arena, names.count, sizeof(*model->files));
    if (!model->files) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    for (size_t i = 0; i < names.count && rc == 0; i++)
        rc = open_part(model, names.items[i], error);
    if (rc == 0)
        rc = index_tensors(model, error);
    if (rc == 0 && map)
        rc = compare_with_index(model, kind->index, map, error);
out:
    free(names.items);
    qfs_arena_done(&scratch);
    return rc;
}

int qfs_adapter_parts_load(struct qfs_model *model, struct qfs_error *error)
{
    static const char *const names[] = {"adapter_model.safetensors", "adapter_model.bin", NULL};
    const char *const *name = names;
    while (*name && faccessat(model->dir_fd, *name, F_OK, 0) != 0)
        name++;
    if (!*name)
        return qfs_fail(error, ENOENT,
                        "%s: has no %s, nor %s: download the adapter's weights, or save it again",
                        model->path, names[0], names[1]);
    model->files = qfs_arena_array(&model->arena, 1, sizeof(*model->files));
    if (!model->files)
        return qfs_fail_memory(error);
    int rc = open_part(model, *name, error);
    return rc < 0 ? rc : index_tensors(model, error);
}

const struct qfs_tensor *qfs_model_tensor(const struct qfs_model *model, const char *name)
{
    uint64_t index;
    return qfs_map_get(&model->tensor_index, qfs_text_of(name), &index) ? &model->tensors[index]
                                                                        : NULL;
}

int qfs_model_pread(const struct qfs_model *model, const struct qfs_tensor *tensor, uint64_t offset,
                    void *data, size_t size, struct qfs_error *error)
{
    const struct qfs_model_file *file = &model->files[tensor->file];
    struct stat st;
    uint64_t end;
    if (!qfs_add(offset, (uint64_t)size, &end) || end > tensor->nbytes)
        return qfs_fail(error, EINVAL, "tensor %s: bytes beyond its end were asked for",
                        tensor->name);
    int rc = qfs_pread_full(file->fd, data, size, tensor->offset + offset);
    /* Looked at after reading: what was read before the file changed is still the old file's. */
    if (fstat(file->fd, &st) == 0 &&
        ((uint64_t)st.st_size != file->size || mtime_ns(&st) != file->mtime_ns))
        return qfs_fail(error, ESTALE, "%s/%s: was changed since it was opened", model->path,
                        file->name);
    if (rc < 0)
        return qfs_fail(error, -rc, "%s/%s: tensor %s cannot be read: %s", model->path, file->name,
                        tensor->name, strerror(-rc));
    return 0;
}
