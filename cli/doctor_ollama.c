/* What keeps Ollama from running views: its user, its patience, a store that it may not tidy, links that
 * lead nowhere. */
#include "doctor.h"
#include "ollama_store.h"

#include <mntent.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Mounts of quantfs that only the user who mounted them sees. */
static size_t private_mounts(char first[4096])
{
    char buffer[8192];
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    struct mntent item;
    size_t count = 0;
    while (mounts && getmntent_r(mounts, &item, buffer, sizeof(buffer)))
        if (!strcmp(item.mnt_type, "fuse.quantfs") && !strstr(item.mnt_opts, "allow_other") &&
            count++ == 0)
            snprintf(first, 4096, "%s", item.mnt_dir);
    if (mounts)
        endmntent(mounts);
    return count;
}

static void check_user(struct doctor_report *report)
{
    const struct passwd *service = getpwnam("ollama");
    char first[4096];
    if (!service || service->pw_uid == geteuid())
        return;
    size_t count = private_mounts(first);
    if (count)
        doctor_say(report, DOCTOR_NOTE, "ollama",
                   "mount with --allow-other, or run ollama serve as yourself",
                   "its service is the user ollama, who does not see %s%s", first,
                   count > 1 ? " and other mounts" : "");
    else
        doctor_say(report, DOCTOR_NOTE, "ollama",
                   "mount with --allow-other, or run ollama serve as yourself",
                   "its service is the user ollama, who does not see what others mount");
}

/* What variables of the environment say is of a server that is started from here. */
static void check_environment(struct doctor_report *report)
{
    const char *timeout = getenv("OLLAMA_LOAD_TIMEOUT"), *keep = getenv("OLLAMA_NOPRUNE");
    char buffer[4096];
    const char *store = ollama_store_path(buffer);
    struct statvfs fs;
    if (!timeout)
        doctor_say(report, DOCTOR_NOTE, "ollama",
                   "quantfs prefetch big views first, or start it with OLLAMA_LOAD_TIMEOUT=0",
                   "it gives up on a model that is not loaded after 5 minutes");
    if (statvfs(store, &fs) == 0 && (fs.f_flag & ST_RDONLY) && (!keep || !*keep))
        doctor_say(report, DOCTOR_NOTE, "ollama",
                   "start it with OLLAMA_NOPRUNE=1; to pull and create models too, use a store of "
                   "your own and quantfs ollama link",
                   "its store %s is read-only: it can neither tidy nor add to it", store);
}

static void check_links(struct doctor_report *report)
{
    struct ollama_store store = {0};
    char buffer[4096], name[400], first[400] = "";
    size_t links = 0, lost = 0;
    if (ollama_store_open(ollama_store_path(buffer), &store, NULL) < 0)
        return;
    for (size_t i = 0; i < store.count; i++) {
        if (!store.items[i].mount)
            continue;
        links++;
        if (ollama_link_trouble(&store.items[i]) && lost++ == 0)
            snprintf(first, sizeof(first), "%s", ollama_name_shown(store.items[i].name, name));
    }
    if (lost)
        doctor_say(report, DOCTOR_NOTE, "ollama",
                   "quantfs ollama list says why: mount the source where it was, link it again, or "
                   "unlink it",
                   "%zu of %zu linked views in %s cannot be run, %s for one", lost, links,
                   store.root, first);
    else if (links)
        doctor_say(report, DOCTOR_OK, "ollama", NULL, "%zu views are linked in %s", links,
                   store.root);
    ollama_store_close(&store);
}

void doctor_ollama(struct doctor_report *report)
{
    check_user(report);
    check_environment(report);
    check_links(report);
}
