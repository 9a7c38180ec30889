/* ERNIE 4.5, dense and with experts, and PaddleOCR's language model. */
#include "converter.h"

#include <string.h>

#include "vocab/vocab_ways.h"

static const char *const ernie_classes[] = {"Ernie4_5_ForCausalLM", "Ernie4_5ForCausalLM", NULL};
static const char *const moe_classes[] = {"Ernie4_5_MoeForCausalLM", NULL};
static const char *const ocr_classes[] = {"PaddleOCRVLForConditionalGeneration", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    name = qfs_name_replace(c, name, "ernie.", "model.");
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

/* Rows [first, first + count) as the tensor whose name has `from` replaced. */
static int emit_rows(struct qfs_converter *c, const struct qfs_recipe *data, int64_t first,
                     int64_t count, const char *name, const char *from, const char *to, int bid)
{
    name = qfs_name_replace(c, name, from, to);
    return name ? qfs_text_tensor(c, qfs_lazy_slice(c, data, 0, first, count), name, bid) : -ENOMEM;
}

static int split_qkv(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    static const char from[] = "qkv_proj.weight";
    int64_t nheads, nkv, dim;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nkv, "num_key_value_heads")) < 0 ||
        (rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    if (data->ndim < 1 || data->shape[0] != (nheads + 2 * nkv) * dim)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its rows are not the heads of config.json", c->model->path,
                        name);
    if ((rc = emit_rows(c, data, 0, nheads * dim, name, from, "q_proj.weight", bid)) < 0 ||
        (rc = emit_rows(c, data, nheads * dim, nkv * dim, name, from, "k_proj.weight", bid)) < 0)
        return rc;
    return emit_rows(c, data, (nheads + nkv) * dim, nkv * dim, name, from, "v_proj.weight", bid);
}

static int split_up_gate(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    static const char from[] = "up_gate_proj.weight";
    if (data->ndim < 1 || data->shape[0] % 2)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s: its rows are no pairs of gate and up",
                        c->model->path, name);
    int64_t half = data->shape[0] / 2;
    int rc = emit_rows(c, data, 0, half, name, from, "gate_proj.weight", bid);
    return rc < 0 ? rc : emit_rows(c, data, half, half, name, from, "up_proj.weight", bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strstr(name, "qkv_proj"))
        return split_qkv(c, data, name, bid);
    if (strstr(name, "up_gate_proj"))
        return split_up_gate(c, data, name, bid);
    return qfs_text_tensor(c, data, name, bid);
}

static int vocab(struct qfs_converter *c)
{
    int rc = qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    return rc < 0 ? rc : qfs_vocab_space_prefix(c->out, c->error);
}

const struct qfs_family qfs_family_ernie = {
    .arch = "ernie4_5",
    .hf_classes = ernie_classes,
    .filter = filter,
    .tensor = tensor,
    .vocab = vocab,
};

const struct qfs_family qfs_family_paddleocr = {
    .arch = "paddleocr",
    .hf_classes = ocr_classes,
    .parent = &qfs_family_ernie,
};

/* -- with experts --------------------------------------------------------------------------------------- */

/* Without what predicts further tokens. */
static int moe_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const dropped[] = {"model.mtp_block.", "model.mtp_emb_norm.",
                                          "model.mtp_hidden_norm.", "model.mtp_linear_proj."};
    *ret_name = NULL;
    for (size_t i = 0; i < QFS_COUNT(dropped); i++)
        if (qfs_starts_with(name, dropped[i]) && strspn(name + strlen(dropped[i]), "0123456789"))
            return 0;
    return filter(c, name, ret_name);
}

static int moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid)
{
    if (!strstr(name, "mlp.experts"))
        return qfs_text_tensor(c, data, name, bid);
    return qfs_expert_of(c, data, name, bid, &qfs_mlp_experts_down_last, "moe_num_experts");
}

static int moe_keys(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"expert_count", QFS_PARAM_U32, {"moe_num_experts"}, true},
        {"expert_used_count", QFS_PARAM_U32_OR_LIST, {"moe_k"}, true},
        {"interleave_moe_layer_step", QFS_PARAM_U32, {"moe_layer_interval"}, true},
        {"leading_dense_block_count", QFS_PARAM_U32, {"moe_layer_start_index"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}},
        {"expert_shared_count", QFS_PARAM_U32, {"moe_num_shared_experts"}},
        {NULL},
    };
    int64_t nshared, size, nkv;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, table)) < 0)
        return rc;
    if (qfs_json_int(qfs_hparam(c, "moe_num_shared_experts"), &nshared) && nshared > 0 &&
        qfs_json_int(qfs_hparam(c, "intermediate_size"), &size) && size >= 0 &&
        qfs_json_int(qfs_hparam(c, "num_key_value_heads"), &nkv) && nkv > 0)
        qfs_put_u32(c, "expert_shared_feed_forward_length", size / nkv);
    return 0;
}

const struct qfs_family qfs_family_ernie_moe = {
    .arch = "ernie4_5-moe",
    .hf_classes = moe_classes,
    .parent = &qfs_family_ernie,
    .filter = moe_filter,
    .tensor = moe_tensor,
    .keys = moe_keys,
};
