/* Jais, a GPT-2 with ALiBi whose embeddings and output are scaled, and Jais 2. */
#include "converter.h"

#include <string.h>

static const char *const jais_classes[] = {"JAISLMHeadModel", NULL};
static const char *const jais2_classes[] = {"Jais2ForCausalLM", NULL};

/* By how much the embeddings and the output are multiplied. */
struct scales {
    double embeddings, output;
};

static int read_scales(struct qfs_converter *c, struct scales *ret)
{
    static const char *const embeddings[] = {"mup_embeddings_scale", "embeddings_scale"};
    bool mup = qfs_hparam(c, "mup_output_alpha");
    double width;
    int rc = qfs_hparam_real(c, embeddings[!qfs_hparam(c, embeddings[0])], &ret->embeddings);
    if (rc < 0 ||
        (rc = qfs_hparam_real(c, mup ? "mup_output_alpha" : "width_scale", &ret->output)) < 0)
        return rc;
    if (mup && (rc = qfs_hparam_real(c, "mup_width_scale", &width)) == 0)
        ret->output *= width;
    return rc;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_ends_with(name, ".attn.bias") ? 0 : qfs_text_filter(c, name, ret_name);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const transposed[] = {".c_attn.weight", ".c_proj.weight", ".c_fc.weight",
                                             ".c_fc2.weight"};
    struct scales scales;
    int rc;
    if (qfs_ends_with(name, "relative_pe.slopes"))
        return qfs_fail(
            c->error, ENOTSUP,
            "%s: tensor %s: llama.cpp v0.5.0's converter stops at ALiBi's slopes, which "
            "it wants to read before there is a value",
            c->model->path, name);
    if ((rc = read_scales(c, &scales)) < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(transposed); i++)
        if (qfs_ends_with(name, transposed[i]))
            data = qfs_lazy_swapaxes(c, data, 1, 0);
    const char *new_name = qfs_map_name(c, name);
    if (!new_name)
        return -c->error->code;
    if (strcmp(new_name, "token_embd.weight") == 0)
        data = qfs_lazy_unary(c, QFS_OP_MUL, data, scales.embeddings);
    else if (strcmp(new_name, "output.weight") == 0)
        data = qfs_lazy_unary(c, QFS_OP_MUL, data, scales.output);
    return qfs_emit(c, data, name, new_name, bid);
}

/* Written behind the last tensor, before all other keys. */
static int finish(struct qfs_converter *c)
{
    qfs_put_f32(c, "attention.max_alibi_bias", 8);
    return 0;
}

static int begin(struct qfs_converter *c)
{
    struct scales scales;
    if (!qfs_text_is(qfs_json_text(qfs_hparam(c, "activation_function")), "swiglu") ||
        !qfs_text_is(qfs_json_text(qfs_hparam(c, "position_embedding_type")), "alibi"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/config.json: llama.cpp has only Jais models with swiglu and alibi",
                        c->model->path);
    return read_scales(c, &scales);
}

static const struct qfs_key_rule rules[] = {
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32, "context_length", {"n_positions"}},
    {QFS_RULE_U32, "embedding_length", {"n_embd"}},
    {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"n_inner"}},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head"}},
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_jais = {
    .arch = "jais",
    .hf_classes = jais_classes,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .finish = finish,
    .rules = rules,
};

/* -- Jais 2 ----------------------------------------------------------------------------------------- */

static int jais2_keys(struct qfs_converter *c)
{
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    rc = qfs_hparam(c, "head_dim") ? qfs_hparam_count(c, &dim, "head_dim")
                                   : qfs_hidden_by_heads(c, &dim);
    if (rc == 0)
        qfs_put_u32(c, "rope.dimension_count", dim);
    return rc;
}

const struct qfs_family qfs_family_jais2 = {
    .arch = "jais2",
    .hf_classes = jais2_classes,
    .keys = jais2_keys,
};
