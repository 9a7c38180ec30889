#include "zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_SIZE = 22,     /* end of central directory */
    LOCATOR_SIZE = 20, /* of the 64-bit end */
    END64_SIZE = 56,
    CENTRAL_SIZE = 46, /* an entry in the directory, without its names */
    LOCAL_SIZE = 30,   /* the same before its data */
    MAX_COMMENT = 65535,
    MAX_DIRECTORY = 64 << 20,
    MAX_ENTRIES = 1 << 20,
};

static uint16_t u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t u32(const uint8_t *at)
{
    return u16(at) | (uint32_t)u16(at + 2) << 16;
}

static uint64_t u64(const uint8_t *at)
{
    return u32(at) | (uint64_t)u32(at + 4) << 32;
}

static int damaged(const char *shown, const char *what, struct qfs_error *error)
{
    return qfs_fail(error, EINVAL,
                    "%s: %s: it is damaged, or not written by torch.save: download it again", shown,
                    what);
}

struct directory {
    uint64_t offset, size, count;
};

/* Where the directory lies, from the end of the file. */
static int find_directory(int fd, uint64_t file_size, const char *shown, struct directory *ret,
                          struct qfs_error *error)
{
    uint64_t tail_size = QFS_MIN(file_size, (uint64_t)END_SIZE + MAX_COMMENT + LOCATOR_SIZE);
    uint64_t tail_start = file_size - tail_size, at64;
    uint8_t *tail = malloc(tail_size + 1), end64[END64_SIZE];
    int64_t at = (int64_t)tail_size - END_SIZE;
    int rc = 0;
    if (!tail || qfs_pread_full(fd, tail, tail_size, tail_start) < 0) {
        rc = tail ? damaged(shown, "its end cannot be read", error) : qfs_fail_memory(error);
        goto out;
    }
    while (at >= 0 && u32(tail + at) != 0x06054b50)
        at--;
    if (at < 0) {
        rc = damaged(shown, "is no zip file", error);
        goto out;
    }
    *ret = (struct directory){u32(tail + at + 16), u32(tail + at + 12), u16(tail + at + 10)};
    if (at >= LOCATOR_SIZE && u32(tail + at - LOCATOR_SIZE) == 0x07064b50) {
        at64 = u64(tail + at - LOCATOR_SIZE + 8);
        if (at64 > file_size || file_size - at64 < END64_SIZE ||
            qfs_pread_full(fd, end64, END64_SIZE, at64) < 0 || u32(end64) != 0x06064b50) {
            rc = damaged(shown, "its zip directory is not where it says", error);
            goto out;
        }
        *ret = (struct directory){u64(end64 + 48), u64(end64 + 40), u64(end64 + 32)};
    }
    if (ret->offset > file_size || ret->size > file_size - ret->offset ||
        ret->size > MAX_DIRECTORY || ret->count > MAX_ENTRIES ||
        ret->count > ret->size / CENTRAL_SIZE)
        rc = damaged(shown, "its zip directory is too large for it", error);
out:
    free(tail);
    return rc;
}

/* The 64-bit sizes and offset of an entry, of which its extra field has those that do not fit. */
static bool widen(const uint8_t *extra, size_t size, uint64_t *fields[3])
{
    while (size >= 4) {
        size_t length = u16(extra + 2);
        if (length > size - 4)
            return false;
        if (u16(extra) == 1) {
            const uint8_t *at = extra + 4;
            for (int i = 0; i < 3; i++)
                if (*fields[i] == UINT32_MAX) {
                    if (length < 8)
                        return false;
                    *fields[i] = u64(at);
                    at += 8;
                    length -= 8;
                }
            return true;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return true;
}

/* Where an entry's bytes begin: behind the copy of its names before them. */
static int find_data(int fd, uint64_t file_size, struct qfs_zip_entry *entry, const char *shown,
                     struct qfs_error *error)
{
    uint8_t local[LOCAL_SIZE];
    if (entry->offset > file_size || file_size - entry->offset < LOCAL_SIZE ||
        qfs_pread_full(fd, local, LOCAL_SIZE, entry->offset) < 0 || u32(local) != 0x04034b50)
        return damaged(shown, "an entry is not where its directory says", error);
    entry->offset += LOCAL_SIZE + (uint64_t)u16(local + 26) + u16(local + 28);
    if (entry->offset > file_size || entry->size > file_size - entry->offset)
        return damaged(shown, "an entry ends beyond it", error);
    return 0;
}

static int read_entries(struct qfs_arena *arena, int fd, uint64_t file_size, const char *shown,
                        const uint8_t *at, uint64_t left, struct qfs_zip *zip,
                        struct qfs_error *error)
{
    for (size_t i = 0; i < zip->nentries; i++) {
        struct qfs_zip_entry *entry = &zip->entries[i];
        if (left < CENTRAL_SIZE || u32(at) != 0x02014b50)
            return damaged(shown, "its zip directory is cut off", error);
        size_t name = u16(at + 28), extra = u16(at + 30), comment = u16(at + 32);
        uint64_t packed = u32(at + 20);
        if (left - CENTRAL_SIZE < name + extra + comment || name == 0 ||
            memchr(at + CENTRAL_SIZE, 0, name))
            return damaged(shown, "its zip directory has an entry of no good name", error);
        entry->size = u32(at + 24);
        entry->offset = u32(at + 42);
        uint64_t *fields[3] = {&entry->size, &packed, &entry->offset};
        if (!widen(at + CENTRAL_SIZE + name, extra, fields))
            return damaged(shown, "its zip directory has an entry that is cut off", error);
        if ((u16(at + 8) & 1) || u16(at + 10) != 0 || packed != entry->size)
            return damaged(shown, "an entry is compressed or encrypted", error);
        entry->name = qfs_arena_copy(arena, (const char *)at + CENTRAL_SIZE, name);
        if (!entry->name)
            return qfs_fail_memory(error);
        int rc = find_data(fd, file_size, entry, shown, error);
        if (rc < 0)
            return rc;
        at += CENTRAL_SIZE + name + extra + comment;
        left -= CENTRAL_SIZE + name + extra + comment;
    }
    return 0;
}

int qfs_zip_read(struct qfs_arena *arena, int fd, uint64_t file_size, const char *shown,
                 struct qfs_zip *ret_zip, struct qfs_error *error)
{
    struct directory directory = {0};
    struct qfs_zip zip = {0};
    if (file_size < END_SIZE)
        return damaged(shown, "is too short for a zip file", error);
    int rc = find_directory(fd, file_size, shown, &directory, error);
    if (rc < 0)
        return rc;
    uint8_t *bytes = malloc(directory.size + 1);
    zip.entries = qfs_arena_array(arena, directory.count, sizeof(*zip.entries));
    zip.nentries = directory.count;
    if (!bytes || !zip.entries)
        rc = qfs_fail_memory(error);
    else if (qfs_pread_full(fd, bytes, directory.size, directory.offset) < 0)
        rc = damaged(shown, "its zip directory cannot be read", error);
    else
        rc = read_entries(arena, fd, file_size, shown, bytes, directory.size, &zip, error);
    if (rc == 0)
        *ret_zip = zip;
    free(bytes);
    return rc;
}
