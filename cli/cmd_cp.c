#include "cli.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static int step(void *progress, uint64_t done, uint64_t size)
{
    cli_progress_step(progress, done, size);
    return stopped;
}

/* Ctrl-C ends the work between two chunks, so that what is done stays usable. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int cmd_cp(struct cli_settings *settings)
{
    struct cli_progress progress;
    struct qfs_copy_options options = {.fresh = settings->fresh,
                                       .fill_cache = settings->fill_cache,
                                       .progress = step,
                                       .progress_arg = &progress};
    struct qfs_source *source;
    struct qfs_view *view;
    struct qfs_error error = {0};
    if (cli_open_view(settings, &source, &view, &error) < 0)
        return cli_fail(&error);
    catch_signals();
    cli_progress_begin(&progress, qfs_view_info(view)->name);
    progress.active = progress.active && !settings->quiet;
    progress.json = settings->json;
    int rc = qfs_view_copy(view, settings->args[2], &options, &error);
    cli_progress_end(&progress);
    qfs_view_close(view);
    qfs_source_close(source);
    return rc < 0 ? cli_fail(&error) : CLI_OK;
}

static int prefetch(struct cli_settings *settings, struct qfs_source *source, const char *name,
                    struct qfs_error *error)
{
    struct cli_progress progress;
    struct qfs_copy_options options = {.progress = step, .progress_arg = &progress};
    struct qfs_view *view;
    int rc = qfs_view_open(source, name, &view, error);
    if (rc < 0)
        return rc;
    cli_progress_begin(&progress, qfs_view_info(view)->name);
    progress.active = progress.active && !settings->quiet;
    progress.json = settings->json;
    rc = qfs_view_prefetch(view, 0, qfs_view_info(view)->size, &options, error);
    cli_progress_end(&progress);
    qfs_view_close(view);
    return rc;
}

int cmd_prefetch(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    if (cli_open_source(settings, &source, &error) < 0)
        return cli_fail(&error);
    catch_signals();
    int rc = 0;
    for (size_t i = 1; i < settings->nargs && rc == 0; i++)
        rc = prefetch(settings, source, settings->args[i], &error);
    qfs_source_close(source);
    return rc < 0 ? cli_fail(&error) : CLI_OK;
}

static int print_sha256(const struct cli_settings *settings, const char *hex,
                        const struct qfs_view_info *info)
{
    if (!settings->json) {
        printf("%s  %s\n", hex, info->name);
        return CLI_OK;
    }
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "sha256", hex);
    cJSON_AddStringToObject(root, "name", info->name);
    cJSON_AddNumberToObject(root, "size", (double)info->size);
    return cli_print_json(root);
}

int cmd_sha256(struct cli_settings *settings)
{
    enum { BLOCK = 1 << 20 };
    struct cli_progress progress;
    struct qfs_source *source;
    struct qfs_view *view;
    struct qfs_error error = {0};
    struct qfs_sha256 *sha = qfs_sha256_new();
    uint8_t *block = malloc(BLOCK);
    char hex[65];
    int64_t n = 0;
    if (!sha || !block || cli_open_view(settings, &source, &view, &error) < 0) {
        if (!error.code)
            qfs_fail_memory(&error);
        qfs_sha256_free(sha);
        free(block);
        return cli_fail(&error);
    }
    const struct qfs_view_info *info = qfs_view_info(view);
    cli_progress_begin(&progress, info->name);
    progress.active = progress.active && !settings->quiet;
    for (uint64_t at = 0; at < info->size; at += (uint64_t)n) {
        n = qfs_view_pread(view, block, (size_t)QFS_MIN((uint64_t)BLOCK, info->size - at), at,
                           &error);
        if (n <= 0)
            break;
        qfs_sha256_update(sha, block, (size_t)n);
        cli_progress_step(&progress, at + (uint64_t)n, info->size);
    }
    cli_progress_end(&progress);
    if (n > 0) {
        qfs_sha256_hex(sha, hex);
        print_sha256(settings, hex, info);
    }
    qfs_sha256_free(sha);
    free(block);
    qfs_view_close(view);
    qfs_source_close(source);
    return n > 0 ? CLI_OK : cli_fail(&error);
}
