/* Grok 1 and 2. Experts are written when the next other tensor comes, all layers that are complete by
 * then; what is still kept behind the last tensor is not written at all. */
#include "converter.h"

#include <math.h>
#include <string.h>

#include "vocab/vocab.h"

static const char *const classes[] = {"GrokForCausalLM", "Grok1ForCausalLM", NULL};

static const struct {
    const char *grok, *other;
} weights[] = {{"linear", "w1"}, {"linear_1", "w2"}, {"linear_v", "w3"}};

/* c->state is not NULL while the last tensor was an expert's. */
static bool is_expert(const char *name)
{
    return strstr(name, ".moe.") || strstr(name, ".block_sparse_moe.experts.");
}

/* The expert's weight under either of its names, taken out of those that are kept. */
static const struct qfs_recipe *take(struct qfs_converter *c, int64_t bid, int64_t xid, size_t w)
{
    const char *names[] = {
        qfs_arena_printf(c->arena, "transformer.decoder_layer.%lld.moe.%lld.%s.weight",
                         (long long)bid, (long long)xid, weights[w].grok),
        qfs_arena_printf(c->arena, "model.layers.%lld.block_sparse_moe.experts.%lld.%s.weight",
                         (long long)bid, (long long)xid, weights[w].other),
    };
    uint64_t recipe;
    for (size_t i = 0; i < QFS_COUNT(names); i++) {
        if (!names[i]) {
            qfs_fail_memory(c->error);
            return NULL;
        }
        if (qfs_map_get(&c->experts, qfs_text_of(names[i]), &recipe))
            return (const struct qfs_recipe *)(uintptr_t)recipe;
    }
    qfs_fail(c->error, EINVAL, "%s: tensor %s is missing: download the model again", c->model->path,
             names[1]);
    return NULL;
}

static int merge(struct qfs_converter *c, int64_t bid, int64_t nexperts)
{
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)nexperts, sizeof(*parts));
    if (!parts)
        return qfs_fail_memory(c->error);
    for (size_t w = 0; w < QFS_COUNT(weights); w++) {
        for (int64_t xid = 0; xid < nexperts; xid++)
            if (!(parts[xid] = take(c, bid, xid, w)))
                return -c->error->code;
        const char *name =
            qfs_arena_printf(c->arena, "transformer.decoder_layer.%lld.moe.%s.weight",
                             (long long)bid, weights[w].grok);
        int rc = name ? qfs_text_tensor(c, qfs_lazy_stack(c, parts, (size_t)nexperts), name, -1)
                      : qfs_fail_memory(c->error);
        if (rc < 0)
            return rc;
    }
    c->experts_waiting[bid] -= 3 * nexperts;
    return 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nexperts;
    int rc = qfs_hparam_count(c, &nexperts, "num_local_experts");
    if (rc < 0)
        return rc;
    bool expert = is_expert(name);
    if ((expert || c->state) && (bid < 0 || bid >= c->block_count))
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: a tensor among the experts has no layer of config.json's",
                        c->model->path, name);
    if (!c->experts_waiting &&
        !(c->experts_waiting =
              qfs_arena_array(c->arena, (size_t)c->block_count * 2, sizeof(*c->experts_waiting))))
        return qfs_fail_memory(c->error);
    if (expert) {
        if (!data)
            return -c->error->code;
        if (qfs_map_set(&c->experts, qfs_text_of(name), (uint64_t)(uintptr_t)data) < 0)
            return qfs_fail_memory(c->error);
        c->experts_waiting[bid]++;
        c->state = c;
        return 0;
    }
    for (int64_t i = 0; c->state && i < c->block_count; i++)
        if (c->experts_waiting[i] >= 3 * nexperts && (rc = merge(c, i, nexperts)) < 0)
            return rc;
    c->state = NULL;
    return qfs_text_tensor(c, data, name, bid);
}

static int finish(struct qfs_converter *c)
{
    c->experts_waiting = NULL;
    return 0;
}

static int put_yarn(struct qfs_converter *c)
{
    static const struct qfs_param table[] = {
        {"rope.scaling.factor", QFS_PARAM_F32, {"scaling_factor"}, true},
        {"rope.scaling.original_context_length",
         QFS_PARAM_U32,
         {"original_max_position_embeddings"},
         true},
        {"rope.scaling.yarn_ext_factor", QFS_PARAM_F32, {"extrapolation_factor"}, true},
        {"rope.scaling.yarn_attn_factor", QFS_PARAM_F32, {"attn_factor"}, true},
        {"rope.scaling.yarn_beta_fast", QFS_PARAM_F32, {"beta_fast"}, true},
        {"rope.scaling.yarn_beta_slow", QFS_PARAM_F32, {"beta_slow"}, true},
        {NULL},
    };
    struct qfs_text type = qfs_json_text(qfs_hparam(c, "rope_type"));
    if (!qfs_text_is(type, "yarn") && !qfs_text_is(type, "original"))
        return 0;
    qfs_put_string(c, "rope.scaling.type", "yarn");
    return qfs_put_params(c, table);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_param scales[] = {
        {"embedding_scale", QFS_PARAM_F32, {"embedding_multiplier_scale"}, true},
        {"logit_scale", QFS_PARAM_F32, {"output_multiplier_scale"}, true},
        {NULL},
    };
    const struct qfs_json *cap = qfs_hparam(c, "final_logit_softcapping");
    const struct qfs_json *temperature = qfs_hparam(c, "attn_temperature_len");
    int64_t dim;
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_f32(c, "attn_logit_softcapping",
                qfs_json_number_or(c->hparams, "attn_logit_softcapping", 30.0));
    qfs_put_f32(c, "router_logit_softcapping",
                qfs_json_number_or(c->hparams, "router_logit_softcapping", 30.0));
    if (qfs_json_truthy(cap) &&
        (rc = qfs_put_param(c, "final_logit_softcapping", QFS_PARAM_F32, cap)) < 0)
        return rc;
    if ((rc = qfs_head_dim(c, &dim)) < 0 ||
        (rc = qfs_put_one(c, "expert_feed_forward_length", QFS_PARAM_U32_OR_LIST,
                          {"moe_intermediate_size"})) < 0 ||
        (rc = put_yarn(c)) < 0)
        return rc;
    if (qfs_json_truthy(temperature) &&
        (rc = qfs_put_param(c, "attention.temperature_length", QFS_PARAM_U32, temperature)) < 0)
        return rc;
    qfs_put_f32(c, "attention.output_scale",
                qfs_json_number_or(c->hparams, "attn_output_multiplier", pow((double)dim, -0.5)));
    return qfs_put_params(c, scales);
}

static int vocab(struct qfs_converter *c)
{
    if (qfs_vocab_file_exists(c->model, "tokenizer.model"))
        return qfs_vocab_sentencepiece(c->out, c->hparams, c->error);
    if (!qfs_vocab_file_exists(c->model, "tokenizer.json") ||
        !qfs_vocab_file_exists(c->model, "chat_template.jinja"))
        return qfs_fail(c->error, ENOENT,
                        "%s: has no tokenizer.model, nor tokenizer.json and chat_template.jinja: "
                        "get them from huggingface.co/alvarobartt/grok-2-tokenizer",
                        c->model->path);
    return qfs_text_vocab(c);
}

const struct qfs_family qfs_family_grok = {
    .arch = "grok",
    .hf_classes = classes,
    .tensor = tensor,
    .finish = finish,
    .keys = keys,
    .vocab = vocab,
};
