/* T5 and its relatives: encoder and decoder, or the encoder alone. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"T5WithLMHeadModel",
                                      "T5ForConditionalGeneration",
                                      "MT5ForConditionalGeneration",
                                      "UMT5ForConditionalGeneration",
                                      "UMT5Model",
                                      NULL};
static const char *const encoder_classes[] = {"T5EncoderModel", NULL};

/* The embeddings are saved under any of three names, or under several: the first one counts. */
static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const shared[] = {"decoder.embed_tokens.weight",
                                         "encoder.embed_tokens.weight", "shared.weight"};
    for (size_t i = 0; i < QFS_COUNT(shared); i++) {
        if (strcmp(name, shared[i]) != 0)
            continue;
        if (c->state)
            return 0;
        c->state = c;
        name = "shared.weight";
        break;
    }
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule before[] = {
        {QFS_RULE_U32, "embedding_length", {"d_model"}},
        {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"d_ff"}},
        {QFS_RULE_BLOCK_COUNT},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule after[] = {
        {QFS_RULE_U32_OR_LIST, "attention.head_count", {"num_heads"}},
        {QFS_RULE_U32, "attention.key_length", {"d_kv"}},
        {QFS_RULE_U32, "attention.value_length", {"d_kv"}},
        {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
        {QFS_RULE_U32, "attention.relative_buckets_count", {"relative_attention_num_buckets"}},
        {QFS_RULE_F32, "attention.layer_norm_rms_epsilon", {"layer_norm_epsilon"}},
        {QFS_RULE_END},
    };
    const struct qfs_json *nctx = qfs_hparam(c, "n_positions");
    const struct qfs_json *decoder = qfs_hparam(c, "num_decoder_layers");
    bool whole = strcmp(c->arch, "t5") == 0;
    int rc;
    qfs_put_u32(c, "context_length", 512);
    if (!qfs_json_is_null(nctx) &&
        (rc = qfs_put_param(c, "context_length", QFS_PARAM_U32, nctx)) < 0)
        return rc;
    if ((rc = qfs_put_rules(c, before)) < 0)
        return rc;
    if (whole && !qfs_json_is_null(decoder) &&
        (rc = qfs_put_param(c, "decoder_block_count", QFS_PARAM_U32, decoder)) < 0)
        return rc;
    if ((rc = qfs_put_rules(c, after)) < 0 ||
        (whole && (rc = qfs_put_one(c, "decoder_start_token_id", QFS_PARAM_U32,
                                    {"decoder_start_token_id"}, true)) < 0))
        return rc;
    qfs_put_file_type(c);
    return 0;
}

const struct qfs_family qfs_family_t5 = {
    .arch = "t5",
    .hf_classes = classes,
    .tensor = tensor,
    .keys = keys,
    .vocab_method = qfs_vocab_t5,
};

const struct qfs_family qfs_family_t5encoder = {
    .arch = "t5encoder",
    .hf_classes = encoder_classes,
    .parent = &qfs_family_t5,
};
