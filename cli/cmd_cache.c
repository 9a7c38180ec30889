#include "cli.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

struct number {
    const char *name, *text; /* key in JSON, words for people */
    uint64_t value;
    bool bytes;
};

static int print(const struct cli_settings *settings, const char *dir, const struct number *numbers,
                 size_t count)
{
    char buffer[32];
    if (!settings->json) {
        printf("%s\n", dir);
        for (size_t i = 0; i < count; i++)
            if (numbers[i].bytes)
                printf("  %-28s %s\n", numbers[i].text, cli_bytes(numbers[i].value, buffer));
            else
                printf("  %-28s %llu\n", numbers[i].text, (unsigned long long)numbers[i].value);
        return CLI_OK;
    }
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "directory", dir);
    for (size_t i = 0; i < count; i++)
        cJSON_AddNumberToObject(root, numbers[i].name, (double)numbers[i].value);
    return cli_print_json(root);
}

static int stat_cache(struct cli_settings *settings, const char *dir, struct qfs_error *error)
{
    struct qfs_cache_stat s;
    if (qfs_cache_stat(dir, &s, error) < 0)
        return cli_fail(error);
    const struct number numbers[] = {
        {"files", "tensors, one file each", s.files, false},
        {"disk_bytes", "on disk", s.disk_bytes, true},
        {"chunks", "chunks", s.chunks, false},
        {"chunk_bytes", "as read", s.chunk_bytes, true},
        {"stored_bytes", "as stored", s.stored_bytes, true},
        {"gone_bytes", "of sources that are gone", s.gone_bytes, true},
        {"free_bytes", "free on this disk", s.free_bytes, true},
    };
    return print(settings, dir, numbers, QFS_COUNT(numbers));
}

static int print_pruned(struct cli_settings *settings, const char *dir,
                        const struct qfs_cache_pruned *p)
{
    const struct number numbers[] = {
        {"removed_files", "tensors removed", p->files, false},
        {"removed_bytes", "freed", p->disk_bytes, true},
        {"left_files", "tensors left", p->left_files, false},
        {"left_bytes", "left on disk", p->left_disk_bytes, true},
    };
    return print(settings, dir, numbers, QFS_COUNT(numbers));
}

static int prune_cache(struct cli_settings *settings, const char *dir, struct qfs_error *error)
{
    struct qfs_cache_pruned pruned;
    uint64_t limit = settings->views.cache_size ? settings->views.cache_size : UINT64_MAX;
    if (qfs_cache_prune(dir, limit, settings->views.cache_min_free, (int64_t)settings->max_age,
                        &pruned, error) < 0)
        return cli_fail(error);
    return print_pruned(settings, dir, &pruned);
}

static int clear_cache(struct cli_settings *settings, const char *dir, struct qfs_error *error)
{
    struct qfs_cache_pruned pruned;
    if (qfs_cache_clear(dir, &pruned, error) < 0)
        return cli_fail(error);
    return print_pruned(settings, dir, &pruned);
}

static int verify_cache(struct cli_settings *settings, const char *dir, struct qfs_error *error)
{
    struct qfs_cache_verified v;
    struct cli_progress progress;
    cli_progress_begin(&progress, "verify");
    progress.active = progress.active && !settings->quiet;
    int rc = qfs_cache_verify(dir, cli_progress_step, &progress, &v, error);
    cli_progress_end(&progress);
    if (rc < 0)
        return cli_fail(error);
    const struct number numbers[] = {
        {"files", "tensors looked at", v.files, false},
        {"chunks", "chunks looked at", v.chunks, false},
        {"disk_bytes", "on disk", v.disk_bytes, true},
        {"damaged_files", "damaged files removed", v.damaged_files, false},
        {"damaged_chunks", "damaged chunks dropped", v.damaged_chunks, false},
    };
    return print(settings, dir, numbers, QFS_COUNT(numbers));
}

int cmd_cache(struct cli_settings *settings)
{
    static const struct {
        const char *name;
        int (*run)(struct cli_settings *settings, const char *dir, struct qfs_error *error);
    } actions[] = {{"stat", stat_cache},
                   {"prune", prune_cache},
                   {"clear", clear_cache},
                   {"verify", verify_cache}};
    struct qfs_error error = {0};
    char *dir = NULL;
    if (!settings->views.cache_dir && qfs_cache_default_dir(&dir, &error) < 0)
        return cli_fail(&error);
    for (size_t i = 0; i < QFS_COUNT(actions); i++)
        if (strcmp(settings->args[0], actions[i].name) == 0) {
            int rc = actions[i].run(settings, dir ? dir : settings->views.cache_dir, &error);
            free(dir);
            return rc;
        }
    free(dir);
    fprintf(stderr, "quantfs cache: there is no '%s'; it is stat, prune, clear or verify\n",
            settings->args[0]);
    return CLI_USAGE;
}
