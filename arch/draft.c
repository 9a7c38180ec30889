/* Draft heads on their own (--mtp) or left out (--no-mtp): which models have them, and which tensors
 * are theirs. What else differs follows from the number of draft layers in config. */
#include "converter.h"

#include <string.h>

/* Classes with supports_mtp_export. */
static const char *const classes[] = {
    "BailingMoeV3ForCausalLM",
    "DeepseekV32ForCausalLM",
    "Dots3NoteForCausalLM",
    "Dots3NoteForConditionalGeneration",
    "Dots3NoteTextForCausalLM",
    "Glm4MoeForCausalLM",
    "Glm4vMoeForConditionalGeneration",
    "Glm4MoeLiteForCausalLM",
    "GlmMoeDsaForCausalLM",
    "HYV3ForCausalLM",
    "NemotronHForCausalLM",
    "Qwen3NextForCausalLM",
    "Qwen3_5ForConditionalGeneration",
    "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration",
    "Qwen3_5MoeForCausalLM",
    "MiniCPMV4_6ForConditionalGeneration",
    "Step3p5ForCausalLM",
    "Step3p7ForConditionalGeneration",
};

/* What a draft head shares with its model, and so is in its file too. */
static const char *const shared[] = {
    "model.embed_tokens.weight",
    "model.norm.weight",
    "lm_head.weight",
    "embed_tokens.weight",
    "norm.weight",
    "model.word_embeddings.weight",
    "backbone.embeddings.weight",
    "backbone.norm_f.weight",
    "lm_head.weight_scale",
    "lm_head.weight_scale_2",
};

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

int qfs_draft_check(struct qfs_converter *c)
{
    if (c->draft == QFS_DRAFT_KEPT || is_one_of(c->hf_class, classes, QFS_COUNT(classes)))
        return 0;
    return qfs_fail(c->error, ENOTSUP, "%s: --mtp and --no-mtp are not supported for %.80s",
                    c->model->path, c->hf_class);
}

void qfs_draft_hparams(struct qfs_converter *c)
{
    if (c->draft != QFS_DRAFT_LEFT)
        return;
    qfs_hparam_remove(c, "num_nextn_predict_layers");
    qfs_hparam_remove(c, "mtp_num_hidden_layers");
}

int qfs_draft_keeps(struct qfs_converter *c, const char *name, bool *ret_kept)
{
    int64_t nlayers;
    int rc = 0;
    *ret_kept = true;
    if (c->draft == QFS_DRAFT_KEPT)
        return 0;
    if ((rc = qfs_hparam_count(c, &nlayers, "n_layers", "num_hidden_layers", "n_layer",
                               "num_layers")) < 0 ||
        (rc = qfs_text_filter(c, name, &name)) < 0 || !name)
        return rc;
    bool draft = qfs_starts_with(name, "mtp.") || qfs_starts_with(name, "model.mtp.") ||
                 qfs_layer_of(name) >= nlayers;
    *ret_kept =
        c->draft == QFS_DRAFT_LEFT ? !draft : draft || is_one_of(name, shared, QFS_COUNT(shared));
    return 0;
}
