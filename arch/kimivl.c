/* MoonViT: the vision encoder of Kimi VL, Kimi K2.5 and GLM 5 V. */
#include "mmproj.h"

#include <string.h>

static const char *const kimivl_classes[] = {"KimiVLForConditionalGeneration", NULL};
static const char *const kimik25_classes[] = {"KimiK25ForConditionalGeneration", NULL};
static const char *const glm5v_classes[] = {"Glm5vForConditionalGeneration", NULL};

/* -- Kimi VL ---------------------------------------------------------------------------------------- */

static int kimivl_begin(struct qfs_converter *c)
{
    enum { IMAGE_SIZE = 64 * 14 };
    return qfs_config_set_int(c, c->mmproj->vision, "image_size", IMAGE_SIZE);
}

static int kimivl_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const parts[] = {"vision_tower", "multi_modal_projector", NULL};
    *ret_name = NULL;
    return qfs_holds_any(name, parts) ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

static int kimivl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid)
{
    static const char *const parts[] = {"wq", "wk", "wv"};
    if (data && strstr(name, "pos_emb.weight")) {
        if (data->ndim != 3)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is no grid of positions",
                            c->model->path, name);
        const int64_t shape[] = {data->shape[0] * data->shape[1], data->shape[2]};
        data = qfs_lazy_reshape(c, data, 2, shape);
    }
    if (strstr(name, "wqkv"))
        return qfs_split_rows(c, data, name, bid, "wqkv", parts, 3);
    return qfs_text_tensor(c, data, name, bid);
}

static int kimivl_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "kimivl");
    qfs_put_bool(c, "use_gelu", true);
    qfs_put_u32(c, "vision.projector.scale_factor", 2);
    return qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", c->mmproj->vision,
                          "layer_norm_eps", 1e-5);
}

/* -- Kimi K2.5 -------------------------------------------------------------------------------------- */

static int kimik25_begin(struct qfs_converter *c)
{
    struct qfs_json *vision = c->mmproj->vision;
    int64_t height, patch_size;
    int rc;
    if ((rc = qfs_config_size_or(c, vision, "init_pos_emb_height", 64, &height)) < 0 ||
        (rc = qfs_config_size_or(c, vision, "patch_size", 14, &patch_size)) < 0)
        return rc;
    return qfs_config_set_int(c, vision, "image_size", height * patch_size);
}

static int kimik25_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const parts[] = {"vision_tower", "mm_projector", NULL};
    *ret_name = NULL;
    return qfs_holds_any(name, parts) ? qfs_mmproj_filter(c, name, ret_name) : 0;
}

/* Rows of a head from pairs that lie together to pairs apart, for width and height at once. */
static const struct qfs_recipe *unrotate(struct qfs_converter *c, const struct qfs_recipe *data,
                                         int64_t nheads)
{
    if (!data || nheads <= 0 || data->shape[0] % (4 * nheads)) {
        if (data)
            (void)qfs_config_wrong(c, "num_attention_heads", "a divisor of the encoder's width");
        return NULL;
    }
    int64_t shape[QFS_MAX_DIMS] = {nheads, data->shape[0] / nheads / 4, 2, 2};
    for (int i = 1; i < data->ndim && i + 3 < QFS_MAX_DIMS; i++)
        shape[i + 3] = data->shape[i];
    const struct qfs_recipe *heads = qfs_lazy_reshape(c, data, data->ndim + 3, shape);
    return qfs_lazy_reshape(c, qfs_lazy_swapaxes(c, heads, 1, 2), data->ndim, data->shape);
}

static const struct qfs_recipe *unrotate_qkv(struct qfs_converter *c, const struct qfs_recipe *data)
{
    int64_t nheads;
    if (!data || data->ndim > 2 || data->ndim < 1 || data->shape[0] % 3 ||
        qfs_config_size_or(c, c->mmproj->vision, "num_attention_heads", 16, &nheads) < 0) {
        if (data && !c->error->code)
            (void)qfs_config_wrong(c, "the width of wqkv", "a multiple of three");
        return NULL;
    }
    int64_t rows = data->shape[0] / 3;
    const struct qfs_recipe *const parts[] = {
        unrotate(c, qfs_lazy_slice(c, data, 0, 0, rows), nheads),
        unrotate(c, qfs_lazy_slice(c, data, 0, rows, rows), nheads),
        qfs_lazy_slice(c, data, 0, 2 * rows, rows),
    };
    return qfs_lazy_concat(c, parts, QFS_COUNT(parts));
}

static int kimik25_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                          int bid)
{
    if (strstr(name, "wqkv") && (strstr(name, "weight") || strstr(name, "bias")))
        data = unrotate_qkv(c, data);
    if (data && strstr(name, "pos_emb.time_weight")) {
        if (data->ndim != 3)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s has not three dimensions",
                            c->model->path, name);
        const int64_t shape[] = {data->shape[0], data->shape[2]};
        data = qfs_lazy_reshape(c, data, 2, shape);
    }
    if (strstr(name, "mm_projector.proj.0."))
        name = qfs_name_replace(c, name, ".proj.0.", ".proj.linear_1.");
    else if (strstr(name, "mm_projector.proj.2."))
        name = qfs_name_replace(c, name, ".proj.2.", ".proj.linear_2.");
    return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
}

/* Keys that the converter writes without the architecture before them. */
static int put_positions(struct qfs_converter *c)
{
    static const struct {
        const char *key, *name;
        int64_t fallback;
    } keys[] = {{"vision.pos_emb_height", "init_pos_emb_height", 64},
                {"vision.pos_emb_width", "init_pos_emb_width", 64},
                {"vision.pos_emb_time", "init_pos_emb_time", 4}};
    for (size_t i = 0; i < QFS_COUNT(keys); i++) {
        int64_t value;
        int rc = qfs_config_size_or(c, c->mmproj->vision, keys[i].name, keys[i].fallback, &value);
        if (rc < 0)
            return rc;
        qfs_kv_u32(&c->out->kvs, keys[i].key, (uint32_t)value);
    }
    return 0;
}

static int kimik25_keys(struct qfs_converter *c)
{
    enum { LEAST_PATCHES = 8, MOST_PATCHES = 16384 };
    struct qfs_json *vision = c->mmproj->vision;
    const struct qfs_json *merge = qfs_json_get(vision, "merge_kernel_size");
    int64_t patch_size, limit, side = 2;
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "kimik25");
    if ((rc = put_positions(c)) < 0)
        return rc;
    qfs_put_bool(c, "use_gelu",
                 !qfs_json_get(vision, "projector_hidden_act") ||
                     qfs_config_is(vision, "projector_hidden_act", "gelu"));
    if ((rc = qfs_put_f32_or(c, "vision.attention.layer_norm_epsilon", vision, "projector_ln_eps",
                             1e-5)) < 0)
        return rc;
    if (merge && !qfs_json_int(qfs_json_at(merge, 0), &side))
        return qfs_config_wrong(c, "merge_kernel_size", "a pair of sizes");
    qfs_put_u32(c, "vision.projector.scale_factor", side);
    if ((rc = qfs_config_size_or(c, vision, "patch_size", 14, &patch_size)) < 0 ||
        (rc = qfs_config_size_or(c, c->mmproj->preprocessor, "in_patch_limit", MOST_PATCHES,
                                 &limit)) < 0)
        return rc;
    if (patch_size > 4096 || limit * patch_size * patch_size > UINT32_MAX)
        return qfs_config_wrong(c, "patch_size", "the side of a patch");
    qfs_put_u32(c, "vision.image_min_pixels", LEAST_PATCHES * patch_size * patch_size);
    qfs_put_u32(c, "vision.image_max_pixels", limit * patch_size * patch_size);
    return 0;
}

/* -- GLM 5 V ---------------------------------------------------------------------------------------- */

static int glm5v_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    static const char prefix[] = "mm_projector.linear_";
    if (qfs_starts_with(name, prefix) &&
        !(name = qfs_arena_printf(c->arena, "mm_projector.proj.linear_%s", name + strlen(prefix))))
        return qfs_fail_memory(c->error);
    return kimik25_tensor(c, data, name, bid);
}

const struct qfs_family qfs_family_kimivl = {
    .hf_classes = kimivl_classes,
    .parent = &qfs_family_mmproj,
    .begin = kimivl_begin,
    .filter = kimivl_filter,
    .tensor = kimivl_tensor,
    .keys = kimivl_keys,
};

const struct qfs_family qfs_family_kimik25 = {
    .hf_classes = kimik25_classes,
    .parent = &qfs_family_mmproj,
    .begin = kimik25_begin,
    .filter = kimik25_filter,
    .tensor = kimik25_tensor,
    .keys = kimik25_keys,
};

const struct qfs_family qfs_family_glm5v = {
    .hf_classes = glm5v_classes,
    .parent = &qfs_family_kimik25,
    .tensor = glm5v_tensor,
};
