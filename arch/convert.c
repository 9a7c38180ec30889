/* The converter from start to end: which family, what config says, every tensor, every key. */
#include "lora.h"
#include "mmproj.h"

#include <stdlib.h>
#include <string.h>

static int unknown_class(struct qfs_converter *c, const char *name)
{
    enum { NEAREST = 3 };
    const char *near[NEAREST];
    size_t count = qfs_classes_near(name, near, NEAREST);
    return qfs_fail(c->error, ENOTSUP,
                    "%s/config.json: architecture %.80s is not known, as %zu others are; "
                    "nearest to it are %s, %s and %s",
                    c->model->path, name, count, near[0], near[1], near[2]);
}

static int find_family(struct qfs_converter *c)
{
    enum qfs_product product = c->out->product;
    if (c->model->mistral_format) {
        c->hf_class = "";
        c->family = product == QFS_PRODUCT_MMPROJ ? NULL : &qfs_family_mistral_format;
        c->arch = c->family ? c->family->arch : NULL;
        return c->family ? 0 : -ENOENT;
    }
    int rc = qfs_architecture_find(c, product, &c->hf_class);
    if (rc < 0)
        return rc;
    c->family = product == QFS_PRODUCT_MMPROJ ? qfs_mmproj_family_find(c->hf_class)
                                              : qfs_family_find(c->hf_class);
    if (!c->family)
        return product == QFS_PRODUCT_MMPROJ ? -ENOENT : unknown_class(c, c->hf_class);
    for (const struct qfs_family *f = c->family; f && !c->arch; f = f->parent)
        c->arch = f->arch;
    return 0;
}

/* Mirrors the global rope settings into c->rope where config has no per-attention ones. */
static int prepare_rope(struct qfs_converter *c)
{
    static const struct {
        const char *key, *names[6];
    } mirrored[] = {
        {"rope_theta",
         {"global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta",
          "rotary_emb_base"}},
        {"partial_rotary_factor", {"partial_rotary_factor", "rope_pct", "rope_percent"}},
        {"original_max_position_embeddings", {"original_max_position_embeddings"}},
    };
    const struct qfs_json *rope = qfs_hparam(c, "rope_parameters");
    if (!rope)
        rope = qfs_hparam(c, "rope_scaling");
    if (qfs_json_truthy(rope) && rope->kind != QFS_JSON_OBJECT)
        return qfs_fail(c->error, EINVAL, "%s/config.json: rope_parameters is not an object",
                        c->model->path);
    c->rope = qfs_dict_copy(c->arena, rope);
    if (!c->rope)
        return qfs_fail_memory(c->error);
    if (qfs_json_get(c->rope, "full_attention") || qfs_json_get(c->rope, "sliding_attention"))
        return 0;
    const struct qfs_json *local =
        qfs_hparam_any(c, "local_rope_theta", "rope_local_theta", "rope_theta_local",
                       "swa_rope_theta", "rope_local_base_freq");
    if (!qfs_json_is_null(local)) {
        struct qfs_json *sliding = qfs_dict_copy(c->arena, NULL);
        if (!sliding || qfs_dict_set(c->arena, sliding, "rope_theta", local) < 0 ||
            qfs_dict_set(c->arena, c->rope, "sliding_attention", sliding) < 0)
            return qfs_fail_memory(c->error);
    }
    const struct qfs_json *type = qfs_json_get(c->rope, "type");
    if (!qfs_json_get(c->rope, "rope_type") && !qfs_json_is_null(type) &&
        qfs_dict_set(c->arena, c->rope, "rope_type", type) < 0)
        return qfs_fail_memory(c->error);
    for (size_t i = 0; i < QFS_COUNT(mirrored); i++) {
        const struct qfs_json *value = qfs_hparam_first(c, mirrored[i].names);
        if (!qfs_json_get(c->rope, mirrored[i].key) && !qfs_json_is_null(value) &&
            qfs_dict_set(c->arena, c->rope, mirrored[i].key, value) < 0)
            return qfs_fail_memory(c->error);
    }
    return 0;
}

static int check_layers(const struct qfs_converter *c, int64_t count)
{
    return count > 4096 ? qfs_fail(c->error, EINVAL,
                                   "%s/config.json: %lld layers are more than the 4096 expected",
                                   c->model->path, (long long)count)
                        : 0;
}

static int prepare_hparams(struct qfs_converter *c)
{
    static const char *const layers[] = {"n_layers", "num_hidden_layers", "n_layer", "num_layers",
                                         NULL};
    const struct qfs_json *text = qfs_json_get(c->config, "text_config");
    int rc;
    c->hparams = qfs_dict_copy(c->arena, c->config);
    if (!c->hparams || qfs_dict_merge(c->arena, c->hparams, text) < 0)
        return qfs_fail_memory(c->error);
    qfs_draft_hparams(c);
    const char *const own[] = {c->family->layers_name, NULL};
    /* Nemotron-H may say only what its layers are. */
    const struct qfs_json *types = qfs_hparam(c, "layers_block_type");
    if (qfs_json_is(types, QFS_JSON_ARRAY) && !qfs_hparam_first(c, layers) &&
        (rc = qfs_hparam_set_int(c, "num_hidden_layers", types->count)) < 0)
        return rc;
    if ((rc = qfs_hparam_size(c, own[0] ? own : layers, &c->block_count)) < 0)
        return rc;
    if ((rc = check_layers(c, c->block_count)) < 0)
        return rc;
    for (size_t i = 0; layers[i]; i++) { /* families may count by another name */
        int64_t count;
        if (qfs_json_int(qfs_hparam(c, layers[i]), &count) && (rc = check_layers(c, count)) < 0)
            return rc;
    }
    return prepare_rope(c);
}

int qfs_config_use(struct qfs_converter *c, const struct qfs_json *config)
{
    c->config = qfs_dict_copy(c->arena, config);
    return c->config ? prepare_hparams(c) : qfs_fail_memory(c->error);
}

/* index_tensors: every source tensor through the family's filter. A name that comes up again keeps
 * its first place and the later tensor, as a dict does. */
static int index_tensors(struct qfs_converter *c)
{
    int (*filter)(struct qfs_converter *, const char *, const char **) = QFS_HOOK(c, filter);
    int rc = 0;
    if (!filter)
        filter = qfs_text_filter;
    for (size_t i = 0; i < c->model->ntensors && rc == 0; i++) {
        const struct qfs_tensor *tensor = &c->model->tensors[i];
        const char *name;
        bool kept;
        if ((rc = qfs_draft_keeps(c, tensor->name, &kept)) < 0 || !kept)
            continue;
        if ((rc = filter(c, tensor->name, &name)) == 0 && name)
            rc = qfs_tensor_set(c, name, qfs_lazy_source(c, tensor));
    }
    return rc;
}

/* --outtype auto: the first BF16 or F16 matrix decides. */
static enum qfs_outtype guess_outtype(const struct qfs_converter *c)
{
    for (size_t i = 0; i < c->ntensors; i++) {
        const struct qfs_recipe *recipe = c->tensors[i].recipe;
        if (recipe->ndim >= 2 && recipe->dtype == QFS_DTYPE_BF16)
            return QFS_OUTTYPE_BF16;
        if (recipe->ndim >= 2 && recipe->dtype == QFS_DTYPE_F16)
            return QFS_OUTTYPE_F16;
    }
    return QFS_OUTTYPE_F16;
}

/* get_total_parameter_count */
static void count_parameters(const struct qfs_conversion *out, uint64_t ret_nparams[3],
                             int64_t *ret_nexperts)
{
    uint64_t total = 0, shared = 0, expert = 0;
    int64_t sum = 0, ntensors = 0;
    for (size_t i = 0; i < out->ntensors; i++) {
        const struct qfs_recipe *recipe = out->tensors[i].recipe;
        uint64_t size = (uint64_t)qfs_recipe_count(recipe);
        if (strstr(out->tensors[i].name, "_exps.") && recipe->ndim >= 3) {
            bool bias = strstr(out->tensors[i].name, ".bias") != NULL;
            int64_t experts = recipe->shape[recipe->ndim - (bias ? 2 : 3)];
            expert += size / (uint64_t)experts;
            sum += experts;
            ntensors++;
        } else {
            shared += size;
        }
        total += size;
    }
    /* Built-in adapters, whose halves do not follow each other: the converter does not count at all. */
    for (size_t i = 0; i < out->ntensors; i++)
        if (qfs_ends_with(out->tensors[i].name, ".lora_a"))
            total = shared = expert = 0;
    ret_nparams[0] = total;
    ret_nparams[1] = shared;
    ret_nparams[2] = expert;
    *ret_nexperts = ntensors ? sum / ntensors : 0;
}

static int run(struct qfs_converter *c)
{
    bool mmproj = c->out->product == QFS_PRODUCT_MMPROJ, lora = c->model->adapter;
    uint64_t nparams[3];
    int64_t nexperts;
    int rc;

    if ((rc = qfs_config_prepare(c)) < 0 || (rc = find_family(c)) < 0 ||
        (rc = qfs_draft_check(c)) < 0 ||
        (rc = mmproj ? qfs_mmproj_prepare(c) : prepare_hparams(c)) < 0)
        return rc;
    int (*begin)(struct qfs_converter *) = QFS_HOOK(c, begin);
    if (begin && (rc = begin(c)) < 0)
        return rc;
    /* begin may have chosen another family */
    int (*extra)(struct qfs_converter *) = QFS_HOOK(c, extra);
    int (*finish)(struct qfs_converter *) = QFS_HOOK(c, finish);
    c->out->arch = c->arch;
    if ((rc = qfs_names_init(c)) < 0 || (rc = (lora ? qfs_lora_tensors : index_tensors)(c)) < 0)
        return rc;
    c->out->auto_outtype = guess_outtype(c);
    qfs_kv_string(&c->out->kvs, "general.architecture", c->arch);

    if (!lora && (rc = qfs_unpack_tensors(c)) < 0)
        return rc;
    if (extra && !lora && (rc = extra(c)) < 0)
        return rc;
    for (size_t i = 0; i < c->ntensors; i++) {
        size_t before = c->out->ntensors;
        if ((rc = qfs_convert_tensor(c, c->tensors[i].recipe, c->tensors[i].name)) < 0)
            return rc;
        if (lora && c->out->ntensors == before && !strcmp(c->tensors[i].name, "lm_head.weight"))
            return qfs_fail(c->error, ENOTSUP,
                            "%s: changes lm_head, which its base model does not have of its own",
                            c->model->path);
    }
    if (finish && (rc = finish(c)) < 0)
        return rc;
    for (int64_t i = 0; c->experts_waiting && i < 2 * c->block_count; i++)
        if (c->experts_waiting[i])
            return qfs_fail(c->error, EINVAL,
                            "%s: layer %lld lacks some experts' weights: download the "
                            "model again",
                            c->model->path, (long long)(i % c->block_count));
    if (c->out->ntensors == 0)
        return qfs_fail(c->error, EINVAL, "%s: has no weights", c->model->path);

    count_parameters(c->out, nparams, &nexperts);
    if (lora)
        nparams[0] = qfs_lora_parameters(c->out);
    if ((rc = qfs_metadata_add(c->out, nparams, nexperts, c->error)) < 0)
        return rc;
    if ((rc = (lora ? qfs_lora_keys : qfs_put_keys)(c)) < 0)
        return rc;
    qfs_kv_u32(&c->out->kvs, "general.quantization_version", 2);
    if (!mmproj && !lora && (rc = qfs_put_vocab(c)) < 0)
        return rc;
    return c->out->kvs.failed ? qfs_fail_memory(c->error) : 0;
}

static int convert(const struct qfs_model *model, enum qfs_product product,
                   const struct qfs_convert_options *options,
                   struct qfs_conversion **ret_conversion, struct qfs_error *error)
{
    struct qfs_error local = {0};
    struct qfs_conversion *out = calloc(1, sizeof(*out));
    struct qfs_converter c = {
        .out = out, .model = model, .draft = options->draft, .error = error ? error : &local};
    if (!out)
        return qfs_fail_memory(error);
    out->model = model;
    out->product = product;
    out->model_name = options->model_name;
    out->kvs.arena = &out->arena;
    c.arena = &out->arena;
    int rc = model->gguf ? qfs_convert_gguf(out, error) : run(&c);
    free(c.tensors);
    qfs_map_done(&c.tensor_index);
    qfs_map_done(&c.names);
    qfs_map_done(&c.emitted);
    qfs_map_done(&c.experts);
    if (rc < 0)
        qfs_conversion_free(out);
    else
        *ret_conversion = out;
    return rc;
}

int qfs_convert_with(const struct qfs_model *model, const struct qfs_convert_options *options,
                     struct qfs_conversion **ret_conversion, struct qfs_error *error)
{
    return convert(model, model->adapter ? QFS_PRODUCT_LORA : QFS_PRODUCT_TEXT, options,
                   ret_conversion, error);
}

int qfs_convert_mmproj(const struct qfs_model *model, struct qfs_conversion **ret_conversion,
                       struct qfs_error *error)
{
    static const struct qfs_convert_options defaults;
    return model->adapter || model->gguf
               ? -ENOENT
               : convert(model, QFS_PRODUCT_MMPROJ, &defaults, ret_conversion, error);
}

void qfs_conversion_free(struct qfs_conversion *conversion)
{
    if (!conversion)
        return;
    free(conversion->tensors);
    qfs_arena_done(&conversion->arena);
    free(conversion);
}
