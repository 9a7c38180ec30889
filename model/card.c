#include "quantfs/model.h"

int qfs_card_load(struct qfs_model *model, struct qfs_error *error)
{
    return 0;
}
