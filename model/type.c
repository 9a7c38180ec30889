#include "quantfs/model.h"

#include <strings.h>

/* Block sizes of ggml-common.h. A row here is the first step of adding a type. */
static const struct qfs_type_info types[QFS_TYPE_COUNT] = {
    [QFS_TYPE_F32] = {"f32", 1, 4, false},
    [QFS_TYPE_F16] = {"f16", 1, 2, false},
    [QFS_TYPE_Q4_0] = {"q4_0", 32, 18, true},
    [QFS_TYPE_Q4_1] = {"q4_1", 32, 20, true},
    [QFS_TYPE_Q5_0] = {"q5_0", 32, 22, true},
    [QFS_TYPE_Q5_1] = {"q5_1", 32, 24, true},
    [QFS_TYPE_Q8_0] = {"q8_0", 32, 34, true},
    [QFS_TYPE_Q8_1] = {"q8_1", 32, 36, true},
    [QFS_TYPE_Q2_K] = {"q2_K", 256, 84, true},
    [QFS_TYPE_Q3_K] = {"q3_K", 256, 110, true},
    [QFS_TYPE_Q4_K] = {"q4_K", 256, 144, true},
    [QFS_TYPE_Q5_K] = {"q5_K", 256, 176, true},
    [QFS_TYPE_Q6_K] = {"q6_K", 256, 210, true},
    [QFS_TYPE_Q8_K] = {"q8_K", 256, 292, true},
    [QFS_TYPE_IQ2_XXS] = {"iq2_xxs", 256, 66, true},
    [QFS_TYPE_IQ2_XS] = {"iq2_xs", 256, 74, true},
    [QFS_TYPE_IQ3_XXS] = {"iq3_xxs", 256, 98, true},
    [QFS_TYPE_IQ1_S] = {"iq1_s", 256, 50, true},
    [QFS_TYPE_IQ4_NL] = {"iq4_nl", 32, 18, true},
    [QFS_TYPE_IQ3_S] = {"iq3_s", 256, 110, true},
    [QFS_TYPE_IQ2_S] = {"iq2_s", 256, 82, true},
    [QFS_TYPE_IQ4_XS] = {"iq4_xs", 256, 136, true},
    [QFS_TYPE_I8] = {"i8", 1, 1, false},
    [QFS_TYPE_I16] = {"i16", 1, 2, false},
    [QFS_TYPE_I32] = {"i32", 1, 4, false},
    [QFS_TYPE_I64] = {"i64", 1, 8, false},
    [QFS_TYPE_F64] = {"f64", 1, 8, false},
    [QFS_TYPE_IQ1_M] = {"iq1_m", 256, 56, true},
    [QFS_TYPE_BF16] = {"bf16", 1, 2, false},
    [QFS_TYPE_TQ1_0] = {"tq1_0", 256, 54, true},
    [QFS_TYPE_TQ2_0] = {"tq2_0", 256, 66, true},
    [QFS_TYPE_MXFP4] = {"mxfp4", 32, 17, true},
    [QFS_TYPE_NVFP4] = {"nvfp4", 64, 36, true},
    [QFS_TYPE_Q1_0] = {"q1_0", 128, 18, true},
    [QFS_TYPE_Q2_0] = {"q2_0", 64, 18, true},
};

const struct qfs_type_info *qfs_type_info(int type)
{
    static const struct qfs_type_info none = {"none", 0, 0, false};
    if (type < 0 || type >= QFS_TYPE_COUNT || types[type].block_count == 0)
        return &none;
    return &types[type];
}

enum qfs_type qfs_type_by_name(const char *name)
{
    for (int type = 0; type < QFS_TYPE_COUNT; type++)
        if (types[type].name && strcasecmp(types[type].name, name) == 0)
            return (enum qfs_type)type;
    return QFS_TYPE_NONE;
}

uint64_t qfs_row_bytes(enum qfs_type type, int64_t row_size)
{
    return (uint64_t)row_size / types[type].block_count * types[type].block_bytes;
}
