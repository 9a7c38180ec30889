/* Any bytes as a quantfs.json, of a model directory and named by --views. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "own_views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qfs_model model = {.path = "/nonexistent", .name = "Model", .dir_fd = AT_FDCWD};
    struct qfs_own_views views = {0};
    struct qfs_arena arena = {0};
    struct qfs_error error = {0};
    char path[64];
    int fd = memfd_create("views", 0);
    if (fd < 0 || qfs_pwrite_full(fd, data, size, 0) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (qfs_own_views_read(&arena, &model, path, &views, &error) == 0) {
        for (size_t i = 0; i < views.count; i++)
            if (!views.items[i].stem || !views.items[i].options.ftype ||
                strchr(views.items[i].stem, '/') || !*views.items[i].type)
                abort();
        qfs_own_views_done(&views);
    } else if (!error.text[0] || views.count) {
        abort();
    }
    qfs_arena_done(&arena);
    close(fd);
    return 0;
}
