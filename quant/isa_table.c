/* isa_table.c: one instruction set's kernels. Compiled once for each, as the bodies are. */
#include "formats.h"
#include "isa_table.h"
#include "lanes.h"

#define DECLARE(type, name) qfs_quantize_fn QFS_KERNEL(quantize_##name);
QFS_FORMATS(DECLARE)
qfs_decode_fn QFS_KERNEL(decode_f16), QFS_KERNEL(decode_bf16);
qfs_decode_fn QFS_KERNEL(decode_e4m3), QFS_KERNEL(decode_e5m2);
qfs_encode_fn QFS_KERNEL(encode_f16), QFS_KERNEL(encode_bf16);
qfs_finite_fn QFS_KERNEL(finite);

#define ENTRY(type, name) [QFS_TYPE_##type] = QFS_KERNEL(quantize_##name),
const struct qfs_kernels QFS_KERNEL(kernels) = {
    .name = QFS_QUOTE(QFS_LANES_ISA),
    .quantize = {QFS_FORMATS(ENTRY)},
    .decode_f16 = QFS_KERNEL(decode_f16),
    .decode_bf16 = QFS_KERNEL(decode_bf16),
    .decode_e4m3 = QFS_KERNEL(decode_e4m3),
    .decode_e5m2 = QFS_KERNEL(decode_e5m2),
    .encode_f16 = QFS_KERNEL(encode_f16),
    .encode_bf16 = QFS_KERNEL(encode_bf16),
    .finite = QFS_KERNEL(finite),
};
