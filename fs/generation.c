#include "generation.h"
#include "view.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- what the source is made of --------------------------------------------------------------- */

/* Files that a view's bytes may come from. Others come and go without a new generation. */
static bool is_part_of_source(const char *name)
{
    static const char *const ends[] = {".safetensors", ".json", ".jinja",  ".model",
                                       ".txt",         ".md",   ".bin",    ".gguf",
                                       ".tiktoken",    ".dat",  ".imatrix"};
    for (size_t i = 0; i < QFS_COUNT(ends); i++)
        if (qfs_ends_with(name, ends[i]))
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_stat(struct qfs_buffer *to, const char *name, const struct stat *st)
{
    const int64_t numbers[] = {(int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_size,
                               st->st_mtim.tv_sec, st->st_mtim.tv_nsec};
    qfs_buffer_append(to, name, strlen(name) + 1);
    qfs_buffer_append(to, numbers, sizeof(numbers));
}

struct names {
    struct qfs_arena arena;
    char **items;
    size_t count, capacity;
};

static int add_name(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 64;
        char **items = reallocarray(names->items, capacity, sizeof(*items));
        if (!items)
            return -ENOMEM;
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = qfs_arena_string(&names->arena, name);
    if (!copy)
        return -ENOMEM;
    names->items[names->count++] = copy;
    return 0;
}

static int look_into(DIR *dir, struct qfs_buffer *all)
{
    struct names names = {0};
    int rc = 0;
    for (struct dirent *item; rc == 0 && (item = readdir(dir));)
        if (is_part_of_source(item->d_name))
            rc = add_name(&names, item->d_name);
    if (rc == 0 && names.count)
        qsort(names.items, names.count, sizeof(*names.items), by_name);
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        struct stat st = {0}; /* stays so where a link leads nowhere */
        (void)!fstatat(dirfd(dir), names.items[i], &st, 0);
        add_stat(all, names.items[i], &st);
    }
    free(names.items);
    qfs_arena_done(&names.arena);
    return rc;
}

int qfs_generation_number(const char *source, uint64_t *ret_number, struct qfs_error *error)
{
    struct qfs_model model = {.dir_fd = -1};
    struct qfs_buffer all = {0};
    int rc = qfs_source_locate(&model, source, error);
    for (size_t i = 0; rc == 0 && i < model.ngguf_names; i++) {
        struct stat st = {0}; /* stays so where a part is missing */
        (void)!fstatat(model.dir_fd, model.gguf_names[i], &st, 0);
        add_stat(&all, model.gguf_names[i], &st);
    }
    if (rc == 0 && model.ngguf_names) {
        static const char own[] = "quantfs.json"; /* views of one's own lie beside the file */
        struct stat st;
        if (fstatat(model.dir_fd, own, &st, 0) == 0)
            add_stat(&all, own, &st);
    }
    if (rc == 0 && !model.ngguf_names) {
        DIR *dir = opendir(model.path);
        rc = dir ? look_into(dir, &all) : -errno;
        if (rc < 0)
            (void)qfs_fail(error, -rc, "%s: cannot be listed", model.path);
        if (dir)
            closedir(dir);
    }
    if (rc == 0 && all.failed)
        rc = qfs_fail_memory(error);
    if (rc == 0)
        *ret_number = qfs_hash64(all.data, all.size);
    qfs_buffer_done(&all);
    if (model.dir_fd >= 0)
        close(model.dir_fd);
    qfs_arena_done(&model.arena);
    return rc;
}

/* -- summaries -------------------------------------------------------------------------------- */

static void summary_free(struct qfs_summary *summary)
{
    if (!summary)
        return;
    struct qfs_arena arena = summary->arena; /* holds the summary itself */
    qfs_arena_done(&arena);
}

static uint64_t count_weights(const struct qfs_conversion *conversion)
{
    uint64_t count = 0;
    for (size_t i = 0; i < conversion->ntensors; i++)
        count += (uint64_t)qfs_recipe_count(conversion->tensors[i].recipe);
    return count;
}

static int summarize(const struct qfs_source *source, struct qfs_summary **ret_summary,
                     struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    const struct qfs_model *model = qfs_source_model(source);
    const struct qfs_conversion *conversion = qfs_source_conversion(source);
    size_t nviews = qfs_source_count(source);
    struct qfs_summary *summary = qfs_arena_alloc(&arena, sizeof(*summary));
    struct qfs_view_info *views = qfs_arena_array(&arena, nviews, sizeof(*views));
    bool whole = summary && (views || !nviews);
    for (size_t i = 0; i < nviews && whole; i++) {
        const struct qfs_view_info *view = qfs_source_view(source, i);
        views[i] = *view;
        views[i].name = qfs_arena_string(&arena, view->name);
        views[i].type = qfs_arena_string(&arena, view->type);
        views[i].refused = view->refused ? qfs_arena_string(&arena, view->refused) : NULL;
        whole = views[i].name && views[i].type && (views[i].refused || !view->refused);
    }
    if (whole) {
        summary->name = qfs_arena_string(&arena, model->name);
        summary->architecture = qfs_arena_string(&arena, conversion->arch);
        whole = summary->name && summary->architecture;
    }
    if (!whole) {
        qfs_arena_done(&arena);
        return qfs_fail_memory(error);
    }
    summary->nweights = count_weights(conversion);
    summary->adapter = model->adapter != NULL;
    summary->mtime.tv_sec = model->mtime_ns / 1000000000;
    summary->mtime.tv_nsec = model->mtime_ns % 1000000000;
    summary->views = views;
    summary->nviews = nviews;
    summary->arena = arena;
    *ret_summary = summary;
    return 0;
}

/* -- generations ------------------------------------------------------------------------------ */

static mode_t readers_of(const struct qfs_model *model)
{
    mode_t mode = 0444;
    for (size_t i = 0; i < model->nfiles; i++) {
        struct stat st;
        if (fstat(model->files[i].fd, &st) == 0)
            mode &= st.st_mode;
    }
    return mode | 0400;
}

int qfs_generation_open(const char *path, uint64_t number, const struct qfs_options *options,
                        struct qfs_engine *engine, struct qfs_generation **ret_generation,
                        struct qfs_error *error)
{
    struct qfs_generation *generation = calloc(1, sizeof(*generation));
    struct qfs_summary *summary = NULL;
    if (!generation)
        return qfs_fail_memory(error);
    generation->refs = 1;
    generation->number = number;
    int rc = qfs_source_open_on(path, options, engine, &generation->source, error);
    if (rc == 0)
        rc = summarize(generation->source, &summary, error);
    if (rc < 0) {
        qfs_generation_unref(generation);
        return rc;
    }
    generation->path = path;
    generation->publisher = "local";
    generation->summary = summary;
    generation->mode = readers_of(qfs_source_model(generation->source));
    *ret_generation = generation;
    return 0;
}

struct qfs_generation *qfs_generation_ref(struct qfs_generation *generation)
{
    __atomic_add_fetch(&generation->refs, 1, __ATOMIC_RELAXED);
    return generation;
}

void qfs_generation_unref(struct qfs_generation *generation)
{
    if (!generation || __atomic_sub_fetch(&generation->refs, 1, __ATOMIC_ACQ_REL))
        return;
    qfs_source_unref(generation->source);
    summary_free((struct qfs_summary *)generation->summary);
    free(generation);
}

int qfs_generation_view(struct qfs_generation *generation, size_t index, struct qfs_view **ret_view,
                        struct qfs_error *error)
{
    return qfs_view_open_at(generation->source, index, ret_view, error);
}
