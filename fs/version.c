#include "quantfs.h"

const char *qfs_version(void)
{
    return QFS_VERSION;
}

const char *qfs_reference_version(void)
{
    return "llama.cpp v0.5.0";
}
