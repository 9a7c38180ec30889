/* Origins: a line of text for each file that chunks were computed from, named by its identity:
 *
 *     DEVICE INODE SIZE SECONDS NANOSECONDS /where/it/was/seen
 *
 * Only the order of pruning depends on it, so it is written without care and read with some: what
 * cannot be read or understood is not gone. */
#include "disk_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORY "origins"

enum {
    HEX = 32,
    LINE_SIZE = PATH_MAX + 128,
    TIDY_SECONDS = 24 * 3600, /* a mount notes an origin before it stores the first of its chunks */
};

static int open_directory(int dir_fd)
{
    return openat(dir_fd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What tells one file from another, as text. */
static int facts_of(const struct stat *st, char *to, size_t room)
{
    return snprintf(to, room, "%llu %llu %llu %lld %ld ", (unsigned long long)st->st_dev,
                    (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
                    (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

void qfs_disk_origin_write(int dir_fd, struct qfs_digest origin, int source_fd)
{
    char line[LINE_SIZE], link[40], name[sizeof(DIRECTORY) + HEX + 1], hex[HEX + 1];
    struct stat st;
    if (fstat(source_fd, &st) < 0)
        return;
    size_t at = (size_t)facts_of(&st, line, sizeof(line));
    snprintf(link, sizeof(link), "/proc/self/fd/%d", source_fd);
    ssize_t n = readlink(link, line + at, sizeof(line) - at);
    if (n <= 0 || line[at] != '/' || (size_t)n >= sizeof(line) - at)
        return;
    qfs_digest_hex(origin, hex);
    snprintf(name, sizeof(name), DIRECTORY "/%s", hex);
    if (mkdirat(dir_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return;
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (qfs_pwrite_full(fd, line, at + (size_t)n, 0) < 0)
        unlinkat(dir_fd, name, 0);
    close(fd);
}

bool qfs_disk_origin_gone(int dir_fd, struct qfs_digest origin)
{
    char line[LINE_SIZE], facts[128], name[sizeof(DIRECTORY) + HEX + 1], hex[HEX + 1];
    struct stat st;
    qfs_digest_hex(origin, hex);
    snprintf(name, sizeof(name), DIRECTORY "/%s", hex);
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
    close(fd);
    line[QFS_MAX(n, 0)] = 0;
    const char *path = strchr(line, '/');
    if (!path || path == line)
        return false;
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR; /* else it may be there */
    int size = facts_of(&st, facts, sizeof(facts));
    return path - line != size || memcmp(line, facts, (size_t)size) != 0;
}

/* Calls `see` for the name of each origin. */
static void each_origin(int dir_fd, void (*see)(void *arg, int fd, const char *name), void *arg)
{
    int fd = open_directory(dir_fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *item; (item = readdir(dir));)
        if (strlen(item->d_name) == HEX && strspn(item->d_name, "0123456789abcdef") == HEX)
            see(arg, fd, item->d_name);
    closedir(dir);
}

struct tidy {
    bool (*is_used)(void *arg, const char *hex);
    void *arg;
    time_t before;
};

static void tidy_one(void *arg, int fd, const char *name)
{
    const struct tidy *tidy = arg;
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < tidy->before &&
        !tidy->is_used(tidy->arg, name))
        unlinkat(fd, name, 0);
}

void qfs_disk_origins_tidy(int dir_fd, bool (*is_used)(void *arg, const char *hex), void *arg)
{
    struct tidy tidy = {is_used, arg, time(NULL) - TIDY_SECONDS};
    each_origin(dir_fd, tidy_one, &tidy);
}

static void remove_one(void *arg, int fd, const char *name)
{
    (void)arg;
    unlinkat(fd, name, 0);
}

void qfs_disk_origins_clear(int dir_fd)
{
    each_origin(dir_fd, remove_one, NULL);
}
