/* Pixtral's vision encoder: Pixtral, Mistral Small 3.1 and later, LightOnOCR. */
#include "mmproj.h"
#include "vocab/vocab.h"

#include <stdlib.h>
#include <string.h>

static const char *const llava_classes[] = {"LlavaForConditionalGeneration",
                                            "Mistral3ForConditionalGeneration", NULL};
static const char *const lighton_classes[] = {"LightOnOCRForConditionalGeneration", NULL};

static const char break_token[] = "[IMG_BREAK]";

struct llava {
    int64_t break_id; /* of the token that ends a row of the image; -1: none */
};

static int no_break_token(struct qfs_converter *c)
{
    return qfs_fail(c->error, EINVAL, "%s: its tokenizer has no token %s, which Pixtral needs",
                    c->model->path, break_token);
}

/* In tokenizer_config.json, whose keys are the ids; -1 if it is not there. */
static int64_t find_in_config(const struct qfs_converter *c)
{
    const struct qfs_json *tokens =
        qfs_json_get(c->model->tokenizer_config, "added_tokens_decoder");
    for (uint32_t i = 0; qfs_json_is(tokens, QFS_JSON_OBJECT) && i < tokens->count; i++)
        if (qfs_config_is(&tokens->members[i].value, "content", break_token))
            return strtoll(tokens->members[i].key.data, NULL, 10);
    return -1;
}

/* get_token_id */
static int find_break_token(struct qfs_converter *c, int64_t *ret_id)
{
    struct qfs_arena scratch = {0};
    const struct qfs_json *tokenizer;
    if (!c->model->tokenizer_config)
        return qfs_fail(c->error, EINVAL, "%s: has no tokenizer_config.json", c->model->path);
    *ret_id = find_in_config(c);
    if (*ret_id >= 0)
        return 0;
    int rc = qfs_vocab_read_json(&scratch, c->model, "tokenizer.json", &tokenizer, c->error);
    if (rc < 0)
        return rc;
    const struct qfs_json *added = qfs_json_get(tokenizer, "added_tokens");
    rc = no_break_token(c);
    for (size_t i = 0; rc < 0 && qfs_json_at(added, i); i++)
        if (qfs_config_is(qfs_json_at(added, i), "content", break_token) &&
            qfs_json_int(qfs_json_get(qfs_json_at(added, i), "id"), ret_id))
            rc = 0;
    qfs_arena_done(&scratch);
    return rc;
}

static int begin_pixtral(struct qfs_converter *c, bool with_break)
{
    static const struct qfs_json eps = {.kind = QFS_JSON_REAL, .real = 1e-5};
    struct llava *llava = qfs_arena_alloc(c->arena, sizeof(*llava));
    if (!llava)
        return qfs_fail_memory(c->error);
    c->mmproj->own = llava;
    llava->break_id = -1;
    if (!qfs_config_is(c->hparams, "model_type", "pixtral"))
        return qfs_config_wrong(c, "the vision encoder's model_type", "pixtral");
    if (!qfs_hparam(c, "layer_norm_eps")) {
        int rc = qfs_hparam_set(c, "layer_norm_eps", &eps);
        if (rc < 0)
            return rc;
    }
    return with_break ? find_break_token(c, &llava->break_id) : 0;
}

static int llava_begin(struct qfs_converter *c)
{
    return begin_pixtral(c, true);
}

static int llava_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    static const char *const prefixes[] = {"multi_modal_projector.",
                                           "vision_tower.",
                                           "vision_encoder.",
                                           "vision_language_adapter.",
                                           "patch_merger.",
                                           "pre_mm_projector_norm",
                                           NULL};
    static const char *const rotated[] = {"q_proj.weight", "q_proj.bias", "k_proj.weight",
                                          "k_proj.bias", NULL};
    const struct llava *llava = c->mmproj->own;
    int64_t nheads;
    int rc = qfs_config_size(c, c->hparams, "num_attention_heads", &nheads);
    if (rc < 0)
        return rc;
    if (qfs_begins_with_any(name, prefixes)) {
        if (qfs_ends_with_any(name, rotated))
            data = qfs_lazy_permute_heads(c, data, nheads);
        return qfs_text_tensor(c, data, name, bid);
    }
    if (llava->break_id <= 0 || !strstr(name, "embed_tokens.weight"))
        return 0;
    return qfs_text_tensor(c, qfs_lazy_row(c, data, llava->break_id), "v.token_embd.img_break",
                           bid);
}

static int put_pixtral(struct qfs_converter *c)
{
    const struct qfs_json *merge = qfs_json_get(c->mmproj->global, "spatial_merge_size");
    int rc =
        qfs_put_f32_from(c, "vision.attention.layer_norm_epsilon", c->hparams, "layer_norm_eps");
    if (rc == 0)
        rc = qfs_put_activation(c, c->hparams);
    if (rc == 0 && merge)
        rc = qfs_put_param(c, "vision.spatial_merge_size", QFS_PARAM_U32, merge);
    return rc;
}

static int llava_keys(struct qfs_converter *c)
{
    int rc = qfs_mmproj_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_projector(c, "pixtral");
    return put_pixtral(c);
}

/* -- LightOnOCR ----------------------------------------------------------------------------------- */

static int lighton_begin(struct qfs_converter *c)
{
    return begin_pixtral(c, false);
}

static int lighton_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    name = qfs_name_replace(c, name, "model.vision_encoder.", "vision_tower.");
    if (name)
        name = qfs_name_replace(c, name, "model.vision_projection.", "multi_modal_projector.");
    return name ? qfs_mmproj_filter(c, name, ret_name) : -ENOMEM;
}

static int lighton_keys(struct qfs_converter *c)
{
    int rc = llava_keys(c);
    if (rc == 0)
        qfs_put_projector(c, "lightonocr");
    return rc;
}

const struct qfs_family qfs_family_llava = {
    .hf_classes = llava_classes,
    .parent = &qfs_family_mmproj,
    .begin = llava_begin,
    .tensor = llava_tensor,
    .keys = llava_keys,
};

const struct qfs_family qfs_family_lighton_ocr = {
    .hf_classes = lighton_classes,
    .parent = &qfs_family_llava,
    .begin = lighton_begin,
    .filter = lighton_filter,
    .keys = lighton_keys,
};
