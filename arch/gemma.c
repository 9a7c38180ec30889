/* Gemma 1, 2 and 3 (text). Their norms are stored less one. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const gemma_classes[] = {"GemmaForCausalLM", NULL};
static const char *const gemma2_classes[] = {"Gemma2ForCausalLM", NULL};
static const char *const gemma3_classes[] = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration",
                                             NULL};

static const char *const embedding_classes[] = {"Gemma3TextModel", NULL};

/* llama.cpp ties the output to the embeddings and has no use for an lm_head. */
static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return strcmp(name, "lm_head.weight") == 0 ? 0 : qfs_text_filter(c, name, ret_name);
}

static const struct qfs_recipe *shift_norm(struct qfs_converter *c, const struct qfs_recipe *data,
                                           const char *name)
{
    return qfs_ends_with(name, "norm.weight") ? qfs_lazy_unary(c, QFS_OP_ADD, data, 1) : data;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    return qfs_text_tensor(c, shift_norm(c, data, name), name, bid);
}

static int vocab(struct qfs_converter *c)
{
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (rc == 0)
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_space_prefix", false);
    return rc;
}

/* In the order that Gemma 1 and 2 write them. */
static const struct qfs_param params_before[] = {
    {"context_length", QFS_PARAM_U32, {"max_position_embeddings"}, true},
    {"embedding_length", QFS_PARAM_U32, {"hidden_size"}, true},
    {NULL},
};
static const struct qfs_param params_after[] = {
    {"feed_forward_length", QFS_PARAM_U32_OR_LIST, {"intermediate_size"}, true},
    {"attention.head_count", QFS_PARAM_U32_OR_LIST, {"num_attention_heads"}, true},
    {"attention.head_count_kv",
     QFS_PARAM_U32_OR_LIST,
     {"num_key_value_heads", "num_attention_heads"},
     true},
    {"attention.layer_norm_rms_epsilon", QFS_PARAM_F32, {"rms_norm_eps"}, true},
    {"attention.key_length", QFS_PARAM_U32, {"head_dim"}, true},
    {"attention.value_length", QFS_PARAM_U32, {"head_dim"}, true},
    {NULL},
};
static const struct qfs_param gemma2_params[] = {
    {"attn_logit_softcapping", QFS_PARAM_F32, {"attn_logit_softcapping"}, true},
    {"final_logit_softcapping", QFS_PARAM_F32, {"final_logit_softcapping"}, true},
    {"attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true},
    {NULL},
};

static int gemma_keys(struct qfs_converter *c)
{
    int rc = qfs_put_params(c, params_before);
    if (rc < 0)
        return rc;
    qfs_put_u32(c, "block_count", c->block_count);
    if ((rc = qfs_put_params(c, params_after)) < 0)
        return rc;
    qfs_put_file_type(c);
    return 0;
}

static int gemma2_keys(struct qfs_converter *c)
{
    int rc = gemma_keys(c);
    return rc < 0 ? rc : qfs_put_params(c, gemma2_params);
}

/* CodeGemma's tokens for filling in, which every Gemma 1 gets. */
static int gemma_vocab(struct qfs_converter *c)
{
    static const char *const types[] = {"prefix", "suffix", "middle", "fsep", "eot", NULL};
    static const struct qfs_special_id ids[] = {{"prefix", 67}, {"suffix", 69}, {"middle", 68},
                                                {"fsep", 70},   {"eot", 107},   {NULL, 0}};
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (rc == 0)
        rc = qfs_vocab_add_special(c->out, types, ids, false, c->error);
    if (rc == 0)
        qfs_kv_bool(&c->out->kvs, "tokenizer.ggml.add_space_prefix", false);
    return rc;
}

/* -- Gemma 3 ------------------------------------------------------------------------------------------ */

int qfs_gemma3_vocab(struct qfs_converter *c)
{
    return qfs_vocab_file_exists(c->model, "tokenizer.model")
               ? vocab(c)
               : qfs_vocab_gpt2(c->out, c->hparams, c->error);
}

/* How many tokens the vocabulary will have; `rows` where nothing says it. */
static int count_tokens(struct qfs_converter *c, size_t rows, size_t *ret_count)
{
    struct qfs_arena scratch = {0};
    const struct qfs_json *tokenizer;
    if (qfs_vocab_file_exists(c->model, "tokenizer.model"))
        return qfs_vocab_size(c->model, c->hparams, rows, ret_count, c->error);
    int rc = qfs_vocab_read_json(&scratch, c->model, "tokenizer.json", &tokenizer, c->error);
    if (rc == 0) {
        const struct qfs_json *vocab = qfs_json_get(qfs_json_get(tokenizer, "model"), "vocab");
        const struct qfs_json *added = qfs_json_get(tokenizer, "added_tokens");
        *ret_count = (vocab ? vocab->count : 0) + (size_t)(added ? added->count : 0);
    }
    qfs_arena_done(&scratch);
    return rc;
}

const struct qfs_recipe *qfs_gemma3_trim(struct qfs_converter *c, const struct qfs_recipe *data,
                                         const char *name)
{
    size_t real;
    if (!data || !strstr(name, "embed_tokens.weight"))
        return data;
    if (count_tokens(c, (size_t)data->shape[0], &real) < 0)
        return NULL;
    return (int64_t)real < data->shape[0] ? qfs_lazy_slice(c, data, 0, 0, (int64_t)real) : data;
}

static int gemma3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    return qfs_text_tensor(c, shift_norm(c, qfs_gemma3_trim(c, data, name), name), name, bid);
}

int qfs_gemma3_keys(struct qfs_converter *c)
{
    const struct qfs_json *full = qfs_json_get(c->rope, "full_attention");
    const struct qfs_json *theta = qfs_json_get(full ? full : c->rope, "rope_theta");
    const struct qfs_json *cap = qfs_hparam(c, "final_logit_softcapping");
    const struct qfs_json *pattern = qfs_hparam(c, "sliding_window_pattern");
    const struct qfs_json million = {.kind = QFS_JSON_REAL, .real = 1e6};
    int64_t every = 0;
    int rc = qfs_text_keys(c);
    if (rc < 0 ||
        (rc = qfs_put_param_or(c, "context_length", QFS_PARAM_U32, "max_position_embeddings",
                               131072)) < 0 ||
        (rc = qfs_put_param_or(c, "attention.head_count", QFS_PARAM_U32_OR_LIST,
                               "num_attention_heads", 8)) < 0 ||
        (rc = qfs_put_param_or(c, "attention.layer_norm_rms_epsilon", QFS_PARAM_F32, "rms_norm_eps",
                               1e-6)) < 0 ||
        (rc = qfs_put_param_or(c, "attention.key_length", QFS_PARAM_U32, "head_dim", 256)) < 0 ||
        (rc = qfs_put_param_or(c, "attention.value_length", QFS_PARAM_U32, "head_dim", 256)) < 0 ||
        (rc = qfs_put_param(c, "rope.freq_base", QFS_PARAM_F32, theta ? theta : &million)) < 0)
        return rc;
    if (!qfs_json_is_null(qfs_hparam(c, "attn_logit_softcapping")))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: attn_logit_softcapping is set, which Gemma 3 "
                        "does not have",
                        c->model->path);
    if (qfs_json_truthy(cap) &&
        (rc = qfs_put_param(c, "final_logit_softcapping", QFS_PARAM_F32, cap)) < 0)
        return rc;
    if (!(qfs_json_int(pattern, &every) && every == 1) &&
        (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32,
                            qfs_hparam(c, "sliding_window"))) < 0)
        return rc;
    return qfs_put_param_or(c, "attention.head_count_kv", QFS_PARAM_U32_OR_LIST,
                            "num_key_value_heads", 4);
}

/* -- EmbeddingGemma ----------------------------------------------------------------------------------- */

/* The window is the file's own: transformers' configuration halves it. */
static int embedding_keys(struct qfs_converter *c)
{
    const struct qfs_json *window = qfs_json_get(c->model->config_raw, "sliding_window");
    int rc = qfs_gemma3_keys(c);
    if (rc < 0 || (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)) < 0)
        return rc;
    return qfs_put_pooling(c);
}

const struct qfs_family qfs_family_gemma = {
    .arch = "gemma",
    .hf_classes = gemma_classes,
    .filter = filter,
    .tensor = tensor,
    .keys = gemma_keys,
    .vocab = gemma_vocab,
};

const struct qfs_family qfs_family_gemma2 = {
    .arch = "gemma2",
    .hf_classes = gemma2_classes,
    .filter = filter,
    .tensor = tensor,
    .keys = gemma2_keys,
    .vocab = vocab,
};

const struct qfs_family qfs_family_gemma3 = {
    .arch = "gemma3",
    .hf_classes = gemma3_classes,
    .tensor = gemma3_tensor,
    .keys = qfs_gemma3_keys,
    .vocab = qfs_gemma3_vocab,
};

const struct qfs_family qfs_family_gemma_embedding = {
    .arch = "gemma-embedding",
    .hf_classes = embedding_classes,
    .parent = &qfs_family_gemma3,
    .keys = embedding_keys,
};
