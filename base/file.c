#include "quantfs/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int qfs_pread_full(int fd, void *data, size_t size, uint64_t offset)
{
    for (uint8_t *to = data; size;) {
        ssize_t n = pread(fd, to, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        to += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int qfs_pwrite_full(int fd, const void *data, size_t size, uint64_t offset)
{
    for (const uint8_t *from = data; size;) {
        ssize_t n = pwrite(fd, from, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int qfs_file_read(int dir_fd, const char *path, size_t limit, const char *shown, char **ret_data,
                  size_t *ret_size, struct qfs_error *error)
{
    struct stat st;
    char *data = NULL;
    int rc;
    /* O_NONBLOCK: opening a FIFO that somebody put here must not hang. */
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        rc = errno;
        return qfs_fail(error, rc, "%s: cannot be opened: %s", shown, strerror(rc));
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        rc = qfs_fail(error, EINVAL, "%s: is not a regular file", shown);
        goto out;
    }
    if ((uint64_t)st.st_size > limit) {
        rc =
            qfs_fail(error, EFBIG, "%s: is %lld bytes, more than the %zu that such a file may have",
                     shown, (long long)st.st_size, limit);
        goto out;
    }
    size_t size = (size_t)st.st_size;
    data = malloc(size + 1);
    if (!data) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    rc = qfs_pread_full(fd, data, size, 0);
    if (rc < 0) {
        rc = qfs_fail(error, -rc, "%s: cannot be read: %s", shown, strerror(-rc));
        goto out;
    }
    data[size] = 0;
    *ret_data = data;
    *ret_size = size;
    data = NULL;
out:
    free(data);
    close(fd);
    return rc;
}

int qfs_size_parse(const char *string, uint64_t *ret_size, struct qfs_error *error)
{
    static const char units[] = "KMGTP";
    char *end;
    errno = 0;
    double value = strtod(string, &end);
    if (end == string || errno || !(value >= 0) || value > 1e18)
        return qfs_fail(error, EINVAL, "'%s' is not a size: give bytes, or 512M, 1.5G, 2T", string);
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit && *unit) {
        for (const char *u = units; u <= unit; u++)
            value *= 1024;
        end++;
        if ((end[0] | 0x20) == 'i')
            end++;
    }
    if ((*end | 0x20) == 'b')
        end++;
    if (*end || value > 9e18)
        return qfs_fail(error, EINVAL, "'%s' is not a size: give bytes, or 512M, 1.5G, 2T", string);
    *ret_size = (uint64_t)value;
    return 0;
}
