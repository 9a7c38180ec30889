#include "generation.h"
#include "source.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDLE_SOURCES = 4, IDLE_MS = 60 * 1000 };

struct qfs_generation *qfs_generation_new(struct qfs_arena arena, const struct qfs_found *found)
{
    struct qfs_generation *generation = calloc(1, sizeof(*generation));
    if (!generation) {
        qfs_arena_done(&arena);
        return NULL;
    }
    generation->refs = 1;
    generation->arena = arena;
    generation->found = *found;
    generation->number = found->number;
    generation->mode = found->mode;
    return generation;
}

struct qfs_generation *qfs_generation_ref(struct qfs_generation *generation)
{
    __atomic_add_fetch(&generation->refs, 1, __ATOMIC_RELAXED);
    return generation;
}

/* -- the shelf ---------------------------------------------------------------------------------- */

void qfs_shelf_init(struct qfs_shelf *shelf, const struct qfs_options *options,
                    struct qfs_engine *engine)
{
    *shelf = (struct qfs_shelf){.options = options, .engine = engine};
    pthread_mutex_init(&shelf->lock, NULL);
    pthread_mutex_init(&shelf->opening, NULL);
}

/* Locked. The caller closes what it is given. */
static struct qfs_source *take_off(struct qfs_shelf *shelf, struct qfs_generation *generation)
{
    struct qfs_source *source = generation->source;
    *(generation->newer ? &generation->newer->older : &shelf->newest) = generation->older;
    if (generation->older)
        generation->older->newer = generation->newer;
    generation->newer = generation->older = NULL;
    generation->source = NULL;
    shelf->nopen--;
    return source;
}

/* Locked. As the one used last. */
static void put_on(struct qfs_shelf *shelf, struct qfs_generation *generation,
                   struct qfs_source *source)
{
    generation->shelf = shelf;
    generation->source = source;
    generation->used_ms = qfs_clock_ms();
    generation->newer = NULL;
    generation->older = shelf->newest;
    if (shelf->newest)
        shelf->newest->newer = generation;
    shelf->newest = generation;
    shelf->nopen++;
}

/* Locked. One that is not needed any more, NULL when all are. */
static struct qfs_source *surplus(struct qfs_shelf *shelf)
{
    int64_t now = qfs_clock_ms();
    unsigned nidle = 0;
    for (struct qfs_generation *at = shelf->newest; at; at = at->older) {
        if (qfs_source_is_used(at->source))
            at->used_ms = now;
        else if (++nidle > IDLE_SOURCES || now - at->used_ms > IDLE_MS)
            return take_off(shelf, at);
    }
    return NULL;
}

void qfs_shelf_tidy(struct qfs_shelf *shelf)
{
    struct qfs_source *source = NULL;
    do {
        pthread_mutex_lock(&shelf->lock);
        source = surplus(shelf);
        pthread_mutex_unlock(&shelf->lock);
        qfs_source_unref(source);
    } while (source);
}

void qfs_shelf_done(struct qfs_shelf *shelf)
{
    while (shelf->newest)
        qfs_source_unref(take_off(shelf, shelf->newest));
    pthread_mutex_destroy(&shelf->opening);
    pthread_mutex_destroy(&shelf->lock);
}

void qfs_generation_unref(struct qfs_generation *generation)
{
    if (!generation || __atomic_sub_fetch(&generation->refs, 1, __ATOMIC_ACQ_REL))
        return;
    struct qfs_shelf *shelf = generation->shelf;
    if (shelf) {
        pthread_mutex_lock(&shelf->lock);
        struct qfs_source *source = generation->source ? take_off(shelf, generation) : NULL;
        pthread_mutex_unlock(&shelf->lock);
        qfs_source_unref(source);
    }
    qfs_summary_free(generation->made);
    free(generation->reason);
    qfs_arena_done(&generation->arena);
    free(generation);
}

/* -- opening ------------------------------------------------------------------------------------ */

/* --imatrix auto: the one that lies in the model's folder, if there is one. */
static int own_options(const struct qfs_generation *generation, const struct qfs_options *options,
                       struct qfs_options *ret_options, char **ret_path)
{
    static const char *const names[] = {"imatrix.gguf", "imatrix.dat"};
    *ret_options = *options;
    *ret_path = NULL;
    if (!options->imatrix || strcmp(options->imatrix, "auto") != 0)
        return 0;
    ret_options->imatrix = NULL;
    for (size_t i = 0; i < QFS_COUNT(names) && !ret_options->imatrix; i++) {
        free(*ret_path);
        *ret_path = NULL;
        if (asprintf(ret_path, "%s/%s", generation->found.dir, names[i]) < 0) {
            *ret_path = NULL;
            return -ENOMEM;
        }
        if (access(*ret_path, R_OK) == 0)
            ret_options->imatrix = *ret_path;
    }
    return 0;
}

static int open_source(struct qfs_generation *generation, struct qfs_shelf *shelf,
                       struct qfs_source **ret_source, struct qfs_error *error)
{
    struct qfs_options options;
    char *path;
    if (own_options(generation, shelf->options, &options, &path) < 0)
        return qfs_fail_memory(error);
    const struct qfs_summary *summary = generation->summary;
    int rc = qfs_source_open_known(generation->found.path, &options, shelf->engine,
                                   summary ? summary->views : NULL, summary ? summary->nviews : 0,
                                   ret_source, error);
    free(path);
    return rc;
}

static struct qfs_disk *disk_of(const struct qfs_shelf *shelf)
{
    return shelf->engine && !shelf->options->verify_source ? qfs_engine_disk(shelf->engine) : NULL;
}

static int key_of(const struct qfs_generation *generation, const struct qfs_shelf *shelf,
                  struct qfs_digest *ret_key)
{
    struct qfs_options options;
    char *path;
    if (own_options(generation, shelf->options, &options, &path) < 0)
        return -ENOMEM;
    *ret_key = qfs_summary_key(generation->found.path, generation->number, &options);
    free(path);
    return 0;
}

struct qfs_summary *qfs_generation_kept(struct qfs_generation *generation, struct qfs_shelf *shelf)
{
    struct qfs_disk *disk = disk_of(shelf);
    struct qfs_digest key;
    if (!disk || generation->afresh || key_of(generation, shelf, &key) < 0)
        return NULL;
    return qfs_summary_load(disk, key);
}

int qfs_generation_plan(struct qfs_generation *generation, struct qfs_shelf *shelf, bool keep,
                        struct qfs_summary **ret_summary, struct qfs_error *error)
{
    struct qfs_disk *disk = disk_of(shelf);
    struct qfs_source *source;
    struct qfs_digest key;
    if (key_of(generation, shelf, &key) < 0)
        return qfs_fail_memory(error);
    int rc = open_source(generation, shelf, &source, error);
    if (rc < 0)
        return rc;
    rc = qfs_summary_of(source, ret_summary, error);
    /* What an adapter's views are depends on another model's files too, what views of one's own are on
     * matrices that may lie anywhere. */
    if (rc == 0 && disk && !keep && !shelf->options->no_fill && !(*ret_summary)->adapter &&
        !source->own.count)
        qfs_summary_store(disk, key, *ret_summary);
    if (rc == 0 && keep) {
        pthread_mutex_lock(&shelf->lock);
        put_on(shelf, generation, source);
        pthread_mutex_unlock(&shelf->lock);
    } else {
        qfs_source_unref(source);
    }
    return rc;
}

/* A reference to the open source; opened if need be. */
static int get_source(struct qfs_generation *generation, struct qfs_shelf *shelf,
                      struct qfs_source **ret_source, struct qfs_error *error)
{
    struct qfs_source *source = NULL;
    int rc = 0;
    pthread_mutex_lock(&shelf->opening);
    pthread_mutex_lock(&shelf->lock);
    if (generation->source) {
        source = qfs_source_ref(take_off(shelf, generation));
        put_on(shelf, generation, source);
    }
    pthread_mutex_unlock(&shelf->lock);
    if (!source && (rc = open_source(generation, shelf, &source, error)) == 0) {
        pthread_mutex_lock(&shelf->lock);
        put_on(shelf, generation, qfs_source_ref(source));
        pthread_mutex_unlock(&shelf->lock);
    }
    pthread_mutex_unlock(&shelf->opening);
    if (rc == 0)
        *ret_source = source;
    return rc;
}

int qfs_generation_view(struct qfs_generation *generation, struct qfs_shelf *shelf, size_t index,
                        struct qfs_view **ret_view, struct qfs_error *error)
{
    struct qfs_source *source = NULL;
    int rc = get_source(generation, shelf, &source, error);
    if (rc < 0)
        return rc;
    if (qfs_source_count(source) != generation->summary->nviews)
        rc = qfs_fail(error, ESTALE, "%s: is not what was kept of it; it is looked at again",
                      generation->found.path);
    else
        rc = qfs_view_open_at(source, index, ret_view, error); /* the view holds the source */
    qfs_source_unref(source);
    qfs_shelf_tidy(shelf);
    return rc;
}
