/* Qwen 2 and 3 with experts. */
#include "converter.h"

#include <string.h>

static const char *const qwen2moe_classes[] = {"Qwen2MoeForCausalLM", NULL};
static const char *const qwen3moe_classes[] = {"Qwen3MoeForCausalLM", NULL};
static const char *const rnd1_classes[] = {"RND1", NULL};

static const struct qfs_param params[] = {
    {"expert_feed_forward_length", QFS_PARAM_U32, {"moe_intermediate_size"}},
    {"expert_shared_feed_forward_length", QFS_PARAM_U32, {"shared_expert_intermediate_size"}},
    {NULL},
};

/* `name` up to its last `part`, and `more` behind it */
static const char *rename_tail(struct qfs_converter *c, const char *name, const char *part,
                               const char *more)
{
    const char *tail = strstr(name, part);
    const char *renamed = qfs_arena_printf(c->arena, "%.*s%s", (int)(tail - name), name, more);
    if (!renamed)
        qfs_fail_memory(c->error);
    return renamed;
}

/* All experts' gate and up rows in one tensor: [n_expert, 2 * n_ff, n_embd]. */
static int split_gate_up(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    const char *gate = rename_tail(c, name, ".gate_up_proj", ".gate_proj.weight");
    const char *up = rename_tail(c, name, ".gate_up_proj", ".up_proj.weight");
    if (!gate || !up)
        return -ENOMEM;
    if (data->ndim < 3 || data->shape[data->ndim - 2] % 2)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s: its rows are no pairs of gate and up",
                        c->model->path, name);
    int64_t half = data->shape[data->ndim - 2] / 2;
    int rc = qfs_text_tensor(c, qfs_lazy_slice(c, data, -2, 0, half), gate, bid);
    return rc < 0 ? rc : qfs_text_tensor(c, qfs_lazy_slice(c, data, -2, half, half), up, bid);
}

int qfs_qwen_moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    if (qfs_ends_with(name, "mlp.experts.down_proj"))
        return (name = rename_tail(c, name, ".down_proj", ".down_proj.weight"))
                   ? qfs_text_tensor(c, data, name, bid)
                   : -ENOMEM;
    if (qfs_ends_with(name, "mlp.experts.down_proj.weight"))
        return qfs_text_tensor(c, data, name, bid);
    if (qfs_ends_with(name, "mlp.experts.gate_up_proj") ||
        qfs_ends_with(name, "mlp.experts.gate_up_proj.weight"))
        return split_gate_up(c, data, name, bid);
    return qfs_mlp_experts_tensor(c, data, name, bid);
}

int qfs_qwen_moe_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    return rc < 0 ? rc : qfs_put_params(c, params);
}

/* RND1 writes its tokens in any order. */
static int rnd1_keys(struct qfs_converter *c)
{
    int64_t mask;
    int rc = qfs_qwen_moe_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    if (qfs_json_is_null(qfs_hparam(c, "mask_token_id")))
        return 0;
    if ((rc = qfs_hparam_count(c, &mask, "mask_token_id")) == 0)
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.mask_token_id", (uint32_t)mask);
    return rc;
}

const struct qfs_family qfs_family_qwen2moe = {
    .arch = "qwen2moe",
    .hf_classes = qwen2moe_classes,
    .tensor = qfs_qwen_moe_tensor,
    .keys = qfs_qwen_moe_keys,
};

const struct qfs_family qfs_family_qwen3moe = {
    .arch = "qwen3moe",
    .hf_classes = qwen3moe_classes,
    .parent = &qfs_family_qwen2moe,
    .vocab = qfs_qwen3moe_vocab,
};

const struct qfs_family qfs_family_rnd1 = {
    .arch = "rnd1",
    .hf_classes = rnd1_classes,
    .parent = &qfs_family_qwen2moe,
    .keys = rnd1_keys,
};
