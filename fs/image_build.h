/* image_build: how source.c makes and ends images. Private to fs/. */
#ifndef QUANTFS_IMAGE_BUILD_H
#define QUANTFS_IMAGE_BUILD_H

#include "image.h"

/* Takes the plan on success. */
int qfs_image_build(struct qfs_source *source, size_t index, struct qfs_plan *plan,
                    struct qfs_image **ret_image, struct qfs_error *error) QFS_MUST_USE;
void qfs_image_free(struct qfs_image *image);

#endif
