/* The steps of building a plan. */
#ifndef QUANTFS_GGUF_PLAN_PARTS_H
#define QUANTFS_GGUF_PLAN_PARTS_H

#include "header.h"
#include "override.h"

/* Number of the outtype's file type (general.file_type) and its tensor type. */
enum qfs_outtype qfs_plan_outtype(const struct qfs_conversion *conversion,
                                  const struct qfs_view_options *options);
enum qfs_type qfs_outtype_type(enum qfs_outtype outtype);
int qfs_outtype_file_type(enum qfs_outtype outtype);

/* Shape, name and recipe of the converter's tensor, and `half`: its type in the converter's file of
 * that outtype. */
int qfs_plan_tensor_init(struct qfs_plan_tensor *tensor, const struct qfs_out_tensor *out,
                         enum qfs_outtype outtype, struct qfs_error *error) QFS_MUST_USE;

/* Sets kvs and tensors (all but offset and nbytes) to those of the converter's own file, or of
 * llama-quantize's. */
int qfs_plan_converted(struct qfs_plan *plan, const struct qfs_view_options *options,
                       struct qfs_error *error) QFS_MUST_USE;
int qfs_plan_quantized(struct qfs_plan *plan, const struct qfs_view_options *options,
                       struct qfs_error *error) QFS_MUST_USE;

/* llama-quantize's keys: those of the source with the changes it makes. `nlayers` is block_count
 * after pruning, -1 when nothing is pruned. */
int qfs_quantized_kvs(struct qfs_plan *plan, const struct qfs_view_options *options,
                      const struct qfs_override *overrides, const char *arch, int nlayers,
                      struct qfs_error *error) QFS_MUST_USE;

/* Leaves the tensors and keys of part options->part, where the file is to be split; `converter`:
 * by the converter's rules, else by llama-gguf-split's. Tensors have their sizes. */
int qfs_plan_split(struct qfs_plan *plan, const struct qfs_view_options *options, bool converter,
                   struct qfs_error *error) QFS_MUST_USE;

#endif
