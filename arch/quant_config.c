/* What config.json's quantization_config and NVIDIA's hf_quant_config.json say together: whether the file
 * will be MXFP4 or NVFP4. */
#include "converter.h"

#include <ctype.h>
#include <string.h>

enum { FILE_LIMIT = 16 << 20 };

static const char file_name[] = "hf_quant_config.json";

struct facts {
    const struct qfs_json *algo, *method, *format, *groups, *layers;
};

/* dict.get(key, value) */
static void get_or(const struct qfs_json *dict, const char *key, const struct qfs_json **value)
{
    const struct qfs_json *found = qfs_json_get(dict, key);
    if (found)
        *value = found;
}

/* The producer's name takes quant_method's place in config.json where that has none. */
static int take_producer(struct qfs_converter *c, const struct qfs_json *producer,
                         struct facts *facts)
{
    struct qfs_text name = qfs_json_text(qfs_json_get(producer, "name"));
    char *lower = qfs_arena_copy(c->arena, name.data ? name.data : "", name.size);
    struct qfs_json *dict = qfs_dict_copy(c->arena, qfs_hparam(c, "quantization_config"));
    struct qfs_json *method = qfs_arena_alloc(c->arena, sizeof(*method));
    if (!lower || !dict || !method)
        return qfs_fail_memory(c->error);
    for (char *at = lower; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    *method =
        (struct qfs_json){.kind = QFS_JSON_STRING, .count = (uint32_t)name.size, .string = lower};
    facts->method = method;
    if (qfs_dict_set(c->arena, dict, "quant_method", method) < 0)
        return qfs_fail_memory(c->error);
    return qfs_hparam_set(c, "quantization_config", dict);
}

static int read_file(struct qfs_converter *c, struct facts *facts)
{
    const struct qfs_json *root, *config;
    char *shown = qfs_arena_printf(c->arena, "%s/%s", c->model->path, file_name);
    if (!shown)
        return qfs_fail_memory(c->error);
    struct qfs_error unread = {0};
    int rc =
        qfs_json_read(c->arena, c->model->dir_fd, file_name, FILE_LIMIT, shown, &root, &unread);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return qfs_fail(c->error, -rc, "%s", unread.text);
    if (root->kind != QFS_JSON_OBJECT)
        return qfs_fail(c->error, EINVAL, "%s: is not a JSON object", shown);
    config = qfs_json_get(root, "quantization");
    if (qfs_json_is_null(facts->method) &&
        (rc = take_producer(c, qfs_json_get(root, "producer"), facts)) < 0)
        return rc;
    get_or(config, "quant_algo", &facts->algo);
    get_or(config, "quant_method", &facts->method);
    get_or(config, "format", &facts->format);
    get_or(config, "config_groups", &facts->groups);
    get_or(config, "quantized_layers", &facts->layers);
    return 0;
}

bool qfs_nvfp4_is_compressed(const struct qfs_json *format, const struct qfs_json *groups)
{
    static const char packed[] = "nvfp4-pack-quantized";
    if (qfs_text_is(qfs_json_text(format), packed))
        return true;
    if (!qfs_text_is(qfs_json_text(format), "mixed-precision") ||
        !qfs_json_is(groups, QFS_JSON_OBJECT) || groups->count == 0)
        return false;
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct qfs_json *group = &groups->members[i].value;
        if (group->kind == QFS_JSON_OBJECT &&
            !qfs_text_is(qfs_json_text(qfs_json_get(group, "format")), packed))
            return false;
    }
    return true;
}

/* Some layer is NVFP4 by a list that names each. */
static bool any_layer(const struct qfs_json *layers)
{
    for (uint32_t i = 0; qfs_json_is(layers, QFS_JSON_OBJECT) && i < layers->count; i++) {
        const char *algo = qfs_json_string(qfs_json_get(&layers->members[i].value, "quant_algo"));
        if (algo && qfs_ends_with(algo, "NVFP4"))
            return true;
    }
    return false;
}

int qfs_quant_config(struct qfs_converter *c)
{
    const struct qfs_json *config = qfs_hparam(c, "quantization_config");
    struct facts facts = {
        .algo = qfs_json_get(config, "quant_algo"),
        .method = qfs_json_get(config, "quant_method"),
        .format = qfs_json_get(config, "format"),
        .groups = qfs_json_get(config, "config_groups"),
        .layers = qfs_json_get(config, "quantized_layers"),
    };
    int rc = 0;
    if ((!qfs_json_truthy(facts.algo) || !qfs_json_truthy(facts.layers)) &&
        (rc = read_file(c, &facts)) < 0)
        return rc;
    struct qfs_text algo = qfs_json_text(facts.algo), method = qfs_json_text(facts.method);
    bool compressed = qfs_text_is(method, "compressed-tensors") &&
                      qfs_nvfp4_is_compressed(facts.format, facts.groups);
    if (qfs_text_is(algo, "NVFP4") || qfs_text_is(algo, "W4A16_NVFP4") || compressed ||
        any_layer(facts.layers))
        c->file_type = QFS_FILE_TYPE_NVFP4;
    else if (qfs_text_is(method, "mxfp4"))
        c->file_type = QFS_FILE_TYPE_MXFP4;
    c->nvfp4_renamed = compressed;
    return 0;
}
