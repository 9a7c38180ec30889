/* device_job.h: what one launch of a format's kernel does. Shared by host and device.
 *
 * A job is a list of spans, whole rows each; a span is cut into units, which need nothing of each other:
 * whole blocks, or whole rows where a row's mean counts (qfs_device_unit). A thread takes every n-th unit
 * of all of them, decodes it to floats in its own scratch, rounds these as the intermediate file would,
 * and runs the format's body over them. So only elements go up and only blocks come down. */
#ifndef QUANTFS_DEVICE_JOB_H
#define QUANTFS_DEVICE_JOB_H

#include "quantfs/kernels.h"

enum qfs_device_element {
    QFS_DEVICE_F32,
    QFS_DEVICE_F16,
    QFS_DEVICE_BF16,
    QFS_DEVICE_E4M3,
    QFS_DEVICE_E5M2,
};

struct qfs_device_span {
    const void *source;   /* elements, row by row, aligned as they need */
    const float *imatrix; /* importances of a row, or NULL */
    void *blocks;
    int64_t row_size, nunits;
    int32_t element; /* enum qfs_device_element */
    int32_t
        through; /* QFS_DEVICE_F16 or _BF16: floats are rounded to it first; _F32: as they are */
    uint32_t *nonfinite; /* becomes 1 where a weight, rounded, is infinite or no number */
};

struct qfs_device_job {
    const struct qfs_device_span *spans;
    int64_t nunits;           /* of all spans; what follows holds for each */
    int32_t unit, unit_bytes; /* weights and bytes of blocks */
    uint8_t *scratch;         /* `stride` bytes a thread, 64-byte aligned */
    int64_t stride;           /* qfs_device_stride */
};

/* A thread's scratch: a unit's floats, then the body's. IQ3 keeps the lines of all open runs, others a
 * block or two. */
static inline int64_t qfs_device_stride(enum qfs_type type, int64_t unit)
{
    const bool lines = type == QFS_TYPE_IQ3_XXS || type == QFS_TYPE_IQ3_S;
    const int64_t body = lines ? QFS_SCRATCH_ONE_LANE : QFS_SCRATCH_ONE_LANE / 4;
    return (unit * (int64_t)sizeof(float) + body + 63) / 64 * 64;
}

/* Weights of a unit. With importances the blocks of 32 with a scale for all take the mean of a whole row. */
static inline int64_t qfs_device_unit(enum qfs_type type, int64_t row_size, bool imatrix)
{
    const bool by_row = type == QFS_TYPE_Q4_0 || type == QFS_TYPE_Q4_1 || type == QFS_TYPE_Q5_0 ||
                        type == QFS_TYPE_Q5_1;
    const int64_t few = 256, block = qfs_type_info((int)type)->block_count;
    return imatrix && by_row ? row_size : row_size % few == 0 ? few : block;
}

#endif
