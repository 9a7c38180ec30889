/* validate.c: is every scale of these blocks finite? What llama-quantize asks before it writes. */
#include "quantfs/quant.h"

#include <string.h>

/* Where a block keeps its scales, after ggml_validate_row_data. */
enum scales {
    SCALES_NONE, /* nothing to check */
    SCALES_F16,  /* up to two halves at the offsets below */
    SCALES_E8M0, /* one byte, 255 is NaN */
    SCALES_IQ1_M /* a half in the top nibbles of four 16-bit words */
};

struct scales_at {
    enum scales kind;
    int16_t first, second; /* byte offsets in the block; second is -1 where there is one only */
};

static const struct scales_at scales_of[QFS_TYPE_COUNT] = {
    [QFS_TYPE_F16] = {SCALES_F16, 0, -1},    [QFS_TYPE_Q4_0] = {SCALES_F16, 0, -1},
    [QFS_TYPE_Q4_1] = {SCALES_F16, 0, 2},    [QFS_TYPE_Q5_0] = {SCALES_F16, 0, -1},
    [QFS_TYPE_Q5_1] = {SCALES_F16, 0, 2},    [QFS_TYPE_Q8_0] = {SCALES_F16, 0, -1},
    [QFS_TYPE_Q2_K] = {SCALES_F16, 80, 82},  [QFS_TYPE_Q3_K] = {SCALES_F16, 108, -1},
    [QFS_TYPE_Q4_K] = {SCALES_F16, 0, 2},    [QFS_TYPE_Q5_K] = {SCALES_F16, 0, 2},
    [QFS_TYPE_Q6_K] = {SCALES_F16, 208, -1}, [QFS_TYPE_IQ2_XXS] = {SCALES_F16, 0, -1},
    [QFS_TYPE_IQ2_XS] = {SCALES_F16, 0, -1}, [QFS_TYPE_IQ3_XXS] = {SCALES_F16, 0, -1},
    [QFS_TYPE_IQ1_S] = {SCALES_F16, 0, -1},  [QFS_TYPE_IQ4_NL] = {SCALES_F16, 0, -1},
    [QFS_TYPE_IQ3_S] = {SCALES_F16, 0, -1},  [QFS_TYPE_IQ2_S] = {SCALES_F16, 0, -1},
    [QFS_TYPE_IQ4_XS] = {SCALES_F16, 0, -1}, [QFS_TYPE_IQ1_M] = {SCALES_IQ1_M, 48, -1},
    [QFS_TYPE_TQ1_0] = {SCALES_F16, 52, -1}, [QFS_TYPE_TQ2_0] = {SCALES_F16, 64, -1},
    [QFS_TYPE_MXFP4] = {SCALES_E8M0, 0, -1}, [QFS_TYPE_Q1_0] = {SCALES_F16, 0, -1},
    [QFS_TYPE_Q2_0] = {SCALES_F16, 0, -1},
};

static bool half_finite(const uint8_t *at)
{
    return (at[1] & 0x7c) != 0x7c; /* little-endian: the exponent is in the second byte */
}

static bool floats_finite(const uint8_t *data, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + 4 * i, sizeof(bits));
        found |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !found;
}

static bool doubles_finite(const uint8_t *data, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((data[8 * i + 7] & 0x7f) == 0x7f && (data[8 * i + 6] & 0xf0) == 0xf0)
            return false;
    return true;
}

static bool bf16_finite(const uint8_t *data, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, sizeof(bits));
        found |= (bits & 0x7f80) == 0x7f80;
    }
    return !found;
}

static bool f16_finite(const uint8_t *data, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, sizeof(bits));
        found |= (bits & 0x7c00) == 0x7c00;
    }
    return !found;
}

static bool block_finite(const struct scales_at *at, const uint8_t *block)
{
    switch (at->kind) {
    case SCALES_NONE:
        return true;
    case SCALES_F16:
        return half_finite(block + at->first) &&
               (at->second < 0 || half_finite(block + at->second));
    case SCALES_E8M0:
        return block[at->first] != 0xff;
    case SCALES_IQ1_M:; /* the half's top nibble is in the last word, the next below it before that
                         */
        const uint8_t *words = block + at->first;
        const uint8_t high = (uint8_t)((words[7] & 0xf0) | words[5] >> 4);
        return (high & 0x7c) != 0x7c;
    }
    return true;
}

bool qfs_blocks_finite(enum qfs_type type, const void *blocks, size_t nbytes)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    if (info->block_count == 0 || nbytes % info->block_bytes != 0)
        return false;
    const size_t nblocks = nbytes / info->block_bytes;
    const uint8_t *data = blocks;
    if (type == QFS_TYPE_F32)
        return floats_finite(data, nblocks);
    if (type == QFS_TYPE_F64)
        return doubles_finite(data, nblocks);
    if (type == QFS_TYPE_BF16)
        return bf16_finite(data, nblocks);
    if (type == QFS_TYPE_F16)
        return f16_finite(data, nblocks);
    for (size_t i = 0; i < nblocks; i++)
        if (!block_finite(&scales_of[type], data + i * info->block_bytes))
            return false;
    return true;
}
