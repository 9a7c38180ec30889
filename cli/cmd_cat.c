#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

static int write_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(STDOUT_FILENO, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int cmd_cat(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_view *view;
    struct qfs_error error = {0};
    uint8_t *block = malloc(BLOCK);
    int64_t n = 0;
    int rc = CLI_OK;
    if (!block || cli_open_view(settings, &source, &view, &error) < 0) {
        free(block);
        return cli_fail(&error);
    }
    uint64_t size = qfs_view_info(view)->size, at = QFS_MIN(settings->offset, size);
    uint64_t end = settings->have_length ? at + QFS_MIN(settings->length, size - at) : size;
    for (; at < end; at += (uint64_t)n) {
        n = qfs_view_pread(view, block, (size_t)QFS_MIN((uint64_t)BLOCK, end - at), at, &error);
        if (n <= 0) {
            rc = cli_fail(&error);
            break;
        }
        int failed = write_all(block, (size_t)n);
        if (failed < 0) {
            if (failed != -EPIPE)
                fprintf(stderr, "quantfs: standard output cannot be written: %s\n",
                        strerror(-failed));
            rc = CLI_FAILED;
            break;
        }
    }
    qfs_view_close(view);
    qfs_source_close(source);
    free(block);
    return rc;
}
