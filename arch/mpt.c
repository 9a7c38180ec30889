/* MPT, whose sizes stand in attn_config, and SEA-LION. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"MPTForCausalLM", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strstr(name, "scales"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s: tensor %s: AWQ's scales are not converted by llama.cpp v0.5.0",
                        c->model->path, name);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_U32, "context_length", {"max_seq_len"}},
        {QFS_RULE_U32, "embedding_length", {"d_model"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_FOURFOLD, "feed_forward_length", {"d_model"}},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_heads"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *attention = qfs_hparam(c, "attn_config");
    const struct qfs_json *kv = qfs_json_get(attention, "kv_n_heads");
    const struct qfs_json *clip = qfs_json_get(attention, "clip_qkv");
    const struct qfs_json *alibi = qfs_json_get(attention, "alibi");
    int rc = qfs_put_rules(c, sizes);
    if (rc < 0)
        return rc;
    if (!clip || !alibi)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: its attn_config has no clip_qkv or no alibi",
                        c->model->path);
    if (qfs_json_truthy(kv) &&
        (rc = qfs_put_param(c, "attention.head_count_kv", QFS_PARAM_U32_OR_LIST, kv)) < 0)
        return rc;
    qfs_put_f32(c, "attention.layer_norm_epsilon", 1e-5);
    if (!qfs_json_is_null(clip) &&
        (rc = qfs_put_param(c, "attention.clamp_kqv", QFS_PARAM_F32, clip)) < 0)
        return rc;
    if (qfs_json_truthy(alibi))
        return qfs_put_param(c, "attention.max_alibi_bias", QFS_PARAM_F32,
                             qfs_json_get(attention, "alibi_bias_max"));
    qfs_put_f32(c, "attention.max_alibi_bias", 0);
    return 0;
}

/* SEA-LION has a SentencePiece vocabulary: what the converter tries when the first way fails. */
static int vocab(struct qfs_converter *c)
{
    struct qfs_kvs *kvs = &c->out->kvs;
    int rc = qfs_vocab_gpt2(c->out, c->hparams, c->error);
    if (rc == 0 || rc == -ENOMEM)
        return rc;
    const struct qfs_error first = *c->error;
    int second = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (second == -ENOENT) {
        *c->error = first;
        return rc;
    }
    if (second < 0)
        return second;
    qfs_kv_bool(kvs, "tokenizer.ggml.add_bos_token", false);
    qfs_kv_u32(kvs, "tokenizer.ggml.padding_token_id", 3);
    qfs_kv_u32(kvs, "tokenizer.ggml.eos_token_id", 1);
    qfs_kv_u32(kvs, "tokenizer.ggml.unknown_token_id", 0);
    return 0;
}

const struct qfs_family qfs_family_mpt = {
    .arch = "mpt",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
