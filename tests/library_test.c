/* A program that uses libquantfs and nothing else: library_test MODEL_DIR WORK_DIR. Reads the views in
 * several ways, by several threads, and asks for things that are not there. */
#include <quantfs.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static struct qfs_view *view;
static uint8_t *whole;
static uint64_t size;

static void *read_at_random(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    uint8_t *data = malloc(300000);
    for (int i = 0; i < 100; i++) {
        uint64_t offset = check_random(&seed) % size;
        size_t want = (size_t)(check_random(&seed) % 300000);
        int64_t got = qfs_view_pread(view, data, want, offset, NULL);
        CHECK(got == (int64_t)(offset + want > size ? size - offset : want));
        CHECK(!memcmp(data, whole + offset, (size_t)got));
    }
    free(data);
    return NULL;
}

static void compare_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size + 1);
    CHECK(file && fread(data, 1, size + 1, file) == size && !memcmp(data, whole, size));
    fclose(file);
    free(data);
}

static int stop_at_once(void *arg, uint64_t done, uint64_t of)
{
    (void)arg;
    return done > 0 && done < of;
}

static void copies(const char *work)
{
    struct qfs_copy_options stopping = {.progress = stop_at_once};
    struct qfs_error error;
    char dest[500], part[520];
    snprintf(dest, sizeof(dest), "%s/copy.gguf", work);
    snprintf(part, sizeof(part), "%s.part", dest);
    int rc = qfs_view_copy(view, dest, &stopping, &error);
    CHECK(rc == 0 || (rc == -ECANCELED && access(part, F_OK) == 0 && access(dest, F_OK) < 0));
    CHECK(qfs_view_copy(view, dest, NULL, &error) == 0 && access(part, F_OK) < 0);
    compare_file(dest);
    CHECK(qfs_view_copy(view, work, NULL, &error) == 0);
    snprintf(dest, sizeof(dest), "%s/%s", work, qfs_view_info(view)->name);
    compare_file(dest);
    CHECK(qfs_view_copy(view, "/nonexistent/x", NULL, &error) == -ENOENT && error.text[0]);
}

int main(int argc, char **argv)
{
    struct qfs_source *source;
    struct qfs_error error;
    pthread_t threads[4];
    CHECK(argc == 3 && qfs_version()[0] && qfs_reference_version()[0]);
    char cache[500];
    snprintf(cache, sizeof(cache), "%s/cache", argv[2]);
    struct qfs_options options = {.cache_dir = cache, .threads = 3, .memory = 8 << 20};
    CHECK(qfs_source_open("/nonexistent", &options, &source, &error) == -ENOENT);
    CHECK(strstr(error.text, "/nonexistent"));
    struct qfs_options wrong = {.types = "Q4_K_M,Q99"};
    CHECK(qfs_source_open(argv[1], &wrong, &source, &error) == -EINVAL &&
          strstr(error.text, "Q99"));
    CHECK(qfs_source_open(argv[1], &options, &source, &error) == 0);
    CHECK(qfs_source_count(source) > 3 && !qfs_source_view(source, 1000));
    CHECK(qfs_view_open(source, "Q99", &view, &error) == -ENOENT && strstr(error.text, "Q8_0"));
    CHECK(qfs_source_find(source, "q4_k_m") && !qfs_source_find(source, "x.gguf"));

    CHECK(qfs_view_open(source, "q4_k_m", &view, &error) == 0);
    size = qfs_view_info(view)->size;
    whole = malloc(size + 10);
    CHECK(qfs_view_pread(view, whole, size + 10, 0, &error) == (int64_t)size);
    CHECK(!memcmp(whole, "GGUF", 4) && qfs_view_pread(view, whole, 1, size, &error) == 0);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, read_at_random, (void *)i) == 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    copies(argv[2]);
    CHECK(qfs_view_prefetch(view, 0, UINT64_MAX, NULL, &error) == 0);
    qfs_view_close(view);
    qfs_source_close(source);
    qfs_source_close(NULL);
    free(whole);
    return 0;
}
