/* LLaDA and Dream: diffusion models, whose attention is not causal. */
#include "converter.h"

#include <string.h>

static const char *const llada_classes[] = {"LLaDAModelLM", NULL};
static const char *const llada_moe_classes[] = {"LLaDAMoEModel", "LLaDAMoEModelLM", NULL};
static const char *const dream_classes[] = {"DreamModel", NULL};

static int plain_vocab(struct qfs_converter *c)
{
    static const struct qfs_vocab_way way = {.added = QFS_VOCAB_ADDED_PLAIN};
    return qfs_vocab_gpt2_way(c->out, c->hparams, &way, c->error);
}

/* -- LLaDA ------------------------------------------------------------------------------------------ */

static int llada_heads(struct qfs_converter *c, int64_t *ret_nheads, int64_t *ret_nheads_kv)
{
    int rc = qfs_hparam_count(c, ret_nheads, "num_attention_heads", "n_heads");
    *ret_nheads_kv = *ret_nheads;
    if (rc == 0 && !qfs_json_is_null(qfs_hparam_any(c, "num_key_value_heads", "n_kv_heads")))
        rc = qfs_hparam_count(c, ret_nheads_kv, "num_key_value_heads", "n_kv_heads");
    return rc;
}

static int llada_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    int64_t nheads = 0, nheads_kv;
    int rc = llada_heads(c, &nheads, &nheads_kv);
    if (rc < 0)
        return rc;
    if (qfs_ends_with(name, "q_proj.weight") || qfs_ends_with(name, "q_proj.bias"))
        data = qfs_lazy_permute_heads(c, data, nheads);
    if (qfs_ends_with(name, "k_proj.weight") || qfs_ends_with(name, "k_proj.bias"))
        data = qfs_lazy_permute_heads(c, data, nheads_kv);
    return qfs_text_tensor(c, data, name, bid);
}

static int put_rotated(struct qfs_converter *c)
{
    int64_t dim, nheads;
    int rc;
    if (!qfs_json_is_null(qfs_hparam(c, "head_dim"))) {
        rc = qfs_hparam_count(c, &dim, "head_dim");
    } else {
        if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads", "n_heads")) < 0 ||
            (rc = qfs_hparam_count(c, &dim, "hidden_size", "d_model")) < 0)
            return rc;
        dim = nheads ? dim / nheads : 0;
    }
    if (rc == 0)
        qfs_put_u32(c, "rope.dimension_count", dim);
    return rc;
}

static int llada_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_pooling(c)) < 0 ||
        (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = put_rotated(c)) < 0 ||
        (rc = qfs_put_param_or(c, "context_length", QFS_PARAM_U32, "max_sequence_length", 4096)) <
            0 ||
        (rc = qfs_put_param_or(c, "embedding_length", QFS_PARAM_U32, "d_model", 4096)) < 0 ||
        (rc = qfs_put_param_or(c, "feed_forward_length", QFS_PARAM_U32, "mlp_hidden_size", 12288)) <
            0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    qfs_kv_bool(&c->out->kvs, "diffusion.shift_logits", false);
    return 0;
}

static int llada_vocab(struct qfs_converter *c)
{
    int rc = plain_vocab(c);
    if (rc == 0)
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", true);
    return rc;
}

const struct qfs_family qfs_family_llada = {
    .arch = "llada",
    .hf_classes = llada_classes,
    .tensor = llada_tensor,
    .keys = llada_keys,
    .vocab = llada_vocab,
};

/* -- LLaDA with experts ----------------------------------------------------------------------------- */

enum { MASK_TOKEN = 156895 };

static int llada_moe_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "expert_feed_forward_length", QFS_PARAM_U32_OR_LIST,
                                    {"expert_intermediate_size"})) < 0)
        return rc;
    qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.mask_token_id", MASK_TOKEN);
    qfs_put_bool(c, "attention.causal", false);
    qfs_kv_bool(&c->out->kvs, "diffusion.shift_logits", false);
    return 0;
}

const struct qfs_family qfs_family_llada_moe = {
    .arch = "llada-moe",
    .hf_classes = llada_moe_classes,
    .tensor = qfs_mlp_experts_tensor,
    .keys = llada_moe_keys,
};

/* -- Dream ------------------------------------------------------------------------------------------ */

static int dream_keys(struct qfs_converter *c)
{
    const struct qfs_json *mask = qfs_hparam(c, "mask_token_id");
    int64_t id = 0;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_pooling(c)) < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    if (qfs_json_is_null(mask))
        return 0;
    if ((rc = qfs_hparam_count(c, &id, "mask_token_id")) == 0)
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.mask_token_id", (uint32_t)id);
    return rc;
}

static int dream_vocab(struct qfs_converter *c)
{
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    return rc == -ENOENT ? plain_vocab(c) : rc;
}

const struct qfs_family qfs_family_dream = {
    .arch = "dream",
    .hf_classes = dream_classes,
    .keys = dream_keys,
    .vocab = dream_vocab,
};
