#include "cli.h"

#include <stdlib.h>
#include <string.h>

static int read_mount_options(struct cli_settings *settings, struct qfs_error *error)
{
    static char *text; /* stays: options point into it */
    char *rest, *option;
    text = rest = strdup(settings->mount_options);
    if (!text)
        return qfs_fail_memory(error);
    while ((option = strsep(&rest, ","))) {
        char *value = strchr(option, '=');
        if (!*option)
            continue;
        if (value)
            *value++ = 0;
        int rc = cli_mount_option(settings, option, value, error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cmd_mount(struct cli_settings *settings)
{
    struct qfs_error error = {0};
    if (settings->mount_options && read_mount_options(settings, &error) < 0) {
        cli_fail(&error);
        return CLI_USAGE;
    }
    if (cli_finish(settings, settings->args[0], &error) < 0)
        return cli_fail(&error);
    const struct qfs_mount_options options = {
        .source = settings->args[0],
        .mountpoint = settings->args[1],
        .views = settings->views,
        .foreground = settings->foreground,
        .allow_other = settings->allow_other,
        .nonempty = settings->nonempty,
        .force = settings->force,
    };
    return qfs_mount(&options, &error) < 0 ? cli_fail(&error) : CLI_OK;
}

int cmd_umount(struct cli_settings *settings)
{
    struct qfs_error error = {0};
    return qfs_umount(settings->args[0], settings->lazy, &error) < 0 ? cli_fail(&error) : CLI_OK;
}

int cmd_status(struct cli_settings *settings)
{
    struct qfs_error error = {0};
    char *json;
    if (qfs_status_read(settings->args[0], &json, &error) < 0)
        return cli_fail(&error);
    puts(json);
    free(json);
    return CLI_OK;
}
