/* arch: how the converter sees a model. One file a family, mostly tables; the result is the
 * converter's keys and tensors in the converter's order, each tensor with a recipe that says how
 * its rows come from source tensors. */
#ifndef QUANTFS_ARCH_H
#define QUANTFS_ARCH_H

#include "quantfs/base.h"
#include "quantfs/model.h"

/* -- recipes
 * ------------------------------------------------------------------------------------------ A
 * recipe is a small tree of lazy tensors, as LazyTorchTensor is in the converter: a shape, the
 * dtype torch would compute in, and how any run of elements comes from the operands. Nodes are
 * immutable, live in the conversion's arena and may be shared. quant/recipe_read.c evaluates them row by
 * row. */

enum qfs_op {
    QFS_OP_SOURCE,  /* source tensor, its own dtype */
    QFS_OP_DATA,    /* bytes in memory, dtype F32: generated tensors (rope factors) */
    QFS_OP_VIEW,    /* strided view of one operand: reshape, transpose, slice, permute */
    QFS_OP_CONCAT,  /* operands one after the other along axis 0 (stack: of views with a leading 1)
                     */
    QFS_OP_ADD,     /* operand + number, rounded in dtype */
    QFS_OP_MUL,     /* operand * number, rounded in dtype */
    QFS_OP_NEG_EXP, /* -exp(operand), torch's exp */
    QFS_OP_CAST,    /* operand to dtype, nearest even */
    QFS_OP_RECIPROCAL, /* 1 / operand */

    /* What a released checkpoint packs, to floats (dtype F32); quant/recipe_dequant.c */
    QFS_OP_SCALE,  /* operand 0 * operand 1; strides: how many elements of each axis share one of
                     * operand 1's (which has as many axes), 0: all of them */
    QFS_OP_OFFSET, /* operand 0 - operand 1, likewise */
    QFS_OP_UNPACK, /* integers of `bits` bits, lowest first, out of each of operand 0's integers: a
                     * new axis `axis` */
    QFS_OP_GPTQ, /* operands qweight [in / n, out], qzeros [groups, out / n], scales [groups, out],
                     * g_idx [in]: scales[g_idx] * (weight - zeros[g_idx] - number), transposed; `bits`
                     * bits a weight, n to an integer */
    QFS_OP_MXFP4, /* operand 0: weights of 4 bits, two to a byte, low nibble first; operand 1: a scale's
                     * byte for each 32. Also as ggml's blocks, bits moved only */
    QFS_OP_NVFP4, /* likewise, a scale for each 16 */
    QFS_OP_LORA, /* two operands, A [rank, columns] and B [rows, rank], with the shape of B @ A: while
                     * converting only, no tensor of a file has it */

    QFS_OP_SOFTPLUS, /* ln(1 + exp(operand)), torch's */
};

struct qfs_recipe {
    enum qfs_op op;
    enum qfs_dtype dtype; /* of the result: F32, F16 or BF16 (BF16 only straight from a source) */
    uint8_t ndim;
    uint8_t axis, bits;            /* UNPACK; bits: GPTQ too */
    int64_t shape[QFS_MAX_DIMS];   /* outermost first */
    int64_t strides[QFS_MAX_DIMS]; /* VIEW: in elements of the contiguous operand */
    int64_t start;                 /* VIEW: first element of the operand */
    double number;                 /* ADD, MUL */
    const struct qfs_tensor *source;
    const void *data;
    uint32_t noperands;
    const struct qfs_recipe *const *operands;
};

int64_t qfs_recipe_count(const struct qfs_recipe *recipe); /* elements of the result */
/* The type in whose blocks a recipe stands ready (MXFP4, NVFP4, tensors of GGUF files, stacks of them),
 * QFS_TYPE_NONE where it gives elements only. */
enum qfs_type qfs_recipe_type(const struct qfs_recipe *recipe);

/* -- conversion
 * ------------------------------------------------------------------------------------- */

enum qfs_outtype { /* the converter's --outtype */
                   QFS_OUTTYPE_F32,
                   QFS_OUTTYPE_F16,
                   QFS_OUTTYPE_BF16,
};

/* What the converter is asked for: each is a file of its own, with types and views of its own. */
enum qfs_product {
    QFS_PRODUCT_TEXT,   /* the language model */
    QFS_PRODUCT_MMPROJ, /* --mmproj: vision and audio encoders with their projectors */
    QFS_PRODUCT_LORA,   /* an adapter's file, as convert_lora_to_gguf.py writes it */
};

/* Draft heads (multi-token prediction, NextN) of models that have one. */
enum qfs_draft {
    QFS_DRAFT_KEPT, /* with the model */
    QFS_DRAFT_LEFT, /* --no-mtp: left out */
    QFS_DRAFT_ONLY, /* --mtp: alone */
};

/* The converter's options that change what it writes; zeroed: its defaults. */
struct qfs_convert_options {
    const char *model_name; /* --model-name: general.name; borrowed by the conversion */
    enum qfs_draft draft;
};

/* A tensor as the converter writes it. */
struct qfs_out_tensor {
    const char *name; /* "blk.0.attn_q.weight" */
    bool keep_f32;    /* vectors, norms and the few matrices that stay F32 whatever the outtype */
    bool half_or_f32; /* F16 where the outtype is F16, else F32 */
    int forced_type;  /* enum qfs_type number when the converter dictates one (MXFP4), else -1 */
    const struct qfs_recipe *recipe;
};

struct qfs_conversion {
    struct qfs_arena arena;
    const struct qfs_model *model; /* borrowed */
    enum qfs_product product;
    const char *arch;              /* "llama" */
    enum qfs_outtype auto_outtype; /* what --outtype auto decides */
    const char
        *given_pre; /* model->pre, where llama.cpp does not know the pre-tokenizer: then the file is
                            * not the converter's; else NULL */
    const char *model_name; /* general.name as it was asked for, NULL: as Metadata finds it */
    bool from_gguf; /* the source is a GGUF file: forced_type is each tensor's own, and every view,
                     * F32, F16 and BF16 too, is llama-quantize's */
    struct qfs_kvs kvs; /* the converter's order; general.file_type is set for auto_outtype */
    struct qfs_out_tensor *tensors; /* the converter's order */
    size_t ntensors, tensors_capacity;
};

/* Everything the converter would write for `model`, as a description; no weights are read. The
 * model must outlive the conversion. Caller owns *ret_conversion. */
int qfs_convert_with(const struct qfs_model *model, const struct qfs_convert_options *options,
                     struct qfs_conversion **ret_conversion, struct qfs_error *error) QFS_MUST_USE;
/* The same for --mmproj. -ENOENT, and no sentence, when the model has no encoders. */
int qfs_convert_mmproj(const struct qfs_model *model, struct qfs_conversion **ret_conversion,
                       struct qfs_error *error) QFS_MUST_USE;
void qfs_conversion_free(struct qfs_conversion *conversion);

/* -- parts of a conversion
 * --------------------------------------------------------------------------- */

/* The general.* keys (general.architecture is there already), from gguf-py's Metadata heuristics
 * over model->name, config and card. `nparams`: total weights of the tensors (size_label). Order
 * and types as Metadata.set_gguf_meta_model writes them. metadata.c */
int qfs_metadata_add(struct qfs_conversion *conversion, const uint64_t nparams[3], int64_t nexperts,
                     struct qfs_error *error) QFS_MUST_USE;

/* The tokenizer.* keys, in the converter's order, from the tokenizer's files of conversion->model.
 * `hparams`: config merged with its text_config, as the family has changed it. Families choose. */

/* _set_vocab_sentencepiece: tokenizer.model. -ENOENT (and nothing written) when there is none: the
 * converter's FileNotFoundError, after which families try the next. vocab_sentencepiece.c */
int qfs_vocab_sentencepiece(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                            struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_gpt2: byte-level BPE as AutoTokenizer builds it. vocab_gpt2.c */
int qfs_vocab_gpt2(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error) QFS_MUST_USE;
/* The same, with special tokens set by the name of an added token; `set` ends with type NULL.
 * An error where the tokenizer has no such token. */
struct qfs_special_token {
    const char *type, *token; /* "eot", "<|user|>" */
};
int qfs_vocab_gpt2_special(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                           const struct qfs_special_token *set,
                           struct qfs_error *error) QFS_MUST_USE;
/* _set_vocab_llama_hf: tokenizer.json with a Llama-like BPE. -ENOENT when it is another kind. */
int qfs_vocab_llama_hf(struct qfs_conversion *conversion, struct qfs_error *error) QFS_MUST_USE;
/* Qwen2Model.set_vocab and others: tokenizer.model if it is there, else as qfs_vocab_gpt2. */
int qfs_vocab_sentencepiece_or_gpt2(struct qfs_conversion *conversion,
                                    const struct qfs_json *hparams,
                                    struct qfs_error *error) QFS_MUST_USE;
/* LlamaModel.set_vocab: tries all of these, and has CodeLlama's and Granite's keys. vocab_llama.c */
int qfs_vocab_llama(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error) QFS_MUST_USE;
/* BertModel.set_vocab: WordPiece, and token_type_count. vocab_bert.c */
int qfs_vocab_bert(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error) QFS_MUST_USE;

/* gguf-py's SpecialVocab once more, as some families do after their vocabulary: special ids, add_*
 * flags, chat template. `types`: the special_token_types argument, ending with NULL (NULL: the
 * default ones). `ids`: what the family sets by _set_special_token, ending with type NULL (or NULL). */
struct qfs_special_id {
    const char *type; /* "eot" */
    int64_t id;
};
int qfs_vocab_add_special(struct qfs_conversion *conversion, const char *const *types,
                          const struct qfs_special_id *ids, bool with_chat_template,
                          struct qfs_error *error) QFS_MUST_USE;

#endif
