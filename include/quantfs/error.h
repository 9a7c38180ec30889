/* error: what a failed call says. Shared by the public library and every room. */
#ifndef QUANTFS_ERROR_H
#define QUANTFS_ERROR_H

/* Functions return 0 or a negative errno and fill this in (it may be NULL): one sentence that names
 * the file, tensor or key and says what to do. */
struct qfs_error {
    int code; /* positive errno, 0 when unset */
    char text[600];
};

#endif
