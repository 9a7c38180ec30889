/* Granite 4 (hybrid, and those of its models that are not) and Bamba. */
#include "hybrid.h"

#include <string.h>

static const char *const classes[] = {"GraniteMoeHybridForCausalLM", "BambaForCausalLM", NULL};

struct qfs_hybrid *qfs_hybrid_of(const struct qfs_converter *c)
{
    return c->state;
}

/* find_hparam: the names, then the same with "mamba_" before them. */
int qfs_hybrid_init(struct qfs_converter *c)
{
    struct qfs_hybrid *h = qfs_arena_alloc(c->arena, sizeof(*h));
    int64_t expand;
    int rc;
    if (!h || !(h->layers = qfs_arena_array(c->arena, (size_t)c->block_count + 1, 1)))
        return qfs_fail_memory(c->error);
    c->state = h;
    h->draft_layer = -1;
    if ((rc = qfs_hparam_count(c, &h->sizes.width, "mamba_head_dim", "hidden_size", "d_model")) <
            0 ||
        (rc = qfs_hparam_count(c, &h->sizes.ngroups, "n_groups", "num_groups", "mamba_n_groups",
                               "mamba_num_groups")) < 0 ||
        (rc = qfs_hparam_count(c, &expand, "expand", "num_heads", "mamba_expand",
                               "mamba_num_heads")) < 0)
        return rc;
    h->sizes.inner = expand * h->sizes.width;
    return 0;
}

/* Layers of attention: named, listed, or every so many. */
static int mark_attention(struct qfs_converter *c, struct qfs_hybrid *h)
{
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    const struct qfs_json *list = qfs_hparam(c, "attn_layer_indices");
    int64_t period, offset, layer;
    int rc = 0;
    if (qfs_json_truthy(types)) {
        for (uint32_t i = 0; i < types->count && i < c->block_count; i++)
            if (qfs_text_is(qfs_json_text(qfs_json_at(types, i)), "attention"))
                h->layers[i] = QFS_LAYER_ATTENTION;
        return 0;
    }
    if (qfs_json_truthy(list)) {
        for (uint32_t i = 0; i < list->count; i++)
            if (qfs_json_int(qfs_json_at(list, i), &layer) && layer >= 0 && layer < c->block_count)
                h->layers[layer] = QFS_LAYER_ATTENTION;
        return 0;
    }
    if ((rc = qfs_hparam_count(c, &period, "attn_layer_period")) < 0 ||
        (rc = qfs_hparam_count(c, &offset, "attn_layer_offset")) < 0)
        return rc;
    if (period == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: attn_layer_period is 0", c->model->path);
    for (int64_t i = 0; i < c->block_count; i++)
        if (i % period == offset)
            h->layers[i] = QFS_LAYER_ATTENTION;
    return 0;
}

static int begin(struct qfs_converter *c)
{
    int rc;
    if ((rc = qfs_mamba2_begin(c)) < 0 || (rc = qfs_hybrid_init(c)) < 0)
        return rc;
    struct qfs_hybrid *h = qfs_hybrid_of(c);
    if ((rc = mark_attention(c, h)) < 0)
        return rc;
    for (int64_t i = 0; i < c->block_count; i++)
        if (!h->layers[i]) {
            h->layers[i] = QFS_LAYER_SSM;
            h->has_ssm = true;
        }
    if (!h->has_ssm)
        c->arch = qfs_json_truthy(qfs_hparam_any(c, "num_experts_per_tok", "num_experts_per_token",
                                                 "mamba_num_experts_per_tok",
                                                 "mamba_num_experts_per_token"))
                      ? "granitemoe"
                      : "granite";
    return 0;
}

int qfs_hybrid_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    /* Mamba2Model's names, then Granite's rules */
    if (qfs_starts_with(name, "model.backbone") || qfs_starts_with(name, "model.lm_head"))
        name += strlen("model.");
    name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    return name ? qfs_granite_filter(c, name, ret_name) : -c->error->code;
}

static int ssm_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    const char *new_name = qfs_map_name(c, name);
    if (!new_name)
        return -c->error->code;
    return qfs_emit(c, qfs_mamba2_shape(c, data, name, new_name, bid, &qfs_hybrid_of(c)->sizes),
                    name, new_name, bid);
}

int qfs_hybrid_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    const struct qfs_hybrid *h = qfs_hybrid_of(c);
    uint8_t parts = bid >= 0 && bid < c->block_count ? h->layers[bid] : 0;
    if (qfs_ends_with(name, "block_sparse_moe.input_linear.weight") || strstr(name, "shared_mlp"))
        return qfs_granite_moe_tensor(c, data, name, bid);
    if (parts & QFS_LAYER_SSM)
        return ssm_tensor(c, data, name, bid);
    return parts & QFS_LAYER_ATTENTION ? qfs_granite_moe_tensor(c, data, name, bid)
                                       : qfs_text_tensor(c, data, name, bid);
}

static int put_ssm(struct qfs_converter *c, const struct qfs_hybrid *h)
{
    int64_t conv, state, nheads;
    int rc;
    if ((rc = qfs_hparam_count(c, &conv, "conv_kernel", "d_conv", "mamba_conv_kernel",
                               "mamba_d_conv")) < 0 ||
        (rc = qfs_hparam_count(c, &state, "state_size", "d_state", "state_dim", "ssm_state_size",
                               "mamba_state_size", "mamba_d_state", "mamba_state_dim",
                               "mamba_ssm_state_size")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads, "n_heads", "num_heads", "mamba_n_heads",
                               "mamba_num_heads")) < 0)
        return rc;
    qfs_put_u32(c, "ssm.conv_kernel", conv);
    qfs_put_u32(c, "ssm.state_size", state);
    qfs_put_u32(c, "ssm.group_count", h->sizes.ngroups);
    qfs_put_u32(c, "ssm.inner_size", h->sizes.inner);
    qfs_put_u32(c, "ssm.time_step_rank", nheads);
    return 0;
}

static int put_attention(struct qfs_converter *c, const struct qfs_hybrid *h)
{
    const struct qfs_json *rotated = qfs_hparam(c, "attn_rotary_emb");
    int64_t nheads;
    int32_t *heads = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*heads));
    int rc = qfs_hparam_count(c, &nheads, "num_key_value_heads", "n_head_kv",
                              "mamba_num_key_value_heads", "mamba_n_head_kv");
    if (rc < 0 || !heads)
        return rc < 0 ? rc : qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++)
        heads[i] = h->layers[i] & QFS_LAYER_ATTENTION ? (int32_t)nheads : 0;
    if (qfs_json_truthy(rotated) &&
        (rc = qfs_put_param(c, "rope.dimension_count", QFS_PARAM_U32, rotated)) < 0)
        return rc;
    qfs_put_i32s(c, "attention.head_count_kv", heads, (size_t)c->block_count);
    return 0;
}

static bool is_bamba(const struct qfs_converter *c)
{
    const struct qfs_json *names = qfs_hparam(c, "architectures");
    for (size_t i = 0; qfs_json_at(names, i); i++)
        if (qfs_text_is(qfs_json_text(qfs_json_at(names, i)), "BambaForCausalLM"))
            return true;
    return false;
}

int qfs_hybrid_keys(struct qfs_converter *c)
{
    const struct qfs_hybrid *h = qfs_hybrid_of(c);
    const struct qfs_json *act = qfs_hparam(c, "hidden_act");
    const struct qfs_json *dim = qfs_hparam_any(c, "d_head", "mamba_d_head");
    int64_t head = 64;
    int rc;
    if ((rc = qfs_granite_moe_keys(c)) < 0 || (rc = put_ssm(c, h)) < 0 ||
        (rc = put_attention(c, h)) < 0)
        return rc;
    bool rope = is_bamba(c) || !h->has_ssm;
    qfs_put_bool(c, "rope.scaling.finetuned", rope);
    if (!rope)
        qfs_put_u32(c, "context_length", 1 << 20);
    if (qfs_json_truthy(dim) && (!qfs_json_int(dim, &head) || head <= 0))
        return qfs_fail(c->error, EINVAL, "%s/config.json: mamba_d_head is no size",
                        c->model->path);
    if ((!qfs_json_is_null(act) && !qfs_text_is(qfs_json_text(act), "silu")) ||
        h->sizes.inner % head)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: hidden_act is not silu, or the inner size is no multiple "
                        "of mamba_d_head",
                        c->model->path);
    return 0;
}

static int vocab(struct qfs_converter *c)
{
    int rc = qfs_hparam_set_int(c, "pad_vocab_size_multiple", qfs_hybrid_of(c)->has_ssm ? 8 : 1);
    return rc < 0 ? rc : qfs_mamba2_vocab(c);
}

const struct qfs_family qfs_family_granitehybrid = {
    .arch = "granitehybrid",
    .hf_classes = classes,
    .extra = qfs_llama3_rope_factors,
    .begin = begin,
    .filter = qfs_hybrid_filter,
    .tensor = qfs_hybrid_tensor,
    .keys = qfs_hybrid_keys,
    .vocab = vocab,
};
