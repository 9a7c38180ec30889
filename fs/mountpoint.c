/* Mountpoints: what may be mounted where, and how it ends. Knows /proc/self/mountinfo, not FUSE. */
#include "mountpoint.h"
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- paths -------------------------------------------------------------------------------------- */

/* realpath that does not need to look at the last part, which may be a dead mount. */
static char *path_of(const char *mountpoint)
{
    char *whole = realpath(mountpoint, NULL);
    if (whole || errno == ENOENT || errno == ENOTDIR)
        return whole;
    char *dir_copy = strdup(mountpoint), *name_copy = strdup(mountpoint);
    char *dir = dir_copy ? realpath(dirname(dir_copy), NULL) : NULL;
    if (dir && name_copy &&
        asprintf(&whole, "%s/%s", strcmp(dir, "/") ? dir : "", basename(name_copy)) < 0)
        whole = NULL;
    free(dir);
    free(dir_copy);
    free(name_copy);
    return whole;
}

/* Is `path` the directory `dir` or below it? Both absolute, without links. */
static bool is_within(const char *path, const char *dir)
{
    size_t size = strlen(dir);
    while (size && dir[size - 1] == '/')
        size--;
    return !strncmp(path, dir, size) && (path[size] == '/' || path[size] == 0);
}

static char *type_of_mount(const char *path)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    char *type = NULL;
    char buffer[8192];
    struct mntent item;
    if (!mounts)
        return NULL;
    while (getmntent_r(mounts, &item, buffer, sizeof(buffer)))
        if (!strcmp(item.mnt_dir, path)) { /* the last one is on top */
            free(type);
            type = strdup(item.mnt_type);
        }
    endmntent(mounts);
    return type;
}

static bool is_ours(const char *path)
{
    char *type = type_of_mount(path);
    bool ours = type && !strcmp(type, "fuse.quantfs");
    free(type);
    return ours;
}

/* -- unmounting --------------------------------------------------------------------------------- */

/* What fusermount3 wrote, without the line's end. */
static void read_said(int fd, char *said, size_t size)
{
    size_t at = 0;
    ssize_t n;
    while (at + 1 < size && (n = read(fd, said + at, size - 1 - at)) > 0)
        at += (size_t)n;
    said[at] = 0;
    said[strcspn(said, "\n")] = 0;
}

/* fusermount3 is set-user-ID: it unmounts for those who may not themselves. `said`: its reason. */
static int run_fusermount(const char *path, bool lazy, char *said, size_t size)
{
    int status, pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u", "--", path, (char *)NULL);
        _exit(127);
    }
    int rc = child < 0 ? -errno : 0;
    close(pipes[1]);
    read_said(pipes[0], said, size);
    close(pipes[0]);
    while (rc == 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            rc = -errno;
    if (rc < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return rc;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return -ENOSYS;
    return strstr(said, strerror(EBUSY)) ? -EBUSY : -EPERM;
}

static int detach(const char *path, bool lazy, char *said, size_t size)
{
    if (umount2(path, (lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) == 0)
        return 0;
    return errno == EPERM ? run_fusermount(path, lazy, said, size) : -errno;
}

int qfs_umount(const char *mountpoint, bool lazy, struct qfs_error *error)
{
    char *path = path_of(mountpoint), said[300] = "";
    if (!path)
        return qfs_fail(error, ENOENT, "%s: there is no such directory", mountpoint);
    int rc;
    if (!is_ours(path)) {
        rc = qfs_fail(error, EINVAL, "%s: quantfs is not mounted there", mountpoint);
    } else {
        rc = detach(path, lazy, said, sizeof(said));
        if (rc == -EBUSY)
            qfs_fail(error, EBUSY,
                     "%s: is in use: end the programs that have files open there, or run "
                     "quantfs umount --lazy %s",
                     mountpoint, mountpoint);
        else if (rc < 0)
            qfs_fail(error, -rc, "%s: cannot be unmounted: %s", mountpoint,
                     rc == -ENOSYS ? "fusermount3 is not installed, the package fuse3 has it"
                     : *said       ? said
                                   : strerror(-rc));
    }
    free(path);
    return rc;
}

/* -- before mounting ---------------------------------------------------------------------------- */

/* Has the server of what is mounted at `path` died? Attributes may still be in the kernel's cache:
 * statfs asks the server itself. What it was asked while it died is aborted. */
static bool is_dead(const char *path)
{
    struct statfs fs;
    struct stat st;
    return (statfs(path, &fs) < 0 || stat(path, &st) < 0) &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

static int check_dead(const struct qfs_mount_options *options, const char *path,
                      struct qfs_error *error)
{
    const char *mountpoint = options->mountpoint;
    if (!is_ours(path))
        return qfs_fail(error, ENOTCONN,
                        "%s: another filesystem whose server has died is mounted there (Transport "
                        "endpoint is not connected): unmount it first",
                        mountpoint);
    if (options->force)
        return qfs_umount(mountpoint, true, error);
    return qfs_fail(error, ENOTCONN,
                    "%s: a quantfs mount whose daemon has died is still there (Transport endpoint "
                    "is not connected): run quantfs umount %s, or mount with --force",
                    mountpoint, mountpoint);
}

static int check_empty(const char *path, const char *shown, struct qfs_error *error)
{
    DIR *dir = opendir(path);
    bool empty = true;
    if (!dir) {
        int code = errno;
        return qfs_fail(error, code, "%s: cannot be listed: %s", shown, strerror(code));
    }
    for (struct dirent *item; empty && (item = readdir(dir));)
        empty = !strcmp(item->d_name, ".") || !strcmp(item->d_name, "..");
    closedir(dir);
    return empty ? 0
                 : qfs_fail(error, ENOTEMPTY,
                            "%s: is not empty: give an empty directory, or -o nonempty to hide "
                            "what is in it",
                            shown);
}

/* A mount must not hide, or be seen through, what it is made of. */
static int check_apart(const char *path, const char *other, const char *what,
                       struct qfs_error *error)
{
    char *whole = other ? realpath(other, NULL) : NULL;
    int rc = 0;
    if (whole && (is_within(path, whole) || is_within(whole, path)))
        rc = qfs_fail(error, EINVAL, "%s: the mountpoint and %s %s lie inside one another", path,
                      what, other);
    free(whole);
    return rc;
}

int qfs_mountpoint_check(const struct qfs_mount_options *options, char **ret_path,
                         struct qfs_error *error)
{
    const char *mountpoint = options->mountpoint;
    char *path = path_of(mountpoint), *cache = NULL;
    struct stat st;
    int rc = 0;
    if (!path)
        return qfs_fail(error, ENOENT, "%s: there is no such directory: make it with mkdir",
                        mountpoint);
    if (is_dead(path))
        rc = check_dead(options, path, error);
    if (rc == 0 && stat(path, &st) < 0) {
        int code = errno;
        rc = qfs_fail(error, code, "%s: cannot be reached: %s", mountpoint, strerror(code));
    }
    if (rc == 0 && !S_ISDIR(st.st_mode))
        rc = qfs_fail(error, ENOTDIR, "%s: is not a directory", mountpoint);
    if (rc == 0 && is_ours(path))
        rc = qfs_fail(error, EBUSY, "%s: quantfs is mounted there already: run quantfs umount %s",
                      mountpoint, mountpoint);
    if (rc == 0 && !options->nonempty)
        rc = check_empty(path, mountpoint, error);
    if (rc == 0)
        rc = check_apart(path, options->source, "the source", error);
    if (rc == 0 && !options->views.no_cache) {
        const char *dir = options->views.cache_dir;
        if (!dir && qfs_cache_default_dir(&cache, NULL) == 0)
            dir = cache;
        rc = check_apart(path, dir, "the cache", error);
    }
    free(cache);
    if (rc < 0)
        free(path);
    else
        *ret_path = path;
    return rc;
}

/* -- status ------------------------------------------------------------------------------------- */

int qfs_status_read(const char *mountpoint, char **ret_json, struct qfs_error *error)
{
    struct qfs_buffer text = {0};
    char *path, block[4096];
    if (asprintf(&path, "%s/%s", mountpoint, QFS_STATUS_NAME) < 0)
        return qfs_fail_memory(error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0) {
        int code = errno;
        if (code == ENOTCONN)
            return qfs_fail(error, code, "%s: its daemon has died: run quantfs umount %s",
                            mountpoint, mountpoint);
        return qfs_fail(error, code, "%s: quantfs is not mounted there", mountpoint);
    }
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0)
        qfs_buffer_append(&text, block, (size_t)n);
    int code = n < 0 ? errno : 0;
    close(fd);
    qfs_buffer_append(&text, "", 1);
    if (code || text.failed) {
        qfs_buffer_done(&text);
        return qfs_fail(error, code ? code : ENOMEM, "%s: its status cannot be read", mountpoint);
    }
    *ret_json = (char *)text.data;
    return 0;
}
