/* Step 3.5 and 3.7: layers with sliding windows have heads of their own number; draft heads are the
 * layers behind num_hidden_layers. Step3-VL's language model is a Qwen 3. */
#include "converter.h"

#include "quantfs/torch_math.h"

#include <math.h>
#include <string.h>

#include "vocab/vocab.h"

static const char *const vl_classes[] = {"StepVLForConditionalGeneration", NULL};
static const char *const classes[] = {"Step3p5ForCausalLM", "Step3p7ForConditionalGeneration",
                                      NULL};

extern const struct qfs_family qfs_family_qwen3;

const struct qfs_family qfs_family_step3vl = {
    .arch = "qwen3",
    .hf_classes = vl_classes,
    .parent = &qfs_family_qwen3,
};

static int begin(struct qfs_converter *c)
{
    int64_t nextn;
    int rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn);
    if (rc == 0)
        c->block_count += QFS_MIN(nextn, (int64_t)4096);
    return rc;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const layers[] = {"n_layers", "num_hidden_layers", "n_layer", "num_layers",
                                         NULL};
    int64_t nlayers;
    int rc = qfs_text_filter(c, name, ret_name);
    if (rc < 0 || !*ret_name || (rc = qfs_hparam_size(c, layers, &nlayers)) < 0)
        return rc;
    name = qfs_name_swap_suffix(c, *ret_name, ".moe.router_bias", ".moe.router_bias.bias");
    if (name && qfs_layer_of(name) >= nlayers) {
        name = qfs_name_replace(c, name, ".transformer.", ".");
        if (name)
            name = qfs_name_replace(c, name, "shared_head.output", "shared_head.head");
    }
    *ret_name = name;
    return name ? 0 : -ENOMEM;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const squeezed[] = {".self_attn.g_proj.weight", ".moe.gate.weight",
                                           ".moe.up_proj.weight",      ".moe.gate_proj.weight",
                                           ".moe.down_proj.weight",    NULL};
    if (qfs_ends_with(name, "norm.weight"))
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, 1);
    if (qfs_ends_with_any(name, squeezed))
        data = qfs_lazy_squeeze(c, data);
    return qfs_text_tensor(c, data, name, bid);
}

/* -- keys ------------------------------------------------------------------------------------------------ */

/* A list of two rope_theta: of all layers, of those with a window. */
static int split_theta(struct qfs_converter *c)
{
    const struct qfs_json *theta = qfs_hparam(c, "rope_theta");
    double values[2];
    if (!qfs_json_is(theta, QFS_JSON_ARRAY))
        return 0;
    if (!qfs_json_real(qfs_json_at(theta, 0), &values[0]) ||
        !qfs_json_real(qfs_json_at(theta, 1), &values[1]))
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_theta is not a list of two numbers",
                        c->model->path);
    const struct qfs_json full = {.kind = QFS_JSON_REAL, .real = values[0]};
    const struct qfs_json local = {.kind = QFS_JSON_REAL, .real = values[1]};
    struct qfs_json *sliding = qfs_dict_copy(c->arena, NULL);
    if (!sliding || qfs_dict_set(c->arena, sliding, "rope_theta", &local) < 0 ||
        qfs_dict_set(c->arena, c->rope, "rope_theta", &full) < 0 ||
        qfs_dict_set(c->arena, c->rope, "sliding_attention", sliding) < 0)
        return qfs_fail_memory(c->error);
    return 0;
}

static bool slides(const struct qfs_converter *c, int64_t layer)
{
    return qfs_text_is(qfs_json_text(qfs_json_at(qfs_hparam(c, "layer_types"), (size_t)layer)),
                       "sliding_attention");
}

/* Layers with a window turn all of a head, the others half; config must say the same. */
static int check_factors(struct qfs_converter *c)
{
    const struct qfs_json *factors = qfs_hparam(c, "partial_rotary_factors");
    for (int64_t i = 0; i < c->block_count; i++) {
        const struct qfs_json *item = qfs_json_at(factors, (size_t)i);
        double factor = 0.5;
        if ((item && !qfs_json_real(item, &factor)) || factor != (slides(c, i) ? 1.0 : 0.5))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: partial_rotary_factors does not fit layer_types at "
                            "layer %lld",
                            c->model->path, (long long)i);
    }
    return 0;
}

static int put_layers(struct qfs_converter *c)
{
    const struct qfs_json *other = qfs_hparam(c, "attention_other_setting");
    int64_t nheads, nkv, nheads_swa, nkv_swa;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nkv, "num_attention_groups")) < 0)
        return rc;
    if (!qfs_json_int(qfs_json_get(other, "num_attention_heads"), &nheads_swa))
        nheads_swa = nheads;
    if (!qfs_json_int(qfs_json_get(other, "num_attention_groups"), &nkv_swa))
        nkv_swa = nkv;
    size_t count = (size_t)c->block_count;
    int32_t *heads = qfs_arena_array(c->arena, count, sizeof(*heads));
    int32_t *groups = qfs_arena_array(c->arena, count, sizeof(*groups));
    uint8_t *windows = qfs_arena_array(c->arena, count, sizeof(*windows));
    if (!heads || !groups || !windows)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < c->block_count; i++) {
        windows[i] = slides(c, i);
        heads[i] = (int32_t)(windows[i] ? nheads_swa : nheads);
        groups[i] = (int32_t)(windows[i] ? nkv_swa : nkv);
    }
    qfs_put_i32s(c, "attention.head_count", heads, count);
    qfs_put_i32s(c, "attention.head_count_kv", groups, count);
    if ((rc = qfs_put_one(c, "attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true)) <
        0)
        return rc;
    qfs_put_bools(c, "attention.sliding_window_pattern", windows, count);
    return 0;
}

/* The smallest number of the list in text, which is where layers with experts begin. */
static int put_leading_dense(struct qfs_converter *c)
{
    struct qfs_text text = qfs_json_text(qfs_hparam(c, "moe_layers_enum"));
    int64_t least = -1;
    bool blank = true;
    for (size_t i = 0; i < text.size; i++)
        blank = blank && strchr(" \t\r\n\v\f", text.data[i]);
    for (size_t at = 0; !blank && at <= text.size;) {
        const char *comma = memchr(text.data + at, ',', text.size - at);
        size_t end = comma ? (size_t)(comma - text.data) : text.size;
        int64_t layer;
        if (!qfs_python_int((struct qfs_text){text.data + at, end - at}, &layer))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: moe_layers_enum is not a list of layers",
                            c->model->path);
        least = least < 0 ? layer : QFS_MIN(least, layer);
        at = end + 1;
    }
    qfs_put_u32(c, "leading_dense_block_count", QFS_MAX(least, (int64_t)0));
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param sizes[] = {
        {"attention.value_length", QFS_PARAM_U32, {"head_dim"}, true},
        {"expert_count", QFS_PARAM_U32, {"moe_num_experts"}, true},
        {"expert_used_count", QFS_PARAM_U32_OR_LIST, {"moe_top_k"}, true},
        {"expert_feed_forward_length", QFS_PARAM_U32_OR_LIST, {"moe_intermediate_size"}, true},
        {"expert_shared_feed_forward_length", QFS_PARAM_U32, {"share_expert_dim"}, true},
        {"expert_weights_scale", QFS_PARAM_F32, {"moe_router_scaling_factor"}},
        {"expert_weights_norm", QFS_PARAM_BOOL, {"norm_expert_weight"}},
        {NULL},
    };
    int64_t every, nextn;
    int rc;
    if ((rc = split_theta(c)) < 0 || (rc = qfs_text_keys(c)) < 0 || (rc = check_factors(c)) < 0 ||
        (rc = put_layers(c)) < 0 || (rc = qfs_put_params(c, sizes)) < 0 ||
        (rc = put_leading_dense(c)) < 0 ||
        (rc = qfs_hparam_count_or(c, "moe_every_n_layer", 1, &every)) < 0 ||
        (rc = qfs_hparam_count_or(c, "num_nextn_predict_layers", 0, &nextn)) < 0)
        return rc;
    qfs_put_u32(c, "moe_every_n_layers", every);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon",
                qfs_json_number_or(c->hparams, "rms_norm_eps", 1e-5));
    if ((rc = qfs_put_layer_limits(c, "swiglu_clamp_exp", "swiglu_limits")) < 0 ||
        (rc = qfs_put_layer_limits(c, "swiglu_clamp_shexp", "swiglu_limits_shared")) < 0)
        return rc;
    if (nextn > 0)
        qfs_put_u32(c, "nextn_predict_layers", nextn);
    return 0;
}

/* -- Llama 3's frequency factors, over the part of a head that is turned --------------------------------- */

/* Unlike Llama's own, in double precision from each frequency on. */
static float rope_factor(const struct qfs_json *params, double frequency)
{
    double factor = qfs_json_number_or(params, "factor", 8.0);
    double low = qfs_json_number_or(params, "low_freq_factor", 1.0);
    double high = qfs_json_number_or(params, "high_freq_factor", 4.0);
    double context =
        (double)(int64_t)qfs_json_number_or(params, "original_max_position_embeddings", 8192);
    double wavelength = 2 * M_PI / frequency;
    if (wavelength < context / high)
        return 1;
    if (wavelength > context / low)
        return (float)factor;
    double smooth = (context / wavelength - low) / (high - low);
    return (float)(1.0 / ((1.0 - smooth) / factor + smooth));
}

static int extra(struct qfs_converter *c)
{
    const struct qfs_json *params = qfs_llama3_rope(c), *theta = qfs_hparam(c, "rope_theta");
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    const struct qfs_json *factors = qfs_hparam(c, "partial_rotary_factors");
    double base = 10000.0, part = -1;
    int64_t dim;
    int rc;
    if (!params)
        return 0;
    if ((rc = qfs_head_dim(c, &dim)) < 0)
        return rc;
    if (qfs_json_is(theta, QFS_JSON_ARRAY))
        theta = qfs_json_at(theta, 0);
    if (theta && !qfs_json_real(theta, &base))
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_theta is not a number",
                        c->model->path);
    for (int64_t i = 0; part < 0 && i < c->block_count && qfs_json_at(types, (size_t)i) &&
                        qfs_json_at(factors, (size_t)i);
         i++)
        if (qfs_text_is(qfs_json_text(qfs_json_at(types, (size_t)i)), "full_attention") &&
            !qfs_json_real(qfs_json_at(factors, (size_t)i), &part))
            part = -1;
    if (part < 0 || part > 1)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: partial_rotary_factors has none for full attention",
                        c->model->path);
    int64_t turned = (int64_t)((double)dim * part), ncomputed = (turned + 1) / 2;
    int64_t count = QFS_MAX(ncomputed, dim / 2);
    float *values = qfs_arena_array(c->arena, (size_t)count, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < count; i++) {
        float exponent = i < ncomputed ? (float)(2 * i) / (float)turned : 0;
        values[i] =
            i < ncomputed
                ? rope_factor(params, qfs_torch_rdiv(1.0, qfs_torch_powf((float)base, exponent)))
                : 1;
    }
    const char *name = qfs_format_name(c, "rope_freqs", ".weight", -1);
    return name ? qfs_convert_tensor(c, qfs_lazy_floats(c, values, count), name) : -c->error->code;
}

const struct qfs_family qfs_family_step35 = {
    .arch = "step35",
    .hf_classes = classes,
    .begin = begin,
    .filter = filter,
    .extra = extra,
    .tensor = tensor,
    .keys = keys,
};
