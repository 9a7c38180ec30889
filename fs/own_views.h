/* own_views: views that a file describes, beside those of types. Private to fs/.
 *
 *     {"views": [{"name": "{model}-mine", "type": "Q4_K_M", "imatrix": "imatrix.gguf",
 *                 "tensor-type": {"attn_v": "q8_0"}, "override-kv": {"general.name": "str:Mine"}}]}
 *
 * docs/VIEWS.md has all of its keys. */
#ifndef QUANTFS_OWN_VIEWS_H
#define QUANTFS_OWN_VIEWS_H

#include "quantfs/gguf.h"

struct qfs_own_view {
    const char *stem; /* file name without ".gguf" */
    const char *type; /* what commands may call it: the stem without the model's name */
    struct qfs_view_options options;
};

/* All that one file describes; what lies behind the pointers is in the arena it was read into. */
struct qfs_own_views {
    struct qfs_own_view *items;
    size_t count;
    struct qfs_imatrix *imatrices[8]; /* the options borrow them */
    size_t nimatrices;
};

/* Reads `file`, which may name imatrix files anywhere, relative ones beside it; NULL: quantfs.json of
 * the model's directory if it has one, whose imatrix files must lie in there; "none": nothing. */
int qfs_own_views_read(struct qfs_arena *arena, const struct qfs_model *model, const char *file,
                       struct qfs_own_views *ret_views, struct qfs_error *error) QFS_MUST_USE;
void qfs_own_views_done(struct qfs_own_views *views);

#endif
