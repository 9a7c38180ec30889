/* k_tile.h: what the formats with a scale and a minimum a sub-block (Q2_K, Q4_K, Q5_K) share: the
 * walk over tiles of QFS_LANES super-blocks, each searched sub-block by sub-block (a lane is a
 * sub-block), then given a header (a lane is a super-block), then packed weight by weight (a lane
 * is a weight). */
#ifndef QUANTFS_K_TILE_H
#define QUANTFS_K_TILE_H

#include "fp16.h"
#include "search_qkx.h"
#include "search_qp.h"

#include "quantfs/kernels.h"

enum { K_BLOCK = 256, K_TILE = QFS_LANES, K_MAX_SUBS = 16 };

/* Results of a tile, super-block by super-block, then sub-block by sub-block. */
struct k_subs {
    float scale[K_TILE * K_MAX_SUBS], min[K_TILE * K_MAX_SUBS], weight[K_TILE * K_MAX_SUBS];
    float code_iscale[K_TILE * K_MAX_SUBS], code_add[K_TILE * K_MAX_SUBS];
};

/* The same by lanes: [sub-block] lane = super-block. `both` holds scales and minima. */
struct k_scales {
    lf both[QP_BOTH][QP_MAX], weight[QP_MAX];
};

/* How a sub-block's weights become codes: nearest((x + add) / d), or, when its rounded scale d is
 * zero, as the search left them: nearest(iscale * (x + code_add)). */
struct k_codes {
    float d[K_MAX_SUBS][K_TILE], add[K_MAX_SUBS][K_TILE];
};

struct k_scratch {
    struct qkx_wave wave;
    float x[K_TILE * K_BLOCK],
        imatrix[K_TILE * K_BLOCK]; /* copies, where a tile is not in one piece */
    struct k_subs subs;
    struct k_codes codes;
};

_Static_assert(sizeof(struct k_scratch) <= LANE_SCRATCH_SIZE, "a tile fits in the scratch");

struct k_format {
    int nsubs;                       /* sub-blocks a super-block */
    struct qkx_rule plain, weighted; /* without and with importances */
    int block_bytes;
    /* importances of weights x of one sub-block when there are no others */
    void (*weigh)(const lf *x, lf *w, int n);
    float sigma_factor; /* with importances: weight = importance * sqrt(factor * mean(x^2) + x^2) */
    /* rounds the scales, writes the super-blocks' headers and says how weights become codes */
    void (*headers)(const struct k_scales *scales, bool weighted, int nblocks, uint8_t *blocks,
                    struct k_codes *codes);
    /* writes the codes of super-block k */
    void (*pack)(const float *x, const struct k_subs *subs, const struct k_codes *codes, int k,
                 uint8_t *block);
};

/* -- searching
 * --------------------------------------------------------------------------------------- */

/* Mean of squares of each super-block times `factor`, one lane each. */
LANE_FN lf k_sigma2(const float *x, float factor)
{
    lf sum = lf_set(0.f);
    for (int i = 0; i < K_BLOCK; i += 4) {
        lf columns[4];
        lf_transpose(x + i, K_BLOCK, 4, columns);
        for (int c = 0; c < 4; c++)
            sum = sum + columns[c] * columns[c];
    }
    return lf_set(factor) * sum / lf_set((float)K_BLOCK);
}

LANE_FN void k_search(const struct k_format *format, const float *x, const float *imatrix,
                      int nblocks, struct k_scratch *scratch)
{
    const int nsubs = format->nsubs, n = K_BLOCK / nsubs;
    struct qkx_wave *wave = &scratch->wave;
    struct k_subs *subs = &scratch->subs;
    float sigma2[K_TILE];
    if (imatrix)
        lf_store(sigma2, k_sigma2(x, format->sigma_factor));
    for (int first = 0; first < nblocks * nsubs; first += QKX_GROUPS * QFS_LANES) {
        for (int g = 0; g < QKX_GROUPS; g++) {
            const int sub = first + g * QFS_LANES;
            lf_transpose(x + sub * n, n, n, wave->x[g]);
            if (!imatrix) {
                format->weigh(wave->x[g], wave->w[g], n);
                continue;
            }
            float sigma[QFS_LANES];
            for (int k = 0; k < QFS_LANES; k++)
                sigma[k] = sigma2[(sub + k) / nsubs];
            const lf sigmas = lf_load(sigma);
            lf_transpose(imatrix + sub * n, n, n, wave->w[g]);
            for (int i = 0; i < n; i++) {
                const lf xi = wave->x[g][i];
                wave->w[g][i] = wave->w[g][i] * lf_sqrt(sigmas + xi * xi);
            }
        }
        struct qkx_found found[QKX_GROUPS];
        qkx_search(imatrix ? format->weighted : format->plain, wave, found);
        for (int g = 0; g < QKX_GROUPS; g++) {
            const int sub = first + g * QFS_LANES;
            lf_store(subs->scale + sub, found[g].scale);
            lf_store(subs->min + sub, lf_neg(found[g].min));
            lf_store(subs->weight + sub, found[g].sum_w);
            lf_store(subs->code_iscale + sub, found[g].code_iscale);
            lf_store(subs->code_add + sub, lf_neg(found[g].code_min));
        }
    }
}

/* -- headers
 * ----------------------------------------------------------------------------------------- */

/* Without importances: units are the largest scale and minimum over nmax. Lanes of scales and codes
 * as in qp_search, but a code may be negative. */
LANE_FN void k_round_plain(int n, int nmax, const struct k_scales *scales,
                           li codes[QP_BOTH][QP_MAX], lf *unit)
{
    const lf zero = lf_set(0.f), top = lf_set((float)nmax);
    for (int p = 0; p < QP_BOTH; p++) {
        lf max = zero;
        for (int j = 0; j < n; j++)
            max = lf_max(scales->both[p][j], max);
        const lf inverse = lf_select(lf_gt(max, zero), top / max, zero);
        for (int j = 0; j < n; j++)
            codes[p][j] = li_nearest(inverse * scales->both[p][j]);
        unit[p] = max / top;
    }
}

/* -- codes
 * -------------------------------------------------------------------------------------------- */

struct k_code {
    float add, d, iscale;
};

LANE_FN struct k_code k_code_at(const struct k_subs *subs, const struct k_codes *codes, int nsubs,
                                int k, int j)
{
    const float d = codes->d[j][k];
    const int at = k * nsubs + j;
    struct k_code code = {codes->add[j][k], d, 0};
    if (d == 0) {
        code.add = subs->code_add[at];
        code.iscale = subs->code_iscale[at];
    }
    return code;
}

/* Codes of QFS_LANES neighbouring weights. */
LANE_FN li k_code_of(lf x, struct k_code code, int nmax)
{
    const lf sum = x + lf_set(code.add);
    const li l = li_nearest(code.d != 0 ? sum / lf_set(code.d) : lf_set(code.iscale) * sum);
    return li_max(li_set(0), li_min(li_set(nmax), l));
}

/* -- the walk
 * ------------------------------------------------------------------------------------------ */

LANE_FN void k_quantize(const struct k_format *format, const float *x, void *blocks, int64_t nrows,
                        int64_t row_size, const float *imatrix, void *scratch_memory)
{
    struct k_scratch *scratch = (struct k_scratch *)scratch_memory;
    struct k_subs *subs = &scratch->subs;
    const int64_t count = nrows * (row_size / K_BLOCK);
    uint8_t *block = (uint8_t *)blocks;
    const int nsubs = format->nsubs;
    int64_t column = 0; /* of the tile's first weight, as a row counts */
    for (int64_t b = 0; b < count; b += K_TILE) {
        const int here = count - b < K_TILE ? (int)(count - b) : K_TILE;
        const float *from = x + b * K_BLOCK, *importances = imatrix ? imatrix + column : NULL;
        if (here < K_TILE) {
            memset(scratch->x, 0, sizeof(scratch->x));
            memset(subs, 0, sizeof(*subs));
            memcpy(scratch->x, from, sizeof(float) * K_BLOCK * (size_t)here);
            from = scratch->x;
        }
        if (imatrix && column + K_TILE * K_BLOCK > row_size) {
            for (int k = 0; k < K_TILE; k++)
                memcpy(scratch->imatrix + k * K_BLOCK, imatrix + (column + k * K_BLOCK) % row_size,
                       sizeof(float) * K_BLOCK);
            importances = scratch->imatrix;
        }
        column = (column + K_TILE * K_BLOCK) % row_size;

        if (imatrix)
            k_search(format, from, importances, here, scratch);
        else
            k_search(format, from, NULL, here, scratch);
        struct k_scales scales;
        lf_transpose(subs->scale, nsubs, nsubs, scales.both[0]);
        lf_transpose(subs->min, nsubs, nsubs, scales.both[1]);
        lf_transpose(subs->weight, nsubs, nsubs, scales.weight);
        format->headers(&scales, imatrix != NULL, here, block, &scratch->codes);
        for (int k = 0; k < here; k++, block += format->block_bytes, from += K_BLOCK)
            format->pack(from, subs, &scratch->codes, k, block);
    }
}

#endif
