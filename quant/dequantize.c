/* dequantize.c: blocks of quantized types back to floats, as llama-quantize reads a source that is
 * quantized already: the same operations in the same order as ggml's to_float, a function a type.
 * Layouts are those of ggml-common.h: `d` is the block's half-precision scale, `m` its minimum. */
#include "grids.h"
#include "worker.h"

#include <math.h>
#include <string.h>

typedef void decode_block_fn(const uint8_t *block, float *y);

static float half_at(const uint8_t *at)
{
    uint32_t bits;
    float value;
    const uint32_t magnitude = (uint32_t)((at[1] & 0x7f) << 8 | at[0]) << 13;
    memcpy(&value, &magnitude, sizeof(value));
    value *= 0x1p112f; /* exact, subnormals included */
    memcpy(&bits, &value, sizeof(bits));
    if (magnitude > 0x0f7fffff)
        bits = magnitude | 0x7f800000;
    bits |= (uint32_t)(at[1] & 0x80) << 24;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint16_t u16_at(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* -- blocks of 32 and the like ---------------------------------------------------------------- */

static void decode_q1_0(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 128; i++)
        y[i] = b[2 + i / 8] >> i % 8 & 1 ? d : -d;
}

static void decode_q2_0(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 64; i++)
        y[i] = (float)((b[2 + i / 4] >> i % 4 * 2 & 3) - 1) * d;
}

static void decode_q4_0(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)((b[2 + i] & 15) - 8) * d;
        y[i + 16] = (float)((b[2 + i] >> 4) - 8) * d;
    }
}

static void decode_q4_1(const uint8_t *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)(b[4 + i] & 15) * d + m;
        y[i + 16] = (float)(b[4 + i] >> 4) * d + m;
    }
}

static void decode_q5_0(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    const uint32_t high = u32_at(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)((int)((b[6 + i] & 15u) | (high >> i & 1) << 4) - 16) * d;
        y[i + 16] =
            (float)((int)((uint32_t)(b[6 + i] >> 4) | (high >> (i + 16) & 1) << 4) - 16) * d;
    }
}

static void decode_q5_1(const uint8_t *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    const uint32_t high = u32_at(b + 4);
    for (int i = 0; i < 16; i++) {
        y[i] = (float)((b[8 + i] & 15u) | (high >> i & 1) << 4) * d + m;
        y[i + 16] = (float)((uint32_t)(b[8 + i] >> 4) | (high >> (i + 16) & 1) << 4) * d + m;
    }
}

static void decode_q8_0(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 32; i++)
        y[i] = (float)(int8_t)b[2 + i] * d;
}

/* Twice the values of E2M1; the scales below are halved for it. */
static const int8_t fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void decode_mxfp4(const uint8_t *b, float *y)
{
    const uint32_t bits = b[0] < 2 ? 0x00200000u << b[0] : (uint32_t)(b[0] - 1) << 23;
    float d;
    memcpy(&d, &bits, sizeof(d));
    for (int i = 0; i < 16; i++) {
        y[i] = (float)fp4_values[b[1 + i] & 15] * d;
        y[i + 16] = (float)fp4_values[b[1 + i] >> 4] * d;
    }
}

/* Half the value of an unsigned E4M3. */
static float nvfp4_scale(uint8_t byte)
{
    const int exponent = byte >> 3 & 15, mantissa = byte & 7;
    if (byte == 0 || byte == 0x7f)
        return 0;
    return (exponent ? ldexpf(1.0f + (float)mantissa / 8.0f, exponent - 7)
                     : ldexpf((float)mantissa, -9)) *
           0.5f;
}

static void decode_nvfp4(const uint8_t *b, float *y)
{
    for (int s = 0; s < 4; s++) {
        const float d = nvfp4_scale(b[s]);
        const uint8_t *q = b + 4 + 8 * s;
        for (int i = 0; i < 8; i++) {
            y[16 * s + i] = (float)fp4_values[q[i] & 15] * d;
            y[16 * s + i + 8] = (float)fp4_values[q[i] >> 4] * d;
        }
    }
}

static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

static void decode_iq4_nl(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)iq4_values[b[2 + i] & 15];
        y[i + 16] = d * (float)iq4_values[b[2 + i] >> 4];
    }
}

/* -- super-blocks ----------------------------------------------------------------------------- */

static void decode_iq4_xs(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    const uint16_t high = u16_at(b + 2);
    for (int s = 0; s < 8; s++) {
        const int scale = (b[4 + s / 2] >> s % 2 * 4 & 15) | (high >> 2 * s & 3) << 4;
        const float dl = d * (float)(scale - 32);
        const uint8_t *q = b + 8 + 16 * s;
        for (int i = 0; i < 16; i++) {
            y[32 * s + i] = dl * (float)iq4_values[q[i] & 15];
            y[32 * s + i + 16] = dl * (float)iq4_values[q[i] >> 4];
        }
    }
}

static void decode_q2_k(const uint8_t *b, float *y)
{
    const float d = half_at(b + 80), m = half_at(b + 82);
    for (int s = 0; s < 16; s++) { /* sub-blocks of 16 */
        const float dl = d * (float)(b[s] & 15), ml = m * (float)(b[s] >> 4);
        const uint8_t *q = b + 16 + s / 8 * 32 + s % 2 * 16;
        for (int i = 0; i < 16; i++)
            *y++ = dl * (float)(q[i] >> s % 8 / 2 * 2 & 3) - ml;
    }
}

/* Scale `s` of Q3_K: four low bits in bytes 0..7, two high ones in bytes 8..11. */
static int q3_k_scale(const uint8_t *scales, int s)
{
    const int low = scales[s % 8] >> s / 8 * 4 & 15;
    return low | (scales[8 + s % 4] >> s / 4 * 2 & 3) << 4;
}

static void decode_q3_k(const uint8_t *b, float *y)
{
    const float d = half_at(b + 108);
    for (int s = 0; s < 16; s++) {
        const float dl = d * (float)(q3_k_scale(b + 96, s) - 32);
        const uint8_t *q = b + 32 + s / 8 * 32 + s % 2 * 16, *high = b + s % 2 * 16;
        for (int i = 0; i < 16; i++)
            *y++ = dl * (float)((q[i] >> s % 8 / 2 * 2 & 3) - (high[i] >> s / 2 & 1 ? 0 : 4));
    }
}

/* Scale and minimum `s` of Q4_K and Q5_K, 6 bits each in 12 bytes. */
static void k4_scale_min(const uint8_t *q, int s, float *scale, float *min)
{
    if (s < 4) {
        *scale = (float)(q[s] & 63);
        *min = (float)(q[s + 4] & 63);
    } else {
        *scale = (float)((q[s + 4] & 15) | q[s - 4] >> 6 << 4);
        *min = (float)(q[s + 4] >> 4 | q[s] >> 6 << 4);
    }
}

static void decode_q4_k(const uint8_t *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    for (int s = 0; s < 8; s++) {
        float scale, min;
        k4_scale_min(b + 4, s, &scale, &min);
        const float dl = d * scale, ml = m * min;
        const uint8_t *q = b + 16 + s / 2 * 32;
        for (int i = 0; i < 32; i++)
            *y++ = dl * (float)(q[i] >> s % 2 * 4 & 15) - ml;
    }
}

static void decode_q5_k(const uint8_t *b, float *y)
{
    const float d = half_at(b), m = half_at(b + 2);
    for (int s = 0; s < 8; s++) {
        float scale, min;
        k4_scale_min(b + 4, s, &scale, &min);
        const float dl = d * scale, ml = m * min;
        const uint8_t *q = b + 48 + s / 2 * 32, *high = b + 16;
        for (int i = 0; i < 32; i++)
            *y++ = dl * (float)((q[i] >> s % 2 * 4 & 15) | (high[i] >> s & 1) << 4) - ml;
    }
}

static void decode_q6_k(const uint8_t *b, float *y)
{
    const float d = half_at(b + 208);
    for (int s = 0; s < 16; s++) {
        const uint8_t *low = b + s / 8 * 64 + s % 4 * 16, *high = b + 128 + s / 8 * 32 + s % 2 * 16;
        const float dl = d * (float)(int8_t)b[192 + s];
        for (int i = 0; i < 16; i++) {
            const int q = (low[i] >> s % 8 / 4 * 4 & 15) | (high[i] >> s % 8 / 2 * 2 & 3) << 4;
            *y++ = dl * (float)(q - 32);
        }
    }
}

/* The n-th of five ternary digits in a byte. */
static float ternary(uint8_t byte, int n)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const uint8_t q = (uint8_t)(byte * powers[n]);
    return (float)((q * 3 >> 8) - 1);
}

static void decode_tq1_0(const uint8_t *b, float *y)
{
    static const struct {
        int at, size, digits;
    } runs[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    const float d = half_at(b + 52);
    for (int r = 0; r < 3; r++)
        for (int n = 0; n < runs[r].digits; n++)
            for (int i = 0; i < runs[r].size; i++)
                *y++ = ternary(b[runs[r].at + i], n) * d;
}

static void decode_tq2_0(const uint8_t *b, float *y)
{
    const float d = half_at(b + 64);
    for (int j = 0; j < 64; j += 32)
        for (int n = 0; n < 4; n++)
            for (int i = 0; i < 32; i++)
                *y++ = (float)((b[j + i] >> 2 * n & 3) - 1) * d;
}

/* -- codebooks -------------------------------------------------------------------------------- */

static const uint8_t iq2_digits[4] = {8, 25, 43, 0};
static const uint8_t iq3_xxs_digits[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const uint8_t iq3_s_digits[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Seven signs are stored, the eighth makes their number even. */
static uint8_t eight_signs(uint32_t seven)
{
    seven &= 127;
    return (uint8_t)(seven | (uint32_t)__builtin_parity(seven) << 7);
}

static void put_iq2(float *y, float scale, uint16_t point, uint8_t signs)
{
    for (int i = 0; i < 8; i++)
        y[i] = scale * (float)iq2_digits[point >> 2 * i & 3] * (signs >> i & 1 ? -1.0f : 1.0f);
}

static void put_iq3(float *y, float scale, uint16_t point, const uint8_t digits[8], int signs)
{
    for (int i = 0; i < 4; i++)
        y[i] = scale * (float)digits[point >> 3 * i & 7] * (signs >> i & 1 ? -1.0f : 1.0f);
}

static void put_iq1(float *y, float scale, uint16_t point, bool minus)
{
    const float delta = minus ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++)
        y[i] = scale * ((float)((point >> 2 * i & 3) - 1) + delta);
}

static void decode_iq2_xxs(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int s = 0; s < 8; s++) {
        const uint8_t *q = b + 2 + 8 * s;
        const uint32_t word = u32_at(q + 4);
        const float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
        for (int l = 0; l < 4; l++, y += 8)
            put_iq2(y, scale, qfs_grid_points_iq2_xxs[q[l]], eight_signs(word >> 7 * l));
    }
}

static void decode_iq2_xs(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int l = 0; l < 32; l++, y += 8) {
        const uint16_t word = u16_at(b + 2 + 2 * l);
        const uint8_t scales = b[66 + l / 4];
        const float scale = d * (0.5f + (float)(scales >> l % 4 / 2 * 4 & 15)) * 0.25f;
        put_iq2(y, scale, qfs_grid_points_iq2_xs[word & 511], eight_signs(word >> 9));
    }
}

static void decode_iq2_s(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int l = 0; l < 32; l++, y += 8) {
        const int high = b[66 + l / 4] << (8 - l % 4 * 2) & 0x300;
        const float scale = d * (0.5f + (float)(b[74 + l / 4] >> l % 4 / 2 * 4 & 15)) * 0.25f;
        put_iq2(y, scale, qfs_grid_points_iq2_s[b[2 + l] | high], b[34 + l]);
    }
}

static void decode_iq3_xxs(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int s = 0; s < 8; s++) {
        const uint32_t word = u32_at(b + 66 + 4 * s);
        const float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
        for (int l = 0; l < 8; l++, y += 4) {
            const int signs = eight_signs(word >> 7 * (l / 2)) >> l % 2 * 4;
            put_iq3(y, scale, qfs_grid_points_iq3_xxs[b[2 + 8 * s + l]], iq3_xxs_digits, signs);
        }
    }
}

static void decode_iq3_s(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int l = 0; l < 64; l++, y += 4) {
        const int s = l / 8, high = b[66 + s] >> l % 8 & 1;
        const float scale = d * (float)(1 + 2 * (b[106 + s / 2] >> s % 2 * 4 & 15));
        put_iq3(y, scale, qfs_grid_points_iq3_s[b[2 + l] | high << 8], iq3_s_digits,
                b[74 + l / 2] >> l % 2 * 4);
    }
}

static void decode_iq1_s(const uint8_t *b, float *y)
{
    const float d = half_at(b);
    for (int l = 0; l < 32; l++, y += 8) {
        const uint16_t high = u16_at(b + 34 + l / 4 * 2);
        const float scale = d * (float)(2 * (high >> 12 & 7) + 1);
        const int index = b[2 + l] | (high >> 3 * (l % 4) & 7) << 8;
        put_iq1(y, scale, qfs_grid_points_iq1[index], high & 0x8000);
    }
}

static void decode_iq1_m(const uint8_t *b, float *y)
{
    const uint8_t *scales = b + 48;
    const uint8_t half[2] = {(uint8_t)(scales[1] >> 4 | (scales[3] & 0xf0)),
                             (uint8_t)(scales[5] >> 4 | (scales[7] & 0xf0))};
    const float d = half_at(half);
    for (int l = 0; l < 32; l++, y += 8) {
        const int word = u16_at(scales + l / 8 * 2), high = b[32 + l / 2] >> l % 2 * 4 & 15;
        const float scale = d * (float)(2 * (word >> l % 8 / 2 * 3 & 7) + 1);
        put_iq1(y, scale, qfs_grid_points_iq1[b[l] | (high & 7) << 8], high & 8);
    }
}

/* --------------------------------------------------------------------------------------------- */

static decode_block_fn *const decoders[QFS_TYPE_COUNT] = {
    [QFS_TYPE_Q4_0] = decode_q4_0,       [QFS_TYPE_Q4_1] = decode_q4_1,
    [QFS_TYPE_Q5_0] = decode_q5_0,       [QFS_TYPE_Q5_1] = decode_q5_1,
    [QFS_TYPE_Q8_0] = decode_q8_0,       [QFS_TYPE_Q2_K] = decode_q2_k,
    [QFS_TYPE_Q3_K] = decode_q3_k,       [QFS_TYPE_Q4_K] = decode_q4_k,
    [QFS_TYPE_Q5_K] = decode_q5_k,       [QFS_TYPE_Q6_K] = decode_q6_k,
    [QFS_TYPE_IQ2_XXS] = decode_iq2_xxs, [QFS_TYPE_IQ2_XS] = decode_iq2_xs,
    [QFS_TYPE_IQ3_XXS] = decode_iq3_xxs, [QFS_TYPE_IQ1_S] = decode_iq1_s,
    [QFS_TYPE_IQ4_NL] = decode_iq4_nl,   [QFS_TYPE_IQ3_S] = decode_iq3_s,
    [QFS_TYPE_IQ2_S] = decode_iq2_s,     [QFS_TYPE_IQ4_XS] = decode_iq4_xs,
    [QFS_TYPE_IQ1_M] = decode_iq1_m,     [QFS_TYPE_TQ1_0] = decode_tq1_0,
    [QFS_TYPE_TQ2_0] = decode_tq2_0,     [QFS_TYPE_MXFP4] = decode_mxfp4,
    [QFS_TYPE_NVFP4] = decode_nvfp4,     [QFS_TYPE_Q1_0] = decode_q1_0,
    [QFS_TYPE_Q2_0] = decode_q2_0,
};

bool qfs_dequantize(enum qfs_type type, const void *blocks, float *to, int64_t count)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    const uint8_t *block = blocks;
    if (info->block_count == 0 || !decoders[type])
        return false;
    for (; count >= info->block_count; count -= info->block_count) {
        decoders[type](block, to);
        block += info->block_bytes;
        to += info->block_count;
    }
    return true;
}
