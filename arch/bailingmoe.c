/* Ling: BailingMoe 1 and 2. */
#include "converter.h"

#include <string.h>

static const char *const v1_classes[] = {"BailingMoeForCausalLM", NULL};
static const char *const v2_classes[] = {"BailingMoeV2ForCausalLM", NULL};

static const struct qfs_param sizes[] = {
    {"leading_dense_block_count", QFS_PARAM_U32, {"first_k_dense_replace"}, true},
    {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
    {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
    {NULL},
};

static int expert(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_local_experts", "num_experts");
}

/* -- 1 -------------------------------------------------------------------------------------------------- */

static int emit_as(struct qfs_converter *c, const struct qfs_recipe *data, const char *key, int bid)
{
    const char *name = qfs_format_name(c, key, ".weight", bid);
    return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
}

static int split_qkv(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    int64_t nheads, nkv, dim;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nkv, "num_key_value_heads")) < 0 ||
        (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    if (data->ndim != 2 || data->shape[0] != (nheads + 2 * nkv) * dim)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its rows are not the heads of config.json", c->model->path,
                        name);
    const struct qfs_recipe *q = qfs_lazy_slice(c, data, 0, 0, nheads * dim);
    const struct qfs_recipe *k = qfs_lazy_slice(c, data, 0, nheads * dim, nkv * dim);
    const struct qfs_recipe *v = qfs_lazy_slice(c, data, 0, (nheads + nkv) * dim, nkv * dim);
    if ((rc = emit_as(c, qfs_lazy_permute_heads(c, q, nheads), "blk.{bid}.attn_q", bid)) < 0 ||
        (rc = emit_as(c, qfs_lazy_permute_heads(c, k, nkv), "blk.{bid}.attn_k", bid)) < 0)
        return rc;
    return emit_as(c, v, "blk.{bid}.attn_v", bid);
}

static int v1_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    if (qfs_ends_with(name, "attention.dense.weight"))
        return emit_as(c, data, "blk.{bid}.attn_output", bid);
    if (qfs_ends_with(name, "query_key_value.weight"))
        return split_qkv(c, data, name, bid);
    if (strstr(name, "mlp.experts"))
        return expert(c, data, name, bid);
    const char *new_name = qfs_map_name(c, name);
    if (!new_name)
        return -c->error->code;
    if (strcmp(new_name, "output.weight") == 0 && qfs_json_truthy(qfs_hparam(c, "norm_head")))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: norm_head, an output matrix normed by its columns, is not "
                        "supported",
                        c->model->path);
    return qfs_text_tensor(c, data, new_name, bid);
}

static int v1_keys(struct qfs_converter *c)
{
    static const struct qfs_param after[] = {
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}, true},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
        {NULL},
    };
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if ((rc = qfs_put_params(c, sizes)) < 0)
        return rc;
    qfs_put_f32(c, "expert_weights_scale", 1.0);
    return qfs_put_params(c, after);
}

const struct qfs_family qfs_family_bailingmoe = {
    .arch = "bailingmoe",
    .hf_classes = v1_classes,
    .tensor = v1_tensor,
    .keys = v1_keys,
};

/* -- 2 -------------------------------------------------------------------------------------------------- */

static int v2_begin(struct qfs_converter *c)
{
    return qfs_json_truthy(qfs_hparam(c, "num_nextn_predict_layers")) ? qfs_begin_with_nextn(c) : 0;
}

static int v2_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    name = qfs_name_swap_suffix(c, name, ".expert_bias", ".expert_bias.bias");
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

static int v2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    return strstr(name, "mlp.experts") ? expert(c, data, name, bid)
                                       : qfs_text_tensor(c, data, name, bid);
}

static int v2_keys(struct qfs_converter *c)
{
    static const struct qfs_param after[] = {
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {"expert_shared_count", QFS_PARAM_U32, {"num_shared_experts"}, true},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
        {"nextn_predict_layers", QFS_PARAM_U32, {"num_nextn_predict_layers"}},
        {NULL},
    };
    int64_t dim, size, nshared, shared;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_rotated_dim(c, 0.5, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    if ((rc = qfs_put_params(c, sizes)) < 0 ||
        (rc = qfs_hparam_count(c, &size, "moe_intermediate_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nshared, "num_shared_experts")) < 0 ||
        (rc = qfs_hparam_count_or(c, "moe_shared_expert_intermediate_size", size * nshared,
                                  &shared)) < 0)
        return rc;
    qfs_put_u32(c, "expert_shared_feed_forward_length", shared);
    return qfs_put_params(c, after);
}

const struct qfs_family qfs_family_bailingmoe2 = {
    .arch = "bailingmoe2",
    .hf_classes = v2_classes,
    .begin = v2_begin,
    .filter = v2_filter,
    .tensor = v2_tensor,
    .keys = v2_keys,
};
