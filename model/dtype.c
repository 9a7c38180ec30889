#include "quantfs/model.h"

const struct qfs_dtype_info qfs_dtypes[QFS_DTYPE_COUNT] = {
    [QFS_DTYPE_F32] = {"F32", 4},         [QFS_DTYPE_F16] = {"F16", 2},
    [QFS_DTYPE_BF16] = {"BF16", 2},       [QFS_DTYPE_F64] = {"F64", 8},
    [QFS_DTYPE_I64] = {"I64", 8},         [QFS_DTYPE_I32] = {"I32", 4},
    [QFS_DTYPE_I16] = {"I16", 2},         [QFS_DTYPE_I8] = {"I8", 1},
    [QFS_DTYPE_U8] = {"U8", 1},           [QFS_DTYPE_BOOL] = {"BOOL", 1},
    [QFS_DTYPE_F8_E4M3] = {"F8_E4M3", 1}, [QFS_DTYPE_F8_E5M2] = {"F8_E5M2", 1},
    [QFS_DTYPE_F8_E8M0] = {"F8_E8M0", 1},
};
