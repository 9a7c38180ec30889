/* device_on_host.c: the kernels as a device runs them, compiled for the host. Units go to threads in no order
 * that a body could rely on, each with a scratch of its own size between guards. */
#include "../quant/cuda/host_kernels.h"
#include "device_isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NTHREADS = 3, GUARD = 64 };

#define KERNEL(type, name) [QFS_TYPE_##type] = qfs_device_##name,
static qfs_device_host_fn *const kernels[QFS_TYPE_COUNT] = {QFS_FORMATS(KERNEL)};

bool device_open(void)
{
    return true;
}

void device_quantize(enum qfs_type type, const float *x, void *blocks, int64_t nrows,
                     int64_t row_size, const float *imatrix)
{
    const struct qfs_type_info *info = qfs_type_info((int)type);
    const int64_t unit = qfs_device_unit(type, row_size, imatrix != NULL);
    const int64_t stride = qfs_device_stride(type, unit);
    const int64_t first_rows = nrows / 2, row_units = row_size / unit;
    const uint64_t row_bytes = qfs_row_bytes(type, row_size);
    uint8_t *scratch = aligned_alloc(64, (size_t)(NTHREADS * stride + GUARD));
    if (!scratch)
        abort();
    memset(scratch, 0x5a, (size_t)(NTHREADS * stride + GUARD)); /* what it holds must not matter */
    uint32_t nonfinite = 0;
    struct qfs_device_span spans[2];
    for (int k = 0; k < 2; k++)
        spans[k] = (struct qfs_device_span){
            .source = x + (k ? first_rows * row_size : 0),
            .imatrix = imatrix,
            .blocks = (uint8_t *)blocks + (k ? (uint64_t)first_rows * row_bytes : 0),
            .row_size = row_size,
            .nunits = (k ? nrows - first_rows : first_rows) * row_units,
            .nonfinite = &nonfinite,
        };
    const struct qfs_device_job job = {
        .spans = spans,
        .nunits = nrows * row_units,
        .unit = (int32_t)unit,
        .unit_bytes = (int32_t)(unit / info->block_count * info->block_bytes),
        .scratch = scratch,
        .stride = stride,
    };
    for (int64_t thread = NTHREADS - 1; thread >= 0; thread--) {
        uint8_t *end = scratch + (thread + 1) * stride; /* the next one's first bytes */
        memset(end, 0xa5, GUARD);
        kernels[type](&job, thread, NTHREADS);
        for (int i = 0; i < GUARD; i++)
            if (end[i] != 0xa5) {
                fprintf(stderr, "%s: thread %d writes beyond its scratch\n", info->name,
                        (int)thread);
                exit(1);
            }
    }
    free(scratch);
}
