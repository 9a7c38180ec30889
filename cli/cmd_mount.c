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

static int read_layout(const char *name, enum qfs_layout *ret_layout, struct qfs_error *error)
{
    static const char *const names[] = {
        [QFS_LAYOUT_FLAT] = "flat",
        [QFS_LAYOUT_TREE] = "tree",
        [QFS_LAYOUT_HUB] = "hub",
    };
    *ret_layout = QFS_LAYOUT_AUTO;
    for (size_t i = QFS_LAYOUT_FLAT; name && i < QFS_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            *ret_layout = (enum qfs_layout)i;
    if (name && *ret_layout == QFS_LAYOUT_AUTO)
        return qfs_fail(error, EINVAL, "--layout takes flat, tree or hub, not '%s'", name);
    return 0;
}

int cmd_mount(struct cli_settings *settings)
{
    struct qfs_error error = {0};
    enum qfs_layout layout;
    if (settings->mount_options && read_mount_options(settings, &error) < 0) {
        cli_fail(&error);
        return CLI_USAGE;
    }
    if (read_layout(settings->layout, &layout, &error) < 0) {
        cli_fail(&error);
        return CLI_USAGE;
    }
    if (cli_finish(settings, settings->args[0], &error) < 0)
        return cli_fail(&error);
    const struct qfs_mount_options options = {
        .source = settings->args[0],
        .mountpoint = settings->args[1],
        .layout = layout,
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
