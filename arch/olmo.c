/* OLMo 1, 2 and 3, OLMoE, and Seed-OSS, which the converter keeps with them. */
#include "converter.h"

#include <string.h>

static const char *const olmo_classes[] = {"OlmoForCausalLM", "OLMoForCausalLM", NULL};
static const char *const olmo2_classes[] = {"Olmo2ForCausalLM", "Olmo3ForCausalLM", NULL};
static const char *const olmoe_classes[] = {"OlmoeForCausalLM", NULL};
static const char *const seed_oss_classes[] = {"SeedOssForCausalLM", NULL};

static int olmo_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    return qfs_text_tensor(c, qfs_permute_qk(c, data, name, false), name, bid);
}

static int olmo_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    if (rc < 0)
        return rc;
    qfs_put_f32(c, "attention.layer_norm_epsilon", 1e-5);
    return qfs_put_one(c, "attention.clamp_kqv", QFS_PARAM_F32, {"clip_qkv"});
}

const struct qfs_family qfs_family_olmo = {
    .arch = "olmo",
    .hf_classes = olmo_classes,
    .tensor = olmo_tensor,
    .keys = olmo_keys,
};

/* OLMo 3: all layers slide but each fourth, unless config says which. */
static int olmo2_keys(struct qfs_converter *c)
{
    int64_t nlayers;
    int rc = qfs_text_keys(c);
    if (rc < 0 || !qfs_hparam(c, "sliding_window") ||
        (rc = qfs_put_one(c, "attention.sliding_window", QFS_PARAM_U32, {"sliding_window"}, true)) <
            0)
        return rc;
    if (qfs_hparam(c, "layer_types"))
        return qfs_put_sliding_layers(c);
    if ((rc = qfs_hparam_count(c, &nlayers, "num_hidden_layers")) < 0)
        return rc;
    if (nlayers > 4096)
        return qfs_fail(c->error, EINVAL, "%s/config.json: num_hidden_layers is too large",
                        c->model->path);
    uint8_t *slides = qfs_arena_array(c->arena, (size_t)nlayers, sizeof(*slides));
    if (!slides)
        return qfs_fail_memory(c->error);
    for (int64_t i = 0; i < nlayers; i++)
        slides[i] = (i + 1) % 4 != 0;
    qfs_put_bools(c, "attention.sliding_window_pattern", slides, (size_t)nlayers);
    return 0;
}

const struct qfs_family qfs_family_olmo2 = {
    .arch = "olmo2",
    .hf_classes = olmo2_classes,
    .keys = olmo2_keys,
};

static int olmoe_keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    qfs_put_f32(c, "attention.layer_norm_rms_epsilon", 1e-5);
    return rc;
}

const struct qfs_family qfs_family_olmoe = {
    .arch = "olmoe",
    .hf_classes = olmoe_classes,
    .tensor = qfs_mlp_experts_tensor,
    .keys = olmoe_keys,
};

const struct qfs_family qfs_family_seed_oss = {
    .arch = "seed_oss",
    .hf_classes = seed_oss_classes,
};
