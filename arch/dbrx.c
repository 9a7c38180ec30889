/* DBRX: experts come stacked, their rows one below the other. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"DbrxForCausalLM", NULL};

/* A member of ffn_config or attn_config as a key. */
struct part_param {
    const char *key, *part, *name;
    enum qfs_param_type type;
};

static int put_parts(struct qfs_converter *c, const struct part_param *table)
{
    int rc = 0;
    for (; table->key && rc == 0; table++) {
        const struct qfs_json *part = table->part ? qfs_hparam(c, table->part) : c->hparams;
        const struct qfs_json *value = qfs_json_get(part, table->name);
        if (!value)
            return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s%s%s", c->model->path,
                            table->part ? table->part : "", table->part ? "." : "", table->name);
        rc = qfs_put_param(c, table->key, table->type, value);
    }
    return rc;
}

static int keys(struct qfs_converter *c)
{
    static const struct part_param table[] = {
        {"context_length", NULL, "max_seq_len", QFS_PARAM_U32},
        {"embedding_length", NULL, "d_model", QFS_PARAM_U32},
        {"feed_forward_length", "ffn_config", "ffn_hidden_size", QFS_PARAM_U32_OR_LIST},
        {"attention.head_count", NULL, "n_heads", QFS_PARAM_U32_OR_LIST},
        {"attention.head_count_kv", "attn_config", "kv_n_heads", QFS_PARAM_U32_OR_LIST},
        {"rope.freq_base", "attn_config", "rope_theta", QFS_PARAM_F32},
        {"attention.clamp_kqv", "attn_config", "clip_qkv", QFS_PARAM_F32},
        {"expert_count", "ffn_config", "moe_num_experts", QFS_PARAM_U32},
        {"expert_used_count", "ffn_config", "moe_top_k", QFS_PARAM_U32_OR_LIST},
        {NULL},
    };
    qfs_put_u32(c, "block_count", c->block_count);
    int rc = put_parts(c, table);
    if (rc < 0)
        return rc;
    qfs_put_f32(c, "attention.layer_norm_epsilon", 1e-5);
    qfs_put_file_type(c);
    return 0;
}

/* [experts, hidden, embedding] */
static int expert_shape(struct qfs_converter *c, int64_t *ret_shape)
{
    static const char *const names[][2] = {
        {"ffn_config", "moe_num_experts"}, {"ffn_config", "ffn_hidden_size"}, {NULL, "d_model"}};
    for (int i = 0; i < 3; i++) {
        const struct qfs_json *part = names[i][0] ? qfs_hparam(c, names[i][0]) : c->hparams;
        if (!qfs_json_int(qfs_json_get(part, names[i][1]), &ret_shape[i]))
            return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a size", c->model->path,
                            names[i][1]);
    }
    return 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const experts[] = {"ffn.experts.mlp.w1", "ffn.experts.mlp.w2",
                                          "ffn.experts.mlp.v1"};
    int64_t shape[3];
    int rc = expert_shape(c, shape);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3; i++) {
        if (!strstr(name, experts[i]) || strstr(name, ".weight"))
            continue;
        data = qfs_lazy_reshape(c, data, 3, shape);
        if (i == 1)
            data = qfs_lazy_swapaxes(c, data, 1, 2);
        if (!(name = qfs_arena_printf(c->arena, "%s.weight", name)))
            return qfs_fail_memory(c->error);
    }
    if (qfs_ends_with(name, ".bias"))
        return qfs_fail(c->error, EINVAL, "%s: tensor %s has no place in architecture %s",
                        c->model->path, name, c->arch);
    return qfs_text_tensor(c, data, name, bid);
}

static int force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                       int ndims)
{
    (void)c, (void)name, (void)new_name, (void)bid;
    return ndims > 1 ? QFS_QUANT_AS_OUTTYPE : -1;
}

const struct qfs_family qfs_family_dbrx = {
    .arch = "dbrx",
    .hf_classes = classes,
    .tensor = tensor,
    .force_quant = force_quant,
    .keys = keys,
};
