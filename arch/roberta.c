/* RoBERTa and XLM-RoBERTa: BERT whose positions begin behind the padding token's; Jina 3, which is the
 * latter with adapters of its own. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const roberta_classes[] = {"RobertaModel", "RobertaForSequenceClassification",
                                              NULL};
static const char *const xlmr_classes[] = {"XLMRobertaModel", "XLMRobertaForSequenceClassification",
                                           NULL};

static int put_token_types(struct qfs_converter *c)
{
    int64_t ntypes;
    int rc = qfs_hparam_count_or(c, "type_vocab_size", 1, &ntypes);
    if (rc == 0)
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.token_type_count", (uint32_t)ntypes);
    return rc;
}

/* Rows of the position embeddings before the first that is used. */
static int position_offset(struct qfs_converter *c, int64_t *ret_offset)
{
    *ret_offset = 0;
    if (qfs_json_is_null(qfs_hparam(c, "pad_token_id")))
        return 0;
    int rc = qfs_hparam_count(c, ret_offset, "pad_token_id");
    *ret_offset += rc == 0;
    return rc;
}

int qfs_roberta_positions(struct qfs_converter *c)
{
    int64_t offset, npositions;
    int rc = position_offset(c, &offset);
    if (rc < 0 || !qfs_hparam(c, "max_position_embeddings"))
        return rc;
    if ((rc = qfs_hparam_count(c, &npositions, "max_position_embeddings")) < 0)
        return rc;
    return qfs_hparam_set_int(c, "max_position_embeddings", npositions - offset);
}

static int begin(struct qfs_converter *c)
{
    int rc = qfs_bert_begin(c);
    return rc < 0 ? rc : qfs_roberta_positions(c);
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    return qfs_bert_filter(c, qfs_starts_with(name, "roberta.") ? name + 8 : name, ret_name);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strcmp(name, "embeddings.position_embeddings.weight") == 0) {
        int64_t offset;
        int rc = position_offset(c, &offset);
        if (rc < 0)
            return rc;
        data = qfs_lazy_slice(c, data, 0, offset, data->shape[0] - offset);
    }
    return qfs_bert_tensor(c, data, name, bid);
}

static int vocab(struct qfs_converter *c)
{
    if (!qfs_vocab_file_exists(c->model, "tokenizer.json"))
        return qfs_bert_vocab(c);
    int rc = qfs_vocab_gpt2(c->out, c->hparams, c->error);
    return rc < 0 ? rc : put_token_types(c);
}

const struct qfs_family qfs_family_roberta = {
    .hf_classes = roberta_classes,
    .parent = &qfs_family_bert,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .vocab = vocab,
};

/* -- XLM-RoBERTa, Jina 3 ----------------------------------------------------------------------------- */

static int xlmr_begin(struct qfs_converter *c)
{
    if (qfs_json_truthy(qfs_hparam(c, "lora_adaptations")))
        c->arch = "jina-bert-v3";
    return begin(c);
}

static int xlmr_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "roberta."))
        name += 8;
    if (strstr(name, ".parametrizations.")) {
        name = qfs_name_replace(c, name, ".parametrizations.", ".");
        if (name)
            name = qfs_name_swap_suffix(c, name, ".original", "");
    }
    return name ? qfs_bert_filter(c, name, ret_name) : -ENOMEM;
}

/* Jina 3's adapters, which the converter writes to files of their own; checked as it checks them. */
static int adapter(struct qfs_converter *c, const struct qfs_recipe *data, const char *name)
{
    const struct qfs_json *names = qfs_hparam(c, "lora_adaptations");
    int64_t count = qfs_json_is(names, QFS_JSON_ARRAY) ? names->count : 0;
    if (qfs_starts_with(name, "pooler.dense"))
        return 0;
    if (data->ndim != 3 || data->shape[0] != count)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s has not as many adapters as config.json's lora_adaptations",
                        c->model->path, name);
    char *base = qfs_arena_copy(c->arena, name, strlen(name) - 9);
    if (!base)
        return qfs_fail_memory(c->error);
    return qfs_map_name(c, base) ? 0 : -c->error->code;
}

static int xlmr_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    if (qfs_ends_with(name, ".0.lora_A") || qfs_ends_with(name, ".0.lora_B"))
        return adapter(c, data, name);
    return tensor(c, data, name, bid);
}

/* Each adapter must have its prompt. */
static int xlmr_keys(struct qfs_converter *c)
{
    const struct qfs_json *prompts = qfs_hparam(c, "task_instructions");
    const struct qfs_json *names = qfs_hparam(c, "lora_adaptations");
    int rc = qfs_bert_keys(c);
    if (rc < 0 || !qfs_json_truthy(prompts))
        return rc;
    bool all = qfs_json_truthy(names);
    for (size_t i = 0; qfs_json_at(names, i); i++) {
        const char *name = qfs_json_string(qfs_json_at(names, i));
        all = all && name && qfs_json_get(prompts, name);
    }
    return all ? 0
               : qfs_fail(c->error, EINVAL,
                          "%s/config.json: task_instructions and lora_adaptations do not match",
                          c->model->path);
}

static int xlmr_vocab(struct qfs_converter *c)
{
    return qfs_vocab_xlmroberta(c->out, c->hparams, false, c->error);
}

const struct qfs_family qfs_family_xlmroberta = {
    .hf_classes = xlmr_classes,
    .parent = &qfs_family_bert,
    .begin = xlmr_begin,
    .filter = xlmr_filter,
    .tensor = xlmr_tensor,
    .keys = xlmr_keys,
    .vocab = xlmr_vocab,
};
