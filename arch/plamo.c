/* PLaMo 1, 2 (Mamba and attention) and 3. */
#include "converter.h"
#include "vocab/vocab.h"

#include <math.h>
#include <string.h>

static const char *const classes[] = {"PlamoForCausalLM", NULL};
static const char *const plamo2_classes[] = {"Plamo2ForCausalLM", "PLaMo2ForCausalLM", NULL};
static const char *const plamo3_classes[] = {"Plamo3ForCausalLM", "PLaMo3ForCausalLM", NULL};

/* -- PLaMo 1 ---------------------------------------------------------------------------------------- */

/* Eight groups of five heads become five of eight, as ggml broadcasts keys; of PLaMo 13B alone. */
static const struct qfs_recipe *shuffle(struct qfs_converter *c, const struct qfs_recipe *data,
                                        bool rows)
{
    static const int64_t by_rows[] = {8, 5, 128, 5120}, by_columns[] = {5120, 8, 5, 128};
    static const int64_t whole[] = {5120, 5120};
    if (!data)
        return NULL;
    if (data->ndim != 2 || data->shape[0] != 5120 || data->shape[1] != 5120) {
        qfs_fail(c->error, EINVAL,
                 "%s: attention is not that of PLaMo 13B, which is all that "
                 "llama.cpp has of this class",
                 c->model->path);
        return NULL;
    }
    data = qfs_lazy_reshape(c, data, 4, rows ? by_rows : by_columns);
    data = rows ? qfs_lazy_swapaxes(c, data, 0, 1) : qfs_lazy_swapaxes(c, data, 1, 2);
    return qfs_lazy_reshape(c, data, 2, whole);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const char *new_name = qfs_map_name(c, name);
    if (!new_name)
        return -c->error->code;
    if (qfs_ends_with(new_name, "attn_q.weight"))
        data = shuffle(c, data, true);
    else if (qfs_ends_with(new_name, "attn_output.weight"))
        data = shuffle(c, data, false);
    return qfs_text_tensor(c, data, name, bid);
}

static const struct qfs_key_rule rules[] = {
    {QFS_RULE_IS_U32, "context_length", .number = 4096},
    {QFS_RULE_U32, "embedding_length", {"hidden_size"}},
    {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"intermediate_size"}},
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_attention_heads"}},
    {QFS_RULE_IS_U32, "attention.head_count_kv", .number = 5},
    {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"rms_norm_eps"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_plamo = {
    .arch = "plamo",
    .hf_classes = classes,
    .tensor = tensor,
    .rules = rules,
    .vocab_method = qfs_vocab_sentencepiece,
};

/* -- PLaMo 2 ---------------------------------------------------------------------------------------- */

/* Norms are saved as what is added to these. The first suffix that fits counts. */
struct norm {
    const char *suffix;
    double added;
};

static const struct qfs_recipe *whole_norm(struct qfs_converter *c, const struct qfs_recipe *data,
                                           const char *name, const struct norm *norms)
{
    for (; norms->suffix; norms++)
        if (qfs_ends_with(name, norms->suffix))
            return qfs_lazy_unary(c, QFS_OP_ADD, data, norms->added);
    return data;
}

static int plamo2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    static const char *const renamed[][2] = {
        {".dt_bias", ".dt_proj.bias"},        {".dt_norm_weight", ".dt_norm.weight"},
        {".B_norm_weight", ".B_norm.weight"}, {".C_norm_weight", ".C_norm.weight"},
        {".k_weight", ".k.weight"},           {".q_weight", ".q.weight"},
    };
    const struct norm norms[] = {
        {".pre_mixer_norm.weight", 1.0}, {".post_mixer_norm.weight", 1.0 / 5},
        {".pre_mlp_norm.weight", 1.0},   {".post_mlp_norm.weight", 1.0 / pow(5, 1.5)},
        {".norm.weight", 1.0},           {NULL, 0},
    };
    if (qfs_ends_with(name, ".conv1d.weight")) {
        data = qfs_lazy_squeeze(c, data);
        if (data && data->ndim != 2)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is not a matrix", c->model->path,
                            name);
    }
    data = whole_norm(c, qfs_mamba_decay(c, data, name), name, norms);
    for (size_t i = 0; i < QFS_COUNT(renamed) && name; i++)
        if (qfs_ends_with(name, renamed[i][0])) {
            name = qfs_name_swap_suffix(c, name, renamed[i][0], renamed[i][1]);
            break;
        }
    return name ? qfs_text_tensor(c, data, name, bid) : -ENOMEM;
}

/* Heads by layer: none where it is a Mamba layer. */
static int put_heads(struct qfs_converter *c)
{
    int64_t step, nkv, nheads;
    const struct qfs_json *enabled = qfs_hparam(c, "mamba_enabled");
    int rc;
    if (enabled && !qfs_json_truthy(enabled))
        return 0;
    if ((rc = qfs_hparam_count_or(c, "mamba_step", 2, &step)) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_key_value_heads", 4, &nkv)) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_attention_heads", 32, &nheads)) < 0)
        return rc;
    if (step == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: mamba_step is 0", c->model->path);
    int32_t *lists = qfs_arena_array(c->arena, 2 * (size_t)c->block_count, sizeof(*lists));
    if (!lists)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++) {
        bool mamba = c->block_count <= step / 2 ? i != c->block_count - 1 : i % step != step / 2;
        lists[i] = mamba ? 0 : (int32_t)nkv;
        lists[c->block_count + i] = mamba ? 0 : (int32_t)nheads;
    }
    qfs_put_i32s(c, "attention.head_count_kv", lists, (size_t)c->block_count);
    qfs_put_i32s(c, "attention.head_count", lists + c->block_count, (size_t)c->block_count);
    return 0;
}

static int plamo2_keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_U32_OR, "context_length", {"max_position_embeddings"}, 2048},
        {QFS_RULE_U32_OR, "embedding_length", {"hidden_size"}, 4096},
        {QFS_RULE_U32_OR, "attention.key_length", {"hidden_size_per_head"}, 128},
        {QFS_RULE_U32_OR, "attention.value_length", {"hidden_size_per_head"}, 128},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_F32_OR, "attention.layer_norm_rms_epsilon", {"rms_norm_eps"}, 1e-6},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule ssm[] = {
        {QFS_RULE_U32_OR, "ssm.state_size", {"mamba_d_state"}, 64},
        {QFS_RULE_U32_OR, "ssm.conv_kernel", {"mamba_d_conv"}, 4},
        {QFS_RULE_U32_OR, "ssm.time_step_rank", {"mamba_num_heads"}, 64},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule rest[] = {
        {QFS_RULE_IS_U32, "ssm.group_count", .number = 0},
        {QFS_RULE_U32_OR, "feed_forward_length", {"intermediate_size"}, 13312},
        {QFS_RULE_FILE_TYPE},
        {QFS_RULE_END},
    };
    int64_t nheads, dim;
    double base;
    int rc;
    if ((rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        (rc = put_heads(c)) < 0 || (rc = qfs_put_rules(c, sizes)) < 0 ||
        (rc = qfs_rope_number(c, "rope_theta", 10000, &base)) < 0 ||
        (rc = qfs_hparam_count_or(c, "mamba_num_heads", 64, &nheads)) < 0 ||
        (rc = qfs_hparam_count_or(c, "hidden_size_per_head", 128, &dim)) < 0)
        return rc;
    qfs_put_f32(c, "rope.freq_base", base);
    if ((rc = qfs_put_rules(c, ssm)) < 0)
        return rc;
    qfs_put_u32(c, "ssm.inner_size", nheads * dim);
    return qfs_put_rules(c, rest);
}

const struct qfs_family qfs_family_plamo2 = {
    .arch = "plamo2",
    .hf_classes = plamo2_classes,
    .tensor = plamo2_tensor,
    .keys = plamo2_keys,
    .vocab_method = qfs_vocab_plamo,
};

/* -- PLaMo 3 ---------------------------------------------------------------------------------------- */

static int plamo3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    const struct norm norms[] = {
        {".pre_mixer_norm.weight", 1.0}, {".post_mixer_norm.weight", 1.0 / 5},
        {".pre_mlp_norm.weight", 1.0},   {".post_mlp_norm.weight", 1.0 / pow(5, 1.5)},
        {".mixer.q_norm.weight", 1.0},   {".mixer.k_norm.weight", 1.0},
        {".norm.weight", 1.0},           {NULL, 0},
    };
    return qfs_text_tensor(c, whole_norm(c, data, name, norms), name, bid);
}

static int plamo3_keys(struct qfs_converter *c)
{
    const struct qfs_json *window = qfs_hparam_any(c, "window_size", "sliding_window");
    const struct qfs_json *pattern = qfs_hparam(c, "sliding_window_pattern");
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_one(c, "vocab_size", QFS_PARAM_U32, {"vocab_size"}, true)) < 0 ||
        qfs_json_is_null(window))
        return rc;
    if ((rc = qfs_put_param(c, "attention.sliding_window", QFS_PARAM_U32, window)) < 0)
        return rc;
    return qfs_put_param(c, "attention.sliding_window_pattern",
                         qfs_json_is(pattern, QFS_JSON_ARRAY) ? QFS_PARAM_LIST : QFS_PARAM_U32,
                         pattern);
}

/* A chat template of chat_template.jinja, or else of tokenizer_config.json. */
static int plamo3_vocab(struct qfs_converter *c)
{
    static const char key[] = "tokenizer.chat_template";
    const struct qfs_json *template = qfs_json_get(c->model->tokenizer_config, "chat_template");
    struct qfs_text text = {0};
    int rc = qfs_vocab_plamo(c->out, c->hparams, c->error);
    if (rc < 0)
        return rc;
    if (qfs_vocab_file_exists(c->model, "chat_template.jinja"))
        rc = qfs_vocab_read_text(c->arena, c->model, "chat_template.jinja", &text, c->error);
    else if (qfs_json_is(template, QFS_JSON_STRING))
        text = qfs_json_text(template);
    else if (qfs_json_truthy(template))
        return qfs_fail(c->error, ENOTSUP,
                        "%s/tokenizer_config.json: chat_template is not one text", c->model->path);
    if (rc == 0 && text.size)
        qfs_kv_text(&c->out->kvs, key, text);
    return rc;
}

const struct qfs_family qfs_family_plamo3 = {
    .arch = "plamo3",
    .hf_classes = plamo3_classes,
    .tensor = plamo3_tensor,
    .keys = plamo3_keys,
    .vocab = plamo3_vocab,
};
