/* host_kernels.h: every format's kernel for the device, compiled for the host. */
#ifndef QUANTFS_HOST_KERNELS_H
#define QUANTFS_HOST_KERNELS_H

#include "../formats.h"
#include "device_job.h"

typedef void qfs_device_host_fn(const struct qfs_device_job *job, int64_t thread, int64_t nthreads);

#define QFS_DEVICE_DECLARE(type, name) qfs_device_host_fn qfs_device_##name;
QFS_FORMATS(QFS_DEVICE_DECLARE)

#endif
