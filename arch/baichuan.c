/* Baichuan, XVERSE, Orion: Llama's layout of attention, in Meta's order of rotated dimensions. */
#include "converter.h"

#include <string.h>

static const char *const baichuan_classes[] = {"BaichuanForCausalLM", "BaiChuanForCausalLM", NULL};
static const char *const xverse_classes[] = {"XverseForCausalLM", NULL};
static const char *const orion_classes[] = {"OrionForCausalLM", NULL};

/* Heads of the queries and of the keys. */
static int read_heads(struct qfs_converter *c, int64_t *ret_nheads, int64_t *ret_nheads_kv)
{
    int rc = qfs_hparam_count(c, ret_nheads, "num_attention_heads");
    if (rc == 0)
        rc = qfs_hparam_count_or(c, "num_key_value_heads", *ret_nheads, ret_nheads_kv);
    if (rc == 0 && (*ret_nheads == 0 || *ret_nheads_kv == 0))
        rc = qfs_fail(c->error, EINVAL, "%s/config.json: a number of heads is 0", c->model->path);
    return rc;
}

static int llama_keys(struct qfs_converter *c)
{
    int64_t hidden, nheads, nheads_kv;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = read_heads(c, &nheads, &nheads_kv)) < 0)
        return rc;
    qfs_put_string(c, "tensor_data_layout", "Meta AI original pth");
    qfs_put_u32(c, "rope.dimension_count", hidden / nheads);
    return 0;
}

/* _reverse_hf_permute. Fewer key heads: as many groups as there are queries for each, as the converter
 * has it. */
static const struct qfs_recipe *permute(struct qfs_converter *c, const struct qfs_recipe *data,
                                        int64_t nheads, int64_t nheads_kv)
{
    return qfs_lazy_permute_heads(c, data, nheads == nheads_kv ? nheads : nheads / nheads_kv);
}

/* -- Baichuan --------------------------------------------------------------------------------------- */

/* The converter calls itself over again for every tensor but W_pack, until Python stops it. */
static int baichuan_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    return qfs_fail(c->error, ENOTSUP,
                    "%s: llama.cpp v0.5.0's converter cannot convert Baichuan: it recurses without "
                    "end at tensor %s",
                    c->model->path, name);
}

const struct qfs_family qfs_family_baichuan = {
    .arch = "baichuan",
    .hf_classes = baichuan_classes,
    .tensor = baichuan_tensor,
};

/* -- XVERSE ----------------------------------------------------------------------------------------- */

static int xverse_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    int64_t nheads, nheads_kv;
    int rc = read_heads(c, &nheads, &nheads_kv);
    if (rc < 0)
        return rc;
    if (qfs_ends_with(name, "q_proj.weight"))
        data = permute(c, data, nheads, nheads);
    if (qfs_ends_with(name, "k_proj.weight"))
        data = permute(c, data, nheads, nheads_kv);
    return qfs_text_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_xverse = {
    .arch = "xverse",
    .hf_classes = xverse_classes,
    .tensor = xverse_tensor,
    .keys = llama_keys,
    .vocab_method = qfs_vocab_xverse,
};

/* -- Orion ------------------------------------------------------------------------------------------ */

static const struct qfs_key_rule orion_rules[] = {
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_IS_TEXT, "tensor_data_layout", .text = "Meta AI original pth"},
    {QFS_RULE_U32,
     "context_length",
     {"max_sequence_length", "max_position_embeddings", "model_max_length"}},
    {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"intermediate_size"}},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads"}},
    {QFS_RULE_U32_OR_LIST,
     "attention.head_count_kv",
     {"num_key_value_heads", "num_attention_heads"}},
    /* its norms are layer norms, whatever config calls them */
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"rms_norm_eps"}},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_orion = {
    .arch = "orion",
    .hf_classes = orion_classes,
    .rules = orion_rules,
    .vocab_method = qfs_vocab_sentencepiece,
};
