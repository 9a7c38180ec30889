/* body_q5_k.c: Q5_K, 256 weights in 176 bytes: a header, 32 bytes of fifth bits (bit j of each is
 * sub-block j's), then the low four bits of 8 sub-blocks of 32, two side by side in the nibbles. */
#include "k_header.h"

LANE_KERNEL qfs_quantize_fn QFS_KERNEL(quantize_q5_k);

enum { NSUBS = K_HEADER_SUBS, SUB = 32, NMAX = 31, BLOCK_BYTES = 176 };

LANE_FN void headers(const struct k_scales *scales, bool weighted, int nblocks, uint8_t *blocks,
                     struct k_codes *codes)
{
    k_headers(scales, weighted, true, BLOCK_BYTES, nblocks, blocks, codes);
}

LANE_FN void pack(const float *x, const struct k_subs *subs, const struct k_codes *codes, int k,
                  uint8_t *block)
{
    uint8_t *fifth = block + K_HEADER_BYTES, *q = fifth + SUB;
    li high_bits[SUB / QFS_LANES];
    for (int i = 0; i < SUB / QFS_LANES; i++)
        high_bits[i] = li_set(0);
    for (int j = 0; j < NSUBS; j += 2, q += SUB, x += 2 * SUB) {
        const struct k_code low = k_code_at(subs, codes, NSUBS, k, j);
        const struct k_code high = k_code_at(subs, codes, NSUBS, k, j + 1);
        for (int i = 0; i < SUB; i += QFS_LANES) {
            const li a = k_code_of(lf_load(x + i), low, NMAX);
            const li b = k_code_of(lf_load(x + SUB + i), high, NMAX);
            li *bits = &high_bits[i / QFS_LANES];
            *bits = *bits | ((a >> 4) << j) | ((b >> 4) << (j + 1));
            li_store_u8(q + i, (a & li_set(15)) | ((b & li_set(15)) << 4));
        }
    }
    for (int i = 0; i < SUB; i += QFS_LANES)
        li_store_u8(fifth + i, high_bits[i / QFS_LANES]);
}

LANE_KERNEL void QFS_KERNEL(quantize_q5_k)(const float *x, void *blocks, int64_t nrows,
                                           int64_t row_size, const float *imatrix, void *scratch)
{
    const struct k_format format = {NSUBS,
                                    {SUB, NMAX, -0.5f, 0.1f, 16, 10, false},
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
