/* Private to the model room: GGUF files as a source, found by their names. */
#ifndef QUANTFS_MODEL_GGUF_SOURCE_H
#define QUANTFS_MODEL_GGUF_SOURCE_H

#include "quantfs/model.h"

/* `file` is the last part of a path: sets model->gguf_names (all parts of a split set, by the
 * letters of its name) and model->name. -EINVAL for a part that is not the first. */
int qfs_gguf_source_name(struct qfs_model *model, const char *file,
                         struct qfs_error *error) QFS_MUST_USE;

/* The GGUF file of the directory model->path, if it is one of GGUF files and not a model's own:
 * *ret_file stays as it is when not. -EINVAL when it cannot be told which of several is meant. */
int qfs_gguf_source_in(struct qfs_model *model, const char **ret_file,
                       struct qfs_error *error) QFS_MUST_USE;

#endif
