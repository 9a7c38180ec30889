/* Which type each tensor gets: llama-quantize's rules, which count tensors as they pass, so tensors
 * are asked about once each and in the file's order. */
#ifndef QUANTFS_GGUF_MIXTURE_H
#define QUANTFS_GGUF_MIXTURE_H

#include "loader.h"
#include "tensor_rule.h"

/* What a name says that a tensor is (llama-quant.cpp's tensor_category). */
enum qfs_role {
    QFS_ROLE_OTHER,
    QFS_ROLE_EMBEDDING,
    QFS_ROLE_OUTPUT,
    QFS_ROLE_ATTN_Q,
    QFS_ROLE_ATTN_K,
    QFS_ROLE_ATTN_V, /* also fused q, k, v, and MLA's kv_b */
    QFS_ROLE_ATTN_OUTPUT,
    QFS_ROLE_FFN_UP,
    QFS_ROLE_FFN_GATE,
    QFS_ROLE_FFN_DOWN,
};

struct qfs_mixture {
    const struct qfs_view_options *options;
    const struct qfs_tensor_rule *rules;
    size_t nrules;
    struct qfs_hparams hparams;
    bool has_imatrix;
    bool tied;   /* no output.weight: the embedding is the output too */
    int nattn_v; /* tensors of that role in the file */
    int iattn_v, iffn_down, iffn_gate, iffn_up; /* asked about so far */
    struct qfs_error *error;
    int rc; /* sticky: negative errno once a tensor was refused */
};

enum qfs_role qfs_role_of(const char *name);

/* Whether llama-quantize quantizes a tensor of this name and number of dimensions (those that are 1
 * at the end do not count). */
bool qfs_mixture_allows(const struct qfs_view_options *options, const char *name, int ndim);

/* The type of the next tensor, which qfs_mixture_allows; mixture->rc is set where llama-quantize
 * stops. `name` is the one that it has in the file. */
enum qfs_type qfs_mixture_type(struct qfs_mixture *mixture, const char *name, const int64_t ne[4]);

/* Whether llama-quantize insists on importances for a tensor that becomes `type`. */
bool qfs_mixture_needs_imatrix(const struct qfs_ftype *ftype, const char *name, enum qfs_type type);

#endif
