/* Falcon-H1: Mamba 2 and attention side by side in each layer, all scaled by numbers of config.json that are
 * multiplied into the weights. */
#include "converter.h"

#include <math.h>
#include <string.h>

static const char *const classes[] = {"FalconH1ForCausalLM", NULL};

static int sizes_of(struct qfs_converter *c, struct qfs_mamba2 *ret_sizes)
{
    int rc;
    if ((rc = qfs_hparam_count(c, &ret_sizes->width, "hidden_size", "d_model", "dim",
                               "mamba_hidden_size", "mamba_d_model", "mamba_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &ret_sizes->ngroups, "n_groups", "mamba_n_groups")) < 0)
        return rc;
    ret_sizes->expand = 0; /* not used */
    return qfs_hparam_count(c, &ret_sizes->inner, "mamba_d_ssm", "mamba_mamba_d_ssm");
}

static int begin(struct qfs_converter *c)
{
    struct qfs_mamba2 sizes;
    int64_t ignored;
    int rc = qfs_mamba2_begin(c);
    if (rc < 0 || (rc = sizes_of(c, &sizes)) < 0 ||
        (rc = qfs_hparam_count(c, &ignored, "d_head", "mamba_d_head")) < 0)
        return rc;
    if (ignored == 0 || sizes.inner % ignored || sizes.ngroups == 0)
        return qfs_fail(
            c->error, EINVAL,
            "%s/config.json: mamba_d_ssm is no multiple of mamba_d_head, or mamba_n_groups "
            "is 0",
            c->model->path);
    return qfs_hparam_count(c, &ignored, "intermediate_size", "mamba_intermediate_size");
}

/* data * config[name], or * config[name][index] */
static const struct qfs_recipe *scaled(struct qfs_converter *c, const struct qfs_recipe *data,
                                       const char *name, int index)
{
    const struct qfs_json *value = qfs_hparam(c, name);
    double number;
    if (index >= 0)
        value = qfs_json_at(value, (size_t)index);
    if (!data)
        return NULL;
    if (!qfs_json_real(value, &number)) {
        qfs_fail(c->error, EINVAL, "%s/config.json: %s is missing or not a number", c->model->path,
                 name);
        return NULL;
    }
    return qfs_lazy_unary(c, QFS_OP_MUL, data, number);
}

/* The rows of in_proj are five inputs one behind the other, each with a factor of its own. */
static const struct qfs_recipe *scaled_inputs(struct qfs_converter *c,
                                              const struct qfs_recipe *data)
{
    const struct qfs_recipe *parts[5];
    int64_t inner, ngroups, state, ends[5], row = 0;
    size_t nparts = 0;
    if (!data || qfs_hparam_count(c, &inner, "mamba_d_ssm") < 0 ||
        qfs_hparam_count(c, &ngroups, "mamba_n_groups") < 0 ||
        qfs_hparam_count(c, &state, "mamba_d_state") < 0)
        return NULL;
    ends[0] = inner;
    ends[1] = 2 * inner;
    ends[2] = ends[1] + ngroups * state;
    ends[3] = ends[2] + ngroups * state;
    ends[4] = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t end = QFS_MIN(ends[i], data->shape[0]);
        if (end == row)
            continue;
        const struct qfs_recipe *rows = qfs_lazy_slice(c, data, 0, row, end - row);
        parts[nparts] = scaled(c, rows, "ssm_multipliers", i);
        if (!parts[nparts++])
            return NULL;
        row = end;
    }
    return qfs_lazy_concat(c, parts, nparts);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const struct {
        const char *part, *factor;
        int index;
    } factors[] = {
        {"down_proj", "mlp_multipliers", 1},       {"gate_proj", "mlp_multipliers", 0},
        {"k_proj", "key_multiplier", -1},          {"q_proj", "attention_in_multiplier", -1},
        {"v_proj", "attention_in_multiplier", -1}, {"o_proj", "attention_out_multiplier", -1},
        {"out_proj", "ssm_out_multiplier", -1},    {"in_proj", "ssm_in_multiplier", -1},
        {"lm_head", "lm_head_multiplier", -1},     {"embed_tokens", "embedding_multiplier", -1},
    };
    struct qfs_mamba2 sizes;
    int rc = sizes_of(c, &sizes);
    const char *new_name = rc == 0 ? qfs_map_name(c, name) : NULL;
    if (!new_name)
        return -c->error->code;
    data = qfs_mamba2_shape(c, data, name, new_name, bid, &sizes);
    for (size_t i = 0; i < QFS_COUNT(factors); i++) {
        if (!strstr(name, factors[i].part))
            continue;
        data = scaled(c, data, factors[i].factor, factors[i].index);
        if (strcmp(factors[i].part, "k_proj") == 0)
            data = scaled(c, data, "attention_in_multiplier", -1);
        else if (strcmp(factors[i].part, "in_proj") == 0)
            data = scaled_inputs(c, data);
        break;
    }
    if (data && strstr(name, "mamba.norm"))
        data = qfs_lazy_reshape(c, data, 2,
                                (const int64_t[]){sizes.ngroups, sizes.inner / sizes.ngroups});
    return qfs_emit(c, data, name, new_name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_mamba2_names names = {
        {"conv_kernel", "d_conv", "mamba_conv_kernel", "mamba_d_conv"},
        {"state_size", "d_state", "mamba_state_size", "mamba_d_state"},
        {"mamba_d_head", "head_dim", "mamba_mamba_d_head", "mamba_head_dim"},
        false,
    };
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_U32, "feed_forward_length", {"intermediate_size"}},
        {QFS_RULE_U32, "attention.head_count", {"num_attention_heads"}},
        {QFS_RULE_U32, "attention.head_count_kv", {"num_key_value_heads"}},
        {QFS_RULE_U32, "attention.key_length", {"head_dim"}},
        {QFS_RULE_U32, "attention.value_length", {"head_dim"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *act = qfs_hparam(c, "hidden_act");
    struct qfs_mamba2 sizes;
    int64_t vocab_size, ncontext;
    double base;
    int rc;
    if ((rc = sizes_of(c, &sizes)) < 0 || (rc = qfs_mamba2_put(c, &sizes, &names)) < 0 ||
        (rc = qfs_hparam_count(c, &vocab_size, "vocab_size")) < 0 ||
        (rc = qfs_hparam_count_or(c, "max_position_embeddings", 0, &ncontext)) < 0)
        return rc;
    qfs_put_u32(c, "vocab_size", vocab_size);
    qfs_put_u32(c, "context_length", ncontext);
    if ((rc = qfs_put_rules(c, rules)) < 0)
        return rc;
    if (!qfs_json_is_null(act) && !qfs_text_is(qfs_json_text(act), "silu"))
        return qfs_fail(c->error, EINVAL, "%s/config.json: hidden_act is not silu", c->model->path);
    if ((rc = qfs_rope_number(c, "rope_theta", NAN, &base)) < 0)
        return rc;
    qfs_put_f32(c, "rope.freq_base", base);
    return 0;
}

const struct qfs_family qfs_family_falcon_h1 = {
    .arch = "falcon-h1",
    .hf_classes = classes,
    .begin = begin,
    .filter = qfs_mamba2_filter,
    .tensor = tensor,
    .keys = keys,
};
