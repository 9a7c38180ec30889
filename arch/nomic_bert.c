/* Nomic's BERT, dense and with experts: what the converter insists on is in the tables. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const classes[] = {"NomicBertModel", NULL};

static bool has_experts(const struct qfs_converter *c)
{
    return qfs_json_truthy(qfs_hparam(c, "moe_every_n_layers"));
}

/* The tokenizer is XLM-RoBERTa's. */
static int is_unigram(struct qfs_converter *c, bool *ret_unigram)
{
    const struct qfs_json *tokenizer;
    int rc = qfs_vocab_read_json(c->arena, c->model, "tokenizer.json", &tokenizer, c->error);
    if (rc < 0)
        return rc;
    struct qfs_text kind = qfs_json_text(qfs_json_get(qfs_json_get(tokenizer, "model"), "type"));
    if (!qfs_text_is(kind, "Unigram") && !qfs_text_is(kind, "WordPiece"))
        return qfs_fail(c->error, EINVAL,
                        "%s/tokenizer.json: is missing, or is not a WordPiece or Unigram tokenizer",
                        c->model->path);
    *ret_unigram = qfs_text_is(kind, "Unigram");
    return 0;
}

static bool is_number(const struct qfs_json *value, double number)
{
    double real;
    return qfs_json_real(value, &real) && real == number;
}

static int check(struct qfs_converter *c)
{
    static const char *const as_moe[] = {"qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"};
    static const char *const off[] = {"causal", "prenorm", "rotary_emb_interleaved"};
    const char *bad = NULL;
    bool moe = has_experts(c);
    if (moe && !qfs_text_is(qfs_json_text(qfs_hparam(c, "activation_function")), "gelu"))
        bad = "activation_function";
    for (size_t i = 0; i < QFS_COUNT(as_moe); i++)
        if (!is_number(qfs_hparam(c, as_moe[i]), moe))
            bad = as_moe[i];
    for (size_t i = 0; i < QFS_COUNT(off); i++)
        if (!qfs_json_is(qfs_hparam(c, off[i]), QFS_JSON_FALSE))
            bad = off[i];
    if (!is_number(qfs_hparam(c, "rotary_emb_fraction"), 1))
        bad = "rotary_emb_fraction";
    if (!qfs_json_is(qfs_hparam(c, "rotary_emb_scale_base"), QFS_JSON_NULL))
        bad = "rotary_emb_scale_base";
    return bad ? qfs_fail(c->error, EINVAL,
                          "%s/config.json: %s is not what llama.cpp's Nomic models have",
                          c->model->path, bad)
               : 0;
}

static int begin(struct qfs_converter *c)
{
    int64_t npositions, trained;
    bool unigram = false;
    int rc;
    c->arch = has_experts(c) ? "nomic-bert-moe" : "nomic-bert";
    if ((rc = qfs_bert_begin(c)) < 0 || (rc = is_unigram(c, &unigram)) < 0 ||
        (unigram && (rc = qfs_roberta_positions(c)) < 0) ||
        (rc = qfs_hparam_count(c, &npositions, "n_positions")) < 0 ||
        (rc = qfs_hparam_count_or(c, "max_trained_positions", 2048, &trained)) < 0)
        return rc;
    if ((npositions != 8192 && npositions != 2048) || trained != 2048)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: n_positions and max_trained_positions are not those of a "
                        "Nomic model that llama.cpp knows",
                        c->model->path);
    /* what they were trained for */
    rc = qfs_hparam_set_int(c, "n_positions", npositions == 8192 ? 2048 : 512);
    return rc < 0 ? rc : check(c);
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return strstr(name, "mlp.experts.bias") ? 0 : qfs_bert_filter(c, name, ret_name);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool down = strstr(name, "mlp.experts.mlp.w2") != NULL;
    if (down || strstr(name, "mlp.experts.mlp.w1")) {
        int64_t shape[3];
        int rc;
        if ((rc = qfs_hparam_count(c, &shape[0], "num_local_experts", "num_experts")) < 0 ||
            (rc = qfs_hparam_count(c, &shape[1], "n_inner")) < 0 ||
            (rc = qfs_hparam_count(c, &shape[2], "n_embd")) < 0)
            return rc;
        data = qfs_lazy_reshape(c, data, 3, shape);
        if (down)
            data = qfs_lazy_swapaxes(c, data, 1, 2);
        if (!(name = qfs_arena_printf(c->arena, "%s.weight", name)))
            return qfs_fail_memory(c->error);
    }
    return qfs_bert_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule moe[] = {
        {QFS_RULE_U32, "moe_every_n_layers", {"moe_every_n_layers"}},
        {QFS_RULE_U32, "expert_used_count", {"moe_top_k"}},
        {QFS_RULE_END},
    };
    int rc = qfs_bert_keys(c);
    return rc < 0 || !has_experts(c) ? rc : qfs_put_rules(c, moe);
}

static int vocab(struct qfs_converter *c)
{
    bool unigram = false;
    int rc = is_unigram(c, &unigram);
    if (rc < 0)
        return rc;
    return unigram ? qfs_vocab_xlmroberta(c->out, c->hparams, has_experts(c), c->error)
                   : qfs_bert_vocab(c);
}

const struct qfs_family qfs_family_nomicbert = {
    .arch = "nomic-bert",
    .hf_classes = classes,
    .parent = &qfs_family_bert,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
