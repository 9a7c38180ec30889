/* Hy4: DeepSeek's latent attention with a gate and a sink, experts that come stacked, hyper-connections
 * between layers, an indexer in some layers. Draft heads are left out. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"HYV4ForCausalLM", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "model.mtp_layers.")
               ? 0
               : qfs_family_deepseek2.filter(c, name, ret_name);
}

/* -- the indexer ----------------------------------------------------------------------------------------- */

static bool is_sparse(const struct qfs_json *type)
{
    return qfs_text_is(qfs_json_text(type), "sparse_attention") ||
           qfs_text_is(qfs_json_text(type), "deepseek_sparse_attention");
}

static int check_indexer_sizes(struct qfs_converter *c)
{
    static const char *const names[] = {"index_n_heads", "index_head_dim", "index_topk"};
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (!qfs_hparam(c, names[i]))
            return qfs_fail(c->error, EINVAL, "%s/config.json: has no %s", c->model->path,
                            names[i]);
    return 0;
}

/* Whether each layer has an indexer of its own; *ret_full is NULL where none has. */
static int indexer_layers(struct qfs_converter *c, uint8_t **ret_full, int64_t *ret_count)
{
    const struct qfs_json *types = qfs_hparam(c, "indexer_types");
    bool named = !qfs_json_is_null(types), any = false;
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    *ret_full = NULL;
    if (rc < 0)
        return rc;
    if (!named) {
        types = qfs_hparam(c, "layer_types");
        for (size_t i = 0; qfs_json_at(types, i); i++)
            any = any || is_sparse(qfs_json_at(types, i));
        if (!any)
            return 0;
    }
    if ((rc = check_indexer_sizes(c)) < 0)
        return rc;
    if (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count < nlayers || nlayers == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not a list of all layers",
                        c->model->path, named ? "indexer_types" : "layer_types");
    uint8_t *full = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*full));
    if (!full)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < nlayers; i++) {
        const struct qfs_json *type = &types->items[i];
        full[i] = named ? qfs_text_is(qfs_json_text(type), "full") : is_sparse(type);
        if (named && !full[i] && !qfs_text_is(qfs_json_text(type), "shared"))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: indexer_types has others than full and shared",
                            c->model->path);
    }
    if (named && !full[0])
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: indexer_types: layer 0 has nothing to share",
                        c->model->path);
    *ret_full = full;
    *ret_count = nlayers;
    return 0;
}

/* Layers with an indexer have all of its tensors, the others none. */
static int check_indexer_tensors(struct qfs_converter *c)
{
    static const char *const parts[] = {"wq_b.weight", "wk.weight", "k_norm.weight", "k_norm.bias",
                                        "weights_proj.weight"};
    static const char inner[] = "self_attn.indexer.";
    uint8_t *full;
    int64_t nlayers = 0;
    int rc = indexer_layers(c, &full, &nlayers);
    if (rc < 0 || !full)
        return rc;
    uint8_t *seen = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*seen));
    if (!seen)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < c->ntensors; i++) {
        const char *name = c->tensors[i].name, *at = strstr(name, inner);
        int64_t layer = qfs_layer_of(name);
        if (!at || layer < 0 || layer >= nlayers)
            continue;
        unsigned bit = 1 << QFS_COUNT(parts);
        for (unsigned p = 0; p < QFS_COUNT(parts); p++)
            if (strcmp(at + strlen(inner), parts[p]) == 0)
                bit = 1 << p;
        seen[layer] |= (uint8_t)bit;
    }
    for (int64_t i = 0; i < nlayers; i++)
        if (seen[i] != (full[i] ? (1 << QFS_COUNT(parts)) - 1 : 0))
            return qfs_fail(c->error, EINVAL,
                            "%s: layer %lld has other indexer tensors than config.json says",
                            c->model->path, (long long)i);
    return 0;
}

/* -- tensors --------------------------------------------------------------------------------------------- */

static int begin(struct qfs_converter *c)
{
    int64_t nheads;
    int rc = qfs_hparam_count(c, &nheads, "num_attention_heads");
    return rc < 0 ? rc : qfs_hparam_set_int(c, "num_key_value_heads", nheads);
}

static int split_gate_up(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    const char *gate = qfs_format_name(c, "blk.{bid}.ffn_gate_exps", ".weight", bid);
    const char *up = qfs_format_name(c, "blk.{bid}.ffn_up_exps", ".weight", bid);
    int64_t size;
    int rc = qfs_hparam_count(c, &size, "moe_intermediate_size");
    if (rc < 0)
        return rc;
    if (!data || !gate || !up)
        return -c->error->code;
    if (data->ndim != 3 || data->shape[1] != 2 * size)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s: its rows are no pairs of gate and up",
                        c->model->path, name);
    rc = qfs_text_tensor(c, qfs_lazy_slice(c, data, 1, 0, size), gate, bid);
    return rc < 0 ? rc : qfs_text_tensor(c, qfs_lazy_slice(c, data, 1, size, size), up, bid);
}

/* Parameters that are saved without ".weight". */
static bool is_bare(const char *name)
{
    static const char *const ends[] = {
        "mlp.experts.down_proj",         ".self_attn.learnable_sink_param",
        ".hc_head.hc_head_fn",           ".hc_head.hc_head_base",
        ".hc_head.hc_head_scale",        ".hc_attn_layer.hc_pre.hc_fn",
        ".hc_attn_layer.hc_pre.hc_base", ".hc_attn_layer.hc_pre.hc_scale",
        ".hc_mlp_layer.hc_pre.hc_fn",    ".hc_mlp_layer.hc_pre.hc_base",
        ".hc_mlp_layer.hc_pre.hc_scale"};
    for (size_t i = 0; i < QFS_COUNT(ends); i++)
        if (qfs_ends_with(name, ends[i]))
            return true;
    return false;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (qfs_ends_with(name, "mlp.experts.gate_up_proj"))
        return split_gate_up(c, data, name, bid);
    if (is_bare(name) && !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    if (strstr(name, "mlp.experts"))
        return qfs_layer_of(name) >= nlayers ? 0 : qfs_text_tensor(c, data, name, bid);
    return qfs_family_deepseek2.tensor(c, data, name, bid);
}

static int force_quant(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                       int ndims)
{
    static const char *const mixing[] = {"hc_attn_fn.weight", "hc_ffn_fn.weight",
                                         "output_hc_fn.weight"};
    (void)name, (void)bid, (void)ndims;
    for (size_t i = 0; i < QFS_COUNT(mixing); i++)
        if (qfs_ends_with(new_name, mixing[i]))
            return QFS_TYPE_F32;
    if (strcmp(new_name, "output.weight") == 0 &&
        qfs_json_truthy(qfs_hparam(c, "enable_lm_head_fp32")))
        return QFS_TYPE_F32;
    return -1;
}

/* -- keys ------------------------------------------------------------------------------------------------ */

/* first_k_dense_replace, which mlp_layer_types may say instead. */
static int find_leading_dense(struct qfs_converter *c)
{
    const struct qfs_json *types = qfs_hparam(c, "mlp_layer_types");
    const struct qfs_json *said = qfs_hparam(c, "first_k_dense_replace");
    int64_t ndense = 0, count;
    if (qfs_json_is_null(types))
        return qfs_json_is_null(said)
                   ? qfs_fail(c->error, EINVAL, "%s/config.json: has no first_k_dense_replace",
                              c->model->path)
                   : 0;
    while (qfs_text_is(qfs_json_text(qfs_json_at(types, (size_t)ndense)), "dense"))
        ndense++;
    for (size_t i = (size_t)ndense; qfs_json_at(types, i); i++)
        if (qfs_text_is(qfs_json_text(qfs_json_at(types, i)), "dense"))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: mlp_layer_types: dense layers must come first",
                            c->model->path);
    if (qfs_json_is_null(said))
        return qfs_hparam_set_int(c, "first_k_dense_replace", ndense);
    if (!qfs_json_int(said, &count) || count != ndense)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: first_k_dense_replace and mlp_layer_types disagree",
                        c->model->path);
    return 0;
}

static int put_clamp(struct qfs_converter *c)
{
    double limit = qfs_json_number_or(c->hparams, "swiglu_limit", 0.0);
    float *values = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++)
        values[i] = (float)limit;
    if (limit > 0)
        qfs_put_f32s(c, "swiglu_clamp_exp", values, (size_t)c->block_count);
    return 0;
}

static int put_indexer(struct qfs_converter *c)
{
    uint8_t *full;
    int64_t nlayers = 0;
    int rc = indexer_layers(c, &full, &nlayers);
    if (rc < 0 || !full || (rc = qfs_put_indexer(c)) < 0)
        return rc;
    qfs_put_bools(c, "attention.indexer.types", full, (size_t)nlayers);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param connections[] = {
        {"hyper_connection.count", QFS_PARAM_U32, {"hc_mult"}, true},
        {"hyper_connection.epsilon", QFS_PARAM_F32, {"hc_eps"}, true},
        {"hyper_connection.magnitude", QFS_PARAM_F32, {"hc_magnitude"}, true},
        {NULL},
    };
    int64_t ngroups, nused;
    int rc;
    if (qfs_json_int(qfs_hparam(c, "n_group"), &ngroups) && ngroups == 1 &&
        qfs_json_int(qfs_hparam(c, "topk_group"), &nused) && nused == 1) {
        qfs_hparam_remove(c, "n_group");
        qfs_hparam_remove(c, "topk_group");
    }
    if ((rc = find_leading_dense(c)) < 0 || (rc = qfs_deepseek2_keys(c)) < 0)
        return rc;
    qfs_put_sigmoid_gating(c);
    if ((rc = put_clamp(c)) < 0 || (rc = qfs_put_params(c, connections)) < 0)
        return rc;
    return put_indexer(c);
}

const struct qfs_family qfs_family_hy_v4 = {
    .arch = "hy_v4",
    .hf_classes = classes,
    .parent = &qfs_family_deepseek2,
    .begin = begin,
    .filter = filter,
    .extra = check_indexer_tensors,
    .tensor = tensor,
    .force_quant = force_quant,
    .keys = keys,
};
