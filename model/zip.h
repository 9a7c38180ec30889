/* Private to the model room: the zip container, as torch.save writes it. */
#ifndef QUANTFS_MODEL_ZIP_H
#define QUANTFS_MODEL_ZIP_H

#include "quantfs/base.h"

struct qfs_zip_entry {
    const char *name;
    uint64_t offset, size; /* of its bytes in the file, which stand there as they are */
};

struct qfs_zip {
    struct qfs_zip_entry *entries; /* in the directory's order */
    size_t nentries;
};

/* Reads the directory of an open file. Entries that are compressed or encrypted or lie beyond the file are
 * errors; whether names are unique is for the caller. Everything lives in `arena`. */
int qfs_zip_read(struct qfs_arena *arena, int fd, uint64_t file_size, const char *shown,
                 struct qfs_zip *ret_zip, struct qfs_error *error) QFS_MUST_USE;

#endif
