/* Refact: keys and values in one tensor, gates and ups in another. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GPTRefactForCausalLM", NULL};

/* Two thirds of four times the width, rounded up to multiples of 256. */
static int feed_forward(struct qfs_converter *c, int64_t *ret_embd, int64_t *ret_ff)
{
    int rc = qfs_hparam_count(c, ret_embd, "n_embd");
    if (rc == 0)
        *ret_ff = ((int64_t)((double)(2 * 4 * *ret_embd) / 3) + 255) / 256 * 256;
    return rc;
}

/* The first `rows` rows become one tensor, the rest another. */
static int split(struct qfs_converter *c, const struct qfs_recipe *data, int64_t rows,
                 const char *first, const char *second, int bid)
{
    const char *head = qfs_format_name(c, first, ".weight", bid);
    const char *tail = qfs_format_name(c, second, ".weight", bid);
    if (!head || !tail)
        return -c->error->code;
    rows = data->ndim ? QFS_MIN(rows, data->shape[0]) : 0;
    int rc = qfs_text_tensor(c, qfs_lazy_slice(c, data, 0, 0, rows), head, bid);
    return rc < 0 ? rc
                  : qfs_text_tensor(c, qfs_lazy_slice(c, data, 0, rows, data->shape[0] - rows),
                                    tail, bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nembd, nff = 0, nheads;
    int rc = feed_forward(c, &nembd, &nff);
    if (rc < 0 || (rc = qfs_hparam_count(c, &nheads, "n_head")) < 0)
        return rc;
    if (nheads == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: n_head is 0", c->model->path);
    const char *part = qfs_layer_part(name, "transformer.h.");
    if (part && strcmp(part, "attn.kv.weight") == 0)
        return split(c, data, nembd / nheads, "blk.{bid}.attn_k", "blk.{bid}.attn_v", bid);
    if (part && strcmp(part, "attn.q.weight") == 0) {
        name = qfs_format_name(c, "blk.{bid}.attn_q", ".weight", bid);
        return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
    }
    if (part && strcmp(part, "mlp.gate_up_proj.weight") == 0)
        return split(c, data, nff, "blk.{bid}.ffn_gate", "blk.{bid}.ffn_up", bid);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_U32, "context_length", {"n_positions"}},
        {QFS_RULE_U32, "embedding_length", {"n_embd"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head"}},
        {QFS_RULE_IS_U32, "attention.head_count_kv", .number = 1},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"layer_norm_epsilon"}},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    int64_t nembd, nff = 0;
    int rc = feed_forward(c, &nembd, &nff);
    if (rc < 0 || (rc = qfs_put_rules(c, before)) < 0)
        return rc;
    qfs_put_u32(c, "feed_forward_length", nff);
    return qfs_put_rules(c, after);
}

static int vocab(struct qfs_converter *c)
{
    static const char *const types[] = {"prefix", "suffix", "middle", "eot", NULL};
    static const struct qfs_special_id ids[] = {
        {"prefix", 1}, {"suffix", 3}, {"middle", 2}, {NULL, 0}};
    int rc = qfs_vocab_gpt2(c->out, c->hparams, c->error);
    return rc < 0 ? rc : qfs_vocab_add_special(c->out, types, ids, false, c->error);
}

const struct qfs_family qfs_family_refact = {
    .arch = "refact",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
