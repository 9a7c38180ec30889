/* Which keys llama.cpp's loader reads for each architecture; made by scripts/generate-loader-table.py. */
#ifndef QUANTFS_GGUF_LOADER_TABLE_H
#define QUANTFS_GGUF_LOADER_TABLE_H

#include "quantfs/base.h"

/* How a read is made: whether the key must be there, in what shape, of what type. */
enum {
    MAY = 0,
    NEED = 1,
    ONE = 0 << 1,         /* a value */
    ARRAY = 1 << 1,       /* an array of any length */
    COUNT = 2 << 1,       /* an array of any type, for its length */
    LAYERS_ALL = 3 << 1,  /* a value, or an array with one for each layer */
    LAYERS = 4 << 1,      /* likewise, without the layers of draft heads */
    FOUR = 5 << 1,        /* a value or an array of 4 */
    SWA_PATTERN = 6 << 1, /* an array of layers, or else a number */
    SHAPE = 7 << 1,
    U32 = 0 << 4,
    F32 = 1 << 4,
    BOOL = 2 << 4,
    STRING = 3 << 4,
    U64 = 4 << 4,
    I32 = 5 << 4, /* an array of u32 will do */
    KIND = 7 << 4,
};

struct qfs_loader_read {
    const char *key; /* %s is the architecture */
    uint8_t how;
};

struct qfs_loader_arch {
    const char *name;
    const struct qfs_loader_read *reads;
    size_t nreads;
};

extern const struct qfs_loader_arch qfs_loader_archs[]; /* every architecture that can be loaded */
extern const size_t qfs_loader_narchs;

#endif
