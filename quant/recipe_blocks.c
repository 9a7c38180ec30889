/* Weights of 4 bits that a checkpoint packs in its own way, as ggml's blocks: scale bytes and nibbles move,
 * nothing is computed. And the same decoded, for what works on values. */
#include "recipe_read.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 4 << 10 }; /* groups at a time */

/* `half` bytes hold `2 * half` weights, low nibble first; ggml's first half is all low nibbles. */
static void spread(const uint8_t *from, uint8_t *to, int half)
{
    for (int j = 0; j < half; j++) {
        int low = from[j / 2] >> j % 2 * 4 & 15, high = from[(j + half) / 2] >> j % 2 * 4 & 15;
        to[j] = (uint8_t)(low | high << 4);
    }
}

static void pack_mxfp4(const uint8_t *packed, const uint8_t *scales, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i++, out += 17) {
        out[0] = scales[i];
        spread(packed + i * 16, out + 1, 16);
    }
}

/* Four groups a block; scales lose their sign. */
static void pack_nvfp4(const uint8_t *packed, const uint8_t *scales, int64_t n, uint8_t *out)
{
    for (int64_t i = 0; i < n; i += 4, out += 36)
        for (int k = 0; k < 4; k++) {
            out[k] = scales[i + k] & 0x7F;
            spread(packed + (i + k) * 8, out + 4 + k * 8, 8);
        }
}

static int read_fp4(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                    int64_t count, uint8_t *out)
{
    const struct qfs_type_info *info = qfs_type_info(qfs_recipe_type(node));
    int64_t size = node->op == QFS_OP_MXFP4 ? 32 : 16, group = first / size;
    int64_t ngroups = count / size, room = QFS_MIN(ngroups, (int64_t)PIECE);
    uint8_t *packed = malloc((size_t)(room * size / 2)), *scales = malloc((size_t)room);
    int rc = packed && scales ? 0 : qfs_fail_memory(r->error);
    while (ngroups && rc == 0) {
        int64_t n = QFS_MIN(ngroups, room);
        if ((rc = qfs_recipe_node(r, node->operands[0], group * size / 2, n * size / 2, packed)) <
                0 ||
            (rc = qfs_recipe_node(r, node->operands[1], group, n, scales)) < 0)
            break;
        (node->op == QFS_OP_MXFP4 ? pack_mxfp4 : pack_nvfp4)(packed, scales, n, out);
        out += n * size / info->block_count * info->block_bytes;
        group += n;
        ngroups -= n;
    }
    free(packed);
    free(scales);
    return rc;
}

int qfs_recipe_blocks(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                      int64_t count, uint8_t *out)
{
    enum qfs_type type = qfs_recipe_type(node);
    const struct qfs_type_info *info = qfs_type_info(type);
    int rc = 0;
    if (info->block_count == 0 || first % info->block_count || count % info->block_count)
        return qfs_fail(r->error, EINVAL, "%s: a part of a block was asked for", r->model->path);
    if (node->op == QFS_OP_SOURCE)
        return qfs_model_pread(r->model, node->source, qfs_row_bytes(type, first), out,
                               (size_t)qfs_row_bytes(type, count), r->error);
    if (node->op != QFS_OP_CONCAT)
        return read_fp4(r, node, first, count, out);
    for (uint32_t i = 0; i < node->noperands && count && rc == 0; i++) {
        int64_t have = qfs_recipe_count(node->operands[i]), n = QFS_MIN(count, have - first);
        if (first < have) {
            rc = qfs_recipe_blocks(r, node->operands[i], first, n, out);
            out += qfs_row_bytes(type, n);
            count -= n;
        }
        first = QFS_MAX(0, first - have);
    }
    return rc;
}

int qfs_recipe_fp4(const struct qfs_reader *r, const struct qfs_recipe *node, int64_t first,
                   int64_t count, float *out)
{
    enum qfs_type type = qfs_recipe_type(node);
    size_t size = (size_t)qfs_row_bytes(type, count);
    uint8_t *blocks = malloc(size);
    int rc = blocks ? qfs_recipe_blocks(r, node, first, count, blocks) : qfs_fail_memory(r->error);
    if (rc == 0 && !qfs_blocks_finite(type, blocks, size))
        rc = qfs_fail(r->error, EIO,
                      "%s: a block's scale is no number: llama-quantize refuses it too; download "
                      "the model again",
                      r->model->path);
    if (rc == 0 && !qfs_dequantize(type, blocks, out, count))
        rc = qfs_fail(r->error, ENOTSUP, "%s: blocks of type %s cannot be decoded", r->model->path,
                      qfs_type_info(type)->name);
    free(blocks);
    return rc;
}
