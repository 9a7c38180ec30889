/* DeciLM: Nemotron 51B and its kin, whose layers differ, and DeciLM 7B. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"DeciLMForCausalLM", NULL};

struct layer {
    int32_t nheads, nheads_kv, nff;
};

static int bad_block(struct qfs_converter *c, int64_t layer)
{
    return qfs_fail(c->error, EINVAL, "%s/config.json: block_configs: layer %lld is malformed",
                    c->model->path, (long long)layer);
}

/* Two thirds of the widened size, up to the next multiple of 256. */
static int32_t feed_forward(double factor, int64_t hidden)
{
    int64_t size = (int64_t)(2 * factor * (double)hidden / 3);
    return (int32_t)QFS_MIN((size + 255) / 256 * 256, (int64_t)INT32_MAX);
}

static int read_layer(struct qfs_converter *c, int64_t index, int64_t nheads, int64_t hidden,
                      struct layer *ret)
{
    const struct qfs_json *block = qfs_json_at(qfs_hparam(c, "block_configs"), (size_t)index);
    const struct qfs_json *attention = qfs_json_get(block, "attention");
    const struct qfs_json *group = qfs_json_get(attention, "n_heads_in_group");
    const struct qfs_json *linear = qfs_json_get(attention, "replace_with_linear");
    const struct qfs_json *factor = qfs_json_get(qfs_json_get(block, "ffn"), "ffn_mult");
    int64_t size = 0;
    double multiple = 0;
    if (!group || !factor)
        return bad_block(c, index);
    *ret = (struct layer){0, 0, 0};
    if (group->kind != QFS_JSON_NULL) { /* attention as usual */
        if (!qfs_json_int(group, &size) || size <= 0)
            return bad_block(c, index);
        ret->nheads = (int32_t)nheads;
        ret->nheads_kv = (int32_t)(nheads / size);
    } else if (!linear) {
        return bad_block(c, index);
    } else if (linear->kind == QFS_JSON_TRUE) { /* a matrix instead of attention */
        ret->nheads = (int32_t)nheads;
    }
    if (factor->kind != QFS_JSON_NULL &&
        (!qfs_json_real(factor, &multiple) || !(multiple >= 0 && multiple < 1e4) ||
         (index == 0 && factor->kind != QFS_JSON_REAL)))
        return bad_block(c, index);
    ret->nff = feed_forward(multiple, hidden);
    return 0;
}

/* All layers of block_configs, which c->state keeps. */
static int read_layers(struct qfs_converter *c, struct layer **ret_layers)
{
    const struct qfs_json *blocks = qfs_hparam(c, "block_configs");
    struct layer *layers = c->state;
    int64_t nheads, hidden;
    int rc;
    *ret_layers = layers;
    if (layers)
        return 0;
    layers = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*layers));
    if (!layers)
        return qfs_fail_memory(c->error);
    if (!qfs_json_is(blocks, QFS_JSON_ARRAY) || blocks->count != c->block_count)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: block_configs has not one item for each layer",
                        c->model->path);
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0)
        return rc;
    for (int64_t i = 0; i < c->block_count && rc == 0; i++)
        rc = read_layer(c, i, nheads, hidden, &layers[i]);
    if (rc == 0)
        c->state = *ret_layers = layers;
    return rc;
}

/* -- keys ------------------------------------------------------------------------------------------- */

static int put_lists(struct qfs_converter *c, const struct layer *layers)
{
    size_t n = (size_t)c->block_count;
    int32_t *values = qfs_arena_array(c->arena, n, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < n; i++)
        values[i] = layers[i].nheads_kv;
    qfs_put_i32s(c, "attention.head_count_kv", values, n);
    for (size_t i = 0; i < n; i++)
        values[i] = layers[i].nheads;
    qfs_put_i32s(c, "attention.head_count", values, n);
    for (size_t i = 0; i < n; i++)
        values[i] = layers[i].nff;
    qfs_put_i32s(c, "feed_forward_length", values, n);
    return 0;
}

static int put_blocks(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32, "context_length", {"max_position_embeddings"}},
        {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"rms_norm_eps"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *theta = qfs_json_get(c->rope, "rope_theta");
    struct layer *layers;
    int64_t dim;
    int rc = read_layers(c, &layers);
    if (rc < 0 ||
        (!qfs_json_is_null(theta) &&
         (rc = qfs_put_param(c, "rope.freq_base", QFS_PARAM_F32, theta)) < 0) ||
        (rc = put_lists(c, layers)) < 0 || (rc = qfs_put_rules(c, sizes)) < 0 ||
        (rc = qfs_hidden_by_heads(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", dim);
    qfs_put_u32(c, "attention.value_length", dim);
    qfs_put_file_type(c);
    return 0;
}

static int put_usual(struct qfs_converter *c)
{
    const struct qfs_json *list = qfs_hparam(c, "num_key_value_heads_per_layer");
    int rc = qfs_text_keys(c);
    if (rc < 0 || !list)
        return rc;
    if (!qfs_json_is(list, QFS_JSON_ARRAY) || list->count != c->block_count)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: num_key_value_heads_per_layer has not one item for each "
                        "layer",
                        c->model->path);
    return qfs_put_one(c, "attention.head_count_kv", QFS_PARAM_U32_OR_LIST,
                       {"num_key_value_heads_per_layer"}, true);
}

static int keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_hparam(c, "block_configs") ? put_blocks(c) : put_usual(c);
    if (rc < 0 || (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", dim);
    return 0;
}

/* -- tensors ---------------------------------------------------------------------------------------- */

static int read_heads(struct qfs_converter *c, int bid, int64_t *nheads, int64_t *nheads_kv)
{
    const struct qfs_json *list = qfs_hparam(c, "num_key_value_heads_per_layer");
    struct layer *layers;
    int rc = qfs_hparam_count(c, nheads, "num_attention_heads");
    *nheads_kv = *nheads;
    if (rc < 0)
        return rc;
    if (bid >= 0 && list) {
        if (!qfs_json_int(qfs_json_at(list, (size_t)bid), nheads_kv))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: num_key_value_heads_per_layer has no layer %d",
                            c->model->path, bid);
    } else if (bid >= 0 && qfs_hparam(c, "block_configs")) {
        if (bid >= c->block_count)
            return bad_block(c, bid);
        if ((rc = read_layers(c, &layers)) < 0)
            return rc;
        *nheads = layers[bid].nheads;
        *nheads_kv = layers[bid].nheads_kv;
    } else if (!qfs_json_is_null(qfs_hparam(c, "num_key_value_heads"))) {
        rc = qfs_hparam_count(c, nheads_kv, "num_key_value_heads");
    }
    return rc;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool query = qfs_ends_with(name, "q_proj.weight") || qfs_ends_with(name, "q_proj.bias");
    bool key = qfs_ends_with(name, "k_proj.weight") || qfs_ends_with(name, "k_proj.bias");
    int64_t nheads, nheads_kv;
    if (query || key) {
        int rc = read_heads(c, bid, &nheads, &nheads_kv);
        if (rc < 0)
            return rc;
        data = qfs_lazy_permute_heads(c, data, query ? nheads : nheads_kv);
    }
    return qfs_text_tensor(c, data, name, bid);
}

static int vocab(struct qfs_converter *c)
{
    const struct qfs_json *size = qfs_hparam(c, "vocab_size");
    double number = 0;
    if (!size || (qfs_json_real(size, &number) && number == 128256))
        return qfs_vocab_gpt2(c->out, c->hparams, c->error);
    return qfs_vocab_llama_hf(c->out, c->error);
}

const struct qfs_family qfs_family_deci = {
    .arch = "deci",
    .hf_classes = classes,
    .extra = qfs_llama3_rope_factors,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
