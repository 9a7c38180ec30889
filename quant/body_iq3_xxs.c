/* body_iq3_xxs.c: IQ3_XXS. A super-block of 256 weights: a half, 64 bytes of grid points (one a
 * group of 4), 8 words of a sub-block's signs (7 bits a group of 8, an even number of them set) and
 * 4-bit scale. */
#include "iq3_search.h"

#include "quantfs/quant.h"

qfs_quantize_fn QFS_KERNEL(quantize_iq3_xxs);

enum { BLOCK_BYTES = 98 };

/* Magnitudes and sign bits of 8 weights. An odd number of signs is made even by turning the one
 * that costs least. */
static unsigned signs_even(const float *x, const float *weight, float *magnitude)
{
    unsigned signs = 0;
    for (int i = 0; i < 8; i++) {
        magnitude[i] = x[i] >= 0 ? x[i] : -x[i];
        signs |= (unsigned)!(x[i] >= 0) << i;
    }
    if (__builtin_popcount(signs) % 2) {
        int least = 0;
        float min = weight[0] * x[0] * x[0];
        for (int i = 1; i < 8; i++) {
            const float cost = weight[i] * x[i] * x[i];
            if (cost < min) {
                min = cost;
                least = i;
            }
        }
        magnitude[least] = -magnitude[least];
        signs ^= 1u << least;
    }
    return signs & 127;
}

static void block_quantize(const struct qfs_grid *grid, const float *x, const float *imatrix,
                           uint8_t *block)
{
    float weight[IQ3_BLOCK], magnitude[IQ3_BLOCK], scales[8], max_scale = 0;
    uint32_t words[8] = {0};
    memset(block, 0, BLOCK_BYTES);
    iq3_weights(x, imatrix, weight);
    for (int sub = 0; sub < 8; sub++) {
        float *xs = magnitude + sub * IQ3_SUB, *ws = weight + sub * IQ3_SUB;
        uint32_t signs = 0;
        for (int k = 0; k < 4; k++)
            signs |= signs_even(x + sub * IQ3_SUB + 8 * k, ws + 8 * k, xs + 8 * k) << 7 * k;
        float max = xs[0];
        for (int i = 1; i < IQ3_SUB; i++)
            max = max > xs[i] ? max : xs[i];
        scales[sub] = 0;
        if (max < 1e-8f)
            continue;
        uint16_t points[IQ3_GROUPS];
        const float scale = iq3_search(grid, (struct iq3_rule){15, true}, xs, ws, max, points);
        scales[sub] = scale < 0 ? -scale : scale;
        words[sub] = scale < 0 ? ~signs & 0x0fffffff : signs;
        for (int k = 0; k < IQ3_GROUPS; k++)
            block[2 + 8 * sub + k] = (uint8_t)points[k];
        max_scale = max_scale > scales[sub] ? max_scale : scales[sub];
    }
    if (!max_scale) {
        memset(block, 0, BLOCK_BYTES);
        return;
    }
    const float d = max_scale / 31, id = 1 / d;
    f16_store(block, d * 1.0125f);
    for (int sub = 0; sub < 8; sub++) {
        int l = nearest_int(0.5f * (id * scales[sub] - 1));
        l = l < 15 ? l : 15;
        words[sub] |= (uint32_t)(l > 0 ? l : 0) << 28;
    }
    memcpy(block + 66, words, sizeof(words));
}

void QFS_KERNEL(quantize_iq3_xxs)(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                                  const float *imatrix, void *scratch)
{
    (void)scratch;
    const struct qfs_grid *grid = qfs_grid_get(QFS_GRID_IQ3_XXS);
    for (int64_t b = 0; b < nrows * row_size / IQ3_BLOCK; b++)
        block_quantize(grid, x + b * IQ3_BLOCK, imatrix ? imatrix + b * IQ3_BLOCK % row_size : NULL,
                       (uint8_t *)blocks + b * BLOCK_BYTES);
}
