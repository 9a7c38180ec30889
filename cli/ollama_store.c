#include "ollama_store.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Keys of a link's annotations. A copy that Ollama makes of a manifest keeps them and has another name:
 * it is Ollama's then. */
static const char name_key[] = "quantfs.name", mount_key[] = "quantfs.mount",
                  source_key[] = "quantfs.source";

enum { LEVELS = 4, MANIFEST_MOST = 4 << 20 };

static const char *string_of(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* -- reading ---------------------------------------------------------------------------------- */

static void manifest_done(struct ollama_manifest *manifest)
{
    free(manifest->name);
    cJSON_Delete(manifest->json);
}

/* Takes `json` (NULL: it cannot be parsed), on failure too. */
static int add_manifest(struct ollama_store *store, const char *name, cJSON *json,
                        struct qfs_error *error)
{
    const cJSON *notes = cJSON_GetObjectItemCaseSensitive(json, "annotations");
    const char *given = string_of(notes, name_key);
    struct ollama_manifest item = {.name = strdup(name), .json = json};
    if (given && !strcmp(given, name)) {
        item.mount = string_of(notes, mount_key);
        item.source = string_of(notes, source_key);
    }
    if (item.name && store->count == store->capacity) {
        size_t capacity = store->capacity ? 2 * store->capacity : 64;
        struct ollama_manifest *items = reallocarray(store->items, capacity, sizeof(*items));
        if (items) {
            store->items = items;
            store->capacity = capacity;
        }
    }
    if (!item.name || store->count == store->capacity) {
        manifest_done(&item);
        return qfs_fail_memory(error);
    }
    store->items[store->count++] = item;
    return 0;
}

static int read_manifest(struct ollama_store *store, const char *name, int dir_fd, const char *file,
                         struct qfs_error *error)
{
    char *text;
    size_t size;
    int rc = qfs_file_read(dir_fd, file, MANIFEST_MOST, name, &text, &size, error);
    if (rc < 0)
        return rc;
    cJSON *json = cJSON_ParseWithLength(text, size);
    free(text);
    return add_manifest(store, name, json, error);
}

/* Manifests lie exactly four levels deep; what is elsewhere is none, as for Ollama. */
static int read_level(struct ollama_store *store, int dir_fd, const char *name, unsigned level,
                      struct qfs_error *error)
{
    int rc = 0;
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        close(dir_fd);
        return qfs_fail_memory(error);
    }
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        char path[2048];
        struct stat st;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s%s%s", name, *name ? "/" : "", entry->d_name);
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
            continue;
        if (level == LEVELS && S_ISREG(st.st_mode)) {
            rc = read_manifest(store, path, dirfd(dir), entry->d_name, error);
        } else if (level < LEVELS && S_ISDIR(st.st_mode)) {
            int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (fd < 0)
                rc = qfs_fail(error, errno, "%s/manifests/%s: cannot be listed: %s", store->root,
                              path, strerror(errno));
            else
                rc = read_level(store, fd, path, level + 1, error);
        }
    }
    closedir(dir);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ollama_manifest *)a)->name,
                  ((const struct ollama_manifest *)b)->name);
}

int ollama_store_open(const char *root, struct ollama_store *store, struct qfs_error *error)
{
    char path[4096];
    struct stat st;
    *store = (struct ollama_store){0};
    if (stat(root, &st) < 0 || !S_ISDIR(st.st_mode))
        return qfs_fail(error, ENOENT, "%s: there is no such directory", root);
    if (!(store->root = realpath(root, NULL)))
        return qfs_fail(error, errno, "%s: cannot be reached: %s", root, strerror(errno));
    snprintf(path, sizeof(path), "%s/manifests", store->root);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    if (fd >= 0)
        rc = read_level(store, fd, "", 1, error);
    else if (errno != ENOENT)
        rc = qfs_fail(error, errno, "%s: cannot be listed: %s", path, strerror(errno));
    if (rc < 0)
        ollama_store_close(store);
    else if (store->count)
        qsort(store->items, store->count, sizeof(*store->items), by_name);
    return rc;
}

void ollama_store_close(struct ollama_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        manifest_done(&store->items[i]);
    free(store->items);
    free(store->root);
    *store = (struct ollama_store){0};
}

struct ollama_manifest *ollama_store_find(const struct ollama_store *store, const char *name)
{
    for (size_t i = 0; i < store->count; i++)
        if (!strcasecmp(store->items[i].name, name))
            return &store->items[i];
    return NULL;
}

const char *ollama_name_tag(const char *name)
{
    return strrchr(name, '/') + 1;
}

const char *ollama_name_shown(const char *name, char *buffer)
{
    static const char *const given[] = {"registry.ollama.ai/library/", "registry.ollama.ai/"};
    for (size_t i = 0; i < QFS_COUNT(given); i++)
        if (qfs_starts_with(name, given[i])) {
            name += strlen(given[i]);
            break;
        }
    const char *tag = ollama_name_tag(name);
    snprintf(buffer, 400, "%.*s:%s", (int)(tag - name - 1), name, tag);
    return buffer;
}

const char *ollama_layer_title(const cJSON *layer)
{
    return string_of(cJSON_GetObjectItemCaseSensitive(layer, "annotations"),
                     "org.opencontainers.image.title");
}

/* -- blobs ------------------------------------------------------------------------------------ */

/* "sha256:<hex>" of a config or layer as the path of its blob, NULL where it is none. */
static const char *blob_path(const char *root, const cJSON *layer, char path[4096])
{
    const char *digest = string_of(layer, "digest");
    if (!digest || !qfs_starts_with(digest, "sha256:") ||
        strspn(digest + 7, "0123456789abcdefABCDEF") != 64 || digest[7 + 64])
        return NULL;
    snprintf(path, 4096, "%s/blobs/sha256-%s", root, digest + 7);
    return path;
}

static bool names_digest(const cJSON *manifest, const char *digest)
{
    const cJSON *layer;
    const char *other = string_of(cJSON_GetObjectItemCaseSensitive(manifest, "config"), "digest");
    if (other && !strcasecmp(other, digest))
        return true;
    cJSON_ArrayForEach(layer, cJSON_GetObjectItemCaseSensitive(manifest, "layers"))
    {
        other = string_of(layer, "digest");
        if (other && !strcasecmp(other, digest))
            return true;
    }
    return false;
}

/* Does a manifest name the blob, or may one that cannot be parsed? */
static bool is_named(const struct ollama_store *store, const char *digest)
{
    for (size_t i = 0; i < store->count; i++)
        if (!store->items[i].json || names_digest(store->items[i].json, digest))
            return true;
    return false;
}

/* Removes a blob of a link that was taken out: a view's if it is a link still, a config. */
static void drop_blob(const struct ollama_store *store, const cJSON *layer, bool config)
{
    char path[4096];
    struct stat st;
    if (!blob_path(store->root, layer, path) || is_named(store, string_of(layer, "digest")) ||
        lstat(path, &st) < 0)
        return;
    if (config ? S_ISREG(st.st_mode) : S_ISLNK(st.st_mode) && ollama_layer_title(layer))
        unlink(path);
}

static void drop_blobs(const struct ollama_store *store, const cJSON *manifest)
{
    const cJSON *layer;
    drop_blob(store, cJSON_GetObjectItemCaseSensitive(manifest, "config"), true);
    cJSON_ArrayForEach(layer, cJSON_GetObjectItemCaseSensitive(manifest, "layers"))
        drop_blob(store, layer, false);
}

/* -- writing ---------------------------------------------------------------------------------- */

static int fail_at(struct qfs_error *error, const char *path, int code)
{
    return qfs_fail(error, code, "%s: cannot be written: %s", path, strerror(code));
}

/* Makes the directories that `path` lies in. */
static int make_dirs(const char *root, char *path, struct qfs_error *error)
{
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return fail_at(error, path, errno);
    }
    return 0;
}

/* Under a name of its own first: nobody sees half of it, and a file that is there stays till then. */
static int temporary(const char *path, char other[4200])
{
    snprintf(other, 4200, "%s.quantfs-%d", path, (int)getpid());
    return unlink(other) < 0 && errno != ENOENT ? -errno : 0;
}

static int put_text(const char *root, char *path, const char *text, size_t size,
                    struct qfs_error *error)
{
    char other[4200];
    int rc = make_dirs(root, path, error);
    if (rc < 0)
        return rc;
    rc = temporary(path, other);
    int fd = rc < 0 ? -1 : open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (rc == 0 && fd < 0)
        rc = -errno;
    if (rc == 0)
        rc = qfs_pwrite_full(fd, text, size, 0);
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc == 0 && rename(other, path) < 0)
        rc = -errno;
    if (rc < 0 && fd >= 0)
        unlink(other);
    return rc < 0 ? fail_at(error, path, -rc) : 0;
}

static int put_link(const char *root, char *path, const char *target, struct qfs_error *error)
{
    char other[4200];
    struct stat st;
    int rc = make_dirs(root, path, error);
    if (rc < 0)
        return rc;
    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        return qfs_fail(error, EEXIST, "%s: is there and no link: remove it if no model needs it",
                        path);
    rc = temporary(path, other);
    if (rc == 0 && symlink(target, other) < 0)
        rc = -errno;
    if (rc == 0 && rename(other, path) < 0) {
        rc = -errno;
        unlink(other);
    }
    return rc < 0 ? fail_at(error, path, -rc) : 0;
}

/* The blob of a layer: a link to the view, a copy of anything else. */
static int put_blob(struct ollama_store *store, const char *mount_root, const char *mount,
                    const cJSON *layer, struct qfs_error *error)
{
    char from[4096], to[4096], target[8192], *text;
    const char *title = ollama_layer_title(layer);
    size_t size;
    if (!blob_path(mount_root, layer, from) || !blob_path(store->root, layer, to))
        return qfs_fail(error, EINVAL, "%s: a manifest there names no blob", mount_root);
    if (title) {
        snprintf(target, sizeof(target), "%s/%s", mount, title);
        return put_link(store->root, to, target, error);
    }
    int rc = qfs_file_read(AT_FDCWD, from, MANIFEST_MOST, from, &text, &size, error);
    if (rc < 0)
        return rc;
    rc = put_text(store->root, to, text, size, error);
    free(text);
    return rc;
}

static int put_manifest(struct ollama_store *store, const char *name, const cJSON *json,
                        struct qfs_error *error)
{
    char path[4096];
    char *text = cJSON_PrintUnformatted(json);
    if (!text)
        return qfs_fail_memory(error);
    snprintf(path, sizeof(path), "%s/manifests/%s", store->root, name);
    int rc = put_text(store->root, path, text, strlen(text), error);
    cJSON_free(text);
    return rc;
}

/* The manifest `from`, saying whose it is. */
static cJSON *signed_copy(const struct ollama_manifest *from, const char *mount, const char *source)
{
    cJSON *json = cJSON_Duplicate(from->json, true);
    cJSON *notes = cJSON_AddObjectToObject(json, "annotations");
    cJSON_AddStringToObject(notes, name_key, from->name);
    cJSON_AddStringToObject(notes, mount_key, mount);
    if (!cJSON_AddStringToObject(notes, source_key, source)) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

/* Removes the manifest, and directories that hold nothing any more; manifests/ itself stays. */
static int remove_manifest(const struct ollama_store *store, const char *name)
{
    char path[4096], *slash;
    snprintf(path, sizeof(path), "%s/manifests/%s", store->root, name);
    if (unlink(path) < 0 && errno != ENOENT)
        return -errno;
    for (unsigned level = 1; level < LEVELS && (slash = strrchr(path, '/')); level++) {
        *slash = 0;
        if (rmdir(path) < 0)
            break;
    }
    return 0;
}

/* Of what was read; nothing on disk. */
static struct ollama_manifest take_out(struct ollama_store *store, struct ollama_manifest *manifest)
{
    struct ollama_manifest out = *manifest;
    store->count--;
    memmove(manifest, manifest + 1,
            (size_t)(store->items + store->count - manifest) * sizeof(*manifest));
    return out;
}

int ollama_store_link(struct ollama_store *store, const struct ollama_manifest *from,
                      const char *mount_root, const char *mount, const char *source,
                      struct qfs_error *error)
{
    cJSON *json = signed_copy(from, mount, source), *layer;
    if (!json)
        return qfs_fail_memory(error);
    int rc = put_blob(store, mount_root, mount, cJSON_GetObjectItem(json, "config"), error);
    cJSON_ArrayForEach(layer, cJSON_GetObjectItem(json, "layers")) if (rc == 0) rc =
        put_blob(store, mount_root, mount, layer, error);
    if (rc == 0)
        rc = put_manifest(store, from->name, json, error);
    if (rc < 0) {
        cJSON_Delete(json);
        return rc;
    }
    struct ollama_manifest *old = ollama_store_find(store, from->name), before = {0};
    if (old) {
        if (strcmp(old->name, from->name)) /* it differs by case: not replaced */
            remove_manifest(store, old->name);
        before = take_out(store, old);
    }
    rc = add_manifest(store, from->name, json, error);
    if (before.mount)
        drop_blobs(store, before.json);
    manifest_done(&before);
    return rc;
}

int ollama_store_unlink(struct ollama_store *store, struct ollama_manifest *manifest,
                        struct qfs_error *error)
{
    int rc = remove_manifest(store, manifest->name);
    if (rc < 0)
        return fail_at(error, manifest->name, -rc);
    struct ollama_manifest gone = take_out(store, manifest);
    drop_blobs(store, gone.json);
    manifest_done(&gone);
    return 0;
}

/* -- links ------------------------------------------------------------------------------------ */

const char *ollama_store_path(char *buffer)
{
    const char *given = getenv("OLLAMA_MODELS"), *home = getenv("HOME");
    if (given && *given)
        return given;
    snprintf(buffer, 4096, "%s/.ollama/models", home ? home : "");
    return buffer;
}

/* A manifest's first layer is the model. */
const char *ollama_link_target(const struct ollama_manifest *manifest, char *buffer,
                               uint64_t *ret_size)
{
    const cJSON *layer =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(manifest->json, "layers"), 0);
    const char *title = ollama_layer_title(layer);
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(layer, "size");
    snprintf(buffer, 8192, "%s/%s", manifest->mount, title ? title : "");
    *ret_size = cJSON_IsNumber(size) && size->valuedouble > 0 ? (uint64_t)size->valuedouble : 0;
    return buffer;
}

const char *ollama_link_trouble(const struct ollama_manifest *manifest)
{
    char path[8192];
    uint64_t size;
    struct stat st;
    ollama_link_target(manifest, path, &size);
    if (stat(path, &st) < 0)
        return errno == ENOENT ? "not mounted" : strerror(errno);
    return (uint64_t)st.st_size == size ? NULL : "changed: link it again";
}
