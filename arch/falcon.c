/* Falcon: groups of query heads with their key and value become all queries, all keys, all values. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"FalconForCausalLM", "RWForCausalLM", NULL};

static int misfit(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, EINVAL,
                    "%s: tensor %s: its shape does not fit config.json's heads and hidden_size",
                    c->model->path, name);
}

static const struct qfs_recipe *regroup(struct qfs_converter *c, const struct qfs_recipe *data,
                                        int64_t nheads, int64_t ngroups, int64_t dim)
{
    int64_t each = nheads / ngroups, width = dim * nheads;
    int64_t counts[] = {each, 1, 1}, first = 0;
    const int64_t groups[] = {ngroups, each + 2, dim, width};
    const struct qfs_recipe *parts[3];
    const struct qfs_recipe *qkv = qfs_lazy_reshape(c, data, 4, groups);
    for (int i = 0; i < 3; i++) {
        const int64_t rows[] = {ngroups * counts[i] * dim, width};
        parts[i] = qfs_lazy_reshape(c, qfs_lazy_slice(c, qkv, 1, first, counts[i]), 2, rows);
        first += counts[i];
    }
    return qfs_lazy_reshape(c, qfs_lazy_concat(c, parts, 3), data->ndim, data->shape);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const struct qfs_json *groups = qfs_hparam_any(c, "num_kv_heads", "n_head_kv");
    int64_t nheads, ngroups = 1, hidden;
    int rc;
    if (!strstr(name, "query_key_value"))
        return qfs_text_tensor(c, data, name, bid);
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads", "n_head")) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (qfs_json_truthy(groups) &&
         (rc = qfs_hparam_count(c, &ngroups, "num_kv_heads", "n_head_kv")) < 0))
        return rc;
    if (nheads == 0 || nheads % ngroups)
        return misfit(c, name);
    return qfs_text_tensor(c, regroup(c, data, nheads, ngroups, hidden / nheads), name, bid);
}

/* hparams.get(name) or, where that is none, the other name */
static int put_heads(struct qfs_converter *c, const char *key, const char *name, const char *old,
                     const struct qfs_json *fallback)
{
    const struct qfs_json *value = qfs_hparam(c, name);
    if (qfs_json_is_null(value) && !(value = qfs_hparam(c, old)))
        value = fallback;
    return qfs_put_param(c, key, QFS_PARAM_U32_OR_LIST, value);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_IS_U32, "context_length", .number = 2048},
        {QFS_RULE_IS_TEXT, "tensor_data_layout", .text = "jploski"},
        {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
        {QFS_RULE_FOURFOLD, "feed_forward_length", {"hidden_size"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    const struct qfs_json one = {.kind = QFS_JSON_INT, .integer = 1};
    int rc = qfs_put_rules(c, before);
    if (rc < 0 ||
        (rc = put_heads(c, "attention.head_count", "num_attention_heads", "n_head", NULL)) < 0 ||
        (rc = put_heads(c, "attention.head_count_kv", "num_kv_heads", "n_head_kv", &one)) < 0)
        return rc;
    return qfs_put_rules(c, after);
}

const struct qfs_family qfs_family_falcon = {
    .arch = "falcon",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
