/* Which views a source has, what each is made with, and the plan of one. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- options ---------------------------------------------------------------------------------- */

/* One option of llama-quantize, given or not. */
static int set_option(struct qfs_source *source, const char *name, const char *value,
                      struct qfs_error *error)
{
    return value ? qfs_view_options_set(&source->given, &source->arena, name, value, error) : 0;
}

static int set_all(struct qfs_source *source, const char *name, const char *const *values,
                   size_t count, struct qfs_error *error)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = set_option(source, name, values[i], error);
    return rc;
}

int qfs_source_set_options(struct qfs_source *source, const struct qfs_options *options,
                           struct qfs_error *error)
{
    const struct qfs_view_options none = QFS_VIEW_OPTIONS_INIT;
    struct qfs_view_options *view = &source->given;
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
    /* What llama-quantize is told concerns the language model; projectors are made without. */
    source->projector = none;
    source->projector.outtype = view->outtype;
    source->projector.split_max_size = view->split_max_size;
    source->projector.split_max_tensors = view->split_max_tensors;
    source->projector.no_tensor_first_split = view->no_tensor_first_split;
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

/* Is it what one of the source's own views is called, with or without the model's name? */
static bool is_own(const struct qfs_own_view *own, const char *name, size_t size)
{
    return (strlen(own->type) == size && strncasecmp(own->type, name, size) == 0) ||
           (strlen(own->stem) == size && strncasecmp(own->stem, name, size) == 0);
}

static bool is_own_listed(const char *list, const struct qfs_own_view *own)
{
    if (!list)
        return true;
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        if (is_own(own, at, size))
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static bool is_known(const struct qfs_own_views *own, const char *name, size_t size)
{
    const char *whose;
    for (size_t i = 0; i < own->count; i++)
        if (is_own(&own->items[i], name, size))
            return true;
    return parse_type(name, size, &whose);
}

static int check_types(const char *list, const struct qfs_own_views *own, struct qfs_error *error)
{
    for (const char *at = list ? list : ""; *at;) {
        size_t size = strcspn(at, ",");
        if (!is_known(own, at, size)) {
            struct qfs_buffer known = {0};
            for (const struct qfs_ftype *type = qfs_ftypes; type->name; type++)
                qfs_buffer_printf(&known, " %s", type->name);
            for (size_t i = 0; i < own->count; i++)
                qfs_buffer_printf(&known, " %s", own->items[i].type);
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

int qfs_source_plan(struct qfs_source *source, const struct qfs_source_view *view,
                    struct qfs_plan **ret_plan, struct qfs_error *error)
{
    struct qfs_view_options options = *view->options;
    if (!view->conversion)
        return qfs_fail(error, ENOTSUP, "%s", source->text_error.text);
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

/* A file that is listed: what it is made from, and what it and its type are called without the number
 * of a part. */
struct listed {
    const struct qfs_conversion *conversion;
    const struct qfs_ftype *ftype;
    const struct qfs_view_options *options;
    const char *stem, *type;
    bool own;
};

/* What is known of the view already: the next one of those, if it is of that name and type. */
static const struct qfs_view_info *known_view(const struct qfs_source *source,
                                              const struct listed *file, uint32_t part)
{
    const struct qfs_view_info *known = &source->known[source->nviews];
    size_t stem = strlen(file->stem), type = strlen(file->type);
    char number[16] = "";
    if (source->nviews >= source->nknown || strncmp(known->name, file->stem, stem) != 0 ||
        strncmp(known->type, file->type, type) != 0)
        return NULL;
    if (known->type[type]) /* a part of a set */
        snprintf(number, sizeof(number), "-%05u-of-", part + 1);
    return qfs_starts_with(known->type + type, number) && (*number || !known->type[type]) ? known
                                                                                          : NULL;
}

/* Takes over what is known of a view instead of planning it. */
static int list_known(struct qfs_source *source, const struct listed *file, uint32_t part,
                      uint32_t *ret_nparts, struct qfs_error *error)
{
    const struct qfs_view_info *known = known_view(source, file, part);
    struct qfs_source_view *view = &source->views[source->nviews];
    if (!known) /* this build cannot make it */
        return 0;
    const char *number = known->type + strlen(file->type);
    if (*number && !known->refused)
        *ret_nparts = view->nparts = (uint32_t)strtoul(number + strlen("-00001-of-"), NULL, 10);
    view->info = *known;
    view->info.name = qfs_arena_string(&source->arena, known->name);
    view->info.type = qfs_arena_string(&source->arena, known->type);
    if (known->refused)
        view->info.refused = qfs_arena_string(&source->arena, known->refused);
    if (!view->info.name || !view->info.type || (known->refused && !view->info.refused))
        return qfs_fail_memory(error);
    source->nviews++;
    return 0;
}

/* Fills in the next view, part `part` of what `file` says, unless this build cannot make it.
 * *ret_nparts: of the set that it is one of. */
static int list_view(struct qfs_source *source, const struct listed *file, uint32_t part,
                     uint32_t *ret_nparts, struct qfs_error *error)
{
    struct qfs_source_view *view = next_view(source);
    struct qfs_plan *plan = NULL;
    struct qfs_error reason = {0};
    char number[32] = "";
    if (!view)
        return qfs_fail_memory(error);
    view->conversion = file->conversion;
    view->ftype = file->ftype;
    view->options = file->options;
    view->own = file->own;
    view->part = part;
    if (source->known)
        return list_known(source, file, part, ret_nparts, error);
    int rc = qfs_source_plan(source, view, &plan, &reason);
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
    view->info.type = qfs_arena_printf(&source->arena, "%s%s", file->type, number);
    view->info.name = qfs_arena_printf(&source->arena, "%s%s.gguf", file->stem, number);
    if (!view->info.name || !view->info.type || (rc < 0 && !view->info.refused))
        return qfs_fail_memory(error);
    source->nviews++;
    return 0;
}

/* One view, or as many as its file has parts. */
static int list_file(struct qfs_source *source, const struct listed *file, struct qfs_error *error)
{
    uint32_t nparts = 0;
    if (!file->stem || !file->type)
        return qfs_fail_memory(error);
    int rc = list_view(source, file, 0, &nparts, error);
    for (uint32_t part = 1; part < nparts && rc == 0; part++)
        rc = list_view(source, file, part, &nparts, error);
    return rc;
}

/* All views of a product, one a type. */
static int list_product(struct qfs_source *source, const struct qfs_conversion *conversion,
                        const char *prefix, const struct qfs_view_options *options,
                        struct qfs_error *error)
{
    const char *pre = conversion ? conversion->given_pre : NULL;
    bool draft = source->options.mtp && conversion == source->text;
    int rc = 0;
    for (const struct qfs_ftype *ftype = qfs_ftypes; ftype->name && rc == 0; ftype++) {
        if (!is_listed(source->options.types, prefix, ftype))
            continue;
        const struct listed file = {
            .conversion = conversion,
            .ftype = ftype,
            .options = options,
            .stem = qfs_arena_printf(&source->arena, "%s%s%s%s-%s", draft ? "mtp-" : prefix,
                                     source->model->name, pre ? "-pre-" : "", pre ? pre : "",
                                     ftype->name),
            .type = qfs_arena_printf(&source->arena, "%s%s", prefix, ftype->name),
        };
        rc = list_file(source, &file, error);
    }
    return rc;
}

/* The views that quantfs.json describes. What --pre and --mtp say of all views goes into their names
 * too. */
static int list_own(struct qfs_source *source, struct qfs_error *error)
{
    const char *pre = source->text ? source->text->given_pre : NULL;
    const char *draft = source->options.mtp ? "mtp-" : "";
    int rc = 0;
    for (size_t i = 0; i < source->own.count && rc == 0; i++) {
        const struct qfs_own_view *own = &source->own.items[i];
        if (!is_own_listed(source->options.types, own))
            continue;
        const struct listed file = {
            .conversion = source->text,
            .ftype = own->options.ftype,
            .options = &own->options,
            .stem = qfs_arena_printf(&source->arena, "%s%s%s%s", draft, own->stem,
                                     pre ? "-pre-" : "", pre ? pre : ""),
            .type = own->type,
            .own = true,
        };
        rc = list_file(source, &file, error);
    }
    return rc;
}

int qfs_source_list(struct qfs_source *source, struct qfs_error *error)
{
    int rc = qfs_own_views_read(&source->arena, source->model, source->options.views, &source->own,
                                error);
    if (rc == 0)
        rc = check_types(source->options.types, &source->own, error);
    if (rc == 0)
        rc = list_product(source, source->text, "", &source->given, error);
    if (rc == 0 && source->mmproj)
        rc = list_product(source, source->mmproj, mmproj_prefix, &source->projector, error);
    if (rc == 0)
        rc = list_own(source, error);
    return rc;
}

/* -- finding one ------------------------------------------------------------------------------ */

/* The views of one type that are parts of a set have types of their own. */
const struct qfs_view_info *qfs_source_find(const struct qfs_source *source, const char *name)
{
    const char *prefix;
    const struct qfs_ftype *ftype = parse_type(name, strlen(name), &prefix);
    for (size_t i = 0; i < source->nviews; i++) {
        const struct qfs_source_view *view = &source->views[i];
        if (!strcmp(view->info.name, name) || !strcasecmp(view->info.type, name) ||
            (ftype && !view->own && view->ftype == ftype && view->nparts < 2 &&
             qfs_starts_with(view->info.type, mmproj_prefix) == !!*prefix))
            return &view->info;
    }
    return NULL;
}
