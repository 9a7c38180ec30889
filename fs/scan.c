#include "scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MOST = 5, FOLDERS_MOST = 100000 };

/* -- names of a directory, sorted --------------------------------------------------------------- */

struct listed {
    struct qfs_arena arena;
    char **names;
    size_t count, capacity;
    bool failed;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_name(struct listed *list, const char *name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        char **names = reallocarray(list->names, capacity, sizeof(*names));
        if (!names) {
            list->failed = true;
            return;
        }
        list->names = names;
        list->capacity = capacity;
    }
    char *copy = qfs_arena_string(&list->arena, name);
    if (!copy)
        list->failed = true;
    else
        list->names[list->count++] = copy;
}

/* Those that `wanted` takes. A directory that cannot be listed holds none; false says so. */
static bool list_names(const char *path, bool (*wanted)(const char *name), struct listed *list)
{
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    for (struct dirent *item; (item = readdir(dir));)
        if (wanted(item->d_name))
            add_name(list, item->d_name);
    closedir(dir);
    if (list->count)
        qsort(list->names, list->count, sizeof(*list->names), by_name);
    return true;
}

static void list_done(struct listed *list)
{
    free(list->names);
    qfs_arena_done(&list->arena);
    *list = (struct listed){0};
}

/* -- what a source is made of ------------------------------------------------------------------- */

static bool is_weights(const char *name)
{
    return qfs_ends_with(name, ".safetensors") || qfs_ends_with(name, ".bin") ||
           qfs_ends_with(name, ".gguf");
}

/* Sentence transformers keep the configuration of a step in a folder with its number: 1_Pooling. */
static bool is_step(const char *name)
{
    return name[0] >= '0' && name[0] <= '9' && strchr(name, '_');
}

/* Files that a view's bytes may come from. Others come and go without a new generation. */
static bool is_part_of_source(const char *name)
{
    static const char *const ends[] = {".json", ".jinja",    ".model", ".txt",
                                       ".md",   ".tiktoken", ".dat",   ".imatrix"};
    for (size_t i = 0; i < QFS_COUNT(ends); i++)
        if (qfs_ends_with(name, ends[i]))
            return true;
    return is_weights(name) || is_step(name);
}

static void add_stat(struct qfs_buffer *to, const char *name, const struct stat *st)
{
    const int64_t numbers[] = {(int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_size,
                               st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
    qfs_buffer_append(to, name, strlen(name) + 1);
    qfs_buffer_append(to, numbers, sizeof(numbers));
}

static void look_at_file(int dir_fd, const char *name, struct qfs_buffer *all, mode_t *mode)
{
    struct stat st = {0}; /* stays so where a link leads nowhere */
    char config[300];
    bool there = fstatat(dir_fd, name, &st, 0) == 0;
    add_stat(all, name, &st);
    if (there && is_weights(name))
        *mode &= st.st_mode;
    if (there && S_ISDIR(st.st_mode) && is_step(name) && strlen(name) < 256) {
        strcpy(config, name);
        strcat(config, "/config.json");
        look_at_file(dir_fd, config, all, mode);
    }
}

/* Everything of one model's directory that may matter. */
static int look_into(const struct qfs_model *model, struct qfs_buffer *all, mode_t *mode,
                     struct qfs_error *error)
{
    struct listed list = {0};
    int rc = 0;
    if (!list_names(model->path, is_part_of_source, &list)) {
        rc = errno;
        rc = qfs_fail(error, rc, "%s: cannot be listed: %s", model->path, strerror(rc));
    } else if (list.failed) {
        rc = qfs_fail_memory(error);
    }
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        look_at_file(model->dir_fd, list.names[i], all, mode);
    list_done(&list);
    return rc;
}

/* The name of the folder above `dir`, whatever way leads there. */
static const char *name_above(struct qfs_arena *arena, const char *dir)
{
    char *above = qfs_arena_printf(arena, "%s/..", dir);
    char *whole = above ? realpath(above, NULL) : NULL;
    const char *name = whole ? qfs_arena_string(arena, strrchr(whole, '/') + 1) : NULL;
    free(whole);
    return name && *name ? name : "local";
}

/* Of "…/models--org--name" and "…/models--org--name/snapshots/COMMIT": "org". Else the folder above. */
static const char *publisher_of(struct qfs_arena *arena, const char *dir)
{
    static const char prefix[] = "models--";
    const char *parent = NULL;
    char *copy = qfs_arena_string(arena, dir);
    for (int level = 0; copy && level < 3; level++) {
        char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
        char *end = qfs_starts_with(name, prefix) ? strstr(name + strlen(prefix), "--") : NULL;
        if (end) {
            *end = 0;
            return name + strlen(prefix);
        }
        if (level == 1)
            parent = qfs_arena_string(arena, name);
        if (!slash)
            break;
        *slash = 0;
    }
    return parent && *parent && *parent != '.' ? parent : name_above(arena, dir);
}

int qfs_scan_model(struct qfs_arena *arena, const char *path, struct qfs_found *ret_found,
                   struct qfs_error *error)
{
    struct qfs_model model = {.dir_fd = -1};
    struct qfs_buffer all = {0};
    mode_t mode = 0444;
    int rc = qfs_source_locate(&model, path, error);
    for (size_t i = 0; rc == 0 && i < model.ngguf_names; i++)
        look_at_file(model.dir_fd, model.gguf_names[i], &all, &mode);
    if (rc == 0 && model.ngguf_names) /* views of one's own lie beside the file */
        look_at_file(model.dir_fd, "quantfs.json", &all, &mode);
    if (rc == 0 && !model.ngguf_names)
        rc = look_into(&model, &all, &mode, error);
    if (rc == 0) {
        struct qfs_found found = {
            .path = qfs_arena_string(arena, path),
            .publisher = publisher_of(arena, model.path),
            .name = qfs_arena_string(arena, model.name),
            .dir = qfs_arena_string(arena, model.path),
            .number = qfs_hash64(all.data, all.size),
            .mode = mode | 0400,
        };
        if (all.failed || !found.path || !found.publisher || !found.name || !found.dir)
            rc = qfs_fail_memory(error);
        else
            *ret_found = found;
    }
    qfs_buffer_done(&all);
    if (model.dir_fd >= 0)
        close(model.dir_fd);
    qfs_arena_done(&model.arena);
    return rc;
}

/* -- folders ------------------------------------------------------------------------------------ */

static bool is_visible(const char *name)
{
    return name[0] != '.';
}

/* What a folder is, by the names in it. */
enum folder { OF_FOLDERS, A_MODEL, OF_GGUF_FILES, NOT_OURS };

/* A GGUF file that is a model of its own: no projector, no later part of a split set. */
static bool is_gguf_model(const char *name)
{
    const char *part = strstr(name, "-of-");
    bool later = part && part - name > 6 && part[-6] == '-' && strncmp(part - 5, "00001", 5) != 0;
    return qfs_ends_with(name, ".gguf") && !later && !strstr(name, "mmproj") &&
           !strstr(name, "imatrix");
}

static enum folder kind_of(const struct listed *list)
{
    enum folder kind = OF_FOLDERS;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];
        if (!strcmp(name, "model_index.json")) /* parts of a pipeline, none a language model */
            return NOT_OURS;
        if (!strcmp(name, "config.json") || !strcmp(name, "params.json") ||
            !strcmp(name, "adapter_config.json") || qfs_ends_with(name, ".safetensors"))
            kind = A_MODEL;
        else if (kind == OF_FOLDERS && is_gguf_model(name))
            kind = OF_GGUF_FILES;
    }
    return kind;
}

static bool is_repository(const char *path, const char *name)
{
    struct stat st;
    char *snapshots = NULL;
    bool is = qfs_starts_with(name, "models--") &&
              asprintf(&snapshots, "%s/snapshots", path) >= 0 && stat(snapshots, &st) == 0 &&
              S_ISDIR(st.st_mode);
    free(snapshots);
    return is;
}

bool qfs_scan_is_tree(const char *root)
{
    struct stat st;
    struct listed list = {0};
    const char *name = strrchr(root, '/');
    if (stat(root, &st) < 0 || !S_ISDIR(st.st_mode) ||
        is_repository(root, name && name[1] ? name + 1 : root))
        return false;
    bool tree = list_names(root, is_visible, &list) && kind_of(&list) == OF_FOLDERS;
    list_done(&list);
    return tree;
}

/* -- walking ------------------------------------------------------------------------------------ */

struct walk {
    struct qfs_scan *scan;
    struct qfs_map seen; /* device and inode of a folder: index of its model, or NO_MODEL */
    struct qfs_arena arena;
    unsigned nfolders;
    int rc;
    struct qfs_error *error;
};

static const uint64_t no_model = UINT64_MAX;

/* ModelScope keeps Qwen2.5 as Qwen2___5, with a link of the right name to it. */
static bool is_mangled(const char *path)
{
    return strstr(path, "___") != NULL;
}

static void add_model(struct walk *walk, const char *path, uint64_t *index)
{
    struct qfs_scan *scan = walk->scan;
    struct qfs_found found;
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 64;
        struct qfs_found *models = reallocarray(scan->models, capacity, sizeof(*models));
        if (!models) {
            walk->rc = qfs_fail_memory(walk->error);
            return;
        }
        scan->models = models;
        scan->capacity = capacity;
    }
    if (qfs_scan_model(&scan->arena, path, &found, NULL) < 0)
        return;
    if (*index != no_model) {
        scan->models[*index] = found;
    } else {
        *index = scan->count;
        scan->models[scan->count++] = found;
    }
}

static char *below(struct walk *walk, const char *path, const char *name)
{
    char *whole = qfs_arena_printf(&walk->arena, "%s/%s", path, name);
    if (!whole)
        walk->rc = qfs_fail_memory(walk->error);
    return whole;
}

/* True: the folder was not seen before under as good a name. *ret_index: its model of then. */
static bool is_news(struct walk *walk, const char *path, const struct stat *st, uint64_t *ret_index)
{
    const uint64_t id[] = {st->st_dev, st->st_ino};
    const char *key = qfs_arena_copy(&walk->arena, (const char *)id, sizeof(id));
    *ret_index = no_model;
    if (!key) {
        walk->rc = qfs_fail_memory(walk->error);
        return false;
    }
    const struct qfs_text text = {key, sizeof(id)};
    if (!qfs_map_get(&walk->seen, text, ret_index)) {
        if (qfs_map_set(&walk->seen, text, no_model) < 0)
            walk->rc = qfs_fail_memory(walk->error);
        return true;
    }
    return *ret_index != no_model && !is_mangled(path) &&
           is_mangled(walk->scan->models[*ret_index].path);
}

static void walk_folder(struct walk *walk, const char *path, const char *name, unsigned depth)
{
    struct stat st;
    struct listed list = {0};
    uint64_t index, none = no_model;
    if (walk->rc < 0 || stat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
        walk->nfolders++ > FOLDERS_MOST || !is_news(walk, path, &st, &index))
        return;
    bool known = is_repository(path, name);
    if (!known && !list_names(path, is_visible, &list))
        return;
    enum folder kind = known ? A_MODEL : kind_of(&list);
    if (kind == A_MODEL) {
        const uint64_t id[] = {st.st_dev, st.st_ino};
        const char *key = qfs_arena_copy(&walk->arena, (const char *)id, sizeof(id));
        add_model(walk, path, &index);
        if (!key || qfs_map_set(&walk->seen, (struct qfs_text){key, sizeof(id)}, index) < 0)
            walk->rc = qfs_fail_memory(walk->error);
    }
    for (size_t i = 0; i < list.count && walk->rc == 0; i++) {
        char *item = kind == OF_GGUF_FILES || (kind == OF_FOLDERS && depth < DEPTH_MOST)
                         ? below(walk, path, list.names[i])
                         : NULL;
        if (item && kind == OF_FOLDERS)
            walk_folder(walk, item, list.names[i], depth + 1);
        else if (item && is_gguf_model(list.names[i]))
            add_model(walk, item, &none), none = no_model;
    }
    list_done(&list);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct qfs_found *)a)->path, ((const struct qfs_found *)b)->path);
}

int qfs_scan_tree(const char *root, struct qfs_scan *ret_scan, struct qfs_error *error)
{
    struct qfs_scan scan = {0};
    struct walk walk = {.scan = &scan, .error = error};
    walk_folder(&walk, root, "", 0);
    qfs_map_done(&walk.seen);
    qfs_arena_done(&walk.arena);
    if (walk.rc < 0) {
        qfs_scan_done(&scan);
        return walk.rc;
    }
    if (scan.count)
        qsort(scan.models, scan.count, sizeof(*scan.models), by_path);
    *ret_scan = scan;
    return 0;
}

void qfs_scan_done(struct qfs_scan *scan)
{
    free(scan->models);
    qfs_arena_done(&scan->arena);
    *scan = (struct qfs_scan){0};
}
