#include "cli.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

static cJSON *view_json(const struct qfs_view_info *view)
{
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "name", view->name);
    cJSON_AddStringToObject(item, "type", view->type);
    if (view->refused) {
        cJSON_AddStringToObject(item, "refused", view->refused);
    } else {
        cJSON_AddNumberToObject(item, "size", (double)view->size);
        cJSON_AddNumberToObject(item, "bits_per_weight", view->weight_bits);
    }
    return item;
}

static int list_json(const struct qfs_source *source)
{
    cJSON *root = cJSON_CreateArray();
    const struct qfs_view_info *view;
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++)
        cJSON_AddItemToArray(root, view_json(view));
    return cli_print_json(root);
}

static void mention_refused(size_t refused)
{
    fprintf(stderr,
            "quantfs: %zu views that llama-quantize would refuse are not shown; "
            "quantfs ls --all says why\n",
            refused);
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

/* -- folders of models -------------------------------------------------------------------------- */

struct listing {
    const struct cli_settings *settings;
    cJSON *json; /* NULL: text */
    size_t refused, broken;
};

static int list_model_json(cJSON *models, const struct qfs_tree_model *model)
{
    cJSON *item = cJSON_CreateObject(), *views = cJSON_CreateArray();
    cJSON_AddStringToObject(item, "path", model->path);
    cJSON_AddStringToObject(item, "publisher", model->publisher);
    cJSON_AddStringToObject(item, "name", model->name);
    if (model->broken)
        cJSON_AddStringToObject(item, "broken", model->broken);
    for (size_t i = 0; i < model->nviews; i++)
        cJSON_AddItemToArray(views, view_json(&model->views[i]));
    cJSON_AddItemToObject(item, "views", views);
    cJSON_AddItemToArray(models, item);
    return 0;
}

static int list_model(void *arg, const struct qfs_tree_model *model)
{
    struct listing *listing = arg;
    listing->broken += model->broken != NULL;
    if (listing->json)
        return list_model_json(listing->json, model);
    if (model->broken)
        fprintf(stderr, "quantfs: %s\n", model->broken);
    for (size_t i = 0; i < model->nviews; i++) {
        const struct qfs_view_info *view = &model->views[i];
        listing->refused += view->refused != NULL;
        if (view->refused && !listing->settings->all)
            continue;
        if (view->refused)
            printf("%15s  %10s  %s/%s: %s\n", "-", "-", model->publisher, view->name,
                   view->refused);
        else
            printf("%15llu  %6.3f bpw  %s/%s\n", (unsigned long long)view->size, view->weight_bits,
                   model->publisher, view->name);
    }
    return 0;
}

/* Models that cannot be shown are told on standard error, and make this fail. */
static int list_tree(struct cli_settings *settings)
{
    struct listing listing = {.settings = settings,
                              .json = settings->json ? cJSON_CreateArray() : NULL};
    struct qfs_error error = {0};
    if (cli_finish(settings, settings->args[0], &error) < 0 ||
        qfs_tree_list(settings->args[0], &settings->views, list_model, &listing, &error) < 0) {
        cJSON_Delete(listing.json);
        return cli_fail(&error);
    }
    int rc = listing.json ? cli_print_json(listing.json) : CLI_OK;
    if (listing.refused && !settings->all && !settings->json)
        mention_refused(listing.refused);
    return rc == CLI_OK && listing.broken ? CLI_FAILED : rc;
}

/* -- one model ---------------------------------------------------------------------------------- */

int cmd_ls(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    const struct qfs_view_info *view;
    size_t refused = 0;
    int rc = CLI_OK;
    if (qfs_is_tree(settings->args[0]))
        return list_tree(settings);
    if (cli_open_source(settings, &source, &error) < 0)
        return cli_fail(&error);
    mention_imatrix(settings, source);
    if (settings->json) {
        rc = list_json(source);
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
            mention_refused(refused);
    }
    qfs_source_close(source);
    return rc;
}
