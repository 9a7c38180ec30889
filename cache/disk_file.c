#include "disk_file.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "disk_scratch.h"

enum { SAMPLE = 16 << 10 };

static const char magic[8] = {'Q', 'F', 'S', 'C', 'H', 'U', 'N', 'K'};

struct qfs_disk_header qfs_disk_header_of(const struct qfs_series *series)
{
    struct qfs_disk_header header = {
        .version = QFS_DISK_VERSION,
        .chunk_bytes = series->chunk_bytes,
        .nbytes = series->nbytes,
        .id = series->id,
        .origin = series->origin,
    };
    memcpy(header.magic, magic, sizeof(magic));
    header.checksum = qfs_hash64(&header, offsetof(struct qfs_disk_header, checksum));
    return header;
}

bool qfs_disk_header_read(const struct qfs_disk_header *header, struct qfs_series *ret_series)
{
    if (memcmp(header->magic, magic, sizeof(magic)) || header->version != QFS_DISK_VERSION ||
        header->checksum != qfs_hash64(header, offsetof(struct qfs_disk_header, checksum)) ||
        !header->chunk_bytes || !header->nbytes ||
        header->nbytes / header->chunk_bytes >= UINT32_MAX)
        return false;
    *ret_series =
        (struct qfs_series){header->id, header->nbytes, header->chunk_bytes, header->origin};
    return true;
}

void qfs_disk_name(struct qfs_digest id, char ret_name[QFS_DISK_NAME_SIZE])
{
    char hex[33];
    qfs_digest_hex(id, hex);
    memcpy(ret_name, hex, 2);
    ret_name[2] = '/';
    memcpy(ret_name + 3, hex + 2, 31);
}

bool qfs_disk_entry_missing(const struct qfs_disk_entry *entry)
{
    return !entry->length && !entry->codec && !entry->checksum;
}

uint64_t qfs_disk_checksum(const struct qfs_series *series, uint32_t index,
                           const struct qfs_disk_entry *entry, const void *payload)
{
    const struct {
        struct qfs_digest id;
        uint64_t nbytes;
        uint32_t chunk_bytes, index, length, codec_and_version;
    } place = {series->id, series->nbytes, series->chunk_bytes,
               index,      entry->length,  entry->codec | QFS_DISK_VERSION << 8};
    return qfs_hash64_seed(payload, entry->length, qfs_hash64(&place, sizeof(place)));
}

/* -- payloads --------------------------------------------------------------------------------- */

struct qfs_disk_scratch *qfs_disk_scratch_new(void)
{
    struct qfs_disk_scratch *scratch = calloc(1, sizeof(*scratch));
    if (!scratch)
        return NULL;
    scratch->compress = ZSTD_createCCtx();
    scratch->decompress = ZSTD_createDCtx();
    if (!scratch->compress || !scratch->decompress) {
        qfs_disk_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

void qfs_disk_scratch_free(struct qfs_disk_scratch *scratch)
{
    if (!scratch)
        return;
    ZSTD_freeCCtx(scratch->compress);
    ZSTD_freeDCtx(scratch->decompress);
    free(scratch->bytes);
    free(scratch);
}

static uint8_t *scratch_bytes(struct qfs_disk_scratch *scratch, size_t size)
{
    if (scratch->capacity < size) {
        free(scratch->bytes);
        scratch->bytes = malloc(size);
        scratch->capacity = scratch->bytes ? size : 0;
    }
    return scratch->bytes;
}

/* What a compressed chunk must save to be worth decompressing: a twentieth of its pages. Quantized
 * weights are close to noise (Q4_K shrinks by 2 %), and a payload is charged by whole pages. */
static size_t most_that_is_smaller(size_t size)
{
    size_t pages = (size + QFS_DISK_PAGE - 1) / QFS_DISK_PAGE;
    size_t saved = pages / 20 + 1;
    return pages > saved ? (pages - saved) * QFS_DISK_PAGE : 0;
}

/* Does a sample of the chunk, its first pages, shrink by a twentieth? Most types do not, and trying
 * a whole chunk in vain takes longer than writing it. The same bytes give the same answer, so that
 * two writers of a slot agree. */
static bool is_compressible(struct qfs_disk_scratch *scratch, const void *data, size_t size)
{
    uint8_t bytes[SAMPLE - SAMPLE / 20];
    return size <= (size_t)2 * SAMPLE ||
           !ZSTD_isError(
               ZSTD_compressCCtx(scratch->compress, bytes, sizeof(bytes), data, SAMPLE, 1));
}

int qfs_disk_encode(struct qfs_disk_scratch *scratch, const struct qfs_series *series,
                    uint32_t index, const void *data, struct qfs_disk_entry *ret_entry,
                    const void **ret_payload)
{
    size_t size = qfs_series_size(series, index);
    size_t room = is_compressible(scratch, data, size) ? most_that_is_smaller(size) : 0;
    struct qfs_disk_entry entry = {.length = (uint32_t)size, .codec = QFS_DISK_CODEC_RAW};
    const void *payload = data;
    if (room) {
        uint8_t *bytes = scratch_bytes(scratch, room);
        if (!bytes)
            return -ENOMEM;
        size_t n = ZSTD_compressCCtx(scratch->compress, bytes, room, data, size, 1);
        if (!ZSTD_isError(n)) { /* an error: does not fit into `room` */
            entry.length = (uint32_t)n;
            entry.codec = QFS_DISK_CODEC_ZSTD;
            payload = bytes;
        }
    }
    entry.checksum = qfs_disk_checksum(series, index, &entry, payload);
    *ret_entry = entry;
    *ret_payload = payload;
    return 0;
}

int qfs_disk_decode(struct qfs_disk_scratch *scratch, int fd, const struct qfs_series *series,
                    uint32_t index, const struct qfs_disk_entry *entry, void *data)
{
    size_t size = qfs_series_size(series, index);
    bool raw = entry->codec == QFS_DISK_CODEC_RAW;
    if (raw ? entry->length != size : entry->codec != QFS_DISK_CODEC_ZSTD || entry->length >= size)
        return -EBADMSG;
    void *payload = raw ? data : scratch_bytes(scratch, entry->length);
    if (!payload)
        return -ENOMEM;
    int rc = qfs_pread_full(fd, payload, entry->length, qfs_disk_slot_at(series, index));
    if (rc < 0)
        return rc == -EIO ? -EBADMSG : rc; /* cut off, or a bad sector: lost either way */
    if (qfs_disk_checksum(series, index, entry, payload) != entry->checksum)
        return -EBADMSG;
    if (raw)
        return 0;
    size_t n = ZSTD_decompressDCtx(scratch->decompress, data, size, payload, entry->length);
    return n == size ? 0 : -EBADMSG;
}
