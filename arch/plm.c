/* PLM: multi-head latent attention without experts. */
#include "converter.h"

static const char *const classes[] = {"PLMForCausalLM", NULL};

static int keys(struct qfs_converter *c)
{
    static const struct qfs_key_rule sizes[] = {
        {QFS_RULE_U32, "vocab_size", {"vocab_size"}},
        {QFS_RULE_U32, "attention.kv_lora_rank", {"kv_lora_rank"}},
        {QFS_RULE_END},
    };
    static const struct qfs_key_rule heads[] = {
        {QFS_RULE_U32, "attention.value_length", {"v_head_dim"}},
        {QFS_RULE_U32, "rope.dimension_count", {"qk_rope_head_dim"}},
        {QFS_RULE_END},
    };
    int64_t nope, rope;
    int rc = qfs_text_keys(c);
    if (rc < 0 || (rc = qfs_put_rules(c, sizes)) < 0 ||
        (rc = qfs_hparam_count(c, &nope, "qk_nope_head_dim")) < 0 ||
        (rc = qfs_hparam_count(c, &rope, "qk_rope_head_dim")) < 0)
        return rc;
    qfs_put_u32(c, "attention.key_length", nope + rope);
    return qfs_put_rules(c, heads);
}

const struct qfs_family qfs_family_plm = {
    .arch = "plm",
    .hf_classes = classes,
    .keys = keys,
};
