/* Private to the arch room: vocabularies that families choose from, beside those in quantfs/arch.h. One
 * function for each of the converter's _set_vocab_* methods, and for what classes do that several
 * families share. `hparams`: config merged with its text_config, as the family has changed it. */
#ifndef QUANTFS_ARCH_VOCAB_WAYS_H
#define QUANTFS_ARCH_VOCAB_WAYS_H

#include "quantfs/arch.h"

/* The methods of the converter's TextModel, named alike: _set_vocab_none … _set_vocab_plamo. */

int qfs_vocab_none(struct qfs_conversion *conversion, struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_gpt2 with model and pre "whitespace". vocab_gpt2.c */
int qfs_vocab_whitespace(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_glm: bos, eot, unk, eom from added tokens. vocab_gpt2.c */
int qfs_vocab_glm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                  struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_glmedge, which is Glm4Model.set_vocab too. vocab_gpt2.c */
int qfs_vocab_glmedge(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_interns1. vocab_gpt2.c */
int qfs_vocab_interns1(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_qwen: a tiktoken file (qwen.tiktoken and relatives). vocab_tiktoken.c */
int qfs_vocab_qwen(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_rwkv_world: rwkv_vocab_v20230424.txt. vocab_rwkv.c */
int qfs_vocab_rwkv_world(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_builtin: llama.cpp's own vocabulary "gpt-neox" or "llama-spm", cut after `vocab_size`
 * tokens. vocab_builtin.c */
int qfs_vocab_builtin(struct qfs_conversion *conversion, const char *name, int64_t vocab_size,
                      struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_mistral: tekken.json or tokenizer.model.vN as mistral_common reads them. `own_format`: the
 * model is in Mistral's format, whose chat_template.jinja counts. vocab_mistral.c */
int qfs_vocab_mistral(struct qfs_conversion *conversion, bool own_format,
                      struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_plamo: tokenizer.jsonl. vocab_plamo.c */
int qfs_vocab_plamo(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error) QFS_MUST_USE;

/* set_vocab of single classes that other families share or that are more than a few lines. */

/* BertModel._xlmroberta_set_vocab. `mask`: NomicBertMoe's <mask> at 250001. vocab_unigram.c */
int qfs_vocab_xlmroberta(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                         bool mask, struct qfs_error *error) QFS_MUST_USE;
/* T5Model.set_vocab: tokenizer.model or spiece.model. vocab_unigram.c */
int qfs_vocab_t5(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                 struct qfs_error *error) QFS_MUST_USE;
/* Phi3MiniModel.set_vocab. vocab_pieces.c, as the next three */
int qfs_vocab_phi3(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error) QFS_MUST_USE;
int qfs_vocab_internlm2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error) QFS_MUST_USE;
int qfs_vocab_internlm3(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error) QFS_MUST_USE;
int qfs_vocab_arctic(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                     struct qfs_error *error) QFS_MUST_USE;
/* XverseModel.set_vocab: tokenizer.json with Llama's bytes. vocab_xverse.c */
int qfs_vocab_xverse(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                     struct qfs_error *error) QFS_MUST_USE;
/* ChatGLMModel.set_vocab. vocab_gpt2.c */
int qfs_vocab_chatglm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error) QFS_MUST_USE;
/* Gemma4Model.set_vocab. vocab_llama_hf.c */
int qfs_vocab_gemma4(struct qfs_conversion *conversion, struct qfs_error *error) QFS_MUST_USE;
/* HunYuanMoEModel.set_vocab (`moe`), HunYuanModel.set_vocab: hy.tiktoken, or for the latter
 * tokenizer.json where it is there. vocab_tiktoken.c */
int qfs_vocab_hunyuan(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool moe,
                      struct qfs_error *error) QFS_MUST_USE;
/* DeepseekV2Model.set_vocab, and KimiLinearModel.set_vocab, which says eos too (`eos`): byte-level BPE
 * or else Kimi's tiktoken.model. vocab_tiktoken.c */
int qfs_vocab_deepseek2(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool eos,
                        struct qfs_error *error) QFS_MUST_USE;

/* get_vocab_base and SpecialVocab with what families add to them; all fields may be left out.
 * vocab_gpt2.c */
enum qfs_vocab_added { /* what becomes of added tokens */
                       QFS_VOCAB_ADDED_USUAL,
                       QFS_VOCAB_ADDED_SPACES, /* "▁" stays: _set_vocab_interns1 */
                       QFS_VOCAB_ADDED_PLAIN, /* as they stand, looks count for nothing: Dream, LLaDA */
};
struct qfs_vocab_way {
    const char *model_name; /* NULL: "gpt2" */
    const char *pre;        /* NULL: what the fingerprint says; else the fingerprint's is dropped */
    enum qfs_vocab_added added;
    const char *const *control;       /* texts of tokens that become CONTROL; ends with NULL */
    const char *const *special_types; /* SpecialVocab's argument; NULL: the default ones */
    /* _set_special_token(type, tokenizer.get_added_vocab()[text]), ending with type NULL */
    const struct qfs_special_token *texts;
    const struct qfs_special_id *ids; /* _set_special_token(type, id), ending with type NULL */
    const struct qfs_text *more;      /* CONTROL tokens behind the others */
    size_t nmore;
};
int qfs_vocab_gpt2_way(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                       const struct qfs_vocab_way *way, struct qfs_error *error) QFS_MUST_USE;

/* add_space_prefix where tokenizer_config.json has add_prefix_space, as ERNIE and Pangu write it.
 * vocab_files.c */
int qfs_vocab_space_prefix(struct qfs_conversion *conversion, struct qfs_error *error) QFS_MUST_USE;
/* One of the templates in llama.cpp's models/templates, by its file's name; an empty text if it is not
 * carried. vocab_builtin.c */
struct qfs_text qfs_vocab_template(const char *file);

#endif
