/* Vision encoders of Qwen 2 VL to 3.5, and of GLM 4 V, which has Qwen's names. */
#include "mmproj.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const qwen2vl_classes[] = {"Qwen2VLModel", "Qwen2VLForConditionalGeneration",
                                              "Qwen2_5_VLForConditionalGeneration", NULL};
static const char *const qwen3vl_classes[] = {
    "Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration",
    "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration", NULL};
static const char *const glm4v_classes[] = {"Glm4vForConditionalGeneration",
                                            "Glm4vMoeForConditionalGeneration",
                                            "GlmOcrForConditionalGeneration", NULL};
static const char *const exaone_classes[] = {"Exaone4_5_ForConditionalGeneration", NULL};
static const char *const sarashina_classes[] = {"Sarashina2VisionForCausalLM", NULL};
static const char *const qwen4_classes[] = {"Qwen4ExpForConditionalGeneration", NULL};

/* -- Qwen 2 and 2.5 --------------------------------------------------------------------------------- */

static int qwen2vl_begin(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    int rc;
    if (!vision)
        return qfs_config_wrong(c, "vision_config", "there");
    if ((rc = qfs_config_default_int(c, vision, "image_size", 560)) < 0 ||
        (rc = qfs_config_rename(c, vision, "num_attention_heads", "num_heads")) < 0 ||
        (rc = qfs_config_rename(c, vision, "num_hidden_layers", "depth")) < 0)
        return rc;
    if (!qfs_json_get(vision, "embed_dim"))
        return 0;
    if ((rc = qfs_config_rename(c, vision, "intermediate_size", "hidden_size")) < 0)
        return rc;
    return qfs_config_rename(c, vision, "hidden_size", "embed_dim");
}

static int qwen2vl_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "visual.") ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

/* A convolution over two frames becomes two. */
static int split_frames(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    static const char *const names[] = {"v.patch_embd.weight", "v.patch_embd.weight.1"};
    int rc = data ? 0 : -c->error->code;
    if (data && (data->ndim != 5 || data->shape[2] != 2))
        return qfs_fail(c->error, EINVAL, "%s: tensor %s is no convolution over two frames",
                        c->model->path, name);
    for (int i = 0; i < 2 && rc == 0; i++) {
        const int64_t shape[] = {data->shape[0], data->shape[1], data->shape[3], data->shape[4]};
        const struct qfs_recipe *frame =
            qfs_lazy_reshape(c, qfs_lazy_slice(c, data, 2, i, 1), 4, shape);
        rc = qfs_emit(c, frame, name, names[i], bid);
    }
    return rc;
}

static int qwen2vl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    static const char *const parts[] = {"q", "k", "v"};
    if (strstr(name, ".qkv."))
        return qfs_split_rows(c, data, name, bid, "qkv", parts, 3);
    if (strstr(name, "patch_embed.proj.weight"))
        return split_frames(c, data, name, bid);
    return qfs_text_tensor(c, data, name, bid);
}

/* Every how many layers one attends to the whole image. */
static int put_window_pattern(struct qfs_converter *c)
{
    const struct qfs_json *full = qfs_json_get(c->mmproj->vision, "fullatt_block_indexes");
    int64_t first, at, before;
    if (!qfs_json_int(qfs_json_at(full, 0), &first) || first < 0 || first > 1 << 16)
        return qfs_config_wrong(c, "fullatt_block_indexes", "a list of layers");
    before = first;
    for (size_t i = 1; qfs_json_at(full, i); i++, before = at)
        if (!qfs_json_int(qfs_json_at(full, i), &at) || at - before != first + 1)
            return qfs_config_wrong(c, "fullatt_block_indexes", "every so many layers");
    qfs_put_u32(c, "vision.n_wa_pattern", first + 1);
    return 0;
}

static int qwen2vl_put(struct qfs_converter *c)
{
    static const struct {
        const char *type, *projector;
    } kinds[] = {{"qwen2_vl", "qwen2vl_merger"},
                 {"qwen2_5_vl", "qwen2.5vl_merger"},
                 {"qwen2_5_omni", "qwen2.5o"}};
    size_t i = 0;
    while (i < QFS_COUNT(kinds) && !qfs_config_is(c->mmproj->global, "model_type", kinds[i].type))
        i++;
    if (i == QFS_COUNT(kinds))
        return qfs_config_wrong(c, "model_type", "one of Qwen's with a vision encoder");
    qfs_put_projector(c, kinds[i].projector);
    if (i > 0) {
        qfs_put_bool(c, "use_silu", true);
        int rc = put_window_pattern(c);
        if (rc < 0)
            return rc;
    }
    return qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->global,
                          "rms_norm_eps", 1e-6);
}

static int qwen2vl_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    return rc < 0 ? rc : qwen2vl_put(c);
}

/* -- Qwen 3 and 3.5 --------------------------------------------------------------------------------- */

static int set_image_size(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    int64_t npositions, patch_size;
    int rc;
    if (qfs_json_get(vision, "image_size"))
        return 0;
    if ((rc = qfs_config_size_or(c, vision, "num_position_embeddings", 2304, &npositions)) < 0 ||
        (rc = qfs_config_size_or(c, vision, "patch_size", 16, &patch_size)) < 0)
        return rc;
    return qfs_config_set_int(c, vision, "image_size",
                              (int64_t)(sqrt((double)npositions) * (double)patch_size));
}

/* The layer that deepstack merger number `i` belongs to. */
static int deepstack_layer(struct qfs_converter *c, size_t i, int64_t *ret_layer)
{
    const struct qfs_json *list = qfs_json_get(c->mmproj->vision, "deepstack_visual_indexes");
    const struct qfs_json *layer = qfs_json_at(list, i);
    if (!qfs_json_is(layer, QFS_JSON_INT) || layer->integer < 0 || layer->integer > 4096)
        return qfs_config_wrong(c, "deepstack_visual_indexes", "a list of layers, one a merger");
    *ret_layer = layer->integer;
    return 0;
}

static int qwen3vl_begin(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    int rc;
    if (!vision)
        return 0;
    if ((rc = set_image_size(c)) < 0 ||
        (rc = qfs_config_rename(c, vision, "num_attention_heads", "num_heads")) < 0)
        return rc;
    return qfs_config_rename(c, vision, "num_hidden_layers", "depth");
}

static int put_deepstack(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    const struct qfs_json *list = qfs_json_get(vision, "deepstack_visual_indexes");
    int64_t nlayers = 0, layer = 0;
    if (qfs_json_truthy(qfs_json_get(vision, "num_hidden_layers"))) {
        int rc = qfs_config_size(c, vision, "num_hidden_layers", &nlayers);
        if (rc < 0)
            return rc;
    }
    if (list && list->kind != QFS_JSON_ARRAY)
        return qfs_config_wrong(c, "deepstack_visual_indexes", "a list of layers");
    if (nlayers > 4096)
        return qfs_config_wrong(c, "depth", "4096 at most");
    uint8_t *flags = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*flags));
    if (!flags)
        return qfs_fail_memory(c->error);
    memset(flags, 0, (size_t)nlayers);
    for (size_t i = 0; qfs_json_at(list, i); i++) {
        int rc = deepstack_layer(c, i, &layer);
        if (rc < 0)
            return rc;
        if (layer >= nlayers)
            return qfs_config_wrong(c, "deepstack_visual_indexes", "within depth");
        flags[layer] = 1;
    }
    qfs_put_bools(c, "vision.is_deepstack_layers", flags, (size_t)nlayers);
    return 0;
}

static int qwen3vl_put(struct qfs_converter *c)
{
    const struct qfs_json *text = qfs_json_get(c->mmproj->global, "text_config");
    const struct qfs_json *merge = qfs_json_get(c->mmproj->vision, "spatial_merge_size");
    int64_t side;
    int rc;
    if (!c->mmproj->has_audio)
        qfs_put_projector(c, "qwen3vl_merger");
    qfs_put_bool(c, "use_gelu", true);
    if (!qfs_json_is_null(merge)) {
        if ((rc = qfs_config_size(c, c->mmproj->vision, "spatial_merge_size", &side)) < 0)
            return rc;
        qfs_put_u32(c, "vision.spatial_merge_size", side);
    }
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", text, "rms_norm_eps",
                             1e-6)) < 0)
        return rc;
    return put_deepstack(c);
}

static int qwen3vl_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    return rc < 0 ? rc : qwen3vl_put(c);
}

static int qwen3vl_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "model.visual."))
        name += strlen("model.");
    return qfs_starts_with(name, "visual.") ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

static int odd_name(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, EINVAL, "%s: tensor %s is none that its projector has",
                    c->model->path, name);
}

/* "N.norm.weight" and the like, behind visual.deepstack_merger_list */
static int deepstack_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                            const char *name, const char *rest, int bid)
{
    static const char *const parts[][2] = {{"norm.", "v.deepstack.{bid}.norm"},
                                           {"linear_fc1.", "v.deepstack.{bid}.fc1"},
                                           {"linear_fc2.", "v.deepstack.{bid}.fc2"}};
    char *end;
    long number = strtol(rest, &end, 10);
    int64_t layer = 0;
    if (end == rest || *end != '.' || number < 0)
        return odd_name(c, name);
    int rc = deepstack_layer(c, (size_t)number, &layer);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (qfs_starts_with(end + 1, parts[i][0])) {
            const char *suffix = end + 1 + strlen(parts[i][0]) - 1; /* ".weight" */
            name = qfs_format_name(c, parts[i][1], suffix, (int)layer);
            return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
        }
    return odd_name(c, name);
}

/* "linear_fc1.weight" and the like, behind visual.merger */
static int merger_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         const char *rest, int bid)
{
    static const struct {
        const char *part, *key;
        int number;
    } parts[] = {
        {"linear_fc1.", "mm.{bid}", 0}, {"linear_fc2.", "mm.{bid}", 2}, {"norm.", "v.post_ln", -1}};
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (qfs_starts_with(rest, parts[i].part)) {
            const char *suffix = rest + strlen(parts[i].part) - 1;
            return qfs_emit(c, data, name,
                            qfs_format_name(c, parts[i].key, suffix, parts[i].number), bid);
        }
    return odd_name(c, name);
}

static int qwen3vl_other_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                                const char *name, int bid)
{
    static const char deepstack[] = "visual.deepstack_merger_list.";
    if (qfs_starts_with(name, deepstack))
        return deepstack_tensor(c, data, name, name + strlen(deepstack), bid);
    if (strcmp(name, "visual.patch_embed.proj.weight") == 0)
        return split_frames(c, data, name, bid);
    if (strcmp(name, "visual.patch_embed.proj.bias") == 0)
        return qfs_emit(c, data, name, "v.patch_embd.bias", bid);
    return qfs_text_tensor(c, data, name, bid);
}

static int qwen3vl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    static const char merger[] = "visual.merger.";
    return qfs_starts_with(name, merger) ? merger_tensor(c, data, name, name + strlen(merger), bid)
                                         : qwen3vl_other_tensor(c, data, name, bid);
}

/* -- GLM 4 V ---------------------------------------------------------------------------------------- */

static int glm4v_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "glm4v");
    qfs_put_activation_if_known(c, c->mmproj->vision);
    return qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                          "rms_norm_eps", 1e-5);
}

/* -- EXAONE 4.5, Sarashina 2 ------------------------------------------------------------------------ */

static int exaone_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    const char *at = strstr(name, "model.visual.");
    if (at && !(name = qfs_arena_printf(c->arena, "%.*s%s", (int)(at - name), name,
                                        at + strlen("model."))))
        return qfs_fail_memory(c->error);
    return qwen2vl_filter(c, name, ret_name);
}

static int exaone_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    return strstr(name, ".qkv.") ? qfs_text_tensor(c, data, name, bid)
                                 : qwen2vl_tensor(c, data, name, bid);
}

static int exaone_keys(struct qfs_converter *c)
{
    static const struct qfs_param heads[] = {
        {"vision.attention.head_count_kv", QFS_PARAM_U32, {"num_key_value_heads"}},
        {NULL},
    };
    static const struct qfs_param window[] = {
        {"vision.window_size", QFS_PARAM_U32, {"window_size"}},
        {NULL},
    };
    struct qfs_json *vision = c->mmproj->vision;
    bool own_eps = qfs_json_get(vision, "rms_norm_eps") != NULL;
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "exaone4_5");
    qfs_put_bool(c, "use_silu", true);
    if ((rc = qfs_put_pixel_limits(c)) < 0 || (rc = qfs_put_params_of(c, vision, heads)) < 0 ||
        (rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon",
                             own_eps ? vision : c->mmproj->global, "rms_norm_eps", 1e-6)) < 0 ||
        (rc = qfs_put_params_of(c, vision, window)) < 0)
        return rc;
    return qfs_json_truthy(qfs_json_get(vision, "fullatt_block_indexes")) ? put_window_pattern(c)
                                                                          : 0;
}

static int sarashina_begin(struct qfs_converter *c)
{
    static const struct qfs_json type = {
        .kind = QFS_JSON_STRING, .count = sizeof("qwen2_vl") - 1, .string = "qwen2_vl"};
    int rc = qwen2vl_begin(c);
    return rc < 0 ? rc : qfs_config_set(c, c->mmproj->global, "model_type", &type);
}

const struct qfs_family qfs_family_qwen2vl_vision = {
    .hf_classes = qwen2vl_classes,
    .parent = &qfs_family_mmproj,
    .begin = qwen2vl_begin,
    .filter = qwen2vl_filter,
    .force_quant = qfs_whole_positions_force_quant,
    .tensor = qwen2vl_tensor,
    .keys = qwen2vl_keys,
};

const struct qfs_family qfs_family_qwen3vl_vision = {
    .hf_classes = qwen3vl_classes,
    .parent = &qfs_family_mmproj,
    .begin = qwen3vl_begin,
    .filter = qwen3vl_filter,
    .tensor = qwen3vl_tensor,
    .keys = qwen3vl_keys,
};

const struct qfs_family qfs_family_glm4v_vision = {
    .hf_classes = glm4v_classes,
    .parent = &qfs_family_qwen3vl_vision,
    .tensor = qwen3vl_other_tensor,
    .keys = glm4v_keys,
};

const struct qfs_family qfs_family_exaone4_5_vision = {
    .hf_classes = exaone_classes,
    .parent = &qfs_family_qwen2vl_vision,
    .filter = exaone_filter,
    .tensor = exaone_tensor,
    .keys = exaone_keys,
};

const struct qfs_family qfs_family_sarashina2_vision = {
    .hf_classes = sarashina_classes,
    .parent = &qfs_family_qwen2vl_vision,
    .begin = sarashina_begin,
};

/* An unmodified encoder of Qwen 3 VL. */
const struct qfs_family qfs_family_qwen4_vision = {
    .hf_classes = qwen4_classes,
    .parent = &qfs_family_qwen3vl_vision,
};
