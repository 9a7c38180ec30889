/* GPTQ: weights stand transposed, several inputs of one output in an integer. A band of outputs is read as the
 * columns that it is, a short run from each row of the file. */
#include "recipe_read.h"

#include <stdlib.h>
#include <string.h>

enum { BAND_WEIGHTS = 256 << 10 }; /* of a band, unless one row has more */

struct band {
    const struct qfs_recipe *node;
    int64_t nin, ngroups, fields, width; /* width: outputs it has room for */
    int64_t *groups;                     /* g_idx, checked */
    uint8_t *words, *zero_words, *raw_scales;
    float *scales, *zeros; /* [ngroups, width] */
};

static void band_done(struct band *b)
{
    free(b->groups);
    free(b->words);
    free(b->zero_words);
    free(b->raw_scales);
    free(b->scales);
    free(b->zeros);
}

static int read_groups(const struct qfs_reader *r, struct band *b)
{
    const struct qfs_recipe *g_idx = b->node->operands[3];
    uint8_t *raw = malloc((size_t)b->nin * qfs_dtypes[g_idx->dtype].size);
    int rc = raw ? qfs_recipe_node(r, g_idx, 0, b->nin, raw) : qfs_fail_memory(r->error);
    for (int64_t i = 0; i < b->nin && rc == 0; i++) {
        int64_t group = qfs_integer_at(g_idx->dtype, raw, i);
        group += group < 0 ? b->ngroups : 0;
        if (group < 0 || group >= b->ngroups)
            rc = qfs_fail(r->error, EIO,
                          "%s: a GPTQ weight's g_idx names a group that it does not have: "
                          "download the model again",
                          r->model->path);
        b->groups[i] = group;
    }
    free(raw);
    return rc;
}

static int band_init(const struct qfs_reader *r, struct band *b, const struct qfs_recipe *node,
                     int64_t nrows)
{
    const struct qfs_recipe *words = node->operands[0], *scales = node->operands[2];
    size_t word = qfs_dtypes[words->dtype].size;
    *b = (struct band){
        .node = node,
        .nin = node->shape[1],
        .ngroups = scales->shape[0],
        .fields = (int64_t)word * 8 / node->bits,
        .width = QFS_MIN(nrows, QFS_MAX(1, BAND_WEIGHTS / node->shape[1])),
    };
    size_t all = (size_t)(b->ngroups * b->width), packed = (size_t)(b->width / b->fields + 2);
    b->groups = malloc((size_t)b->nin * sizeof(*b->groups));
    b->words = malloc((size_t)b->width * word);
    b->zero_words = malloc(packed * word);
    b->raw_scales = malloc((size_t)b->width * qfs_dtypes[scales->dtype].size);
    b->scales = malloc(all * sizeof(*b->scales));
    b->zeros = malloc(all * sizeof(*b->zeros));
    if (!b->groups || !b->words || !b->zero_words || !b->raw_scales || !b->scales || !b->zeros)
        return qfs_fail_memory(r->error);
    return read_groups(r, b);
}

/* Scales and zeros of outputs [row, row + n). */
static int read_shares(const struct qfs_reader *r, struct band *b, int64_t row, int64_t n)
{
    const struct qfs_recipe *qzeros = b->node->operands[1], *scales = b->node->operands[2];
    int64_t mask = (INT64_C(1) << b->node->bits) - 1, word = row / b->fields;
    int64_t nwords = (row + n - 1) / b->fields - word + 1;
    int rc = 0;
    for (int64_t g = 0; g < b->ngroups && rc == 0; g++) {
        float *zeros = b->zeros + g * b->width;
        rc = qfs_recipe_node(r, scales, g * scales->shape[1] + row, n, b->raw_scales);
        if (rc == 0)
            rc = qfs_recipe_node(r, qzeros, g * qzeros->shape[1] + word, nwords, b->zero_words);
        if (rc < 0)
            break;
        qfs_decode(r->kernels, scales->dtype, b->raw_scales, b->scales + g * b->width, n);
        for (int64_t i = 0; i < n; i++) {
            int shift = (int)((row + i) % b->fields) * b->node->bits;
            int64_t zero =
                qfs_integer_at(qzeros->dtype, b->zero_words, (row + i) / b->fields - word);
            zeros[i] = (float)(zero >> shift & mask) + (float)b->node->number;
        }
    }
    return rc;
}

/* Rows [row, row + n) of the weight, n at most the band's width. */
static int read_band(const struct qfs_reader *r, struct band *b, int64_t row, int64_t n, float *out)
{
    const struct qfs_recipe *qweight = b->node->operands[0];
    int64_t mask = (INT64_C(1) << b->node->bits) - 1;
    int rc = read_shares(r, b, row, n);
    for (int64_t k = 0; k < qweight->shape[0] && rc == 0; k++) {
        rc = qfs_recipe_node(r, qweight, k * qweight->shape[1] + row, n, b->words);
        for (int64_t i = 0; i < n && rc == 0; i++) {
            int64_t word = qfs_integer_at(qweight->dtype, b->words, i);
            float *to = out + i * b->nin + k * b->fields;
            for (int64_t f = 0; f < b->fields; f++) {
                int64_t at = b->groups[k * b->fields + f] * b->width + i;
                to[f] = b->scales[at] * ((float)(word >> f * b->node->bits & mask) - b->zeros[at]);
            }
        }
    }
    return rc;
}

int qfs_recipe_gptq(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                    int64_t count, float *out)
{
    int64_t nin = node->shape[1], row = first / nin, col = first % nin;
    float *partial = NULL; /* a row of which only a part was asked for */
    struct band band = {0};
    int rc = band_init(r, &band, node, (col + count + nin - 1) / nin);
    while (count && rc == 0) {
        int64_t n = QFS_MIN(band.width, count / nin);
        if (col || n == 0) {
            n = QFS_MIN(nin - col, count);
            if (!partial && !(partial = malloc((size_t)nin * sizeof(*partial))))
                rc = qfs_fail_memory(r->error);
            if (rc == 0)
                rc = read_band(r, &band, row, 1, partial);
            if (rc == 0)
                memcpy(out, partial + col, (size_t)n * sizeof(*out));
            row++;
            col = 0;
        } else {
            rc = read_band(r, &band, row, n, out);
            row += n;
            n *= nin;
        }
        out += n;
        count -= n;
    }
    free(partial);
    band_done(&band);
    return rc;
}
