/* LoRA adapters, as convert_lora_to_gguf.py converts them: the base model's class does to each pair of
 * matrices what it does to the weight that they change. */
#include "lora.h"

#include <stdlib.h>
#include <string.h>

/* -- pairs ------------------------------------------------------------------------------------ */

static const struct qfs_recipe *cannot(struct qfs_converter *c, const char *what)
{
    qfs_fail(c->error, ENOTSUP,
             "%s: this architecture changes a tensor's %s, which the reference cannot do to an "
             "adapter",
             c->model->path, what);
    return NULL;
}

const struct qfs_recipe *qfs_lora_pair(struct qfs_converter *c, const struct qfs_recipe *a,
                                       const struct qfs_recipe *b)
{
    if (!a || !b)
        return NULL;
    if (a->ndim != b->ndim || a->ndim < 2 || a->shape[a->ndim - 2] != b->shape[b->ndim - 1]) {
        qfs_fail(c->error, EINVAL,
                 "%s: a tensor's lora_A and lora_B do not fit together: their ranks differ",
                 c->model->path);
        return NULL;
    }
    if (a->dtype != b->dtype &&
        (!(a = qfs_lazy_cast(c, a, QFS_DTYPE_F32)) || !(b = qfs_lazy_cast(c, b, QFS_DTYPE_F32))))
        return NULL;
    struct qfs_recipe *pair = qfs_arena_alloc(c->arena, sizeof(*pair));
    const struct qfs_recipe **operands = qfs_arena_array(c->arena, 2, sizeof(*operands));
    if (!pair || !operands) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    operands[0] = a;
    operands[1] = b;
    *pair = (struct qfs_recipe){.op = QFS_OP_LORA,
                                .dtype = a->dtype,
                                .ndim = a->ndim,
                                .noperands = 2,
                                .operands = operands};
    memcpy(pair->shape, b->shape, sizeof(pair->shape));
    pair->shape[pair->ndim - 1] = a->shape[a->ndim - 1];
    return pair;
}

const struct qfs_recipe *qfs_lora_reshape(struct qfs_converter *c, const struct qfs_recipe *pair,
                                          int ndim, const int64_t *shape)
{
    const struct qfs_recipe *a = pair->operands[0], *b = pair->operands[1];
    int64_t a_shape[QFS_MAX_DIMS], b_shape[QFS_MAX_DIMS];
    if (ndim < 2 || shape[ndim - 1] != pair->shape[pair->ndim - 1])
        return cannot(c, "rows");
    for (int i = 0; i < ndim; i++) {
        a_shape[i] = 1;
        b_shape[i] = shape[i];
    }
    b_shape[ndim - 1] = a_shape[ndim - 2] = b->shape[b->ndim - 1];
    a_shape[ndim - 1] = shape[ndim - 1];
    return qfs_lora_pair(c, qfs_lazy_reshape(c, a, ndim, a_shape),
                         qfs_lazy_reshape(c, b, ndim, b_shape));
}

const struct qfs_recipe *qfs_lora_swapaxes(struct qfs_converter *c, const struct qfs_recipe *pair,
                                           int i, int j)
{
    const struct qfs_recipe *a = pair->operands[0], *b = pair->operands[1];
    int ndim = pair->ndim;
    i = i < 0 ? i + ndim : i;
    j = j < 0 ? j + ndim : j;
    if (ndim == 2 && i != j)
        return qfs_lora_pair(c, qfs_lazy_swapaxes(c, b, i, j), qfs_lazy_swapaxes(c, a, i, j));
    if (i == ndim - 1 || j == ndim - 1)
        return cannot(c, "rows");
    for (int d = 0; d < ndim - 2; d++)
        if (a->shape[d] != 1)
            return cannot(c, "order of matrices");
    return qfs_lora_pair(c, a, qfs_lazy_swapaxes(c, b, i, j));
}

const struct qfs_recipe *qfs_lora_cut(struct qfs_converter *c, const struct qfs_recipe *pair,
                                      int axis, int64_t first, int64_t count, int64_t step)
{
    const struct qfs_recipe *a = pair->operands[0], *b = pair->operands[1];
    int ndim = pair->ndim;
    axis = axis < 0 ? axis + ndim : axis;
    if (axis == ndim - 1)
        return qfs_lora_pair(c, qfs_lazy_cut(c, a, axis, first, count, step), b);
    if (axis < ndim - 2 && a->shape[axis] != 1)
        a = qfs_lazy_cut(c, a, axis, first, count, step);
    return qfs_lora_pair(c, a, qfs_lazy_cut(c, b, axis, first, count, step));
}

const struct qfs_recipe *qfs_lora_join(struct qfs_converter *c,
                                       const struct qfs_recipe *const *pairs, size_t count,
                                       bool stack)
{
    const struct qfs_recipe **a = qfs_arena_array(c->arena, count, sizeof(*a));
    const struct qfs_recipe **b = qfs_arena_array(c->arena, count, sizeof(*b));
    if (!a || !b) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!qfs_is_lora(pairs[i]))
            return pairs[i] ? cannot(c, "parts, of which some are no pairs") : NULL;
        a[i] = pairs[i]->operands[0];
        b[i] = pairs[i]->operands[1];
    }
    if (stack)
        return qfs_lora_pair(c, qfs_lazy_stack(c, a, count), qfs_lazy_stack(c, b, count));
    if (pairs[0]->ndim > 2)
        return qfs_lora_pair(c, qfs_lazy_concat(c, a, count), qfs_lazy_concat(c, b, count));
    for (size_t i = 1; i < count; i++) {
        bool equal;
        if (qfs_lazy_equal(c, a[0], a[i], &equal) < 0)
            return NULL;
        if (!equal)
            return cannot(c, "parts, whose lora_A differ");
    }
    return qfs_lora_pair(c, a[0], qfs_lazy_concat(c, b, count));
}

const struct qfs_recipe *qfs_lora_unary(struct qfs_converter *c, enum qfs_op op,
                                        const struct qfs_recipe *pair, double number)
{
    if (op != QFS_OP_MUL)
        return cannot(c, "values");
    return qfs_lora_pair(c, pair->operands[0], qfs_lazy_unary(c, op, pair->operands[1], number));
}

/* -- tensors ---------------------------------------------------------------------------------- */

struct half_pair {
    const char *name;
    const struct qfs_recipe *a, *b;
};

static bool is_a(const char *name)
{
    return strstr(name, ".lora_A.weight") || strstr(name, ".lora_embedding_A");
}

static bool is_b(const char *name)
{
    return strstr(name, ".lora_B.weight") || strstr(name, ".lora_embedding_B");
}

/* get_base_tensor_name */
static const char *base_name(struct qfs_converter *c, const char *name)
{
    static const char *const replaced[][2] = {
        {"base_model.model.", ""},        {".lora_A.weight", ".weight"},
        {".lora_B.weight", ".weight"},    {".lora_embedding_A", ".weight"},
        {".lora_embedding_B", ".weight"},
    };
    for (size_t i = 0; name && i < QFS_COUNT(replaced); i++)
        name = qfs_name_replace(c, name, replaced[i][0], replaced[i][1]);
    return name;
}

static int unexpected(struct qfs_converter *c, const char *name)
{
    bool embedding = strstr(name, ".embed_tokens.weight") || strstr(name, ".lm_head.weight");
    return qfs_fail(c->error, ENOTSUP, "%s: tensor %s is neither lora_A nor lora_B%s",
                    c->model->path, name,
                    embedding ? ": adapters with new tokens or whole embeddings are not taken"
                              : ", which the reference refuses");
}

/* As load_file gives them: in the order of the file. */
static int by_offset(const void *x, const void *y)
{
    const struct qfs_tensor *a = *(const struct qfs_tensor *const *)x;
    const struct qfs_tensor *b = *(const struct qfs_tensor *const *)y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Takes one tensor: half of a pair, a whole norm, or nothing. */
static int take(struct qfs_converter *c, const struct qfs_tensor *tensor, struct qfs_map *seen,
                struct half_pair *pairs, size_t *npairs)
{
    int (*filter)(struct qfs_converter *, const char *, const char **) = QFS_HOOK(c, filter);
    const char *name = base_name(c, tensor->name), *kept = NULL;
    uint64_t where = *npairs;
    int rc = name ? (filter ? filter : qfs_text_filter)(c, name, &kept) : -ENOMEM;
    if (rc < 0 || !kept)
        return rc;
    const struct qfs_recipe *recipe = qfs_lazy_source(c, tensor);
    if (!recipe)
        return -ENOMEM;
    if (!is_a(tensor->name) && !is_b(tensor->name)) {
        if (strstr(tensor->name, ".base_layer.weight"))
            return 0;
        if (!strstr(tensor->name, "_layernorm") && !strstr(tensor->name, ".norm"))
            return unexpected(c, tensor->name);
        c->tensors[c->ntensors++] = (struct qfs_lazy){kept, recipe};
        return 0;
    }
    if (!qfs_map_get(seen, qfs_text_of(kept), &where)) {
        if (qfs_map_set(seen, qfs_text_of(kept), where) < 0)
            return qfs_fail_memory(c->error);
        pairs[(*npairs)++].name = kept;
    }
    if (is_a(tensor->name))
        pairs[where].a = recipe;
    else
        pairs[where].b = recipe;
    return 0;
}

int qfs_lora_tensors(struct qfs_converter *c)
{
    size_t n = c->model->ntensors, npairs = 0;
    const struct qfs_tensor **order = qfs_arena_array(c->arena, n, sizeof(*order));
    struct half_pair *pairs = qfs_arena_array(c->arena, n, sizeof(*pairs));
    struct qfs_map seen = {0};
    int rc = 0;
    c->tensors = calloc(n + 1, sizeof(*c->tensors));
    if (!order || !pairs || !c->tensors)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < n; i++)
        order[i] = &c->model->tensors[i];
    if (n)
        qsort(order, n, sizeof(*order), by_offset);
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = take(c, order[i], &seen, pairs, &npairs);
    qfs_map_done(&seen);
    for (size_t i = 0; i < npairs && rc >= 0; i++) {
        if (!pairs[i].a || !pairs[i].b)
            return qfs_fail(c->error, EINVAL, "%s: %s has no lora_%s: save the adapter again",
                            c->model->path, pairs[i].name, pairs[i].a ? "B" : "A");
        const struct qfs_recipe *pair = qfs_lora_pair(c, pairs[i].a, pairs[i].b);
        if (!pair)
            return -c->error->code;
        c->tensors[c->ntensors++] = (struct qfs_lazy){pairs[i].name, pair};
    }
    return rc < 0 ? rc : 0;
}

uint64_t qfs_lora_parameters(const struct qfs_conversion *out)
{
    uint64_t total = 0;
    for (size_t i = 0; i < out->ntensors; i++) {
        const struct qfs_recipe *recipe = out->tensors[i].recipe;
        uint64_t size = (uint64_t)qfs_recipe_count(recipe);
        if (qfs_ends_with(out->tensors[i].name, ".lora_a"))
            continue;
        if (i > 0 && qfs_ends_with(out->tensors[i].name, ".lora_b")) {
            const struct qfs_recipe *a = out->tensors[i - 1].recipe;
            size =
                size / (uint64_t)recipe->shape[recipe->ndim - 1] * (uint64_t)a->shape[a->ndim - 1];
        }
        total += size;
    }
    return total;
}

/* -- keys ------------------------------------------------------------------------------------- */

static int put_invocation(struct qfs_converter *c)
{
    const struct qfs_json *tokens = qfs_json_get(c->model->adapter, "alora_invocation_tokens");
    if (!qfs_json_truthy(tokens)) {
        if (qfs_json_truthy(qfs_json_get(c->model->adapter, "invocation_string")))
            return qfs_fail(c->error, ENOTSUP,
                            "%s/adapter_config.json: has invocation_string without "
                            "alora_invocation_tokens: add its tokens under that key",
                            c->model->path);
        return 0;
    }
    uint32_t *ids = qfs_json_is(tokens, QFS_JSON_ARRAY)
                        ? qfs_arena_array(c->arena, tokens->count, sizeof(*ids))
                        : NULL;
    for (uint32_t i = 0; ids && i < tokens->count; i++) {
        int64_t id;
        if (!qfs_json_int(qfs_json_at(tokens, i), &id) || id < 0 || id > UINT32_MAX)
            ids = NULL;
        else
            ids[i] = (uint32_t)id;
    }
    if (!ids)
        return qfs_fail(c->error, EINVAL,
                        "%s/adapter_config.json: alora_invocation_tokens is no list of tokens",
                        c->model->path);
    qfs_kv_array(&c->out->kvs, "adapter.alora.invocation_tokens", QFS_KV_U32, ids, tokens->count);
    return 0;
}

int qfs_lora_keys(struct qfs_converter *c)
{
    const struct qfs_json *value = qfs_json_get(c->model->adapter, "lora_alpha");
    double alpha;
    if (!qfs_json_real(value, &alpha))
        return qfs_fail(c->error, EINVAL, "%s/adapter_config.json: lora_alpha is no number",
                        c->model->path);
    qfs_kv_f32(&c->out->kvs, "adapter.lora.alpha", (float)alpha);
    return put_invocation(c);
}
