#include "worker.h"

#include <string.h>

#define DECODE_AS(ctype)                                                                  \
    for (int64_t i = 0; i < count; i++) {                                                 \
        ctype value;                                                                      \
        memcpy(&value, (const uint8_t *)from + (size_t)i * sizeof(value), sizeof(value)); \
        to[i] = (float)value;                                                             \
    }                                                                                     \
    break

/* E8M0: a power of two, 255 is NaN. */
static float decode_e8m0(uint8_t byte)
{
    uint32_t bits = byte == 255 ? 0x7FC00000 : byte ? (uint32_t)byte << 23 : 0x00400000;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void qfs_decode(const struct qfs_kernels *kernels, enum qfs_dtype dtype, const void *from,
                float *to, int64_t count)
{
    const uint8_t *bytes = from;
    switch (dtype) {
    case QFS_DTYPE_F32:
        memcpy(to, from, (size_t)count * sizeof(*to));
        break;
    case QFS_DTYPE_F16:
        kernels->decode_f16(from, to, count);
        break;
    case QFS_DTYPE_BF16:
        kernels->decode_bf16(from, to, count);
        break;
    case QFS_DTYPE_F8_E4M3:
        kernels->decode_e4m3(from, to, count);
        break;
    case QFS_DTYPE_F8_E5M2:
        kernels->decode_e5m2(from, to, count);
        break;
    case QFS_DTYPE_F8_E8M0:
        for (int64_t i = 0; i < count; i++)
            to[i] = decode_e8m0(bytes[i]);
        break;
    case QFS_DTYPE_F64:
        DECODE_AS(double);
    case QFS_DTYPE_I64:
        DECODE_AS(int64_t);
    case QFS_DTYPE_I32:
        DECODE_AS(int32_t);
    case QFS_DTYPE_I16:
        DECODE_AS(int16_t);
    case QFS_DTYPE_I8:
        DECODE_AS(int8_t);
    case QFS_DTYPE_U8:
        DECODE_AS(uint8_t);
    case QFS_DTYPE_BOOL:
        for (int64_t i = 0; i < count; i++)
            to[i] = bytes[i] != 0;
        break;
    case QFS_DTYPE_COUNT:
        break;
    }
}
