/* StarCoder 1 and 2, CodeShell. */
#include "converter.h"

static const char *const starcoder_classes[] = {"GPTBigCodeForCausalLM", NULL};
static const char *const starcoder2_classes[] = {"Starcoder2ForCausalLM", NULL};
static const char *const codeshell_classes[] = {"CodeShellForCausalLM", NULL};

static const struct qfs_key_rule starcoder_rules[] = {
    {QFS_RULE_U32, "context_length", {"n_positions"}},
    {QFS_RULE_U32, "embedding_length", {"n_embd"}},
    {QFS_RULE_FOURFOLD, "feed_forward_length", {"n_embd"}},
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head"}},
    {QFS_RULE_IS_U32, "attention.head_count_kv", .number = 1},
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_END},
};

static const struct qfs_key_rule codeshell_rules[] = {
    {QFS_RULE_U32, "context_length", {"n_positions"}},
    {QFS_RULE_U32, "embedding_length", {"n_embd"}},
    {QFS_RULE_FOURFOLD, "feed_forward_length", {"n_embd"}},
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head"}},
    {QFS_RULE_U32_OR_LIST, "attention.head_count_kv", {"num_query_groups"}},
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_IS_F32, "rope.freq_base", .number = 10000},
    {QFS_RULE_IS_TEXT, "rope.scaling.type", .text = "linear"},
    {QFS_RULE_IS_F32, "rope.scaling.factor", .number = 1},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_starcoder = {
    .arch = "starcoder",
    .hf_classes = starcoder_classes,
    .rules = starcoder_rules,
};

const struct qfs_family qfs_family_starcoder2 = {
    .arch = "starcoder2",
    .hf_classes = starcoder2_classes,
};

const struct qfs_family qfs_family_codeshell = {
    .arch = "codeshell",
    .hf_classes = codeshell_classes,
    .rules = codeshell_rules,
};
