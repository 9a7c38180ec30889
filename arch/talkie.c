/* Talkie: gains that are tensors, and rotations the other way round. */
#include "converter.h"

#include <float.h>
#include <string.h>

static const char *const classes[] = {"TalkieForCausalLM", NULL};

/* The second half of each head's rows negated. */
static const struct qfs_recipe *unturn(struct qfs_converter *c, const struct qfs_recipe *data,
                                       int64_t dim)
{
    int64_t rows = data->ndim == 2 ? data->shape[0] : 0;
    int64_t nheads = dim > 1 ? rows / dim : 0;
    if (nheads == 0 || rows % dim) {
        qfs_fail(c->error, EINVAL, "%s/config.json: head_dim does not fit the attention's weights",
                 c->model->path);
        return NULL;
    }
    const struct qfs_recipe *same = qfs_lazy_unary(c, QFS_OP_MUL, data, 1);
    const struct qfs_recipe *turned = qfs_lazy_unary(c, QFS_OP_MUL, data, -1);
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, 2 * (size_t)nheads, sizeof(*parts));
    if (!parts) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    for (int64_t i = 0; i < nheads; i++) {
        parts[2 * i] = qfs_lazy_slice(c, same, 0, i * dim, dim / 2);
        parts[2 * i + 1] = qfs_lazy_slice(c, turned, 0, i * dim + dim / 2, dim - dim / 2);
    }
    return qfs_lazy_concat(c, parts, 2 * (size_t)nheads);
}

static int emit_as(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                   const char *key, int bid)
{
    return qfs_emit(c, data, name, qfs_format_name(c, key, ".scale", bid), bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const char *part = qfs_layer_part(name, "model.blocks.");
    float gain = 0;
    int64_t dim;
    int rc;
    if (!part)
        part = name;
    if (strcmp(part, "attn_gain.a_g") == 0)
        return emit_as(c, data, name, "blk.{bid}.attn_output", bid);
    if (strcmp(part, "mlp_gain.a_g") == 0)
        return emit_as(c, data, name, "blk.{bid}.ffn_down", bid);
    if (strcmp(part, "lm_head_gain.w_g") == 0) {
        if ((rc = qfs_small_floats(c, data, &gain, 1)) == 0)
            qfs_put_f32(c, "logit_scale", gain);
        return rc;
    }
    if (strcmp(part, "attn.attn_query.weight") == 0 || strcmp(part, "attn.attn_key.weight") == 0) {
        if ((rc = qfs_hparam_count(c, &dim, "head_dim")) < 0)
            return rc;
        data = unturn(c, data, dim);
    } else if (strcmp(part, "attn.head_gain.head_g") == 0) {
        data = qfs_lazy_columns(c, data, 1);
    }
    if (!qfs_ends_with(name, ".weight") && !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon", FLT_EPSILON);
    return rc;
}

const struct qfs_family qfs_family_talkie = {
    .arch = "talkie",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
