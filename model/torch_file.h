/* Private to the model room: weights as torch.save writes them, a zip container around a pickle. */
#ifndef QUANTFS_MODEL_TORCH_FILE_H
#define QUANTFS_MODEL_TORCH_FILE_H

#include "quantfs/model.h"

/* Appends the tensors of an open pytorch_model.bin in the order of its dictionary. The pickle is read by a
 * machine that knows tensors, containers and numbers, and calls nothing: what torch.load(weights_only=True)
 * takes, less what no weights need. *ret_header is a digest of the pickle. *tensors is a malloc'd growing array. */
int qfs_torch_file_parse(struct qfs_arena *arena, int fd, uint64_t file_size, uint32_t file,
                         const char *shown, struct qfs_tensor **tensors, size_t *ntensors,
                         struct qfs_digest *ret_header, struct qfs_error *error) QFS_MUST_USE;

#endif
