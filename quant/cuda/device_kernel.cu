/* device_kernel.cu: a format's kernel, compiled once for each: its module has this one entry. */
#include "../device_body.h"

extern "C" __global__ void __launch_bounds__(128) qfs_device_kernel(const struct qfs_device_job job)
{
    job_do(&job, (int64_t)blockIdx.x * blockDim.x + threadIdx.x, (int64_t)gridDim.x * blockDim.x);
}
