/* --override-kv: a key with a value that llama-quantize reads instead of the file's and writes. */
#ifndef QUANTFS_GGUF_OVERRIDE_H
#define QUANTFS_GGUF_OVERRIDE_H

#include "quantfs/gguf.h"

enum qfs_override_tag {
    QFS_OVERRIDE_INT,
    QFS_OVERRIDE_FLOAT,
    QFS_OVERRIDE_BOOL,
    QFS_OVERRIDE_STRING,
};

struct qfs_override {
    char key[128];
    enum qfs_override_tag tag;
    int64_t integer; /* INT, and BOOL as 0 or 1 */
    double real;
    char text[128];
};

/* "key=int:3", "key=float:0.5", "key=bool:true", "key=str:text". -EINVAL with a sentence. */
int qfs_override_parse(const char *string, struct qfs_override *ret_override,
                       struct qfs_error *error) QFS_MUST_USE;

#endif
