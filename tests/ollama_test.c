/* Names, manifests, configs and Modelfiles of Ollama's store, from what is said about a model. */
#include "check.h"
#include "ollama.h"

#include <regex.h>
#include <string.h>
#include <strings.h>

static const struct {
    enum qfs_ollama_part part;
    const char *given, *made;
} names[] = {
    {QFS_OLLAMA_PART_NAME, "Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct"},
    {QFS_OLLAMA_PART_NAME, "_x", "_x"},
    {QFS_OLLAMA_PART_NAME, ".hidden", "_hidden"},
    {QFS_OLLAMA_PART_NAME, "-dash", "_dash"},
    {QFS_OLLAMA_PART_NAME, "a b+c:d@e", "a-b-c-d-e"},
    {QFS_OLLAMA_PART_NAME, "\xc3\xa9t\xc3\xa9", "_-t--"},
    {QFS_OLLAMA_PART_NAME, "", "_"},
    {QFS_OLLAMA_PART_NAMESPACE, "deepseek-ai", "deepseek-ai"},
    {QFS_OLLAMA_PART_NAMESPACE, "01.AI", "01-AI"},
};

static void test_names(void)
{
    struct qfs_arena arena = {0};
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        const char *made = qfs_ollama_part_of(&arena, names[i].part, names[i].given);
        CHECK(made && strcmp(made, names[i].made) == 0);
        CHECK(qfs_ollama_part_valid(names[i].part, made));
        CHECK(qfs_ollama_part_valid(names[i].part, names[i].given) ==
              (strcmp(names[i].given, made) == 0));
    }
    /* Long names are told apart by what was cut off. */
    char one[121], other[121];
    memset(one, 'x', 120);
    one[120] = 0;
    strcpy(other, one);
    other[119] = 'y';
    const char *a = qfs_ollama_part_of(&arena, QFS_OLLAMA_PART_NAME, one);
    const char *b = qfs_ollama_part_of(&arena, QFS_OLLAMA_PART_NAME, other);
    CHECK(a && b && strcmp(a, b) != 0);
    CHECK(!qfs_ollama_part_valid(QFS_OLLAMA_PART_NAME, one));
    CHECK(qfs_ollama_part_valid(QFS_OLLAMA_PART_NAME, a) && strlen(a) == 80);
    one[80] = 0;
    CHECK(strcmp(qfs_ollama_part_of(&arena, QFS_OLLAMA_PART_NAME, one), one) == 0);
    qfs_arena_done(&arena);
}

static const struct qfs_ollama_view views[] = {
    {QFS_OLLAMA_MODEL, "Little-VL-F16.gguf", "F16", 5000000000000, {1, 2}},
    {QFS_OLLAMA_MODEL, "Little-VL-Q4_K_M.gguf", "Q4_K_M", 98362432, {3, 4}},
    {QFS_OLLAMA_MODEL, "Little-VL-q4_k_m.gguf", "q4_k_m", 98362432, {5, 6}},
    {QFS_OLLAMA_UNUSED, "Little-VL-Q8_0-00001-of-00002.gguf", "Q8_0-00001-of-00002", 1, {7, 8}},
    {QFS_OLLAMA_PROJECTOR, "mmproj-Little-VL-F32.gguf", "mmproj-F32", 4000, {9, 10}},
    {QFS_OLLAMA_PROJECTOR, "mmproj-Little-VL-F16.gguf", "mmproj-F16", 2000, {11, 12}},
};

static const struct qfs_ollama_model model = {
    .name = "Little-VL",
    .arch = "qwen2vl",
    .nparams = 134515008,
    .mountpoint = "/mnt/models",
    .views = views,
    .nviews = QFS_COUNT(views),
};

static const struct qfs_ollama_file *find(const struct qfs_ollama_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->items[i].path, path))
            return &files->items[i];
    return NULL;
}

static const char *text_of(const struct qfs_ollama_files *files, const char *path)
{
    const struct qfs_ollama_file *file = find(files, path);
    CHECK(file && file->text.data);
    return file->text.data;
}

/* Is there a blob for the digest at `at` ("sha256:…")? */
static const struct qfs_ollama_file *blob_of(const struct qfs_ollama_files *files, const char *at)
{
    char path[96];
    snprintf(path, sizeof(path), "blobs/sha256-%.64s", at + strlen("sha256:"));
    const struct qfs_ollama_file *file = find(files, path);
    CHECK(file);
    return file;
}

static void test_files(void)
{
    struct qfs_arena arena = {0}, again = {0};
    struct qfs_ollama_files files, same;
    regex_t shape;
    CHECK(regcomp(&shape,
                  "^(manifests/registry\\.ollama\\.ai/library/Little-VL/[A-Za-z0-9_][A-Za-z0-9_.-]*"
                  "|blobs/sha256-[0-9a-f]{64}|Modelfiles/[^/]+\\.Modelfile)$",
                  REG_EXTENDED | REG_NOSUB) == 0);
    CHECK(qfs_ollama_describe(&arena, &model, &files, NULL) == 0);
    CHECK(qfs_ollama_describe(&again, &model, &same, NULL) == 0);
    /* Three manifests, of which two share a config but for case; a Modelfile each (the second name that
     * differs by case alone is left out); three views and a projector. */
    CHECK(files.count == same.count);
    for (size_t i = 0; i < files.count; i++) {
        CHECK(regexec(&shape, files.items[i].path, 0, NULL, 0) == 0);
        CHECK(!strcmp(files.items[i].path, same.items[i].path)); /* nothing is left to chance */
        for (size_t k = 0; k < i; k++)
            CHECK(strcasecmp(files.items[i].path, files.items[k].path) != 0);
    }
    const char *text = text_of(&files, "manifests/registry.ollama.ai/library/Little-VL/Q4_K_M");
    CHECK(find(&files, "manifests/registry.ollama.ai/library/Little-VL/q4_k_m-2"));
    CHECK(!find(&files, "manifests/registry.ollama.ai/library/Little-VL/q4_k_m"));
    CHECK(qfs_starts_with(text, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker."
                                "distribution.manifest.v2+json\",\"config\":{"));
    const char *config = strstr(text, "sha256:");
    const char *weights = strstr(text, "\"application/vnd.ollama.image.model\",\"digest\":\"");
    const char *projector =
        strstr(text, "\"application/vnd.ollama.image.projector\",\"digest\":\"");
    CHECK(config && weights && projector && weights < projector);
    CHECK(strstr(weights, ",\"size\":98362432,") && strstr(projector, ",\"size\":2000,"));
    CHECK(strstr(text_of(&files, "manifests/registry.ollama.ai/library/Little-VL/F16"),
                 ",\"size\":5000000000000,"));
    CHECK(!blob_of(&files, strstr(weights, "sha256:"))->text.data);
    CHECK(blob_of(&files, strstr(weights, "sha256:"))->view == 1);
    CHECK(blob_of(&files, strstr(projector, "sha256:"))->view == 5);
    CHECK(strcmp(blob_of(&files, config)->text.data,
                 "{\"model_format\":\"gguf\",\"model_family\":\"qwen2vl\",\"model_families\":"
                 "[\"qwen2vl\",\"clip\"],\"model_type\":\"134.52M\",\"file_type\":\"Q4_K_M\","
                 "\"architecture\":\"amd64\",\"os\":\"linux\"}") == 0);
    CHECK(strcmp(text_of(&files, "Modelfiles/Little-VL-Q4_K_M.Modelfile"),
                 "FROM /mnt/models/Little-VL-Q4_K_M.gguf\n"
                 "FROM /mnt/models/mmproj-Little-VL-F16.gguf\n") == 0);
    for (size_t i = 0; i < files.count; i++)
        CHECK(!strstr(files.items[i].path, "-of-"));
    regfree(&shape);
    qfs_arena_done(&arena);
    qfs_arena_done(&again);
}

/* A config's name is the SHA-256 of what it holds; a view's changes with what its bytes depend on. */
static void test_digests(void)
{
    struct qfs_arena arena = {0};
    struct qfs_ollama_files files, changed;
    struct qfs_ollama_view edited[QFS_COUNT(views)];
    struct qfs_ollama_model other = model;
    size_t configs = 0, kept = 0, of_views = 0;
    memcpy(edited, views, sizeof(views));
    for (size_t i = 0; i < QFS_COUNT(views); i++)
        edited[i].identity.high++;
    other.views = edited;
    CHECK(qfs_ollama_describe(&arena, &model, &files, NULL) == 0);
    CHECK(qfs_ollama_describe(&arena, &other, &changed, NULL) == 0);
    for (size_t i = 0; i < files.count; i++) {
        const struct qfs_ollama_file *file = &files.items[i];
        if (!qfs_starts_with(file->path, "blobs/"))
            continue;
        if (!file->text.data) {
            of_views++;
            kept += find(&changed, file->path) != NULL;
            continue;
        }
        char hex[65];
        struct qfs_sha256 *sha = qfs_sha256_new();
        qfs_sha256_update(sha, file->text.data, file->text.size);
        qfs_sha256_hex(sha, hex);
        qfs_sha256_free(sha);
        CHECK(strcmp(file->path + strlen("blobs/sha256-"), hex) == 0);
        CHECK(find(&changed, file->path));
        configs++;
    }
    CHECK(configs == 3 && of_views == 4 && kept == 0);
    qfs_arena_done(&arena);
}

static void test_small(void)
{
    struct qfs_arena arena = {0};
    struct qfs_ollama_files files;
    struct qfs_ollama_model other = model;
    other.nviews = 2;
    other.publisher = "01.AI";
    other.nparams = 7000000000;
    CHECK(qfs_ollama_describe(&arena, &other, &files, NULL) == 0);
    const char *text = text_of(&files, "manifests/registry.ollama.ai/01-AI/Little-VL/F16");
    CHECK(!strstr(text, "projector"));
    CHECK(strstr(blob_of(&files, strstr(text, "sha256:"))->text.data, "\"model_type\":\"7B\""));
    CHECK(!strcmp(text_of(&files, "Modelfiles/01-AI/Little-VL-F16.Modelfile"),
                  "FROM /mnt/models/Little-VL-F16.gguf\n"));
    other.views += 3; /* an unused one, a projector: nothing to run */
    CHECK(qfs_ollama_describe(&arena, &other, &files, NULL) == 0 && files.count == 0);
    qfs_arena_done(&arena);
}

int main(void)
{
    test_names();
    test_files();
    test_digests();
    test_small();
    return 0;
}
