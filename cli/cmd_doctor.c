/* quantfs doctor: what works on this machine, what does not, and what to do about it. */
#include "doctor.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *word, *colour; /* in JSON; on a terminal */
    const char *shown;
} states[] = {
    [DOCTOR_OK] = {"ok", "\033[32m", "ok"},
    [DOCTOR_NOTE] = {"note", "\033[33m", "note"},
    [DOCTOR_BAD] = {"bad", "\033[1;31m", "BAD"},
};

void doctor_say(struct doctor_report *report, enum doctor_state state, const char *what,
                const char *todo, const char *format, ...)
{
    char text[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    report->healthy = report->healthy && state != DOCTOR_BAD;
    if (report->json) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "what", what);
        cJSON_AddStringToObject(item, "state", states[state].word);
        cJSON_AddStringToObject(item, "text", text);
        if (todo)
            cJSON_AddStringToObject(item, "todo", todo);
        cJSON_AddItemToArray(report->json, item);
        return;
    }
    printf("%s%-4s%s %-11s %s\n", report->coloured ? states[state].colour : "", states[state].shown,
           report->coloured ? "\033[0m" : "", what, text);
    if (todo)
        printf("%16s → %s\n", "", todo);
}

static void check_cache(struct doctor_report *report, const struct cli_settings *settings)
{
    struct qfs_error error = {0};
    struct qfs_cache_stat stat;
    char *dir = NULL, used[32], left[32];
    const char *path = settings->views.cache_dir, *todo = "name another place with --cache DIR";
    if (!path && qfs_cache_default_dir(&dir, &error) < 0) {
        doctor_say(report, DOCTOR_BAD, "cache", todo, "%s", error.text);
        return;
    }
    path = path ? path : dir;
    if (access(path, F_OK) < 0)
        doctor_say(report, DOCTOR_OK, "cache", NULL, "%s: made when a view is first read", path);
    else if (qfs_cache_stat(path, &stat, &error) < 0)
        doctor_say(report, DOCTOR_BAD, "cache", todo, "%s", error.text);
    else if (access(path, W_OK) < 0)
        doctor_say(report, DOCTOR_NOTE, "cache", todo, "%s: read and not filled (%s)", path,
                   strerror(errno));
    else if (stat.free_bytes < 4ull << 30)
        doctor_say(report, DOCTOR_NOTE, "cache",
                   "quantfs cache prune --cache-size SIZE makes room, --cache DIR names another "
                   "disk, --cache-min-free SIZE fills this one further",
                   "%s: %s used, only %s free on its disk", path, cli_bytes(stat.disk_bytes, used),
                   cli_bytes(stat.free_bytes, left));
    else
        doctor_say(report, DOCTOR_OK, "cache", NULL, "%s: %s used, %s free on its disk", path,
                   cli_bytes(stat.disk_bytes, used), cli_bytes(stat.free_bytes, left));
    free(dir);
}

static int print_json(const struct doctor_report *report)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "healthy", report->healthy);
    cJSON_AddStringToObject(root, "version", qfs_version());
    cJSON_AddStringToObject(root, "reference", qfs_reference_version());
    cJSON_AddItemToObject(root, "findings", report->json);
    return cli_print_json(root);
}

int cmd_doctor(struct cli_settings *settings)
{
    struct doctor_report report = {.json = settings->json ? cJSON_CreateArray() : NULL,
                                   .coloured = cli_coloured(STDOUT_FILENO),
                                   .healthy = true};
    settings->views.no_cache = true;
    doctor_say(&report, DOCTOR_OK, "quantfs", NULL, "%s, bytes as %s writes them", qfs_version(),
               qfs_reference_version());
    doctor_machine(&report);
    check_cache(&report, settings);
    for (size_t i = 0; i < settings->nargs; i++)
        doctor_source(&report, settings, settings->args[i]);
    if (report.json && print_json(&report) != CLI_OK)
        return CLI_FAILED;
    return report.healthy ? CLI_OK : CLI_FAILED;
}
