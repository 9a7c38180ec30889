/* NVIDIA's Nemotron and Minitron. Their norms are stored less one. */
#include "converter.h"

#include <math.h>

static const char *const classes[] = {"NemotronForCausalLM", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (qfs_ends_with(name, "norm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static const struct qfs_param params[] = {
    {"vocab_size", QFS_PARAM_U32, {"vocab_size"}, true},
    {"attention.layer_norm_epsilon",
     QFS_PARAM_F32,
     {"layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"},
     true},
    {NULL},
};

static int keys(struct qfs_converter *c)
{
    const struct qfs_json *factor = qfs_hparam(c, "factor");
    int64_t hidden, nheads;
    double part;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, params)) < 0 ||
        (rc = qfs_rope_number(c, "partial_rotary_factor", NAN, &part)) < 0 ||
        (rc = qfs_rotary_sizes(c, part, &hidden, &nheads)) < 0)
        return rc;
    qfs_put_u32(c, "rope.dimension_count", (int64_t)(part * (double)hidden) / nheads);
    if (!qfs_json_truthy(factor))
        factor = qfs_json_get(c->rope, "factor");
    qfs_put_string(c, "rope.scaling.type", qfs_json_is_null(factor) ? "none" : "linear");
    return qfs_json_is_null(factor)
               ? 0
               : qfs_put_param(c, "rope.scaling.factor", QFS_PARAM_F32, factor);
}

static int vocab(struct qfs_converter *c)
{
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (rc == 0) {
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.padding_token_id", 0);
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.unknown_token_id", 1);
    }
    return rc;
}

const struct qfs_family qfs_family_nemotron = {
    .arch = "nemotron",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
