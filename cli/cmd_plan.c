/* quantfs plan: a view's keys and tensors, and where each tensor comes from. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const op_names[] = {
    [QFS_OP_SOURCE] = "source",    [QFS_OP_DATA] = "computed",
    [QFS_OP_VIEW] = "view",        [QFS_OP_CONCAT] = "concat",
    [QFS_OP_ADD] = "add",          [QFS_OP_MUL] = "mul",
    [QFS_OP_NEG_EXP] = "-exp",     [QFS_OP_CAST] = "cast",
    [QFS_OP_LORA] = "lora",        [QFS_OP_SCALE] = "scale",
    [QFS_OP_OFFSET] = "offset",    [QFS_OP_UNPACK] = "unpack",
    [QFS_OP_GPTQ] = "gptq",        [QFS_OP_MXFP4] = "mxfp4",
    [QFS_OP_NVFP4] = "nvfp4",      [QFS_OP_RECIPROCAL] = "reciprocal",
    [QFS_OP_SOFTPLUS] = "softplus"};

/* "model.layers.0.self_attn.q_proj.weight (view of view)" — the first few sources by name. */
static void describe_recipe(const struct qfs_model *model, const struct qfs_recipe *recipe,
                            struct qfs_buffer *to, int depth)
{
    if (recipe->op == QFS_OP_SOURCE) {
        qfs_buffer_printf(to, "%s", recipe->source->name);
        if (recipe->source->gguf)
            qfs_buffer_printf(to, " %s", qfs_type_info(recipe->source->type)->name);
        if (depth == 0)
            qfs_buffer_printf(to, " (%s)", model->files[recipe->source->file].name);
        return;
    }
    qfs_buffer_printf(to, "%s", op_names[recipe->op]);
    if (recipe->noperands == 0)
        return;
    qfs_buffer_text(to, "(");
    for (uint32_t i = 0; i < recipe->noperands && i < 3; i++) {
        if (i)
            qfs_buffer_text(to, ", ");
        describe_recipe(model, recipe->operands[i], to, depth + 1);
    }
    if (recipe->noperands > 3)
        qfs_buffer_printf(to, ", … %u more", recipe->noperands - 3);
    qfs_buffer_text(to, ")");
}

static void print_text(const struct qfs_model *model, const struct qfs_plan *plan)
{
    struct qfs_buffer text = {0};
    printf("# %zu keys\n", plan->kvs.count);
    for (size_t i = 0; i < plan->kvs.count; i++) {
        const struct qfs_kv *kv = &plan->kvs.items[i];
        text.size = 0;
        cli_describe_value(kv, &text);
        printf("%-46s %-4s %s\n", kv->key, cli_kv_type_name(kv->type), cli_text_of(&text));
    }
    printf("# data at %" PRIu64 ", %zu tensors: name, type, shape, offset, bytes, source\n",
           plan->data_offset, plan->ntensors);
    for (size_t i = 0; i < plan->ntensors; i++) {
        const struct qfs_plan_tensor *t = &plan->tensors[i];
        text.size = 0;
        describe_recipe(model, t->recipe, &text, 0);
        printf("%-34s %-7s [", t->name, qfs_type_info(t->type)->name);
        for (int d = 0; d < t->ndim; d++)
            printf("%s%" PRId64, d ? ", " : "", t->ne[d]);
        printf("] %" PRIu64 " %" PRIu64 " %s\n", t->offset, t->nbytes, cli_text_of(&text));
    }
    qfs_buffer_done(&text);
}

static int print_json(const struct qfs_model *model, const struct qfs_plan *plan,
                      const struct qfs_view_info *info)
{
    struct qfs_buffer text = {0};
    cJSON *root = cJSON_CreateObject(), *keys, *tensors;
    cJSON_AddStringToObject(root, "name", info->name);
    cJSON_AddNumberToObject(root, "size", (double)plan->size);
    cJSON_AddNumberToObject(root, "data_offset", (double)plan->data_offset);
    keys = cJSON_AddArrayToObject(root, "keys");
    for (size_t i = 0; i < plan->kvs.count; i++) {
        const struct qfs_kv *kv = &plan->kvs.items[i];
        cJSON *item = cJSON_CreateObject();
        text.size = 0;
        cli_describe_value(kv, &text);
        cJSON_AddStringToObject(item, "key", kv->key);
        cJSON_AddStringToObject(item, "type", cli_kv_type_name(kv->type));
        cJSON_AddStringToObject(item, "value", cli_text_of(&text));
        cJSON_AddItemToArray(keys, item);
    }
    tensors = cJSON_AddArrayToObject(root, "tensors");
    for (size_t i = 0; i < plan->ntensors; i++) {
        const struct qfs_plan_tensor *t = &plan->tensors[i];
        cJSON *item = cJSON_CreateObject(), *shape;
        text.size = 0;
        describe_recipe(model, t->recipe, &text, 0);
        cJSON_AddStringToObject(item, "name", t->name);
        cJSON_AddStringToObject(item, "type", qfs_type_info(t->type)->name);
        shape = cJSON_AddArrayToObject(item, "shape");
        for (int d = 0; d < t->ndim; d++)
            cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->ne[d]));
        cJSON_AddNumberToObject(item, "offset", (double)t->offset);
        cJSON_AddNumberToObject(item, "bytes", (double)t->nbytes);
        cJSON_AddStringToObject(item, "source", cli_text_of(&text));
        cJSON_AddItemToArray(tensors, item);
    }
    qfs_buffer_done(&text);
    return cli_print_json(root);
}

int cmd_plan(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_view *view;
    struct qfs_error error = {0};
    int rc = CLI_OK;
    if (cli_open_view(settings, &source, &view, &error) < 0)
        return cli_fail(&error);
    if (settings->json)
        rc = print_json(qfs_source_model(source), qfs_view_plan(view), qfs_view_info(view));
    else
        print_text(qfs_source_model(source), qfs_view_plan(view));
    qfs_view_close(view);
    qfs_source_close(source);
    return rc;
}
