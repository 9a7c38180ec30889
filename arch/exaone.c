/* LG's EXAONE 3, 4 and 4.5, and K-EXAONE with experts. */
#include "converter.h"

#include <string.h>

static const char *const exaone_classes[] = {"ExaoneForCausalLM", NULL};
static const char *const exaone4_classes[] = {"Exaone4ForCausalLM", NULL};
static const char *const exaone45_classes[] = {"Exaone4_5_ForConditionalGeneration", NULL};
static const char *const moe_classes[] = {"ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM", NULL};

static int exaone_keys(struct qfs_converter *c)
{
    const struct qfs_json *part = qfs_json_get(c->rope, "partial_rotary_factor");
    int64_t hidden, nheads;
    double factor = 1;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0)
        return rc;
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "activation_function")), "silu"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: activation_function is not silu",
                        c->model->path);
    if (nheads == 0 || (!qfs_json_is_null(part) && !qfs_json_real(part, &factor)) || factor < 0 ||
        factor > 1e3)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: partial_rotary_factor or num_attention_heads is no size",
                        c->model->path);
    qfs_put_u32(c, "rope.dimension_count", (int64_t)(factor * (double)(hidden / nheads)));
    return 0;
}

/* -- EXAONE 4 ----------------------------------------------------------------------------------------- */

static int exaone4_extra(struct qfs_converter *c)
{
    return qfs_llama3_rope_factors_or(c, 16.0);
}

/* sliding_window_pattern "LLLG", or every how manieth layer sees everything. */
static int put_pattern(struct qfs_converter *c, const struct qfs_json *pattern)
{
    struct qfs_text letters = qfs_json_text(pattern);
    int64_t nlayers, every = 0;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (!(letters.size || (qfs_json_int(pattern, &every) && every > 0)))
        return 0;
    uint8_t *flags = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*flags));
    if (!flags)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < nlayers; i++)
        flags[i] =
            letters.size ? letters.data[(size_t)i % letters.size] == 'L' : (i + 1) % every != 0;
    qfs_put_bools(c, "attention.sliding_window_pattern", flags, (size_t)nlayers);
    return 0;
}

static int exaone4_keys(struct qfs_converter *c)
{
    const struct qfs_json *window = qfs_hparam(c, "sliding_window");
    const struct qfs_json *pattern = qfs_hparam(c, "sliding_window_pattern");
    int rc = qfs_text_keys(c);
    if (rc < 0 ||
        (rc = qfs_put_param(c, "vocab_size", QFS_PARAM_U32, qfs_hparam(c, "vocab_size"))) < 0 ||
        qfs_json_is_null(window) ||
        (rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)) < 0)
        return rc;
    if (qfs_hparam(c, "layer_types"))
        return qfs_put_layer_flags(c, "attention.sliding_window_pattern", "layer_types",
                                   "sliding_attention");
    return pattern ? put_pattern(c, pattern) : 0;
}

/* -- draft heads -------------------------------------------------------------------------------------- */

/* What is beside the draft layers, and stands once for all of them. */
static const struct {
    const char *prefix, *key;
} draft_parts[] = {
    {"mtp.fc.", "blk.{bid}.nextn.eh_proj"},
    {"mtp.pre_fc_norm_embedding.", "blk.{bid}.nextn.enorm"},
    {"mtp.pre_fc_norm_hidden.", "blk.{bid}.nextn.hnorm"},
    {"mtp.norm.", "blk.{bid}.nextn.shared_head_norm"},
};

/* Written for each draft layer. *ret_known is false where it is none of the four. */
static int draft_part(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int64_t nlayers, bool *ret_known)
{
    *ret_known = false;
    for (size_t i = 0; i < QFS_COUNT(draft_parts); i++) {
        if (!qfs_starts_with(name, draft_parts[i].prefix) ||
            strchr(name + strlen(draft_parts[i].prefix), '.'))
            continue;
        *ret_known = true;
        for (int64_t bid = nlayers; bid < c->block_count; bid++) {
            const char *new_name =
                qfs_format_name(c, draft_parts[i].key, strrchr(name, '.'), (int)bid);
            int rc = new_name ? qfs_text_tensor(c, data, new_name, (int)bid) : -c->error->code;
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* mtp.layers.N becomes the model's layer `to`. */
static const char *draft_layer_name(struct qfs_converter *c, const char *name, int bid, int64_t to)
{
    const char *from = qfs_arena_printf(c->arena, "mtp.layers.%d", bid);
    const char *instead = qfs_arena_printf(c->arena, "model.layers.%lld", (long long)to);
    if (!from || !instead) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    return qfs_name_replace(c, name, from, instead);
}

static int exaone45_keys(struct qfs_converter *c)
{
    int64_t nextn = 0;
    int rc = exaone4_keys(c);
    if (rc == 0 && qfs_json_truthy(qfs_hparam(c, "num_nextn_predict_layers")))
        rc = qfs_hparam_count(c, &nextn, "num_nextn_predict_layers");
    if (rc == 0 && nextn > 0)
        qfs_put_u32(c, "nextn_predict_layers", nextn);
    return rc;
}

static int exaone45_begin(struct qfs_converter *c)
{
    return qfs_json_truthy(qfs_hparam(c, "num_nextn_predict_layers")) ? qfs_begin_with_nextn(c) : 0;
}

static int exaone45_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    int64_t nlayers;
    bool known;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    if (rc < 0)
        return rc;
    if (!qfs_starts_with(name, "mtp."))
        return qfs_text_tensor(c, data, name, bid);
    if (c->block_count <= nlayers)
        return 0;
    if (!strstr(name, ".layers."))
        return draft_part(c, data, name, nlayers, &known);
    bid = QFS_MAX(bid, 0);
    bool shared = qfs_json_truthy(qfs_hparam(c, "mtp_share_layers"));
    int64_t first = shared ? nlayers : nlayers + bid, last = shared ? c->block_count : first + 1;
    for (int64_t to = first; to < last; to++) {
        const char *new_name = draft_layer_name(c, name, bid, to);
        rc =
            new_name ? qfs_text_tensor(c, data, new_name, shared ? (int)to : bid) : -c->error->code;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* -- K-EXAONE ----------------------------------------------------------------------------------------- */

static const struct qfs_param moe_scales[] = {
    {"expert_weights_scale", QFS_PARAM_F32, {"routed_scaling_factor"}, true},
    {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_topk_prob"}, true},
    {NULL},
};

static int moe_keys(struct qfs_converter *c)
{
    int64_t length, nshared, nextn;
    int rc = exaone4_keys(c);
    const struct qfs_json *dense =
        qfs_hparam_any(c, "first_k_dense_replace", "first_last_k_dense_replace");
    const struct qfs_json none = {.kind = QFS_JSON_INT};
    if (rc < 0 || (rc = qfs_hparam_count(c, &length, "moe_intermediate_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nshared, "num_shared_experts")) < 0)
        return rc;
    qfs_put_u32(c, "expert_feed_forward_length", length);
    qfs_put_u32(c, "expert_shared_count", nshared);
    qfs_put_u32(c, "expert_shared_feed_forward_length", length * nshared);
    if ((rc = qfs_put_params(c, moe_scales)) < 0 ||
        (rc = qfs_put_param(c, "leading_dense_block_count", QFS_PARAM_U32, dense ? dense : &none)) <
            0 ||
        (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0)
        return rc;
    qfs_put_u32(c, "nextn_predict_layers", nextn);
    qfs_put_no_rope_scaling(c);
    return 0;
}

static int moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    int64_t nlayers;
    int rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers");
    bool known;
    if (rc < 0)
        return rc;
    if (qfs_starts_with(name, "mtp.")) {
        if (!strstr(name, "layers.")) {
            rc = draft_part(c, data, name, nlayers, &known);
            return rc < 0 || known ? rc
                                   : qfs_fail(c->error, EINVAL, "%s: tensor %s is not known",
                                              c->model->path, name);
        }
        if (!(name = draft_layer_name(c, name, bid, nlayers + bid)))
            return -c->error->code;
    }
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts, "num_local_experts", "num_experts");
}

const struct qfs_family qfs_family_exaone = {
    .arch = "exaone",
    .hf_classes = exaone_classes,
    .extra = qfs_llama3_rope_factors,
    .keys = exaone_keys,
};

const struct qfs_family qfs_family_exaone4 = {
    .arch = "exaone4",
    .hf_classes = exaone4_classes,
    .extra = exaone4_extra,
    .keys = exaone4_keys,
};

const struct qfs_family qfs_family_exaone45 = {
    .arch = "exaone4",
    .hf_classes = exaone45_classes,
    .parent = &qfs_family_exaone4,
    .begin = exaone45_begin,
    .tensor = exaone45_tensor,
    .keys = exaone45_keys,
};

const struct qfs_family qfs_family_exaone_moe = {
    .arch = "exaone-moe",
    .hf_classes = moe_classes,
    .parent = &qfs_family_exaone4,
    .begin = qfs_begin_with_nextn,
    .tensor = moe_tensor,
    .keys = moe_keys,
};
