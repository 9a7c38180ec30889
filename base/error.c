#include "quantfs/base.h"

#include <stdio.h>

int qfs_fail(struct qfs_error *error, int code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
    }
    return -code;
}

int qfs_fail_memory(struct qfs_error *error)
{
    return qfs_fail(error, ENOMEM, "out of memory: close other programs or lower --memory");
}
