/* GPT-NeoX and BLOOM: query, key and value of a head stand together in one tensor. */
#include "converter.h"

#include <string.h>

static const char *const gptneox_classes[] = {"GPTNeoXForCausalLM", NULL};
static const char *const bloom_classes[] = {"BloomForCausalLM", "BloomModel", NULL};

/* hparams.get(a, hparams.get(b)), which may not be None. */
static int needed(struct qfs_converter *c, const char *first, const char *second, int64_t *ret)
{
    int rc = qfs_hparam_count(c, ret, first, second);
    if (rc == 0 && *ret == 0)
        rc = qfs_fail(c->error, EINVAL, "%s/config.json: %s is 0", c->model->path, first);
    return rc;
}

static bool is_part(const char *name, const char *head, const char *part)
{
    const char *tail = qfs_layer_part(name, head);
    return tail && qfs_starts_with(tail, part);
}

/* [head][q, k, v][…] becomes [q, k, v][head][…]. */
static const struct qfs_recipe *separate(struct qfs_converter *c, const struct qfs_recipe *data,
                                         int64_t nheads, int64_t nembd, bool bias)
{
    int64_t shape[] = {nheads, 3, nembd / nheads, nembd};
    int64_t flat[] = {nembd / nheads * nheads * 3, nembd};
    const struct qfs_recipe *heads = qfs_lazy_reshape(c, data, bias ? 3 : 4, shape);
    return qfs_lazy_reshape(c, qfs_lazy_swapaxes(c, heads, 0, 1), bias ? 1 : 2, flat);
}

/* -- GPT-NeoX --------------------------------------------------------------------------------------- */

static int gptneox_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    int64_t nheads, nembd;
    int rc = needed(c, "n_head", "num_attention_heads", &nheads);
    if (rc < 0 || (rc = needed(c, "hidden_size", "n_embed", &nembd)) < 0)
        return rc;
    if (is_part(name, "gpt_neox.layers.", "attention.query_key_value.weight"))
        data = separate(c, data, nheads, nembd, false);
    else if (is_part(name, "gpt_neox.layers.", "attention.query_key_value.bias"))
        data = separate(c, data, nheads, nembd, true);
    return qfs_text_tensor(c, data, name, bid);
}

static int gptneox_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_U32, "context_length", {"max_position_embeddings"}},
        {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"intermediate_size"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads"}},
        {QFS_RULE_BOOL_OR, "use_parallel_residual", {"use_parallel_residual"}, true},
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_eps"}},
        {QFS_RULE_END},
    };
    int64_t hidden, nheads;
    double part;
    int rc = qfs_put_rules(c, before);
    if (rc < 0 || (rc = qfs_hparam_real(c, "rotary_pct", &part)) < 0 ||
        (rc = qfs_rotary_sizes(c, part, &hidden, &nheads)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", (int64_t)(part * (double)(hidden / nheads)));
    return qfs_put_rules(c, after);
}

const struct qfs_family qfs_family_gptneox = {
    .arch = "gptneox",
    .hf_classes = gptneox_classes,
    .tensor = gptneox_tensor,
    .keys = gptneox_keys,
};

/* -- BLOOM ------------------------------------------------------------------------------------------ */

static int bloom_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    int64_t nheads, nembd;
    int rc = needed(c, "n_head", "num_attention_heads", &nheads);
    if (rc < 0 || (rc = needed(c, "hidden_size", "n_embed", &nembd)) < 0)
        return rc;
    name = qfs_name_replace(c, name, "transformer.", "");
    if (!name)
        return -ENOMEM;
    if (is_part(name, "h.", "self_attention.query_key_value.weight"))
        data = separate(c, data, nheads, nembd, false);
    else if (is_part(name, "h.", "self_attention.query_key_value.bias"))
        data = separate(c, data, nheads, nembd, true);
    return qfs_text_tensor(c, data, name, bid);
}

static const struct qfs_key_rule bloom_rules[] = {
    {QFS_RULE_U32, "context_length", {"seq_length", "hidden_size", "n_embed"}},
    {QFS_RULE_U32, "embedding_length", {"hidden_size", "n_embed"}},
    {QFS_RULE_FOURFOLD, "feed_forward_length", {"hidden_size", "n_embed"}},
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head", "num_attention_heads"}},
    {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"n_head", "num_attention_heads"}},
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_bloom = {
    .arch = "bloom",
    .hf_classes = bloom_classes,
    .tensor = bloom_tensor,
    .rules = bloom_rules,
};
