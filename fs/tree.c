/* The models of a mount.
 *
 * 1. `lock` guards places, states of generations, `names` and numbers; it is held for moments.
 * 2. `refreshing` is held while folders are looked at, `building` while names are made; nobody needs
 *    them who only wants the names of now. Taken in this order, `lock` last.
 * 3. A generation is planned by one thread at a time, without locks: QFS_GENERATION_PLANNING is its mark.
 * 4. Names are made from generations whose summaries are set while `building` is held, so that whoever
 *    makes names sees one state of all. */
#include "tree.h"
#include "layout.h"
#include "ollama_layout.h"
#include "option_key.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_AGAIN_MS = 1000,
    LOOK_COST = 20, /* looking takes at most a part in so many of the time */
    BUILD_COST = 4, /* and making names, while models are being looked into */
    PLANNERS_MOST = 4,
    KEPT_MS = 1000, /* of reading the cache before a mount is ready */
    TIDY_SECONDS = 30,
    LOOKS_MOST = 100, /* models that one name makes us look into */
};

/* Where a model is. */
struct place {
    char *path;
    struct qfs_generation *now;    /* as it was found last */
    struct qfs_generation *before; /* shown while `now` cannot be; or NULL */
    int lost;                      /* it cannot be looked at now: why */
    bool told;                     /* that is in the log */
    bool seen;                     /* by the scan that is under way */
};

struct qfs_tree {
    const char *path;
    bool many; /* a folder of models */
    qfs_layout_fn *layout;
    struct qfs_ollama_mount ollama;
    const struct qfs_options *options;
    struct qfs_engine *engine;
    struct qfs_shelf shelf;
    pthread_t planners[PLANNERS_MOST];
    unsigned nplanners;

    pthread_mutex_t refreshing, building, lock;
    pthread_cond_t changed; /* a generation's state, or `stop` */
    struct qfs_names *names;
    struct place **places; /* sorted by path */
    size_t nplaces;
    size_t next;                   /* places before it were looked into */
    struct qfs_generation *likely; /* looked into last: others may be like it */
    bool stale, stop;              /* names are of older places */
    int64_t look_again_ms;
    int64_t built_ns, build_took_ns; /* guarded by `building` */
    bool with_store;                 /* likewise: Ollama's store is among the names */
    uint64_t planned, kept;
};

struct qfs_names *qfs_tree_get(struct qfs_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    struct qfs_names *names = qfs_names_ref(tree->names);
    pthread_mutex_unlock(&tree->lock);
    return names;
}

/* -- making names --------------------------------------------------------------------------------- */

/* Locked. What the place shows: NULL for nothing. */
static struct qfs_generation *shown(const struct place *place)
{
    const enum qfs_generation_state state = place->now->state;
    if (state == QFS_GENERATION_KNOWN)
        return place->now;
    return place->before ? place->before : state == QFS_GENERATION_FAILED ? NULL : place->now;
}

/* Locked, building. A generation that is known takes the place of the one before it. */
static struct qfs_generation *adopt(struct place *place, bool *ret_changed)
{
    struct qfs_generation *old = NULL;
    if (place->now->state == QFS_GENERATION_KNOWN) {
        place->now->summary = place->now->made;
        *ret_changed = place->before != NULL;
        old = place->before;
        place->before = NULL;
    }
    return old;
}

static int build(struct qfs_tree *tree, struct qfs_generation **models, size_t nmodels)
{
    struct qfs_names *names = qfs_names_new(models, nmodels);
    if (names && tree->likely)
        names->likely = tree->likely->summary;
    if (names) {
        tree->layout(names, 0, models, nmodels);
        if (tree->with_store)
            qfs_layout_ollama(names, models, nmodels, &tree->ollama);
    }
    if (!names || qfs_names_finish(names) < 0) {
        qfs_names_unref(names);
        return -ENOMEM;
    }
    names->likely = NULL; /* only while they are made */
    pthread_mutex_lock(&tree->lock);
    struct qfs_names *old = tree->names;
    tree->names = names;
    pthread_mutex_unlock(&tree->lock);
    qfs_names_unref(old);
    return 0;
}

static void tell_changed(struct qfs_tree *tree, const struct qfs_generation *model)
{
    char text[600];
    if (tree->many)
        snprintf(text, sizeof(text), "%s changed: new opens see it as it is now",
                 model->found.path);
    else
        snprintf(text, sizeof(text), "the source changed: new opens see it as it is now");
    qfs_engine_warn(tree->engine, text);
}

/* Building. Names of the places as they are. */
static int rebuild(struct qfs_tree *tree)
{
    int64_t began = qfs_clock_ns();
    pthread_mutex_lock(&tree->lock);
    size_t nplaces = tree->nplaces, nmodels = 0, nold = 0;
    struct qfs_generation **models = calloc(2 * nplaces + 1, sizeof(*models)), **old;
    if (!models) {
        pthread_mutex_unlock(&tree->lock);
        return -ENOMEM;
    }
    old = models + nplaces;
    for (size_t i = 0; i < nplaces; i++) {
        bool changed = false;
        struct qfs_generation *gone = adopt(tree->places[i], &changed);
        struct qfs_generation *model = shown(tree->places[i]);
        if (gone)
            old[nold++] = gone;
        if (model)
            models[nmodels++] = qfs_generation_ref(model);
        if (changed)
            tell_changed(tree, tree->places[i]->now);
    }
    tree->stale = false;
    pthread_mutex_unlock(&tree->lock);
    int rc = build(tree, models, nmodels);
    for (size_t i = 0; i < nmodels; i++)
        qfs_generation_unref(models[i]);
    for (size_t i = 0; i < nold; i++)
        qfs_generation_unref(old[i]);
    free(models);
    tree->built_ns = qfs_clock_ns();
    tree->build_took_ns = tree->built_ns - began;
    return rc;
}

/* Makes names anew if something changed. While models are being looked into, changes are gathered for a
 * while: `wait` for that, or leave it to who comes next. */
static int update(struct qfs_tree *tree, bool wait)
{
    int rc = 0;
    if (wait)
        pthread_mutex_lock(&tree->building);
    else if (pthread_mutex_trylock(&tree->building) != 0)
        return 0;
    pthread_mutex_lock(&tree->lock);
    bool stale = tree->stale;
    pthread_mutex_unlock(&tree->lock);
    int64_t early = tree->built_ns + BUILD_COST * tree->build_took_ns - qfs_clock_ns();
    if (stale && early > 0 && wait)
        usleep((useconds_t)QFS_MIN(early / 1000, (int64_t)500000));
    if (stale && (early <= 0 || wait))
        rc = rebuild(tree);
    pthread_mutex_unlock(&tree->building);
    return rc;
}

/* -- looking into models -------------------------------------------------------------------------- */

/* A model that is known and shows nothing: says why once. */
static void tell_empty(struct qfs_tree *tree, const struct qfs_generation *model,
                       const struct qfs_summary *summary)
{
    struct qfs_error reason = {0};
    for (size_t i = 0; i < summary->nviews; i++)
        if (!summary->views[i].refused)
            return;
    (void)qfs_fail(&reason, ENOTSUP, "%.200s: is left out, all its views are refused: %.300s",
                   model->found.path,
                   summary->nviews ? summary->views[0].refused : "there are none");
    qfs_engine_warn(tree->engine, reason.text);
}

/* Does what its mark says. Not locked. */
static void plan(struct qfs_tree *tree, struct qfs_generation *model)
{
    struct qfs_error error = {0};
    struct qfs_summary *summary = NULL;
    /* A mount of one model has its source open from the start: it says what is wrong with it. */
    bool kept = tree->many && (summary = qfs_generation_kept(model, &tree->shelf)) != NULL;
    int rc = kept ? 0 : qfs_generation_plan(model, &tree->shelf, !tree->many, &summary, &error);
    if (rc < 0)
        qfs_engine_warn(tree->engine, error.text);
    else if (tree->many)
        tell_empty(tree, model, summary);
    pthread_mutex_lock(&tree->lock);
    model->made = summary;
    model->rc = rc;
    model->reason = rc < 0 ? strdup(error.text) : NULL;
    model->state = rc < 0 ? QFS_GENERATION_FAILED : QFS_GENERATION_KNOWN;
    tree->planned += rc == 0 && !kept;
    tree->kept += kept;
    tree->stale = true;
    pthread_cond_broadcast(&tree->changed);
    pthread_mutex_unlock(&tree->lock);
}

/* Until the generation is known or has failed; returns which, as 0 or a negative errno. The names follow
 * with the next update(). */
static int settle(struct qfs_tree *tree, struct qfs_generation *model)
{
    pthread_mutex_lock(&tree->lock);
    while (model->state == QFS_GENERATION_PLANNING)
        pthread_cond_wait(&tree->changed, &tree->lock);
    bool mine = model->state == QFS_GENERATION_FOUND;
    if (mine)
        model->state = QFS_GENERATION_PLANNING;
    pthread_mutex_unlock(&tree->lock);
    if (mine)
        plan(tree, model);
    pthread_mutex_lock(&tree->lock);
    int rc = model->rc;
    pthread_mutex_unlock(&tree->lock);
    return rc;
}

/* Locked. The next one that nobody has looked into, with the mark set and a reference; or NULL. */
static struct qfs_generation *next_found(struct qfs_tree *tree)
{
    for (; tree->next < tree->nplaces; tree->next++) {
        struct qfs_generation *model = tree->places[tree->next]->now;
        if (model->state != QFS_GENERATION_FOUND)
            continue;
        model->state = QFS_GENERATION_PLANNING;
        return qfs_generation_ref(model);
    }
    return NULL;
}

static void *look_into_models(void *arg)
{
    struct qfs_tree *tree = arg;
    sigset_t all;
    sigfillset(&all); /* signals are for the thread that serves */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_mutex_lock(&tree->lock);
    while (!tree->stop) {
        struct qfs_generation *model = next_found(tree);
        bool stale = tree->stale;
        pthread_mutex_unlock(&tree->lock);
        if (model)
            plan(tree, model);
        if (model || stale)
            (void)update(tree, !model);
        if (!model)
            qfs_shelf_tidy(&tree->shelf);
        qfs_generation_unref(model);
        pthread_mutex_lock(&tree->lock);
        if (!model && !tree->stop && !tree->stale && tree->next >= tree->nplaces) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += TIDY_SECONDS;
            pthread_cond_timedwait(&tree->changed, &tree->lock, &until);
        }
    }
    pthread_mutex_unlock(&tree->lock);
    return NULL;
}

/* -- looking at folders --------------------------------------------------------------------------- */

static void place_free(struct place *place)
{
    if (!place)
        return;
    qfs_generation_unref(place->now);
    qfs_generation_unref(place->before);
    free(place->path);
    free(place);
}

/* A generation of what was found, with strings of its own. */
static struct qfs_generation *generation_of(const struct qfs_found *found)
{
    struct qfs_arena arena = {0};
    struct qfs_found copy = *found;
    copy.path = qfs_arena_string(&arena, found->path);
    copy.dir = qfs_arena_string(&arena, found->dir);
    copy.name = qfs_arena_string(&arena, found->name);
    copy.publisher = qfs_arena_string(&arena, found->publisher);
    if (!copy.path || !copy.dir || !copy.name || !copy.publisher) {
        qfs_arena_done(&arena);
        return NULL;
    }
    return qfs_generation_new(arena, &copy);
}

/* Locked. What was found at the place becomes its generation of now. *ret_old[2] are to be dropped. */
static int merge(struct qfs_tree *tree, struct place *place, const struct qfs_found *found,
                 struct qfs_generation *ret_old[2])
{
    ret_old[0] = ret_old[1] = NULL;
    place->lost = 0;
    place->told = false;
    if (found->number == place->now->number && !place->now->doubted)
        return 0;
    if (place->before && found->number == place->before->number) { /* it is back as it was */
        ret_old[0] = place->now;
        place->now = place->before;
        place->before = NULL;
        tree->stale = true;
        return 0;
    }
    struct qfs_generation *fresh = generation_of(found);
    if (!fresh)
        return -ENOMEM;
    fresh->afresh = place->now->doubted;
    bool was_shown = place->now->state == QFS_GENERATION_KNOWN && place->now->summary;
    if (was_shown) {
        ret_old[0] = place->before;
        place->before = place->now;
    } else {
        ret_old[0] = place->now;
    }
    place->now = fresh;
    tree->next = 0;
    tree->stale = true;
    pthread_cond_broadcast(&tree->changed);
    return 0;
}

static int find_place(const void *key, const void *item)
{
    return strcmp(key, (*(struct place *const *)item)->path);
}

/* Locked. */
static struct place *place_at(const struct qfs_tree *tree, const char *path)
{
    struct place **place = tree->nplaces ? bsearch(path, tree->places, tree->nplaces,
                                                   sizeof(*tree->places), find_place)
                                         : NULL;
    return place ? *place : NULL;
}

static struct place *place_new(const struct qfs_found *found)
{
    struct place *place = calloc(1, sizeof(*place));
    if (!place)
        return NULL;
    place->path = strdup(found->path);
    place->now = generation_of(found);
    if (!place->path || !place->now) {
        place_free(place);
        return NULL;
    }
    return place;
}

/* Takes over what was found: new places in place of the old. Refreshing. */
static int take_over(struct qfs_tree *tree, const struct qfs_scan *scan)
{
    struct place **places = calloc(QFS_MAX(scan->count, (size_t)1), sizeof(struct place *)), **gone;
    struct qfs_generation **old = calloc(2 * scan->count + 1, sizeof(struct qfs_generation *));
    const uint64_t files = qfs_option_files(tree->options); /* views depend on these too */
    size_t nplaces = 0, ngone;
    int rc = 0;
    if (!places || !old) {
        free(places);
        free(old);
        return -ENOMEM;
    }
    pthread_mutex_lock(&tree->lock);
    for (size_t i = 0; i < tree->nplaces; i++)
        tree->places[i]->seen = false;
    for (size_t i = 0; i < scan->count && rc == 0; i++) {
        struct qfs_found found = scan->models[i];
        struct place *place = place_at(tree, found.path);
        found.number ^= files;
        if (place) {
            place->seen = true;
            rc = merge(tree, place, &found, &old[2 * i]);
        } else if ((place = place_new(&found))) {
            tree->stale = true;
        }
        if (place)
            places[nplaces++] = place;
        else
            rc = -ENOMEM;
    }
    /* What is out of memory now is found again the next time: only what was found is left out. */
    gone = tree->places;
    ngone = tree->nplaces;
    tree->places = places;
    tree->nplaces = nplaces;
    tree->next = 0;
    pthread_cond_broadcast(&tree->changed);
    for (size_t i = 0; i < ngone; i++)
        tree->stale |= !gone[i]->seen;
    pthread_mutex_unlock(&tree->lock);
    for (size_t i = 0; i < ngone; i++)
        if (!gone[i]->seen)
            place_free(gone[i]);
    for (size_t i = 0; i < 2 * scan->count; i++)
        qfs_generation_unref(old[i]);
    free(gone);
    free(old);
    return rc;
}

/* Looks at one model that there is a place for. 0, or why it cannot be looked at. */
static int look_at(struct qfs_tree *tree, const char *path)
{
    struct qfs_arena arena = {0};
    struct qfs_found found;
    struct qfs_error error;
    struct qfs_generation *old[2] = {NULL, NULL};
    int rc = qfs_scan_model(&arena, path, &found, &error);
    if (rc == 0)
        found.number ^= qfs_option_files(tree->options);
    bool tell = false;
    pthread_mutex_lock(&tree->lock);
    struct place *place = place_at(tree, path);
    if (place && rc == 0) {
        rc = merge(tree, place, &found, old);
    } else if (place) {
        place->lost = rc;
        tell = !place->told;
        place->told = true;
    }
    pthread_mutex_unlock(&tree->lock);
    if (tell)
        qfs_engine_warn(tree->engine, error.text);
    for (int i = 0; i < 2; i++)
        qfs_generation_unref(old[i]);
    qfs_arena_done(&arena);
    return rc;
}

/* The generation of now at the place, with a reference; NULL: there is no such place any more. */
static struct qfs_generation *get_now(struct qfs_tree *tree, const char *path)
{
    pthread_mutex_lock(&tree->lock);
    struct place *place = place_at(tree, path);
    struct qfs_generation *now = place ? qfs_generation_ref(place->now) : NULL;
    pthread_mutex_unlock(&tree->lock);
    return now;
}

/* A mount of one model is looked into by who notices that it changed. */
static void refresh_one(struct qfs_tree *tree)
{
    (void)look_at(tree, tree->path);
    struct qfs_generation *now = get_now(tree, tree->path);
    (void)settle(tree, now);
    qfs_generation_unref(now);
    (void)update(tree, true);
}

static void refresh_many(struct qfs_tree *tree)
{
    struct qfs_scan scan;
    struct qfs_error error;
    if (qfs_scan_tree(tree->path, &scan, &error) < 0) {
        qfs_engine_warn(tree->engine, error.text);
        return;
    }
    (void)take_over(tree, &scan);
    qfs_scan_done(&scan);
    (void)update(tree, true);
}

void qfs_tree_refresh(struct qfs_tree *tree, bool urgent)
{
    int64_t began = qfs_clock_ms();
    pthread_mutex_lock(&tree->lock);
    bool look = urgent || began >= tree->look_again_ms;
    if (look)
        tree->look_again_ms = began + LOOK_AGAIN_MS; /* nobody else meanwhile */
    pthread_mutex_unlock(&tree->lock);
    if (!look)
        return;
    pthread_mutex_lock(&tree->refreshing);
    if (tree->many)
        refresh_many(tree);
    else
        refresh_one(tree);
    pthread_mutex_unlock(&tree->refreshing);
    int64_t ended = qfs_clock_ms();
    pthread_mutex_lock(&tree->lock);
    tree->look_again_ms = ended + QFS_MAX((int64_t)LOOK_AGAIN_MS, LOOK_COST * (ended - began));
    pthread_mutex_unlock(&tree->lock);
}

/* -- answers -------------------------------------------------------------------------------------- */

/* Gives new names for `*names` once `model` is known. */
static void learn(struct qfs_tree *tree, struct qfs_generation *model, struct qfs_names **names)
{
    (void)settle(tree, model);
    (void)update(tree, true);
    qfs_names_unref(*names);
    *names = qfs_tree_get(tree);
}

/* Of those that nobody has looked into, one that `name` may be a view of: a reference, or NULL. */
static struct qfs_generation *namesake(struct qfs_tree *tree, const char *name)
{
    struct qfs_generation *found = NULL;
    pthread_mutex_lock(&tree->lock);
    for (size_t i = 0; i < tree->nplaces && !found; i++) {
        struct qfs_generation *model = tree->places[i]->now;
        if ((model->state == QFS_GENERATION_FOUND || model->state == QFS_GENERATION_PLANNING) &&
            strstr(name, model->found.name))
            found = qfs_generation_ref(model);
    }
    pthread_mutex_unlock(&tree->lock);
    return found;
}

/* The directory `ino`; what is known of its model is known by then. */
static int get_dir(struct qfs_tree *tree, uint64_t ino, struct qfs_names **names,
                   const struct qfs_node **ret_dir)
{
    const struct qfs_node *dir = qfs_names_by_ino(*names, ino);
    if (dir && dir->guessed) {
        learn(tree, dir->model, names);
        dir = qfs_names_by_ino(*names, ino);
    }
    *ret_dir = dir;
    return !dir ? -ESTALE : dir->kind != QFS_NODE_DIR ? -ENOTDIR : 0;
}

/* The store of many models has a hundred names for each: it is made when it is first asked for. */
static void want_store(struct qfs_tree *tree)
{
    pthread_mutex_lock(&tree->building);
    if (!tree->with_store) {
        tree->with_store = true;
        (void)rebuild(tree); /* without memory for it, names are what they were */
    }
    pthread_mutex_unlock(&tree->building);
}

int qfs_tree_lookup(struct qfs_tree *tree, uint64_t ino, const char *name,
                    struct qfs_names **ret_names, const struct qfs_node **ret_node)
{
    const struct qfs_node *dir, *node = NULL;
    qfs_tree_refresh(tree, false);
    if (ino == QFS_ROOT_INO && !strcmp(name, QFS_OLLAMA_NAME))
        want_store(tree);
    struct qfs_names *names = qfs_tree_get(tree);
    int rc = -ENOENT;
    for (int tries = 0; tries < LOOKS_MOST; tries++) {
        rc = get_dir(tree, ino, &names, &dir);
        node = rc == 0 ? qfs_names_at(names, (uint32_t)(dir - names->nodes), name) : NULL;
        struct qfs_generation *model = NULL;
        if (node && node->guessed)
            model = qfs_generation_ref(node->model);
        else if (rc == 0 && !node)
            model = namesake(tree, name);
        if (!model)
            break;
        node = NULL;
        learn(tree, model, &names);
        qfs_generation_unref(model);
    }
    if (rc == 0 && !node)
        rc = -ENOENT;
    if (rc < 0) {
        qfs_names_unref(names);
        return rc;
    }
    *ret_names = names;
    *ret_node = node;
    return 0;
}

int qfs_tree_list_dir(struct qfs_tree *tree, uint64_t ino, struct qfs_names **ret_names,
                      const struct qfs_node **ret_dir)
{
    qfs_tree_refresh(tree, false);
    struct qfs_names *names = qfs_tree_get(tree);
    int rc = get_dir(tree, ino, &names, ret_dir);
    if (rc < 0)
        qfs_names_unref(names);
    else
        *ret_names = names;
    return rc;
}

/* What is kept in the cache is wrong: it is to be planned anew. */
static void doubt(struct qfs_tree *tree, struct qfs_generation *model)
{
    pthread_mutex_lock(&tree->lock);
    model->doubted = true;
    pthread_mutex_unlock(&tree->lock);
    (void)look_at(tree, model->found.path);
}

int qfs_tree_open_view(struct qfs_tree *tree, const struct qfs_node *node,
                       struct qfs_view **ret_view)
{
    struct qfs_error error;
    struct qfs_generation *model = node->model;
    if (look_at(tree, model->found.path) < 0)
        return -EIO;
    struct qfs_generation *now = get_now(tree, model->found.path);
    if (now != model) {
        int rc = !now ? -ESTALE : settle(tree, now) < 0 ? -EIO : -ESTALE;
        (void)update(tree, true);
        qfs_generation_unref(now);
        return rc;
    }
    qfs_generation_unref(now);
    int rc = qfs_generation_view(model, &tree->shelf, node->view, ret_view, &error);
    if (rc == -ESTALE && !model->afresh)
        doubt(tree, model);
    else if (rc < 0)
        qfs_engine_warn(tree->engine, error.text);
    return rc;
}

void qfs_tree_tidy(struct qfs_tree *tree)
{
    qfs_shelf_tidy(&tree->shelf);
}

void qfs_tree_count(struct qfs_tree *tree, struct qfs_tree_counters *ret_counters)
{
    pthread_mutex_lock(&tree->lock);
    struct qfs_tree_counters counters = {
        .models = tree->nplaces, .planned = tree->planned, .kept = tree->kept};
    for (size_t i = 0; i < tree->nplaces; i++) {
        const enum qfs_generation_state state = tree->places[i]->now->state;
        counters.broken += state == QFS_GENERATION_FAILED || tree->places[i]->lost;
        counters.unknown += state == QFS_GENERATION_FOUND || state == QFS_GENERATION_PLANNING;
    }
    pthread_mutex_unlock(&tree->lock);
    pthread_mutex_lock(&tree->shelf.lock);
    counters.open_sources = tree->shelf.nopen;
    pthread_mutex_unlock(&tree->shelf.lock);
    *ret_counters = counters;
}

/* -- life ----------------------------------------------------------------------------------------- */

/* One model: found, opened, shown. */
static int open_one(struct qfs_tree *tree, struct qfs_error *error)
{
    struct qfs_scan scan = {0};
    struct qfs_found found;
    int rc = qfs_scan_model(&scan.arena, tree->path, &found, error);
    if (rc == 0) {
        scan.models = &found;
        scan.count = 1;
        rc = take_over(tree, &scan) < 0 ? qfs_fail_memory(error) : 0;
    }
    if (rc == 0) {
        struct qfs_summary *summary;
        struct qfs_generation *now = tree->places[0]->now;
        rc = qfs_generation_plan(now, &tree->shelf, true, &summary, error);
        if (rc == 0) {
            now->made = summary;
            now->state = QFS_GENERATION_KNOWN;
        }
    }
    qfs_arena_done(&scan.arena);
    return rc;
}

/* What the cache has is known from the start, as far as that is quickly had. */
static void find_kept(struct qfs_tree *tree)
{
    int64_t until = qfs_clock_ms() + KEPT_MS;
    for (size_t i = 0; i < tree->nplaces && qfs_clock_ms() < until; i++) {
        struct qfs_generation *model = tree->places[i]->now;
        model->made = qfs_generation_kept(model, &tree->shelf);
        if (!model->made)
            continue;
        model->state = QFS_GENERATION_KNOWN;
        tree->kept++;
    }
}

/* Looks into models until one can be shown: the others may be like it. A few tries. */
static void find_likely(struct qfs_tree *tree)
{
    enum { TRIES = 8 };
    for (size_t i = 0; i < tree->nplaces && i < TRIES && !tree->likely; i++) {
        struct qfs_generation *model = tree->places[i]->now;
        const struct qfs_summary *summary = settle(tree, model) < 0 ? NULL : model->made;
        for (size_t view = 0; summary && view < summary->nviews; view++)
            if (!summary->views[view].refused) {
                tree->likely = qfs_generation_ref(model);
                break;
            }
    }
}

static int open_many(struct qfs_tree *tree, struct qfs_error *error)
{
    struct qfs_scan scan;
    int rc = qfs_scan_tree(tree->path, &scan, error);
    if (rc < 0)
        return rc;
    size_t count = scan.count;
    rc = take_over(tree, &scan);
    qfs_scan_done(&scan);
    if (rc < 0)
        return qfs_fail_memory(error);
    if (!count)
        return qfs_fail(error, ENOENT,
                        "%s: holds no model: no folder in it has a config.json, nor a GGUF file",
                        tree->path);
    find_kept(tree);
    find_likely(tree);
    return 0;
}

int qfs_tree_open(const struct qfs_mount_options *mount, const struct qfs_options *options,
                  struct qfs_engine *engine, struct qfs_tree **ret_tree, struct qfs_error *error)
{
    struct qfs_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return qfs_fail_memory(error);
    tree->path = mount->source;
    tree->many = qfs_scan_is_tree(mount->source);
    tree->layout = qfs_layout_of(mount->layout, tree->many);
    tree->ollama = (struct qfs_ollama_mount){mount->mountpoint, options};
    tree->options = options;
    tree->engine = engine;
    qfs_shelf_init(&tree->shelf, options, engine);
    pthread_mutex_init(&tree->lock, NULL);
    pthread_mutex_init(&tree->building, NULL);
    pthread_mutex_init(&tree->refreshing, NULL);
    pthread_cond_init(&tree->changed, NULL);
    int rc = tree->many ? open_many(tree, error) : open_one(tree, error);
    if (rc == 0 && rebuild(tree) < 0)
        rc = qfs_fail_memory(error);
    if (rc < 0) {
        qfs_tree_close(tree);
        return rc;
    }
    *ret_tree = tree;
    return 0;
}

int qfs_tree_start(struct qfs_tree *tree, struct qfs_error *error)
{
    long ncores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = tree->options->threads ? tree->options->threads : (unsigned)ncores;
    wanted = tree->many ? QFS_MIN(wanted, (unsigned)PLANNERS_MOST) : 1;
    while (tree->nplanners < wanted) {
        int code = pthread_create(&tree->planners[tree->nplanners], NULL, look_into_models, tree);
        if (code)
            return qfs_fail(error, code, "no thread to look into models: %s", strerror(code));
        tree->nplanners++;
    }
    return 0;
}

void qfs_tree_close(struct qfs_tree *tree)
{
    if (!tree)
        return;
    pthread_mutex_lock(&tree->lock);
    tree->stop = true;
    pthread_cond_broadcast(&tree->changed);
    pthread_mutex_unlock(&tree->lock);
    for (unsigned i = 0; i < tree->nplanners; i++)
        pthread_join(tree->planners[i], NULL);
    qfs_names_unref(tree->names);
    qfs_generation_unref(tree->likely);
    for (size_t i = 0; i < tree->nplaces; i++)
        place_free(tree->places[i]);
    free(tree->places);
    qfs_shelf_done(&tree->shelf);
    pthread_cond_destroy(&tree->changed);
    pthread_mutex_destroy(&tree->refreshing);
    pthread_mutex_destroy(&tree->building);
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}

/* -- without a mount ------------------------------------------------------------------------------ */

bool qfs_is_tree(const char *path)
{
    return qfs_scan_is_tree(path);
}

static int give(struct qfs_tree *tree, struct qfs_generation *model,
                int (*each)(void *arg, const struct qfs_tree_model *model), void *arg)
{
    const bool known = settle(tree, model) == 0;
    const struct qfs_tree_model item = {
        .path = model->found.path,
        .publisher = model->found.publisher,
        .name = model->found.name,
        .broken = known           ? NULL
                  : model->reason ? model->reason
                                  : "out of memory",
        .views = known ? model->made->views : NULL,
        .nviews = known ? model->made->nviews : 0,
    };
    return each(arg, &item);
}

int qfs_tree_list(const char *root, const struct qfs_options *options,
                  int (*each)(void *arg, const struct qfs_tree_model *model), void *arg,
                  struct qfs_error *error)
{
    struct qfs_options quiet = options ? *options : (struct qfs_options){0};
    struct qfs_engine *engine = NULL;
    struct qfs_tree *tree = NULL;
    const struct qfs_mount_options mount = {.source = root, .mountpoint = ""};
    quiet.warn = NULL; /* what is broken is told by `each` */
    int rc = qfs_engine_open(&quiet, &engine, error);
    if (rc == 0)
        rc = qfs_tree_open(&mount, &quiet, engine, &tree, error);
    if (rc == 0)
        rc = qfs_tree_start(tree, error);
    for (size_t i = 0; rc == 0 && i < tree->nplaces; i++)
        rc = give(tree, tree->places[i]->now, each, arg);
    qfs_tree_close(tree);
    qfs_engine_free(engine);
    return QFS_MIN(rc, 0);
}
