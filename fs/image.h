/* image: an opened source's views and the plan of one, with the supplies that feed it. Private to
 * fs/. */
#ifndef QUANTFS_IMAGE_H
#define QUANTFS_IMAGE_H

#include "engine.h"
#include "quantfs/fs.h"

/* One tensor of an image, as a supply of chunks. */
struct qfs_tensor_supply {
    struct qfs_supply supply;
    struct qfs_image *image;
    const struct qfs_plan_tensor *tensor;
    int64_t chunk_rows, nrows;
};

/* A whole view, ready to be read: shared by all who have it open, immutable but for `users`. */
struct qfs_image {
    struct qfs_source *source;
    size_t index; /* of the view in the source */
    struct qfs_plan *plan;
    struct qfs_tensor_supply *tensors; /* as plan->tensors */
    uint32_t users;                    /* the source's lock; each holds the source too */
};

struct qfs_source_view {
    struct qfs_view_info info;
    const struct qfs_ftype *ftype;
    const struct qfs_conversion *conversion; /* what it is a file of */
    const struct qfs_view_options *options;  /* what it is made with, but for ftype and part */
    bool own;                                /* described by quantfs.json, not by its type alone */
    uint32_t part, nparts;                   /* of a split set; nparts 0: it is none */
    struct qfs_image *image;                 /* NULL until it is opened; the source's lock */
    uint64_t last_used;                      /* the source's lock */
};

/* Opens a source whose chunks are computed by `engine`, which must outlive it. */
int qfs_source_open_on(const char *path, const struct qfs_options *options,
                       struct qfs_engine *engine, struct qfs_source **ret_source,
                       struct qfs_error *error) QFS_MUST_USE;
/* The same where the list of views is known, from an earlier time: they are not planned until they are
 * opened. One that is not of that size any more is -ESTALE then. `known` NULL: it is not. */
int qfs_source_open_known(const char *path, const struct qfs_options *options,
                          struct qfs_engine *engine, const struct qfs_view_info *known,
                          size_t nknown, struct qfs_source **ret_source,
                          struct qfs_error *error) QFS_MUST_USE;
/* Has it views that are open? */
bool qfs_source_is_used(struct qfs_source *source);
struct qfs_source *qfs_source_ref(struct qfs_source *source);
void qfs_source_unref(struct qfs_source *source);

/* Makes the engine that the options ask for; its team is not started. */
int qfs_engine_open(const struct qfs_options *options, struct qfs_engine **ret_engine,
                    struct qfs_error *error) QFS_MUST_USE;
/* The source's engine, started. */
int qfs_source_engine(struct qfs_source *source, struct qfs_engine **ret_engine,
                      struct qfs_error *error) QFS_MUST_USE;
bool qfs_source_fills(const struct qfs_source *source);

/* The image of view `index`; the caller is one of its users until qfs_image_put. */
int qfs_image_get(struct qfs_source *source, size_t index, struct qfs_image **ret_image,
                  struct qfs_error *error) QFS_MUST_USE;
struct qfs_image *qfs_image_ref(struct qfs_image *image);
void qfs_image_put(struct qfs_image *image);
/* Says what all bytes of the view depend on: equal digests, equal files. */
struct qfs_digest qfs_image_identity(const struct qfs_image *image);

/* -- reading ---------------------------------------------------------------------------------- */

/* One run of bytes of a read: in a chunk (want), of the header (a copy of it), or zeros. */
struct qfs_part {
    uint32_t want; /* index into fetch.wants; QFS_NO_WANT: `data` */
    uint32_t at;   /* in the chunk */
    uint32_t size;
    const uint8_t *data;
};

enum { QFS_NO_WANT = UINT32_MAX };

/* A read of up to 16 MiB of an image. Once its fetch is done, parts give its bytes in order. */
struct qfs_read {
    struct qfs_fetch fetch;
    struct qfs_image *image; /* borrowed */
    uint64_t offset;
    uint32_t size;
    uint32_t nparts;
    struct qfs_part *parts;
    void *owner; /* for fetch.done */
};

enum { QFS_READ_MOST = 16 << 20 };

/* Describes a read, clipped at the end of the file; does not start it. NULL: out of memory. */
struct qfs_read *qfs_read_new(struct qfs_image *image, uint64_t offset, uint32_t size);
void qfs_read_free(struct qfs_read *read); /* drops its chunks */
/* Where part `i` lies, once the fetch is done. */
const uint8_t *qfs_read_part(const struct qfs_read *read, uint32_t i);

/* -- read-ahead ------------------------------------------------------------------------------- */

struct qfs_streams;

/* Read-ahead of one open file. NULL: out of memory. Any thread. */
struct qfs_streams *qfs_streams_new(struct qfs_engine *engine, struct qfs_image *image, bool fill);
/* Drops what is still queued. */
void qfs_streams_free(struct qfs_streams *streams);
/* [offset, offset + size) is being read: queues what is likely to follow. */
void qfs_streams_note(struct qfs_streams *streams, uint64_t offset, uint32_t size);

#endif
