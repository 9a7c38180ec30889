/* body_q4_k.c: Q4_K, 256 weights in 144 bytes: a header, then 4-bit codes of 8 sub-blocks of 32,
 * two sub-blocks side by side in the nibbles of 32 bytes. */
#include "k_header.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q4_k);

enum { NSUBS = K_HEADER_SUBS, SUB = 32, NMAX = 15, BLOCK_BYTES = 144 };

LANE_FN void headers(const struct k_scales *scales, bool weighted, int nblocks, uint8_t *blocks,
                     struct k_codes *codes)
{
    k_headers(scales, weighted, false, BLOCK_BYTES, nblocks, blocks, codes);
}

LANE_FN void pack(const float *x, const struct k_subs *subs, const struct k_codes *codes, int k,
                  uint8_t *block)
{
    uint8_t *q = block + K_HEADER_BYTES;
    for (int j = 0; j < NSUBS; j += 2, q += SUB, x += 2 * SUB) {
        const struct k_code low = k_code_at(subs, codes, NSUBS, k, j);
        const struct k_code high = k_code_at(subs, codes, NSUBS, k, j + 1);
        for (int i = 0; i < SUB; i += QFS_LANES)
            li_store_u8(q + i, k_code_of(lf_load(x + i), low, NMAX) |
                                   (k_code_of(lf_load(x + SUB + i), high, NMAX) << 4));
    }
}

LANE_KERNEL void QFS_KERNEL(quantize_q4_k)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    const struct k_format format = {NSUBS,
                                    {SUB, NMAX, -1.f, 0.1f, 21, 15, false},
                                    {SUB, NMAX, -0.9f, 0.05f, 37, 27, false},
                                    BLOCK_BYTES,
                                    k_weigh_rms,
                                    2.f,
                                    headers,
                                    pack};
    if (imatrix)
        k_quantize(&format, x, blocks, nrows, row_size, imatrix, scratch);
    else
        k_quantize(&format, x, blocks, nrows, row_size, NULL, scratch);
}
