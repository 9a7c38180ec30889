/* Encoders of a later kind: ModernBERT, NeoBERT, EuroBERT (and Jina 5, which is one). */
#include "converter.h"

#include <string.h>

static const char *const modern_classes[] = {"ModernBertModel", "ModernBertForMaskedLM",
                                             "ModernBertForSequenceClassification", NULL};
static const char *const neo_classes[] = {"NeoBERT", "NeoBERTLMHead",
                                          "NeoBERTForSequenceClassification", NULL};
static const char *const euro_classes[] = {"EuroBertModel", "JinaEmbeddingsV5Model", NULL};

static const char *without_model(const char *name)
{
    return qfs_starts_with(name, "model.") ? name + 6 : name;
}

static int modern_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    return qfs_bert_filter(c, without_model(name), ret_name);
}

static int modern_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule window[] = {
        {QFS_RULE_U32, "attention.sliding_window", {"local_attention"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule size[] = {
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *pattern = qfs_hparam(c, "global_attn_every_n_layers");
    const struct qfs_json *act = qfs_hparam(c, "hidden_activation");
    int rc = qfs_bert_keys(c);
    if (rc < 0 || (rc = qfs_put_rules(c, window)) < 0)
        return rc;
    if (!qfs_json_is_null(pattern) && (rc = qfs_put_param(c, "attention.sliding_window_pattern",
                                                          QFS_PARAM_U32_OR_LIST, pattern)) < 0)
        return rc;
    qfs_put_no_rope_scaling(c);
    if ((rc = qfs_put_rules(c, size)) < 0)
        return rc;
    return qfs_json_truthy(act) ? qfs_put_param(c, "hidden_activation", QFS_PARAM_STRING, act) : 0;
}

static int modern_vocab(struct qfs_converter *c)
{
    qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", true);
    qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_eos_token", true);
    qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_sep_token", true);
    return qfs_vocab_gpt2(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_modernbert = {
    .arch = "modern-bert",
    .hf_classes = modern_classes,
    .parent = &qfs_family_bert,
    .filter = modern_filter,
    .keys = modern_keys,
    .vocab = modern_vocab,
};

/* -- NeoBERT ---------------------------------------------------------------------------------------- */

static int neo_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "decoder.") ? 0 : modern_filter(c, name, ret_name);
}

static int neo_keys(struct qfs_converter *c)
{
    enum { POOLING_CLS = 2 };
    int64_t width;
    double epsilon = 1e-6;
    int rc = qfs_bert_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &width, "intermediate_size")) < 0 ||
        (qfs_hparam(c, "norm_eps") && (rc = qfs_hparam_real(c, "norm_eps", &epsilon)) < 0))
        return rc;
    qfs_put_u32(c, "feed_forward_length", 2 * width / 3);
    qfs_put_f32(c, "rope.freq_base", 10000);
    qfs_put_no_rope_scaling(c);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon", epsilon);
    qfs_put_u32(c, "pooling_type", POOLING_CLS);
    return 0;
}

const struct qfs_family qfs_family_neobert = {
    .arch = "neo-bert",
    .hf_classes = neo_classes,
    .parent = &qfs_family_bert,
    .filter = neo_filter,
    .keys = neo_keys,
};

/* -- EuroBERT --------------------------------------------------------------------------------------- */

static int euro_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    return qfs_text_filter(c, without_model(name), ret_name);
}

static int euro_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    qfs_put_no_rope_scaling(c);
    return qfs_put_pooling(c);
}

static int euro_vocab(struct qfs_converter *c)
{
    qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", false);
    return qfs_vocab_gpt2(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_eurobert = {
    .arch = "eurobert",
    .hf_classes = euro_classes,
    .filter = euro_filter,
    .keys = euro_keys,
    .vocab = euro_vocab,
};
