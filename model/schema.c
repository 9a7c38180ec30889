#include "rule.h"

#include "schema_table.inc"
