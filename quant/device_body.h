/* device_body.h: one thread's part of a job of QFS_DEVICE_FORMAT, which is a name of formats.h. nvcc
 * compiles it for device_kernel.cu, the host's compiler for host_kernel.c. */
#ifndef QUANTFS_DEVICE_BODY_H
#define QUANTFS_DEVICE_BODY_H

#define QFS_LANES_ISA cuda
#define QFS_LANES_DEVICE
#include "element_codec.h"
#include "cuda/device_job.h"

#define QFS_BODY_FILE(name) QFS_QUOTE(body_##name.c)
#define QFS_BODY_OF(name) QFS_BODY_FILE(name)
#include QFS_BODY_OF(QFS_DEVICE_FORMAT)

#define QFS_QUANTIZE_(name) QFS_KERNEL(quantize_##name)
#define QFS_QUANTIZE(name) QFS_QUANTIZE_(name)

LANE_FN lf element_decode(const uint8_t *source, int32_t element, int64_t i)
{
    switch (element) {
    case QFS_DEVICE_F16:
        return lf_from_f16(li_load_u16(source + 2 * i));
    case QFS_DEVICE_BF16:
        return decode_bf16(li_load_u16(source + 2 * i));
    case QFS_DEVICE_E4M3:
        return decode_e4m3(li_load_u8(source + i));
    case QFS_DEVICE_E5M2:
        return decode_e5m2(li_load_u8(source + i));
    default:
        return lf_load((const float *)(const void *)source + i);
    }
}

LANE_FN lf element_round(lf value, int32_t element, int32_t through)
{
    if (through == element || through == QFS_DEVICE_F32)
        return value;
    return through == QFS_DEVICE_F16 ? lf_from_f16(encode_f16(value))
                                     : decode_bf16(encode_bf16(value));
}

LANE_STATIC void unit_do(const struct qfs_device_job *job, const struct qfs_device_span *span,
                         int64_t number, uint8_t *scratch)
{
    const int64_t first = number * job->unit;
    const float *imatrix = span->imatrix ? span->imatrix + first % span->row_size : NULL;
    float *x = (float *)(void *)scratch;
    lm finite = lm_set(true);
    for (int32_t i = 0; i < job->unit; i++) {
        const lf value = element_decode((const uint8_t *)span->source, span->element, first + i);
        x[i] = element_round(value, span->element, span->through);
        finite = lm_and(finite, li_lt(li_bits(x[i]) & li_set(0x7fffffff), li_set(0x7f800000)));
    }
    if (!finite) {
        *span->nonfinite = 1; /* the CPU says what is wrong with them */
        return;
    }
    QFS_QUANTIZE(QFS_DEVICE_FORMAT)
    (x, (uint8_t *)span->blocks + number * job->unit_bytes, 1, job->unit, imatrix,
     scratch + job->unit * (int64_t)sizeof(float));
}

/* Thread `thread` of `nthreads`, which have a scratch each. */
LANE_STATIC void job_do(const struct qfs_device_job *job, int64_t thread, int64_t nthreads)
{
    const struct qfs_device_span *span = job->spans;
    int64_t before = 0; /* units of the spans before this one */
    for (int64_t u = thread; u < job->nunits; u += nthreads) {
        for (; u - before >= span->nunits; span++)
            before += span->nunits;
        unit_do(job, span, u - before, job->scratch + thread * job->stride);
    }
}

#endif
