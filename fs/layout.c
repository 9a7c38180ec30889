#include "layout.h"

void qfs_layout_flat(struct qfs_names *names, uint32_t parent, struct qfs_generation *const *models,
                     size_t nmodels)
{
    for (size_t i = 0; i < nmodels; i++) {
        const struct qfs_summary *summary = models[i]->summary;
        for (size_t view = 0; summary && view < summary->nviews; view++)
            if (!summary->views[view].refused)
                (void)qfs_names_view(names, parent, summary->views[view].name, models[i], view);
    }
}
