/* HRM text: two stacks of layers that run in cycles; the L stack's blocks come first. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"HrmTextForCausalLM", NULL};

struct cycles {
    int64_t layers, high, low; /* layers of a stack, H_cycles, L_cycles */
};

static int read_cycles(struct qfs_converter *c, struct cycles *ret)
{
    const struct qfs_json *layers = qfs_hparam(c, "num_layers_per_stack");
    int rc = qfs_json_truthy(layers) ? qfs_hparam_count(c, &ret->layers, "num_layers_per_stack")
                                     : qfs_hparam_count(c, &ret->layers, "num_hidden_layers");
    if (rc == 0 && (rc = qfs_hparam_count(c, &ret->high, "H_cycles")) == 0)
        rc = qfs_hparam_count(c, &ret->low, "L_cycles");
    if (rc == 0 && (ret->layers > 4096 || ret->high > 4096 || ret->low > 4096))
        rc = qfs_fail(c->error, EINVAL,
                      "%s/config.json: more than 4096 layers or cycles are not expected",
                      c->model->path);
    return rc;
}

/* Blocks are counted as often as they run. */
static int begin(struct qfs_converter *c)
{
    struct cycles n;
    int rc = read_cycles(c, &n);
    if (rc == 0 && n.layers * n.high * (n.low + 1) < 2 * n.layers)
        rc = qfs_fail(c->error, EINVAL, "%s/config.json: H_cycles and L_cycles are too small",
                      c->model->path);
    if (rc == 0)
        c->block_count = n.layers * n.high * (n.low + 1);
    return rc;
}

static int keys(struct qfs_converter *c)
{
    struct cycles n;
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = read_cycles(c, &n)) < 0)
        return rc;
    rc = qfs_json_truthy(qfs_hparam(c, "head_dim")) ? qfs_hparam_count(c, &dim, "head_dim")
                                                    : qfs_hidden_by_heads(c, &dim);
    if (rc < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if ((rc = qfs_put_one(c, "embedding_scale", QFS_PARAM_F32, {"embedding_scale"}, true)) < 0)
        return rc;
    qfs_put_u32(c, "hrm.layers_per_stack", n.layers);
    qfs_put_u32(c, "hrm.h_cycles", n.high);
    qfs_put_u32(c, "hrm.l_cycles", n.low);
    qfs_put_bool(c, "hrm.prefix_lm", qfs_json_truthy(qfs_hparam(c, "prefix_lm")));
    return 0;
}

/* torch.chunk along rows: equal parts, as these shapes are. */
static int split(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid,
                 const char *const *names, int count)
{
    if (data->ndim == 0 || data->shape[0] % count)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s: its rows are not %d equal parts",
                        c->model->path, name, count);
    int64_t rows = data->shape[0] / count;
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        const char *new_name = qfs_format_name(c, names[i], ".weight", bid);
        rc = new_name ? qfs_emit(c, qfs_lazy_slice(c, data, 0, i * rows, rows), name, new_name, bid)
                      : -c->error->code;
    }
    return rc;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const struct {
        const char *name, *key, *suffix;
    } single[] = {
        {"model.embed_tokens.weight", "token_embd", ".weight"},
        {"lm_head.weight", "output", ".weight"},
        {"model.z_L_init", "hrm.z_l_init", ""},
    };
    static const char *const attention[] = {"blk.{bid}.attn_gate", "blk.{bid}.attn_q",
                                            "blk.{bid}.attn_k", "blk.{bid}.attn_v"};
    static const char *const gated[] = {"blk.{bid}.ffn_gate", "blk.{bid}.ffn_up"};
    struct cycles n;
    int rc = read_cycles(c, &n);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(single); i++)
        if (strcmp(name, single[i].name) == 0)
            return qfs_emit(c, data, name, qfs_format_name(c, single[i].key, single[i].suffix, -1),
                            bid);
    const char *part = qfs_layer_part(name, "model.L_module.layers.");
    int layer = bid;
    if (!part && (part = qfs_layer_part(name, "model.H_module.layers.")))
        layer += (int)n.layers;
    if (!part || layer >= 2 * n.layers)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s has no place in architecture %s",
                        c->model->path, name, c->arch);
    if (strcmp(part, "attn.gqkv_proj.weight") == 0)
        return split(c, data, name, layer, attention, 4);
    if (strcmp(part, "mlp.gate_up_proj.weight") == 0)
        return split(c, data, name, layer, gated, 2);
    name = qfs_arena_printf(c->arena, "model.layers.%d.%s%s", layer,
                            qfs_starts_with(part, "attn.") ? "self_" : "", part);
    return name ? qfs_text_tensor(c, data, name, layer) : qfs_fail_memory(c->error);
}

const struct qfs_family qfs_family_hrm_text = {
    .arch = "hrm_text",
    .hf_classes = classes,
    .begin = begin,
    .tensor = tensor,
    .keys = keys,
};
