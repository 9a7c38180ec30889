/* InternVL's and Intern-S1's vision encoder. */
#include "mmproj.h"

#include <string.h>

static const char *const classes[] = {"InternVisionModel", NULL};

/* image_size and patch_size may be pairs, of which the first counts. */
static int first_of_pair(struct qfs_converter *c, const char *name)
{
    const struct qfs_json *value = qfs_json_get(c->mmproj->vision, name);
    if (!value)
        return qfs_config_wrong(c, name, "there");
    if (value->kind != QFS_JSON_ARRAY)
        return 0;
    if (!qfs_json_at(value, 0))
        return qfs_config_wrong(c, name, "a size");
    return qfs_config_set(c, c->mmproj->vision, name, qfs_json_at(value, 0));
}

static int begin(struct qfs_converter *c)
{
    return c->mmproj->vision ? 0 : qfs_config_wrong(c, "vision_config", "there");
}

/* Intern-S1 has other names for the projector. */
static const char *projector_name(const char *name)
{
    static const char *const names[][2] = {
        {"model.multi_modal_projector.layer_norm.bias", "mlp1.0.bias"},
        {"model.multi_modal_projector.layer_norm.weight", "mlp1.0.weight"},
        {"model.multi_modal_projector.linear_1.bias", "mlp1.1.bias"},
        {"model.multi_modal_projector.linear_1.weight", "mlp1.1.weight"},
        {"model.multi_modal_projector.linear_2.bias", "mlp1.3.bias"},
        {"model.multi_modal_projector.linear_2.weight", "mlp1.3.weight"},
    };
    for (size_t i = 0; i < QFS_COUNT(names); i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return name;
}

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const prefixes[] = {"vision_model", "mlp", "model.vision_tower",
                                           "model.multi_modal_projector", NULL};
    static const char *const bare[] = {".ls", ".lambda_", "position_embedding", NULL};
    *ret_name = NULL;
    if (!qfs_begins_with_any(name, prefixes))
        return 0;
    name = projector_name(name);
    if (qfs_starts_with(name, "vision_model"))
        name = qfs_arena_printf(c->arena, "vision_tower.%s", name);
    if (name && qfs_holds_any(name, bare) && !qfs_ends_with(name, ".weight"))
        name = qfs_arena_printf(c->arena, "%s.weight", name);
    return name ? qfs_mmproj_filter(c, name, ret_name) : qfs_fail_memory(c->error);
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const parts[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
    if (strstr(name, ".qkv."))
        return qfs_split_rows(c, data, name, bid, "attn.qkv", parts, 3);
    return qfs_text_tensor(c, data, name, bid);
}

static int put_tiles(struct qfs_converter *c, const char *key, const char *name)
{
    int64_t count;
    int rc = qfs_config_size_or(c, c->mmproj->global, name, 0, &count);
    if (rc == 0 && count > 0)
        qfs_put_u32(c, key, count);
    return rc;
}

static int keys(struct qfs_converter *c)
{
    int rc;
    if ((rc = first_of_pair(c, "image_size")) < 0 || (rc = first_of_pair(c, "patch_size")) < 0 ||
        (rc = qfs_mmproj_keys(c)) < 0)
        return rc;
    qfs_put_projector(c, "internvl");
    if ((rc = qfs_put_f32_from(c, "vision.attention.layer_norm_epsilon", c->hparams,
                               "layer_norm_eps")) < 0 ||
        (rc = qfs_put_activation(c, c->hparams)) < 0 ||
        (rc = qfs_put_inverse_scale(c, c->mmproj->global, "downsample_ratio")) < 0 ||
        (rc = put_tiles(c, "vision.preproc_min_tiles", "min_dynamic_patch")) < 0)
        return rc;
    return put_tiles(c, "vision.preproc_max_tiles", "max_dynamic_patch");
}

const struct qfs_family qfs_family_internvl = {
    .hf_classes = classes,
    .parent = &qfs_family_mmproj,
    .begin = begin,
    .filter = filter,
    .force_quant = qfs_whole_positions_force_quant,
    .tensor = tensor,
    .keys = keys,
};
