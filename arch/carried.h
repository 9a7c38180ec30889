/* Private to the arch room: the files in carried/. */
#ifndef QUANTFS_ARCH_CARRIED_H
#define QUANTFS_ARCH_CARRIED_H

#include "quantfs/base.h"

/* The file's bytes (a zero byte behind them), by its name; an empty text if it is not carried. */
struct qfs_text qfs_carried(const char *file);

#endif
