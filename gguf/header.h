/* The bytes before a file's data: magic, counts, keys, tensor infos, padding. */
#ifndef QUANTFS_GGUF_HEADER_H
#define QUANTFS_GGUF_HEADER_H

#include "quantfs/gguf.h"

enum { QFS_GGUF_ALIGNMENT = 32 };

/* Sets segments and data_offset of a plan whose kvs and tensors are complete; tensors' offsets are
 * still relative to the data. Large values are borrowed from where kvs have them. */
int qfs_header_build(struct qfs_plan *plan, struct qfs_error *error) QFS_MUST_USE;

#endif
