/* Qwen 2 and 3, dense. */
#include "converter.h"

#include <string.h>

static const char *const qwen2_classes[] = {"Qwen2ForCausalLM", "Qwen2Model", "KORMoForCausalLM",
                                            NULL};
static const char *const qwen3_classes[] = {"Qwen3ForCausalLM", "Qwen3Model", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strcmp(c->hf_class, "Qwen2Model") == 0 &&
        !(name = qfs_arena_printf(c->arena, "model.%s", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    return rc < 0 ? rc : qfs_put_pooling(c);
}

/* SentencePiece where there is a tokenizer.model, byte-level BPE otherwise. */
static int vocab(struct qfs_converter *c)
{
    return qfs_vocab_sentencepiece_or_gpt2(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_qwen2 = {
    .arch = "qwen2",
    .hf_classes = qwen2_classes,
    .tensor = tensor,
    .keys = keys,
    .vocab = vocab,
};

const struct qfs_family qfs_family_qwen3 = {
    .arch = "qwen3",
    .hf_classes = qwen3_classes,
    .parent = &qfs_family_qwen2,
};
