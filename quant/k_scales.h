/* k_scales.h: what Q4_K and Q5_K share after the search: the super-block's header (two halves,
 * eight 6-bit scales and minima) and the codes that go with its rounded scales. */
#ifndef QUANTFS_K_SCALES_H
#define QUANTFS_K_SCALES_H

#include "fp16.h"
#include "search_qp.h"

struct k_header {
    uint16_t d, dmin;         /* halves */
    uint8_t scale[8], min[8]; /* 6 bits */
};

/* The reference rounds with MIN(63, ls) on uint8_t: a negative one wraps first. */
static inline uint8_t k_scale_round(float value)
{
    const uint8_t l = (uint8_t)nearest_int(value);
    return l > 63 ? 63 : l;
}

static inline void k_header_plain(const float *scale, const float *min, struct k_header *header)
{
    float max_scale = 0, max_min = 0;
    for (int j = 0; j < 8; j++) {
        max_scale = scale[j] > max_scale ? scale[j] : max_scale;
        max_min = min[j] > max_min ? min[j] : max_min;
    }
    const float inverse_scale = max_scale > 0 ? 63.f / max_scale : 0.f;
    const float inverse_min = max_min > 0 ? 63.f / max_min : 0.f;
    for (int j = 0; j < 8; j++) {
        header->scale[j] = k_scale_round(inverse_scale * scale[j]);
        header->min[j] = k_scale_round(inverse_min * min[j]);
    }
    header->d = f16_from_float(max_scale / 63.f);
    header->dmin = f16_from_float(max_min / 63.f);
}

static inline void k_header_weighted(const float *scale, const float *min, const float *weight,
                                     struct k_header *header)
{
    header->d = f16_from_float(qp_search(8, 63, scale, header->scale, weight));
    header->dmin = f16_from_float(qp_search(8, 63, min, header->min, weight));
}

/* Writes the header's 16 bytes and leaves in `header` what a reader makes of them. */
static inline void k_header_store(struct k_header *header, uint8_t *block)
{
    const uint8_t *scale = header->scale, *min = header->min;
    uint8_t *packed = block + 4;
    memcpy(block, &header->d, 2);
    memcpy(block + 2, &header->dmin, 2);
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(scale[j] | (scale[j + 4] >> 4) << 6);
        packed[j + 4] = (uint8_t)(min[j] | (min[j + 4] >> 4) << 6);
        packed[j + 8] = (uint8_t)((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
    }
    for (int j = 0; j < 4; j++) {
        header->scale[j] = packed[j] & 63;
        header->min[j] = packed[j + 4] & 63;
        header->scale[j + 4] = (uint8_t)((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
        header->min[j + 4] = (uint8_t)(packed[j + 8] >> 4 | (packed[j + 4] >> 6) << 4);
    }
}

/* How a sub-block's weights become codes: nearest((x + add) / d), or, when its rounded scale is
 * zero, as the search left them: nearest(iscale * (x + add)). */
struct k_code {
    float add, d, iscale;
};

static inline struct k_code k_code_make(const struct k_header *header, int j, float iscale,
                                        float min)
{
    const float d = f16_to_float(header->d) * (float)header->scale[j];
    const float dm = f16_to_float(header->dmin) * (float)header->min[j];
    if (d != 0)
        return (struct k_code){dm, d, 0};
    return (struct k_code){-min, 0, iscale};
}

LANE_FN li k_code_of(lf x, struct k_code code, int nmax)
{
    const lf sum = x + lf_set(code.add);
    const li l = li_nearest(code.d != 0 ? sum / lf_set(code.d) : lf_set(code.iscale) * sum);
    return li_max(li_set(0), li_min(li_set(nmax), l));
}

#endif
