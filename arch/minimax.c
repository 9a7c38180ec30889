/* MiniMax Text-01 and M1 (lightning attention), M2, M3. */
#include "converter.h"

#include <string.h>

#include "vocab/tokenizer.h"
#include "vocab/vocab.h"
#include "vocab/vocab_ways.h"

static const char *const text01_classes[] = {"MiniMaxText01ForCausalLM", "MiniMaxM1ForCausalLM",
                                             NULL};
static const char *const m2_classes[] = {"MiniMaxM2ForCausalLM", NULL};
static const char *const m3_classes[] = {"MiniMaxM3SparseForCausalLM",
                                         "MiniMaxM3SparseForConditionalGeneration", NULL};

/* -- Text-01, M1 ----------------------------------------------------------------------------------------- */

static int text01_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    if (!strstr(name, "block_sparse_moe.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mixtral_experts, "num_local_experts");
}

/* Size of the tokenizer's vocabulary without added tokens. */
static int count_tokens(struct qfs_converter *c, int64_t *ret_count)
{
    struct qfs_tokenizer *t = NULL;
    int rc = qfs_tokenizer_open(c->model, &t, c->error);
    if (rc == 0)
        *ret_count = (int64_t)t->tokens.ids.count;
    qfs_tokenizer_close(t);
    return rc;
}

/* Tokens behind the vocabulary whose embeddings are all zero, which must never be drawn. Needs the rows
 * of these few tokens. */
static int put_suppressed(struct qfs_converter *c)
{
    static const char name[] = "model.embed_tokens.weight";
    const struct qfs_tensor *tensor = qfs_model_tensor(c->model, name);
    int64_t first = 0;
    size_t count = 0;
    if (!tensor || tensor->ndim != 2 ||
        !qfs_vocab_file_exists(c->model, "model.safetensors.index.json"))
        return qfs_fail(c->error, EINVAL, "%s: has no model.safetensors.index.json with %s",
                        c->model->path, name);
    int rc = count_tokens(c, &first);
    if (rc < 0 || first >= tensor->shape[0])
        return rc;
    size_t size = qfs_dtypes[tensor->dtype].size, row = (size_t)tensor->shape[1] * size;
    int32_t *ids = qfs_arena_array(c->arena, (size_t)(tensor->shape[0] - first), sizeof(*ids));
    uint8_t *data = qfs_arena_alloc(c->arena, row);
    if (!ids || !data)
        return qfs_fail_memory(c->error);
    for (int64_t id = first; id < tensor->shape[0]; id++) {
        rc = qfs_model_pread(c->model, tensor, (uint64_t)id * row, data, row, c->error);
        if (rc < 0)
            return rc;
        uint8_t bits = 0;
        for (size_t i = 0; i < row; i++) /* the sign does not count */
            bits |= (i + 1) % size == 0 ? data[i] & 0x7F : data[i];
        if (!bits)
            ids[count++] = (int32_t)id;
    }
    if (count)
        qfs_kv_array(&c->out->kvs, "tokenizer.ggml.suppress_tokens", QFS_KV_I32, ids, count);
    return 0;
}

/* All residuals are scaled alike, and all betas are 1. */
static int find_residual_scale(struct qfs_converter *c, double *ret_scale)
{
    static const char *const names[] = {"full_attention", "linear_attention", "mlp"};
    double alpha, beta;
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        const char *key = qfs_arena_printf(c->arena, "layernorm_%s_alpha", names[i]);
        const char *other = qfs_arena_printf(c->arena, "layernorm_%s_beta", names[i]);
        if (!key || !other)
            return qfs_fail_memory(c->error);
        if (!qfs_json_real(qfs_hparam(c, key), &alpha) ||
            !qfs_json_real(qfs_hparam(c, other), &beta) || beta != 1 || (i && alpha != *ret_scale))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: %s must be the same for all parts of a layer, %s 1",
                            c->model->path, key, other);
        *ret_scale = alpha;
    }
    return 0;
}

static int text01_keys(struct qfs_converter *c)
{
    double scale = 0;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = put_suppressed(c)) < 0 || (rc = find_residual_scale(c, &scale)) < 0)
        return rc;
    qfs_put_f32(c, "residual_scale", scale);
    return qfs_put_one(c, "rope.dimension_count", QFS_PARAM_U32, {"rotary_dim"}, true);
}

static int text01_vocab(struct qfs_converter *c)
{
    struct qfs_text template = qfs_vocab_template("MiniMax-M1.jinja");
    int rc = qfs_text_vocab(c);
    if (rc == 0 && qfs_vocab_file_exists(c->model, "chat_template.jinja"))
        rc = qfs_vocab_read_text(c->arena, c->model, "chat_template.jinja", &template, c->error);
    if (rc == 0 && template.size)
        qfs_kv_text(&c->out->kvs, "tokenizer.chat_template", template);
    return rc;
}

const struct qfs_family qfs_family_minimax01 = {
    .arch = "minimax-01",
    .hf_classes = text01_classes,
    .tensor = text01_tensor,
    .keys = text01_keys,
    .vocab = text01_vocab,
};

/* -- M2 ------------------------------------------------------------------------------------------------ */

static int m2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    if (!strstr(name, "block_sparse_moe.experts."))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_moe_experts, "num_local_experts", "num_experts");
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
