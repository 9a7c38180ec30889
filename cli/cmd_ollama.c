/* quantfs ollama: views of a mounted source in a model store of Ollama's, as manifests and links. */
#include "cli.h"
#include "live_mount.h"
#include "ollama_store.h"

#include <cjson/cJSON.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- the user's store ------------------------------------------------------------------------- */

static int open_store(const struct cli_settings *settings, bool write, struct ollama_store *store,
                      struct qfs_error *error)
{
    char path[4096];
    const char *root = settings->store ? settings->store : ollama_store_path(path);
    if (access(root, F_OK) < 0)
        return qfs_fail(error, ENOENT,
                        "%s: there is no model store of Ollama: start Ollama once, or say where it "
                        "is with --store or OLLAMA_MODELS",
                        root);
    if (write && access(root, W_OK) < 0) {
        int code = errno;
        return qfs_fail(error, code,
                        "%s: cannot be written (%s): run this as the owner of the store, or name "
                        "another with --store or OLLAMA_MODELS",
                        root, strerror(code));
    }
    return ollama_store_open(root, store, error);
}

/* -- choosing --------------------------------------------------------------------------------- */

/* Is the tag one of the TYPEs behind SOURCE? No TYPE means all. */
static bool is_chosen(const struct cli_settings *settings, const char *name)
{
    for (size_t i = 2; i < settings->nargs; i++)
        if (!strcasecmp(settings->args[i], ollama_name_tag(name)))
            return true;
    return settings->nargs <= 2;
}

/* Each TYPE must be the tag of one of `store`. */
static int check_types(const struct cli_settings *settings, const struct ollama_store *store,
                       const char *shown, struct qfs_error *error)
{
    for (size_t i = 2; i < settings->nargs; i++) {
        struct qfs_buffer tags = {0};
        bool found = false;
        for (size_t k = 0; k < store->count && !found; k++) {
            const char *tag = ollama_name_tag(store->items[k].name);
            found = !strcasecmp(settings->args[i], tag);
            if (tags.size < 300)
                qfs_buffer_printf(&tags, " %s", tag);
        }
        int rc =
            found ? 0
                  : qfs_fail(error, ENOENT, "%s: has no view of type %s for Ollama; there are%.*s",
                             shown, settings->args[i], (int)tags.size, (char *)tags.data);
        qfs_buffer_done(&tags);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* -- what was done: a name a line, or JSON ----------------------------------------------------- */

struct done {
    cJSON *json; /* NULL: text */
    size_t count;
};

static void done_add(struct done *done, const char *shown)
{
    done->count++;
    if (done->json)
        cJSON_AddItemToArray(done->json, cJSON_CreateString(shown));
    else
        puts(shown);
}

/* What was done before something failed is told too. */
static int done_end(struct done *done, int rc, struct qfs_error *error)
{
    if (done->json && cli_print_json(done->json) != CLI_OK && rc == 0)
        rc = qfs_fail_memory(error);
    return rc;
}

/* -- link ------------------------------------------------------------------------------------- */

static bool is_link_of(const struct ollama_manifest *manifest, const char *mount,
                       const char *source)
{
    return manifest->mount &&
           (!strcmp(manifest->mount, mount) || (source && !strcmp(manifest->source, source)));
}

/* A name that is taken by something else stops all before anything is changed. */
static int check_free(const struct cli_settings *settings, const struct ollama_store *store,
                      const struct ollama_store *views, const struct cli_live_mount *mount,
                      struct qfs_error *error)
{
    for (size_t i = 0; i < views->count && !settings->force; i++) {
        const struct ollama_manifest *there = ollama_store_find(store, views->items[i].name);
        char shown[400];
        if (!there || !is_chosen(settings, there->name) ||
            is_link_of(there, mount->point, mount->source))
            continue;
        ollama_name_shown(there->name, shown);
        return there->mount
                   ? qfs_fail(error, EEXIST,
                              "%s: is a link to another source, %s: unlink that first, or replace "
                              "it with --force",
                              shown, there->source)
                   : qfs_fail(error, EEXIST,
                              "%s: is a model of your own: remove it with ollama rm %s, or replace "
                              "it with --force",
                              shown, shown);
    }
    return 0;
}

/* What will keep Ollama from reading the views. */
static void warn_of_users(const struct ollama_store *store, const struct cli_live_mount *mount)
{
    struct stat st;
    if (stat(store->root, &st) < 0 || st.st_uid == mount->owner || mount->allow_other)
        return;
    const struct passwd *user = getpwuid(st.st_uid);
    fprintf(stderr,
            "quantfs: %s belongs to %s, who does not see what others mount: mount %s with "
            "--allow-other\n",
            store->root, user ? user->pw_name : "another user", mount->point);
}

static int link_views(const struct cli_settings *settings, struct ollama_store *store,
                      const struct ollama_store *views, const struct cli_live_mount *mount,
                      struct qfs_error *error)
{
    struct done done = {.json = settings->json ? cJSON_CreateArray() : NULL};
    int rc = 0;
    for (size_t i = 0; i < views->count && rc == 0; i++) {
        const struct ollama_manifest *view = &views->items[i];
        char shown[400];
        if (!view->json || !is_chosen(settings, view->name))
            continue;
        rc = ollama_store_link(store, view, views->root, mount->point, mount->source, error);
        if (rc == 0)
            done_add(&done, ollama_name_shown(view->name, shown));
    }
    return done_end(&done, rc, error);
}

static int run_link(const struct cli_settings *settings, struct qfs_error *error)
{
    struct ollama_store store = {0}, views = {0};
    struct cli_live_mount mount = {0};
    char path[8192];
    int rc = cli_mount_find(settings->mount ? settings->mount : settings->args[1], &mount, error);
    if (rc == 0) {
        snprintf(path, sizeof(path), "%s/ollama", mount.point);
        rc = ollama_store_open(path, &views, error);
    }
    if (rc == 0 && !views.count)
        rc = qfs_fail(error, ENOENT, "%s: has no view that Ollama runs as it is", mount.point);
    if (rc == 0)
        rc = check_types(settings, &views, settings->args[1], error);
    if (rc == 0)
        rc = open_store(settings, true, &store, error);
    if (rc == 0)
        rc = check_free(settings, &store, &views, &mount, error);
    if (rc == 0)
        rc = link_views(settings, &store, &views, &mount, error);
    if (rc == 0)
        warn_of_users(&store, &mount);
    ollama_store_close(&store);
    ollama_store_close(&views);
    cli_mount_done(&mount);
    return rc;
}

/* -- unlink ----------------------------------------------------------------------------------- */

/* Works without the mount too: a link says itself what it is of. */
static int run_unlink(const struct cli_settings *settings, struct qfs_error *error)
{
    struct ollama_store store = {0};
    const char *given = settings->mount ? settings->mount : settings->args[1];
    char *whole = realpath(given, NULL);
    const char *source = whole ? whole : given;
    struct done done = {0};
    int rc = open_store(settings, true, &store, error);
    if (rc == 0 && settings->json)
        done.json = cJSON_CreateArray();
    for (size_t i = store.count; i-- > 0 && rc == 0;) {
        struct ollama_manifest *manifest = &store.items[i];
        char shown[400];
        if (!is_link_of(manifest, source, source) || !is_chosen(settings, manifest->name))
            continue;
        ollama_name_shown(manifest->name, shown);
        rc = ollama_store_unlink(&store, manifest, error);
        if (rc == 0)
            done_add(&done, shown);
    }
    rc = done_end(&done, rc, error);
    if (rc == 0 && !done.count)
        rc = qfs_fail(error, ENOENT,
                      "%s: nothing of it is linked in %s; quantfs ollama list says what is", given,
                      store.root);
    ollama_store_close(&store);
    free(whole);
    return rc;
}

/* -- list ------------------------------------------------------------------------------------- */

static int run_list(const struct cli_settings *settings, struct qfs_error *error)
{
    struct ollama_store store = {0};
    cJSON *all = settings->json ? cJSON_CreateArray() : NULL;
    int rc = open_store(settings, false, &store, error);
    for (size_t i = 0; i < store.count; i++) {
        const struct ollama_manifest *manifest = &store.items[i];
        char shown[400], path[8192];
        uint64_t size;
        if (!manifest->mount)
            continue;
        ollama_name_shown(manifest->name, shown);
        ollama_link_target(manifest, path, &size);
        const char *trouble = ollama_link_trouble(manifest);
        if (!all) {
            printf("%15llu  %-40s %s%s%s%s\n", (unsigned long long)size, shown, path,
                   trouble ? " (" : "", trouble ? trouble : "", trouble ? ")" : "");
            continue;
        }
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", shown);
        cJSON_AddNumberToObject(item, "size", (double)size);
        cJSON_AddStringToObject(item, "path", path);
        cJSON_AddStringToObject(item, "source", manifest->source);
        if (trouble)
            cJSON_AddStringToObject(item, "trouble", trouble);
        cJSON_AddItemToArray(all, item);
    }
    ollama_store_close(&store);
    if (rc < 0)
        cJSON_Delete(all);
    else if (all && cli_print_json(all) != CLI_OK)
        rc = qfs_fail_memory(error);
    return rc;
}

int cmd_ollama(struct cli_settings *settings)
{
    static const struct {
        const char *name;
        size_t min_args;
        int (*run)(const struct cli_settings *settings, struct qfs_error *error);
    } verbs[] = {{"link", 2, run_link}, {"unlink", 2, run_unlink}, {"list", 1, run_list}};
    struct qfs_error error = {0};
    for (size_t i = 0; i < QFS_COUNT(verbs); i++)
        if (!strcmp(settings->args[0], verbs[i].name)) {
            if (settings->nargs < verbs[i].min_args)
                break;
            return verbs[i].run(settings, &error) < 0 ? cli_fail(&error) : CLI_OK;
        }
    fprintf(stderr, "usage: quantfs ollama link|unlink SOURCE [TYPE…], quantfs ollama list\n"
                    "Try 'quantfs ollama --help'.\n");
    return CLI_USAGE;
}
