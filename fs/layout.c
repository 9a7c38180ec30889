#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

qfs_layout_fn *qfs_layout_of(enum qfs_layout layout, bool tree)
{
    static qfs_layout_fn *const layouts[] = {
        [QFS_LAYOUT_FLAT] = qfs_layout_flat,
        [QFS_LAYOUT_TREE] = qfs_layout_tree,
        [QFS_LAYOUT_HUB] = qfs_layout_hub,
    };
    return layouts[layout ? layout : tree ? QFS_LAYOUT_TREE : QFS_LAYOUT_FLAT];
}

/* -- guessing ----------------------------------------------------------------------------------- */

/* The views that a model which nobody has looked into is thought to have: those of another. */
static void each_guess(struct qfs_names *names, struct qfs_generation *model,
                       void (*add)(struct qfs_names *names, uint32_t parent, const char *stem,
                                   struct qfs_generation *model),
                       uint32_t parent)
{
    const struct qfs_summary *likely = names->likely;
    char stem[512];
    for (size_t i = 0; likely && i < likely->nviews; i++) {
        const struct qfs_view_info *view = &likely->views[i];
        int n = snprintf(stem, sizeof(stem), "%s-%s", model->found.name, view->type);
        bool plain = qfs_starts_with(view->name, likely->name) &&
                     strlen(view->name) == strlen(likely->name) + strlen(view->type) + 6;
        if (!view->refused && plain && n > 0 && (size_t)n < sizeof(stem))
            add(names, parent, stem, model);
    }
}

/* -- flat --------------------------------------------------------------------------------------- */

static void guess_file(struct qfs_names *names, uint32_t parent, const char *stem,
                       struct qfs_generation *model)
{
    char name[520];
    snprintf(name, sizeof(name), "%s.gguf", stem);
    (void)qfs_names_guess(names, parent, name, model);
}

static void add_views(struct qfs_names *names, uint32_t parent, struct qfs_generation *model)
{
    const struct qfs_summary *summary = model->summary;
    for (size_t i = 0; i < summary->nviews; i++)
        if (!summary->views[i].refused)
            (void)qfs_names_view(names, parent, summary->views[i].name, model, i);
}

void qfs_layout_flat(struct qfs_names *names, uint32_t parent, struct qfs_generation *const *models,
                     size_t nmodels)
{
    for (size_t i = 0; i < nmodels; i++) {
        if (models[i]->summary)
            add_views(names, parent, models[i]);
        else
            each_guess(names, models[i], guess_file, parent);
    }
}

/* -- tree --------------------------------------------------------------------------------------- */

static bool is_projector(const struct qfs_view_info *view)
{
    return qfs_starts_with(view->type, "mmproj-");
}

/* The projector that lies beside every view: of these the first there is, else any. */
static size_t projector_of(const struct qfs_summary *summary)
{
    static const char *const wanted[] = {"mmproj-F16", "mmproj-BF16", "mmproj-Q8_0", "mmproj-"};
    for (size_t i = 0; i < QFS_COUNT(wanted); i++)
        for (size_t view = 0; view < summary->nviews; view++)
            if (!summary->views[view].refused &&
                qfs_starts_with(summary->views[view].type, wanted[i]))
                return view;
    return SIZE_MAX;
}

/* "NAME-TYPE" of "NAME-TYPE.gguf" and of "NAME-TYPE-00002-of-00003.gguf". */
static void folder_of(const struct qfs_view_info *view, char *folder, size_t room)
{
    size_t size = strlen(view->name) - (qfs_ends_with(view->name, ".gguf") ? 5 : 0);
    const char *part = strstr(view->type, "-of-");
    if (part && part - view->type > 6)
        size -= QFS_MIN(size, strlen(part - 6));
    snprintf(folder, room, "%.*s", (int)size, view->name);
}

static void guess_folder(struct qfs_names *names, uint32_t parent, const char *stem,
                         struct qfs_generation *model)
{
    (void)qfs_names_dir(names, parent, stem, model);
}

static void add_folders(struct qfs_names *names, uint32_t parent, struct qfs_generation *model)
{
    const struct qfs_summary *summary = model->summary;
    size_t projector = projector_of(summary);
    for (size_t i = 0; i < summary->nviews; i++) {
        const struct qfs_view_info *view = &summary->views[i];
        char folder[256];
        if (view->refused || is_projector(view))
            continue;
        folder_of(view, folder, sizeof(folder));
        uint32_t dir = qfs_names_dir(names, parent, folder, model);
        (void)qfs_names_view(names, dir, view->name, model, i);
        if (projector != SIZE_MAX)
            (void)qfs_names_view(names, dir, summary->views[projector].name, model, projector);
    }
}

void qfs_layout_tree(struct qfs_names *names, uint32_t parent, struct qfs_generation *const *models,
                     size_t nmodels)
{
    for (size_t i = 0; i < nmodels; i++) {
        uint32_t publisher = qfs_names_dir(names, parent, models[i]->found.publisher, NULL);
        if (models[i]->summary)
            add_folders(names, publisher, models[i]);
        else
            each_guess(names, models[i], guess_folder, publisher);
    }
}

/* -- hub ---------------------------------------------------------------------------------------- */

/* A part of a repository's name as llama.cpp lets it pass: letters, digits, '_'; '-' and '.' one at a
 * time between those. */
static void repository_part(const char *name, char *to, size_t room)
{
    size_t used = 0;
    for (; *name && used + 1 < room; name++) {
        bool word = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                    (*name >= '0' && *name <= '9') || *name == '_';
        if (word)
            to[used++] = *name;
        else if (used && to[used - 1] != '-' && to[used - 1] != '.')
            to[used++] = *name == '.' ? '.' : '-';
    }
    while (used && (to[used - 1] == '-' || to[used - 1] == '.'))
        used--;
    to[used] = 0;
    if (!used)
        snprintf(to, room, "_");
}

/* A commit is 40 hexadecimal digits; another after the model changed. */
static void commit_of(const struct qfs_generation *model, char ret_commit[41])
{
    const char *path = model->found.path;
    uint64_t parts[] = {model->number, qfs_hash64(path, strlen(path)), 0};
    parts[2] = qfs_hash64(parts, sizeof(parts));
    snprintf(ret_commit, 41, "%016llx%016llx%08llx", (unsigned long long)parts[2],
             (unsigned long long)parts[0], (unsigned long long)(parts[1] >> 32));
}

struct order {
    size_t length, view;
};

static int shorter_first(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->view < y->view ? -1 : 1;
}

/* llama.cpp takes the first file whose name holds the tag: F16 must come before BF16, which holds it. */
static void add_views_by_length(struct qfs_names *names, uint32_t parent,
                                struct qfs_generation *model)
{
    const struct qfs_summary *summary = model->summary;
    struct order *order = calloc(QFS_MAX(summary->nviews, (size_t)1), sizeof(*order));
    if (!order) {
        names->failed = true;
        return;
    }
    for (size_t i = 0; i < summary->nviews; i++)
        order[i] = (struct order){strlen(summary->views[i].name), i};
    qsort(order, summary->nviews, sizeof(*order), shorter_first);
    for (size_t i = 0; i < summary->nviews; i++) {
        const struct qfs_view_info *view = &summary->views[order[i].view];
        if (!view->refused)
            (void)qfs_names_view(names, parent, view->name, model, order[i].view);
    }
    free(order);
}

void qfs_layout_hub(struct qfs_names *names, uint32_t parent, struct qfs_generation *const *models,
                    size_t nmodels)
{
    for (size_t i = 0; i < nmodels; i++) {
        struct qfs_generation *model = models[i];
        char publisher[110], name[110], folder[256], commit[41];
        repository_part(model->found.publisher, publisher, sizeof(publisher));
        repository_part(model->found.name, name, sizeof(name));
        snprintf(folder, sizeof(folder), "models--%s--%s", publisher, name);
        commit_of(model, commit);
        uint32_t repository = qfs_names_dir(names, parent, folder, NULL);
        uint32_t refs = qfs_names_dir(names, repository, "refs", NULL);
        if (!qfs_names_text(names, refs, "main", model, commit, 40))
            continue; /* another model has the name */
        uint32_t snapshots = qfs_names_dir(names, repository, "snapshots", NULL);
        uint32_t snapshot = qfs_names_dir(names, snapshots, commit, model);
        if (model->summary && snapshot != QFS_NO_NODE)
            add_views_by_length(names, snapshot, model);
    }
}
