/* fake_libcuda.c: as much of NVIDIA's driver as device_on_gpu.c calls, computing on the host: shows that the
 * test for GPUs works where there is none. A module's file name says which format's kernel it stands for. */
#include "../quant/cuda/host_kernels.h"
#include "../quant/grids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long address;

struct module {
    const char *name;
    qfs_device_host_fn *kernel;
};

#define MODULE(type, name) {#name, qfs_device_##name},
static struct module modules[] = {QFS_FORMATS(MODULE)};

int cuInit(unsigned flags)
{
    return (int)flags;
}

int cuDeviceGet(int *device, int number)
{
    *device = number;
    return 0;
}

int cuDeviceGetName(char *name, int size, int device)
{
    snprintf(name, (size_t)size, "no GPU, number %d", device);
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    static int contexts[1];
    *context = &contexts[device];
    return 0;
}

int cuCtxSetCurrent(void *context)
{
    return context == NULL;
}

int cuCtxSynchronize(void)
{
    return 0;
}

int cuModuleLoad(void **module, const char *path)
{
    const char *file = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++)
        if (strncmp(file, modules[i].name, strlen(modules[i].name)) == 0 &&
            strcmp(file + strlen(modules[i].name), ".fatbin") == 0) {
            *module = &modules[i];
            return 0;
        }
    return 301; /* CUDA_ERROR_FILE_NOT_FOUND */
}

int cuModuleGetFunction(void **function, void *module, const char *name)
{
    *function = module;
    return strcmp(name, "qfs_device_kernel") == 0 ? 0 : 500;
}

int cuModuleGetGlobal_v2(address *at, size_t *size, void *module, const char *name)
{
    static struct qfs_grid grids[QFS_GRID_COUNT];
    const char *format = ((struct module *)module)->name;
    *at = (address)(uintptr_t)grids;
    *size = sizeof(grids);
    const bool grid = strncmp(format, "iq", 2) == 0 && format[2] < '4';
    return grid && strcmp(name, "qfs_device_grid") == 0 ? 0 : 500;
}

int cuMemAlloc_v2(address *at, size_t size)
{
    void *memory = aligned_alloc(256, size);
    *at = (address)(uintptr_t)memory;
    return memory ? 0 : 2; /* CUDA_ERROR_OUT_OF_MEMORY */
}

int cuMemcpyHtoD_v2(address to, const void *from, size_t size)
{
    memcpy((void *)(uintptr_t)to, from, size);
    return 0;
}

int cuMemcpyDtoH_v2(void *to, address from, size_t size)
{
    memcpy(to, (void *)(uintptr_t)from, size);
    return 0;
}

int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                   void *stream, void **parameters, void **extra)
{
    const struct module *module = function;
    if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || shared || stream || extra)
        return 1; /* CUDA_ERROR_INVALID_VALUE */
    for (unsigned thread = 0; thread < grid_x * block_x; thread++)
        module->kernel(parameters[0], thread, grid_x * block_x);
    return 0;
}
