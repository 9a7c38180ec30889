/* host_kernel.c: a format's kernel as the device runs it, compiled for the host: for tests, where there is
 * no device. */
#include "../device_body.h"
#include "host_kernels.h"

void QFS_PASTE(qfs_device_, QFS_DEVICE_FORMAT)(const struct qfs_device_job *job, int64_t thread,
                                               int64_t nthreads)
{
    job_do(job, thread, nthreads);
}
