/* Qwen 3 Next and 3.5: most layers are gated delta nets, and a draft head may follow the last. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

static const char *const next_classes[] = {"Qwen3NextForCausalLM", NULL};
static const char *const qwen35_classes[] = {"Qwen3_5ForConditionalGeneration",
                                             "Qwen3_5ForCausalLM", NULL};
static const char *const qwen35moe_classes[] = {"Qwen3_5MoeForConditionalGeneration",
                                                "Qwen3_5MoeForCausalLM", NULL};
static const char *const minicpmv_classes[] = {"MiniCPMV4_6ForConditionalGeneration", NULL};

/* -- draft heads: "mtp.…" becomes layers behind the last ---------------------------------------------- */

/* Layers without those of draft heads. */
static int main_layers(struct qfs_converter *c, int64_t *ret_count)
{
    return qfs_hparam_count(c, ret_count, "n_layers", "num_hidden_layers", "n_layer", "num_layers");
}

/* Which draft layer a name is of, and in *ret_rest what follows its number; -1: of none. */
static int64_t draft_layer(const char *name, const char **ret_rest)
{
    static const char head[] = "mtp.layers.";
    if (!qfs_starts_with(name, head))
        return -1;
    const char *number = name + sizeof(head) - 1;
    size_t ndigits = strspn(number, "0123456789");
    if (ndigits == 0 || ndigits > 4 || number[ndigits] != '.')
        return -1;
    *ret_rest = number + ndigits + 1;
    return atoi(number);
}

static const char *draft_name(struct qfs_converter *c, const char *name, int64_t nlayers)
{
    static const struct {
        const char *part, *name;
    } parts[] = {
        {"mtp.fc.", "eh_proj"},
        {"mtp.pre_fc_norm_embedding.", "enorm"},
        {"mtp.pre_fc_norm_hidden.", "hnorm"},
        {"mtp.norm.", "shared_head.norm"},
    };
    const char *rest;
    int64_t layer = draft_layer(name, &rest);
    if (layer >= 0)
        return qfs_arena_printf(c->arena, "model.layers.%lld.%s", (long long)(nlayers + layer),
                                rest);
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (qfs_starts_with(name, parts[i].part) && !strchr(name + strlen(parts[i].part), '.'))
            return qfs_arena_printf(c->arena, "model.layers.%lld.%s.%s", (long long)nlayers,
                                    parts[i].name, name + strlen(parts[i].part));
    return name;
}

int qfs_qwen_next_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    int64_t nlayers;
    int rc = main_layers(c, &nlayers);
    if (rc < 0 || (rc = qfs_text_filter(c, name, &name)) < 0)
        return rc;
    if (name && qfs_starts_with(name, "model.mtp."))
        name += strlen("model.");
    if (name && qfs_starts_with(name, "mtp.") && !(name = draft_name(c, name, nlayers)))
        return qfs_fail_memory(c->error);
    *ret_name = name;
    return 0;
}

/* The checkpoint's own number of draft layers, which not every config says. */
static int count_draft_layers(struct qfs_converter *c, int64_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < c->model->ntensors; i++) {
        const char *name, *rest;
        int rc = qfs_text_filter(c, c->model->tensors[i].name, &name);
        if (rc < 0)
            return rc;
        if (name && qfs_starts_with(name, "model.mtp."))
            name += strlen("model.");
        if (name)
            *ret_count = QFS_MAX(*ret_count, draft_layer(name, &rest) + 1);
    }
    return 0;
}

static int begin_with_drafts(struct qfs_converter *c, bool drafts_kept)
{
    int64_t nlayers, ndrafts, found = 0;
    int rc;
    if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0 ||
        (rc = qfs_hparam_count_or(c, "mtp_num_hidden_layers", 0, &ndrafts)) < 0)
        return rc;
    if (c->draft == QFS_DRAFT_LEFT) {
        c->block_count = QFS_MIN(nlayers, (int64_t)4096);
        return 0;
    }
    if (ndrafts == 0 && drafts_kept && (rc = count_draft_layers(c, &found)) < 0)
        return rc;
    ndrafts = ndrafts ? ndrafts : found;
    if (ndrafts == 0 || nlayers + ndrafts > 4096)
        return qfs_fail(c->error, EINVAL,
                        "%s: has no draft head (mtp.layers.0), which the converter needs here",
                        c->model->path);
    c->block_count = nlayers + ndrafts;
    return 0;
}

static int begin(struct qfs_converter *c)
{
    return begin_with_drafts(c, true);
}

/* -- keys --------------------------------------------------------------------------------------------- */

static const struct qfs_param ssm_params[] = {
    {"ssm.conv_kernel", QFS_PARAM_U32, {"linear_conv_kernel_dim"}, true},
    {"ssm.state_size", QFS_PARAM_U32, {"linear_key_head_dim"}, true},
    {"ssm.group_count", QFS_PARAM_U32, {"linear_num_key_heads"}, true},
    {"ssm.time_step_rank", QFS_PARAM_U32, {"linear_num_value_heads"}, true},
    {NULL},
};

/* Which layers are delta nets; draft heads are not. */
static int put_recurrent_layers(struct qfs_converter *c, int64_t nlayers)
{
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    if (qfs_json_is_null(types))
        return 0;
    uint8_t *flags = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*flags));
    if (!flags)
        return qfs_fail_memory(c->error);
    if (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count != nlayers)
        return qfs_fail(c->error, EINVAL, "%s/config.json: layer_types is no list of %lld layers",
                        c->model->path, (long long)nlayers);
    for (uint32_t i = 0; i < types->count; i++)
        flags[i] = qfs_text_is(qfs_json_text(&types->items[i]), "linear_attention");
    qfs_put_bools(c, "attention.recurrent_layers", flags, (size_t)c->block_count);
    return 0;
}

int qfs_qwen_next_keys(struct qfs_converter *c)
{
    int64_t nlayers, dim, nheads, rotated;
    int rc = qfs_qwen_moe_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0)
        return rc;
    if (c->block_count > nlayers)
        qfs_put_u32(c, "nextn_predict_layers", c->block_count - nlayers);
    if ((rc = qfs_put_params(c, ssm_params)) < 0 ||
        (rc = qfs_hparam_count(c, &dim, "linear_value_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "linear_num_value_heads")) < 0)
        return rc;
    qfs_put_u32(c, "ssm.inner_size", dim * nheads);
    if ((rc = put_recurrent_layers(c, nlayers)) < 0 ||
        (rc = qfs_put_param_or(c, "full_attention_interval", QFS_PARAM_U32,
                               "full_attention_interval", 4)) < 0 ||
        (rc = qfs_rotated_dim(c, 0.25, &rotated)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", rotated);
    return 0;
}

/* -- tensors ------------------------------------------------------------------------------------------ */

struct heads { /* of a delta net */
    int64_t nkeys, nvalues, key_dim, value_dim;
};

static int read_heads(struct qfs_converter *c, struct heads *ret_heads)
{
    int rc;
    if ((rc = qfs_hparam_count(c, &ret_heads->nkeys, "linear_num_key_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &ret_heads->nvalues, "linear_num_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &ret_heads->key_dim, "linear_key_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &ret_heads->value_dim, "linear_value_head_dim")) < 0)
        return rc;
    if (ret_heads->nkeys == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: linear_num_key_heads is 0",
                        c->model->path);
    return 0;
}

/* Rows come head by head, q k v z each; they go part by part. */
static int split_qkvz(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    struct heads h;
    int rc = read_heads(c, &h);
    if (rc < 0 || !data)
        return rc < 0 ? rc : -c->error->code;
    if (data->ndim != 2)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is no matrix", c->model->path, name);
    int64_t values = h.nvalues / h.nkeys * h.value_dim, ncols = data->shape[1];
    const int64_t sizes[] = {h.key_dim, h.key_dim, values, values};
    const struct qfs_recipe *parts[QFS_COUNT(sizes)],
        *heads = qfs_lazy_reshape(c, data, 3,
                                  (const int64_t[]){h.nkeys, 2 * h.key_dim + 2 * values, ncols});
    int64_t first = 0;
    for (size_t i = 0; i < QFS_COUNT(sizes); i++) {
        parts[i] = qfs_lazy_reshape(c, qfs_lazy_slice(c, heads, 1, first, sizes[i]), 2,
                                    (const int64_t[]){h.nkeys * sizes[i], ncols});
        if (!parts[i])
            return -c->error->code;
        first += sizes[i];
    }
    rc = qfs_emit(c, qfs_lazy_concat(c, parts, 3), name,
                  qfs_format_name(c, "blk.{bid}.attn_qkv", ".weight", bid), bid);
    return rc < 0 ? rc
                  : qfs_emit(c, parts[3], name,
                             qfs_format_name(c, "blk.{bid}.attn_gate", ".weight", bid), bid);
}

int qfs_qwen_next_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    if (qfs_ends_with(name, ".A_log"))
        data = qfs_lazy_unary(c, QFS_OP_NEG_EXP, data, 0);
    else if (qfs_ends_with(name, ".dt_bias"))
        name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    else if (strstr(name, "conv1d"))
        data = qfs_lazy_squeeze(c, data);
    else if (qfs_ends_with(name, "norm.weight") && !qfs_ends_with(name, "linear_attn.norm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    if (!name || !data)
        return -c->error->code;
    return strstr(name, "in_proj_qkvz.weight") ? split_qkvz(c, data, name, bid)
                                               : qfs_qwen_moe_tensor(c, data, name, bid);
}

/* -- Qwen 3.5: value heads that share a key head are spread --------------------------------------------
 *
 * [k0v0 k0v1 k1v0 k1v1] along an axis becomes [k0v0 k1v0 k0v1 k1v1], as ggml repeats key heads. */

static const struct qfs_recipe *spread(struct qfs_converter *c, const struct qfs_recipe *a,
                                       int axis, const struct heads *h, int64_t dim)
{
    int64_t shape[QFS_MAX_DIMS];
    int ndim = 0;
    if (!a)
        return NULL;
    axis = axis < 0 ? axis + a->ndim : axis;
    if (a->ndim + 2 > QFS_MAX_DIMS || axis >= a->ndim) {
        qfs_fail(c->error, EINVAL, "%s: a delta net's tensor has not the axes it needs",
                 c->model->path);
        return NULL;
    }
    for (int i = 0; i < a->ndim; i++) {
        if (i == axis) {
            shape[ndim++] = h->nkeys;
            shape[ndim++] = h->nvalues / h->nkeys;
            shape[ndim++] = dim;
        } else {
            shape[ndim++] = a->shape[i];
        }
    }
    const struct qfs_recipe *heads = qfs_lazy_reshape(c, a, ndim, shape);
    return qfs_lazy_reshape(c, qfs_lazy_swapaxes(c, heads, axis, axis + 1), a->ndim, a->shape);
}

/* The first `keys` rows stay, those of values behind them are spread. */
static const struct qfs_recipe *spread_rest(struct qfs_converter *c, const struct qfs_recipe *a,
                                            int64_t keys, const struct heads *h)
{
    const struct qfs_recipe *parts[2];
    if (!a)
        return NULL;
    parts[0] = qfs_lazy_slice(c, a, 0, 0, keys);
    parts[1] = parts[0] ? qfs_lazy_slice(c, a, 0, keys, a->shape[0] - keys) : NULL;
    parts[1] = spread(c, parts[1], 0, h, h->value_dim);
    return parts[1] ? qfs_lazy_concat(c, parts, 2) : NULL;
}

static const struct qfs_recipe *spread_values(struct qfs_converter *c,
                                              const struct qfs_recipe *data, const char *name,
                                              const struct heads *h)
{
    int64_t keys = 2 * h->key_dim * h->nkeys;
    if (strstr(name, ".in_proj_qkv."))
        return spread_rest(c, data, keys, h);
    if (strstr(name, ".in_proj_z."))
        return spread(c, data, 0, h, h->value_dim);
    if (strstr(name, ".in_proj_b.") || strstr(name, ".in_proj_a."))
        return spread(c, data, 0, h, 1);
    if (strstr(name, ".A_log") || strstr(name, ".dt_bias") || strstr(name, ".dt_proj"))
        return spread(c, data, -1, h, 1);
    if (strstr(name, ".conv1d"))
        return spread_rest(c, qfs_lazy_squeeze(c, data), keys, h);
    if (strstr(name, ".out_proj."))
        return spread(c, data, 1, h, h->value_dim);
    return data;
}

int qfs_qwen35_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    struct heads h = {0};
    int rc;
    if ((rc = qfs_hparam_count_or(c, "linear_num_key_heads", 0, &h.nkeys)) < 0 ||
        (rc = qfs_hparam_count_or(c, "linear_num_value_heads", 0, &h.nvalues)) < 0)
        return rc;
    if (h.nkeys > 0 && h.nvalues > 0 && h.nkeys != h.nvalues && strstr(name, "linear_attn.")) {
        if ((rc = read_heads(c, &h)) < 0)
            return rc;
        data = spread_values(c, data, name, &h);
    }
    return data ? qfs_qwen_next_tensor(c, data, name, bid) : -c->error->code;
}

int qfs_qwen35_keys(struct qfs_converter *c)
{
    static const int32_t sections[] = {11, 11, 10, 0};
    int rc = qfs_qwen_next_keys(c);
    if (rc == 0 && !qfs_json_get(c->rope, "mrope_section"))
        qfs_put_i32s(c, "rope.dimension_sections", sections, QFS_COUNT(sections));
    return rc;
}

/* -- MiniCPM-V 4.6: a Qwen 3.5 whose draft head is left out ------------------------------------------- */

static int minicpmv_begin(struct qfs_converter *c)
{
    return begin_with_drafts(c, false);
}

static int minicpmv_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "model.merger.") || qfs_starts_with(name, "mtp"))
        return 0;
    return qfs_qwen_next_filter(c, name, ret_name);
}

const struct qfs_family qfs_family_qwen3next = {
    .arch = "qwen3next",
    .hf_classes = next_classes,
    .begin = begin,
    .filter = qfs_qwen_next_filter,
    .tensor = qfs_qwen_next_tensor,
    .keys = qfs_qwen_next_keys,
};

const struct qfs_family qfs_family_qwen35 = {
    .arch = "qwen35",
    .hf_classes = qwen35_classes,
    .parent = &qfs_family_qwen3next,
    .tensor = qfs_qwen35_tensor,
    .keys = qfs_qwen35_keys,
};

const struct qfs_family qfs_family_qwen35moe = {
    .arch = "qwen35moe",
    .hf_classes = qwen35moe_classes,
    .parent = &qfs_family_qwen35,
};

const struct qfs_family qfs_family_minicpmv46 = {
    .arch = "qwen35",
    .hf_classes = minicpmv_classes,
    .parent = &qfs_family_qwen35,
    .begin = minicpmv_begin,
    .filter = minicpmv_filter,
};
