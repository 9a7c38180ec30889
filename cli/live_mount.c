/* The mounts of this machine that show a source. */
#include "live_mount.h"

#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Octal escapes of /proc/self/mounts are undone by getmntent. A source that was given as a relative
 * path is relative to where its daemon is. */
static char *source_of(const struct mntent *item)
{
    char path[PATH_MAX], *json = NULL;
    unsigned pid = 0;
    if (item->mnt_fsname[0] == '/')
        return realpath(item->mnt_fsname, NULL);
    if (qfs_status_read(item->mnt_dir, &json, NULL) < 0)
        return NULL;
    const char *at = strstr(json, "\"pid\":");
    if (at)
        pid = (unsigned)strtoul(at + strlen("\"pid\":"), NULL, 10);
    free(json);
    snprintf(path, sizeof(path), "/proc/%u/cwd/%s", pid, item->mnt_fsname);
    return pid ? realpath(path, NULL) : NULL;
}

/* Is `source` (`whole`: as a path without links, NULL if it is none) what is mounted there, or the
 * mountpoint itself? */
static bool is_meant(const struct mntent *item, const char *source, const char *whole)
{
    if (!strcmp(item->mnt_fsname, source) || (whole && !strcmp(item->mnt_dir, whole)))
        return true;
    char *mounted = whole ? source_of(item) : NULL;
    bool same = mounted && !strcmp(mounted, whole);
    free(mounted);
    return same;
}

int cli_mount_find(const char *source, struct cli_live_mount *ret_mount, struct qfs_error *error)
{
    char buffer[8192], *whole = realpath(source, NULL);
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    struct cli_live_mount found = {0};
    struct mntent item;
    while (mounts && getmntent_r(mounts, &item, buffer, sizeof(buffer))) {
        if (strcmp(item.mnt_type, "fuse.quantfs") || !is_meant(&item, source, whole))
            continue;
        const char *owner = strstr(item.mnt_opts, "user_id=");
        cli_mount_done(&found); /* the last one is on top */
        char *mounted = source_of(&item);
        found.point = strdup(item.mnt_dir);
        found.source = mounted ? mounted : strdup(item.mnt_fsname);
        found.owner = owner ? (unsigned)strtoul(owner + strlen("user_id="), NULL, 10) : 0;
        found.allow_other = strstr(item.mnt_opts, "allow_other") != NULL;
    }
    if (mounts)
        endmntent(mounts);
    free(whole);
    if (!found.point)
        return qfs_fail(error, ENOENT,
                        "%s: is not mounted: run quantfs mount %s MOUNTPOINT first, or give the "
                        "mountpoint",
                        source, source);
    if (!found.source) {
        cli_mount_done(&found);
        return qfs_fail_memory(error);
    }
    *ret_mount = found;
    return 0;
}

void cli_mount_done(struct cli_live_mount *mount)
{
    free(mount->point);
    free(mount->source);
    *mount = (struct cli_live_mount){0};
}
