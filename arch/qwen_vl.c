/* Text parts of Qwen's models that see and hear: Qwen 2 and 2.5 VL, Qwen 3 VL, Omni, ASR. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

extern const struct qfs_family qfs_family_qwen3, qfs_family_qwen3moe;

static const char *const qwen2vl_classes[] = {"Qwen2VLModel", "Qwen2VLForConditionalGeneration",
                                              "Qwen2_5_VLForConditionalGeneration",
                                              "Qwen2_5OmniModel", NULL};
static const char *const qwen3vl_classes[] = {"Qwen3VLForConditionalGeneration", NULL};
static const char *const qwen3vlmoe_classes[] = {"Qwen3VLMoeForConditionalGeneration", NULL};
static const char *const omni_classes[] = {"Qwen3OmniMoeForConditionalGeneration", NULL};
static const char *const asr_classes[] = {"Qwen3ASRForConditionalGeneration", NULL};

static int qwen2vl_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (qfs_starts_with(name, "thinker.") && !(name = qfs_name_replace(c, name, "thinker.", "")))
        return -c->error->code;
    return qfs_text_filter(c, name, ret_name);
}

static int qwen3vl_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    if (!(name = qfs_name_replace(c, name, "thinker.", "")))
        return -c->error->code;
    return qfs_text_filter(c, name, ret_name);
}

/* Layers of the vision tower whose output goes into the text model's first layers. */
static int put_deepstack(struct qfs_converter *c, const struct qfs_json *owner)
{
    const struct qfs_json *vision = qfs_json_get(owner, "vision_config");
    const struct qfs_json *layers = qfs_json_get(vision, "deepstack_visual_indexes");
    if (layers && !qfs_json_is(layers, QFS_JSON_ARRAY))
        return qfs_fail(c->error, EINVAL, "%s/config.json: deepstack_visual_indexes is not a list",
                        c->model->path);
    qfs_put_u32(c, "n_deepstack_layers", layers ? layers->count : 0);
    return 0;
}

static int qwen3vl_keys(struct qfs_converter *c)
{
    const struct qfs_json *thinker = qfs_hparam(c, "thinker_config");
    int rc = qfs_qwen3_keys(c);
    return rc < 0 ? rc : put_deepstack(c, thinker ? thinker : c->hparams);
}

static int qwen3vlmoe_keys(struct qfs_converter *c)
{
    int rc = qfs_qwen_moe_keys(c);
    return rc < 0 ? rc : put_deepstack(c, c->hparams);
}

static int omni_keys(struct qfs_converter *c)
{
    int rc = qwen3vlmoe_keys(c);
    if (rc == 0)
        qfs_put_u32(c, "n_deepstack_layers", 0);
    return rc;
}

static int asr_keys(struct qfs_converter *c)
{
    int rc = qwen3vl_keys(c);
    if (rc == 0)
        qfs_put_u32(c, "n_deepstack_layers", 0);
    return rc;
}

/* Experts' weights are stored as x @ W takes them, so they are transposed here. */
static int qwen3vlmoe_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                             const char *name, int bid)
{
    static const char *const transposed[] = {"mlp.experts.down_proj", "mlp.experts.gate_up_proj"};
    const char *stem = qfs_name_swap_suffix(c, name, ".weight", "");
    if (!stem)
        return -c->error->code;
    for (size_t i = 0; i < QFS_COUNT(transposed); i++)
        if (qfs_ends_with(stem, transposed[i]))
            data = qfs_lazy_swapaxes(c, data, 1, 2);
    return data ? qfs_qwen_moe_tensor(c, data, name, bid) : -c->error->code;
}

/* "<|im_end|>" both begins and ends. */
static int correct_ids(struct qfs_converter *c)
{
    const struct qfs_json *decoder =
        qfs_json_get(c->model->tokenizer_config, "added_tokens_decoder");
    if (!c->model->tokenizer_config)
        return qfs_fail(c->error, EINVAL, "%s/tokenizer_config.json: there is no such file",
                        c->model->path);
    for (uint32_t i = 0; qfs_json_is(decoder, QFS_JSON_OBJECT) && i < decoder->count; i++) {
        const struct qfs_json_member *token = &decoder->members[i];
        int64_t id;
        if (!qfs_text_is(qfs_json_text(qfs_json_get(&token->value, "content")), "<|im_end|>"))
            continue;
        if (!qfs_python_int(token->key, &id) || id < 0 || id > UINT32_MAX)
            return qfs_fail(c->error, EINVAL, "%s/tokenizer_config.json: '%s' is not a token id",
                            c->model->path, token->key.data);
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.bos_token_id", (uint32_t)id);
        qfs_kv_u32(&c->out->kvs, "tokenizer.ggml.eos_token_id", (uint32_t)id);
        break;
    }
    return 0;
}

static int omni_vocab(struct qfs_converter *c)
{
    int rc = qfs_qwen3moe_vocab(c);
    return rc < 0 ? rc : correct_ids(c);
}

static int asr_vocab(struct qfs_converter *c)
{
    int rc = qfs_qwen3_vocab(c);
    if (rc < 0)
        return rc;
    qfs_kv_string(&c->out->kvs, "tokenizer.chat_template",
                  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
                  "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if "
                  "add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
    return correct_ids(c);
}

const struct qfs_family qfs_family_qwen2vl = {
    .arch = "qwen2vl",
    .hf_classes = qwen2vl_classes,
    .filter = qwen2vl_filter,
    .vocab_method = qfs_vocab_sentencepiece_or_gpt2,
};

const struct qfs_family qfs_family_qwen3vl = {
    .arch = "qwen3vl",
    .hf_classes = qwen3vl_classes,
    .parent = &qfs_family_qwen3,
    .filter = qwen3vl_filter,
    .keys = qwen3vl_keys,
};

const struct qfs_family qfs_family_qwen3vlmoe = {
    .arch = "qwen3vlmoe",
    .hf_classes = qwen3vlmoe_classes,
    .parent = &qfs_family_qwen3moe,
    .filter = qwen3vl_filter,
    .tensor = qwen3vlmoe_tensor,
    .keys = qwen3vlmoe_keys,
};

const struct qfs_family qfs_family_qwen3omni = {
    .arch = "qwen3vlmoe",
    .hf_classes = omni_classes,
    .parent = &qfs_family_qwen3vlmoe,
    .keys = omni_keys,
    .vocab = omni_vocab,
};

const struct qfs_family qfs_family_qwen3asr = {
    .arch = "qwen3vl",
    .hf_classes = asr_classes,
    .parent = &qfs_family_qwen3vl,
    .keys = asr_keys,
    .vocab = asr_vocab,
};
