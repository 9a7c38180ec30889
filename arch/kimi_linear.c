/* Kimi Linear: layers of latent attention among layers of a linear attention (KDA). */
#include "converter.h"

#include <string.h>

#include "vocab/vocab_ways.h"

static const char *const classes[] = {"KimiLinearModel", "KimiLinearForCausalLM", NULL};

const struct qfs_recipe *qfs_kda_conv(struct qfs_converter *c, const struct qfs_recipe *data,
                                      const char *name)
{
    static const char *const convs[] = {".q_conv1d.weight", ".k_conv1d.weight", ".v_conv1d.weight"};
    for (size_t i = 0; data && i < QFS_COUNT(convs); i++)
        if (qfs_ends_with(name, convs[i]) && (data->ndim == 2 || data->ndim == 3)) {
            const int64_t shape[] = {1, data->shape[0], 1, data->shape[data->ndim - 1]};
            return qfs_lazy_reshape(c, data, 4, shape);
        }
    return data;
}

static int kv_b(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    struct qfs_mla mla;
    int rc;
    if ((rc = qfs_hparam_count(c, &mla.nheads, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &mla.value, "n_embd_head_v_mla", "v_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &mla.nope, "qk_nope_head_dim")) < 0)
        return rc;
    return qfs_mla_split(c, data, bid, &mla, qfs_name_replace(c, name, "kv_b_proj", "k_b_proj"),
                         qfs_name_replace(c, name, "kv_b_proj", "v_b_proj"));
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    data = qfs_kda_conv(c, data, name);
    if (qfs_ends_with(name, ".A_log"))
        data = qfs_lazy_unary(c, QFS_OP_NEG_EXP, data, 0);
    name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    if (!data || !name)
        return -c->error->code;
    if (strstr(name, "block_sparse_moe.experts"))
        return qfs_expert_of(c, data, name, bid, &qfs_moe_experts, "num_local_experts",
                             "num_experts");
    if (qfs_ends_with(name, "kv_b_proj.weight"))
        return kv_b(c, data, name, bid);
    return qfs_text_tensor(c, data, name, bid);
}

/* head_count_kv by layer: 1 where attention is full (config counts layers from 1), else 0. */
int qfs_put_kda_layers(struct qfs_converter *c)
{
    const struct qfs_json *full =
        qfs_json_get(qfs_hparam(c, "linear_attn_config"), "full_attn_layers");
    int64_t nlayers, layer;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (!qfs_json_is(full, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: linear_attn_config has no list full_attn_layers",
                        c->model->path);
    int32_t *heads = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*heads));
    if (!heads)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < full->count; i++)
        if (qfs_json_int(&full->items[i], &layer) && layer >= 1 && layer <= nlayers)
            heads[layer - 1] = 1;
    qfs_put_i32s(c, "attention.head_count_kv", heads, (size_t)nlayers);
    return 0;
}

/* A member of linear_attn_config as a key, where it is there. */
static int put_linear(struct qfs_converter *c, const char *key, const char *name)
{
    const struct qfs_json *value = qfs_json_get(qfs_hparam(c, "linear_attn_config"), name);
    return qfs_json_is_null(value) ? 0 : qfs_put_param(c, key, QFS_PARAM_U32, value);
}

static int put_mla(struct qfs_converter *c)
{
    static const struct qfs_param ranks[] = {
        {"attention.q_lora_rank", QFS_PARAM_U32, {"q_lora_rank", "n_lora_q"}},
        {"attention.kv_lora_rank", QFS_PARAM_U32, {"kv_lora_rank", "n_lora_kv"}, true},
        {"rope.dimension_count", QFS_PARAM_U32, {"qk_rope_head_dim", "n_rot"}, true},
        {NULL},
    };
    int64_t rank, rope, nope;
    int rc = qfs_put_params(c, ranks);
    if (rc < 0 || (rc = qfs_hparam_count(c, &rank, "kv_lora_rank", "n_lora_kv")) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim", "n_rot")) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", rank + rope);
    if (!qfs_json_is_null(qfs_hparam(c, "n_embd_head_k_mla"))) {
        rc = qfs_put_one(c, "attention.key_length_mla", QFS_PARAM_U32, {"n_embd_head_k_mla"});
    } else if (!qfs_json_is_null(qfs_hparam(c, "qk_nope_head_dim"))) {
        rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim");
        if (rc == 0)
            qfs_put_u32(c, "attention.key_length_mla", nope + rope);
    }
    if (rc < 0)
        return rc;
    bool named = !qfs_json_is_null(qfs_hparam(c, "n_embd_head_v_mla"));
    return qfs_put_one(c, "attention.value_length_mla", QFS_PARAM_U32,
                       {named ? "n_embd_head_v_mla" : "v_head_dim"});
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param moe[] = {
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}, true},
        {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {NULL},
    };
    int rc;
    if ((rc = qfs_hparam_set_int(c, "num_key_value_heads", 1)) < 0 || (rc = qfs_text_keys(c)) < 0 ||
        (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_put_kda_layers(c)) < 0 ||
        (rc = put_linear(c, "ssm.conv_kernel", "short_conv_kernel_size")) < 0 ||
        (rc = put_linear(c, "kda.head_dim", "head_dim")) < 0 || (rc = put_mla(c)) < 0)
        return rc;
    return qfs_put_params(c, moe);
}

static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_deepseek2(c->out, c->hparams, true, c->error);
}

const struct qfs_family qfs_family_kimi_linear = {
    .arch = "kimi-linear",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
