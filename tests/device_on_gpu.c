/* device_on_gpu.c: the kernels on a GPU, for scripts/test-gpu.sh. Takes each format's fatbin from the folder
 * QUANTFS_GPU_KERNELS, and the driver from QUANTFS_LIBCUDA or where the loader finds libcuda.so.1. */
#include "../quant/cuda/device_job.h"
#include "../quant/formats.h"
#include "../quant/grids.h"
#include "device_isa.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* what cuda.h says of them; no toolkit is needed to compile this */
typedef unsigned long long address;
static struct {
    int (*cuInit)(unsigned flags);
    int (*cuDeviceGet)(int *device, int number);
    int (*cuDeviceGetName)(char *name, int size, int device);
    int (*cuDevicePrimaryCtxRetain)(void **context, int device);
    int (*cuCtxSetCurrent)(void *context);
    int (*cuCtxSynchronize)(void);
    int (*cuModuleLoad)(void **module, const char *path);
    int (*cuModuleGetFunction)(void **function, void *module, const char *name);
    int (*cuModuleGetGlobal_v2)(address *at, size_t *size, void *module, const char *name);
    int (*cuMemAlloc_v2)(address *at, size_t size);
    int (*cuMemcpyHtoD_v2)(address to, const void *from, size_t size);
    int (*cuMemcpyDtoH_v2)(void *to, address from, size_t size);
    int (*cuLaunchKernel)(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                          void *stream, void **parameters, void **extra);
} cuda;

static const struct {
    const char *name;
    void *function; /* where its address goes */
} entries[] = {
#define ENTRY(name)       \
    {                     \
#name, &cuda.name \
    }
    ENTRY(cuInit),
    ENTRY(cuDeviceGet),
    ENTRY(cuDeviceGetName),
    ENTRY(cuDevicePrimaryCtxRetain),
    ENTRY(cuCtxSetCurrent),
    ENTRY(cuCtxSynchronize),
    ENTRY(cuModuleLoad),
    ENTRY(cuModuleGetFunction),
    ENTRY(cuModuleGetGlobal_v2),
    ENTRY(cuMemAlloc_v2),
    ENTRY(cuMemcpyHtoD_v2),
    ENTRY(cuMemcpyDtoH_v2),
    ENTRY(cuLaunchKernel),
#undef ENTRY
};

enum {
    NOT_FOUND = 500, /* CUDA_ERROR_NOT_FOUND */
    GROUPS = 4,
    GROUP = 64, /* threads */
    ARENA = 256 << 20,
    GUARD = 256,
};

#define DO(call)                                           \
    do {                                                   \
        const int rc_ = cuda.call;                         \
        if (rc_) {                                         \
            fprintf(stderr, "%s: error %d\n", #call, rc_); \
            exit(1);                                       \
        }                                                  \
    } while (0)

#define NAME(type, name) [QFS_TYPE_##type] = #name,
static const char *const names[QFS_TYPE_COUNT] = {QFS_FORMATS(NAME)};
static void *functions[QFS_TYPE_COUNT];
static address arena, arena_end,
    arena_at; /* of the device's memory; what is asked for first stays */

static address memory_take(size_t size)
{
    const address at = arena_at;
    arena_at += (size + 255) / 256 * 256;
    if (arena_at > arena_end) {
        fprintf(stderr, "the test takes more memory than it has set aside on the device\n");
        exit(1);
    }
    return at;
}

static address copy_up(const void *from, size_t size)
{
    const address at = memory_take(size);
    DO(cuMemcpyHtoD_v2(at, from, size));
    return at;
}

static void *pointer(address at)
{
    return (void *)(uintptr_t)at;
}

static struct qfs_grid grid_up(const struct qfs_grid *grid)
{
    struct qfs_grid up = *grid;
    size_t nentries = QFS_GRID_SLACK;
    for (int i = 0; i < grid->cells; i++) {
        const size_t end = grid->cell[i].start + (size_t)grid->cell[i].count + QFS_GRID_SLACK;
        nentries = end > nentries ? end : nentries;
    }
    const size_t size = (size_t)grid->size;
    up.cell = pointer(copy_up(grid->cell, (size_t)grid->cells * sizeof(*grid->cell)));
    up.nibbles = pointer(copy_up(grid->nibbles, size * sizeof(*grid->nibbles)));
    up.number = pointer(copy_up(grid->number, size * sizeof(*grid->number)));
    up.list = pointer(copy_up(grid->list, nentries * sizeof(*grid->list)));
    up.packed = pointer(copy_up(grid->packed, nentries * sizeof(*grid->packed)));
    up.halves = pointer(copy_up(grid->halves, 2 * nentries - QFS_GRID_SLACK));
    return up;
}

static void modules_load(const char *folder)
{
    struct qfs_grid grids[QFS_GRID_COUNT];
    for (int id = 0; id < QFS_GRID_COUNT; id++)
        grids[id] = grid_up(qfs_grid_get((enum qfs_grid_id)id));
    for (int type = 0; type < QFS_TYPE_COUNT; type++) {
        char path[4096];
        void *module;
        address at;
        size_t size;
        if (!names[type])
            continue;
        snprintf(path, sizeof(path), "%s/%s.fatbin", folder, names[type]);
        DO(cuModuleLoad(&module, path));
        DO(cuModuleGetFunction(&functions[type], module, "qfs_device_kernel"));
        const int rc = cuda.cuModuleGetGlobal_v2(&at, &size, module, "qfs_device_grid");
        if (rc == NOT_FOUND)
            continue; /* a format without a grid */
        if (rc || size != sizeof(grids)) {
            fprintf(stderr, "%s: its grids: error %d, %zu bytes\n", path, rc, size);
            exit(1);
        }
        DO(cuMemcpyHtoD_v2(at, grids, sizeof(grids)));
    }
}

bool device_open(void)
{
    const char *library = getenv("QUANTFS_LIBCUDA"), *folder = getenv("QUANTFS_GPU_KERNELS");
    void *handle = dlopen(library ? library : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *context;
    char name[256] = "";
    int device;
    if (!handle || !folder) {
        printf("no GPU is tested: %s\n", folder ? dlerror() : "QUANTFS_GPU_KERNELS is not set");
        return false;
    }
    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
        void *symbol = dlsym(handle, entries[i].name);
        if (!symbol) {
            printf("no GPU is tested: %s\n", dlerror());
            return false;
        }
        memcpy(entries[i].function, &symbol, sizeof(symbol));
    }
    const int rc = cuda.cuInit(0);
    if (rc) {
        printf("no GPU is tested: cuInit: error %d\n", rc);
        return false;
    }
    DO(cuDeviceGet(&device, 0));
    DO(cuDeviceGetName(name, (int)sizeof(name), device));
    printf("%s: ", name);
    DO(cuDevicePrimaryCtxRetain(&context, device));
    DO(cuCtxSetCurrent(context));
    DO(cuMemAlloc_v2(&arena, ARENA));
    arena_at = arena;
    arena_end = arena + ARENA;
    modules_load(folder);
    return true;
}

void device_quantize(enum qfs_type type, const float *x, void *blocks, int64_t nrows,
                     int64_t row_size, const float *imatrix)
{
    const struct qfs_type_info *info = qfs_type_info((int)type);
    const int64_t unit = qfs_device_unit(type, row_size, imatrix != NULL);
    const size_t nbytes = (size_t)((uint64_t)nrows * qfs_row_bytes(type, row_size));
    const address before = arena_at;
    uint8_t guard[GUARD];
    uint32_t nonfinite = 0;
    memset(guard, 0xa5, sizeof(guard));

    address importances = 0;
    if (imatrix)
        importances = copy_up(imatrix, (size_t)row_size * sizeof(*imatrix));
    const address source = copy_up(x, (size_t)(nrows * row_size) * sizeof(*x));
    const address told = copy_up(&nonfinite, sizeof(nonfinite));
    const address to = memory_take(nbytes + GUARD);
    DO(cuMemcpyHtoD_v2(to + nbytes, guard, GUARD));
    const struct qfs_device_span span = {
        .source = pointer(source),
        .imatrix = pointer(importances),
        .blocks = pointer(to),
        .row_size = row_size,
        .nunits = nrows * (row_size / unit),
        .nonfinite = pointer(told),
    };
    struct qfs_device_job job = {
        .spans = pointer(copy_up(&span, sizeof(span))),
        .nunits = span.nunits,
        .unit = (int32_t)unit,
        .unit_bytes = (int32_t)(unit / info->block_count * info->block_bytes),
        .stride = qfs_device_stride(type, unit),
    };
    job.scratch = pointer(memory_take((size_t)(GROUPS * GROUP * job.stride)));
    void *parameters[] = {&job};
    DO(cuLaunchKernel(functions[type], GROUPS, 1, 1, GROUP, 1, 1, 0, NULL, parameters, NULL));
    DO(cuCtxSynchronize());
    DO(cuMemcpyDtoH_v2(blocks, to, nbytes));
    DO(cuMemcpyDtoH_v2(guard, to + nbytes, GUARD));
    for (int i = 0; i < GUARD; i++)
        if (guard[i] != 0xa5) {
            fprintf(stderr, "%s: writes beyond its blocks\n", info->name);
            exit(1);
        }
    arena_at = before;
}
