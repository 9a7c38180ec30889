/* Spark X2.5: fused queries, keys and values, gates of heads, layers with a sliding window. */
#include "converter.h"

#include <math.h>
#include <string.h>

static const char *const classes[] = {"Spark2_5ForCausalLM", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nheads;
    if (bid >= 0 && qfs_ends_with(name, ".self_attn.q_k_v_proj.weight"))
        return qfs_emit(c, data, name, qfs_format_name(c, "blk.{bid}.attn_qkv", ".weight", bid),
                        bid);
    if (qfs_ends_with(name, ".self_attn.g_proj.weight")) {
        int rc = qfs_hparam_count(c, &nheads, "num_attention_heads");
        if (rc < 0)
            return rc;
        if (bid < 0 || data->ndim == 0 || data->shape[0] != nheads)
            return qfs_fail(c->error, EINVAL,
                            "%s: tensor %s: has not one row for each of %lld heads", c->model->path,
                            name, (long long)nheads);
    }
    return qfs_text_tensor(c, data, name, bid);
}

static bool are_known(const struct qfs_json *types, int64_t count)
{
    if (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count != count)
        return false;
    for (uint32_t i = 0; i < types->count; i++) {
        struct qfs_text type = qfs_json_text(&types->items[i]);
        if (!qfs_text_is(type, "sliding_attention") && !qfs_text_is(type, "full_attention"))
            return false;
    }
    return true;
}

/* int(head_dim * partial_rotary_factor) of one kind of layer */
static int put_rotated(struct qfs_converter *c, const char *key, const char *kind)
{
    const struct qfs_json *rope = qfs_json_get(c->rope, kind);
    int64_t dim;
    double part;
    int rc = qfs_hparam_count(c, &dim, "head_dim");
    if (rc < 0)
        return rc;
    if (!qfs_json_real(qfs_json_get(rope, "partial_rotary_factor"), &part) ||
        !(part >= 0 && part <= 1e3))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: rope_parameters has no partial_rotary_factor for %s",
                        c->model->path, kind);
    qfs_put_u32(c, key, (int64_t)((double)dim * part));
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_U32, "attention.sliding_window", {"sliding_window"}},
        {QFS_RULE_END},
    };
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    if (!are_known(qfs_hparam(c, "layer_types"), c->block_count))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: layer_types does not say sliding_attention or "
                        "full_attention for each layer",
                        c->model->path);
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "gate_attn_act_mode")), "sigmoid") ||
        !qfs_json_is(qfs_hparam(c, "headwise_attn_output_gate"), QFS_JSON_TRUE) ||
        !qfs_text_is(qfs_json_text(qfs_hparam(c, "hidden_act")), "gelu"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: llama.cpp has only Spark models with sigmoid gates of "
                        "heads and gelu",
                        c->model->path);
    if ((rc = qfs_put_rules(c, sizes)) < 0 || (rc = qfs_put_sliding_layers(c)) < 0 ||
        (rc = put_rotated(c, "rope.dimension_count", "full_attention")) < 0)
        return rc;
    return put_rotated(c, "rope.dimension_count_swa", "sliding_attention");
}

const struct qfs_family qfs_family_spark2_5 = {
    .arch = "spark2_5",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
};
