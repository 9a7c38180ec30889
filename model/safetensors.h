/* Private to the model room: the safetensors container. */
#ifndef QUANTFS_MODEL_SAFETENSORS_H
#define QUANTFS_MODEL_SAFETENSORS_H

#include "quantfs/model.h"

/* Checks a whole header and appends its tensors, sorted by name, with `file` as their file.
 * `header`: the JSON text; `data_start`: 8 + header size; `file_size`: bytes of the file. Rules are
 * those of the safetensors library: offsets from 0 without hole or overlap up to the end of the
 * file, size = shape × element size. Names are copied into `arena`. *tensors is a malloc'd growing
 * array. */
int qfs_safetensors_parse(struct qfs_arena *arena, const char *header, size_t header_size,
                          uint64_t data_start, uint64_t file_size, uint32_t file, const char *shown,
                          struct qfs_tensor **tensors, size_t *ntensors,
                          struct qfs_error *error) QFS_MUST_USE;

enum { QFS_SAFETENSORS_HEADER_LIMIT = 100000000 };

#endif
