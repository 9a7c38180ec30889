#include "ollama.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PART_MOST = 80, DIGEST_HEX = 64 };

/* -- names ------------------------------------------------------------------------------------ */

static bool is_word(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_allowed(enum qfs_ollama_part part, size_t at, char c)
{
    return is_word(c) || (at > 0 && (c == '-' || (c == '.' && part != QFS_OLLAMA_PART_NAMESPACE)));
}

bool qfs_ollama_part_valid(enum qfs_ollama_part part, const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (!is_allowed(part, i, text[i]))
            return false;
    return size >= 1 && size <= PART_MOST;
}

const char *qfs_ollama_part_of(struct qfs_arena *arena, enum qfs_ollama_part part, const char *text)
{
    static const size_t kept = PART_MOST - 17;
    size_t size = strlen(text);
    char *copy;
    if (size > PART_MOST)
        copy = qfs_arena_printf(arena, "%.*s-%016" PRIx64, (int)kept, text, qfs_hash64(text, size));
    else
        copy = qfs_arena_string(arena, size ? text : "_");
    for (size_t i = 0; copy && copy[i]; i++)
        if (!is_allowed(part, i, copy[i]))
            copy[i] = i ? '-' : '_';
    return copy;
}

/* -- digests ---------------------------------------------------------------------------------- */

static int sha256_of(const void *data, size_t size, char ret_hex[DIGEST_HEX + 1])
{
    struct qfs_sha256 *sha = qfs_sha256_new();
    if (!sha)
        return -ENOMEM;
    qfs_sha256_update(sha, data, size);
    qfs_sha256_hex(sha, ret_hex);
    qfs_sha256_free(sha);
    return 0;
}

/* The made-up digest of a view: fixed by what its bytes depend on, not by where it is shown. */
static int digest_of_view(const struct qfs_ollama_view *view, char ret_hex[DIGEST_HEX + 1])
{
    char text[128], identity[33];
    qfs_digest_hex(view->identity, identity);
    int size = snprintf(text, sizeof(text), "quantfs view %s %" PRIu64, identity, view->size);
    return sha256_of(text, (size_t)size, ret_hex);
}

/* -- the files -------------------------------------------------------------------------------- */

/* What is being described. `failed` is sticky, as a buffer's is. */
struct store {
    struct qfs_arena *arena;
    const struct qfs_ollama_model *model;
    const struct qfs_ollama_view *projector; /* NULL: none */
    const char *space;                       /* of the publisher; NULL: none */
    struct qfs_ollama_files files;
    size_t capacity;
    struct qfs_map paths; /* of the files, in small letters */
    bool failed;
};

/* Takes the path, ignoring case; false: it is taken. */
static bool claim(struct store *store, const char *path)
{
    char *small = path ? qfs_arena_string(store->arena, path) : NULL;
    uint64_t taken;
    for (char *c = small; c && *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
    if (small && qfs_map_get(&store->paths, qfs_text_of(small), &taken))
        return false;
    store->failed =
        store->failed || !small || qfs_map_set(&store->paths, qfs_text_of(small), 0) < 0;
    return !store->failed;
}

/* At a path that is claimed. */
static void put_file(struct store *store, const char *path, struct qfs_text text,
                     const struct qfs_ollama_view *view)
{
    store->failed = store->failed || !path || (!text.data && !view);
    if (store->failed)
        return;
    if (store->files.count == store->capacity) {
        store->failed = true;
        return;
    }
    store->files.items[store->files.count++] = (struct qfs_ollama_file){
        path, text, view ? (size_t)(view - store->model->views) : SIZE_MAX};
}

/* Configs and views that are the same are one blob. */
static void add_file(struct store *store, const char *path, struct qfs_text text,
                     const struct qfs_ollama_view *view)
{
    if (claim(store, path))
        put_file(store, path, text, view);
}

/* Takes the tree; the text is the arena's. */
static struct qfs_text print(struct store *store, cJSON *tree)
{
    char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;
    char *copy = text ? qfs_arena_string(store->arena, text) : NULL;
    cJSON_Delete(tree);
    cJSON_free(text);
    store->failed = store->failed || !copy;
    return qfs_text_of(copy);
}

static void add_layer(cJSON *to, const char *name, const char *kind, const char *digest,
                      uint64_t size, const char *title)
{
    cJSON *layer = cJSON_CreateObject();
    cJSON_AddStringToObject(layer, "mediaType", kind);
    cJSON_AddStringToObject(layer, "digest", digest);
    cJSON_AddNumberToObject(layer, "size", (double)size);
    if (title)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(layer, "annotations"),
                                "org.opencontainers.image.title", title);
    if (name)
        cJSON_AddItemToObject(to, name, layer);
    else
        cJSON_AddItemToArray(to, layer);
}

/* Adds the blob of a view, and the layer that says what it is good for. */
static void add_view(struct store *store, cJSON *layers, const struct qfs_ollama_view *view,
                     const char *kind)
{
    char hex[DIGEST_HEX + 1], digest[DIGEST_HEX + 8];
    if (digest_of_view(view, hex) < 0) {
        store->failed = true;
        return;
    }
    snprintf(digest, sizeof(digest), "sha256:%s", hex);
    add_layer(layers, NULL, kind, digest, view->size, view->path);
    add_file(store, qfs_arena_printf(store->arena, "blobs/sha256-%s", hex), (struct qfs_text){0},
             view);
}

/* As Ollama writes them: "7.6B", "134.52M". */
static void describe_count(uint64_t count, char ret_text[32])
{
    static const struct {
        uint64_t unit;
        char letter;
        int decimals;
    } units[] = {{1000000000, 'B', 1}, {1000000, 'M', 2}, {1000, 'K', 0}};
    for (size_t i = 0; i < QFS_COUNT(units); i++)
        if (count >= units[i].unit) {
            bool whole = count % units[i].unit == 0;
            snprintf(ret_text, 32, "%.*f%c", whole ? 0 : units[i].decimals,
                     (double)count / (double)units[i].unit, units[i].letter);
            return;
        }
    snprintf(ret_text, 32, "%" PRIu64, count);
}

/* What `ollama create` would have found out about the view. */
static struct qfs_text config_of(struct store *store, const struct qfs_ollama_view *view)
{
    const struct qfs_ollama_model *model = store->model;
    cJSON *config = cJSON_CreateObject();
    char count[32];
    cJSON_AddStringToObject(config, "model_format", "gguf");
    cJSON_AddStringToObject(config, "model_family", model->arch);
    cJSON *families = cJSON_AddArrayToObject(config, "model_families");
    cJSON_AddItemToArray(families, cJSON_CreateString(model->arch));
    if (store->projector)
        cJSON_AddItemToArray(families, cJSON_CreateString("clip"));
    if (model->nparams) {
        describe_count(model->nparams, count);
        cJSON_AddStringToObject(config, "model_type", count);
    }
    cJSON_AddStringToObject(config, "file_type", view->type);
    cJSON_AddStringToObject(config, "architecture", "amd64");
    cJSON_AddStringToObject(config, "os", "linux");
    return print(store, config);
}

/* A path of its own: `tag`, or with a number where another view's became the same. */
static const char *manifest_path(struct store *store, const char *space, const char *name,
                                 const char *tag)
{
    const char *path =
        qfs_arena_printf(store->arena, "manifests/" QFS_OLLAMA_HOST "/%s/%s/%s", space, name, tag);
    for (unsigned n = 2; path && !claim(store, path) && !store->failed; n++) {
        char numbered[PART_MOST + 16];
        snprintf(numbered, sizeof(numbered), "%.*s-%u", PART_MOST - 12, tag, n);
        path = qfs_arena_printf(store->arena, "manifests/" QFS_OLLAMA_HOST "/%s/%s/%s", space, name,
                                numbered);
    }
    return path;
}

static void add_manifest(struct store *store, const struct qfs_ollama_view *view)
{
    const char *space = store->space ? store->space : QFS_OLLAMA_NAMESPACE;
    const char *name = qfs_ollama_part_of(store->arena, QFS_OLLAMA_PART_NAME, store->model->name);
    const char *tag = qfs_ollama_part_of(store->arena, QFS_OLLAMA_PART_NAME, view->type);
    char hex[DIGEST_HEX + 1], digest[DIGEST_HEX + 8];
    struct qfs_text config = config_of(store, view);
    cJSON *manifest = cJSON_CreateObject();
    if (store->failed || !name || !tag || !manifest ||
        sha256_of(config.data, config.size, hex) < 0) {
        store->failed = true;
        cJSON_Delete(manifest);
        return;
    }
    snprintf(digest, sizeof(digest), "sha256:%s", hex);
    add_file(store, qfs_arena_printf(store->arena, "blobs/sha256-%s", hex), config, NULL);
    cJSON_AddNumberToObject(manifest, "schemaVersion", 2);
    cJSON_AddStringToObject(manifest, "mediaType",
                            "application/vnd.docker.distribution.manifest.v2+json");
    add_layer(manifest, "config", "application/vnd.docker.container.image.v1+json", digest,
              config.size, NULL);
    cJSON *layers = cJSON_AddArrayToObject(manifest, "layers");
    add_view(store, layers, view, "application/vnd.ollama.image.model");
    if (store->projector)
        add_view(store, layers, store->projector, "application/vnd.ollama.image.projector");
    put_file(store, manifest_path(store, space, name, tag), print(store, manifest), NULL);
}

/* The view's own name, without its type's ending and without the folders that it is in. */
static void add_modelfile(struct store *store, const struct qfs_ollama_view *view)
{
    const char *root = store->model->mountpoint;
    const char *slash = strrchr(view->path, '/');
    const char *name = slash ? slash + 1 : view->path;
    size_t stem = strlen(name) - (qfs_ends_with(name, ".gguf") ? strlen(".gguf") : 0);
    char *text = qfs_arena_printf(store->arena, "FROM %s/%s\n", root, view->path);
    if (text && store->projector)
        text = qfs_arena_printf(store->arena, "%sFROM %s/%s\n", text, root, store->projector->path);
    add_file(store,
             qfs_arena_printf(store->arena, "Modelfiles/%s%s%.*s.Modelfile",
                              store->space ? store->space : "", store->space ? "/" : "", (int)stem,
                              name),
             qfs_text_of(text), NULL);
}

/* The encoder's file that the models come with: the first of these types that there is. */
static const struct qfs_ollama_view *find_projector(const struct qfs_ollama_model *model)
{
    static const char *const types[] = {"mmproj-F16", "mmproj-BF16", "mmproj-Q8_0", "mmproj-F32"};
    for (size_t t = 0; t < QFS_COUNT(types); t++)
        for (size_t i = 0; i < model->nviews; i++)
            if (model->views[i].role == QFS_OLLAMA_PROJECTOR &&
                !strcasecmp(model->views[i].type, types[t]))
                return &model->views[i];
    return NULL;
}

int qfs_ollama_describe(struct qfs_arena *arena, const struct qfs_ollama_model *model,
                        struct qfs_ollama_files *ret_files, struct qfs_error *error)
{
    struct store store = {.arena = arena, .model = model, .projector = find_projector(model)};
    /* At most a manifest, a config, a blob and a Modelfile each, and the projector's blob. */
    store.capacity = 4 * model->nviews + 1;
    store.files.items = qfs_arena_array(arena, store.capacity, sizeof(*store.files.items));
    store.failed = !store.files.items;
    if (model->publisher) {
        store.space = qfs_ollama_part_of(arena, QFS_OLLAMA_PART_NAMESPACE, model->publisher);
        store.failed = store.failed || !store.space;
    }
    for (size_t i = 0; i < model->nviews && !store.failed; i++) {
        if (model->views[i].role != QFS_OLLAMA_MODEL)
            continue;
        add_manifest(&store, &model->views[i]);
        add_modelfile(&store, &model->views[i]);
    }
    qfs_map_done(&store.paths);
    if (store.failed)
        return qfs_fail_memory(error);
    *ret_files = store.files;
    return 0;
}
