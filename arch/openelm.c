/* OpenELM: layers of different widths. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"OpenELMForCausalLM", NULL};

static int need_list(struct qfs_converter *c, const char *name, const struct qfs_json **ret_list)
{
    const struct qfs_json *list = qfs_hparam(c, name);
    if (!qfs_json_is(list, QFS_JSON_ARRAY) || list->count != c->block_count)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s has not one item for each layer",
                        c->model->path, name);
    *ret_list = list;
    return 0;
}

/* _make_divisible */
static int64_t divisible(double size, int64_t divisor)
{
    int64_t rounded = (int64_t)(size + (double)divisor / 2) / divisor * divisor;
    rounded = QFS_MAX(divisor, rounded);
    return (double)rounded < 0.9 * size ? rounded + divisor : rounded;
}

/* Feed-forward sizes of all layers. */
static int read_sizes(struct qfs_converter *c, int32_t **ret_sizes)
{
    const struct qfs_json *factors = NULL;
    int64_t divisor, width;
    int32_t *sizes = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*sizes));
    int rc;
    if (!sizes)
        return qfs_fail_memory(c->error);
    if ((rc = need_list(c, "ffn_multipliers", &factors)) < 0 ||
        (rc = qfs_hparam_count(c, &divisor, "ffn_dim_divisor")) < 0 ||
        (rc = qfs_hparam_count(c, &width, "model_dim")) < 0)
        return rc;
    for (uint32_t i = 0; i < factors->count; i++) {
        double factor;
        if (!qfs_json_real(&factors->items[i], &factor) || !(factor >= 0 && factor < 1e3) ||
            divisor == 0)
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: ffn_multipliers or ffn_dim_divisor is malformed",
                            c->model->path);
        sizes[i] = (int32_t)QFS_MIN(divisible(factor * (double)width, divisor), INT32_MAX);
    }
    *ret_sizes = sizes;
    return 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const char *part = qfs_layer_part(name, "transformer.layers.");
    int32_t *sizes;
    if (!part || strcmp(part, "ffn.proj_1.weight") != 0)
        return qfs_text_tensor(c, data, name, bid);
    int rc = read_sizes(c, &sizes);
    if (rc < 0)
        return rc;
    if (bid < 0 || bid >= c->block_count || data->ndim == 0)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is of no layer of config.json",
                        c->model->path, name);
    int64_t rows = QFS_MIN(sizes[bid], data->shape[0]);
    rc = qfs_emit(c, qfs_lazy_slice(c, data, 0, 0, rows), name,
                  qfs_format_name(c, "blk.{bid}.ffn_gate", ".weight", bid), bid);
    return rc < 0 ? rc
                  : qfs_emit(c, qfs_lazy_slice(c, data, 0, rows, data->shape[0] - rows), name,
                             qfs_format_name(c, "blk.{bid}.ffn_up", ".weight", bid), bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32, "context_length", {"max_context_length"}},
        {QFS_RULE_U32, "embedding_length", {"model_dim"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_query_heads"}},
        {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"num_kv_heads"}},
        {QFS_RULE_F32, "rope.freq_base", {"rope_freq_constant"}},
        {QFS_RULE_IS_F32, "attention.layer_norm_rms_epsilon", .number = 1e-6},
        {QFS_RULE_U32, "rope.dimension_count", {"head_dim"}},
        {QFS_RULE_U32, "attention.key_length", {"head_dim"}},
        {QFS_RULE_U32, "attention.value_length", {"head_dim"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    const struct qfs_json *list;
    int32_t *sizes;
    int rc;
    if ((rc = need_list(c, "num_kv_heads", &list)) < 0 ||
        (rc = need_list(c, "num_query_heads", &list)) < 0 || (rc = read_sizes(c, &sizes)) < 0 ||
        (rc = qfs_put_rules(c, before)) < 0)
        return rc;
    qfs_put_i32s(c, "feed_forward_length", sizes, (size_t)c->block_count);
    return qfs_put_rules(c, after);
}

/* Llama 2's vocabulary, which Apple does not ship. */
static int vocab(struct qfs_converter *c)
{
    int64_t size;
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (rc != -ENOENT)
        return rc;
    rc = qfs_hparam_count(c, &size, "vocab_size");
    return rc < 0 ? rc : qfs_vocab_builtin(c->out, "llama-spm", size, c->error);
}

const struct qfs_family qfs_family_openelm = {
    .arch = "openelm",
    .hf_classes = classes,
    .layers_name = "num_transformer_layers",
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
