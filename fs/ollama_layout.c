#include "ollama_layout.h"
#include "ollama.h"
#include "option_key.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* -- a model's views ---------------------------------------------------------------------------- */

/* "Q4_K_M-00001-of-00003" */
static bool is_part(const char *type)
{
    static const char form[] = "-00000-of-00000";
    size_t size = strlen(type);
    if (size < sizeof(form))
        return false;
    for (const char *at = type + size - (sizeof(form) - 1), *f = form; *f; at++, f++)
        if (*f == '0' ? !isdigit((unsigned char)*at) : *at != *f)
            return false;
    return true;
}

static enum qfs_ollama_role role_of(const struct qfs_summary *summary, size_t view)
{
    const struct qfs_view_info *info = &summary->views[view];
    if (info->refused || summary->adapter || is_part(info->type))
        return QFS_OLLAMA_UNUSED;
    if (qfs_starts_with(info->type, "mmproj-"))
        return QFS_OLLAMA_PROJECTOR;
    /* A draft head alone. */
    if (qfs_starts_with(info->name, "mtp-") && !qfs_starts_with(info->name, summary->name))
        return QFS_OLLAMA_UNUSED;
    return QFS_OLLAMA_MODEL;
}

/* Where the node is, from the mount's root. */
static const char *path_of(struct qfs_arena *arena, const struct qfs_names *names,
                           const struct qfs_node *node)
{
    const char *path = node->name;
    for (uint32_t up = node->parent; up && path; up = names->nodes[up].parent)
        path = qfs_arena_printf(arena, "%s/%s", names->nodes[up].name, path);
    return path;
}

/* A model on its way into the store. */
struct shelf {
    struct qfs_generation *model;
    const char *name;
    const char **paths; /* of its views in the mount; NULL: not shown */
    bool clash;         /* another model has its name */
};

static void describe_views(const struct shelf *shelf, uint64_t options,
                           struct qfs_ollama_view *views)
{
    const struct qfs_summary *summary = shelf->model->summary;
    for (size_t i = 0; i < summary->nviews; i++) {
        const uint64_t depends[] = {
            shelf->model->number, options,
            qfs_hash64(summary->views[i].name, strlen(summary->views[i].name))};
        views[i] = (struct qfs_ollama_view){
            .role = shelf->paths[i] ? role_of(summary, i) : QFS_OLLAMA_UNUSED,
            .path = shelf->paths[i],
            .type = summary->views[i].type,
            .size = summary->views[i].size,
            .identity = qfs_hash(depends, sizeof(depends)),
        };
    }
}

/* -- the subtree -------------------------------------------------------------------------------- */

/* The directory that `path` lies in, made if need be; what is left of the path is its last part. */
static uint32_t make_dirs(struct qfs_names *names, uint32_t dir, char *path,
                          struct qfs_generation *owner, const char **ret_last)
{
    char *slash;
    for (; (slash = strchr(path, '/')); path = slash + 1) {
        *slash = 0;
        dir = qfs_names_dir(names, dir, path, owner);
        *slash = '/';
    }
    *ret_last = path;
    return dir;
}

static void add_files(struct qfs_names *names, uint32_t root, struct qfs_generation *model,
                      struct qfs_generation *owner, const struct qfs_ollama_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct qfs_ollama_file *file = &files->items[i];
        char *path = strdup(file->path);
        const char *last;
        if (!path) {
            names->failed = true;
            return;
        }
        uint32_t dir = make_dirs(names, root, path, owner, &last);
        if (file->text.data)
            (void)qfs_names_text(names, dir, last, model, file->text.data, file->text.size);
        else
            (void)qfs_names_view(names, dir, last, model, file->view);
        free(path);
    }
}

static int add_model(struct qfs_names *names, uint32_t root, const struct shelf *shelf,
                     const struct qfs_ollama_mount *mount, uint64_t options,
                     struct qfs_generation *owner)
{
    const struct qfs_summary *summary = shelf->model->summary;
    struct qfs_arena arena = {0};
    struct qfs_ollama_files files;
    struct qfs_ollama_view *views = qfs_arena_array(&arena, summary->nviews, sizeof(*views));
    struct qfs_ollama_model model = {
        .name = summary->name,
        .publisher = shelf->clash ? shelf->model->found.publisher : NULL,
        .arch = summary->architecture,
        .nparams = summary->nweights,
        .mountpoint = mount->mountpoint,
        .views = views,
        .nviews = summary->nviews,
    };
    int rc = views ? 0 : -ENOMEM;
    if (rc == 0) {
        describe_views(shelf, options, views);
        rc = qfs_ollama_describe(&arena, &model, &files, NULL);
    }
    if (rc == 0)
        add_files(names, root, shelf->model, owner, &files);
    qfs_arena_done(&arena);
    return rc;
}

/* Finds the views of the models among the names there are, and models that have the same name. */
static struct shelf *find_views(struct qfs_arena *arena, const struct qfs_names *names,
                                struct qfs_generation *const *models, size_t nmodels)
{
    struct shelf *shelves = qfs_arena_array(arena, nmodels, sizeof(*shelves));
    struct qfs_map by_name = {0}, by_model = {0};
    bool whole = shelves != NULL;
    for (size_t i = 0; i < nmodels && whole; i++) {
        struct shelf *shelf = &shelves[i];
        const struct qfs_summary *summary = models[i]->summary;
        uint64_t other;
        shelf->model = models[i];
        if (!summary || !summary->nviews)
            continue;
        char *name = qfs_arena_string(arena, summary->name);
        for (char *c = name; c && *c; c++)
            *c = (char)tolower((unsigned char)*c);
        shelf->paths = qfs_arena_array(arena, summary->nviews, sizeof(*shelf->paths));
        whole = name && shelf->paths;
        if (whole && qfs_map_get(&by_name, qfs_text_of(name), &other))
            shelf->clash = shelves[other].clash = true;
        else if (whole)
            whole = qfs_map_set(&by_name, qfs_text_of(name), i) >= 0;
        /* Models are told apart by where they are in memory. */
        const struct qfs_text key = {(const char *)&models[i], sizeof(models[i])};
        whole = whole && qfs_map_set(&by_model, key, i) >= 0;
    }
    for (uint32_t i = 1; i < names->nnodes && whole; i++) {
        const struct qfs_node *node = &names->nodes[i];
        const struct qfs_text key = {(const char *)&node->model, sizeof(node->model)};
        uint64_t at;
        if (node->kind != QFS_NODE_VIEW || !qfs_map_get(&by_model, key, &at) ||
            shelves[at].paths[node->view])
            continue;
        whole = (shelves[at].paths[node->view] = path_of(arena, names, node)) != NULL;
    }
    qfs_map_done(&by_name);
    qfs_map_done(&by_model);
    return whole ? shelves : NULL;
}

static uint64_t options_number(const struct qfs_options *options)
{
    struct qfs_buffer key = {0};
    qfs_key_options(&key, options);
    uint64_t number = qfs_hash64(key.data, key.size);
    qfs_buffer_done(&key);
    return number;
}

void qfs_layout_ollama(struct qfs_names *names, struct qfs_generation *const *models,
                       size_t nmodels, const struct qfs_ollama_mount *mount)
{
    struct qfs_arena arena = {0};
    struct qfs_generation *owner = nmodels == 1 ? models[0] : NULL;
    uint64_t options = options_number(mount->options);
    struct shelf *shelves = find_views(&arena, names, models, nmodels);
    bool taken = qfs_names_at(names, 0, QFS_OLLAMA_NAME) != NULL; /* by a publisher, say */
    uint32_t root = taken ? QFS_NO_NODE : qfs_names_dir(names, 0, QFS_OLLAMA_NAME, owner);
    names->failed = names->failed || !shelves;
    if (!names->failed && root != QFS_NO_NODE) {
        /* Ollama does not start where these are missing and cannot be made. */
        (void)qfs_names_dir(names, root, "blobs", owner);
        (void)qfs_names_dir(names, root, "manifests", owner);
        for (size_t i = 0; i < nmodels && !names->failed; i++)
            if (shelves[i].paths && add_model(names, root, &shelves[i], mount, options, owner) < 0)
                names->failed = true;
        qfs_names_hide(names, root);
    }
    qfs_arena_done(&arena);
}
