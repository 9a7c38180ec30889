/* Mamba 1 (and Falcon Mamba) and Mamba 2. Both take config.json as it is written, not AutoConfig's. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const classes[] = {"MambaForCausalLM", "MambaLMHeadModel",
                                      "FalconMambaForCausalLM", NULL};
static const char *const mamba2_classes[] = {"Mamba2ForCausalLM", NULL};

/* find_hparam(names, optional=True) or fallback: also where the value is null or 0 */
int qfs_hparam_or(struct qfs_converter *c, const char *const *names, int64_t fallback,
                  int64_t *ret_value)
{
    *ret_value = fallback;
    return qfs_json_truthy(qfs_hparam_first(c, names)) ? qfs_hparam_size(c, names, ret_value) : 0;
}

int qfs_mamba_epsilon(struct qfs_converter *c, double fallback)
{
    const struct qfs_json *value = qfs_hparam_any(c, "layer_norm_epsilon", "rms_norm_eps");
    if (qfs_json_truthy(value))
        return qfs_put_param(c, "attention.layer_norm_rms_epsilon", QFS_PARAM_F32, value);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon", fallback);
    return 0;
}

const struct qfs_recipe *qfs_mamba_decay(struct qfs_converter *c, const struct qfs_recipe *data,
                                         const char *name)
{
    return qfs_ends_with(name, ".A_log") ? qfs_lazy_unary(c, QFS_OP_NEG_EXP, data, 0) : data;
}

static int begin(struct qfs_converter *c)
{
    return qfs_config_use(c, c->model->config_raw);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    const char *new_name = qfs_map_name(c, name);
    const struct qfs_recipe *embeddings = c->state;
    if (!new_name)
        return -c->error->code;
    data = qfs_mamba_decay(c, data, name);
    if (qfs_name_matches(c, new_name, "blk.{bid}.ssm_conv1d", ".weight", bid))
        data = qfs_lazy_squeeze(c, data);
    if (embeddings && strcmp(new_name, "output.weight") == 0) {
        bool same;
        int rc = qfs_lazy_equal(c, embeddings, data, &same);
        if (rc < 0 || same)
            return rc;
    } else if (strcmp(new_name, "token_embd.weight") == 0) {
        c->state = (void *)data;
    }
    return qfs_emit(c, data, name, new_name, bid);
}

/* Keys that Mamba needs none of, but llama.cpp's loader. */
static void put_head(struct qfs_converter *c, int64_t width)
{
    qfs_put_u32(c, "context_length", 1 << 20);
    qfs_put_u32(c, "embedding_length", width);
    qfs_put_u32(c, "feed_forward_length", 0);
    qfs_put_u32(c, "attention.head_count", 0);
    qfs_put_u32(c, "block_count", c->block_count);
}

static int keys(struct qfs_converter *c)
{
    static const char *const conv_names[] = {"conv_kernel", "d_conv", NULL};
    static const char *const inner_names[] = {"intermediate_size", "d_inner", NULL};
    static const char *const state_names[] = {"state_size", "d_state", NULL};
    static const char *const rank_names[] = {"time_step_rank", "dt_rank", NULL};
    int64_t width, conv, inner, state, rank;
    int rc;
    if ((rc = qfs_hparam_count(c, &width, "hidden_size", "d_model")) < 0 ||
        (rc = qfs_hparam_or(c, conv_names, 4, &conv)) < 0 ||
        (rc = qfs_hparam_or(c, inner_names, 2 * width, &inner)) < 0 ||
        (rc = qfs_hparam_or(c, state_names, 16, &state)) < 0 ||
        (rc = qfs_hparam_or(c, rank_names, (width + 15) / 16, &rank)) < 0)
        return rc;
    if (inner != 2 * width)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: intermediate_size is not twice hidden_size, which is all "
                        "that llama.cpp's Mamba has",
                        c->model->path);
    put_head(c, width);
    qfs_put_u32(c, "ssm.conv_kernel", conv);
    qfs_put_u32(c, "ssm.inner_size", inner);
    qfs_put_u32(c, "ssm.state_size", state);
    qfs_put_u32(c, "ssm.time_step_rank", rank);
    if ((rc = qfs_mamba_epsilon(c, 1e-5)) < 0)
        return rc;
    qfs_put_bool(c, "ssm.dt_b_c_rms",
                 qfs_text_is(qfs_json_text(qfs_hparam(c, "model_type")), "falcon_mamba"));
    qfs_put_file_type(c);
    return 0;
}

/* hparams.vocab_size, rounded up to a multiple. */
static int round_vocab(struct qfs_converter *c, int64_t fallback, int64_t *ret_size)
{
    int64_t size, multiple;
    int rc;
    if ((rc = qfs_hparam_count(c, &size, "vocab_size")) < 0 ||
        (rc = qfs_hparam_count_or(c, "pad_vocab_size_multiple", fallback, &multiple)) < 0)
        return rc;
    if (multiple == 0)
        return qfs_fail(c->error, EINVAL, "%s/config.json: pad_vocab_size_multiple is 0",
                        c->model->path);
    *ret_size = (size + multiple - 1) / multiple * multiple;
    if (*ret_size > INT32_MAX)
        return qfs_fail(c->error, EINVAL, "%s/config.json: vocab_size is too large",
                        c->model->path);
    return qfs_hparam_set_int(c, "vocab_size", *ret_size);
}

static int vocab(struct qfs_converter *c)
{
    int64_t size = 0;
    int rc = round_vocab(c, 8, &size);
    if (rc < 0)
        return rc;
    if (qfs_vocab_file_exists(c->model, "tokenizer.json"))
        return qfs_vocab_gpt2(c->out, c->hparams, c->error);
    if (qfs_vocab_file_exists(c->model, "tokenizer.model"))
        return qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    return qfs_vocab_builtin(c->out, "gpt-neox", size, c->error);
}

const struct qfs_family qfs_family_mamba = {
    .arch = "mamba",
    .hf_classes = classes,
    .begin = begin,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};

/* -- Mamba 2 ---------------------------------------------------------------------------------------- */

int qfs_mamba2_begin(struct qfs_converter *c)
{
    const struct qfs_json *raw = c->model->config_raw;
    const struct qfs_json *inner = qfs_json_get(raw, "llm_config");
    if (inner) {
        struct qfs_json *copy = qfs_dict_copy(c->arena, raw);
        if (!copy || qfs_dict_set(c->arena, copy, "text_config", inner) < 0)
            return qfs_fail_memory(c->error);
        raw = copy;
    }
    return qfs_config_use(c, raw);
}

static int mamba2_sizes(struct qfs_converter *c, struct qfs_mamba2 *ret_sizes)
{
    static const char *const expand_names[] = {"mamba_expand", "expand", NULL};
    static const char *const inner_names[] = {"mamba_d_ssm", "intermediate_size", "d_inner", NULL};
    static const char *const group_names[] = {"n_groups", NULL};
    int rc;
    if ((rc = qfs_hparam_count(c, &ret_sizes->width, "hidden_size", "d_model", "dim")) < 0 ||
        (rc = qfs_hparam_or(c, expand_names, 2, &ret_sizes->expand)) < 0 ||
        (rc = qfs_hparam_or(c, inner_names, ret_sizes->expand * ret_sizes->width,
                            &ret_sizes->inner)) < 0)
        return rc;
    return qfs_hparam_or(c, group_names, 1, &ret_sizes->ngroups);
}

int qfs_mamba2_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    /* Mamba-Codestral's names */
    if (qfs_starts_with(name, "model.backbone") || qfs_starts_with(name, "model.lm_head"))
        name += 6;
    name = qfs_name_swap_suffix(c, name, ".dt_bias", ".dt_proj.bias");
    *ret_name = NULL;
    return name ? qfs_text_filter(c, name, ret_name) : -ENOMEM;
}

const struct qfs_recipe *qfs_mamba2_shape(struct qfs_converter *c, const struct qfs_recipe *data,
                                          const char *name, const char *new_name, int bid,
                                          const struct qfs_mamba2 *sizes)
{
    if (!data)
        return NULL;
    if (qfs_name_matches(c, new_name, "blk.{bid}.ssm_conv1d", ".weight", bid)) {
        data = qfs_lazy_squeeze(c, data);
    } else if (qfs_name_matches(c, new_name, "blk.{bid}.ssm_a", "", bid) ||
               qfs_name_matches(c, new_name, "blk.{bid}.ssm_d", "", bid)) {
        int64_t shape[QFS_MAX_DIMS];
        memcpy(shape, data->shape, sizeof(shape));
        if (data->ndim < QFS_MAX_DIMS)
            shape[data->ndim] = 1;
        data = qfs_lazy_reshape(c, data, QFS_MIN(data->ndim + 1, (int)QFS_MAX_DIMS), shape);
    } else if (qfs_name_matches(c, new_name, "blk.{bid}.ssm_norm", ".weight", bid)) {
        int64_t shape[] = {sizes->ngroups, sizes->inner / QFS_MAX(sizes->ngroups, (int64_t)1)};
        data = qfs_lazy_reshape(c, data, 2, shape);
    }
    return qfs_mamba_decay(c, data, name);
}

static int mamba2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    struct qfs_mamba2 sizes;
    int rc = mamba2_sizes(c, &sizes);
    const char *new_name = rc == 0 ? qfs_map_name(c, name) : NULL;
    if (!new_name)
        return -c->error->code;
    return qfs_emit(c, qfs_mamba2_shape(c, data, name, new_name, bid, &sizes), name, new_name, bid);
}

static int put_mamba2(struct qfs_converter *c, const struct qfs_mamba2 *sizes, int64_t conv,
                      int64_t state, int64_t dim)
{
    put_head(c, sizes->width);
    qfs_put_u32(c, "ssm.conv_kernel", conv);
    qfs_put_u32(c, "ssm.inner_size", sizes->inner);
    qfs_put_u32(c, "ssm.state_size", state);
    qfs_put_u32(c, "ssm.time_step_rank", sizes->inner / dim);
    qfs_put_u32(c, "ssm.group_count", sizes->ngroups);
    int rc = qfs_mamba_epsilon(c, 1e-5);
    if (rc == 0)
        qfs_put_file_type(c);
    return rc;
}

int qfs_mamba2_put(struct qfs_converter *c, const struct qfs_mamba2 *sizes,
                   const struct qfs_mamba2_names *names)
{
    int64_t conv, state, dim;
    int rc;
    if ((rc = qfs_hparam_or(c, names->conv, 4, &conv)) < 0 ||
        (rc = qfs_hparam_or(c, names->state, 128, &state)) < 0 ||
        (rc = qfs_hparam_or(c, names->dim, 64, &dim)) < 0)
        return rc;
    if (names->strict && (sizes->inner != sizes->expand * sizes->width || sizes->inner % dim))
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: intermediate_size is not expand times hidden_size, or no "
                        "multiple of head_dim",
                        c->model->path);
    return put_mamba2(c, sizes, conv, state, dim);
}

static int mamba2_keys(struct qfs_converter *c)
{
    static const struct qfs_mamba2_names names = {
        {"conv_kernel", "d_conv"}, {"state_size", "d_state"}, {"mamba_d_head", "head_dim"}, true};
    struct qfs_mamba2 sizes;
    int rc = mamba2_sizes(c, &sizes);
    return rc < 0 ? rc : qfs_mamba2_put(c, &sizes, &names);
}

int qfs_mamba2_vocab(struct qfs_converter *c)
{
    int64_t size = 0;
    int rc = round_vocab(c, 16, &size);
    if (rc < 0)
        return rc;
    if (qfs_vocab_file_exists(c->model, "tokenizer.model"))
        return qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (qfs_vocab_file_exists(c->model, "tokenizer.model.v3"))
        return qfs_fail(c->error, ENOENT, "%s: rename tokenizer.model.v3 to tokenizer.model",
                        c->model->path);
    if (qfs_vocab_file_exists(c->model, "tokenizer.json"))
        return qfs_vocab_gpt2(c->out, c->hparams, c->error);
    return qfs_vocab_builtin(c->out, "gpt-neox", size, c->error);
}

const struct qfs_family qfs_family_mamba2 = {
    .arch = "mamba2",
    .hf_classes = mamba2_classes,
    .begin = qfs_mamba2_begin,
    .filter = qfs_mamba2_filter,
    .tensor = mamba2_tensor,
    .keys = mamba2_keys,
    .vocab = qfs_mamba2_vocab,
};
