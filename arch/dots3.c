/* dots3-note: latent attention of two kinds, with a sliding window and without (with an indexer). */
#include "converter.h"

#include <math.h>
#include <string.h>

#include "vocab/vocab_ways.h"

static const char *const classes[] = {"Dots3NoteForCausalLM", "Dots3NoteForConditionalGeneration",
                                      "Dots3NoteTextForCausalLM", NULL};

static const char mtp_embedding[] = "model.mtp.embed_tokens.weight";

/* What the layers of one kind are called in config. */
static const struct geometry {
    const char *nheads, *nope, *rope, *value, *rank;
} full = {"num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
          "kv_lora_rank"},
  sliding = {"swa_num_attention_heads", "swa_qk_nope_head_dim", "swa_qk_rope_head_dim",
             "swa_v_head_dim", "swa_kv_lora_rank"};

static int count_layers(struct qfs_converter *c, int64_t *ret_nlayers)
{
    return qfs_hparam_count(c, ret_nlayers, "num_hidden_layers");
}

/* Draft heads have a window, too. */
static int slides(struct qfs_converter *c, int64_t layer, bool *ret_slides)
{
    const struct qfs_json *type = qfs_json_at(qfs_hparam(c, "layer_types"), (size_t)layer);
    int64_t nlayers;
    int rc = count_layers(c, &nlayers);
    if (rc == 0)
        *ret_slides = layer >= nlayers || qfs_text_is(qfs_json_text(type), "sliding_attention");
    return rc;
}

/* -- what is supported ------------------------------------------------------------------------------------ */

static int unsupported(struct qfs_converter *c, const char *name)
{
    return qfs_fail(c->error, EINVAL,
                    "%s/config.json: %s has a value that llama.cpp does not take for dots3-note",
                    c->model->path, name);
}

static int check_texts(struct qfs_converter *c)
{
    static const struct {
        const char *name, *value;
        bool required;
    } texts[] = {
        {"normalization", "RMSNorm", false},        {"final_norm", "RMSNorm", false},
        {"topk_method", "noaux_tc", false},         {"scoring_func", "sigmoid", true},
        {"attention_gate_type", "headwise", false}, {"swa_attention_gate_type", "headwise", false},
    };
    for (size_t i = 0; i < QFS_COUNT(texts); i++) {
        const struct qfs_json *value = qfs_hparam(c, texts[i].name);
        if ((value || texts[i].required) && !qfs_text_is(qfs_json_text(value), texts[i].value))
            return unsupported(c, texts[i].name);
    }
    return 0;
}

static int check_flags(struct qfs_converter *c)
{
    static const char *const yes[] = {"use_dsa", "k_rope_only_layernorm"};
    static const char *const no[] = {"use_dynamic_rsf", "moe_gating_fp32"};
    static const char *const one[] = {"n_group", "topk_group"};
    for (size_t i = 0; i < 2; i++) {
        const struct qfs_json *value = qfs_hparam(c, yes[i]);
        double number;
        if (value && !qfs_json_is(value, QFS_JSON_TRUE))
            return unsupported(c, yes[i]);
        if (qfs_json_truthy(qfs_hparam(c, no[i])))
            return unsupported(c, no[i]);
        value = qfs_hparam(c, one[i]);
        if (value && !(qfs_json_real(value, &number) && number == 1))
            return unsupported(c, one[i]);
    }
    return 0;
}

static int begin(struct qfs_converter *c)
{
    const struct qfs_json *types = qfs_hparam(c, "layer_types");
    int64_t nlayers, nope, rope_swa, rope, dim;
    int rc;
    if ((rc = count_layers(c, &nlayers)) < 0 || (rc = check_texts(c)) < 0 ||
        (rc = check_flags(c)) < 0 || (rc = qfs_hparam_count(c, &nope, sliding.nope)) < 0 ||
        (rc = qfs_hparam_count(c, &rope_swa, sliding.rope)) < 0 ||
        (rc = qfs_hparam_count(c, &rope, full.rope)) < 0 ||
        (rc = qfs_hparam_count_or(c, "swa_head_dim", 256, &dim)) < 0)
        return rc;
    if (!qfs_json_is(types, QFS_JSON_ARRAY) || types->count < nlayers)
        return unsupported(c, "layer_types");
    if (nope + rope_swa != dim)
        return unsupported(c, "swa_head_dim");
    return rope_swa == rope ? 0 : unsupported(c, sliding.rope);
}

/* -- tensors --------------------------------------------------------------------------------------------- */

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    int rc = qfs_family_deepseek2.filter(c, name, ret_name);
    if (rc == 0 && *ret_name &&
        (qfs_starts_with(*ret_name, "vision_encoder.") ||
         qfs_starts_with(*ret_name, "audio_encoder.")))
        *ret_name = NULL;
    return rc;
}

/* Config does not say whether there is a draft head; c->state does from here on. */
static int find_nextn(struct qfs_converter *c)
{
    for (size_t i = 0; i < c->ntensors && !c->state; i++)
        if (strcmp(c->tensors[i].name, mtp_embedding) == 0)
            c->state = c;
    c->block_count += c->state != NULL;
    return 0;
}

/* The factor sqrt(hidden / rank) of the activations, put into the norm before. */
static int rescale(struct qfs_converter *c, const struct qfs_recipe **data, const char *name,
                   int bid)
{
    bool q = qfs_ends_with(name, "q_a_layernorm.weight"), slide = false;
    int64_t hidden, rank;
    int rc;
    if (!qfs_json_truthy(qfs_hparam(c, "apply_mla_qkv_lora_rescale")) || bid < 0 ||
        (!q && !qfs_ends_with(name, "kv_a_layernorm.weight")))
        return 0;
    if ((rc = slides(c, bid, &slide)) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0 ||
        (rc = qfs_hparam_count(c, &rank,
                               q       ? "q_lora_rank"
                               : slide ? sliding.rank
                                       : full.rank)) < 0)
        return rc;
    if (rank == 0)
        return unsupported(c, q ? "q_lora_rank" : "kv_lora_rank");
    *data = qfs_lazy_unary(c, QFS_OP_MUL, *data, sqrt((double)hidden / (double)rank));
    return *data ? 0 : -c->error->code;
}

static int kv_b(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    struct qfs_mla mla;
    bool slide = false;
    int rc = slides(c, bid, &slide);
    const struct geometry *g = rc == 0 && slide ? &sliding : &full;
    if (rc < 0 || (rc = qfs_hparam_count(c, &mla.nheads, g->nheads)) < 0 ||
        (rc = qfs_hparam_count(c, &mla.nope, g->nope)) < 0 ||
        (rc = qfs_hparam_count(c, &mla.value, g->value)) < 0)
        return rc;
    return qfs_mla_split(c, data, bid, &mla, qfs_name_replace(c, name, "kv_b_proj", "k_b_proj"),
                         qfs_name_replace(c, name, "kv_b_proj", "v_b_proj"));
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nlayers;
    int rc = count_layers(c, &nlayers);
    if (rc == 0 && strcmp(name, mtp_embedding) == 0) {
        bid = (int)nlayers;
        name = qfs_arena_printf(c->arena, "model.layers.%d.embed_tokens.weight", bid);
        if (!name)
            return qfs_fail_memory(c->error);
    }
    if (rc < 0 || (rc = rescale(c, &data, name, bid)) < 0)
        return rc;
    if (qfs_ends_with(name, "kv_b_proj.weight"))
        return kv_b(c, data, name, bid);
    return qfs_deepseek2_tensor(c, data, name, bid);
}

/* -- keys ------------------------------------------------------------------------------------------------ */

/* num_attention_heads by layer. */
static int list_heads(struct qfs_converter *c)
{
    struct qfs_json *items = qfs_arena_array(c->arena, (size_t)c->block_count, sizeof(*items));
    int64_t nheads[2];
    int rc;
    if (!items)
        return qfs_fail_memory(c->error);
    if ((rc = qfs_hparam_count(c, &nheads[0], full.nheads)) < 0 ||
        (rc = qfs_hparam_count(c, &nheads[1], sliding.nheads)) < 0)
        return rc;
    for (int64_t i = 0; i < c->block_count; i++) {
        bool slide = false;
        if ((rc = slides(c, i, &slide)) < 0)
            return rc;
        items[i] = (struct qfs_json){.kind = QFS_JSON_INT, .integer = nheads[slide]};
    }
    const struct qfs_json list = {
        .kind = QFS_JSON_ARRAY, .count = (uint32_t)c->block_count, .items = items};
    return qfs_hparam_set(c, full.nheads, &list);
}

/* A flag for each layer: whether it slides, or does not. */
static int put_layers(struct qfs_converter *c, const char *key, bool wanted)
{
    int64_t nlayers;
    int rc = count_layers(c, &nlayers);
    uint8_t *flags = rc == 0 ? qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*flags)) : NULL;
    if (!flags)
        return rc < 0 ? rc : qfs_fail_memory(c->error);
    for (int64_t i = 0; i < nlayers; i++) {
        bool slide = false;
        if ((rc = slides(c, i, &slide)) < 0)
            return rc;
        flags[i] = slide == wanted;
    }
    qfs_put_bools(c, key, flags, (size_t)nlayers);
    return 0;
}

static int put_sliding(struct qfs_converter *c)
{
    int64_t window, rank, nope, rope, value, q_rank, q_rank_swa;
    int rc;
    if ((rc = qfs_hparam_count(c, &window, "sliding_window_size")) < 0 ||
        (rc = qfs_hparam_count(c, &rank, sliding.rank)) < 0 ||
        (rc = qfs_hparam_count(c, &nope, sliding.nope)) < 0 ||
        (rc = qfs_hparam_count(c, &rope, sliding.rope)) < 0 ||
        (rc = qfs_hparam_count(c, &value, sliding.value)) < 0 ||
        (rc = qfs_hparam_count(c, &q_rank, "q_lora_rank")) < 0 ||
        (rc = qfs_hparam_count(c, &q_rank_swa, "swa_q_lora_rank")) < 0)
        return rc;
    if (q_rank != q_rank_swa)
        return unsupported(c, "swa_q_lora_rank");
    qfs_put_u32(c, "attention.sliding_window", window);
    if ((rc = put_layers(c, "attention.sliding_window_pattern", true)) < 0)
        return rc;
    qfs_put_u32(c, "attention.kv_lora_rank_swa", rank);
    qfs_put_u32(c, "attention.key_length_swa", rank + rope);
    qfs_put_u32(c, "attention.value_length_swa", rank);
    qfs_put_u32(c, "attention.key_length_mla_swa", nope + rope);
    qfs_put_u32(c, "attention.value_length_mla_swa", value);
    return 0;
}

static int keys(struct qfs_converter *c)
{
    int rc = list_heads(c);
    if (rc < 0)
        return rc;
    qfs_hparam_remove(c, "head_dim");
    if ((rc = qfs_deepseek2_keys(c)) < 0 || (rc = put_sliding(c)) < 0)
        return rc;
    if (c->state)
        qfs_put_u32(c, "nextn_predict_layers", 1);
    if ((rc = qfs_put_indexer(c)) < 0)
        return rc;
    return put_layers(c, "attention.indexer.types", false);
}

static int vocab(struct qfs_converter *c)
{
    static const struct qfs_special_token tokens[] = {{"eot", "<|endofassistant|>"}, {NULL, NULL}};
    return qfs_vocab_gpt2_special(c->out, c->hparams, tokens, c->error);
}

const struct qfs_family qfs_family_dots3 = {
    .arch = "dots3note",
    .hf_classes = classes,
    .parent = &qfs_family_deepseek2,
    .begin = begin,
    .filter = filter,
    .extra = find_nextn,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};
