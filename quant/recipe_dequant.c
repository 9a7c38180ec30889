/* What a released checkpoint packs, to floats: weights times the scales that blocks of them share,
 * integers of a few bits. A run of elements reads its own weights and the scales that lie over them. */
#include "recipe_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 32 << 10,       /* elements at a time: operand, scales and result stay in cache */
    MAX_SHARES = PIECE + 1, /* of operand 1 held at once, where rows do not need more */
};

/* Operand 1 of a SCALE over a run of the result. */
struct shares {
    uint8_t *raw;
    float *values;
    int64_t room;     /* elements that both have room for */
    int64_t first, n; /* what they hold */
};

static void shares_done(struct shares *s)
{
    free(s->raw);
    free(s->values);
}

static int shares_read(const struct qfs_reader *r, const struct qfs_recipe *operand,
                       struct shares *s, int64_t first, int64_t n)
{
    if (s->n && first >= s->first && first + n <= s->first + s->n)
        return 0;
    if (n > s->room) {
        shares_done(s);
        *s = (struct shares){
            .raw = malloc((size_t)n * qfs_dtypes[operand->dtype].size),
            .values = malloc((size_t)n * sizeof(*s->values)),
            .room = n,
        };
        if (!s->raw || !s->values)
            return qfs_fail_memory(r->error);
    }
    s->first = first;
    s->n = 0;
    int rc = qfs_recipe_node(r, operand, first, n, s->raw);
    if (rc < 0)
        return rc;
    qfs_decode(r->kernels, operand->dtype, s->raw, s->values, n);
    s->n = n;
    return 0;
}

/* Operand 1's element that begins the row over the result's row `row`. */
static int64_t share_row(const struct qfs_recipe *node, int64_t row)
{
    const struct qfs_recipe *operand = node->operands[1];
    int64_t at = 0, stride = node->ndim ? operand->shape[node->ndim - 1] : 1;
    for (int i = node->ndim - 2; i >= 0; i--) {
        if (node->strides[i])
            at += row % node->shape[i] / node->strides[i] * stride;
        row /= node->shape[i];
        stride *= operand->shape[i];
    }
    return at;
}

static void combine_one(enum qfs_op op, float *x, int64_t count, float share)
{
    switch (op) {
    case QFS_OP_SCALE:
        for (int64_t i = 0; i < count; i++)
            x[i] *= share;
        break;
    default:
        for (int64_t i = 0; i < count; i++)
            x[i] -= share;
        break;
    }
}

/* `count` elements from column `col` on; `values` begin with the row's first one. */
static void combine(const struct qfs_recipe *node, float *x, int64_t col, int64_t count,
                    const float *values)
{
    int64_t size = node->ndim ? node->strides[node->ndim - 1] : 0;
    if (size == 0) {
        combine_one(node->op, x, count, values[0]);
        return;
    }
    while (count) {
        int64_t n = QFS_MIN(count, size - col % size);
        combine_one(node->op, x, n, values[col / size]);
        x += n;
        col += n;
        count -= n;
    }
}

/* Part of one row. */
static int scale_within_row(const struct qfs_reader *r, const struct qfs_recipe *node,
                            struct shares *s, int64_t row, int64_t col, int64_t count, float *x)
{
    int64_t size = node->ndim ? node->strides[node->ndim - 1] : 0;
    int64_t from = size ? col / size : 0, to = size ? (col + count - 1) / size : 0;
    int64_t at = share_row(node, row);
    int rc = shares_read(r, node->operands[1], s, at + from, to - from + 1);
    if (rc == 0)
        combine(node, x, size ? col - from * size : 0, count, s->values + (at + from - s->first));
    return rc;
}

/* How many of the rows from `row` on have their shares close together, and where those lie. */
static int64_t rows_together(const struct qfs_recipe *node, int64_t row, int64_t nrows,
                             int64_t *ret_low, int64_t *ret_high)
{
    int64_t width = node->operands[1]->shape[node->ndim - 1];
    int64_t low = share_row(node, row), high = low + width, n = 1;
    for (; n < nrows; n++) {
        int64_t at = share_row(node, row + n);
        if (QFS_MAX(high, at + width) - QFS_MIN(low, at) > QFS_MAX(width, (int64_t)MAX_SHARES))
            break;
        low = QFS_MIN(low, at);
        high = QFS_MAX(high, at + width);
    }
    *ret_low = low;
    *ret_high = high;
    return n;
}

static int scale_piece(const struct qfs_reader *r, const struct qfs_recipe *node, struct shares *s,
                       int64_t first, int64_t count, float *x)
{
    int64_t ncols = node->ndim ? node->shape[node->ndim - 1] : 1, low, high;
    int rc = 0;
    while (count && rc == 0) {
        int64_t row = first / ncols, col = first % ncols, nrows = count / ncols, n;
        if (col || nrows < 2) {
            n = QFS_MIN(count, ncols - col);
            rc = scale_within_row(r, node, s, row, col, n, x);
        } else {
            nrows = rows_together(node, row, nrows, &low, &high);
            n = nrows * ncols;
            rc = shares_read(r, node->operands[1], s, low, high - low);
            for (int64_t i = 0; i < nrows && rc == 0; i++)
                combine(node, x + i * ncols, 0, ncols,
                        s->values + (share_row(node, row + i) - s->first));
        }
        first += n;
        count -= n;
        x += n;
    }
    return rc;
}

int qfs_recipe_scale(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                     int64_t count, float *out)
{
    const struct qfs_recipe *operand = node->operands[0];
    struct shares shares = {0};
    uint8_t *raw = malloc((size_t)QFS_MIN(count, (int64_t)PIECE) * qfs_dtypes[operand->dtype].size);
    int rc = raw ? 0 : qfs_fail_memory(r->error);
    while (count && rc == 0) {
        int64_t n = QFS_MIN(count, (int64_t)PIECE);
        if ((rc = qfs_recipe_node(r, operand, first, n, raw)) < 0)
            break;
        qfs_decode(r->kernels, operand->dtype, raw, out, n);
        rc = scale_piece(r, node, &shares, first, n, out);
        first += n;
        count -= n;
        out += n;
    }
    shares_done(&shares);
    free(raw);
    return rc;
}

/* -- integers of a few bits -------------------------------------------------------------------- */

int64_t qfs_integer_at(enum qfs_dtype dtype, const uint8_t *raw, int64_t i)
{
    int64_t wide;
    int32_t word;
    int16_t half;
    switch (qfs_dtypes[dtype].size) {
    case 1:
        return dtype == QFS_DTYPE_I8 ? (int64_t)(int8_t)raw[i] : (int64_t)raw[i];
    case 2:
        memcpy(&half, raw + i * 2, sizeof(half));
        return half;
    case 4:
        memcpy(&word, raw + i * 4, sizeof(word));
        return word;
    default:
        memcpy(&wide, raw + i * 8, sizeof(wide));
        return wide;
    }
}

int qfs_recipe_unpack(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                      int64_t count, float *out)
{
    const struct qfs_recipe *operand = node->operands[0];
    int64_t fields = node->shape[node->axis], mask = (INT64_C(1) << node->bits) - 1, inner = 1;
    uint8_t *raw = malloc((size_t)QFS_MIN(count, (int64_t)PIECE) * qfs_dtypes[operand->dtype].size);
    int rc = raw ? 0 : qfs_fail_memory(r->error);
    for (int i = node->axis + 1; i < node->ndim; i++)
        inner *= node->shape[i];
    while (count && rc == 0) {
        int64_t n = QFS_MIN(count, (int64_t)PIECE);
        if (inner == 1) { /* neighbours come from one integer */
            int64_t from = first / fields, to = (first + n - 1) / fields;
            rc = qfs_recipe_node(r, operand, from, to - from + 1, raw);
            for (int64_t i = 0; i < n && rc == 0;) {
                int64_t at = first + i, field = at % fields;
                int64_t word = qfs_integer_at(operand->dtype, raw, at / fields - from);
                for (word >>= field * node->bits; field < fields && i < n; field++) {
                    out[i++] = (float)(word & mask);
                    word >>= node->bits;
                }
            }
        } else { /* the same field of neighbouring integers */
            int64_t field = first / inner % fields, outer = first / inner / fields;
            int shift = (int)field * node->bits;
            n = QFS_MIN(n, inner - first % inner);
            rc = qfs_recipe_node(r, operand, outer * inner + first % inner, n, raw);
            for (int64_t i = 0; i < n && rc == 0; i++)
                out[i] = (float)(qfs_integer_at(operand->dtype, raw, i) >> shift & mask);
        }
        first += n;
        count -= n;
        out += n;
    }
    free(raw);
    return rc;
}
