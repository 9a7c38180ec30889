/* Gemma 3n (text): embeddings for each layer, alternating updates, sparse activations. */
#include "converter.h"

#include <math.h>
#include <string.h>

static const char *const classes[] = {"Gemma3nForCausalLM", "Gemma3nForConditionalGeneration",
                                      NULL};

static int begin(struct qfs_converter *c)
{
    int64_t count = 0;
    if (!qfs_json_int(qfs_hparam(c, "altup_num_inputs"), &count) || count != 4)
        return qfs_fail(c->error, EINVAL, "%s/config.json: altup_num_inputs is not 4",
                        c->model->path);
    return 0;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (qfs_ends_with(name, "_scale") && !(name = qfs_arena_printf(c->arena, "%s.weight", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_filter(c, name, ret_name);
}

/* Rows for the tokens of images and sounds are zeros. */
static int pad_embeddings(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    int64_t vocab_size;
    int rc = qfs_hparam_count_or(c, "vocab_size", 262400, &vocab_size);
    if (rc < 0 || !data)
        return rc < 0 ? rc : -c->error->code;
    if (data->ndim == 2 && data->shape[0] < vocab_size) {
        const struct qfs_recipe *const parts[] = {
            data,
            qfs_lazy_zeros(c, data->dtype, vocab_size - data->shape[0], data->shape[1]),
        };
        data = qfs_lazy_concat(c, parts, 2);
    }
    return qfs_text_tensor(c, data, name, bid);
}

/* Three matrices that become one when the last has come. */
static int stack_three(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid, const char *kind)
{
    const struct qfs_recipe *parts[3];
    int which = strstr(name, ".0.") ? 0 : strstr(name, ".1.") ? 1 : strstr(name, ".2.") ? 2 : -1;
    const char *merged = qfs_arena_printf(c->arena, "model.%s.weight", kind);
    if (which < 0)
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is none of three", c->model->path, name);
    for (int i = 0; i < 3; i++) {
        const char *key = qfs_arena_printf(c->arena, "%s %d", kind, i);
        uint64_t recipe;
        if (!key || !merged ||
            (i == which &&
             qfs_map_set(&c->experts, qfs_text_of(key), (uint64_t)(uintptr_t)data) < 0))
            return qfs_fail_memory(c->error);
        parts[i] = qfs_map_get(&c->experts, qfs_text_of(key), &recipe)
                       ? (const struct qfs_recipe *)(uintptr_t)recipe
                       : NULL;
    }
    if (!parts[0] || !parts[1] || !parts[2])
        return data ? 0 : -c->error->code;
    return qfs_text_tensor(c, qfs_lazy_stack(c, parts, 3), merged, bid);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const stacked[] = {"altup_unembed_projections", "altup_projections"};
    if (strstr(name, "embed_tokens.weight") || strstr(name, "embed_tokens_per_layer"))
        return pad_embeddings(c, data, name, bid);
    for (size_t i = 0; i < QFS_COUNT(stacked); i++)
        if (strstr(name, stacked[i]))
            return stack_three(c, data, name, bid, stacked[i]);
    return qfs_text_tensor(c, data, name, bid);
}

/* erfinv, rounded once. The start is Winitzki's formula. */
static double inverse_erf(double y)
{
    if (fabs(y) >= 1)
        return fabs(y) == 1 ? copysign(INFINITY, y) : NAN;
    double a = 0.147, l = log(1 - y * y), b = 2 / (M_PI * a) + l / 2;
    double x = copysign(sqrt(sqrt(b * b - l / a) - b), y);
    for (int i = 0; i < 6; i++)
        x -= (erf(x) - y) / (2 / sqrt(M_PI) * exp(-x * x));
    return x;
}

/* Normal(0, 1).icdf in float32: how many deviations from the mean the threshold lies. */
static float deviations(float part)
{
    return (float)inverse_erf((double)(2 * part - 1)) * (float)M_SQRT2;
}

static int put_sparsity(struct qfs_converter *c)
{
    const struct qfs_json *pattern = qfs_hparam(c, "activation_sparsity_pattern");
    if (!qfs_json_is(pattern, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: has no activation_sparsity_pattern",
                        c->model->path);
    float *scales = qfs_arena_array(c->arena, pattern->count, sizeof(*scales));
    if (!scales)
        return qfs_fail_memory(c->error);
    for (uint32_t i = 0; i < pattern->count; i++) {
        double part;
        if (!qfs_json_real(&pattern->items[i], &part))
            return qfs_fail(c->error, EINVAL,
                            "%s/config.json: activation_sparsity_pattern is no list of numbers",
                            c->model->path);
        scales[i] = deviations((float)part);
    }
    qfs_put_f32s(c, "activation_sparsity_scale", scales, pattern->count);
    return 0;
}

static const struct qfs_param params[] = {
    {"altup.active_idx", QFS_PARAM_U32, {"altup_active_idx"}, true},
    {"altup.num_inputs", QFS_PARAM_U32, {"altup_num_inputs"}, true},
    {"embedding_length_per_layer_input", QFS_PARAM_U32, {"hidden_size_per_layer_input"}, true},
    {"attention.shared_kv_layers", QFS_PARAM_U32, {"num_kv_shared_layers"}, true},
    {NULL},
};

static int keys(struct qfs_converter *c)
{
    int rc = qfs_gemma3_keys(c);
    if (rc < 0 || (rc = qfs_put_params(c, params)) < 0 || (rc = put_sparsity(c)) < 0)
        return rc;
    return qfs_put_sliding_layers(c);
}

/* The whole vocabulary, not the part that has embeddings for each layer. */
static int vocab(struct qfs_converter *c)
{
    qfs_hparam_remove(c, "vocab_size_per_layer_input");
    return qfs_gemma3_vocab(c);
}

const struct qfs_family qfs_family_gemma3n = {
    .arch = "gemma3n",
    .hf_classes = classes,
    .parent = &qfs_family_gemma3,
    .begin = begin,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
