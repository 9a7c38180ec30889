/* A GGUF file as a source: nothing is converted, every tensor and key goes on as it stands. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

static enum qfs_outtype outtype_of(const struct qfs_model *model)
{
    for (size_t i = 0; i < model->ntensors; i++)
        if (model->tensors[i].ndim >= 2)
            return model->tensors[i].type == QFS_TYPE_BF16  ? QFS_OUTTYPE_BF16
                   : model->tensors[i].type == QFS_TYPE_F32 ? QFS_OUTTYPE_F32
                                                            : QFS_OUTTYPE_F16;
    return QFS_OUTTYPE_F16;
}

/* The keys are the model's own; only the list of them is this conversion's. */
static int borrow_keys(struct qfs_conversion *out, const struct qfs_kvs *from,
                       struct qfs_error *error)
{
    out->kvs.items = qfs_arena_array(&out->arena, from->count, sizeof(*from->items));
    if (!out->kvs.items)
        return qfs_fail_memory(error);
    if (from->count)
        memcpy(out->kvs.items, from->items, from->count * sizeof(*from->items));
    out->kvs.count = out->kvs.capacity = from->count;
    return 0;
}

int qfs_convert_gguf(struct qfs_conversion *out, struct qfs_error *error)
{
    const struct qfs_model *model = out->model;
    struct qfs_text arch = {0};
    int rc = borrow_keys(out, &model->gguf->kvs, error);
    if (rc < 0)
        return rc;
    qfs_kv_get_text(&out->kvs, "general.architecture", &arch);
    out->arch = qfs_arena_copy(&out->arena, arch.data ? arch.data : "", arch.size);
    out->from_gguf = true;
    out->auto_outtype = outtype_of(model);
    out->tensors = calloc(model->ntensors + 1, sizeof(*out->tensors));
    struct qfs_recipe *recipes = qfs_arena_array(&out->arena, model->ntensors, sizeof(*recipes));
    if (!out->arch || !out->tensors || !recipes)
        return qfs_fail_memory(error);
    out->tensors_capacity = model->ntensors + 1;
    for (size_t i = 0; i < model->ntensors; i++) {
        const struct qfs_tensor *tensor = &model->tensors[i];
        recipes[i] = (struct qfs_recipe){
            .op = QFS_OP_SOURCE, .dtype = tensor->dtype, .ndim = tensor->ndim, .source = tensor};
        memcpy(recipes[i].shape, tensor->shape, sizeof(recipes[i].shape));
        out->tensors[i] = (struct qfs_out_tensor){
            .name = tensor->name, .forced_type = tensor->type, .recipe = &recipes[i]};
    }
    out->ntensors = model->ntensors;
    return 0;
}
