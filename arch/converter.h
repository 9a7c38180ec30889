/* Private to the arch room: the converter at work, and what a family gives it.
 *
 * A family is the C counterpart of one of the converter's model classes: the class names it answers
 * to, tables of keys, and a few hooks, each with the converter's own moment to run. A hook that is
 * NULL means TextModel's behaviour; one that is there may call the qfs_text_* function it extends.
 */
#ifndef QUANTFS_ARCH_CONVERTER_H
#define QUANTFS_ARCH_CONVERTER_H

#include "quantfs/arch.h"
#include "vocab/vocab_ways.h"

struct qfs_converter;

/* One hyperparameter and the key it becomes. */
enum qfs_param_type {
    QFS_PARAM_U32,
    QFS_PARAM_U32_OR_LIST, /* a list becomes an array of int32, as GGUFWriter.add_array types it */
    QFS_PARAM_F32,
    QFS_PARAM_BOOL,
    QFS_PARAM_STRING,
    QFS_PARAM_LIST, /* an array, its items typed by the first: bool, int32 or float32 */
};

struct qfs_param {
    const char *key; /* behind "ARCH.": "context_length"; NULL ends a table */
    enum qfs_param_type type;
    const char *names[8]; /* the first that config has counts, even if it is null (then: no key) */
    bool required;        /* absent or null stops the converter */
};

/* One key of a family that writes all of its keys itself. What config must have is an error when it
 * has not. */
enum qfs_rule_kind {
    QFS_RULE_END,
    QFS_RULE_U32, /* the first of `names` that config has, as in struct qfs_param */
    QFS_RULE_U32_OR_LIST,
    QFS_RULE_F32,
    QFS_RULE_BOOL,
    QFS_RULE_TEXT,
    QFS_RULE_U32_OR, /* hparams.get(names[0], number) */
    QFS_RULE_F32_OR,
    QFS_RULE_BOOL_OR,
    QFS_RULE_FOURFOLD, /* four times that */
    QFS_RULE_IS_U32,   /* `number` */
    QFS_RULE_IS_F32,
    QFS_RULE_IS_TEXT, /* `text` */
    QFS_RULE_BLOCK_COUNT,
    QFS_RULE_FILE_TYPE,
    QFS_RULE_NO_BOS, /* tokenizer.ggml.add_bos_token is false */
};

struct qfs_key_rule {
    enum qfs_rule_kind kind;
    const char *key; /* behind "ARCH." */
    const char *names[4];
    double number;
    const char *text;
};

struct qfs_family {
    const char *arch;              /* GGUF's name: "llama" */
    const char *const *hf_classes; /* names in config.json's architectures; ends with NULL */
    const struct qfs_family
        *parent;             /* whose hooks serve where this one has none; NULL: TextModel */
    const char *layers_name; /* what config calls the number of layers, where no other model does */
    const struct qfs_param
        *params; /* keys after TextModel's, before the `keys` hook; may be NULL */
    const struct qfs_encoders *encoders; /* of projectors only: mmproj.h */
    /* Before anything else: may change c->hparams, block_count, arch, family. */
    int (*begin)(struct qfs_converter *c);
    /* filter_tensors: the name to go on with (may be `name`, or new in c's arena); *ret_name NULL
     * drops the tensor. */
    int (*filter)(struct qfs_converter *c, const char *name, const char **ret_name);
    /* _repack_nvfp4: what a weight's rows and their scales go through; nothing if NULL. */
    int (*nvfp4)(struct qfs_converter *c, const char *name, const struct qfs_recipe **weight,
                 const struct qfs_recipe **scale);
    /* dequant_model; NULL: qfs_dequant_model */
    int (*dequant)(struct qfs_converter *c);
    /* generate_extra_tensors: calls qfs_convert_tensor for each. */
    int (*extra)(struct qfs_converter *c);
    /* modify_tensors: calls qfs_text_tensor or qfs_emit. bid: -1 where the name has no number. */
    int (*tensor)(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                  int bid);
    /* tensor_force_quant: an enum qfs_type number; -1: no override; or one of the names below. */
    int (*force_quant)(struct qfs_converter *c, const char *name, const char *new_name, int bid,
                       int ndims);
    /* After the last tensor: what is still buffered is an error. */
    int (*finish)(struct qfs_converter *c);
    /* set_gguf_parameters, all of it: as a hook, or as a table. */
    int (*keys)(struct qfs_converter *c);
    const struct qfs_key_rule *rules;
    /* set_vocab: as a hook, or as one of the functions that it would only call. */
    int (*vocab)(struct qfs_converter *c);
    int (*vocab_method)(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error);
};

enum {
    QFS_QUANT_AS_OUTTYPE = -2,  /* tensor_force_quant returned True */
    QFS_QUANT_HALF_OR_F32 = -3, /* F16 if the outtype is F16, else F32 */
};

enum { /* llama.cpp's numbers of file types that do not follow from the outtype */
       QFS_FILE_TYPE_MXFP4 = 38,
       QFS_FILE_TYPE_NVFP4 = 39,
};

struct qfs_lazy {     /* an entry of the converter's model_tensors */
    const char *name; /* NULL: was removed, in a dequant hook only */
    const struct qfs_recipe *recipe;
};

struct qfs_converter {
    struct qfs_conversion *out;
    const struct qfs_model *model;
    struct qfs_arena *arena; /* out->arena */
    const struct qfs_family *family;
    const char *hf_class;
    const char *arch;
    struct qfs_json *config;   /* as load_hparams returns it, text_config where it belongs */
    struct qfs_json *hparams;  /* merged with text_config; a copy that hooks may change */
    struct qfs_mmproj *mmproj; /* of projectors only: mmproj.h */
    struct qfs_json *rope;     /* rope_parameters, a copy */
    enum qfs_draft draft;
    int64_t block_count;
    struct qfs_lazy *tensors; /* model_tensors: filtered and renamed, in order */
    size_t ntensors, tensors_capacity;
    struct qfs_map tensor_index; /* their names → number in tensors; read with qfs_tensor_find */
    struct qfs_map names;        /* source name pattern → tensor number, for this architecture */
    struct qfs_map emitted;      /* tensor names written so far */
    struct qfs_map experts;   /* expert weights seen so far: name → const struct qfs_recipe * */
    int64_t *experts_waiting; /* by layer, then second ones by layer: kept and not yet taken */
    void *state;              /* the family's own */
    bool nvfp4_renamed; /* compressed-tensors' names for NVFP4: qfs_nvfp4_tensors renames them */
    uint32_t file_type; /* general.file_type where it is not the outtype's (MXFP4, NVFP4), else 0 */
    struct qfs_error *error;
};

/* --mtp and --no-mtp. draft.c: refuses models whose class does not export draft heads; whether a
 * source tensor goes on (`name` as the file has it). */
int qfs_draft_check(struct qfs_converter *c);
int qfs_draft_keeps(struct qfs_converter *c, const char *name, bool *ret_kept);
/* Takes the draft layers out of hparams where they are left out. */
void qfs_draft_hparams(struct qfs_converter *c);

/* The conversion of a GGUF source: its keys and tensors as they stand. from_gguf.c */
int qfs_convert_gguf(struct qfs_conversion *out, struct qfs_error *error) QFS_MUST_USE;

/* The hook of the family or of the nearest ancestor that has it; NULL: none has. */
#define QFS_HOOK(c, hook)                               \
    ({                                                  \
        const struct qfs_family *family_ = (c)->family; \
        while (family_ && !family_->hook)               \
            family_ = family_->parent;                  \
        family_ ? family_->hook : NULL;                 \
    })

/* Of models in Mistral's own format, which name no class. mistral.c */
extern const struct qfs_family qfs_family_mistral_format;
/* The family that answers to a class name, NULL if none. list.c, list_mmproj.c */
const struct qfs_family *qfs_family_find(const char *hf_class);
const struct qfs_family *qfs_mmproj_family_find(const char *hf_class);
/* The `wanted` class names of all families that look most like `name`, best first; how many there
 * are in all. */
size_t qfs_classes_near(const char *name, const char **ret_names, size_t wanted);

/* load_hparams: sets c->config. get_model_architecture. architecture.c */
int qfs_config_prepare(struct qfs_converter *c);
int qfs_architecture_find(struct qfs_converter *c, enum qfs_product product, const char **ret_name);

/* -- hyperparameters: hparams.c
 * --------------------------------------------------------------------- */

/* TextModel.__init__ from its configuration on: hparams, block_count, rope. Families that take another
 * than AutoConfig's call it again in `begin`. convert.c */
int qfs_config_use(struct qfs_converter *c, const struct qfs_json *config);
/* A copy of an object with room for more members; NULL when out of memory. */
struct qfs_json *qfs_dict_copy(struct qfs_arena *arena, const struct qfs_json *object);
/* dict[key] = value; -ENOMEM. */
int qfs_dict_set(struct qfs_arena *arena, struct qfs_json *dict, const char *key,
                 const struct qfs_json *value);
/* {**dict, **other} */
int qfs_dict_merge(struct qfs_arena *arena, struct qfs_json *dict, const struct qfs_json *other);
/* find_hparam: the value of the first of `names` (ending with NULL) that is there; NULL if none. */
const struct qfs_json *qfs_hparam_first(const struct qfs_converter *c, const char *const *names);
const struct qfs_json *qfs_hparam(const struct qfs_converter *c, const char *name);
#define qfs_hparam_any(c, ...) qfs_hparam_first((c), (const char *const[]){__VA_ARGS__, NULL})
/* hparams[name] as an integer ≥ 0, an error naming config.json and the key otherwise. */
int qfs_hparam_size(struct qfs_converter *c, const char *const *names, int64_t *ret_value);
#define qfs_hparam_count(c, ret_value, ...) \
    qfs_hparam_size((c), (const char *const[]){__VA_ARGS__, NULL}, (ret_value))
/* hparams.get(name, fallback); an error where it is there and is no count. */
int qfs_hparam_count_or(struct qfs_converter *c, const char *name, int64_t fallback,
                        int64_t *ret_value);
/* hparams[name] = value */
int qfs_hparam_set(struct qfs_converter *c, const char *name, const struct qfs_json *value);
int qfs_hparam_set_int(struct qfs_converter *c, const char *name, int64_t value);
/* hparams.pop(name, None) */
void qfs_hparam_remove(struct qfs_converter *c, const char *name);
/* The number under `key`, `fallback` where it is absent or none. */
double qfs_json_number_or(const struct qfs_json *object, const char *key, double fallback);
/* hparams[name] as a number. */
int qfs_hparam_real(struct qfs_converter *c, const char *name, double *ret_value);
/* rope_parameters[name]; `fallback` where it is absent, an error where that is NAN. */
int qfs_rope_number(struct qfs_converter *c, const char *name, double fallback, double *ret_value);

/* -- keys: keys.c
 * ----------------------------------------------------------------------------------- */

/* "ARCH.name" in the arena. */
const char *qfs_key(struct qfs_converter *c, const char *name);
int qfs_put_param(struct qfs_converter *c, const char *key, enum qfs_param_type type,
                  const struct qfs_json *value);
int qfs_put_params(struct qfs_converter *c, const struct qfs_param *table);
/* A table of one key. */
#define qfs_put_one(c, ...) qfs_put_params((c), (const struct qfs_param[]){{__VA_ARGS__}, {NULL}})
void qfs_put_u32(struct qfs_converter *c, const char *name, int64_t value);
void qfs_put_f32(struct qfs_converter *c, const char *name, double value);
void qfs_put_bool(struct qfs_converter *c, const char *name, bool value);
void qfs_put_i32s(struct qfs_converter *c, const char *name, const int32_t *items, size_t count);
void qfs_put_f32s(struct qfs_converter *c, const char *name, const float *items, size_t count);
void qfs_put_bools(struct qfs_converter *c, const char *name, const uint8_t *items, size_t count);
void qfs_put_string(struct qfs_converter *c, const char *name, const char *value);
/* attention.sliding_window_pattern from layer_types, which config must have. */
int qfs_put_sliding_layers(struct qfs_converter *c);
int qfs_put_rules(struct qfs_converter *c, const struct qfs_key_rule *table);
/* set_gguf_parameters of the family. */
int qfs_put_keys(struct qfs_converter *c);
/* hparams[name], where it is there, as a float for each layer; 0 where the list has none. */
int qfs_put_layer_limits(struct qfs_converter *c, const char *key, const char *name);
/* expert_gating_func: sigmoid */
void qfs_put_sigmoid_gating(struct qfs_converter *c);
/* [item == value for item in hparams[name]] as an array of bools; nothing where it is absent or null.
 */
int qfs_put_layer_flags(struct qfs_converter *c, const char *key, const char *name,
                        const char *value);
/* hparams.get(name, fallback) */
int qfs_put_param_or(struct qfs_converter *c, const char *key, enum qfs_param_type type,
                     const char *name, double fallback);
/* general.file_type, where a family writes its keys itself */
void qfs_put_file_type(struct qfs_converter *c);
/* _try_set_pooling_type: sentence-transformers' modules.json. */
int qfs_put_pooling(struct qfs_converter *c);

/* -- shared by families
 * ---------------------------------------------------------------------------- */

/* find_hparam(names, optional=True) or fallback: the fallback also where the value is null or 0. mamba.c,
 * as all of the following */
int qfs_hparam_or(struct qfs_converter *c, const char *const *names, int64_t fallback,
                  int64_t *ret_value);
/* attention.layer_norm_rms_epsilon of layer_norm_epsilon or rms_norm_eps, or this */
int qfs_mamba_epsilon(struct qfs_converter *c, double fallback);
/* -exp(data) where the name ends in .A_log, else data */
const struct qfs_recipe *qfs_mamba_decay(struct qfs_converter *c, const struct qfs_recipe *data,
                                         const char *name);
/* Mamba2Model's hooks, for what has it among other layers */
struct qfs_mamba2 {
    int64_t width, expand, inner, ngroups; /* d_model, expand, d_inner, n_group */
};
struct qfs_mamba2_names { /* config's names, each list ending with NULL */
    const char *conv[5], *state[5], *dim[5];
    bool strict; /* sizes must fit together */
};
/* set_vocab: hparams.pad_vocab_size_multiple decides how it is filled up. */
int qfs_mamba2_vocab(struct qfs_converter *c);
int qfs_mamba2_begin(struct qfs_converter *c);
int qfs_mamba2_filter(struct qfs_converter *c, const char *name, const char **ret_name);
/* What modify_tensors makes of a tensor's values. */
const struct qfs_recipe *qfs_mamba2_shape(struct qfs_converter *c, const struct qfs_recipe *data,
                                          const char *name, const char *new_name, int bid,
                                          const struct qfs_mamba2 *sizes);
/* set_gguf_parameters */
int qfs_mamba2_put(struct qfs_converter *c, const struct qfs_mamba2 *sizes,
                   const struct qfs_mamba2_names *names);
/* BertModel's hooks, for its relatives: bert.c */
extern const struct qfs_family qfs_family_bert;
int qfs_bert_begin(struct qfs_converter *c);
int qfs_bert_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_bert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    int bid);
int qfs_bert_keys(struct qfs_converter *c);
int qfs_bert_vocab(struct qfs_converter *c);
/* max_position_embeddings without those up to the padding token's: roberta.c */
int qfs_roberta_positions(struct qfs_converter *c);
/* hidden_size / num_attention_heads, 0 where there are no heads. llama.c */
int qfs_hidden_by_heads(struct qfs_converter *c, int64_t *ret_dim);
/* head_dim, or what hidden_size leaves a head. llama.c */
int qfs_head_dim(struct qfs_converter *c, int64_t *ret_dim);
/* int(head_dim * factor), where factor is rope_parameters' partial_rotary_factor or `fallback`;
 * head_dim as qfs_head_dim has it. */
int qfs_rotated_dim(struct qfs_converter *c, double fallback, int64_t *ret_dim);
/* hidden_size and num_attention_heads, of which `factor` of a head is rotated: an error where one of
 * them is no size. What is rotated is rounded by the caller, as each class does it. */
int qfs_rotary_sizes(struct qfs_converter *c, double factor, int64_t *ret_hidden,
                     int64_t *ret_nheads);
/* Block count and layers of draft heads: num_hidden_layers + num_nextn_predict_layers. */
int qfs_begin_with_nextn(struct qfs_converter *c);
/* DeepseekV2Model's hooks, for what is built like it: deepseek.c */
extern const struct qfs_family qfs_family_deepseek2;
int qfs_deepseek2_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid);
int qfs_deepseek2_keys(struct qfs_converter *c);
/* Sizes of a multi-head latent attention's heads. */
struct qfs_mla {
    int64_t nheads, nope, value;
};
/* kv_b_proj split into k_b (transposed) and v_b, which are given the names of GGUF or of the source. */
int qfs_mla_split(struct qfs_converter *c, const struct qfs_recipe *data, int bid,
                  const struct qfs_mla *mla, const char *k_name, const char *v_name);
/* A split with sizes of hparams and names that have kv_b_proj replaced. */
int qfs_mla_kv_b(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid,
                 const char *nheads_name);
/* rope.scaling.type none */
void qfs_put_no_rope_scaling(struct qfs_converter *c);
/* nextn_predict_layers, where config has it */
int qfs_put_nextn(struct qfs_converter *c);
/* Sizes of the sparse attention's indexer, which config must have. */
int qfs_put_indexer(struct qfs_converter *c);
/* Weights of a KDA layer's convolutions as [1, channels, 1, taps]; others as they are. */
const struct qfs_recipe *qfs_kda_conv(struct qfs_converter *c, const struct qfs_recipe *data,
                                      const char *name);
/* head_count_kv by layer: 1 where linear_attn_config's full_attn_layers (which count from 1) has it,
 * else 0. */
int qfs_put_kda_layers(struct qfs_converter *c);
/* rope_parameters, those of full attention where there are several, if their rope_type is llama3; else
 * NULL. llama.c */
const struct qfs_json *qfs_llama3_rope(const struct qfs_converter *c);
/* The rope_freqs tensor where rope_type is llama3; nothing otherwise. llama.c */
int qfs_llama3_rope_factors(struct qfs_converter *c);

/* LlamaModel's: other families are made from it. llama.c */
extern const struct qfs_family qfs_family_llama;
int qfs_llama_filter(struct qfs_converter *c, const char *name, const char **ret_name);
/* Rows of q_proj.weight and k_proj.weight (with `biases`: and .bias) regrouped head by head, the number
 * of heads as config says it; other tensors as they are. */
const struct qfs_recipe *qfs_permute_qk(struct qfs_converter *c, const struct qfs_recipe *data,
                                        const char *name, bool biases);
int qfs_llama_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid);
int qfs_llama_keys(struct qfs_converter *c);
int qfs_llama_vocab(struct qfs_converter *c);
/* Qwen 2 MoE's, and Qwen 3's with its rerankers. qwen_moe.c, qwen.c */
int qfs_qwen_moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid);
int qfs_qwen_moe_keys(struct qfs_converter *c);
int qfs_qwen3_keys(struct qfs_converter *c);
int qfs_qwen3_vocab(struct qfs_converter *c);
int qfs_qwen3moe_vocab(struct qfs_converter *c);
/* Qwen 3 Next's and 3.5's. qwen_next.c */
int qfs_qwen_next_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_qwen_next_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                         int bid);
int qfs_qwen_next_keys(struct qfs_converter *c);
int qfs_qwen35_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid);
int qfs_qwen35_keys(struct qfs_converter *c);
/* Gemma 3's. gemma.c */
extern const struct qfs_family qfs_family_gemma3;
int qfs_gemma3_keys(struct qfs_converter *c);
int qfs_gemma3_vocab(struct qfs_converter *c);
/* Embeddings without the rows beyond the vocabulary, other tensors as they are; NULL: failed. */
const struct qfs_recipe *qfs_gemma3_trim(struct qfs_converter *c, const struct qfs_recipe *data,
                                         const char *name);
/* Granite's. granite.c */
int qfs_granite_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_granite_keys(struct qfs_converter *c);
int qfs_granite_moe_keys(struct qfs_converter *c);
int qfs_granite_moe_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid);
/* qfs_llama3_rope_factors with another factor where rope_parameters has none. */
int qfs_llama3_rope_factors_or(struct qfs_converter *c, double default_factor);
/* rope_parameters' long_factor and short_factor as tensors, where it has them; `dim`: rotated
 * dimensions. minicpm.c */
int qfs_longrope_factors(struct qfs_converter *c, int64_t dim);

/* -- TextModel: text_model.c
 * ------------------------------------------------------------------------- */

int qfs_text_filter(struct qfs_converter *c, const char *name, const char **ret_name);
int qfs_text_keys(struct qfs_converter *c);
int qfs_text_vocab(struct qfs_converter *c);
/* set_vocab of the family. */
int qfs_put_vocab(struct qfs_converter *c);
int qfs_text_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    int bid);

/* -- model_tensors and what checkpoints pack: dequant.c
 * --------------------------------------------------------------------- */

/* What prepare_tensors does with them before it looks at any. */
int qfs_unpack_tensors(struct qfs_converter *c);
/* prepare_tensors' look at quantization_config and hf_quant_config.json: sets c->file_type where the file will be
 * MXFP4 or NVFP4. quant_config.c */
int qfs_quant_config(struct qfs_converter *c);
/* Whether compressed-tensors' format and config_groups say NVFP4 throughout. */
bool qfs_nvfp4_is_compressed(const struct qfs_json *format, const struct qfs_json *groups);
/* _generate_nvfp4_tensors: writes the tensors that are NVFP4, and takes them away. nvfp4.c */
int qfs_nvfp4_tensors(struct qfs_converter *c);
/* The nvfp4 hook of a family that leaves out its parent's. */
int qfs_nvfp4_keep(struct qfs_converter *c, const char *name, const struct qfs_recipe **weight,
                   const struct qfs_recipe **scale);
/* dequant_model: quantization_config says which tensors belong together and how. */
int qfs_dequant_model(struct qfs_converter *c);
/* model_tensors[name]; NULL if there is none. Good until the next qfs_tensor_set. */
struct qfs_lazy *qfs_tensor_find(const struct qfs_converter *c, const char *name);
/* model_tensors[name] = recipe, at its old place or at the end; an error when recipe is NULL. */
int qfs_tensor_set(struct qfs_converter *c, const char *name, const struct qfs_recipe *recipe);
/* model_tensors.pop(name, None) */
void qfs_tensor_remove(struct qfs_converter *c, const char *name);
/* weight.float() * scale.float(), a scale for each block of `block` (config's list; NULL: none).
 * dequant_model's dequant_simple. */
const struct qfs_recipe *qfs_dequant_simple(struct qfs_converter *c,
                                            const struct qfs_recipe *weight,
                                            const struct qfs_recipe *scale,
                                            const struct qfs_json *block);

/* -- tensors: tensor_names.c, emit.c
 * ------------------------------------------------------------------ */

int qfs_names_init(struct qfs_converter *c);
/* map_tensor_name with suffixes .weight and .bias; NULL (and an error set) if unknown. */
const char *qfs_map_name(struct qfs_converter *c, const char *name);
/* The same with other suffixes ("" first), ending with NULL. */
const char *qfs_map_name_with(struct qfs_converter *c, const char *name,
                              const char *const *suffixes);
/* match_model_tensor_name: `key` as in gguf-py, "blk.{bid}.ffn_gate_inp". */
bool qfs_name_matches(const struct qfs_converter *c, const char *new_name, const char *key,
                      const char *suffix, int bid);
/* format_tensor_name */
const char *qfs_format_name(struct qfs_converter *c, const char *key, const char *suffix, int bid);
/* One round of prepare_tensors' loop, from the source name on. */
int qfs_convert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name);
/* Adds a tensor to the file. `name` is the source name. */
int qfs_emit(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
             const char *new_name, int bid);
/* The same for a tensor that the converter writes as it is, in the type of its blocks. */
int qfs_emit_blocks(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    const char *new_name);
/* A tensor of integers (below 2^24), written as I32. */
int qfs_emit_integers(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      const char *new_name);
/* The first number among the dotted parts of a name, -1 if there is none. */
int qfs_block_of(const char *name);
/* Of "model.layers.N…", N; -1 for other names. */
int64_t qfs_layer_of(const char *name);
/* Does the name begin with, hold, or end with one of these? They end with NULL. */
bool qfs_begins_with_any(const char *name, const char *const *prefixes);
bool qfs_holds_any(const char *name, const char *const *parts);
bool qfs_ends_with_any(const char *name, const char *const *suffixes);
/* Every `from` in it replaced; NULL (and an error set) when out of memory. */
const char *qfs_name_replace(struct qfs_converter *c, const char *name, const char *from,
                             const char *to);
/* The same, once and at the end only. */
const char *qfs_name_swap_suffix(struct qfs_converter *c, const char *name, const char *suffix,
                                 const char *instead);
/* What follows `head`, a number and a dot: "attn.q.weight" of "h.3.attn.q.weight"; NULL: not so. */
const char *qfs_layer_part(const char *name, const char *head);

/* The values of a tensor that is small and stored in floats, converted now. small_tensors.c */
int qfs_small_floats(struct qfs_converter *c, const struct qfs_recipe *source, float *ret_values,
                     int64_t count);

/* -- experts: experts.c ------------------------------------------------------------------------------ */

struct qfs_expert_layout {
    const char *part;   /* name of one expert's weight: {bid}, {xid}, {w} */
    const char *merged; /* source name of the stack: {bid}, {w} */
    const char
        *weights[4]; /* what {w} stands for, in the order the stacks are written; ends with NULL */
    bool second;     /* counted apart from the layer's other experts */
};

/* "model.layers.N.mlp.experts.X.{down,gate,up}_proj.weight", stacked in this order; the other: gate,
 * up, down. */
extern const struct qfs_expert_layout qfs_mlp_experts, qfs_mlp_experts_down_last;
/* "model.layers.N.block_sparse_moe.experts.X.{w1,w2,w3}.weight"; the other: stacked under the names of
 * Meta's code. */
extern const struct qfs_expert_layout qfs_moe_experts, qfs_mixtral_experts;

/* Keeps an expert's weight; stacks and emits all of a layer when the last one comes. */
int qfs_expert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid, int64_t nexperts, const struct qfs_expert_layout *layout);
/* The same with as many experts as hparams says under the first of the names that it has. */
int qfs_expert_tensor_counted(struct qfs_converter *c, const struct qfs_recipe *data,
                              const char *name, int bid, const struct qfs_expert_layout *layout,
                              const char *const *count_names);
#define qfs_expert_of(c, data, name, bid, layout, ...)              \
    qfs_expert_tensor_counted((c), (data), (name), (bid), (layout), \
                              (const char *const[]){__VA_ARGS__, NULL})

/* Experts that come in MXFP4, each with tensors of its own. */
struct qfs_packed_experts {
    const char *blocks, *scales; /* names of one expert's: {bid}, {xid}, {w} */
    struct {
        const char *weight, *name; /* what {w} stands for; GGUF's name of the stack */
    } stacks[3];
    bool everywhere; /* in all layers; else those without the first expert have none */
};

/* Stacks and emits them as they are; the file's type is MXFP4. */
int qfs_pack_experts(struct qfs_converter *c, int64_t nexperts,
                     const struct qfs_packed_experts *packed);

/* modify_tensors of families whose experts are called model.layers.{bid}.mlp.experts.{xid}.… */
int qfs_mlp_experts_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid);

/* -- recipes: recipe.c. NULL (and an error set) on failure or NULL operands, so calls may nest.
 * -------- */

const struct qfs_recipe *qfs_lazy_source(struct qfs_converter *c, const struct qfs_tensor *tensor);
const struct qfs_recipe *qfs_lazy_floats(struct qfs_converter *c, const float *data, int64_t count);
/* Rows of zeros of a dtype of at most 32 bits. */
const struct qfs_recipe *qfs_lazy_zeros(struct qfs_converter *c, enum qfs_dtype dtype,
                                        int64_t nrows, int64_t ncols);
/* Shape must have as many elements. */
const struct qfs_recipe *qfs_lazy_reshape(struct qfs_converter *c, const struct qfs_recipe *a,
                                          int ndim, const int64_t *shape);
const struct qfs_recipe *qfs_lazy_swapaxes(struct qfs_converter *c, const struct qfs_recipe *a,
                                           int i, int j); /* negative axes count from the end */
const struct qfs_recipe *qfs_lazy_slice(struct qfs_converter *c, const struct qfs_recipe *a,
                                        int axis, int64_t first, int64_t count);
/* a[first::step] along an axis */
const struct qfs_recipe *qfs_lazy_step(struct qfs_converter *c, const struct qfs_recipe *a,
                                       int axis, int64_t first, int64_t step);
/* `count` from `first` on, of each `step` one: what both are made of */
const struct qfs_recipe *qfs_lazy_cut(struct qfs_converter *c, const struct qfs_recipe *a, int axis,
                                      int64_t first, int64_t count, int64_t step);
/* torch.equal(a, b), of tensors as the files have them: reads their weights. recipe_equal.c */
int qfs_lazy_equal(struct qfs_converter *c, const struct qfs_recipe *a, const struct qfs_recipe *b,
                   bool *ret_equal);
/* torch.cat along axis 0; torch.stack with a new axis 0. */
const struct qfs_recipe *qfs_lazy_concat(struct qfs_converter *c,
                                         const struct qfs_recipe *const *parts, size_t count);
const struct qfs_recipe *qfs_lazy_stack(struct qfs_converter *c,
                                        const struct qfs_recipe *const *parts, size_t count);
const struct qfs_recipe *qfs_lazy_unary(struct qfs_converter *c, enum qfs_op op,
                                        const struct qfs_recipe *a, double number);
/* torch.squeeze: without the axes of length 1. */
const struct qfs_recipe *qfs_lazy_squeeze(struct qfs_converter *c, const struct qfs_recipe *a);
/* torch.squeeze(axis): without this axis where its length is 1. */
const struct qfs_recipe *qfs_lazy_squeeze_axis(struct qfs_converter *c, const struct qfs_recipe *a,
                                               int axis);
/* `count` new axes of one element at the end: unsqueeze(-1). */
const struct qfs_recipe *qfs_lazy_columns(struct qfs_converter *c, const struct qfs_recipe *a,
                                          int count);
const struct qfs_recipe *qfs_lazy_cast(struct qfs_converter *c, const struct qfs_recipe *a,
                                       enum qfs_dtype dtype);
/* QFS_OP_SCALE or OFFSET: as floats, with sizes[i] neighbours along axis i sharing one element
 * of b; b has as many axes, and one of size 1 serves its whole axis where sizes[i] is 1. */
const struct qfs_recipe *qfs_lazy_shared(struct qfs_converter *c, enum qfs_op op,
                                         const struct qfs_recipe *a, const struct qfs_recipe *b,
                                         const int64_t *sizes);
/* (a >> bits * k) & mask for k < count, along a new axis; as floats. */
const struct qfs_recipe *qfs_lazy_unpack(struct qfs_converter *c, const struct qfs_recipe *a,
                                         int axis, int bits, int64_t count);
/* QFS_OP_GPTQ; NULL without an error where shapes do not fit together. `first_version`: zeros are stored less
 * one. */
const struct qfs_recipe *qfs_lazy_gptq(struct qfs_converter *c, const struct qfs_recipe *qweight,
                                       const struct qfs_recipe *qzeros,
                                       const struct qfs_recipe *scales,
                                       const struct qfs_recipe *g_idx, int bits,
                                       bool first_version);
/* QFS_OP_MXFP4 or NVFP4. The result is as long as 32 or 16 times the scales' last axis. */
const struct qfs_recipe *qfs_lazy_fp4(struct qfs_converter *c, enum qfs_op op,
                                      const struct qfs_recipe *packed,
                                      const struct qfs_recipe *scales);
/* LlamaModel.permute: rows regrouped from rotate-half to interleaved pairs, head by head. */
const struct qfs_recipe *qfs_lazy_permute_heads(struct qfs_converter *c, const struct qfs_recipe *a,
                                                int64_t nheads);

#endif
