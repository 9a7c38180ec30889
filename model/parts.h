/* Private to the model room: what the readers of weight files share. */
#ifndef QUANTFS_MODEL_PARTS_H
#define QUANTFS_MODEL_PARTS_H

#include "quantfs/model.h"

#include <sys/stat.h>

/* The SHA-256 that a hub cache's link says its blob has. False: it is no such link. */
bool qfs_part_hub_digest(int dir_fd, const char *name, char ret_hex[65]);

/* Opens `name` as the model's next file (model->files has room for it), all but its identity, which its
 * reader knows; *ret_st is for that. `shown`: its whole path. */
int qfs_part_open(struct qfs_model *model, const char *name, const char *shown, struct stat *ret_st,
                  struct qfs_error *error) QFS_MUST_USE;

/* What tells this file from any other: a hub blob's name is its content's digest; other files are
 * told apart by where they are, how large, when written, and what their header says. */
struct qfs_digest qfs_part_identity(int dir_fd, const char *name, const struct stat *st,
                                    struct qfs_digest header);

#endif
