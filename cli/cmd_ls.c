#include "cli.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

static int list_json(const struct qfs_source *source, bool all)
{
    cJSON *root = cJSON_CreateArray();
    const struct qfs_view_info *view;
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++) {
        if (view->refused && !all)
            continue;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", view->name);
        cJSON_AddStringToObject(item, "type", view->type);
        if (view->refused) {
            cJSON_AddStringToObject(item, "refused", view->refused);
        } else {
            cJSON_AddNumberToObject(item, "size", (double)view->size);
            cJSON_AddNumberToObject(item, "bits_per_weight", view->weight_bits);
        }
        cJSON_AddItemToArray(root, item);
    }
    return cli_print_json(root);
}

/* An importance matrix that lies there is used only when it is asked for. */
static void mention_imatrix(const struct cli_settings *settings, const struct qfs_source *source)
{
    static const char *const names[] = {"imatrix.gguf", "imatrix.dat"};
    const struct qfs_model *model = qfs_source_model(source);
    for (size_t i = 0; !settings->imatrix && model && i < QFS_COUNT(names); i++)
        if (faccessat(model->dir_fd, names[i], R_OK, 0) == 0)
            fprintf(stderr, "quantfs: %s/%s is there and not used; --imatrix auto uses it\n",
                    model->path, names[i]);
}

int cmd_ls(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    const struct qfs_view_info *view;
    size_t refused = 0;
    int rc = CLI_OK;
    if (cli_open_source(settings, &source, &error) < 0)
        return cli_fail(&error);
    mention_imatrix(settings, source);
    if (settings->json) {
        rc = list_json(source, true);
    } else {
        for (size_t i = 0; (view = qfs_source_view(source, i)); i++) {
            if (!view->refused)
                printf("%15llu  %6.3f bpw  %s\n", (unsigned long long)view->size, view->weight_bits,
                       view->name);
            else if (settings->all)
                printf("%15s  %10s  %s: %s\n", "-", "-", view->name, view->refused);
            refused += view->refused != NULL;
        }
        if (refused && !settings->all)
            fprintf(stderr,
                    "quantfs: %zu views that llama-quantize would refuse are not shown; "
                    "quantfs ls --all says why\n",
                    refused);
    }
    qfs_source_close(source);
    return rc;
}
