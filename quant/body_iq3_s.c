/* body_iq3_s.c: IQ3_S. A super-block of 256 weights: a half, 64 low bytes and 8 bytes of high bits
 * of grid points (one a group of 4), 32 bytes of signs, 4 bytes of 4-bit scales. */
#include "iq3_search.h"

#include "quantfs/quant.h"

qfs_quantize_fn QFS_KERNEL(quantize_iq3_s);

enum { BLOCK_BYTES = 110, QS = 2, QH = 66, SIGNS = 74, SCALES = 106 };

static void block_quantize(const struct qfs_grid *grid, const float *x, const float *imatrix,
                           uint8_t *block)
{
    float weight[IQ3_BLOCK], magnitude[IQ3_SUB], scales[8], max_scale = 0;
    memset(block, 0, BLOCK_BYTES);
    uint8_t *qs = block + QS, *signs_at = block + SIGNS;
    iq3_weights(x, imatrix, weight);
    for (int sub = 0; sub < 8; sub++) {
        const float *xs = x + sub * IQ3_SUB;
        uint32_t signs = 0;
        for (int i = 0; i < IQ3_SUB; i++) {
            magnitude[i] = xs[i] >= 0 ? xs[i] : -xs[i];
            signs |= (uint32_t) !(xs[i] >= 0) << i;
        }
        float max = magnitude[0];
        for (int i = 1; i < IQ3_SUB; i++)
            max = max > magnitude[i] ? max : magnitude[i];
        scales[sub] = 0;
        if (!max)
            continue; /* takes no room: the next sub-block's points and signs follow the last's */
        uint16_t points[IQ3_GROUPS];
        const float scale = iq3_search(grid, (struct iq3_rule){9, false}, magnitude,
                                       weight + sub * IQ3_SUB, max, points);
        scales[sub] = scale < 0 ? -scale : scale;
        signs = scale < 0 ? ~signs : signs;
        memcpy(signs_at, &signs, sizeof(signs));
        signs_at += sizeof(signs);
        for (int k = 0; k < IQ3_GROUPS; k++) {
            *qs++ = (uint8_t)points[k];
            block[QH + sub] |= (uint8_t)(points[k] >> 8 << k);
        }
        max_scale = max_scale > scales[sub] ? max_scale : scales[sub];
    }
    if (!max_scale)
        return;
    const float d = max_scale / 31, id = 1 / d;
    f16_store(block, d * 1.033f);
    for (int sub = 0; sub < 8; sub++) {
        int l = nearest_int(0.5f * (id * scales[sub] - 1));
        l = l < 15 ? l : 15;
        block[SCALES + sub / 2] |= (uint8_t)((l > 0 ? l : 0) << 4 * (sub % 2));
    }
}

void QFS_KERNEL(quantize_iq3_s)(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                                const float *imatrix, void *scratch)
{
    (void)scratch;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ3_S);
    for (int64_t b = 0; b < nrows * row_size / IQ3_BLOCK; b++)
        block_quantize(grid, x + b * IQ3_BLOCK, imatrix ? imatrix + b * IQ3_BLOCK % row_size : NULL,
                       (uint8_t *)blocks + b * BLOCK_BYTES);
}
