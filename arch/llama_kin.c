/* Llama under other names: SmolLM 3, Llama embeddings (Nemotron), Nanbeige, CogVLM, Sarashina 2. */
#include "converter.h"

#include <string.h>

static const char *const smollm3_classes[] = {"SmolLM3ForCausalLM", NULL};
static const char *const embed_classes[] = {"LlamaBidirectionalModel", NULL};
static const char *const nanbeige_classes[] = {"NanbeigeForCausalLM", NULL};
static const char *const cogvlm_classes[] = {"CogVLMForCausalLM", NULL};
static const char *const sarashina_classes[] = {"Sarashina2VisionForCausalLM", NULL};

const struct qfs_family qfs_family_smollm3 = {
    .arch = "smollm3",
    .hf_classes = smollm3_classes,
    .parent = &qfs_family_llama,
};

const struct qfs_family qfs_family_llama_embed = {
    .arch = "llama-embed",
    .hf_classes = embed_classes,
    .parent = &qfs_family_llama,
};

const struct qfs_family qfs_family_cogvlm = {
    .arch = "cogvlm",
    .hf_classes = cogvlm_classes,
    .parent = &qfs_family_llama,
};

/* Its layers run several times over. */
static int nanbeige_keys(struct qfs_converter *c)
{
    const struct qfs_json *loops = qfs_hparam(c, "num_loops");
    int64_t count = 1;
    int rc = qfs_family_llama.keys(c);
    if (rc == 0 && qfs_json_truthy(loops))
        rc = qfs_hparam_count(c, &count, "num_loops");
    if (rc < 0)
        return rc;
    qfs_put_u32(c, "num_loops", count);
    qfs_put_bool(c, "skip_loop_final_norm", qfs_json_truthy(qfs_hparam(c, "skip_loop_final_norm")));
    return 0;
}

const struct qfs_family qfs_family_nanbeige = {
    .arch = "nanbeige",
    .hf_classes = nanbeige_classes,
    .parent = &qfs_family_llama,
    .keys = nanbeige_keys,
};

static int sarashina_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "norm."))
        return 0;
    if (qfs_starts_with(name, "llm."))
        name += strlen("llm.");
    return qfs_family_llama.filter(c, name, ret_name);
}

const struct qfs_family qfs_family_sarashina2 = {
    .arch = "llama",
    .hf_classes = sarashina_classes,
    .parent = &qfs_family_llama,
    .filter = sarashina_filter,
};
