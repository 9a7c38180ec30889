/* The names of now.
 *
 * 1. `lock` guards `names`, and what remembers the last look; it is held for moments.
 * 2. `refreshing` is held while a changed source is opened, which may take a second; nobody needs it
 *    who only wants the names of now. */
#include "tree.h"
#include "layout.h"
#include "ollama_layout.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_AGAIN_MS = 1000 };

struct qfs_tree {
    const char *path;
    struct qfs_ollama_mount ollama;
    const struct qfs_options *options;
    struct qfs_engine *engine;
    pthread_mutex_t refreshing;
    pthread_mutex_t lock;
    struct qfs_names *names;
    uint64_t number; /* of the source as it is shown */
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

struct qfs_names *qfs_tree_get(struct qfs_tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    struct qfs_names *names = qfs_names_ref(tree->names);
    pthread_mutex_unlock(&tree->lock);
    return names;
}

static int new_names(struct qfs_tree *tree, uint64_t number, struct qfs_names **ret_names,
                     struct qfs_error *error)
{
    struct qfs_generation *model;
    int rc = qfs_generation_open(tree->path, number, tree->options, tree->engine, &model, error);
    if (rc < 0)
        return rc;
    struct qfs_names *names = qfs_names_new(&model, 1);
    if (names) {
        qfs_layout_flat(names, 0, &model, 1);
        qfs_layout_ollama(names, &model, 1, &tree->ollama);
    }
    qfs_generation_unref(model); /* the names hold it */
    if (!names || qfs_names_finish(names) < 0) {
        qfs_names_unref(names);
        return qfs_fail_memory(error);
    }
    *ret_names = names;
    return 0;
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
    struct qfs_names *fresh, *old;
    struct qfs_error error;
    pthread_mutex_lock(&tree->lock);
    bool same = number == tree->number;
    int rc = number == tree->failed_number ? tree->failed_rc : 0;
    pthread_mutex_unlock(&tree->lock);
    if (same || rc < 0) /* somebody else was first, or it was tried already */
        return same ? 0 : rc;
    rc = new_names(tree, number, &fresh, &error);
    if (rc < 0) {
        remember_failure(tree, number, rc, &error);
        return rc;
    }
    pthread_mutex_lock(&tree->lock);
    old = tree->names;
    tree->names = fresh;
    tree->number = number;
    tree->failed_rc = 0;
    pthread_mutex_unlock(&tree->lock);
    qfs_names_unref(old);
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
    uint64_t known = tree->number;
    int rc = tree->failed_rc;
    pthread_mutex_unlock(&tree->lock);
    if (!look)
        return rc;
    rc = qfs_generation_number(tree->path, &number, &error);
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

int qfs_tree_open(const char *path, const char *mountpoint, const struct qfs_options *options,
                  struct qfs_engine *engine, struct qfs_tree **ret_tree, struct qfs_error *error)
{
    uint64_t number;
    struct qfs_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return qfs_fail_memory(error);
    tree->path = path;
    tree->ollama = (struct qfs_ollama_mount){mountpoint, options};
    tree->options = options;
    tree->engine = engine;
    pthread_mutex_init(&tree->lock, NULL);
    pthread_mutex_init(&tree->refreshing, NULL);
    /* Looked at first: what changes while it is opened is noticed by the next look. */
    int rc = qfs_generation_number(path, &number, error);
    if (rc == 0)
        rc = new_names(tree, number, &tree->names, error);
    if (rc < 0) {
        qfs_tree_close(tree);
        return rc;
    }
    tree->number = number;
    *ret_tree = tree;
    return 0;
}

void qfs_tree_close(struct qfs_tree *tree)
{
    if (!tree)
        return;
    qfs_names_unref(tree->names);
    pthread_mutex_destroy(&tree->refreshing);
    pthread_mutex_destroy(&tree->lock);
    free(tree);
}
