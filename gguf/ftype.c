#include "ftype.h"

#include <strings.h>

/* Float types first, then from many bits to few. */
const struct qfs_ftype qfs_ftypes[] = {
    {"F32", QFS_FTYPE_F32, QFS_TYPE_F32, true},
    {"F16", QFS_FTYPE_F16, QFS_TYPE_F16, true},
    {"BF16", QFS_FTYPE_BF16, QFS_TYPE_BF16, true},
    {"Q8_0", QFS_FTYPE_Q8_0, QFS_TYPE_Q8_0, false},
    {"Q6_K", QFS_FTYPE_Q6_K, QFS_TYPE_Q6_K, false},
    {"Q5_K_M", QFS_FTYPE_Q5_K_M, QFS_TYPE_Q5_K, false},
    {"Q5_K_S", QFS_FTYPE_Q5_K_S, QFS_TYPE_Q5_K, false},
    {"Q5_1", QFS_FTYPE_Q5_1, QFS_TYPE_Q5_1, false},
    {"Q5_0", QFS_FTYPE_Q5_0, QFS_TYPE_Q5_0, false},
    {"Q4_K_M", QFS_FTYPE_Q4_K_M, QFS_TYPE_Q4_K, false},
    {"Q4_K_S", QFS_FTYPE_Q4_K_S, QFS_TYPE_Q4_K, false},
    {"Q4_1", QFS_FTYPE_Q4_1, QFS_TYPE_Q4_1, false},
    {"Q4_0", QFS_FTYPE_Q4_0, QFS_TYPE_Q4_0, false},
    {"IQ4_NL", QFS_FTYPE_IQ4_NL, QFS_TYPE_IQ4_NL, false},
    {"IQ4_XS", QFS_FTYPE_IQ4_XS, QFS_TYPE_IQ4_XS, false},
    {"MXFP4_MOE", QFS_FTYPE_MXFP4_MOE, QFS_TYPE_MXFP4, false},
    {"Q3_K_L", QFS_FTYPE_Q3_K_L, QFS_TYPE_Q3_K, false},
    {"Q3_K_M", QFS_FTYPE_Q3_K_M, QFS_TYPE_Q3_K, false},
    {"Q3_K_S", QFS_FTYPE_Q3_K_S, QFS_TYPE_Q3_K, false},
    {"IQ3_M", QFS_FTYPE_IQ3_M, QFS_TYPE_IQ3_S, false},
    {"IQ3_S", QFS_FTYPE_IQ3_S, QFS_TYPE_IQ3_S, false},
    {"IQ3_XS", QFS_FTYPE_IQ3_XS, QFS_TYPE_IQ3_S, false},
    {"IQ3_XXS", QFS_FTYPE_IQ3_XXS, QFS_TYPE_IQ3_XXS, false},
    {"Q2_K", QFS_FTYPE_Q2_K, QFS_TYPE_Q2_K, false},
    {"Q2_K_S", QFS_FTYPE_Q2_K_S, QFS_TYPE_Q2_K, false},
    {"IQ2_M", QFS_FTYPE_IQ2_M, QFS_TYPE_IQ2_S, false},
    {"IQ2_S", QFS_FTYPE_IQ2_S, QFS_TYPE_IQ2_XS, false},
    {"IQ2_XS", QFS_FTYPE_IQ2_XS, QFS_TYPE_IQ2_XS, false},
    {"IQ2_XXS", QFS_FTYPE_IQ2_XXS, QFS_TYPE_IQ2_XXS, false},
    {"IQ1_M", QFS_FTYPE_IQ1_M, QFS_TYPE_IQ1_M, false},
    {"IQ1_S", QFS_FTYPE_IQ1_S, QFS_TYPE_IQ1_S, false},
    {"Q2_0", QFS_FTYPE_Q2_0, QFS_TYPE_Q2_0, false},
    {"TQ2_0", QFS_FTYPE_TQ2_0, QFS_TYPE_TQ2_0, false},
    {"TQ1_0", QFS_FTYPE_TQ1_0, QFS_TYPE_TQ1_0, false},
    {"Q1_0", QFS_FTYPE_Q1_0, QFS_TYPE_Q1_0, false},
    {NULL, -1, QFS_TYPE_NONE, false},
};

const struct qfs_ftype *qfs_ftype_by_name(const char *name)
{
    static const char *const aliases[][2] = {
        {"Q3_K", "Q3_K_M"}, {"Q4_K", "Q4_K_M"}, {"Q5_K", "Q5_K_M"}};
    for (size_t i = 0; i < QFS_COUNT(aliases); i++)
        if (strcasecmp(name, aliases[i][0]) == 0)
            name = aliases[i][1];
    for (const struct qfs_ftype *ftype = qfs_ftypes; ftype->name; ftype++)
        if (strcasecmp(name, ftype->name) == 0)
            return ftype;
    return NULL;
}
