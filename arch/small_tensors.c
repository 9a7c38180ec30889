/* Values of tensors of a few numbers, where the converter writes them as keys. */
#include "converter.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
             fraction = half & 1023;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f;
    return sign ? -tiny : tiny;
}

int qfs_small_floats(struct qfs_converter *c, const struct qfs_recipe *source, float *ret_values,
                     int64_t count)
{
    if (!source)
        return -c->error->code;
    const struct qfs_tensor *tensor = source->op == QFS_OP_SOURCE ? source->source : NULL;
    size_t size = qfs_dtypes[source->dtype].size;
    if (!tensor || qfs_recipe_count(source) != count || count > 1 << 20 ||
        (source->dtype != QFS_DTYPE_F32 && source->dtype != QFS_DTYPE_F16 &&
         source->dtype != QFS_DTYPE_BF16))
        return qfs_fail(c->error, ENOTSUP, "%s: tensor %s is not stored as %lld floats",
                        c->model->path, tensor ? tensor->name : "?", (long long)count);
    uint8_t *raw = qfs_arena_alloc(c->arena, (size_t)count * size);
    if (!raw)
        return qfs_fail_memory(c->error);
    int rc = qfs_model_pread(c->model, tensor, 0, raw, (size_t)count * size, c->error);
    for (int64_t i = 0; i < count && rc == 0; i++) {
        uint32_t bits = 0;
        memcpy(&bits, raw + (size_t)i * size, size);
        ret_values[i] = source->dtype == QFS_DTYPE_F32   ? from_bits(bits)
                        : source->dtype == QFS_DTYPE_F16 ? from_f16((uint16_t)bits)
                                                         : from_bits(bits << 16);
    }
    return rc;
}
