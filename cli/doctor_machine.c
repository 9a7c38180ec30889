/* What the machine has: the kernel's FUSE, the right to mount, instruction sets, GPUs, memory. */
#include "doctor.h"

#include "quantfs/quant.h"

#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A program of $PATH: its file's mode, 0 if there is none. */
static mode_t find_program(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/usr/bin:/bin"), *rest = copy, *dir, file[4096];
    struct stat st;
    mode_t mode = 0;
    while (copy && !mode && (dir = strsep(&rest, ":"))) {
        snprintf(file, sizeof(file), "%s/%s", *dir ? dir : ".", name);
        if (access(file, X_OK) == 0 && stat(file, &st) == 0 && S_ISREG(st.st_mode))
            mode = st.st_mode;
    }
    free(copy);
    return mode;
}

/* The number behind `name` at the start of a line in a file of /proc; 0 if there is none. */
static uint64_t number_of(const char *path, const char *name, int base)
{
    FILE *file = fopen(path, "re");
    char line[512];
    uint64_t number = 0;
    while (file && !number && fgets(line, sizeof(line), file))
        if (qfs_starts_with(line, name))
            number = strtoull(line + strlen(name), NULL, base);
    if (file)
        fclose(file);
    return number;
}

static bool allows_other(void)
{
    char *text, *line, *rest;
    size_t size;
    bool found = false;
    if (geteuid() == 0)
        return true;
    if (qfs_file_read(AT_FDCWD, "/etc/fuse.conf", 1 << 16, "/etc/fuse.conf", &text, &size, NULL) <
        0)
        return false;
    for (rest = text; (line = strsep(&rest, "\n"));)
        found = found || strcmp(line + strspn(line, " \t"), "user_allow_other") == 0;
    free(text);
    return found;
}

static void check_device(struct doctor_report *report)
{
    if (access("/dev/fuse", R_OK | W_OK) == 0)
        doctor_say(report, DOCTOR_OK, "fuse", NULL, "/dev/fuse can be used");
    else
        doctor_say(report, DOCTOR_BAD, "fuse",
                   errno == EACCES ? "ask for access to /dev/fuse; ls, cat and cp work without"
                                   : "load the module (modprobe fuse), or start the container with "
                                     "--device /dev/fuse; ls, cat and cp work without",
                   "/dev/fuse cannot be opened: %s", strerror(errno));
}

/* Who may mount: root with CAP_SYS_ADMIN, others by the setuid program of the package fuse3. */
static void check_right(struct doctor_report *report)
{
    enum { CAP_SYS_ADMIN_BIT = 21 };
    mode_t mode = find_program("fusermount3");
    if (geteuid() == 0) {
        if (number_of("/proc/self/status", "CapEff:", 16) >> CAP_SYS_ADMIN_BIT & 1)
            doctor_say(report, DOCTOR_OK, "fusermount", NULL, "not needed by root");
        else
            doctor_say(report, DOCTOR_BAD, "fusermount",
                       "start the container with --cap-add SYS_ADMIN",
                       "this root may not mount: it lacks CAP_SYS_ADMIN");
        return;
    }
    if (!mode)
        doctor_say(report, DOCTOR_BAD, "fusermount", "install the package fuse3",
                   "fusermount3 is missing");
    else if (!(mode & S_ISUID))
        doctor_say(report, DOCTOR_BAD, "fusermount", "chmod u+s it, as the package fuse3 has it",
                   "fusermount3 is not setuid root, so that it may not mount");
    else if (access("/etc/mtab", R_OK) < 0)
        doctor_say(report, DOCTOR_BAD, "fusermount", "as root: ln -s ../proc/self/mounts /etc/mtab",
                   "fusermount3 cannot unmount: there is no /etc/mtab");
    else
        doctor_say(report, DOCTOR_OK, "fusermount", NULL, "fusermount3 is there");
}

static void check_kernels(struct doctor_report *report)
{
    struct qfs_buffer sets = {0};
    for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
        if (qfs_isa_usable((enum qfs_isa)isa) && qfs_kernels_of((enum qfs_isa)isa))
            qfs_buffer_printf(&sets, " %s", qfs_kernels_of((enum qfs_isa)isa)->name);
    doctor_say(report, DOCTOR_OK, "kernels", NULL, "using %s of%.*s, on %ld processors",
               qfs_kernels_get(~0u)->name, (int)sets.size, (char *)sets.data,
               sysconf(_SC_NPROCESSORS_ONLN));
    qfs_buffer_done(&sets);
}

static void check_gpu(struct doctor_report *report)
{
    glob_t found = {0};
    if (glob("/proc/driver/nvidia/gpus/*", 0, NULL, &found) == 0)
        doctor_say(report, DOCTOR_NOTE, "gpu", NULL,
                   "%zu NVIDIA GPUs, not used: this version computes on the processors alone",
                   found.gl_pathc);
    else
        doctor_say(report, DOCTOR_OK, "gpu", NULL,
                   "not used: no NVIDIA driver is loaded, and this version computes on the "
                   "processors alone");
    globfree(&found);
}

static void check_memory(struct doctor_report *report)
{
    char have[32], need[32];
    uint64_t free_bytes = number_of("/proc/meminfo", "MemAvailable:", 10) << 10;
    bool enough = free_bytes >= 2 * QFS_DEFAULT_MEMORY;
    cli_bytes(free_bytes, have);
    doctor_say(report, enough ? DOCTOR_OK : DOCTOR_NOTE, "memory",
               enough ? NULL : "--memory SIZE takes less, down to 16M",
               "%s available; a mount takes %s for chunks", have,
               cli_bytes(QFS_DEFAULT_MEMORY, need));
}

void doctor_machine(struct doctor_report *report)
{
    struct utsname name;
    if (uname(&name) == 0)
        doctor_say(report, DOCTOR_OK, "kernel", NULL, "%s %s %s", name.sysname, name.release,
                   name.machine);
    check_device(report);
    check_right(report);
    if (allows_other())
        doctor_say(report, DOCTOR_OK, "allow_other", NULL,
                   "may be used, so that other users (a service like Ollama's) can read a mount");
    else
        doctor_say(report, DOCTOR_NOTE, "allow_other",
                   "put user_allow_other into /etc/fuse.conf if a service is to read a mount",
                   "not allowed: what you mount is seen by you alone");
    check_kernels(report);
    check_gpu(report);
    check_memory(report);
    if (find_program("ollama") || getpwnam("ollama") || getenv("OLLAMA_MODELS"))
        doctor_ollama(report);
}
