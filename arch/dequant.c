/* Checkpoints as labs release them: which tensors are one weight, by config.json's
 * quantization_config, and how they become floats. The converter's dequant_model. */
#include "converter.h"

#include <stdlib.h>
#include <string.h>

/* -- model_tensors ------------------------------------------------------------------------------ */

struct qfs_lazy *qfs_tensor_find(const struct qfs_converter *c, const char *name)
{
    uint64_t where;
    if (!qfs_map_get(&c->tensor_index, qfs_text_of(name), &where) || !c->tensors[where].name)
        return NULL;
    return &c->tensors[where];
}

int qfs_tensor_set(struct qfs_converter *c, const char *name, const struct qfs_recipe *recipe)
{
    struct qfs_lazy *there = qfs_tensor_find(c, name);
    if (!recipe)
        return -c->error->code;
    if (there) {
        there->recipe = recipe;
        return 0;
    }
    if (c->ntensors == c->tensors_capacity) {
        size_t capacity = c->tensors_capacity ? c->tensors_capacity * 2 : 1024;
        struct qfs_lazy *tensors = realloc(c->tensors, capacity * sizeof(*tensors));
        if (!tensors)
            return qfs_fail_memory(c->error);
        c->tensors = tensors;
        c->tensors_capacity = capacity;
    }
    c->tensors[c->ntensors] = (struct qfs_lazy){name, recipe};
    if (qfs_map_set(&c->tensor_index, qfs_text_of(name), c->ntensors) < 0)
        return qfs_fail_memory(c->error);
    c->ntensors++;
    return 0;
}

void qfs_tensor_remove(struct qfs_converter *c, const char *name)
{
    struct qfs_lazy *tensor = qfs_tensor_find(c, name);
    if (tensor)
        tensor->name = NULL;
}

/* Closes the gaps that removed tensors leave, so that nobody else meets one. */
static int close_gaps(struct qfs_converter *c)
{
    size_t kept = 0;
    qfs_map_done(&c->tensor_index);
    for (size_t i = 0; i < c->ntensors; i++)
        if (c->tensors[i].name) {
            c->tensors[kept] = c->tensors[i];
            if (qfs_map_set(&c->tensor_index, qfs_text_of(c->tensors[kept].name), kept) < 0)
                return qfs_fail_memory(c->error);
            kept++;
        }
    c->ntensors = kept;
    return 0;
}

int qfs_unpack_tensors(struct qfs_converter *c)
{
    int (*dequant)(struct qfs_converter *) = QFS_HOOK(c, dequant);
    int rc = qfs_quant_config(c);
    if (rc < 0 || (c->file_type == QFS_FILE_TYPE_NVFP4 &&
                   ((rc = qfs_nvfp4_tensors(c)) < 0 || (rc = close_gaps(c)) < 0)))
        return rc;
    rc = dequant ? dequant(c) : qfs_dequant_model(c);
    return rc < 0 ? rc : close_gaps(c);
}

/* -- quantization_config ------------------------------------------------------------------------ */

/* A method at work. Tensors that it removes stay until it is through, as in the converter. */
struct method {
    struct qfs_converter *c;
    const struct qfs_json *config;
    size_t count; /* tensors when it began */
    bool *unused; /* of the first `count`: to be removed */
};

static int refuse(struct qfs_converter *c, const char *what, const struct qfs_json *value)
{
    struct qfs_text text = qfs_json_text(value);
    return qfs_fail(c->error, ENOTSUP,
                    "%s/config.json: quantization_config: the converter does not take %s%s%.*s",
                    c->model->path, what, text.size ? " " : "", (int)QFS_MIN(text.size, (size_t)60),
                    text.size ? text.data : "");
}

static void mark_unused(struct method *m, const char *name)
{
    struct qfs_lazy *tensor = qfs_tensor_find(m->c, name);
    if (tensor && (size_t)(tensor - m->c->tensors) < m->count)
        m->unused[tensor - m->c->tensors] = true;
}

/* model_tensors[base + suffix]; NULL (and an error set) when there is none. */
static const struct qfs_recipe *companion(struct qfs_converter *c, const char *base,
                                          const char *suffix, const char *of)
{
    const char *name = qfs_arena_printf(c->arena, "%s%s", base, suffix);
    const struct qfs_lazy *tensor = name ? qfs_tensor_find(c, name) : NULL;
    if (!name)
        qfs_fail_memory(c->error);
    else if (!tensor)
        qfs_fail(c->error, EINVAL,
                 "%s: tensor %s is missing, which %s needs: download the model again",
                 c->model->path, name, of);
    return tensor ? tensor->recipe : NULL;
}

const struct qfs_recipe *qfs_dequant_simple(struct qfs_converter *c,
                                            const struct qfs_recipe *weight,
                                            const struct qfs_recipe *scale,
                                            const struct qfs_json *block)
{
    int64_t sizes[QFS_MAX_DIMS], shape[QFS_MAX_DIMS];
    bool blocks = !qfs_json_is_null(block);
    if (!weight || !scale)
        return NULL;
    for (int i = 0; i < QFS_MAX_DIMS; i++)
        sizes[i] = shape[i] = 1;
    for (uint32_t i = 0; blocks && i < block->count; i++) {
        int64_t size, axis = (int64_t)scale->ndim - block->count + i;
        axis += axis < 0 ? scale->ndim : 0;
        if (block->kind != QFS_JSON_ARRAY || !qfs_json_int(&block->items[i], &size) || size < 1 ||
            axis < 0 || axis >= scale->ndim || !qfs_mul(sizes[axis], size, &sizes[axis])) {
            qfs_fail(c->error, EINVAL,
                     "%s/config.json: quantization_config: the size of its blocks does not fit the "
                     "scales",
                     c->model->path);
            return NULL;
        }
    }
    bool fits = scale->ndim <= weight->ndim && (!blocks || block->kind == QFS_JSON_ARRAY) &&
                (!blocks || scale->ndim == weight->ndim);
    for (int i = 0; i < scale->ndim && fits; i++) {
        shape[i] = scale->shape[i];
        fits = blocks || shape[i] == 1 || shape[i] == weight->shape[i];
    }
    if (!fits) {
        qfs_fail(
            c->error, EINVAL,
            "%s: a weight and its scales do not have shapes that fit: download the model again",
            c->model->path);
        return NULL;
    }
    if (scale->ndim < weight->ndim)
        scale = qfs_lazy_reshape(c, scale, weight->ndim, shape);
    return qfs_lazy_shared(c, QFS_OP_SCALE, weight, scale, sizes);
}

/* Every tensor whose name ends with `suffix` scales the one with `instead` at its end. A scale without
 * a weight is an error, or dropped where `optional`. */
static int scale_all(struct method *m, const char *suffix, const char *instead,
                     const struct qfs_json *block, bool optional)
{
    struct qfs_converter *c = m->c;
    for (size_t i = 0; i < m->count; i++) {
        const char *name = c->tensors[i].name, *weight;
        if (!name || !qfs_ends_with(name, suffix))
            continue;
        m->unused[i] = true;
        weight = qfs_name_swap_suffix(c, name, suffix, instead);
        if (weight && optional && !qfs_tensor_find(c, weight))
            continue;
        const struct qfs_recipe *data = weight ? companion(c, weight, "", name) : NULL;
        data = qfs_dequant_simple(c, data, c->tensors[i].recipe, block);
        if (!data)
            return -c->error->code;
        int rc = qfs_tensor_set(c, weight, data);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void drop_all(struct method *m, const char *const *suffixes)
{
    for (size_t i = 0; i < m->count; i++)
        for (const char *const *suffix = suffixes; *suffix; suffix++)
            if (m->c->tensors[i].name && qfs_ends_with(m->c->tensors[i].name, *suffix))
                m->unused[i] = true;
}

static int fp8(struct method *m)
{
    static const char *const unused[] = {"_activation_scale", ".activation_scale", ".qscale_act",
                                         NULL};
    const struct qfs_json *block = qfs_json_get(m->config, "weight_block_size");
    int rc = scale_all(m, "_scale_inv", "", block, false);
    if (rc == 0) /* Mistral's format */
        rc = scale_all(m, ".qscale_weight", ".weight", block, false);
    drop_all(m, unused);
    return rc;
}

static int shapes_disagree(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, EINVAL,
                    "%s: tensor %s does not have a shape that fits its scales and config.json's "
                    "quantization_config: download the model again",
                    c->model->path, name);
}

/* A number of the method's configuration. */
static int config_int(struct method *m, const struct qfs_json *config, const char *key,
                      int64_t *ret_value)
{
    const struct qfs_json *value = qfs_json_get(config, key);
    if (!qfs_json_is(value, QFS_JSON_INT))
        return qfs_fail(m->c->error, EINVAL,
                        "%s/config.json: quantization_config: %s is not a number",
                        m->c->model->path, key);
    *ret_value = value->integer;
    return 0;
}

/* -- GPTQ ---------------------------------------------------------------------------------------- */

static int gptq_weight(struct method *m, const char *name, int bits, bool first_version)
{
    static const char *const parts[] = {".g_idx", ".qweight", ".qzeros", ".scales"};
    struct qfs_converter *c = m->c;
    const char *base = qfs_name_swap_suffix(c, name, ".qweight", "");
    const struct qfs_recipe *operands[4];
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (!base || !(operands[i] = companion(c, base, parts[i], name)))
            return -c->error->code;
    const struct qfs_recipe *data =
        qfs_lazy_gptq(c, operands[1], operands[2], operands[3], operands[0], bits, first_version);
    const char *weight = qfs_arena_printf(c->arena, "%s.weight", base);
    if (!data)
        return c->error->code ? -c->error->code : shapes_disagree(c, name);
    if (!weight)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < QFS_COUNT(parts); i++) {
        const char *part = qfs_arena_printf(c->arena, "%s%s", base, parts[i]);
        if (!part)
            return qfs_fail_memory(c->error);
        mark_unused(m, part);
    }
    return qfs_tensor_set(c, weight, data);
}

static int gptq(struct method *m)
{
    const struct qfs_json *format = qfs_json_get(m->config, "checkpoint_format");
    bool first_version = !format || qfs_text_is(qfs_json_text(format), "gptq");
    int64_t bits = 0;
    int rc;
    size_t first = 0;
    while (first < m->count &&
           (!m->c->tensors[first].name || !qfs_ends_with(m->c->tensors[first].name, ".qweight")))
        first++;
    if (first == m->count)
        return 0;
    if ((rc = config_int(m, m->config, "bits", &bits)) < 0)
        return rc;
    if (bits != 2 && bits != 4 && bits != 8)
        return qfs_fail(m->c->error, ENOTSUP,
                        "%s/config.json: quantization_config: the converter does not take GPTQ of "
                        "%lld bits, only of 2, 4 and 8",
                        m->c->model->path, (long long)bits);
    for (size_t i = first; i < m->count && rc == 0; i++)
        if (m->c->tensors[i].name && qfs_ends_with(m->c->tensors[i].name, ".qweight"))
            rc = gptq_weight(m, m->c->tensors[i].name, (int)bits, first_version);
    return rc;
}

/* -- compressed-tensors -------------------------------------------------------------------------- */

struct packing {
    int64_t bits, group;
};

/* Operand `b` over rows × groups of `a`, as broadcasting has it: it may have one row or one group. */
static const struct qfs_recipe *over_groups(struct qfs_converter *c, enum qfs_op op,
                                            const struct qfs_recipe *a, const struct qfs_recipe *b,
                                            int64_t group)
{
    if (!a || !b)
        return NULL;
    if (b->ndim != 2 || (b->shape[0] != 1 && b->shape[0] != a->shape[0]) ||
        (b->shape[1] != 1 && b->shape[1] != a->shape[1] / group))
        return NULL;
    const int64_t sizes[2] = {1, b->shape[1] == 1 ? 1 : group};
    return qfs_lazy_shared(c, op, a, b, sizes);
}

/* Zero points are packed along the rows. */
static const struct qfs_recipe *zero_points(struct qfs_converter *c,
                                            const struct qfs_recipe *packed,
                                            const struct packing *p, int64_t nrows)
{
    int64_t fields = 32 / p->bits;
    if (!packed || packed->ndim != 2)
        return NULL;
    const int64_t shape[2] = {packed->shape[0] * fields, packed->shape[1]};
    const struct qfs_recipe *zeros =
        qfs_lazy_reshape(c, qfs_lazy_unpack(c, packed, 1, (int)p->bits, fields), 2, shape);
    return zeros ? qfs_lazy_slice(c, zeros, 0, 0, QFS_MIN(nrows, shape[0])) : NULL;
}

/* The weight's shape also stands in a tensor of its own, which is not read: rows and groups already
 * say it. */
static const struct qfs_recipe *unpack_groups(struct qfs_converter *c,
                                              const struct qfs_recipe *packed,
                                              const struct qfs_recipe *scale,
                                              const struct qfs_recipe *zeros,
                                              const int64_t *weight_shape, const struct packing *p)
{
    int64_t fields = 32 / p->bits;
    if (packed->dtype != QFS_DTYPE_I32 || packed->ndim != 2 || scale->ndim != 2)
        return NULL;
    const int64_t whole[2] = {packed->shape[0], packed->shape[1] * fields};
    if (weight_shape[0] != whole[0] || weight_shape[1] > whole[1] || weight_shape[1] % p->group)
        return NULL;
    const struct qfs_recipe *data =
        qfs_lazy_reshape(c, qfs_lazy_unpack(c, packed, 2, (int)p->bits, fields), 2, whole);
    data = qfs_lazy_slice(c, data, 1, 0, weight_shape[1]);
    if (zeros)
        data = over_groups(c, QFS_OP_OFFSET, data, zero_points(c, zeros, p, whole[0]), p->group);
    else
        data = qfs_lazy_unary(c, QFS_OP_ADD, data, -(double)(INT64_C(1) << (p->bits - 1)));
    return over_groups(c, QFS_OP_SCALE, data, scale, p->group);
}

/* A small integer tensor, read while planning. */
static int read_integers(struct qfs_converter *c, const struct qfs_recipe *recipe, const char *name,
                         int64_t *values, int64_t count)
{
    int32_t words[4];
    if (recipe->op != QFS_OP_SOURCE || qfs_recipe_count(recipe) != count || count > 4 ||
        (recipe->dtype != QFS_DTYPE_I64 && recipe->dtype != QFS_DTYPE_I32))
        return shapes_disagree(c, name);
    if (recipe->dtype == QFS_DTYPE_I64)
        return qfs_model_pread(c->model, recipe->source, 0, values, (size_t)count * 8, c->error);
    int rc = qfs_model_pread(c->model, recipe->source, 0, words, (size_t)count * 4, c->error);
    for (int64_t i = 0; i < count && rc == 0; i++)
        values[i] = words[i];
    return rc;
}

static int packed_weight(struct method *m, const char *name, const struct packing *p)
{
    struct qfs_converter *c = m->c;
    const char *base = qfs_name_swap_suffix(c, name, "_packed", "");
    const struct qfs_recipe *packed = base ? companion(c, base, "_packed", name) : NULL;
    const struct qfs_recipe *scale = packed ? companion(c, base, "_scale", name) : NULL;
    const struct qfs_recipe *shape = scale ? companion(c, base, "_shape", name) : NULL;
    static const char *const parts[] = {"_packed", "_shape", "_scale", "_zero_point"};
    const struct qfs_recipe *zeros = NULL;
    int64_t size[2];
    int rc;
    if (!shape)
        return -c->error->code;
    for (size_t i = 0; i < QFS_COUNT(parts); i++) {
        const char *part = qfs_arena_printf(c->arena, "%s%s", base, parts[i]);
        const struct qfs_lazy *tensor = part ? qfs_tensor_find(c, part) : NULL;
        if (!part)
            return qfs_fail_memory(c->error);
        if (tensor && i == 3)
            zeros = tensor->recipe;
        mark_unused(m, part);
    }
    if (packed->ndim == 2 && scale->ndim == 2 && scale->shape[1] > 1) {
        size[0] = packed->shape[0];
        if (!qfs_mul(scale->shape[1], p->group, &size[1]))
            return shapes_disagree(c, name);
    } else if ((rc = read_integers(c, shape, name, size, 2)) < 0) {
        return rc;
    }
    const struct qfs_recipe *data = unpack_groups(c, packed, scale, zeros, size, p);
    if (!data)
        return c->error->code ? -c->error->code : shapes_disagree(c, name);
    return qfs_tensor_set(c, base, data);
}

static int pack_quantized(struct method *m, const struct qfs_json *weights)
{
    const struct qfs_json *type = qfs_json_get(weights, "type");
    const struct qfs_json *strategy = qfs_json_get(weights, "strategy");
    struct packing p = {0};
    int rc;
    if (!qfs_text_is(qfs_json_text(strategy), "group"))
        return refuse(m->c, "packed integers with the strategy", strategy);
    if (type && !qfs_text_is(qfs_json_text(type), "int"))
        return refuse(m->c, "packed weights of the type", type);
    if ((rc = config_int(m, weights, "num_bits", &p.bits)) < 0 ||
        (rc = config_int(m, weights, "group_size", &p.group)) < 0)
        return rc;
    if (p.bits < 1 || p.bits > 16 || p.group < 1)
        return refuse(m->c, "packed integers of this width or group size", NULL);
    for (size_t i = 0; i < m->count && rc == 0; i++)
        if (m->c->tensors[i].name && qfs_ends_with(m->c->tensors[i].name, ".weight_packed"))
            rc = packed_weight(m, m->c->tensors[i].name, &p);
    return rc;
}

static bool text_is_any(const struct qfs_json *value, const char *const *texts)
{
    while (*texts && !qfs_text_is(qfs_json_text(value), *texts))
        texts++;
    return *texts;
}

static int compressed_tensors(struct method *m)
{
    static const char *const plain[] = {"float-quantized", "int-quantized", "naive-quantized",
                                        NULL};
    static const char *const strategies[] = {"channel", "block", NULL};
    const struct qfs_json *format = qfs_json_get(m->config, "format");
    const struct qfs_json *groups = qfs_json_get(m->config, "config_groups");
    if (!format || !qfs_json_is(groups, QFS_JSON_OBJECT) || groups->count == 0)
        return qfs_fail(m->c->error, EINVAL,
                        "%s/config.json: quantization_config: has no format or config_groups",
                        m->c->model->path);
    if (qfs_nvfp4_is_compressed(format, groups))
        return 0; /* qfs_nvfp4_tensors took them */
    if (groups->count > 1)
        return refuse(m->c, "compressed-tensors with several groups", NULL);
    const struct qfs_json *weights = qfs_json_get(&groups->members[0].value, "weights");
    if (qfs_text_is(qfs_json_text(format), "pack-quantized"))
        return pack_quantized(m, weights);
    if (!text_is_any(format, plain))
        return refuse(m->c, "the compressed-tensors format", format);
    const struct qfs_json *strategy = qfs_json_get(weights, "strategy");
    if (!text_is_any(strategy, strategies) ||
        !qfs_json_is_null(qfs_json_get(weights, "group_size")))
        return refuse(m->c, "scales with the strategy", strategy);
    return scale_all(m, ".weight_scale", ".weight", qfs_json_get(weights, "block_structure"),
                     false);
}

/* -- others -------------------------------------------------------------------------------------- */

/* NVIDIA's ModelOpt, where its weights are FP8. */
static int modelopt(struct method *m)
{
    static const char *const unused[] = {".input_scale", ".k_scale", ".v_scale", NULL};
    drop_all(m, unused);
    return scale_all(m, ".weight_scale", ".weight", NULL, true);
}

static const struct {
    const char *name;
    int (*run)(struct method *m);
} methods[] = {
    {"compressed-tensors", compressed_tensors},
    {"fp8", fp8},
    {"gptq", gptq},
    {"modelopt", modelopt},
};

static bool any_scales(const struct qfs_converter *c)
{
    for (size_t i = 0; i < c->ntensors; i++)
        if (c->tensors[i].name && (qfs_ends_with(c->tensors[i].name, ".weight_scale") ||
                                   qfs_ends_with(c->tensors[i].name, ".weight_scale_inv")))
            return true;
    return false;
}

int qfs_dequant_model(struct qfs_converter *c)
{
    struct method m = {c, qfs_hparam(c, "quantization_config"), c->ntensors, NULL};
    if (c->file_type == QFS_FILE_TYPE_NVFP4 && !any_scales(c))
        return 0;
    /* BitNet's packing is among those refused: the converter's own way to unpack it fails. */
    if (!qfs_json_is(m.config, QFS_JSON_OBJECT) || m.config->count == 0)
        return 0;
    const struct qfs_json *name = qfs_json_get(m.config, "quant_method");
    if (qfs_json_is_null(name))
        return 0;
    int rc = 1; /* no method yet */
    m.unused = calloc(m.count + 1, sizeof(*m.unused));
    if (!m.unused)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < QFS_COUNT(methods) && rc == 1; i++)
        if (qfs_text_is(qfs_json_text(name), methods[i].name))
            rc = methods[i].run(&m);
    if (rc == 1)
        rc = refuse(c, "the method", name);
    for (size_t i = 0; i < m.count; i++)
        if (m.unused[i] && c->tensors[i].name)
            qfs_tensor_remove(c, c->tensors[i].name);
    free(m.unused);
    return rc;
}
