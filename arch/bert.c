/* BERT encoders for embeddings. */
#include "converter.h"

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

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
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

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (labels(c) && strcmp(name, "classifier.weight") == 0)
        name = "classifier.out_proj.weight";
    else if (labels(c) && strcmp(name, "classifier.bias") == 0)
        name = "classifier.out_proj.bias";
    return qfs_text_tensor(c, data, name, bid);
}

static int by_key(const void *a, const void *b)
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
    qsort(sorted->members, sorted->count, sizeof(*sorted->members), by_key);
    for (uint32_t i = 0; i < sorted->count; i++)
        texts[i] = qfs_json_text(&sorted->members[i].value);
    qfs_kv_texts(&c->out->kvs, qfs_key(c, "classifier.output_labels"), texts, sorted->count);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    rc = qfs_put_pooling(c);
    return rc < 0 ? rc : put_labels(c);
}

static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_bert(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_bert = {
    .arch = "bert",
    .hf_classes = classes,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
