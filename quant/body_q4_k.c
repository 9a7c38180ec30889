/* body_q4_k.c: Q4_K. A super-block of 256 weights is 8 sub-blocks of 32, each with a 6-bit scale
 * and a 6-bit minimum in units of two halves: 2 halves, 12 bytes of scales, 128 bytes of codes. */
#include "k_scales.h"
#include "search_qkx.h"
#include "search_qp.h"

#include "quantfs/quant.h"

qfs_quantize_fn QFS_KERNEL(quantize_q4_k);

enum { NSUB = 8, SUB = 32, BLOCK = NSUB * SUB, BLOCK_BYTES = 144 };
enum { TILE_BLOCKS = QFS_LANES > NSUB ? QFS_LANES / NSUB : 1, TILE_SUBS = TILE_BLOCKS * NSUB };

struct subs {
    float scale[TILE_SUBS], min[TILE_SUBS], weight[TILE_SUBS];
    float code_iscale[TILE_SUBS], code_min[TILE_SUBS];
};

LANE_FN void subs_search(const float *x, const float *imatrix, const float *sigma2,
                         struct subs *subs)
{
    static const struct qkx_rule plain = {SUB, 15, -1.f, 0.1f, 20, false};
    static const struct qkx_rule weighted = {SUB, 15, -0.9f, 0.05f, 36, false};
    for (int sub = 0; sub < TILE_SUBS; sub += QFS_LANES) {
        lf xs[SUB], ws[SUB];
        lf_transpose(x + sub * SUB, SUB, SUB, xs);
        if (imatrix) {
            lf sigma;
            float each[QFS_LANES];
            for (int k = 0; k < QFS_LANES; k++)
                each[k] = sigma2[(sub + k) / NSUB];
            sigma = lf_load(each);
            lf_transpose(imatrix + sub * SUB, SUB, SUB, ws);
            lf sum = lf_set(0.f);
            for (int i = 0; i < SUB; i++) {
                ws[i] = ws[i] * lf_sqrt(sigma + xs[i] * xs[i]);
                sum = sum + ws[i];
            }
            lf_store(subs->weight + sub, sum);
        } else {
            lf sum = lf_set(0.f);
            for (int i = 0; i < SUB; i++)
                sum = sum + xs[i] * xs[i];
            const lf average = lf_sqrt(sum / lf_set(32.f));
            for (int i = 0; i < SUB; i++)
                ws[i] = average + lf_abs(xs[i]);
        }
        const struct qkx_found found = qkx_search(imatrix ? weighted : plain, xs, ws);
        lf_store(subs->scale + sub, found.scale);
        lf_store(subs->min + sub, found.min);
        lf_store(subs->code_iscale + sub, found.code_iscale);
        lf_store(subs->code_min + sub, found.code_min);
    }
}

/* Codes of 2 sub-blocks, low and high nibbles. */
LANE_FN void codes_pack(const float *x, const struct k_code code[2], uint8_t *q)
{
    for (int i = 0; i < SUB; i += QFS_LANES) {
        const li low = k_code_of(lf_load(x + i), code[0], 15);
        const li high = k_code_of(lf_load(x + SUB + i), code[1], 15);
        li_store_u8(q + i, low | (high << 4));
    }
}

LANE_FN void block_pack(const float *x, const struct subs *subs, int at, bool weighted,
                        uint8_t *block)
{
    struct k_header header;
    if (weighted)
        k_header_weighted(subs->scale + at, subs->min + at, subs->weight + at, &header);
    else
        k_header_plain(subs->scale + at, subs->min + at, &header);
    k_header_store(&header, block);
    for (int j = 0; j < NSUB; j += 2) {
        const struct k_code code[2] = {
            k_code_make(&header, j, subs->code_iscale[at + j], subs->code_min[at + j]),
            k_code_make(&header, j + 1, subs->code_iscale[at + j + 1], subs->code_min[at + j + 1])};
        codes_pack(x + j * SUB, code, block + 16 + j * SUB / 2);
    }
}

void QFS_KERNEL(quantize_q4_k)(const float *x, void *blocks, int64_t nrows, int64_t row_size,
                               const float *imatrix, void *scratch)
{
    uint8_t *block = (uint8_t *)blocks;
    const int64_t nblocks = nrows * (row_size / BLOCK);
    struct subs subs;
    for (int64_t b = 0; b < nblocks; b += TILE_BLOCKS) {
        const int here = nblocks - b < TILE_BLOCKS ? (int)(nblocks - b) : TILE_BLOCKS;
        float *tile = (float *)scratch, *tile_imatrix = tile + TILE_BLOCKS * BLOCK;
        float sigma2[TILE_BLOCKS] = {0};
        memset(tile, 0, 2 * sizeof(float) * TILE_BLOCKS * BLOCK);
        memcpy(tile, x + b * BLOCK, sizeof(float) * BLOCK * (size_t)here);
        for (int k = 0; imatrix && k < here; k++) {
            memcpy(tile_imatrix + k * BLOCK, imatrix + (b + k) * BLOCK % row_size,
                   sizeof(float) * BLOCK);
            float sum = 0;
            for (int i = 0; i < BLOCK; i++)
                sum += tile[k * BLOCK + i] * tile[k * BLOCK + i];
            sigma2[k] = 2 * sum / BLOCK;
        }
        if (imatrix)
            subs_search(tile, tile_imatrix, sigma2, &subs);
        else
            subs_search(tile, NULL, sigma2, &subs);
        for (int k = 0; k < here; k++)
            block_pack(tile + k * BLOCK, &subs, k * NSUB, imatrix != NULL,
                       block + (b + k) * BLOCK_BYTES);
    }
}
