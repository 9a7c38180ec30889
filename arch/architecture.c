/* Which of the converter's classes a config.json asks for. */
#include "converter.h"

#include <string.h>

/* load_hparams: the language model's part under its usual name, whatever the lab called it. */
int qfs_config_prepare(struct qfs_converter *c)
{
    static const char *const names[] = {"llm_config", "lm_config", "thinker_config",
                                        "language_config", "lfm"};
    c->config = qfs_dict_copy(c->arena, c->model->config);
    if (!c->config)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        const struct qfs_json *part = qfs_json_get(c->config, names[i]);
        if (!part)
            continue;
        if (strcmp(names[i], "thinker_config") == 0 && !(part = qfs_json_get(part, "text_config")))
            return qfs_fail(c->error, EINVAL, "%s/config.json: thinker_config has no text_config",
                            c->model->path);
        if (qfs_dict_set(c->arena, c->config, "text_config", part) < 0)
            return qfs_fail_memory(c->error);
    }
    return 0;
}

/* Models whose language model says another class than the one that converts it. */
static bool outer_class_counts(const char *name)
{
    static const char *const names[] = {
        "StepVLForConditionalGeneration",     "Sarashina2VisionForCausalLM",
        "Exaone4_5_ForConditionalGeneration", "Step3p7ForConditionalGeneration",
        "KimiK3ForConditionalGeneration",
    };
    for (size_t i = 0; name && i < QFS_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Mamba's own checkpoints have no architectures but an ssm_cfg. */
static const char *outer_class(struct qfs_converter *c)
{
    const struct qfs_json *classes = qfs_json_get(c->config, "architectures");
    const struct qfs_json *ssm = qfs_json_get(c->config, "ssm_cfg");
    if (qfs_json_at(classes, 0))
        return qfs_json_string(qfs_json_at(classes, 0));
    if (!ssm)
        return NULL;
    const struct qfs_json *layer = qfs_json_get(ssm, "layer");
    const char *name = layer ? qfs_json_string(layer) : "Mamba";
    return name ? qfs_arena_printf(c->arena, "%sForCausalLM", name) : NULL;
}

/* get_model_architecture */
int qfs_architecture_find(struct qfs_converter *c, enum qfs_product product, const char **ret_name)
{
    const char *inner_key = product == QFS_PRODUCT_MMPROJ ? "vision_config" : "text_config";
    const struct qfs_json *inner = qfs_json_get(c->config, inner_key);
    const char *name = outer_class(c);
    if (inner && inner->kind != QFS_JSON_OBJECT)
        return qfs_fail(c->error, EINVAL, "%s/config.json: %s is not an object", c->model->path,
                        inner_key);
    const struct qfs_json *classes = qfs_json_get(inner, "architectures");
    if (!qfs_json_is_null(classes) && !(product != QFS_PRODUCT_MMPROJ && outer_class_counts(name)))
        name = qfs_json_string(qfs_json_at(classes, 0));
    if (!name)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: does not say the model's class in architectures",
                        c->model->path);
    *ret_name = name;
    return 0;
}
