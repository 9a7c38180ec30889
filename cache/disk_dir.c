/* The cache's directory: who may own it, what is in it. */
#include "disk_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int qfs_cache_default_dir(char **ret_dir, struct qfs_error *error)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char *dir = NULL;
    int n;
    if (base && base[0] == '/')
        n = asprintf(&dir, "%s/quantfs", base);
    else if (home && home[0] == '/')
        n = asprintf(&dir, "%s/.cache/quantfs", home);
    else
        return qfs_fail(error, ENOENT, "neither XDG_CACHE_HOME nor HOME is set: give --cache DIR");
    if (n < 0)
        return qfs_fail_memory(error);
    *ret_dir = dir;
    return 0;
}

/* mkdir -p. Parents get the usual mode, the last part is private. */
static int make_dirs(const char *dir)
{
    char *path = strdup(dir);
    int rc = path ? 0 : -ENOMEM;
    for (char *at = path; rc == 0 && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        bool last = at[strspn(at, "/")] == 0;
        char cut = *at;
        *at = 0;
        if (mkdir(path, last ? 0700 : 0755) < 0 && errno != EEXIST)
            rc = -errno;
        *at = cut;
        if (last)
            break;
    }
    free(path);
    return rc;
}

/* Nobody but us (and root) may put files where we read checksummed bytes as the truth. */
static int check_owner(int fd, const char *dir, mode_t others, struct qfs_error *error)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        int code = errno;
        return qfs_fail(error, code, "%s: %s", dir, strerror(code));
    }
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return qfs_fail(error, EPERM,
                        "%s: belongs to user %u: give --cache a directory of your own", dir,
                        (unsigned)st.st_uid);
    if ((st.st_mode & others) && !(st.st_mode & S_ISVTX))
        return qfs_fail(error, EPERM,
                        "%s: others may write to it: run chmod 700 on it or give another --cache",
                        dir);
    return 0;
}

/* Backup programs leave out directories with this file. */
static void write_tag(int fd)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# quantfs keeps computed chunks here; all of it may be deleted.\n";
    int file = openat(fd, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    if (qfs_pwrite_full(file, tag, sizeof(tag) - 1, 0) < 0)
        unlinkat(fd, "CACHEDIR.TAG", 0);
    close(file);
}

int qfs_disk_dir_open(const char *dir, bool make, int *ret_fd, struct qfs_error *error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int sub = -1, rc;
    int fd = open(dir, flags);
    if (fd < 0 && errno == ENOENT && make) {
        rc = make_dirs(dir);
        if (rc < 0)
            return qfs_fail(error, -rc, "%s: the cache directory cannot be made: %s", dir,
                            strerror(-rc));
        fd = open(dir, flags);
    }
    if (fd < 0) {
        rc = errno;
        return qfs_fail(error, rc, "%s: the cache directory cannot be opened: %s", dir,
                        strerror(rc));
    }
    rc = check_owner(fd, dir, S_IWGRP | S_IWOTH, error);
    if (rc < 0)
        goto out;
    sub = openat(fd, QFS_DISK_SUBDIR, flags | O_NOFOLLOW);
    if (sub < 0 && errno == ENOENT && make) {
        if (mkdirat(fd, QFS_DISK_SUBDIR, 0700) == 0)
            write_tag(fd);
        sub = openat(fd, QFS_DISK_SUBDIR, flags | O_NOFOLLOW);
    }
    if (sub < 0) {
        rc = errno;
        rc = qfs_fail(error, rc, "%s/%s: cannot be opened: %s", dir, QFS_DISK_SUBDIR, strerror(rc));
        goto out;
    }
    rc = check_owner(sub, dir, S_IRWXG | S_IRWXO, error);
    if (rc < 0)
        goto out;
    *ret_fd = sub;
    sub = -1;
out:
    if (sub >= 0)
        close(sub);
    close(fd);
    return rc;
}

static bool is_hex(const char *name, size_t length)
{
    return strlen(name) == length && strspn(name, "0123456789abcdef") == length;
}

int qfs_disk_walk(int dir_fd,
                  int (*see)(void *arg, int dir_fd, const char *name, const struct stat *st),
                  void *arg)
{
    int rc = 0;
    for (unsigned fan = 0; fan < 256 && rc == 0; fan++) {
        static const char digits[] = "0123456789abcdef";
        const char name[3] = {digits[fan >> 4], digits[fan & 15], 0};
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        for (struct dirent *item; rc == 0 && (item = readdir(dir));) {
            struct stat st;
            if (!is_hex(item->d_name, QFS_DISK_NAME_SIZE - 4) ||
                fstatat(fd, item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                continue;
            char path[QFS_DISK_NAME_SIZE];
            snprintf(path, sizeof(path), "%s/%.30s", name, item->d_name);
            rc = see(arg, dir_fd, path, &st);
        }
        closedir(dir);
    }
    return rc;
}

uint64_t qfs_disk_free_bytes(int dir_fd, uint64_t *ret_total)
{
    struct statvfs fs;
    if (fstatvfs(dir_fd, &fs) < 0) {
        *ret_total = 0;
        return UINT64_MAX; /* unknown: writing will tell */
    }
    *ret_total = (uint64_t)fs.f_blocks * fs.f_frsize;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}
