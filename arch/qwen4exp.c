/* Qwen 3.8 Flash Next: Qwen 3.5's delta nets with hyper-connections, sparse attention, and embeddings of
 * n-grams whose hash constants become keys. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

extern const struct qfs_family qfs_family_qwen35;

static const char *const classes[] = {"Qwen4ExpForConditionalGeneration", "Qwen4ExpForCausalLM",
                                      NULL};

/* Tensors that are whole numbers of 64 bits. */
static const struct {
    const char *suffix, *key;
} constants[] = {
    {"ple_embedding.layer_multipliers", "ple.layer_multipliers"},
    {"ple_embedding.ngram_heads_offsets", "ple.head_offsets"},
    {"ple_embedding.ngram_heads_vocab_sizes", "ple.head_vocab_sizes"},
};

static const char shard_part[] = ".ngram_embedding.shard_";

/* The draft head is left out. */
static int begin(struct qfs_converter *c)
{
    return qfs_hparam_count(c, &c->block_count, "num_hidden_layers");
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    int rc = qfs_text_filter(c, name, &name);
    if (rc < 0)
        return rc;
    *ret_name = name && (qfs_starts_with(name, "mtp.") || qfs_starts_with(name, "model.mtp."))
                    ? NULL
                    : name;
    return 0;
}

/* -- the table of n-grams comes in parts ----------------------------------------------------------- */

struct shard {
    int64_t number;
    const struct qfs_recipe *recipe;
};

static int by_number(const void *a, const void *b)
{
    const struct shard *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int64_t shard_number(const char *name)
{
    const char *part = strstr(name, shard_part);
    return part ? strtoll(part + sizeof(shard_part) - 1, NULL, 10) : -1;
}

/* Written where the last of them comes, in the order of their numbers. */
static int place_shard(struct qfs_converter *c, const char *name, int bid)
{
    int64_t nparts;
    size_t count = 0;
    int rc = qfs_hparam_count(c, &nparts, "split_ngram_parts");
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < c->ntensors; i++) {
        count += shard_number(c->tensors[i].name) >= 0;
        if (strcmp(c->tensors[i].name, name) == 0)
            break;
    }
    if ((int64_t)count < nparts)
        return 0;
    struct shard *shards = qfs_arena_array(c->arena, count, sizeof(*shards));
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, count, sizeof(*parts));
    if (!shards || !parts)
        return qfs_fail_memory(c->error);
    for (size_t i = 0, n = 0; n < count; i++) {
        int64_t number = shard_number(c->tensors[i].name);
        if (number >= 0)
            shards[n++] = (struct shard){number, c->tensors[i].recipe};
    }
    qsort(shards, count, sizeof(*shards), by_number);
    for (size_t i = 0; i < count; i++)
        parts[i] = shards[i].recipe;
    return qfs_emit(c, qfs_lazy_concat(c, parts, count), name, "per_layer_token_embd.weight", bid);
}

static int all_shards_came(struct qfs_converter *c)
{
    int64_t nparts = 0, count = 0;
    int rc = qfs_hparam_count_or(c, "split_ngram_parts", 0, &nparts);
    for (size_t i = 0; i < c->ntensors; i++)
        count += shard_number(c->tensors[i].name) >= 0;
    if (rc == 0 && count && count != nparts)
        return qfs_fail(c->error, EINVAL, "%s: has %lld parts of its n-gram table, not %lld",
                        c->model->path, (long long)count, (long long)nparts);
    return rc;
}

/* -- tensors ------------------------------------------------------------------------------------------ */

static int split_indexer(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    int64_t nheads, dim;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "indexer_n_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &dim, "indexer_head_dim")) < 0)
        return rc;
    int64_t nrows = nheads * dim;
    if (data->ndim != 2 || data->shape[0] < nrows)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s has not the rows that config.json says",
                        c->model->path, name);
    rc = qfs_emit(c, qfs_lazy_slice(c, data, 0, 0, nrows), name,
                  qfs_format_name(c, "blk.{bid}.indexer.q_proj", ".weight", bid), bid);
    if (rc < 0)
        return rc;
    return qfs_emit(c, qfs_lazy_slice(c, data, 0, nrows, data->shape[0] - nrows), name,
                    qfs_format_name(c, "blk.{bid}.indexer.k_proj", ".weight", bid), bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const shifted[] = {
        ".ple.norm_key.weight",        ".ple.norm_query.weight",      ".ple.norm_conv.weight",
        ".indexer.q_layernorm.weight", ".indexer.k_layernorm.weight", NULL,
    };
    if (!data)
        return -c->error->code;
    for (size_t i = 0; i < QFS_COUNT(constants); i++)
        if (qfs_ends_with(name, constants[i].suffix))
            return 0;
    if (strstr(name, shard_part))
        return place_shard(c, name, bid);
    if (strstr(name, ".indexer.index_qk_proj.weight"))
        return split_indexer(c, data, name, bid);
    if (qfs_ends_with_any(name, shifted))
        return qfs_text_tensor(c, qfs_lazy_unary(c, QFS_OP_ADD, data, 1), name, bid);
    if (qfs_ends_with(name, ".ple.conv1d.weight"))
        return qfs_text_tensor(c, qfs_lazy_squeeze(c, data), name, bid);
    return qfs_qwen35_tensor(c, data, name, bid);
}

/* -- keys --------------------------------------------------------------------------------------------- */

static const struct qfs_param params[] = {
    {"hyper_connection.count", QFS_PARAM_U32, {"hc_count"}, true},
    {"hyper_connection.low_rank", QFS_PARAM_U32, {"hc_lowrank"}, true},
    {"attention.indexer.head_count", QFS_PARAM_U32, {"indexer_n_heads"}, true},
    {"attention.indexer.key_length", QFS_PARAM_U32, {"indexer_head_dim"}, true},
    {"attention.indexer.top_k", QFS_PARAM_U32, {"indexer_budget"}, true},
    {NULL},
};
static const struct qfs_param ngram_params[] = {
    {"ple.ngram_size", QFS_PARAM_U32, {"ngram_size"}, true},
    {"ple.heads_per_ngram", QFS_PARAM_U32, {"heads_per_ngram"}, true},
    {"ple.conv_kernel", QFS_PARAM_U32, {"ple_conv_kernel_size"}, true},
    {NULL},
};

static int put_compress_ratios(struct qfs_converter *c)
{
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    int32_t *ratios = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*ratios));
    int64_t ratio;
    int rc = qfs_hparam_count(c, &ratio, "indexer_compress_ratio");
    if (rc < 0 || !ratios)
        return rc < 0 ? rc : qfs_fail_memory(c->error);
    if (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count < c->block_count)
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_types is no list of %lld layers",
                        c->model->path, (long long)c->block_count);
    for (int64_t i = 0; i < c->block_count; i++)
        ratios[i] =
            qfs_text_is(qfs_json_text(&types->items[i]), "full_attention") ? (int32_t)ratio : 0;
    qfs_put_i32s(c, "attention.compress_ratios", ratios, (size_t)c->block_count);
    return 0;
}

/* A tensor of int64 as an array of uint64. */
static int put_constants(struct qfs_converter *c, size_t which)
{
    for (size_t i = 0; i < c->ntensors; i++) {
        const struct qfs_recipe *recipe = c->tensors[i].recipe;
        int64_t count = qfs_recipe_count(recipe);
        if (!qfs_ends_with(c->tensors[i].name, constants[which].suffix))
            continue;
        if (recipe->op != QFS_OP_SOURCE || recipe->dtype != QFS_DTYPE_I64 || recipe->ndim != 1 ||
            count > 1 << 20)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is no list of int64", c->model->path,
                            c->tensors[i].name);
        int64_t *values = qfs_arena_array(c->arena, (size_t)count, sizeof(*values));
        if (!values)
            return qfs_fail_memory(c->error);
        int rc = qfs_model_pread(c->model, recipe->source, 0, values,
                                 (size_t)count * sizeof(*values), c->error);
        for (int64_t j = 0; j < count && rc == 0; j++)
            if (values[j] < 0)
                rc = qfs_fail(c->error, EINVAL, "%s: tensor %s has a number below 0",
                              c->model->path, c->tensors[i].name);
        if (rc == 0 && count)
            qfs_kv_array(&c->out->kvs, qfs_key(c, constants[which].key), QFS_KV_U64, values,
                         (size_t)count);
        return rc;
    }
    return qfs_fail(c->error, EINVAL, "%s: has no tensor %s", c->model->path,
                    constants[which].suffix);
}

/* The last of several ends a text. */
static int put_eos(struct qfs_converter *c)
{
    const struct qfs_json *eos = qfs_hparam(c, "eos_token_id");
    if (qfs_json_is(eos, QFS_JSON_ARRAY) && eos->count)
        eos = &eos->items[eos->count - 1];
    return qfs_put_param(c, "ple.eos_token_id", QFS_PARAM_U32, eos);
}

static int put_ngrams(struct qfs_converter *c, const struct qfs_json *layers)
{
    const struct qfs_json *image = qfs_hparam(c, "image_token_id");
    int32_t *ids = qfs_arena_array(c->arena, layers->count, sizeof(*ids));
    int rc = ids ? 0 : qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < layers->count && rc == 0; i++) {
        int64_t layer;
        if (!qfs_json_int(&layers->items[i], &layer) || layer < 1 || layer > c->block_count)
            return qfs_fail(c->error, EINVAL, "%s/config.json: ple_layer_ids is no list of layers",
                            c->model->path);
        ids[i] = (int32_t)(layer - 1);
    }
    if (rc < 0)
        return rc;
    qfs_put_i32s(c, "ple.layers", ids, layers->count);
    if ((rc = qfs_put_params(c, ngram_params)) < 0 || (rc = put_eos(c)) < 0 ||
        (!qfs_json_is_null(image) &&
         (rc = qfs_put_param(c, "ple.image_token_id", QFS_PARAM_U32, image)) < 0))
        return rc;
    for (size_t i = 0; i < c->ntensors; i++)
        if (shard_number(c->tensors[i].name) >= 0) {
            const struct qfs_recipe *shard = c->tensors[i].recipe;
            qfs_put_u32(c, "embedding_length_per_layer_input", shard->shape[shard->ndim - 1]);
            break;
        }
    for (size_t i = 0; i < QFS_COUNT(constants) && rc == 0; i++)
        rc = put_constants(c, i);
    return rc;
}

static int keys(struct qfs_converter *c)
{
    const struct qfs_json *layers = qfs_hparam(c, "ple_layer_ids");
    int rc = qfs_qwen35_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, params)) < 0 || (rc = put_compress_ratios(c)) < 0)
        return rc;
    if (!qfs_json_is(layers, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: ple_layer_ids is not a list",
                        c->model->path);
    return layers->count ? put_ngrams(c, layers) : 0;
}

const struct qfs_family qfs_family_qwen4exp = {
    .arch = "qwen4exp",
    .hf_classes = classes,
    .parent = &qfs_family_qwen35,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .finish = all_shards_came,
    .keys = keys,
};
