/* ternary.h: what TQ1_0 and TQ2_0 share: weights rounded to -1, 0, 1 times their block's largest
 * magnitude, as codes 0, 1, 2. */
#ifndef QUANTFS_TERNARY_H
#define QUANTFS_TERNARY_H

#include "small_blocks.h"

enum { TERNARY_BLOCK = 256 };

/* Writes one block from its codes and its half. */
typedef void ternary_store_fn(const uint8_t *codes, uint16_t half, uint8_t *block);

LANE_FN void ternary_blocks(const float *x, uint8_t *blocks, int nbytes, ternary_store_fn *store)
{
    /* a denormal d: the reference's infinities become code 1, as 0 does */
    lm huge;
    const lf d = small_blocks_amax(x, TERNARY_BLOCK);
    float inverse[QFS_LANES];
    int32_t half[QFS_LANES];
    lf_store(inverse, inverse_or_zero(d, &huge));
    halves_store(half, d);
    for (int k = 0; k < QFS_LANES; k++) {
        uint8_t codes[TERNARY_BLOCK];
        const lf id = lf_set(inverse[k]);
        for (int i = 0; i < TERNARY_BLOCK; i += QFS_LANES) {
            const lf value = lf_load(x + k * TERNARY_BLOCK + i) * id;
            li_store_u8(codes + i, li_round(value) + li_set(1));
        }
        store(codes, (uint16_t)half[k], blocks + k * nbytes);
    }
}

#endif
