/* One file of the cache on disk: the chunks of one series. Private to cache/.
 *
 *     DIR/chunks-2/ab/cdef…          the series' id in hexadecimal, cut after two digits
 *     DIR/chunks-2/origins/…         one small file a source file: disk_origin.c
 *
 *          0  header, 64 bytes: what series this is
 *         64  table, 16 bytes a chunk: struct qfs_disk_entry; all zero: missing
 *      data_at  slots of slot_bytes each, in order; a payload fills the front of its slot, the rest
 *             of the slot and slots without a chunk are holes
 *
 * 1. A payload is written before its entry. Whatever a crash leaves behind, an entry whose payload
 * is not the one it was written for fails its checksum.
 * 2. The checksum covers the payload, the series' id, the chunk's number, length and codec: chunks
 *    that were swapped, moved or copied between files fail it too.
 * 3. Equal keys mean equal chunks, so two writers of a slot write the same thing (or, with two
 * versions of zstd, one of them fails the checksum later and is made again). No locks, no renames.
 * 4. Numbers are in the machine's byte order: a cache is not carried between machines, and where it
 * is, the header does not match. */
#ifndef QUANTFS_DISK_FILE_H
#define QUANTFS_DISK_FILE_H

#include "quantfs/cache.h"

#include <sys/stat.h>

enum { QFS_DISK_VERSION = 2 };
#define QFS_DISK_SUBDIR "chunks-2"

enum qfs_disk_codec {
    QFS_DISK_CODEC_RAW = 1,
    QFS_DISK_CODEC_ZSTD = 2,
};

struct qfs_disk_header {
    char magic[8];
    uint32_t version;
    uint32_t chunk_bytes;
    uint64_t nbytes;
    struct qfs_digest id;
    struct qfs_digest origin;
    uint64_t checksum; /* of the bytes before it */
};

struct qfs_disk_entry {
    uint32_t length; /* of the payload */
    uint8_t codec;
    uint8_t zero[3];
    uint64_t checksum;
};

enum {
    QFS_DISK_TABLE_AT = sizeof(struct qfs_disk_header),
    QFS_DISK_PAGE = 4096,
    QFS_DISK_NAME_SIZE = 34, /* "ab/" and 30 digits and the zero */
};
_Static_assert(sizeof(struct qfs_disk_header) == 64, "header has no padding");
_Static_assert(sizeof(struct qfs_disk_entry) == 16, "entry has no padding");

struct qfs_disk_header qfs_disk_header_of(const struct qfs_series *series);
/* False if it is not a header of this version; else *ret_series is what the file holds. */
bool qfs_disk_header_read(const struct qfs_disk_header *header, struct qfs_series *ret_series);
void qfs_disk_name(struct qfs_digest id, char ret_name[QFS_DISK_NAME_SIZE]);

static inline uint64_t qfs_disk_entry_at(uint32_t index)
{
    return QFS_DISK_TABLE_AT + sizeof(struct qfs_disk_entry) * (uint64_t)index;
}

static inline uint64_t qfs_disk_slot_at(const struct qfs_series *series, uint32_t index)
{
    uint64_t data_at = qfs_align(qfs_disk_entry_at(qfs_series_count(series)), QFS_DISK_PAGE);
    return data_at + qfs_align(series->chunk_bytes, QFS_DISK_PAGE) * index;
}

bool qfs_disk_entry_missing(const struct qfs_disk_entry *entry);
uint64_t qfs_disk_checksum(const struct qfs_series *series, uint32_t index,
                           const struct qfs_disk_entry *entry, const void *payload);

/* -- payloads --------------------------------------------------------------------------------- */

/* Picks the smaller form of `size` bytes; *ret_payload is `data` or lies in the scratch. */
int qfs_disk_encode(struct qfs_disk_scratch *scratch, const struct qfs_series *series,
                    uint32_t index, const void *data, struct qfs_disk_entry *ret_entry,
                    const void **ret_payload);

/* Reads chunk `index` as `entry` says into `data` (its full size). 0; -EBADMSG when it is damaged,
 * another errno when reading failed. */
int qfs_disk_decode(struct qfs_disk_scratch *scratch, int fd, const struct qfs_series *series,
                    uint32_t index, const struct qfs_disk_entry *entry, void *data);

/* -- directories ------------------------------------------------------------------------------ */

/* Opens DIR and DIR/chunks-2; makes them where `make` says so. -ENOENT when missing, -EPERM when
 * they are not ours alone. */
int qfs_disk_dir_open(const char *dir, bool make, int *ret_fd, struct qfs_error *error);

/* Calls `see` for every series file; not 0 from it stops and is returned. Files that come and go
 * meanwhile are seen or not. */
int qfs_disk_walk(int dir_fd,
                  int (*see)(void *arg, int dir_fd, const char *name, const struct stat *st),
                  void *arg);

uint64_t qfs_disk_free_bytes(int dir_fd, uint64_t *ret_total); /* for us, on its filesystem */

/* The file's header, which must also be the one of its name. */
bool qfs_disk_series_of(int dir_fd, const char *name, struct qfs_series *ret_series);

/* Removes files of vanished sources, then least recently used ones, until limits hold; limit UINT64_MAX: none. */
int qfs_disk_prune(int dir_fd, uint64_t limit, uint64_t min_free, int64_t max_age,
                   struct qfs_cache_pruned *ret_pruned);

/* -- origins: where sources were seen last ------------------------------------------------------ */

void qfs_disk_origin_write(int dir_fd, struct qfs_digest origin, int source_fd);
/* True when it is known that the source is not any more what and where it was. */
bool qfs_disk_origin_gone(int dir_fd, struct qfs_digest origin);
/* Forgets those that were not noted for a day and are not used, named by their hexadecimal digits. */
void qfs_disk_origins_tidy(int dir_fd, bool (*is_used)(void *arg, const char *hex), void *arg);
void qfs_disk_origins_clear(int dir_fd);

#endif
