#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mixture.h"
#include "plan_parts.h"
#include "prune.h"

/* llama-quantize's file: its tensors by layer and name, its keys, the types of its mixtures, and
 * its refusals, found here instead of hours later. */

/* A tensor on its way from the converter's order to llama-quantize's. */
struct sorted {
    const struct qfs_out_tensor *out;
    int layer; /* -1: belongs to none */
};

static int by_layer_and_name(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return strcmp(x->out->name, y->out->name);
}

/* llama_model_loader's order; names that ggml does not take are refused. */
static int sort_tensors(struct qfs_plan *plan, struct sorted **ret_sorted, struct qfs_error *error)
{
    const struct qfs_conversion *conversion = plan->conversion;
    struct sorted *sorted = qfs_arena_array(&plan->arena, conversion->ntensors, sizeof(*sorted));
    if (!sorted)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < conversion->ntensors; i++) {
        sorted[i] = (struct sorted){&conversion->tensors[i], -1};
        sscanf(sorted[i].out->name, "blk.%d.", &sorted[i].layer);
        if (strlen(sorted[i].out->name) > 63)
            return qfs_fail(error, ENOTSUP, "the name of %s is longer than ggml's 63 bytes",
                            sorted[i].out->name);
    }
    qsort(sorted, conversion->ntensors, sizeof(*sorted), by_layer_and_name);
    for (size_t i = 1; i < conversion->ntensors; i++)
        if (strcmp(sorted[i - 1].out->name, sorted[i].out->name) == 0)
            return qfs_fail(error, ENOTSUP, "there are two tensors %s", sorted[i].out->name);
    *ret_sorted = sorted;
    return 0;
}

/* New numbers of layers may be taken already, in files whose layers are not all named alike. */
static int check_names(const struct qfs_plan *plan, struct qfs_error *error)
{
    struct qfs_map seen = {0};
    int rc = 0;
    for (size_t i = 0; i < plan->ntensors && rc == 0; i++) {
        const char *name = plan->tensors[i].name;
        int fresh = qfs_map_set(&seen, qfs_text_of(name), i);
        if (fresh < 0)
            rc = qfs_fail_memory(error);
        else if (!fresh)
            rc = qfs_fail(error, ENOTSUP, "pruning layers gives two tensors the name %s", name);
    }
    qfs_map_done(&seen);
    return rc;
}

/* Sets the plan's tensors, in order and with their new names, without types. `source_names` are
 * those before pruning, by which the imatrix knows them. */
static int take_tensors(struct qfs_plan *plan, const struct qfs_view_options *options,
                        struct qfs_prune *prune, const char ***ret_source_names,
                        struct qfs_error *error)
{
    struct sorted *sorted = NULL;
    size_t n = plan->conversion->ntensors;
    int rc = sort_tensors(plan, &sorted, error);
    if (rc < 0)
        return rc;
    plan->tensors = qfs_arena_array(&plan->arena, n, sizeof(*plan->tensors));
    const char **names = qfs_arena_array(&plan->arena, n, sizeof(*names));
    if (!plan->tensors || !names)
        return qfs_fail_memory(error);
    enum qfs_outtype outtype = qfs_plan_outtype(plan->conversion, options);
    for (size_t i = 0; i < n; i++) {
        struct qfs_plan_tensor *tensor = &plan->tensors[plan->ntensors];
        if ((rc = qfs_plan_tensor_init(tensor, sorted[i].out, outtype, error)) < 0)
            return rc;
        tensor->checked = true;
        names[plan->ntensors] = tensor->name;
        rc = qfs_prune_name(prune, &plan->arena, tensor->name, &tensor->name, error);
        if (rc < 0)
            return rc;
        /* Dimensions that are 1 at the end do not count in ggml. */
        for (tensor->ndim = 4; tensor->ndim > 1 && tensor->ne[tensor->ndim - 1] == 1;)
            tensor->ndim--;
        plan->ntensors += tensor->name != NULL;
    }
    *ret_source_names = names;
    return prune->nlayers ? check_names(plan, error) : 0;
}

/* Types that ggml_quantize_chunk makes. */
static bool has_quantizer(enum qfs_type type)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    return type == QFS_TYPE_F32 || type == QFS_TYPE_F16 || type == QFS_TYPE_BF16 ||
           (info->quantized && type != QFS_TYPE_Q8_1 && type != QFS_TYPE_Q8_K);
}

/* Types that it asserts importances for, whatever the tensor. */
static bool asserts_imatrix(enum qfs_type type)
{
    return type == QFS_TYPE_IQ2_XXS || type == QFS_TYPE_IQ2_XS || type == QFS_TYPE_IQ1_S;
}

static bool is_embedding(const char *name)
{
    return qfs_role_of(name) == QFS_ROLE_EMBEDDING;
}

/* Finds the importances of a tensor that changes its type. */
static int take_imatrix(struct qfs_plan_tensor *tensor, const struct qfs_imatrix *imatrix,
                        const char *source_name, struct qfs_error *error)
{
    const struct qfs_imatrix_entry *entry = imatrix ? qfs_imatrix_find(imatrix, source_name) : NULL;
    int64_t count;
    if (!entry)
        return 0;
    if (qfs_mul(tensor->ne[0], tensor->ne[2], &count) && (uint64_t)count == entry->count)
        tensor->imatrix = entry->values;
    else if (!is_embedding(tensor->name))
        return qfs_fail(error, ENOTSUP,
                        "%s has %lld columns in %lld matrices, but %zu importances in %s",
                        tensor->name, (long long)tensor->ne[0], (long long)tensor->ne[2],
                        entry->count, imatrix->file);
    return 0;
}

/* What llama-quantize would stop at when it comes to quantize this tensor. */
static int check_tensor(const struct qfs_plan_tensor *tensor,
                        const struct qfs_view_options *options, struct qfs_error *error)
{
    const struct qfs_type_info *info = qfs_type_info(tensor->type);
    const struct qfs_type_info *half = qfs_type_info(tensor->half);
    if (!tensor->imatrix && (asserts_imatrix(tensor->type) ||
                             qfs_mixture_needs_imatrix(options->ftype, tensor->name, tensor->type)))
        return qfs_fail(
            error, ENOTSUP,
            "%s becomes %s, which needs an importance matrix%s: give one with --imatrix",
            tensor->name, info->name, options->imatrix ? ", but this one does not cover it" : "");
    if (half->quantized && !options->allow_requantize)
        return qfs_fail(error, ENOTSUP,
                        "%s is %s in the source and would become %s: allow it with "
                        "--allow-requantize",
                        tensor->name, half->name, info->name);
    if (!has_quantizer(tensor->half))
        return qfs_fail(error, ENOTSUP, "%s is %s in the source, which cannot be quantized",
                        tensor->name, half->name);
    if (!has_quantizer(tensor->type))
        return qfs_fail(error, ENOTSUP, "%s would become %s, to which nothing can be quantized",
                        tensor->name, info->name);
    if (tensor->ne[3] != 1)
        return qfs_fail(error, ENOTSUP, "%s has 4 dimensions, of which llama-quantize takes 3",
                        tensor->name);
    return 0;
}

static int choose_types(struct qfs_plan *plan, struct qfs_mixture *mixture,
                        const char *const *source_names, struct qfs_error *error)
{
    const struct qfs_view_options *options = mixture->options;
    const struct qfs_imatrix *imatrix = mixture->has_imatrix ? options->imatrix : NULL;
    for (size_t i = 0; i < plan->ntensors; i++) {
        mixture->nattn_v += qfs_role_of(plan->tensors[i].name) == QFS_ROLE_ATTN_V;
        mixture->tied &= strcmp(plan->tensors[i].name, "output.weight") != 0;
    }
    for (size_t i = 0; i < plan->ntensors; i++) {
        struct qfs_plan_tensor *tensor = &plan->tensors[i];
        int rc = 0;
        tensor->type = tensor->half;
        if (qfs_mixture_allows(options, tensor->name, tensor->ndim))
            tensor->type = qfs_mixture_type(mixture, tensor->name, tensor->ne);
        if (mixture->rc < 0)
            return mixture->rc;
        if (tensor->type != tensor->half &&
            ((rc = take_imatrix(tensor, imatrix, source_names[i], error)) < 0 ||
             (rc = check_tensor(tensor, options, error)) < 0))
            return rc;
    }
    return 0;
}

/* The options that were given as text. */
struct parsed {
    struct qfs_override *overrides;
    struct qfs_tensor_rule *rules;
    size_t nrules;
};

static int parse_options(struct parsed *parsed, struct qfs_arena *arena,
                         const struct qfs_view_options *options, struct qfs_error *error)
{
    int rc = 0;
    parsed->overrides = qfs_arena_array(arena, options->noverrides, sizeof(*parsed->overrides));
    parsed->rules = qfs_arena_array(arena, options->ntensor_types, sizeof(*parsed->rules));
    if (!parsed->overrides || !parsed->rules)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < options->noverrides && rc == 0; i++)
        rc = qfs_override_parse(options->overrides[i], &parsed->overrides[i], error);
    for (; parsed->nrules < options->ntensor_types && rc == 0; parsed->nrules += rc == 0)
        rc = qfs_tensor_rule_parse(options->tensor_types[parsed->nrules],
                                   &parsed->rules[parsed->nrules], error);
    return rc;
}

int qfs_plan_quantized(struct qfs_plan *plan, const struct qfs_view_options *options,
                       struct qfs_error *error)
{
    const struct qfs_conversion *conversion = plan->conversion;
    struct parsed parsed = {0};
    struct qfs_prune prune = {.layers = options->prune_layers, .nlayers = options->nprune_layers};
    const char **source_names = NULL;
    int rc = parse_options(&parsed, &plan->arena, options, error);
    struct qfs_mixture mixture = {
        .options = options,
        .rules = parsed.rules,
        .nrules = parsed.nrules,
        .has_imatrix = options->imatrix && options->imatrix->nentries,
        .tied = true,
        .error = error,
    };
    if (rc < 0 ||
        (rc = qfs_loader_run(&conversion->kvs, parsed.overrides, options->noverrides,
                             &mixture.hparams, error)) < 0 ||
        (rc = take_tensors(plan, options, &prune, &source_names, error)) < 0 ||
        (rc = qfs_quantized_kvs(plan, options, parsed.overrides, mixture.hparams.arch,
                                prune.nlayers ? prune.next : -1, error)) < 0)
        goto out;
    rc = choose_types(plan, &mixture, source_names, error);
out:
    for (size_t i = 0; i < parsed.nrules; i++)
        qfs_tensor_rule_done(&parsed.rules[i]);
    qfs_prune_done(&prune);
    return rc;
}
