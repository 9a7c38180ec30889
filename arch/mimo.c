/* MiMo V2. Three draft heads come as model.mtp.layers; rows of a fused q, k, v stand as tensor parallel
 * training left them. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

static const char *const classes[] = {"MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", NULL};

enum { NEXTN = 3, BLOCK = 128 };

static int begin(struct qfs_converter *c)
{
    int rc = qfs_hparam_count(c, &c->block_count, "num_hidden_layers");
    c->block_count += NEXTN;
    return rc;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (strstr(name, "attention_sink") && !qfs_ends_with(name, ".weight") &&
        !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_filter(c, name, ret_name);
}

/* -- fused q, k, v in FP8 ---------------------------------------------------------------------------------- */

struct qkv {
    int64_t q, k, v; /* rows of each */
    int64_t ranks;   /* into which they are cut */
};

/* Draft heads have a window. */
static int find_rows(struct qfs_converter *c, int64_t layer, struct qkv *ret)
{
    const struct qfs_json *pattern = qfs_hparam(c, "hybrid_layer_pattern");
    int64_t nlayers, nheads, dim, value, nkv, slides = 1;
    int rc;
    if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &dim, "head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &value, "v_head_dim")) < 0)
        return rc;
    if (layer < nlayers && !qfs_json_int(qfs_json_at(pattern, (size_t)layer), &slides))
        return qfs_fail(c->error, EINVAL, "%s/config.json: hybrid_layer_pattern lacks layer %lld",
                        c->model->path, (long long)layer);
    rc = slides == 1 ? qfs_hparam_count(c, &nkv, "swa_num_key_value_heads")
                     : qfs_hparam_count(c, &nkv, "num_key_value_heads");
    if (rc == 0)
        *ret = (struct qkv){nheads * dim, nkv * dim, nkv * value, 0};
    return rc;
}

static int64_t blocks_of(int64_t rows)
{
    return (rows + BLOCK - 1) / BLOCK;
}

/* Each rank's rows have scales of their own, so its last block may be short. */
static const struct qfs_recipe *regroup(struct qfs_converter *c, const struct qfs_recipe *weight,
                                        const struct qfs_recipe *scale, const struct qkv *rows)
{
    struct qfs_json size[2] = {{.kind = QFS_JSON_INT, .integer = BLOCK},
                               {.kind = QFS_JSON_INT, .integer = BLOCK}};
    const struct qfs_json block = {.kind = QFS_JSON_ARRAY, .count = 2, .items = size};
    const int64_t counts[] = {rows->q / rows->ranks, rows->k / rows->ranks, rows->v / rows->ranks};
    const struct qfs_recipe *parts[3 * 8];
    int64_t height = counts[0] + counts[1] + counts[2];
    for (int64_t rank = 0; rank < rows->ranks; rank++) {
        const struct qfs_recipe *own = qfs_dequant_simple(
            c, qfs_lazy_slice(c, weight, 0, rank * height, height),
            qfs_lazy_slice(c, scale, 0, rank * blocks_of(height), blocks_of(height)), &block);
        for (int64_t i = 0, at = 0; i < 3; at += counts[i++])
            parts[i * rows->ranks + rank] = qfs_lazy_slice(c, own, 0, at, counts[i]);
    }
    return qfs_lazy_concat(c, parts, (size_t)rows->ranks * 3);
}

static int dequant_qkv(struct qfs_converter *c, const struct qfs_recipe *weight,
                       const struct qfs_recipe *scale, const char *name)
{
    static const int64_t ranks[] = {8, 4};
    struct qkv rows = {0};
    int rc = find_rows(c, qfs_layer_of(name), &rows);
    if (rc < 0)
        return rc;
    int64_t total = rows.q + rows.k + rows.v;
    for (size_t i = 0; i < QFS_COUNT(ranks) && !rows.ranks; i++)
        if (scale->ndim == 2 && total % ranks[i] == 0 &&
            scale->shape[0] == ranks[i] * blocks_of(total / ranks[i]))
            rows.ranks = ranks[i];
    if (weight->ndim != 2 || weight->shape[0] != total || !rows.ranks)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its rows and scales are not those of 8 or 4 ranks",
                        c->model->path, name);
    return qfs_tensor_set(c, name, regroup(c, weight, scale, &rows));
}

static bool is_qkv_scale(const char *name)
{
    const char *layer =
        qfs_layer_of(name) >= 0 ? strchr(name + strlen("model.layers."), '.') : NULL;
    return layer && strcmp(layer, ".self_attn.qkv_proj.weight_scale_inv") == 0;
}

static int dequant(struct qfs_converter *c)
{
    const struct qfs_json *config = qfs_hparam(c, "quantization_config");
    struct fused {
        const char *name;
        const struct qfs_recipe *weight, *scale;
    } *fused = qfs_arena_array(c->arena, (size_t)c->block_count + 1, sizeof(*fused));
    size_t count = 0;
    if (!fused)
        return qfs_fail_memory(c->error);
    bool fp8 = qfs_text_is(qfs_json_text(qfs_json_get(config, "quant_method")), "fp8");
    for (size_t i = 0; fp8 && i < c->ntensors && count < (size_t)c->block_count; i++) {
        if (!c->tensors[i].name || !is_qkv_scale(c->tensors[i].name))
            continue;
        const char *name = qfs_name_swap_suffix(c, c->tensors[i].name, "_scale_inv", "");
        const struct qfs_lazy *weight = name ? qfs_tensor_find(c, name) : NULL;
        if (!name)
            return -ENOMEM;
        if (weight)
            fused[count++] = (struct fused){name, weight->recipe, c->tensors[i].recipe};
    }
    int rc = qfs_dequant_model(c);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = dequant_qkv(c, fused[i].weight, fused[i].scale, fused[i].name);
    return rc;
}

/* -- experts in MXFP4 -------------------------------------------------------------------------------------- */

static const struct qfs_packed_experts packed_experts = {
    "model.layers.{bid}.mlp.experts.{xid}.{w}_proj.weight",
    "model.layers.{bid}.mlp.experts.{xid}.{w}_proj.weight_scale",
    {{"down", "blk.{bid}.ffn_down_exps"},
     {"gate", "blk.{bid}.ffn_gate_exps"},
     {"up", "blk.{bid}.ffn_up_exps"}},
};

static int is_packed(struct qfs_converter *c, bool *ret_packed)
{
    const struct qfs_json *config = qfs_hparam(c, "quantization_config");
    const struct qfs_json *size = qfs_json_get(config, "mxfp4_block_size");
    int64_t block = 32;
    *ret_packed = qfs_text_is(qfs_json_text(qfs_json_get(config, "store_dtype")), "mxfp4");
    if (*ret_packed && size && (!qfs_json_int(size, &block) || block != 32))
        return qfs_fail(c->error, ENOTSUP, "%s/config.json: mxfp4_block_size is not 32",
                        c->model->path);
    return 0;
}

static int extra(struct qfs_converter *c)
{
    int64_t nexperts;
    bool packed;
    int rc = is_packed(c, &packed);
    if (rc < 0 || !packed || (rc = qfs_hparam_count(c, &nexperts, "n_routed_experts")) < 0)
        return rc;
    for (size_t i = 0; i < c->ntensors; i++)
        if (qfs_ends_with(c->tensors[i].name, ".weight_scale") &&
            !strstr(c->tensors[i].name, ".mlp.experts."))
            return qfs_fail(c->error, ENOTSUP,
                            "%s: tensor %s: llama.cpp takes MXFP4 for experts only", c->model->path,
                            c->tensors[i].name);
    return qfs_pack_experts(c, nexperts, &packed_experts);
}

/* -- tensors and keys -------------------------------------------------------------------------------------- */

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char mtp[] = "model.mtp.layers.";
    int64_t nlayers;
    int rc;
    if (qfs_starts_with(name, mtp) && strspn(name + strlen(mtp), "0123456789")) {
        const char *rest = strchr(name + strlen(mtp), '.');
        if (bid >= NEXTN || !rest)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s: there are only %d draft heads",
                            c->model->path, name, NEXTN);
        if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0)
            return rc;
        bid += (int)nlayers;
        if (!(name = qfs_arena_printf(c->arena, "model.layers.%d%s", bid, rest)))
            return qfs_fail_memory(c->error);
    }
    if (c->file_type == QFS_FILE_TYPE_MXFP4 && qfs_starts_with(name, "model.layers.") &&
        strstr(name, ".mlp.experts."))
        return 0; /* written already */
    if (!strstr(name, ".mlp.experts.") || !qfs_ends_with(name, ".weight"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts_down_last, "n_routed_experts");
}

/* What llama.cpp takes for granted. */
static int check(struct qfs_converter *c)
{
    static const char *const same[][2] = {{"swa_head_dim", "head_dim"},
                                          {"swa_num_attention_heads", "num_attention_heads"},
                                          {"swa_v_head_dim", "v_head_dim"}};
    int64_t a, b;
    int rc;
    for (size_t i = 0; i < QFS_COUNT(same); i++) {
        if ((rc = qfs_hparam_count(c, &a, same[i][0])) < 0 ||
            (rc = qfs_hparam_count(c, &b, same[i][1])) < 0)
            return rc;
        if (a != b)
            return qfs_fail(c->error, EINVAL, "%s/config.json: %s and %s differ", c->model->path,
                            same[i][0], same[i][1]);
    }
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "topk_method")), "noaux_tc"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: topk_method is not noaux_tc",
                        c->model->path);
    return 0;
}

static int put_layers(struct qfs_converter *c)
{
    const struct qfs_json *pattern = qfs_hparam(c, "hybrid_layer_pattern");
    int64_t nkv, nkv_swa, slides;
    int rc;
    if ((rc = qfs_hparam_count(c, &nkv, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nkv_swa, "swa_num_key_value_heads")) < 0)
        return rc;
    if (!qfs_json_is(pattern, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: hybrid_layer_pattern is not a list",
                        c->model->path);
    size_t count = pattern->count + (size_t)NEXTN;
    int32_t *windows = qfs_arena_array(c->arena, count, sizeof(*windows));
    int32_t *heads = qfs_arena_array(c->arena, count, sizeof(*heads));
    if (!windows || !heads)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < count; i++) {
        slides = 1;
        if (i < pattern->count &&
            (!qfs_json_int(&pattern->items[i], &slides) || slides < 0 || slides > INT32_MAX))
            return qfs_fail(c->error, EINVAL, "%s/config.json: hybrid_layer_pattern has no flags",
                            c->model->path);
        windows[i] = (int32_t)slides;
        heads[i] = (int32_t)(slides == 1 ? nkv_swa : nkv);
    }
    qfs_put_i32s(c, "attention.head_count_kv", heads, count);
    if ((rc = qfs_put_one(c, "attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true)) <
        0)
        return rc;
    qfs_put_i32s(c, "attention.sliding_window_pattern", windows, count);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param sizes[] = {
        {"attention.value_length", QFS_PARAM_U32, {"v_head_dim"}, true},
        {"expert_count", QFS_PARAM_U32, {"n_routed_experts"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {NULL},
    };
    double factor;
    int64_t dim;
    int rc;
    if ((rc = qfs_text_keys(c)) < 0 || (rc = check(c)) < 0 || (rc = put_layers(c)) < 0 ||
        (rc = qfs_put_params(c, sizes)) < 0 || (rc = qfs_hparam_count(c, &dim, "head_dim")) < 0)
        return rc;
    if (!qfs_json_real(qfs_json_get(c->rope, "partial_rotary_factor"), &factor))
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no partial_rotary_factor",
                        c->model->path);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)((double)dim * factor));
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon",
                qfs_json_number_or(c->hparams, "layernorm_epsilon", 1e-5));
    if ((rc = qfs_put_one(c, "attention.value_scale", QFS_PARAM_F32, {"attention_value_scale"})) <
        0)
        return rc;
    qfs_put_u32(c, "nextn_predict_layers", NEXTN);
    return 0;
}

const struct qfs_family qfs_family_mimo2 = {
    .arch = "mimo2",
    .hf_classes = classes,
    .begin = begin,
    .filter = filter,
    .dequant = dequant,
    .extra = extra,
    .tensor = tensor,
    .keys = keys,
};
