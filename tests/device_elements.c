/* device_elements.c: what a device does with a source's elements before a format's body sees them, compiled
 * for the host: every type of element, rounded through each type of an intermediate file, must give the
 * blocks that decoding, rounding and quantizing by the one-lane build of the CPU give; and weights that
 * are infinite or no number must be told. */
#include "../quant/cuda/host_kernels.h"

#include "quantfs/quant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 512, NROWS = 4, COUNT = ROW * NROWS, MOST_BYTES = COUNT * 4 };

static const struct {
    const char *name;
    size_t size;
    uint32_t tame; /* bits that may be set, so that all elements are finite and their squares too */
} elements[] = {
    [QFS_DEVICE_F32] = {"F32", 4, 0xbfffffff}, [QFS_DEVICE_F16] = {"F16", 2, 0xbfff},
    [QFS_DEVICE_BF16] = {"BF16", 2, 0xbfff},   [QFS_DEVICE_E4M3] = {"E4M3", 1, 0xbf},
    [QFS_DEVICE_E5M2] = {"E5M2", 1, 0xbf},
};

static const struct {
    enum qfs_type type;
    qfs_device_host_fn *kernel;
} formats[] = {
    {QFS_TYPE_Q8_0, qfs_device_q8_0},
    {QFS_TYPE_Q4_K, qfs_device_q4_k},
    {QFS_TYPE_IQ4_NL, qfs_device_iq4_nl},
};

static int failures;

static void on_cpu(enum qfs_type type, int element, int through, const void *source, float *x,
                   void *blocks, void *scratch)
{
    const struct qfs_kernels *kernels = qfs_kernels_of(QFS_ISA_SCALAR);
    qfs_decode_fn *const decode[] = {
        [QFS_DEVICE_F16] = kernels->decode_f16,
        [QFS_DEVICE_BF16] = kernels->decode_bf16,
        [QFS_DEVICE_E4M3] = kernels->decode_e4m3,
        [QFS_DEVICE_E5M2] = kernels->decode_e5m2,
    };
    static uint16_t halves[COUNT];
    if (decode[element])
        decode[element](source, x, COUNT);
    else
        memcpy(x, source, MOST_BYTES);
    if (through == QFS_DEVICE_F16) {
        kernels->encode_f16(x, halves, COUNT);
        kernels->decode_f16(halves, x, COUNT);
    } else if (through == QFS_DEVICE_BF16) {
        kernels->encode_bf16(x, halves, COUNT);
        kernels->decode_bf16(halves, x, COUNT);
    }
    kernels->quantize[type](x, blocks, NROWS, ROW, NULL, scratch);
}

static bool on_device(size_t format, int element, int through, const void *source, void *blocks)
{
    const enum qfs_type type = formats[format].type;
    const struct qfs_type_info *info = qfs_type_info((int)type);
    const int64_t unit = qfs_device_unit(type, ROW, false), stride = qfs_device_stride(type, unit);
    uint32_t nonfinite = 0;
    const struct qfs_device_span span = {
        .source = source,
        .blocks = blocks,
        .row_size = ROW,
        .nunits = COUNT / unit,
        .element = element,
        .through = through,
        .nonfinite = &nonfinite,
    };
    const struct qfs_device_job job = {
        .spans = &span,
        .nunits = span.nunits,
        .unit = (int32_t)unit,
        .unit_bytes = (int32_t)(unit / info->block_count * info->block_bytes),
        .scratch = aligned_alloc(64, (size_t)stride),
        .stride = stride,
    };
    if (!job.scratch)
        abort();
    formats[format].kernel(&job, 0, 1);
    free(job.scratch);
    return nonfinite;
}

static void check(size_t format, int element, int through, bool tame, uint64_t *state)
{
    static uint8_t source[MOST_BYTES], ours[MOST_BYTES], theirs[MOST_BYTES];
    static float x[COUNT];
    static _Alignas(64) uint8_t scratch[QFS_SCRATCH_SIZE];
    const size_t size = elements[element].size;
    const enum qfs_type type = formats[format].type;
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t bits = (uint32_t)qfs_random(state);
        bits = tame ? bits & elements[element].tame : bits;
        memcpy(source + i * size, &bits, size);
    }
    on_cpu(type, element, through, source, x, theirs, scratch);
    bool nonfinite = false;
    for (int i = 0; i < COUNT; i++)
        nonfinite |= !(x[i] - x[i] == 0);
    const bool told = on_device(format, element, through, source, ours);
    const bool same = memcmp(ours, theirs, NROWS * qfs_row_bytes(type, ROW)) == 0;
    if (told == nonfinite && (nonfinite || same))
        return;
    failures++;
    printf("FAIL %s of %s through %s: %s\n", qfs_type_info((int)type)->name, elements[element].name,
           elements[through].name, same ? "non-finite weights not told" : "other bytes");
}

int main(void)
{
    uint64_t state = 7;
    int ncases = 0;
    for (size_t format = 0; format < QFS_COUNT(formats); format++)
        for (int element = 0; element < (int)QFS_COUNT(elements); element++)
            for (int through = QFS_DEVICE_F32; through <= QFS_DEVICE_BF16; through++)
                for (int round = 0; round < 6; round++, ncases++)
                    check(format, element, through, round < 4, &state);
    printf("%d cases, %d failures\n", ncases, failures);
    return failures > 0;
}
