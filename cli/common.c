#include "cli.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* https://no-color.org */
bool cli_coloured(int fd)
{
    const char *forbidden = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fd) && !(forbidden && *forbidden) && !(terminal && strcmp(terminal, "dumb") == 0);
}

int cli_fail(const struct qfs_error *error)
{
    bool coloured = cli_coloured(STDERR_FILENO);
    fprintf(stderr, "%squantfs:%s %s\n", coloured ? "\033[1;31m" : "", coloured ? "\033[0m" : "",
            error->text);
    return CLI_FAILED;
}

void cli_warn(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "quantfs: %s\n", sentence);
}

int cli_print_json(cJSON *tree)
{
    char *text = cJSON_Print(tree);
    cJSON_Delete(tree);
    if (!text)
        return CLI_FAILED;
    puts(text);
    free(text);
    return CLI_OK;
}

const char *cli_bytes(uint64_t bytes, char *buffer)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1023.95 && unit + 1 < QFS_COUNT(units); unit++)
        value /= 1024;
    snprintf(buffer, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}

/* REGEX=TYPE words of a file, separated by white space, appended to the list. */
static int read_tensor_types(struct cli_settings *settings, const char *path,
                             struct qfs_error *error)
{
    char *text, *word, *rest;
    size_t size;
    int rc = qfs_file_read(AT_FDCWD, path, 1 << 20, path, &text, &size, error);
    if (rc < 0)
        return rc;
    for (word = strtok_r(text, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
        if (settings->tensor_types.count == CLI_MAX_LIST)
            return qfs_fail(error, EINVAL, "%s: holds more than %d tensor types", path,
                            CLI_MAX_LIST);
        settings->tensor_types.items[settings->tensor_types.count++] = word;
    }
    return 0; /* `text` lives as long as the program */
}

static int read_layers(struct cli_settings *settings, struct qfs_error *error)
{
    const char *at = settings->prune_layers;
    int *layers = at ? calloc(strlen(at) / 2 + 1, sizeof(*layers)) : NULL;
    size_t count = 0;
    if (!at)
        return 0;
    if (!layers)
        return qfs_fail_memory(error);
    for (;; at++) {
        char *end;
        long layer = strtol(at, &end, 10);
        if (end == at || layer < 0 || layer > 1 << 20 || (*end && *end != ','))
            return qfs_fail(error, EINVAL, "--prune-layers takes layer numbers as 3,4,5, not '%s'",
                            settings->prune_layers);
        layers[count++] = (int)layer;
        at = end;
        if (!*at)
            break;
    }
    settings->views.prune_layers = layers;
    settings->views.nprune_layers = count;
    return 0;
}

/* The importance matrix that lies in the model directory. */
static int find_imatrix(struct cli_settings *settings, const char *source, struct qfs_error *error)
{
    static const char *const names[] = {"imatrix.gguf", "imatrix.dat"};
    char path[4096];
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", source, names[i]);
        if (access(path, R_OK) == 0) {
            settings->views.imatrix = strdup(path);
            return settings->views.imatrix ? 0 : qfs_fail_memory(error);
        }
    }
    return qfs_fail(error, ENOENT, "%s: has no imatrix.gguf or imatrix.dat for --imatrix auto",
                    source);
}

int cli_finish(struct cli_settings *settings, const char *source, struct qfs_error *error)
{
    int rc;
    for (size_t i = 0; i < settings->tensor_type_files.count; i++)
        if ((rc = read_tensor_types(settings, settings->tensor_type_files.items[i], error)) < 0)
            return rc;
    if ((rc = read_layers(settings, error)) < 0)
        return rc;
    settings->views.tensor_types = settings->tensor_types.items;
    settings->views.ntensor_types = settings->tensor_types.count;
    settings->views.overrides = settings->overrides.items;
    settings->views.noverrides = settings->overrides.count;
    settings->views.include_weights = settings->include_weights.items;
    settings->views.ninclude_weights = settings->include_weights.count;
    settings->views.exclude_weights = settings->exclude_weights.items;
    settings->views.nexclude_weights = settings->exclude_weights.count;
    settings->views.imatrix = settings->imatrix;
    if (settings->imatrix && strcmp(settings->imatrix, "auto") == 0)
        return find_imatrix(settings, source, error);
    return 0;
}

int cli_open_source(struct cli_settings *settings, struct qfs_source **ret_source,
                    struct qfs_error *error)
{
    int rc = cli_finish(settings, settings->args[0], error);
    if (rc < 0)
        return rc;
    if (!settings->views.warn)
        settings->views.warn = cli_warn;
    return qfs_source_open(settings->args[0], &settings->views, ret_source, error);
}

int cli_open_view(struct cli_settings *settings, struct qfs_source **ret_source,
                  struct qfs_view **ret_view, struct qfs_error *error)
{
    struct qfs_source *source;
    int rc = cli_open_source(settings, &source, error);
    if (rc < 0)
        return rc;
    rc = qfs_view_open(source, settings->args[1], ret_view, error);
    if (rc < 0)
        qfs_source_close(source);
    else
        *ret_source = source;
    return rc;
}
