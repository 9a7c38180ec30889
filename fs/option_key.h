/* option_key: what the options say of views, as bytes to be hashed. Private to fs/. */
#ifndef QUANTFS_OPTION_KEY_H
#define QUANTFS_OPTION_KEY_H

#include "quantfs.h"
#include "quantfs/base.h"

void qfs_key_string(struct qfs_buffer *to, const char *string); /* NULL is not "" */
/* A file by its path and what it is now. */
void qfs_key_file(struct qfs_buffer *to, const char *path);
/* Everything that a view's bytes depend on beside the source and the view's type. */
void qfs_key_options(struct qfs_buffer *to, const struct qfs_options *options);

/* Changes when a file that an option names is replaced or edited: the importance matrix, the list of views. */
uint64_t qfs_option_files(const struct qfs_options *options);

#endif
