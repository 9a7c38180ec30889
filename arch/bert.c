/* BERT and its nearest relatives: encoders for embeddings, and classifiers (rerankers) over them. */
#include "converter.h"
#include "vocab/vocab.h"

#include <stdlib.h>
#include <string.h>

static const char *const classes[] = {"BertModel", "BertForMaskedLM", "CamembertModel",
                                      "BertForSequenceClassification", NULL};

/* id2label, unless it is the pair of dummies that AutoConfig adds; NULL if there is none. */
static const struct qfs_json *labels(const struct qfs_converter *c)
{
    const struct qfs_json *labels = qfs_hparam(c, "id2label");
    if (!qfs_json_truthy(labels) || labels->kind != QFS_JSON_OBJECT)
        return NULL;
    if (labels->count == 2 && qfs_text_is(qfs_json_text(qfs_json_get(labels, "0")), "LABEL_0"))
        return NULL;
    return labels;
}

int qfs_bert_begin(struct qfs_converter *c)
{
    const struct qfs_json *all = qfs_hparam(c, "id2label");
    /* AutoConfig's keys are numbers, those of a file are strings, among which the converter finds none
     * that is 0. */
    if (qfs_json_truthy(all) &&
        (all->kind != QFS_JSON_OBJECT ||
         (all->count == 2 && !(c->model->config_auto && qfs_json_get(all, "0")))))
        return qfs_fail(c->error, EINVAL, "%s/config.json: id2label has no label 0",
                        c->model->path);
    return 0;
}

int qfs_bert_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const dropped[] = {"embeddings.position_ids", "pooler.dense.weight",
                                          "pooler.dense.bias"};
    *ret_name = NULL;
    if (qfs_starts_with(name, "bert."))
        name += 5;
    name = qfs_name_swap_suffix(c, name, ".gamma", ".weight");
    name = qfs_name_swap_suffix(c, name, ".beta", ".bias");
    if (!name)
        return -ENOMEM;
    for (size_t i = 0; i < QFS_COUNT(dropped); i++)
        if (strcmp(name, dropped[i]) == 0)
            return 0;
    if (qfs_starts_with(name, "cls.predictions") || qfs_starts_with(name, "cls.seq_relationship"))
        return 0;
    return qfs_text_filter(c, name, ret_name);
}

int qfs_bert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    int bid)
{
    if (labels(c) && strcmp(name, "classifier.weight") == 0)
        name = "classifier.out_proj.weight";
    else if (labels(c) && strcmp(name, "classifier.bias") == 0)
        name = "classifier.out_proj.bias";
    return qfs_text_tensor(c, data, name, bid);
}

static int by_text(const void *a, const void *b)
{
    const struct qfs_json_member *x = a, *y = b;
    int order = memcmp(x->key.data, y->key.data, QFS_MIN(x->key.size, y->key.size));
    return order ? order : x->key.size < y->key.size ? -1 : x->key.size > y->key.size;
}

static int by_number(const void *a, const void *b)
{
    const struct qfs_json_member *x = a, *y = b;
    int64_t m = strtoll(x->key.data, NULL, 10), n = strtoll(y->key.data, NULL, 10);
    return m < n ? -1 : m > n;
}

static int put_labels(struct qfs_converter *c)
{
    const struct qfs_json *all = labels(c);
    if (!all)
        return 0;
    struct qfs_json *sorted = qfs_dict_copy(c->arena, all);
    struct qfs_text *texts = qfs_arena_array(c->arena, all->count, sizeof(*texts));
    if (!sorted || !texts)
        return qfs_fail_memory(c->error);
    qsort(sorted->members, sorted->count, sizeof(*sorted->members),
          c->model->config_auto ? by_number : by_text);
    for (uint32_t i = 0; i < sorted->count; i++) {
        if (!qfs_json_is(&sorted->members[i].value, QFS_JSON_STRING))
            return qfs_fail(c->error, EINVAL, "%s/config.json: id2label: a label is not a string",
                            c->model->path);
        texts[i] = qfs_json_text(&sorted->members[i].value);
    }
    qfs_kv_texts(&c->out->kvs, qfs_key(c, "classifier.output_labels"), texts, sorted->count);
    return 0;
}

int qfs_bert_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    rc = qfs_put_pooling(c);
    return rc < 0 ? rc : put_labels(c);
}

int qfs_bert_vocab(struct qfs_converter *c)
{
    return qfs_vocab_bert(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_bert = {
    .arch = "bert",
    .hf_classes = classes,
    .begin = qfs_bert_begin,
    .filter = qfs_bert_filter,
    .tensor = qfs_bert_tensor,
    .keys = qfs_bert_keys,
    .vocab = qfs_bert_vocab,
};

/* -- DistilBERT ------------------------------------------------------------------------------------- */

static const char *const distil_classes[] = {"DistilBertModel", "DistilBertForMaskedLM",
                                             "DistilBertForSequenceClassification", NULL};

static int distil_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "distilbert."))
        name += 11;
    return qfs_starts_with(name, "vocab_") ? 0 : qfs_bert_filter(c, name, ret_name);
}

static int distil_keys(struct qfs_converter *c)
{
    qfs_put_f32(c, "attention.layer_norm_epsilon", 1e-12);
    return qfs_bert_keys(c);
}

const struct qfs_family qfs_family_distilbert = {
    .hf_classes = distil_classes,
    .parent = &qfs_family_bert,
    .filter = distil_filter,
    .keys = distil_keys,
};

/* -- Jina 2: BERT with ALiBi and gated layers -------------------------------------------------------- */

static const char *const jina2_classes[] = {"JinaBertModel", "JinaBertForMaskedLM", NULL};

static bool splits_at_spaces(const struct qfs_json *tokenizer)
{
    return qfs_text_is(
        qfs_json_text(qfs_json_get(qfs_json_get(tokenizer, "pre_tokenizer"), "type")),
        "Whitespace");
}

static int jina2_vocab(struct qfs_converter *c)
{
    const struct qfs_json *tokenizer;
    struct qfs_text class =
        qfs_json_text(qfs_json_get(c->model->tokenizer_config, "tokenizer_class"));
    if (qfs_text_is(class, "BertTokenizer"))
        return qfs_bert_vocab(c);
    if (!qfs_text_is(class, "RobertaTokenizer"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/tokenizer_config.json: tokenizer_class is not BertTokenizer or "
                        "RobertaTokenizer, which is what the converter takes with this model",
                        c->model->path);
    int rc = qfs_vocab_read_json(c->arena, c->model, "tokenizer.json", &tokenizer, c->error);
    if (rc < 0)
        return rc;
    rc = splits_at_spaces(tokenizer) ? qfs_vocab_whitespace(c->out, c->hparams, c->error)
                                     : qfs_vocab_gpt2(c->out, c->hparams, c->error);
    if (rc == 0)
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.token_type_count", 2);
    return rc;
}

const struct qfs_family qfs_family_jina2 = {
    .arch = "jina-bert-v2",
    .hf_classes = jina2_classes,
    .parent = &qfs_family_bert,
    .vocab = jina2_vocab,
};
