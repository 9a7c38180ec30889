/* A source's views: which there are, how big, and the images of those that are open. */
#include "image.h"
#include "image_build.h"
#include "status.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Images that nobody reads are kept this many at a time: opening a view again costs nothing then.
 */
enum { IDLE_IMAGES = 4 };

struct qfs_source {
    struct qfs_arena arena;
    struct qfs_options options; /* what lies behind its pointers: types, cache_dir only */
    struct qfs_model *model;
    struct qfs_conversion *text, *mmproj; /* NULL: there is none; then text_error says why */
    struct qfs_error text_error;
    struct qfs_imatrix *imatrix;
    struct qfs_view_options view_options;
    struct qfs_source_view *views;
    size_t nviews, capacity;
    struct qfs_engine *given_engine; /* borrowed */

    pthread_mutex_t lock;      /* guards what follows and what names it in image.h */
    struct qfs_engine *engine; /* own, NULL until it is needed */
    uint32_t refs;             /* the owner's and one for each image that has users */
    uint64_t clock;
};

/* -- options ---------------------------------------------------------------------------------- */

static char *copied(struct qfs_source *source, const char *string)
{
    return string ? qfs_arena_string(&source->arena, string) : NULL;
}

/* One option of llama-quantize, given or not. */
static int set_option(struct qfs_source *source, const char *name, const char *value,
                      struct qfs_error *error)
{
    return value ? qfs_view_options_set(&source->view_options, &source->arena, name, value, error)
                 : 0;
}

static int set_all(struct qfs_source *source, const char *name, const char *const *values,
                   size_t count, struct qfs_error *error)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = set_option(source, name, values[i], error);
    return rc;
}

static int set_view_options(struct qfs_source *source, const struct qfs_options *options,
                            struct qfs_error *error)
{
    const struct qfs_view_options none = QFS_VIEW_OPTIONS_INIT;
    struct qfs_view_options *view = &source->view_options;
    *view = none;
    view->pure = options->pure;
    view->leave_output_tensor = options->leave_output_tensor;
    view->allow_requantize = options->allow_requantize;
    view->no_tensor_first_split = options->no_tensor_first_split;
    int rc = set_option(source, "outtype", options->outtype, error);
    if (rc == 0)
        rc = set_option(source, "split-max-size", options->split_max_size, error);
    if (rc == 0)
        rc = set_option(source, "split-max-tensors", options->split_max_tensors, error);
    if (rc == 0)
        rc = set_option(source, "output-tensor-type", options->output_tensor_type, error);
    if (rc == 0)
        rc = set_option(source, "token-embedding-type", options->token_embedding_type, error);
    if (rc == 0)
        rc = set_all(source, "tensor-type", options->tensor_types, options->ntensor_types, error);
    if (rc == 0)
        rc = set_all(source, "override-kv", options->overrides, options->noverrides, error);
    if (rc == 0 && options->nprune_layers) {
        int *layers = qfs_arena_array(&source->arena, options->nprune_layers, sizeof(*layers));
        if (!layers)
            return qfs_fail_memory(error);
        memcpy(layers, options->prune_layers, options->nprune_layers * sizeof(*layers));
        view->prune_layers = layers;
        view->nprune_layers = options->nprune_layers;
    }
    if (rc == 0 && options->imatrix) {
        const struct qfs_imatrix_options how = {
            .file = options->imatrix_name,
            .include = options->include_weights,
            .ninclude = options->ninclude_weights,
            .exclude = options->exclude_weights,
            .nexclude = options->nexclude_weights,
        };
        rc = qfs_imatrix_open(options->imatrix, &how, &source->imatrix, error);
        view->imatrix = source->imatrix;
    }
    return rc;
}

/* -- the list of views ------------------------------------------------------------------------ */

/* Projectors' files are named like the model's with this before it, and so are their types. */
static const char mmproj_prefix[] = "mmproj-";

/* The type that NAME is, and whose: "q4_k_m", "mmproj-f16"; NULL if it is none. */
static const struct qfs_ftype *parse_type(const char *name, size_t size, const char **ret_prefix)
{
    char copy[40] = "";
    if (size < sizeof(copy))
        memcpy(copy, name, size);
    size_t skip =
        strncasecmp(copy, mmproj_prefix, strlen(mmproj_prefix)) == 0 ? strlen(mmproj_prefix) : 0;
    *ret_prefix = skip ? mmproj_prefix : "";
    return qfs_ftype_by_name(copy + skip);
}

/* Is the type in the comma-separated `list`? NULL holds all. */
static bool is_listed(const char *list, const char *prefix, const struct qfs_ftype *ftype)
{
    if (!list)
        return true;
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        const char *whose;
        if (parse_type(at, size, &whose) == ftype && strcmp(whose, prefix) == 0)
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static int check_types(const char *list, struct qfs_error *error)
{
    for (const char *at = list ? list : ""; *at;) {
        size_t size = strcspn(at, ",");
        const char *whose;
        if (!parse_type(at, size, &whose)) {
            struct qfs_buffer known = {0};
            for (const struct qfs_ftype *type = qfs_ftypes; type->name; type++)
                qfs_buffer_printf(&known, " %s", type->name);
            int rc = qfs_fail(error, EINVAL, "'%.*s' is not a type: known are%.*s",
                              (int)QFS_MIN(size, (size_t)40), at, (int)known.size,
                              (const char *)known.data);
            qfs_buffer_done(&known);
            return rc;
        }
        at += size + (at[size] == ',');
    }
    return 0;
}

/* Can every tensor of the plan be computed by this build? */
static bool is_computable(const struct qfs_plan *plan)
{
    const struct qfs_kernels *kernels = qfs_kernels_get(~0u);
    for (size_t i = 0; i < plan->ntensors; i++) {
        const struct qfs_plan_tensor *tensor = &plan->tensors[i];
        if (qfs_type_info(tensor->type)->quantized && tensor->type != tensor->half &&
            !kernels->quantize[tensor->type])
            return false;
    }
    return true;
}

static double weight_bits(const struct qfs_plan *plan)
{
    double weights = 0, bytes = 0;
    for (size_t i = 0; i < plan->ntensors; i++) {
        const struct qfs_plan_tensor *tensor = &plan->tensors[i];
        weights += (double)tensor->ne[0] * (double)tensor->ne[1] * (double)tensor->ne[2] *
                   (double)tensor->ne[3];
        bytes += (double)tensor->nbytes;
    }
    return weights > 0 ? 8 * bytes / weights : 0;
}

/* What llama-quantize is told concerns the language model; projectors are made without. */
static int build_plan(struct qfs_source *source, const struct qfs_source_view *view,
                      struct qfs_plan **ret_plan, struct qfs_error *error)
{
    struct qfs_view_options options = QFS_VIEW_OPTIONS_INIT;
    if (!view->conversion)
        return qfs_fail(error, ENOTSUP, "%s", source->text_error.text);
    if (view->conversion == source->text)
        options = source->view_options;
    options.outtype = source->view_options.outtype;
    options.split_max_size = source->view_options.split_max_size;
    options.split_max_tensors = source->view_options.split_max_tensors;
    options.no_tensor_first_split = source->view_options.no_tensor_first_split;
    options.ftype = view->ftype;
    options.part = view->part;
    return qfs_plan_build(view->conversion, &options, ret_plan, error);
}

/* The next view, zeroed, at the end of those there are. */
static struct qfs_source_view *next_view(struct qfs_source *source)
{
    if (source->nviews == source->capacity) {
        size_t capacity = source->capacity ? 2 * source->capacity : 64;
        struct qfs_source_view *views = reallocarray(source->views, capacity, sizeof(*views));
        if (!views)
            return NULL;
        source->views = views;
        source->capacity = capacity;
    }
    source->views[source->nviews] = (struct qfs_source_view){0};
    return &source->views[source->nviews];
}

/* Fills in the next view of `conversion` for `ftype`, unless this build cannot make it. *ret_nparts:
 * of the set that it is one of. */
static int list_view(struct qfs_source *source, const struct qfs_conversion *conversion,
                     const char *prefix, const struct qfs_ftype *ftype, uint32_t part,
                     uint32_t *ret_nparts, struct qfs_error *error)
{
    struct qfs_source_view *view = next_view(source);
    struct qfs_plan *plan = NULL;
    struct qfs_error reason = {0};
    char number[32] = "";
    if (!view)
        return qfs_fail_memory(error);
    view->conversion = conversion;
    view->ftype = ftype;
    view->part = part;
    int rc = build_plan(source, view, &plan, &reason);
    if (rc == -ENOMEM)
        return qfs_fail_memory(error);
    if (plan && !is_computable(plan)) {
        qfs_plan_free(plan);
        return 0;
    }
    if (plan) {
        *ret_nparts = view->nparts = plan->nparts;
        view->info.size = plan->size;
        view->info.weight_bits = weight_bits(plan);
    } else {
        view->info.refused = qfs_arena_string(&source->arena, reason.text);
    }
    if (view->nparts)
        snprintf(number, sizeof(number), "-%05u-of-%05u", part + 1, view->nparts);
    qfs_plan_free(plan);
    view->info.type = qfs_arena_printf(&source->arena, "%s%s%s", prefix, ftype->name, number);
    const char *pre = conversion ? conversion->given_pre : NULL;
    bool draft = source->options.mtp && conversion == source->text;
    view->info.name = qfs_arena_printf(&source->arena, "%s%s%s%s-%s%s.gguf",
                                       draft ? "mtp-" : prefix, source->model->name,
                                       pre ? "-pre-" : "", pre ? pre : "", ftype->name, number);
    if (!view->info.name || !view->info.type || (rc < 0 && !view->info.refused))
        return qfs_fail_memory(error);
    source->nviews++;
    return 0;
}

/* All views of a product: one a type, or as many as its file has parts. */
static int list_product(struct qfs_source *source, const struct qfs_conversion *conversion,
                        const char *prefix, struct qfs_error *error)
{
    int rc = 0;
    for (const struct qfs_ftype *ftype = qfs_ftypes; ftype->name && rc == 0; ftype++) {
        uint32_t nparts = 0;
        if (!is_listed(source->options.types, prefix, ftype))
            continue;
        rc = list_view(source, conversion, prefix, ftype, 0, &nparts, error);
        for (uint32_t part = 1; part < nparts && rc == 0; part++)
            rc = list_view(source, conversion, prefix, ftype, part, &nparts, error);
    }
    return rc;
}

static int list_views(struct qfs_source *source, struct qfs_error *error)
{
    int rc = check_types(source->options.types, error);
    if (rc == 0)
        rc = list_product(source, source->text, "", error);
    if (rc == 0 && source->mmproj)
        rc = list_product(source, source->mmproj, mmproj_prefix, error);
    return rc;
}

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

int qfs_source_open_on(const char *path, const struct qfs_options *options,
                       struct qfs_engine *engine, struct qfs_source **ret_source,
                       struct qfs_error *error)
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
    source->options = *options;
    source->options.types = copied(source, options->types);
    source->options.cache_dir = copied(source, options->cache_dir);
    source->options.model_name = copied(source, options->model_name);
    int rc = 0;
    if (options->mtp && options->no_mtp)
        rc = qfs_fail(error, EINVAL, "mtp and no-mtp exclude each other");
    else if ((options->types && !source->options.types) ||
             (options->model_name && !source->options.model_name) ||
             (options->cache_dir && !source->options.cache_dir))
        rc = qfs_fail_memory(error);
    if (rc == 0)
        rc = set_view_options(source, options, error);
    if (rc == 0)
        rc = qfs_model_open_adapter(path, options->base, &source->model, error);
    if (rc == 0 && options->pre &&
        !(source->model->pre = qfs_arena_string(&source->model->arena, options->pre)))
        rc = qfs_fail_memory(error);
    if (rc == 0 && options->verify_source)
        rc = qfs_model_verify(source->model, error);
    if (rc == 0 && source->model->gguf && source->view_options.outtype >= 0)
        rc = qfs_fail(error, EINVAL,
                      "%s: outtype is of the file that a model directory is converted to first; a "
                      "GGUF source is that file",
                      path);
    if (rc == 0)
        rc = convert(source, error);
    if (rc == 0)
        rc = list_views(source, error);
    if (rc < 0) {
        source_free(source);
        return rc;
    }
    *ret_source = source;
    return 0;
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

/* The views of one type that are parts of a set have types of their own. */
const struct qfs_view_info *qfs_source_find(const struct qfs_source *source, const char *name)
{
    const char *prefix;
    const struct qfs_ftype *ftype = parse_type(name, strlen(name), &prefix);
    for (size_t i = 0; i < source->nviews; i++) {
        const struct qfs_source_view *view = &source->views[i];
        if (!strcmp(view->info.name, name) || !strcasecmp(view->info.type, name) ||
            (view->ftype == ftype && view->nparts < 2 &&
             qfs_starts_with(view->info.type, mmproj_prefix) == !!*prefix))
            return &view->info;
    }
    return NULL;
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
        rc = build_plan(source, view, &plan, error);
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
