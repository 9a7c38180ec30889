/* An opened source: what it holds while it is open, its engine, and the images of open views. */
#include "image_build.h"
#include "source.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

/* Images that nobody reads are kept this many at a time: opening a view again costs nothing then.
 */
enum { IDLE_IMAGES = 4 };

/* -- life ------------------------------------------------------------------------------------- */

static void source_free(struct qfs_source *source)
{
    for (size_t i = 0; i < source->nviews; i++)
        qfs_image_free(source->views[i].image);
    free(source->views);
    qfs_engine_free(source->engine);
    qfs_conversion_free(source->text);
    qfs_conversion_free(source->mmproj);
    qfs_imatrix_free(source->imatrix);
    qfs_own_views_done(&source->own);
    qfs_model_close(source->model);
    pthread_mutex_destroy(&source->lock);
    qfs_arena_done(&source->arena);
    free(source);
}

/* What the converter would make of the model. Encoders may be convertible where the language model
 * is not, and the other way round: then the views of one are there, those of the other say why not. */
static int convert(struct qfs_source *source, struct qfs_error *error)
{
    struct qfs_error reason = {0};
    struct qfs_convert_options how = {.model_name = source->options.model_name};
    if (source->options.mtp || source->options.no_mtp)
        how.draft = source->options.mtp ? QFS_DRAFT_ONLY : QFS_DRAFT_LEFT;
    if (source->model->gguf && (how.model_name || how.draft))
        return qfs_fail(error, EINVAL,
                        "%s: model-name, mtp and no-mtp are of the converter, which a GGUF source "
                        "does not need",
                        source->model->path);
    int rc = qfs_convert_with(source->model, &how, &source->text, &source->text_error);
    if (rc == -ENOMEM)
        return qfs_fail_memory(error);
    int other = qfs_convert_mmproj(source->model, &source->mmproj, &reason);
    if (other == -ENOMEM)
        return qfs_fail_memory(error);
    if (rc < 0 && other == 0)
        reason = source->text_error;
    if ((rc < 0 || other != -ENOENT) && (rc == 0 || other == 0) && reason.text[0] &&
        source->options.warn)
        source->options.warn(source->options.warn_arg, reason.text);
    if (rc == 0 || other == 0)
        return 0;
    return reason.text[0] ? qfs_fail(error, -rc, "%.290s; its language model: %.250s", reason.text,
                                     source->text_error.text)
                          : qfs_fail(error, -rc, "%s", source->text_error.text);
}

static char *copied(struct qfs_source *source, const char *string)
{
    return string ? qfs_arena_string(&source->arena, string) : NULL;
}

int qfs_source_open_known(const char *path, const struct qfs_options *options,
                          struct qfs_engine *engine, const struct qfs_view_info *known,
                          size_t nknown, struct qfs_source **ret_source, struct qfs_error *error)
{
    static const struct qfs_options no_options;
    struct qfs_source *source = calloc(1, sizeof(*source));
    if (!source)
        return qfs_fail_memory(error);
    if (!options)
        options = &no_options;
    pthread_mutex_init(&source->lock, NULL);
    source->refs = 1;
    source->given_engine = engine;
    source->known = known;
    source->nknown = nknown;
    source->options = *options;
    source->options.types = copied(source, options->types);
    source->options.views = copied(source, options->views);
    source->options.cache_dir = copied(source, options->cache_dir);
    source->options.model_name = copied(source, options->model_name);
    const struct qfs_model_how how = {options->base, options->mistral_format};
    int rc = 0;
    if (options->mtp && options->no_mtp)
        rc = qfs_fail(error, EINVAL, "mtp and no-mtp exclude each other");
    else if ((options->types && !source->options.types) ||
             (options->views && !source->options.views) ||
             (options->model_name && !source->options.model_name) ||
             (options->cache_dir && !source->options.cache_dir))
        rc = qfs_fail_memory(error);
    if (rc == 0)
        rc = qfs_source_set_options(source, options, error);
    if (rc == 0)
        rc = qfs_model_open_with(path, &how, &source->model, error);
    if (rc == 0 && options->pre &&
        !(source->model->pre = qfs_arena_string(&source->model->arena, options->pre)))
        rc = qfs_fail_memory(error);
    if (rc == 0 && options->verify_source)
        rc = qfs_model_verify(source->model, error);
    if (rc == 0 && source->model->gguf && source->given.outtype >= 0)
        rc = qfs_fail(error, EINVAL,
                      "%s: outtype is of the file that a model directory is converted to first; a "
                      "GGUF source is that file",
                      path);
    if (rc == 0)
        rc = convert(source, error);
    if (rc == 0)
        rc = qfs_source_list(source, error);
    if (rc < 0) {
        source_free(source);
        return rc;
    }
    source->known = NULL; /* borrowed until now */
    *ret_source = source;
    return 0;
}

int qfs_source_open_on(const char *path, const struct qfs_options *options,
                       struct qfs_engine *engine, struct qfs_source **ret_source,
                       struct qfs_error *error)
{
    return qfs_source_open_known(path, options, engine, NULL, 0, ret_source, error);
}

int qfs_source_open(const char *path, const struct qfs_options *options,
                    struct qfs_source **ret_source, struct qfs_error *error)
{
    return qfs_source_open_on(path, options, NULL, ret_source, error);
}

struct qfs_source *qfs_source_ref(struct qfs_source *source)
{
    pthread_mutex_lock(&source->lock);
    source->refs++;
    pthread_mutex_unlock(&source->lock);
    return source;
}

bool qfs_source_is_used(struct qfs_source *source)
{
    pthread_mutex_lock(&source->lock);
    bool used = source->refs > 1;
    pthread_mutex_unlock(&source->lock);
    return used;
}

void qfs_source_unref(struct qfs_source *source)
{
    if (!source)
        return;
    pthread_mutex_lock(&source->lock);
    bool last = --source->refs == 0;
    pthread_mutex_unlock(&source->lock);
    if (last)
        source_free(source);
}

void qfs_source_close(struct qfs_source *source)
{
    if (!source)
        return;
    /* Ends the team here: a worker that drops the last reference could not wait for itself. */
    if (source->engine)
        qfs_engine_stop(source->engine);
    qfs_source_unref(source);
}

/* -- what a source knows ---------------------------------------------------------------------- */

const struct qfs_model *qfs_source_model(const struct qfs_source *source)
{
    return source->model;
}

const struct qfs_conversion *qfs_source_conversion(const struct qfs_source *source)
{
    return source->text ? source->text : source->mmproj;
}

size_t qfs_source_count(const struct qfs_source *source)
{
    return source->nviews;
}

const struct qfs_view_info *qfs_source_view(const struct qfs_source *source, size_t index)
{
    return index < source->nviews ? &source->views[index].info : NULL;
}

bool qfs_source_fills(const struct qfs_source *source)
{
    return !source->options.no_fill;
}

/* -- engine ----------------------------------------------------------------------------------- */

int qfs_engine_open(const struct qfs_options *options, struct qfs_engine **ret_engine,
                    struct qfs_error *error)
{
    struct qfs_engine_options how = {
        .threads = options->threads,
        .memory = options->memory ? options->memory : QFS_DEFAULT_MEMORY,
        .warn = options->warn,
        .warn_arg = options->warn_arg,
    };
    if (!options->no_cache) {
        struct qfs_disk_options disk = {
            .dir = options->cache_dir,
            .limit = options->cache_size,
            .min_free = options->cache_min_free,
            .warn = options->warn,
            .warn_arg = options->warn_arg,
        };
        struct qfs_error reason;
        int rc = qfs_disk_open(&disk, &how.disk, &reason);
        if (rc < 0 && options->cache_dir) { /* asked for by name: must be right */
            if (error)
                *error = reason;
            return rc;
        }
        if (rc < 0 && options->warn)
            options->warn(options->warn_arg, reason.text);
    }
    return qfs_engine_new(&how, ret_engine, error);
}

/* Tells the cache where its chunks come from, before there are any. */
static void note_origins(struct qfs_source *source, struct qfs_engine *engine)
{
    struct qfs_disk *disk = qfs_engine_disk(engine);
    pthread_mutex_lock(&source->lock);
    bool noted = source->origins_noted;
    source->origins_noted = true;
    pthread_mutex_unlock(&source->lock);
    for (size_t i = 0; disk && !noted && i < source->model->nfiles; i++)
        qfs_disk_note_origin(disk, source->model->files[i].identity, source->model->files[i].fd);
}

int qfs_source_engine(struct qfs_source *source, struct qfs_engine **ret_engine,
                      struct qfs_error *error)
{
    struct qfs_engine *engine = source->given_engine;
    int rc = 0;
    if (!engine) {
        pthread_mutex_lock(&source->lock);
        if (!source->engine)
            rc = qfs_engine_open(&source->options, &source->engine, error);
        engine = source->engine;
        pthread_mutex_unlock(&source->lock);
    }
    if (rc == 0)
        note_origins(source, engine);
    if (rc == 0)
        rc = qfs_engine_start(engine, error);
    if (rc == 0)
        *ret_engine = engine;
    return rc;
}

/* -- images ----------------------------------------------------------------------------------- */

int qfs_image_get(struct qfs_source *source, size_t index, struct qfs_image **ret_image,
                  struct qfs_error *error)
{
    struct qfs_source_view *view = &source->views[index];
    struct qfs_plan *plan = NULL;
    int rc = 0;
    if (view->info.refused)
        return qfs_fail(error, ENOTSUP, "%s: %s", view->info.name, view->info.refused);
    pthread_mutex_lock(&source->lock);
    if (!view->image) {
        rc = qfs_source_plan(source, view, &plan, error);
        if (rc == 0 && plan->size != view->info.size)
            rc = qfs_fail(error, ESTALE, "%s: is not of the size that it had", view->info.name);
        if (rc == 0)
            rc = qfs_image_build(source, index, plan, &view->image, error);
        if (rc < 0)
            qfs_plan_free(plan);
    }
    if (rc == 0) {
        source->refs += view->image->users++ == 0;
        view->last_used = ++source->clock;
        *ret_image = view->image;
    }
    pthread_mutex_unlock(&source->lock);
    return rc;
}

struct qfs_image *qfs_image_ref(struct qfs_image *image)
{
    pthread_mutex_lock(&image->source->lock);
    image->users++;
    pthread_mutex_unlock(&image->source->lock);
    return image;
}

/* Locked. Takes out the idle image unused for longest when there are too many; the caller frees it.
 */
static struct qfs_image *surplus_image(struct qfs_source *source)
{
    struct qfs_source_view *oldest = NULL;
    unsigned idle = 0;
    for (size_t i = 0; i < source->nviews; i++) {
        struct qfs_source_view *view = &source->views[i];
        if (!view->image || view->image->users)
            continue;
        idle++;
        if (!oldest || view->last_used < oldest->last_used)
            oldest = view;
    }
    if (idle <= IDLE_IMAGES)
        return NULL;
    struct qfs_image *image = oldest->image;
    oldest->image = NULL;
    return image;
}

void qfs_image_put(struct qfs_image *image)
{
    struct qfs_source *source = image->source;
    struct qfs_image *surplus = NULL;
    pthread_mutex_lock(&source->lock);
    bool idle = --image->users == 0;
    if (idle)
        surplus = surplus_image(source);
    pthread_mutex_unlock(&source->lock);
    qfs_image_free(surplus);
    if (idle)
        qfs_source_unref(source);
}

int qfs_source_status(struct qfs_source *source, char **ret_json, struct qfs_error *error)
{
    struct qfs_engine *engine = source->given_engine;
    if (!engine) {
        pthread_mutex_lock(&source->lock);
        engine = source->engine; /* stays once it is there */
        pthread_mutex_unlock(&source->lock);
    }
    return qfs_status_json(engine, NULL, ret_json, error);
}
