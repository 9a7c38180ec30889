/* Whether two matrices of the files are the same: the only place where planning reads whole weights. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

enum { STEP = 1 << 20 };

/* As floats compare: zeros of both signs are equal, NaN is not even itself. */
static bool equal_floats(const uint8_t *a, const uint8_t *b, size_t size, enum qfs_dtype dtype)
{
    size_t width = qfs_dtypes[dtype].size;
    uint32_t infinity = dtype == QFS_DTYPE_F16    ? 0x7c00
                        : dtype == QFS_DTYPE_BF16 ? 0x7f80
                                                  : 0x7f800000;
    uint32_t magnitude = width == 2 ? 0x7fff : 0x7fffffff;
    for (size_t i = 0; i < size; i += width) {
        uint32_t x = 0, y = 0;
        memcpy(&x, a + i, width);
        memcpy(&y, b + i, width);
        if ((x & magnitude) > infinity || (x != y && ((x | y) & magnitude)))
            return false;
    }
    return true;
}

int qfs_lazy_equal(struct qfs_converter *c, const struct qfs_recipe *a, const struct qfs_recipe *b,
                   bool *ret_equal)
{
    if (!a || !b)
        return -c->error->code;
    bool equal = a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof(*a->shape)) == 0;
    if (equal &&
        (a->op != QFS_OP_SOURCE || b->op != QFS_OP_SOURCE || a->dtype != b->dtype ||
         (a->dtype != QFS_DTYPE_F32 && a->dtype != QFS_DTYPE_F16 && a->dtype != QFS_DTYPE_BF16)))
        return qfs_fail(c->error, ENOTSUP,
                        "%s: two embeddings of different types cannot be compared", c->model->path);
    uint8_t *both = equal ? malloc(2 * STEP) : NULL;
    int rc = equal && !both ? qfs_fail_memory(c->error) : 0;
    for (uint64_t at = 0; rc == 0 && equal && at < a->source->nbytes; at += STEP) {
        size_t size = (size_t)QFS_MIN(a->source->nbytes - at, (uint64_t)STEP);
        rc = qfs_model_pread(c->model, a->source, at, both, size, c->error);
        if (rc == 0)
            rc = qfs_model_pread(c->model, b->source, at, both + STEP, size, c->error);
        equal = rc == 0 && equal_floats(both, both + STEP, size, a->dtype);
    }
    free(both);
    if (rc == 0)
        *ret_equal = equal;
    return rc;
}
