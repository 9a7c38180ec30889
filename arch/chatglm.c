/* ChatGLM 3 and 4, and GLM 4 in transformers' form. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GlmForCausalLM", "ChatGLMModel",
                                      "ChatGLMForConditionalGeneration", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char prefix[] = "transformer.";
    *ret_name = NULL;
    if (qfs_ends_with(name, ".rotary_pos_emb.inv_freq"))
        return 0;
    if (qfs_starts_with(name, prefix))
        name += strlen(prefix);
    return qfs_text_filter(c, name, ret_name);
}

/* The first of three keys that config has, or `fallback`. */
static int put_first(struct qfs_converter *c, const char *key, const char *const *names,
                     int64_t fallback)
{
    const struct qfs_json number = {.kind = QFS_JSON_INT, .integer = fallback};
    const struct qfs_json *value = qfs_hparam_first(c, names);
    return qfs_put_param(c, key, QFS_PARAM_U32_OR_LIST, value ? value : &number);
}

static int put_rope(struct qfs_converter *c)
{
    const struct qfs_json *ratio = qfs_hparam(c, "rope_ratio");
    int64_t dim;
    double part, base = 1;
    int rc = qfs_hparam(c, "attention_dim") ? qfs_hparam_count(c, &dim, "attention_dim")
                                            : qfs_hidden_by_heads(c, &dim);
    if (rc < 0 || (rc = qfs_rope_number(c, "partial_rotary_factor", 0.5, &part)) < 0)
        return rc;
    if (!(part >= 0 && part <= 1e3) || (ratio && !qfs_json_real(ratio, &base)))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: partial_rotary_factor or rope_ratio is not a number that "
                        "can be",
                        c->model->path);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)((double)dim * part));
    qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_bos_token", false);
    qfs_put_f32(c, "rope.freq_base", 10000 * base);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const char *const context[] = {"seq_length", NULL};
    static const char *const inner[] = {"ffn_hidden_size", "intermediate_size", NULL};
    static const char *const heads_kv[] = {"multi_query_group_num", "num_key_value_heads", NULL};
    static const struct qfs_key_rule heads[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head", "num_attention_heads"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *epsilon = qfs_hparam(c, "layernorm_epsilon");
    const struct qfs_json usual = {.kind = QFS_JSON_REAL, .real = 1e-5};
    int64_t nembd, nheads;
    int rc = qfs_hparam_count(c, &nembd, "hidden_size", "n_embed");
    if (rc < 0 || (rc = qfs_hparam_count(c, &nheads, "n_head", "num_attention_heads")) < 0 ||
        (rc = put_first(c, "context_length", context, nembd)) < 0 ||
        (rc = qfs_put_one(c, "embedding_length", QFS_PARAM_U32, {"hidden_size", "n_embed"}, true)) <
            0 ||
        (rc = put_first(c, "feed_forward_length", inner, 4 * nembd)) < 0 ||
        (rc = qfs_put_rules(c, heads)) < 0 ||
        (rc = put_first(c, "attention.head_count_kv", heads_kv, nheads)) < 0 ||
        (rc = qfs_put_param(c, "attention.layer_norm_rms_epsilon", QFS_PARAM_F32,
                            epsilon ? epsilon : &usual)) < 0)
        return rc;
    qfs_put_file_type(c);
    return put_rope(c);
}

static int vocab(struct qfs_converter *c)
{
    const char *name = qfs_json_string(qfs_hparam(c, "_name_or_path"));
    if (name && strstr(name, "THUDM/chatglm3-6b"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s: ChatGLM 3's tokenizer is code that comes with the model, which is not "
                        "run",
                        c->model->path);
    if (!qfs_hparam(c, "vocab_size"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no vocab_size", c->model->path);
    return qfs_vocab_chatglm(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_chatglm = {
    .arch = "chatglm",
    .hf_classes = classes,
    .filter = filter,
    .keys = keys,
    .vocab = vocab,
};
