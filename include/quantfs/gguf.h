/* gguf: the file format, the types and the rules by which each tensor gets its type. */
#ifndef QUANTFS_GGUF_H
#define QUANTFS_GGUF_H

#include "quantfs/arch.h"
#include "quantfs/base.h"

/* Tensor types, numbered as in GGUF files (enum ggml_type). */
enum qfs_type {
    QFS_TYPE_F32 = 0,
    QFS_TYPE_F16 = 1,
    QFS_TYPE_Q4_0 = 2,
    QFS_TYPE_Q4_1 = 3,
    QFS_TYPE_Q5_0 = 6,
    QFS_TYPE_Q5_1 = 7,
    QFS_TYPE_Q8_0 = 8,
    QFS_TYPE_Q2_K = 10,
    QFS_TYPE_Q3_K = 11,
    QFS_TYPE_Q4_K = 12,
    QFS_TYPE_Q5_K = 13,
    QFS_TYPE_Q6_K = 14,
    QFS_TYPE_IQ2_XXS = 16,
    QFS_TYPE_IQ2_XS = 17,
    QFS_TYPE_IQ3_XXS = 18,
    QFS_TYPE_IQ1_S = 19,
    QFS_TYPE_IQ4_NL = 20,
    QFS_TYPE_IQ3_S = 21,
    QFS_TYPE_IQ2_S = 22,
    QFS_TYPE_IQ4_XS = 23,
    QFS_TYPE_I8 = 24,
    QFS_TYPE_I16 = 25,
    QFS_TYPE_I32 = 26,
    QFS_TYPE_I64 = 27,
    QFS_TYPE_F64 = 28,
    QFS_TYPE_IQ1_M = 29,
    QFS_TYPE_BF16 = 30,
    QFS_TYPE_TQ1_0 = 34,
    QFS_TYPE_TQ2_0 = 35,
    QFS_TYPE_MXFP4 = 39,
    QFS_TYPE_NVFP4 = 40,
    QFS_TYPE_Q1_0 = 41,
    QFS_TYPE_Q2_0 = 42,
    QFS_TYPE_COUNT = 43,
    QFS_TYPE_NONE = -1,
};

struct qfs_type_info {
    const char *name;     /* ggml's: "q4_K" */
    uint16_t block_count; /* weights a block, 0 where the number names no type */
    uint16_t block_bytes; /* bytes a block */
    bool quantized;
};

/* Never NULL; block_count is 0 for a number that names no type. */
const struct qfs_type_info *qfs_type_info(int type);
/* By ggml's name ("q4_K", case-insensitive as llama-quantize takes it); QFS_TYPE_NONE if unknown.
 */
enum qfs_type qfs_type_by_name(const char *name);
/* Bytes of a row of `row_size` weights (a multiple of block_count). */
uint64_t qfs_row_bytes(enum qfs_type type, int64_t row_size);

/* -- views: what one GGUF file is made with
 * ---------------------------------------------------------- */

/* llama-quantize's TYPE argument (or the converter's --outtype): the names that views carry. */
struct qfs_ftype {
    const char *name;           /* "Q4_K_M" */
    int number;                 /* enum llama_ftype, written to general.file_type */
    enum qfs_type default_type; /* llama_ftype_get_default_type */
    bool converter;             /* F32, F16, BF16: the converter's own file */
};

extern const struct qfs_ftype qfs_ftypes[]; /* in the order views are listed; ends with name NULL */
const struct qfs_ftype *qfs_ftype_by_name(const char *name); /* case-insensitive; NULL if unknown */

/* Options of llama-quantize; all zero is none. Borrowed by the plan's builder, not by the plan. */
struct qfs_view_options {
    const struct qfs_ftype *ftype;
    const struct qfs_imatrix *imatrix; /* NULL: none */
    bool pure, leave_output_tensor, allow_requantize;
    enum qfs_type output_tensor_type, token_embedding_type; /* QFS_TYPE_NONE: not overridden */
    const char *const *tensor_types;                        /* "REGEX=type", in order */
    size_t ntensor_types;
    const char *const *overrides; /* "key=type:value", as --override-kv */
    size_t noverrides;
    const int *prune_layers;
    size_t nprune_layers;
    int outtype; /* enum qfs_outtype of the intermediate file, -1: auto */
};

/* -- plans: a whole virtual file, described
 * ---------------------------------------------------------- */

struct qfs_plan_tensor {
    const char *name;
    uint8_t ndim;
    int64_t ne[4];      /* ggml's order: ne[0] is the row; unused are 1 */
    enum qfs_type type; /* in this file */
    enum qfs_type half; /* of the intermediate file: rows round through it before quantizing */
    const struct qfs_recipe *recipe; /* belongs to the conversion */
    const float *imatrix;            /* ne[0] * ne[2] importances, or NULL; belongs to the plan */
    uint64_t offset, nbytes;         /* in the file, without padding */
};

enum qfs_region_kind {
    QFS_REGION_BYTES,  /* the header */
    QFS_REGION_ZERO,   /* padding */
    QFS_REGION_TENSOR, /* tensors[tensor], whole */
};

struct qfs_region {
    enum qfs_region_kind kind;
    uint64_t offset, size;
    uint32_t tensor;
};

/* Immutable. Regions are gap-free, ascending, and cover [0, size). */
struct qfs_plan {
    struct qfs_arena arena;
    const struct qfs_conversion *conversion; /* borrowed: must outlive the plan */
    const struct qfs_ftype *ftype;
    uint64_t size, data_offset;
    const uint8_t *header;           /* data_offset bytes, padding included */
    struct qfs_kvs kvs;              /* this file's keys, in order */
    struct qfs_plan_tensor *tensors; /* the file's order */
    size_t ntensors;
    struct qfs_region *regions;
    size_t nregions;
};

/* -ENOTSUP: llama-quantize would refuse this view; the sentence names the tensor and the reason. */
int qfs_plan_build(const struct qfs_conversion *conversion, const struct qfs_view_options *options,
                   struct qfs_plan **ret_plan, struct qfs_error *error) QFS_MUST_USE;
void qfs_plan_free(struct qfs_plan *plan);
/* Index of the region that holds byte `offset` (< plan->size). */
size_t qfs_plan_region_at(const struct qfs_plan *plan, uint64_t offset);

#endif
