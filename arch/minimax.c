/* MiniMax Text-01 and M1 (lightning attention), M2, M3. */
#include "converter.h"

#include <string.h>

static const char *const m2_classes[] = {"MiniMaxM2ForCausalLM", NULL};
static const char *const m3_classes[] = {"MiniMaxM3SparseForCausalLM",
                                         "MiniMaxM3SparseForConditionalGeneration", NULL};

/* -- M2 ------------------------------------------------------------------------------------------------ */

static int m2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    int64_t nexperts;
    int rc;
    if (!strstr(name, "block_sparse_moe.experts."))
        return qfs_text_tensor(c, data, name, bid);
    if ((rc = qfs_hparam_count(c, &nexperts, "num_local_experts", "num_experts")) < 0)
        return rc;
    return qfs_expert_tensor(c, data, name, bid, nexperts, &qfs_moe_experts);
}

static int m2_keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"intermediate_size"}, true},
        {"rope.dimension_count", QFS_PARAM_U32, {"rotary_dim"}, true},
        {NULL},
    };
    int rc = qfs_text_keys(c);
    return rc < 0 ? rc : qfs_put_params(c, table);
}

const struct qfs_family qfs_family_minimax_m2 = {
    .arch = "minimax-m2",
    .hf_classes = m2_classes,
    .tensor = m2_tensor,
    .keys = m2_keys,
};

/* -- M3 ------------------------------------------------------------------------------------------------ */

/* Norms are stored less one. */
static int m3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    if (qfs_ends_with(name, "norm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    return data ? m2_tensor(c, data, name, bid) : -c->error->code;
}

static int m3_force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                          int ndims)
{
    (void)c, (void)name, (void)bid, (void)ndims;
    return strstr(new_name, ".indexer.") ? QFS_TYPE_F32 : -1;
}

/* sparse_attention_config's numbers */
static int put_sparse(struct qfs_converter *c)
{
    static const char *const keys[][2] = {
        {"attention.indexer.head_count", "sparse_num_index_heads"},
        {"attention.indexer.key_length", "sparse_index_dim"},
        {"attention.indexer.top_k", "sparse_topk_blocks"},
        {"attention.indexer.block_size", "sparse_block_size"},
        {"attention.indexer.local_blocks", "sparse_local_block"},
    };
    const struct qfs_json *sparse = qfs_hparam(c, "sparse_attention_config");
    int rc = 0;
    for (size_t i = 0; i < QFS_COUNT(keys) && rc == 0; i++)
        rc = qfs_put_param(c, keys[i][0], QFS_PARAM_U32, qfs_json_get(sparse, keys[i][1]));
    return rc;
}

static int m3_keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"expert_shared_count", QFS_PARAM_U32, {"n_shared_experts"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
        {NULL},
    };
    const struct qfs_json *freq = qfs_hparam(c, "moe_layer_freq");
    int64_t ndense = 0, value;
    int rc = m2_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, table)) < 0)
        return rc;
    qfs_put_bool(c, "expert_weights_norm", true);
    if ((rc = put_sparse(c)) < 0)
        return rc;
    if (!qfs_json_is(freq, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: moe_layer_freq is not a list",
                        c->model->path);
    while (qfs_json_int(qfs_json_at(freq, (size_t)ndense), &value) && value == 0)
        ndense++;
    qfs_put_u32(c, "leading_dense_block_count", ndense);
    return 0;
}

const struct qfs_family qfs_family_minimax_m3 = {
    .arch = "minimax-m3",
    .hf_classes = m3_classes,
    .parent = &qfs_family_minimax_m2,
    .tensor = m3_tensor,
    .force_quant = m3_force_quant,
    .keys = m3_keys,
};
