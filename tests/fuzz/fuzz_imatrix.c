/* Any bytes as an importance matrix, in either format. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "quantfs/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const parts[] = {"blk", "attn"};
    const struct qfs_imatrix_options options = {.include = parts, .ninclude = size % 3};
    struct qfs_imatrix *imatrix;
    struct qfs_error error;
    char path[64];
    int fd = memfd_create("imatrix", 0);
    if (fd < 0 || qfs_pwrite_full(fd, data, size, 0) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (qfs_imatrix_open(path, options.ninclude < 3 ? &options : NULL, &imatrix, &error) == 0) {
        for (size_t i = 0; i < imatrix->nentries; i++) {
            const struct qfs_imatrix_entry *entry = &imatrix->entries[i];
            for (size_t k = 0; k < entry->count; k++)
                if (!(entry->values[k] >= 0))
                    abort();
            if (!qfs_imatrix_find(imatrix, entry->name))
                abort();
        }
        qfs_imatrix_free(imatrix);
    }
    close(fd);
    return 0;
}
