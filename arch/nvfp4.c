/* NVFP4 weights, ModelOpt's and compressed-tensors': nibbles with an FP8 scale for each 16 go into the file
 * as they are, a weight's own scales as small tensors beside it. Before all other tensors. */
#include "converter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXPERTS = 65536 };

/* A layer's experts for one projection, until all have come. */
struct stack {
    int64_t bid;
    const char *part; /* "gate_proj" */
    size_t count, capacity;
    struct expert {
        int64_t id;
        size_t order;
        const struct qfs_recipe *data;
        float scale, input_scale;
    } * experts;
};

struct job {
    struct qfs_converter *c;
    struct stack *stacks; /* open ones, in the order they were begun */
    size_t nstacks;
    int64_t nexperts; /* 0: config does not say */
};

/* -- names --------------------------------------------------------------------------------------- */

/* compressed-tensors' names become ModelOpt's; its global scales are the reciprocals. */
static int rename_compressed(struct qfs_converter *c)
{
    static const struct {
        const char *from, *to;
    } names[] = {{".weight_packed", ".weight"},
                 {".weight_global_scale", ".weight_scale_2"},
                 {".input_global_scale", ".input_scale"}};
    size_t count = c->ntensors;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < QFS_COUNT(names); k++) {
            const char *name = c->tensors[i].name, *renamed;
            const struct qfs_recipe *data = c->tensors[i].recipe;
            if (!name || !qfs_ends_with(name, names[k].from))
                continue;
            renamed = k == 0 ? qfs_name_swap_suffix(c, name, names[k].from, names[k].to)
                             : qfs_name_replace(c, name, names[k].from, names[k].to);
            if (!renamed)
                return -c->error->code;
            if (qfs_tensor_find(c, renamed))
                break;
            if (k > 0)
                data =
                    qfs_lazy_unary(c, QFS_OP_RECIPROCAL, qfs_lazy_cast(c, data, QFS_DTYPE_F32), 0);
            qfs_tensor_remove(c, name);
            int rc = qfs_tensor_set(c, renamed, data);
            if (rc < 0)
                return rc;
            break;
        }
    return 0;
}

/* `name` with every ".weight" replaced; its recipe, NULL if there is no such tensor. */
static int find_beside(struct qfs_converter *c, const char *name, const char *instead,
                       const char **ret_name, const struct qfs_recipe **ret_recipe)
{
    const char *beside = qfs_name_replace(c, name, ".weight", instead);
    const struct qfs_lazy *tensor = beside ? qfs_tensor_find(c, beside) : NULL;
    *ret_name = beside;
    *ret_recipe = tensor ? tensor->recipe : NULL;
    return beside ? 0 : -c->error->code;
}

/* The number behind the first `part` of a name, and what follows it; -1 if there is none. */
static int64_t number_behind(const char *name, const char *part, const char **ret_rest)
{
    const char *at = strstr(name, part);
    if (!at)
        return -1;
    at += strlen(part);
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 9 || at[digits] != '.')
        return -1;
    *ret_rest = at + digits + 1;
    return atoll(at);
}

/* ".experts.N.gate_proj.weight" at the end of a name. */
static bool is_expert(const char *name, int64_t *ret_id, const char **ret_part)
{
    static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
    const char *rest = NULL;
    for (const char *at = name; (at = strstr(at, ".experts.")); at++) {
        int64_t id = number_behind(at, ".experts.", &rest);
        for (size_t i = 0; id >= 0 && i < QFS_COUNT(parts); i++)
            if (qfs_starts_with(rest, parts[i]) &&
                strcmp(rest + strlen(parts[i]), ".weight") == 0) {
                *ret_id = id;
                *ret_part = parts[i];
                return true;
            }
    }
    return false;
}

/* -- scales -------------------------------------------------------------------------------------- */

/* All of a small tensor as floats in the arena: one that is 1 where there is none. */
static int read_scale(struct qfs_converter *c, const struct qfs_recipe *recipe, float **ret_values,
                      int64_t *ret_count)
{
    bool inverse = recipe && recipe->op == QFS_OP_RECIPROCAL;
    if (inverse)
        recipe = recipe->operands[0];
    if (recipe && recipe->op == QFS_OP_CAST)
        recipe = recipe->operands[0];
    int64_t count = recipe ? qfs_recipe_count(recipe) : 1;
    if (count < 1 || count > MAX_EXPERTS)
        return qfs_fail(c->error, EINVAL, "%s: an NVFP4 weight's scale has %lld numbers",
                        c->model->path, (long long)count);
    float *values = qfs_arena_array(c->arena, (size_t)count, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    values[0] = 1;
    int rc = recipe ? qfs_small_floats(c, recipe, values, count) : 0;
    for (int64_t i = 0; inverse && i < count; i++)
        values[i] = 1.0f / values[i];
    *ret_values = values;
    *ret_count = count;
    return rc;
}

/* float(scale.float().sum()) */
static int read_one_scale(struct qfs_converter *c, const struct qfs_recipe *recipe,
                          float *ret_value)
{
    float *values, sum = 0;
    int64_t count;
    int rc = read_scale(c, recipe, &values, &count);
    for (int64_t i = 0; i < count && rc == 0; i++)
        sum += values[i];
    *ret_value = sum;
    return rc;
}

static int put_floats(struct qfs_converter *c, const float *values, int64_t count,
                      const char *weight, const char *suffix)
{
    const char *name = qfs_name_replace(c, weight, ".weight", suffix);
    return name ? qfs_emit(c, qfs_lazy_floats(c, values, count), name, name, -1) : -c->error->code;
}

/* _write_scale_tensor: not where it is 1. */
static int put_scale(struct qfs_converter *c, const struct qfs_recipe *recipe, const char *weight,
                     const char *suffix)
{
    float *values;
    int64_t count;
    int rc = read_scale(c, recipe, &values, &count);
    if (rc < 0 || (count == 1 && fabs((double)values[0] - 1.0) < 1e-6))
        return rc;
    return put_floats(c, values, count, weight, suffix);
}

/* -- weights ------------------------------------------------------------------------------------- */

static const struct qfs_recipe *pack(struct qfs_converter *c, const char *name,
                                     const struct qfs_recipe *weight,
                                     const struct qfs_recipe *scale)
{
    if (!weight || !scale)
        return NULL;
    if (weight->ndim != 2 || scale->ndim != 2 || weight->shape[0] != scale->shape[0] ||
        weight->shape[1] != scale->shape[1] * 8 || scale->shape[1] % 4 ||
        weight->dtype != QFS_DTYPE_U8) {
        qfs_fail(c->error, EINVAL, "%s: tensor %s does not have the shape of an NVFP4 weight",
                 c->model->path, name);
        return NULL;
    }
    return qfs_lazy_fp4(c, QFS_OP_NVFP4, weight, scale);
}

static int put_weight(struct qfs_converter *c, const char *name, const struct qfs_recipe *weight,
                      const struct qfs_recipe *scale, const struct qfs_recipe *scale2,
                      const struct qfs_recipe *input_scale)
{
    int (*change)(struct qfs_converter *, const char *, const struct qfs_recipe **,
                  const struct qfs_recipe **) = QFS_HOOK(c, nvfp4);
    int rc = change ? change(c, name, &weight, &scale) : 0;
    const char *new_name = rc == 0 ? qfs_map_name(c, name) : NULL;
    if (!new_name)
        return rc < 0 ? rc : -c->error->code;
    if ((rc = qfs_emit_blocks(c, pack(c, name, weight, scale), name, new_name)) < 0 ||
        (rc = put_scale(c, scale2, new_name, ".scale")) < 0)
        return rc;
    return put_scale(c, input_scale, new_name, ".input_scale");
}

static int by_id(const void *a, const void *b)
{
    const struct expert *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* _write_scales_tensor: not where all are 1, as numpy's allclose sees it. */
static int put_scales(struct qfs_converter *c, const struct stack *stack, bool input,
                      const char *weight, const char *suffix)
{
    bool trivial = true;
    float *values = qfs_arena_array(c->arena, stack->count, sizeof(*values));
    if (!values)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < stack->count; i++) {
        values[i] = input ? stack->experts[i].input_scale : stack->experts[i].scale;
        trivial = trivial && fabs((double)values[i] - 1.0) <= 1e-6 + 1e-5;
    }
    return trivial ? 0 : put_floats(c, values, (int64_t)stack->count, weight, suffix);
}

static int flush(struct job *job, struct stack *stack)
{
    struct qfs_converter *c = job->c;
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, stack->count, sizeof(*parts));
    const char *name = qfs_arena_printf(c->arena, "model.layers.%lld.mlp.experts.%s.weight",
                                        (long long)stack->bid, stack->part);
    if (!parts || !name)
        return qfs_fail_memory(c->error);
    qsort(stack->experts, stack->count, sizeof(*stack->experts), by_id);
    for (size_t i = 0; i < stack->count; i++)
        parts[i] = stack->experts[i].data;
    const char *new_name = qfs_map_name(c, name);
    int rc = qfs_emit_blocks(c, qfs_lazy_stack(c, parts, stack->count), name, new_name);
    if (rc == 0)
        rc = put_scales(c, stack, false, new_name, ".scale");
    if (rc == 0)
        rc = put_scales(c, stack, true, new_name, ".input_scale");
    free(stack->experts);
    size_t at = (size_t)(stack - job->stacks);
    memmove(stack, stack + 1, (job->nstacks - at - 1) * sizeof(*stack));
    job->nstacks--;
    return rc;
}

static struct stack *find_stack(struct job *job, int64_t bid, const char *part)
{
    for (size_t i = 0; i < job->nstacks; i++)
        if (job->stacks[i].bid == bid && strcmp(job->stacks[i].part, part) == 0)
            return &job->stacks[i];
    struct stack *stacks = realloc(job->stacks, (job->nstacks + 1) * sizeof(*stacks));
    if (!stacks)
        return NULL;
    job->stacks = stacks;
    stacks[job->nstacks] = (struct stack){.bid = bid, .part = part};
    return &stacks[job->nstacks++];
}

static int keep_expert(struct job *job, int64_t bid, const char *part, const struct expert *expert)
{
    struct stack *stack = find_stack(job, bid, part);
    if (!stack)
        return qfs_fail_memory(job->c->error);
    if (stack->count == stack->capacity) {
        size_t capacity = stack->capacity ? stack->capacity * 2 : 64;
        struct expert *experts = realloc(stack->experts, capacity * sizeof(*experts));
        if (!experts)
            return qfs_fail_memory(job->c->error);
        stack->experts = experts;
        stack->capacity = capacity;
    }
    stack->experts[stack->count] = *expert;
    stack->experts[stack->count].order = stack->count;
    stack->count++;
    return job->nexperts > 0 && (int64_t)stack->count >= job->nexperts ? flush(job, stack) : 0;
}

static int take_weight(struct job *job, size_t i)
{
    static const char *const suffixes[] = {".weight_scale", ".weight_scale_2", ".input_scale"};
    struct qfs_converter *c = job->c;
    const char *name = c->tensors[i].name, *names[3], *part, *rest;
    const struct qfs_recipe *weight = c->tensors[i].recipe, *beside[3];
    struct expert expert = {0};
    int rc;
    for (int k = 0; k < 3; k++)
        if ((rc = find_beside(c, name, suffixes[k], &names[k], &beside[k])) < 0)
            return rc;
    if (!beside[0] || beside[0]->ndim < 2) /* plain, or FP8 with scales of another kind */
        return 0;
    if (is_expert(name, &expert.id, &part)) {
        int64_t bid = number_behind(name, ".layers.", &rest);
        if (!(expert.data = pack(c, name, weight, beside[0])))
            return -c->error->code;
        if ((rc = read_one_scale(c, beside[1], &expert.scale)) < 0 ||
            (rc = read_one_scale(c, beside[2], &expert.input_scale)) < 0 ||
            (rc = keep_expert(job, QFS_MAX(0, bid), part, &expert)) < 0)
            return rc;
    } else if ((rc = put_weight(c, name, weight, beside[0], beside[1], beside[2])) < 0) {
        return rc;
    }
    c->tensors[i].name = NULL; /* taken; the others are looked up by name no more either */
    for (int k = 0; k < 3; k++)
        qfs_tensor_remove(c, names[k]);
    return 0;
}

int qfs_nvfp4_tensors(struct qfs_converter *c)
{
    struct job job = {.c = c};
    const struct qfs_json *count = qfs_hparam_any(c, "num_local_experts", "num_experts");
    /* The converter folds these into the experts' scales, and moves heads of linear attention. */
    for (size_t i = 0; i < c->ntensors; i++)
        if (qfs_ends_with(c->tensors[i].name, ".router.per_expert_scale") ||
            (strstr(c->tensors[i].name, ".linear_attn.") &&
             qfs_ends_with(c->tensors[i].name, ".weight_scale") &&
             c->tensors[i].recipe->ndim >= 2 && strcmp(c->arch, "qwen3next") != 0))
            return qfs_fail(c->error, ENOTSUP,
                            "%s: tensor %s: NVFP4 weights of this architecture are not supported",
                            c->model->path, c->tensors[i].name);
    int rc = c->nvfp4_renamed ? rename_compressed(c) : 0;
    if (qfs_json_truthy(count) && !qfs_json_int(count, &job.nexperts))
        return qfs_fail(c->error, EINVAL, "%s/config.json: num_experts is not a count",
                        c->model->path);
    for (size_t i = 0; i < c->ntensors && rc == 0; i++)
        if (c->tensors[i].name && qfs_ends_with(c->tensors[i].name, ".weight"))
            rc = take_weight(&job, i);
    while (job.nstacks && rc == 0)
        rc = flush(&job, &job.stacks[0]);
    for (size_t i = 0; i < c->ntensors && rc == 0; i++)
        if (c->tensors[i].name && (qfs_ends_with(c->tensors[i].name, ".k_scale") ||
                                   qfs_ends_with(c->tensors[i].name, ".v_scale")))
            c->tensors[i].name = NULL;
    for (size_t i = 0; i < job.nstacks; i++)
        free(job.stacks[i].experts);
    free(job.stacks);
    return rc;
}

int qfs_nvfp4_keep(struct qfs_converter *c, const char *name, const struct qfs_recipe **weight,
                   const struct qfs_recipe **scale)
{
    (void)c, (void)name, (void)weight, (void)scale;
    return 0;
}
