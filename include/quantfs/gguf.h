/* gguf: the file as llama.cpp writes it and the rules by which each tensor gets its type. */
#ifndef QUANTFS_GGUF_H
#define QUANTFS_GGUF_H

#include "quantfs/arch.h"
#include "quantfs/base.h"

/* -- views: what one GGUF file is made with ---------------------------------------------------- */

/* llama-quantize's TYPE argument (or the converter's --outtype): the names that views carry. */
struct qfs_ftype {
    const char *name;           /* "Q4_K_M" */
    int number;                 /* enum llama_ftype, written to general.file_type */
    enum qfs_type default_type; /* llama_ftype_get_default_type */
    bool converter;             /* F32, F16, BF16: the converter's own file (llama-quantize's where
                                 * the source is a GGUF file, or any of its options is given) */
};

extern const struct qfs_ftype qfs_ftypes[]; /* in the order views are listed; ends with name NULL */
/* Case-insensitive, llama-quantize's aliases (Q4_K for Q4_K_M) included; NULL if unknown. */
const struct qfs_ftype *qfs_ftype_by_name(const char *name);

/* Options of llama-quantize, and the converter's --outtype. Start from QFS_VIEW_OPTIONS_INIT.
 * Borrowed by the plan's builder, not by the plan, but for the imatrix, which must outlive the
 * plan. */
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
    /* A split set, as the converter writes float files and llama-gguf-split quantized ones; none of
     * the three: one file. */
    uint64_t split_max_size;
    uint64_t split_max_tensors;
    bool no_tensor_first_split;
    uint32_t part; /* of the set; counts from 0 */
};

#define QFS_VIEW_OPTIONS_INIT                                                                     \
    {                                                                                             \
        .output_tensor_type = QFS_TYPE_NONE, .token_embedding_type = QFS_TYPE_NONE, .outtype = -1 \
    }

/* Sets one option by the name llama-quantize (or the converter) gives it, without the dashes: pure,
 * leave-output-tensor, allow-requantize, output-tensor-type, token-embedding-type, tensor-type,
 * tensor-type-file, override-kv, prune-layers, outtype, split-max-size, split-max-tensors,
 * no-tensor-first-split. `value` is NULL for flags; what is kept of it is copied into `arena`. -EINVAL with a sentence that names option and value,
 * -ENOENT for a name that is not an option of views. */
int qfs_view_options_set(struct qfs_view_options *options, struct qfs_arena *arena,
                         const char *name, const char *value, struct qfs_error *error) QFS_MUST_USE;

/* -- plans: a whole virtual file, described ---------------------------------------------------- */

struct qfs_plan_tensor {
    const char *name;
    uint8_t ndim;
    int64_t ne[4];      /* ggml's order: ne[0] is the row; unused are 1 */
    enum qfs_type type; /* in this file */
    enum qfs_type half; /* of the intermediate file: rows round through it before quantizing */
    bool checked;       /* llama-quantize wrote the file: it refuses weights that are not finite */
    const struct qfs_recipe *recipe; /* belongs to the conversion */
    const float *imatrix;            /* ne[0] * ne[2] importances, or NULL; the imatrix's own */
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

/* A run of the header's bytes: the plan's own, or borrowed from the conversion, so that plans share
 * the megabytes of vocabulary keys. */
struct qfs_segment {
    const uint8_t *data;
    size_t size;
    uint64_t offset; /* in the file */
};

/* Immutable. Regions are gap-free, ascending, and cover [0, size). */
struct qfs_plan {
    struct qfs_arena arena;
    const struct qfs_conversion *conversion; /* borrowed: must outlive the plan */
    const struct qfs_ftype *ftype;
    uint32_t part, nparts; /* of a split set; nparts 0: the file is not split */
    uint64_t size, data_offset;
    const struct qfs_segment *segments; /* the header, padding included: gap-free, ascending, cover
                                         * [0, data_offset); read with qfs_plan_header_read */
    size_t nsegments;
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
/* Copies bytes [offset, offset + size) of the header, all below plan->data_offset: how regions of
 * kind BYTES are served. */
void qfs_plan_header_read(const struct qfs_plan *plan, uint64_t offset, void *data, size_t size);

#endif
