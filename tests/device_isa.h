/* device_isa.h: a device in the place of an instruction set, for checkasm.c. device_isa.c is linked instead of
 * dispatch.c, with device_on_host.c or device_on_gpu.c. */
#ifndef QUANTFS_DEVICE_ISA_H
#define QUANTFS_DEVICE_ISA_H

#include "quantfs/kernels.h"

/* False, after a word on why, where there is no device. */
bool device_open(void);
/* As qfs_quantize_fn. Ends the program where the device fails. */
void device_quantize(enum qfs_type type, const float *x, void *blocks, int64_t nrows,
                     int64_t row_size, const float *imatrix);

#endif
