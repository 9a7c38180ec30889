/* super_block_codes.h: Q3_K's and Q6_K's last pass over a super-block of 16 sub-blocks of 16
 * weights: codes for the rounded scales. */
#ifndef QUANTFS_SUPER_BLOCK_CODES_H
#define QUANTFS_SUPER_BLOCK_CODES_H

#include "fp16.h"
#include "search_qx.h"
#include "super_blocks.h"

enum { SUPER_SUBS = 16, SUPER_SUB = 16 };

/* Codes 0..2 * nmax - 1 of one sub-block: nearest(x / d). */
LANE_FN void sub_codes_scaled(const float *x, float d, int nmax, uint8_t *codes)
{
    for (int i = 0; i < SUPER_SUB; i += QFS_LANES) {
        const li l = li_nearest(lf_load(x + i) / lf_set(d));
        li_store_u8(codes + i, li_max(li_set(-nmax), li_min(li_set(nmax - 1), l)) + li_set(nmax));
    }
}

/* Codes as the search left them, for a sub-block whose rounded scale is zero. */
LANE_FN void sub_codes_searched(const float *x, float iscale, int nmax, uint8_t *codes)
{
    for (int i = 0; i < SUPER_SUB; i += QFS_LANES)
        li_store_u8(codes + i, qx_code(lf_load(x + i), lf_set(iscale), nmax));
}

#endif
