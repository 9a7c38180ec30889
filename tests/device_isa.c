/* device_isa.c: see device_isa.h. */
#include "device_isa.h"

#include "../quant/formats.h"
#include "../quant/isa_table.h"

#include <stddef.h>

#define QUANTIZE(type, name)                                                                   \
    static void quantize_##name(const float *x, void *blocks, int64_t nrows, int64_t row_size, \
                                const float *imatrix, void *scratch)                           \
    {                                                                                          \
        (void)scratch;                                                                         \
        device_quantize(QFS_TYPE_##type, x, blocks, nrows, row_size, imatrix);                 \
    }
QFS_FORMATS(QUANTIZE)

#define ENTRY(type, name) [QFS_TYPE_##type] = quantize_##name,
static struct qfs_kernels device = {.name = "device", .quantize = {QFS_FORMATS(ENTRY)}};

enum { PLACE = QFS_ISA_SSE2 }; /* behind the one-lane build, with which checkasm compares */

bool qfs_isa_usable(enum qfs_isa isa)
{
    static int opened = -1;
    if (isa == (enum qfs_isa)PLACE && opened < 0)
        opened = device_open();
    return isa == QFS_ISA_SCALAR || (isa == (enum qfs_isa)PLACE && opened);
}

const struct qfs_kernels *qfs_kernels_of(enum qfs_isa isa)
{
    const struct qfs_kernels *scalar = &qfs_kernels_scalar;
    if (!qfs_isa_usable(isa) || isa == QFS_ISA_SCALAR)
        return isa == QFS_ISA_SCALAR ? scalar : NULL;
    device.decode_f16 = scalar->decode_f16;
    device.decode_bf16 = scalar->decode_bf16;
    device.decode_e4m3 = scalar->decode_e4m3;
    device.decode_e5m2 = scalar->decode_e5m2;
    device.encode_f16 = scalar->encode_f16;
    device.encode_bf16 = scalar->encode_bf16;
    device.finite = scalar->finite;
    return &device;
}

const struct qfs_kernels *qfs_kernels_get(unsigned mask)
{
    (void)mask;
    return &qfs_kernels_scalar;
}
