/* StableLM. */
#include "converter.h"

#include "vocab/vocab.h"

#include <math.h>
#include <string.h>

static const char *const classes[] = {"StableLmForCausalLM", "StableLMEpochForCausalLM",
                                      "LlavaStableLMEpochForCausalLM", NULL};

/* The converter gathers the norms of single heads and then loses them, which it notices at its end. */
static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nheads;
    int rc = qfs_hparam_count(c, &nheads, "num_attention_heads");
    if (rc < 0 || (rc = qfs_hparam_count(c, &nheads, "num_key_value_heads")) < 0)
        return rc;
    if (strstr(name, "q_layernorm.norms") || strstr(name, "k_layernorm.norms"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s: tensor %s: llama.cpp v0.5.0's converter cannot convert a StableLM "
                        "whose heads have norms of their own",
                        c->model->path, name);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
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
        {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"num_key_value_heads"}},
        {QFS_RULE_BOOL_OR, "use_parallel_residual", {"use_parallel_residual"}, true},
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_eps", "norm_eps"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    int64_t hidden, nheads;
    double part;
    int rc = qfs_put_rules(c, before);
    if (rc < 0 || (rc = qfs_rope_number(c, "partial_rotary_factor", NAN, &part)) < 0 ||
        (rc = qfs_rotary_sizes(c, part, &hidden, &nheads)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", (int64_t)(part * (double)(hidden / nheads)));
    return qfs_put_rules(c, after);
}

static int vocab(struct qfs_converter *c)
{
    if (qfs_vocab_file_exists(c->model, "tokenizer.json"))
        return qfs_vocab_gpt2(c->out, c->hparams, c->error);
    return qfs_vocab_qwen(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_stablelm = {
    .arch = "stablelm",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
