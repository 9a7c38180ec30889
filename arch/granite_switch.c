/* Granite Switch: dense Granite with low-rank adapters built in, which control tokens choose. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

extern const struct qfs_family qfs_family_granitemoe;

static const char *const classes[] = {"GraniteSwitchForCausalLM", NULL};

/* The switch itself counts as a layer in config.json and has no weights. */
static int begin(struct qfs_converter *c)
{
    if (c->block_count < 2)
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no layers beside the switch",
                        c->model->path);
    c->block_count--;
    return 0;
}

struct sizes {
    int64_t nheads, nheads_kv, head_dim;
};

static int read_sizes(struct qfs_converter *c, struct sizes *ret)
{
    static const char *const dims[] = {"projection_head_dim", "head_dim"};
    int64_t hidden;
    int rc;
    if ((rc = qfs_hparam_count(c, &ret->nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &ret->nheads_kv, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(dims); i++)
        if (qfs_json_truthy(qfs_hparam(c, dims[i])))
            return qfs_hparam_count(c, &ret->head_dim, dims[i]);
    ret->head_dim = ret->nheads ? hidden / ret->nheads : 0;
    return 0;
}

/* An adapter of zeros before the others: no adapter at all. */
static const struct qfs_recipe *with_none(struct qfs_converter *c, const struct qfs_recipe *all)
{
    const struct qfs_recipe *parts[2];
    if (!all)
        return NULL;
    const int64_t shape[] = {1, all->shape[1], all->shape[2]};
    parts[0] =
        qfs_lazy_reshape(c, qfs_lazy_zeros(c, all->dtype, all->shape[1], all->shape[2]), 3, shape);
    parts[1] = all;
    return parts[0] ? qfs_lazy_concat(c, parts, 2) : NULL;
}

/* [adapters, 1, rows, columns], the rows of `nheads` heads (0: none) regrouped. */
static const struct qfs_recipe *adapters(struct qfs_converter *c, const struct qfs_recipe *data,
                                         const char *name, int64_t nheads)
{
    if (data->ndim != 4 || data->shape[1] != 1) {
        qfs_fail(c->error, EINVAL, "%s: tensor %s is no stack of adapters", c->model->path, name);
        return NULL;
    }
    int64_t count = data->shape[0], matrix[] = {data->shape[2], data->shape[3]};
    const int64_t shape[] = {count, matrix[0], matrix[1]};
    if (!nheads)
        return with_none(c, qfs_lazy_reshape(c, data, 3, shape));
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)count, sizeof(*parts));
    if (!parts) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++) {
        const struct qfs_recipe *one =
            qfs_lazy_reshape(c, qfs_lazy_slice(c, data, 0, i, 1), 2, matrix);
        parts[i] = qfs_lazy_permute_heads(c, one, nheads);
    }
    return with_none(c, qfs_lazy_stack(c, parts, (size_t)count));
}

static int emit(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                const char *key, const char *suffix, int bid)
{
    return data ? qfs_emit(c, data, name, qfs_format_name(c, key, suffix, bid), bid)
                : -c->error->code;
}

/* The fused rows of q, k and v. */
static int fused_base(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid, const struct sizes *s)
{
    int64_t q = s->nheads * s->head_dim, kv = s->nheads_kv * s->head_dim;
    const struct qfs_recipe *parts[] = {
        qfs_lazy_permute_heads(c, qfs_lazy_slice(c, data, 0, 0, q), s->nheads),
        qfs_lazy_permute_heads(c, qfs_lazy_slice(c, data, 0, q, kv), s->nheads_kv),
        qfs_lazy_slice(c, data, 0, q + kv, kv),
    };
    if (data->shape[0] != q + 2 * kv)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s has not the rows that config.json says",
                        c->model->path, name);
    return emit(c, qfs_lazy_concat(c, parts, 3), name, "blk.{bid}.attn_qkv", ".weight", bid);
}

/* Gate and up rows of the feed-forward part. */
static int fused_ffn(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    int64_t half;
    int rc = qfs_hparam_count(c, &half, "shared_intermediate_size");
    if (rc < 0)
        return rc;
    if (data->shape[0] != 2 * half)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s has not the rows that config.json says",
                        c->model->path, name);
    rc = emit(c, qfs_lazy_slice(c, data, 0, 0, half), name, "blk.{bid}.ffn_gate", ".weight", bid);
    return rc < 0 ? rc
                  : emit(c, qfs_lazy_slice(c, data, 0, half, half), name, "blk.{bid}.ffn_up",
                         ".weight", bid);
}

/* A projection and its adapters; several projections of one are slices 0, 1, 2. */
struct projection {
    const char *part, *keys[3];
    bool fused;
};

static const struct projection projections[] = {
    {"self_attn.qkv_proj", {"blk.{bid}.attn_q", "blk.{bid}.attn_k", "blk.{bid}.attn_v"}, true},
    {"self_attn.o_proj", {"blk.{bid}.attn_output"}, false},
    {"shared_mlp.input_linear", {"blk.{bid}.ffn_gate", "blk.{bid}.ffn_up"}, true},
    {"shared_mlp.output_linear", {"blk.{bid}.ffn_down"}, false},
};

static int unexpected(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, EINVAL, "%s: tensor %s is none that Granite Switch has",
                    c->model->path, name);
}

static int projection_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                             const char *name, int bid, const struct projection *p)
{
    bool attention = p->keys[2] != NULL;
    const char *a = strstr(name, p->fused ? "lora_A_slices." : "lora_A");
    const char *b = strstr(name, p->fused ? "lora_B_slices." : "lora_B");
    struct sizes s;
    int rc = read_sizes(c, &s);
    if (rc < 0)
        return rc;
    if (qfs_ends_with(name, "base_layer.weight"))
        return attention  ? fused_base(c, data, name, bid, &s)
               : p->fused ? fused_ffn(c, data, name, bid)
                          : emit(c, data, name, p->keys[0], ".weight", bid);
    long slice = p->fused && (a || b) ? strtol(strrchr(name, '.') + 1, NULL, 10) : 0;
    if ((!a && !b) || slice < 0 || slice > 2 || !p->keys[slice])
        return unexpected(c, name);
    int64_t nheads = a || !attention || slice == 2 ? 0 : slice ? s.nheads_kv : s.nheads;
    return emit(c, adapters(c, data, name, nheads), name, p->keys[slice], a ? ".lora_a" : ".lora_b",
                bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const whole[][2] = {
        {"model.embed_tokens.weight", "token_embd"},
        {"embed_tokens.weight", "token_embd"},
        {"model.norm.weight", "output_norm"},
        {"norm.weight", "output_norm"},
    };
    const char *last = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;
    if (!data)
        return -c->error->code;
    if (qfs_starts_with(name, "model.switch.") || qfs_starts_with(name, "switch.") ||
        strcmp(last, "adapter_token_ids") == 0 || strcmp(last, "control_to_substitute_lut") == 0 ||
        strcmp(name, "lm_head.weight") == 0)
        return 0;
    for (size_t i = 0; i < QFS_COUNT(projections); i++)
        if (strstr(name, projections[i].part))
            return projection_tensor(c, data, name, bid, &projections[i]);
    if (bid >= 0 && strstr(name, ".layers.") && strstr(name, "input_layernorm"))
        return emit(c, data, name, "blk.{bid}.attn_norm", ".weight", bid);
    if (bid >= 0 && strstr(name, ".layers.") && strstr(name, "post_attention_layernorm"))
        return emit(c, data, name, "blk.{bid}.ffn_norm", ".weight", bid);
    for (size_t i = 0; i < QFS_COUNT(whole); i++)
        if (strcmp(name, whole[i][0]) == 0)
            return emit(c, data, name, whole[i][1], ".weight", -1);
    return unexpected(c, name);
}

static const struct qfs_param params[] = {
    {"adapters.count", QFS_PARAM_U32, {"num_adapters"}, true},
    {"adapters.lora_rank", QFS_PARAM_U32, {"max_lora_rank"}, true},
    {"adapters.token_ids_activate", QFS_PARAM_LIST, {"adapter_token_ids"}, true},
    {"adapters.token_ids_substitute", QFS_PARAM_LIST, {"adapter_substitute_token_ids"}, true},
    {NULL},
};

static int keys(struct qfs_converter *c)
{
    int rc = qfs_granite_moe_keys(c);
    if (rc < 0)
        return rc;
    if (!qfs_json_truthy(qfs_hparam(c, "num_local_experts")))
        qfs_put_u32(c, "expert_used_count", 0);
    if ((rc = qfs_put_params(c, params)) < 0)
        return rc;
    return qfs_put_param_or(c, "adapters.router_gain", QFS_PARAM_F32, "control_token_gain", 15);
}

const struct qfs_family qfs_family_granite_switch = {
    .arch = "graniteswitch",
    .hf_classes = classes,
    .parent = &qfs_family_granitemoe,
    .begin = begin,
    .tensor = tensor,
    .keys = keys,
};
