/* Private to the arch room: what gguf-py reads out of a model's name. */
#ifndef QUANTFS_ARCH_MODEL_ID_H
#define QUANTFS_ARCH_MODEL_ID_H

#include "quantfs/base.h"

/* Parts of "org/Name-7B-Instruct-v1.0"; NULL where there is none. In the arena. */
struct qfs_model_id {
    const char *name, *organization, *basename, *finetune, *version, *size_label;
};

/* Metadata.get_model_id_components. `nparams`: weights of the model (negative: of an adapter), to tell sizes from context lengths; 0
 * when unknown. `id` may hold \0 (then so do no parts: they end there). */
int qfs_model_id_parse(struct qfs_arena *arena, struct qfs_text id, int64_t nparams,
                       struct qfs_model_id *ret_id, struct qfs_error *error) QFS_MUST_USE;

/* Metadata.id_to_title: "llama-3-instruct" to "Llama 3 Instruct". NULL: out of memory. */
char *qfs_model_id_title(struct qfs_arena *arena, const char *id);

/* gguf.size_label: "7B", "8x7B". `nparams`: total, shared, of one expert. NULL: out of memory. */
char *qfs_size_label(struct qfs_arena *arena, const uint64_t nparams[3], int64_t nexperts);

#endif
