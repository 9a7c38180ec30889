/* Generations of files.
 *
 * 1. `lock` guards `current`, all `refs`, and what remembers the last look; it is held for moments.
 * 2. `refreshing` is held while a changed source is opened, which may take a second; nobody needs it
 *    who only wants the generation of now. */
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 1000 };

struct qfs_tree {
    const char *path;
    const struct qfs_options *options;
    struct qfs_engine *engine;
    pthread_mutex_t refreshing;
    pthread_mutex_t lock;
    struct qfs_generation *current;
    int64_t looked_ms;
    uint64_t failed_number; /* generation that could not be opened, and why */
    int failed_rc;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- what the source is made of --------------------------------------------------------------- */

/* Files that a view's bytes may come from. Others come and go without a new generation. */
static bool is_part_of_source(const char *name)
{
    static const char *const ends[] = {".safetensors", ".json", ".jinja", ".model",   ".txt",
                                       ".md",          ".bin",  ".gguf",  ".tiktoken"};
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

/* A number that changes when a file of the source is replaced, edited, added or removed, or when the
 * name leads elsewhere. */
static int look_at(const char *source, uint64_t *ret_number, struct qfs_error *error)
{
    struct qfs_model model = {.dir_fd = -1};
    struct qfs_buffer all = {0};
    int rc = qfs_source_locate(&model, source, error);
    for (size_t i = 0; rc == 0 && i < model.ngguf_names; i++) {
        struct stat st = {0}; /* stays so where a part is missing */
        (void)!fstatat(model.dir_fd, model.gguf_names[i], &st, 0);
        add_stat(&all, model.gguf_names[i], &st);
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

/* 48 bits of what the file is: the same after a remount, another after the source changed. */
static uint64_t ino_of(const char *name, uint64_t number)
{
    uint64_t ino = qfs_hash64_seed(name, strlen(name), number) >> 16;
    return ino > QFS_STATUS_INO ? ino : ino + 1000;
}

static int new_generation(struct qfs_tree *tree, uint64_t number, struct qfs_generation **ret,
                          struct qfs_error *error)
{
    struct qfs_source *source;
    int rc = qfs_source_open_on(tree->path, tree->options, tree->engine, &source, error);
    if (rc < 0)
        return rc;
    const struct qfs_model *model = qfs_source_model(source);
    struct qfs_generation *generation =
        calloc(1, sizeof(*generation) + qfs_source_count(source) * sizeof(struct qfs_node));
    if (!generation) {
        qfs_source_unref(source);
        return qfs_fail_memory(error);
    }
    generation->refs = 1;
    generation->source = source;
    generation->number = number;
    generation->mode = readers_of(model);
    generation->mtime.tv_sec = model->mtime_ns / 1000000000;
    generation->mtime.tv_nsec = model->mtime_ns % 1000000000;
    for (size_t i = 0; i < qfs_source_count(source); i++) {
        const struct qfs_view_info *info = qfs_source_view(source, i);
        if (info->refused)
            continue;
        generation->nodes[generation->nnodes++] =
            (struct qfs_node){ino_of(info->name, number), info->name, info->size, i};
        generation->size += info->size;
    }
    *ret = generation;
    return 0;
}

void qfs_generation_put(struct qfs_tree *tree, struct qfs_generation *generation)
{
    if (!generation)
        return;
    pthread_mutex_lock(&tree->lock);
    bool last = --generation->refs == 0;
    pthread_mutex_unlock(&tree->lock);
    if (!last)
        return;
    qfs_source_unref(generation->source);
    free(generation);
}

struct qfs_generation *qfs_tree_get(struct qfs_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    struct qfs_generation *generation = tree->current;
    generation->refs++;
    pthread_mutex_unlock(&tree->lock);
    return generation;
}

const struct qfs_node *qfs_node_by_name(const struct qfs_generation *generation, const char *name)
{
    for (size_t i = 0; i < generation->nnodes; i++)
        if (!strcmp(generation->nodes[i].name, name))
            return &generation->nodes[i];
    return NULL;
}

const struct qfs_node *qfs_node_by_ino(const struct qfs_generation *generation, uint64_t ino)
{
    for (size_t i = 0; i < generation->nnodes; i++)
        if (generation->nodes[i].ino == ino)
            return &generation->nodes[i];
    return NULL;
}

void qfs_node_stat(const struct qfs_generation *generation, const struct qfs_node *node,
                   struct stat *ret_stat)
{
    struct stat st = {
        .st_ino = node ? node->ino : QFS_ROOT_INO,
        .st_nlink = node ? 1 : 2,
        .st_size = node ? (off_t)node->size : 0,
        .st_blksize = 4096,
        /* All of it is there, whatever was computed so far: fewer blocks mean holes to cp and tar. */
        .st_blocks = node ? (blkcnt_t)((node->size + 511) / 512) : 0,
        .st_atim = generation->mtime,
        .st_mtim = generation->mtime,
        .st_ctim = generation->mtime,
    };
    st.st_mode = node ? S_IFREG | generation->mode
                      : S_IFDIR | generation->mode | (generation->mode & 0444) >> 2;
    *ret_stat = st;
}

/* -- change ----------------------------------------------------------------------------------- */

static void remember_failure(struct qfs_tree *tree, uint64_t number, int rc,
                             const struct qfs_error *error)
{
    pthread_mutex_lock(&tree->lock);
    bool known = tree->failed_rc && tree->failed_number == number;
    tree->failed_number = number;
    tree->failed_rc = rc;
    pthread_mutex_unlock(&tree->lock);
    if (!known)
        qfs_engine_warn(tree->engine, error->text);
}

/* Opens the source as it is now. One at a time. */
static int renew(struct qfs_tree *tree, uint64_t number)
{
    struct qfs_generation *fresh = NULL, *old;
    struct qfs_error error;
    pthread_mutex_lock(&tree->lock);
    bool same = number == tree->current->number;
    int rc = number == tree->failed_number ? tree->failed_rc : 0;
    pthread_mutex_unlock(&tree->lock);
    if (same || rc < 0) /* somebody else was first, or it was tried already */
        return same ? 0 : rc;
    rc = new_generation(tree, number, &fresh, &error);
    if (rc < 0) {
        remember_failure(tree, number, rc, &error);
        return rc;
    }
    pthread_mutex_lock(&tree->lock);
    old = tree->current;
    tree->current = fresh;
    tree->failed_rc = 0;
    pthread_mutex_unlock(&tree->lock);
    qfs_generation_put(tree, old);
    qfs_engine_warn(tree->engine, "the source changed: new opens see it as it is now");
    return 0;
}

int qfs_tree_refresh(struct qfs_tree *tree, bool urgent)
{
    uint64_t number;
    struct qfs_error error;
    int64_t now = now_ms();
    pthread_mutex_lock(&tree->lock);
    bool look = urgent || now >= tree->looked_ms + LOOK_AGAIN_MS;
    if (look)
        tree->looked_ms = now;
    uint64_t known = tree->current->number;
    int rc = tree->failed_rc;
    pthread_mutex_unlock(&tree->lock);
    if (!look)
        return rc;
    rc = look_at(tree->path, &number, &error);
    if (rc < 0) {
        remember_failure(tree, 0, rc, &error);
    } else if (number != known) {
        pthread_mutex_lock(&tree->refreshing);
        rc = renew(tree, number);
        pthread_mutex_unlock(&tree->refreshing);
    } else {
        pthread_mutex_lock(&tree->lock);
        tree->failed_rc = 0; /* it is back as it was */
        pthread_mutex_unlock(&tree->lock);
    }
    return rc;
}

/* -- life ------------------------------------------------------------------------------------- */

int qfs_tree_open(const char *path, const struct qfs_options *options, struct qfs_engine *engine,
                  struct qfs_tree **ret_tree, struct qfs_error *error)
{
    uint64_t number;
    struct qfs_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return qfs_fail_memory(error);
    tree->path = path;
    tree->options = options;
    tree->engine = engine;
    pthread_mutex_init(&tree->lock, NULL);
    pthread_mutex_init(&tree->refreshing, NULL);
    /* Looked at first: what changes while it is opened is noticed by the next look. */
    int rc = look_at(path, &number, error);
    if (rc == 0)
        rc = new_generation(tree, number, &tree->current, error);
    if (rc < 0) {
        qfs_tree_close(tree);
        return rc;
    }
    *ret_tree = tree;
    return 0;
}

void qfs_tree_close(struct qfs_tree *tree)
{
    if (!tree)
        return;
    qfs_generation_put(tree, tree->current);
    pthread_mutex_destroy(&tree->refreshing);
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}
