/* Muse Glimmer (text): norms stored less one, rotated dimensions in Meta's order, a scale of queries
 * that llama.cpp has as the weight of a norm. */
#include "converter.h"

#include "vocab/tokenizer.h"

#include <string.h>

static const char *const classes[] = {"MuseGlimmerForConditionalGeneration", NULL};

/* blk.N.attn_q_norm or attn_k_norm, all of one value */
static int emit_norm(struct qfs_converter *c, const char *name, int bid, const char *norm,
                     int64_t dim, float value)
{
    const char *source =
        qfs_arena_printf(c->arena, "model.layers.%d.self_attn.%s.weight", bid, norm);
    const char *new_name = source ? qfs_map_name(c, source) : NULL;
    float *values = qfs_arena_array(c->arena, (size_t)dim, sizeof(*values));
    if (!source || !values)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < dim; i++)
        values[i] = value;
    return new_name ? qfs_emit(c, qfs_lazy_floats(c, values, dim), name, new_name, bid)
                    : -c->error->code;
}

static int emit_norms(struct qfs_converter *c, const char *name, int bid)
{
    int64_t dim = 0;
    double scale = 1;
    int rc = qfs_hparam_count(c, &dim, "head_dim");
    if (rc == 0 && dim > 1 << 16)
        rc = qfs_fail(c->error, EINVAL, "%s/config.json: head_dim is no size of a head",
                      c->model->path);
    if (rc < 0 || (rc = qfs_hparam_real(c, "qk_scale_factor", &scale)) < 0 ||
        (rc = emit_norm(c, name, bid, "q_norm", dim, (float)scale)) < 0)
        return rc;
    return emit_norm(c, name, bid, "k_norm", dim, 1);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    bool query = strstr(name, ".self_attn.q_proj.");
    int64_t nheads;
    int rc = 0;
    if (qfs_ends_with(name, "layernorm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    if (query || strstr(name, ".self_attn.k_proj.")) {
        rc = query ? qfs_hparam_count(c, &nheads, "num_attention_heads")
                   : qfs_hparam_count(c, &nheads, "num_key_value_heads");
        if (rc < 0)
            return rc;
        data = qfs_lazy_permute_heads(c, data, nheads);
    }
    if (bid >= 0 && qfs_ends_with(name, ".self_attn.q_proj.weight"))
        rc = emit_norms(c, name, bid);
    return rc < 0 ? rc : qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_F32, "final_logit_softcapping", {"final_logit_softcapping"}},
        {QFS_RULE_F32, "logit_scale", {"output_multiplier"}},
        {QFS_RULE_U32, "attention.sliding_window", {"sliding_window"}},
        {QFS_RULE_END},
    };
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_rules(c, rules)) < 0)
        return rc;
    return qfs_put_sliding_layers(c);
}

static int vocab(struct qfs_converter *c)
{
    struct qfs_tokenizer *t = NULL;
    uint32_t id;
    int rc = qfs_vocab_gpt2(c->out, c->hparams, c->error);
    if (rc == 0 && (rc = qfs_tokenizer_open(c->model, &t, c->error)) == 0) {
        const struct qfs_named_token *unk = &t->named[QFS_NAMED_UNK];
        if (qfs_tokenizer_id(t, QFS_TEXT("<|eot|>"), &id) ||
            (unk->set && qfs_tokenizer_id(t, unk->token.content, &id)))
            qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.eot_token_id", id);
    }
    qfs_tokenizer_close(t);
    return rc;
}

const struct qfs_family qfs_family_muse_glimmer = {
    .arch = "muse-glimmer",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
