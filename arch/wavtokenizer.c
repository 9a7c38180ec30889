/* WavTokenizer's decoder: from codes to sound. */
#include "converter.h"

static const char *const classes[] = {"WavTokenizerDec", NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    static const char *const unused[] = {"codebook.cluster_size", "codebook.embed_avg",
                                         "codebook.inited", NULL};
    *ret_name = NULL;
    return qfs_ends_with_any(name, unused) ? 0 : qfs_text_filter(c, name, ret_name);
}

static int put_part(struct qfs_converter *c, const char *part)
{
    static const char *const fields[][2] = {{"n_embd", "embedding_length"},
                                            {"n_layer", "block_count"}};
    const struct qfs_json *config = qfs_hparam(c, part);
    for (size_t i = 0; i < QFS_COUNT(fields); i++) {
        const char *key = qfs_arena_printf(c->arena, "%s.%s", part, fields[i][1]);
        if (!key)
            return qfs_fail_memory(c->error);
        int rc = qfs_put_param(c, key, QFS_PARAM_U32, qfs_json_get(config, fields[i][0]));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule rules[] = {
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_U32, "features_length", {"n_embd_features"}},
        {QFS_RULE_U32_OR_LIST, "feed_forward_length", {"n_ff"}},
        {QFS_RULE_F32, "attention.group_norm_epsilon", {"group_norm_epsilon"}},
        {QFS_RULE_U32, "attention.group_norm_groups", {"group_norm_groups"}},
        {QFS_RULE_END},
    };
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_rules(c, rules)) < 0 || (rc = put_part(c, "posnet")) < 0 ||
        (rc = put_part(c, "convnext")) < 0)
        return rc;
    qfs_put_bool(c, "attention.causal", false);
    return 0;
}

static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_none(c->out, c->error);
}

const struct qfs_family qfs_family_wavtokenizer = {
    .arch = "wavtokenizer-dec",
    .hf_classes = classes,
    .filter = filter,
    .keys = keys,
    .vocab = vocab,
};
