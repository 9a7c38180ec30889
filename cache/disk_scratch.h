/* What one thread owns while it loads and stores. Private to cache/. */
#ifndef QUANTFS_DISK_SCRATCH_H
#define QUANTFS_DISK_SCRATCH_H

#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

struct qfs_disk_scratch {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *bytes; /* one payload */
    size_t capacity;
};

#endif
