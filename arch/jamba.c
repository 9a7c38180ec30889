/* Jamba: Mamba and attention layers, some of them with experts. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const classes[] = {"JambaForCausalLM", NULL};

static const struct qfs_expert_layout experts = {
    "model.layers.{bid}.feed_forward.experts.{xid}.{w}.weight",
    "model.layers.{bid}.mlp.experts.{w}.weight",
    {"down_proj", "gate_proj", "up_proj"},
};

static bool has_experts(int64_t bid, int64_t offset, int64_t period)
{
    return bid >= offset && (bid - offset) % period == 0;
}

static int period_of(struct qfs_converter *c, const char *name, int64_t *ret_period)
{
    int rc = qfs_hparam_count(c, ret_period, name);
    if (rc == 0 && *ret_period == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is 0", c->model->path, name);
    return rc;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t offset, period, nexperts;
    int rc;
    name = qfs_name_replace(c, name, ".moe.", ".feed_forward.");
    if (!name)
        return -ENOMEM;
    if (bid >= 0) {
        if ((rc = qfs_hparam_count(c, &offset, "expert_layer_offset")) < 0 ||
            (rc = period_of(c, "expert_layer_period", &period)) < 0)
            return rc;
        if (!has_experts(bid, offset, period) &&
            !(name = qfs_name_replace(c, name, ".experts.0.", ".")))
            return -ENOMEM;
    }
    if (strstr(name, ".feed_forward.experts.")) {
        rc = qfs_hparam_count(c, &nexperts, "num_local_experts", "num_experts");
        return rc < 0 ? rc : qfs_expert_tensor(c, data, name, bid, nexperts, &experts);
    }
    const char *new_name = qfs_map_name(c, name);
    if (!new_name)
        return -c->error->code;
    if (qfs_name_matches(c, new_name, "blk.{bid}.ssm_conv1d", ".weight", bid))
        data = qfs_lazy_squeeze(c, data);
    return qfs_emit(c, qfs_mamba_decay(c, data, name), name, new_name, bid);
}

/* Heads of keys and values by layer: none where it is a Mamba layer. */
static int put_kv_heads(struct qfs_converter *c)
{
    int64_t nheads, offset, period;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &offset, "attn_layer_offset")) < 0 ||
        (rc = period_of(c, "attn_layer_period", &period)) < 0)
        return rc;
    /* the converter's list is as long as the offset, if there are fewer layers */
    int64_t count = QFS_MAX(c->block_count, QFS_MIN(offset, (int64_t)4096));
    int32_t *heads = qfs_arena_array(c->arena, (size_t)count, sizeof(*heads));
    if (!heads)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < count; i++)
        heads[i] = has_experts(i, offset, period) && i < c->block_count ? (int32_t)nheads : 0;
    qfs_put_i32s(c, "attention.head_count_kv", heads, (size_t)count);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32, "context_length", {"max_position_embeddings", "n_ctx"}},
        {QFS_RULE_U32, "embedding_length", {"hidden_size", "mamba_d_model"}},
        {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"intermediate_size"}},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_U32, "expert_count", {"num_local_experts", "num_experts"}},
        {QFS_RULE_U32, "expert_used_count", {"num_experts_per_tok", "num_experts_per_token"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    static const char *const conv_names[] = {"mamba_d_conv", NULL};
    static const char *const state_names[] = {"mamba_d_state", NULL};
    static const char *const rank_names[] = {"mamba_dt_rank", NULL};
    int64_t width, expand, conv, state, rank;
    int rc;
    if ((rc = qfs_hparam_count(c, &width, "hidden_size", "mamba_d_model")) < 0 ||
        (rc = qfs_hparam_count(c, &expand, "mamba_expand")) < 0 ||
        (rc = qfs_hparam_or(c, conv_names, 4, &conv)) < 0 ||
        (rc = qfs_hparam_or(c, state_names, 16, &state)) < 0 ||
        (rc = qfs_hparam_or(c, rank_names, (width + 15) / 16, &rank)) < 0 ||
        (rc = qfs_put_rules(c, before)) < 0 || (rc = put_kv_heads(c)) < 0)
        return rc;
    qfs_put_u32(c, "ssm.conv_kernel", conv);
    qfs_put_u32(c, "ssm.inner_size", expand * width);
    qfs_put_u32(c, "ssm.state_size", state);
    qfs_put_u32(c, "ssm.time_step_rank", rank);
    rc = qfs_mamba_epsilon(c, 1e-6);
    return rc < 0 ? rc : qfs_put_rules(c, after);
}

static int vocab(struct qfs_converter *c)
{
    if (qfs_vocab_file_exists(c->model, "tokenizer.model"))
        return qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    int rc = qfs_vocab_llama_hf(c->out, c->error);
    if (rc == 0)
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_space_prefix", false);
    return rc;
}

const struct qfs_family qfs_family_jamba = {
    .arch = "jamba",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
