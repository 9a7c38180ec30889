/* quantfs doctor: what works on this machine, what does not, and what to do about it. */
#include "cli.h"

#include "quantfs/quant.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct report {
    cJSON *json; /* NULL: text */
    bool healthy;
};

static void say(struct report *report, bool good, const char *what, const char *format, ...)
    QFS_PRINTF(4, 5);

static void say(struct report *report, bool good, const char *what, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report->healthy = report->healthy && good;
    if (report->json) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "what", what);
        cJSON_AddBoolToObject(item, "good", good);
        cJSON_AddStringToObject(item, "text", text);
        cJSON_AddItemToArray(report->json, item);
    } else {
        printf("%-4s %-12s %s\n", good ? "ok" : "BAD", what, text);
    }
}

static bool find_program(const char *name)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/usr/bin:/bin"), *rest = copy, *dir, file[4096];
    bool found = false;
    while (copy && !found && (dir = strsep(&rest, ":"))) {
        snprintf(file, sizeof(file), "%s/%s", *dir ? dir : ".", name);
        found = access(file, X_OK) == 0;
    }
    free(copy);
    return found;
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

static void check_machine(struct report *report)
{
    struct utsname name;
    struct qfs_buffer sets = {0};
    if (uname(&name) == 0)
        say(report, true, "kernel", "%s %s %s", name.sysname, name.release, name.machine);
    if (access("/dev/fuse", R_OK | W_OK) == 0)
        say(report, true, "fuse", "/dev/fuse can be used");
    else
        say(report, false, "fuse",
            "/dev/fuse cannot be opened (%s): load the fuse module, or give this "
            "container the device; ls, cat and cp work without it",
            strerror(errno));
    if (geteuid() == 0 || find_program("fusermount3"))
        say(report, true, "fusermount",
            geteuid() == 0 ? "not needed by root" : "fusermount3 is there");
    else
        say(report, false, "fusermount", "fusermount3 is missing: install the package fuse3");
    if (allows_other())
        say(report, true, "allow_other",
            "-o allow_other may be used, so that other users (a service "
            "like Ollama's) can read a mount");
    else
        say(report, true, "allow_other",
            "not allowed: for other users (a service like Ollama's) put "
            "user_allow_other into /etc/fuse.conf");
    for (int isa = 0; isa < QFS_ISA_COUNT; isa++)
        if (qfs_isa_usable((enum qfs_isa)isa) && qfs_kernels_of((enum qfs_isa)isa))
            qfs_buffer_printf(&sets, " %s", qfs_kernels_of((enum qfs_isa)isa)->name);
    say(report, true, "kernels", "using %s of%.*s", qfs_kernels_get(~0u)->name, (int)sets.size,
        (char *)sets.data);
    qfs_buffer_done(&sets);
    say(report, true, "gpu", "not used: this build has no GPU kernels");
}

static void check_cache(struct report *report)
{
    struct qfs_error error = {0};
    struct qfs_cache_stat stat;
    char *dir, used[32], left[32];
    if (qfs_cache_default_dir(&dir, &error) < 0) {
        say(report, false, "cache", "%s", error.text);
        return;
    }
    if (qfs_cache_stat(dir, &stat, &error) < 0)
        say(report, false, "cache", "%s", error.text);
    else
        say(report, true, "cache", "%s: %s used, %s free on its disk", dir,
            cli_bytes(stat.disk_bytes, used), cli_bytes(stat.free_bytes, left));
    free(dir);
}

static void check_source(struct report *report, struct cli_settings *settings, const char *path)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    const struct qfs_view_info *view;
    size_t served = 0, refused = 0;
    if (qfs_source_open(path, &settings->views, &source, &error) < 0) {
        say(report, false, "source", "%s", error.text);
        return;
    }
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++) {
        served += !view->refused;
        refused += view->refused != NULL;
    }
    const struct qfs_model *model = qfs_source_model(source);
    say(report, true, "source",
        "%s: %s, architecture %s, %zu tensors in %zu files; %zu views, %zu refused "
        "(quantfs ls --all says why)",
        path, model->name, qfs_source_conversion(source)->arch, model->ntensors, model->nfiles,
        served, refused);
    qfs_source_close(source);
}

int cmd_doctor(struct cli_settings *settings)
{
    struct report report = {.json = settings->json ? cJSON_CreateArray() : NULL, .healthy = true};
    settings->views.no_cache = true;
    say(&report, true, "quantfs", "%s, bytes as %s writes them", qfs_version(),
        qfs_reference_version());
    check_machine(&report);
    check_cache(&report);
    for (size_t i = 0; i < settings->nargs; i++)
        check_source(&report, settings, settings->args[i]);
    if (report.json)
        cli_print_json(report.json);
    return report.healthy ? CLI_OK : CLI_FAILED;
}
