/* Content instead of circumstances: every file of weights is read once, and is what its bytes are. */
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

static int read_digest(const struct qfs_model *model, const struct qfs_model_file *file,
                       char ret_hex[65], struct qfs_error *error)
{
    struct qfs_sha256 *sha = qfs_sha256_new();
    uint8_t *block = malloc(BLOCK);
    int rc = sha && block ? 0 : qfs_fail_memory(error);
    for (uint64_t at = 0; rc == 0 && at < file->size;) {
        size_t size = (size_t)QFS_MIN((uint64_t)BLOCK, file->size - at);
        rc = qfs_pread_full(file->fd, block, size, at);
        if (rc < 0)
            rc = qfs_fail(error, -rc, "%s/%s: cannot be read: %s", model->path, file->name,
                          strerror(-rc));
        else
            qfs_sha256_update(sha, block, size);
        at += size;
    }
    if (rc == 0)
        qfs_sha256_hex(sha, ret_hex);
    qfs_sha256_free(sha);
    free(block);
    return rc;
}

int qfs_model_verify(struct qfs_model *model, struct qfs_error *error)
{
    for (size_t i = 0; i < model->nfiles; i++) {
        struct qfs_model_file *file = &model->files[i];
        char named[65], found[65];
        int rc = read_digest(model, file, found, error);
        if (rc < 0)
            return rc;
        if (qfs_part_hub_digest(model->dir_fd, file->name, named) && strcmp(named, found) != 0)
            return qfs_fail(error, EILSEQ,
                            "%s/%s: its content's SHA-256 is %s, but the hub names it %s: it is "
                            "damaged, download it again",
                            model->path, file->name, found, named);
        file->identity = qfs_hash(found, strlen(found));
    }
    return 0;
}
