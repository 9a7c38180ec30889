/* model: what a source is. A model directory's files, read and checked, as the reference would see
 * them: safetensors parts, config.json (raw and as transformers' AutoConfig gives it), the other
 * small JSON files, README.md's front matter. Knows nothing of GGUF tensor names or quantization.
 */
#ifndef QUANTFS_MODEL_H
#define QUANTFS_MODEL_H

#include "quantfs/base.h"
#include "quantfs/type.h"

enum { QFS_MAX_DIMS = 8 };

/* Element types of source tensors, as safetensors names them. */
enum qfs_dtype {
    QFS_DTYPE_F32,
    QFS_DTYPE_F16,
    QFS_DTYPE_BF16,
    QFS_DTYPE_F64,
    QFS_DTYPE_I64,
    QFS_DTYPE_I32,
    QFS_DTYPE_I16,
    QFS_DTYPE_I8,
    QFS_DTYPE_U8,
    QFS_DTYPE_BOOL,
    QFS_DTYPE_F8_E4M3,
    QFS_DTYPE_F8_E5M2,
    QFS_DTYPE_F8_E8M0,
    QFS_DTYPE_COUNT,
};

struct qfs_dtype_info {
    const char *name; /* "BF16" */
    uint8_t size;     /* bytes an element */
};

extern const struct qfs_dtype_info qfs_dtypes[QFS_DTYPE_COUNT];

/* One tensor of a source file. Bounds were checked: [offset, offset + nbytes) lies in the file and
 * nbytes is the product of shape and element size. */
struct qfs_tensor {
    const char *name;
    enum qfs_dtype dtype;
    uint8_t ndim;
    uint32_t file;               /* index into model->files */
    int64_t shape[QFS_MAX_DIMS]; /* outermost first, as torch prints it */
    uint64_t offset;             /* from the start of the file */
    uint64_t nbytes;
    const int64_t
        *strides; /* in elements, where they do not lie one behind the other; then nbytes is from
                             * the first to the last of them. NULL: they do */
    bool gguf;    /* of a GGUF file: stands there in `type`; dtype is what that decodes to */
    int8_t type;  /* enum qfs_type */
};

struct qfs_model_file {
    const char *name; /* relative to the model directory */
    int fd;
    uint64_t size;
    struct qfs_digest
        identity; /* digest of a hub blob, else device, inode, size, mtime, header hash */
    int64_t mtime_ns;
};

struct qfs_gguf;

/* An opened model. Immutable; everything lives until qfs_model_close. */
struct qfs_model {
    struct qfs_arena arena;
    char *path; /* as given; the directory of a GGUF source */
    char *name; /* what general.name comes from: last part of the absolute, unresolved path, or
                 * the repository's name for a hub snapshot; a GGUF file's name without its type.
                 * Views are NAME-TYPE.gguf */
    int dir_fd;
    int64_t mtime_ns; /* newest of the files: the views' mtime */

    /* A GGUF source: names of its file, or of the parts of its split set, below `path`. NULL: a
     * model directory. */
    const char **gguf_names;
    size_t ngguf_names;
    struct qfs_gguf *gguf; /* the first file's header; the model's */

    /* A LoRA adapter: its adapter_config.json, and the model that it is for, whose config and
     * config_raw are then this model's too. NULL: no adapter. */
    const struct qfs_json *adapter;
    const struct qfs_json *adapter_raw; /* the adapter's own config.json, NULL if absent */
    struct qfs_model *base;             /* its configuration only */

    struct qfs_model_file *files;
    size_t nfiles;
    struct qfs_tensor
        *tensors; /* the converter's order: parts by name, names sorted inside a part */
    size_t ntensors;
    struct qfs_map tensor_index; /* name → index into tensors */

    const struct qfs_json *config_raw; /* config.json as it is written; object */
    const struct qfs_json *config;     /* as ModelBase.load_hparams gives it: AutoConfig's dict, or
                                        * config_raw where AutoConfig fails; object */
    bool config_auto;                  /* config is AutoConfig's: id2label's keys are its numbers */
    bool config_refused; /* AutoConfig raises what AutoTokenizer lets pass: no tokenizer then */
    bool
        mistral_format; /* params.json and consolidated*.safetensors: then config is the former, and
                          * config_raw is empty */
    const char
        *pre; /* the pre-tokenizer's name to go on with where llama.cpp knows none; or NULL */
    const struct qfs_json *generation_config; /* as the converter reads it, NULL if absent */
    const struct qfs_json *tokenizer_config;  /* tokenizer_config.json raw, NULL if absent */
    const struct qfs_json *card; /* README.md's front matter, PyYAML-typed; NULL if none */
};

/* Opens `path` (a model directory, a hub snapshot, a `models--org--name` folder, `org/name` to be
 * found in the hub cache, a GGUF file or a directory that holds one). Caller owns *ret_model. Reads headers and small files only, no
 * weights. */
int qfs_model_open(const char *path, struct qfs_model **ret_model,
                   struct qfs_error *error) QFS_MUST_USE;
/* Reads all weights: the files' identities become those of their content, and a hub blob whose content
 * is not what its name says is an error. For a model that nothing else uses yet. */
int qfs_model_verify(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
struct qfs_model_how {
    const char *base;    /* directory of the base model of a LoRA adapter; NULL: where the adapter's
                       * base_model_name_or_path says */
    bool mistral_format; /* params.json counts, config.json does not */
};
int qfs_model_open_with(const char *path, const struct qfs_model_how *how,
                        struct qfs_model **ret_model, struct qfs_error *error) QFS_MUST_USE;
void qfs_model_close(struct qfs_model *model);

const struct qfs_tensor *qfs_model_tensor(const struct qfs_model *model, const char *name);

/* Reads bytes of a tensor. -EIO when the file ends early, -ESTALE when it is no longer the file
 * that was opened. Any thread. */
int qfs_model_pread(const struct qfs_model *model, const struct qfs_tensor *tensor, uint64_t offset,
                    void *data, size_t size, struct qfs_error *error) QFS_MUST_USE;

/* -- pieces of opening; model_open.c calls them in this order -------------------------------------
 */

/* Where SOURCE is: resolves org/name and models--org--name, sets model->path, name, dir_fd. */
int qfs_source_locate(struct qfs_model *model, const char *source,
                      struct qfs_error *error) QFS_MUST_USE;
/* A JSON file of the model directory that may be absent: then *ret_value stays as it is. open.c */
int qfs_model_json(struct qfs_model *model, const char *name, const struct qfs_json **ret_value,
                   struct qfs_error *error) QFS_MUST_USE;
/* config.json: sets config_raw and config. */
int qfs_config_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* params.json though there may be a config.json, from which names are still taken. */
int qfs_params_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* generation_config.json: sets generation_config. open.c */
int qfs_generation_config_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* README.md: sets card. */
int qfs_card_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* Parts: sets files, tensors, tensor_index. */
int qfs_parts_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* The same for a LoRA adapter, whose weights are one file. */
int qfs_adapter_parts_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;
/* adapter_config.json, if the directory is an adapter and no model: sets adapter, base, config,
 * config_raw. adapter.c */
int qfs_adapter_load(struct qfs_model *model, const char *base,
                     struct qfs_error *error) QFS_MUST_USE;
/* All of a GGUF source: sets gguf, files, tensors, tensor_index. gguf_source.c */
int qfs_gguf_source_load(struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;

/* -- SentencePiece models (tokenizer.model): sentencepiece.c ------------------------------------- */

enum qfs_piece_type { /* sentencepiece_model.proto's ModelProto.SentencePiece.Type */
                      QFS_PIECE_NORMAL = 1,
                      QFS_PIECE_UNKNOWN = 2,
                      QFS_PIECE_CONTROL = 3,
                      QFS_PIECE_USER_DEFINED = 4,
                      QFS_PIECE_UNUSED = 5,
                      QFS_PIECE_BYTE = 6,
};

enum qfs_sentencepiece_kind { /* TrainerSpec.ModelType */
                              QFS_SENTENCEPIECE_UNIGRAM = 1,
                              QFS_SENTENCEPIECE_BPE = 2,
                              QFS_SENTENCEPIECE_WORD = 3,
                              QFS_SENTENCEPIECE_CHAR = 4,
};

struct qfs_piece {
    struct qfs_text text; /* not empty */
    float score;
    enum qfs_piece_type type;
};

struct qfs_sentencepiece {
    struct qfs_piece *pieces;
    size_t npieces, capacity;
    enum qfs_sentencepiece_kind kind;
    bool byte_fallback;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces; /* of the normalizer */
    struct qfs_text precompiled_charsmap;                                /* empty: none */
    int32_t unk_id, bos_id, eos_id, pad_id; /* as the trainer was told; -1: none */
};

/* Reads what SentencePieceProcessor would load, and refuses what it refuses. Everything lives in
 * `arena` (the bytes may be freed). */
int qfs_sentencepiece_parse(struct qfs_arena *arena, const void *data, size_t size,
                            const char *shown, struct qfs_sentencepiece *ret_model,
                            struct qfs_error *error) QFS_MUST_USE;

/* -- YAML
 * ------------------------------------------------------------------------------------------ */

/* A YAML document typed as PyYAML's SafeLoader types it, as a JSON tree (dates become strings in
 * str(date)'s form, as the converter's uses of them do). Lives in `arena`. */
int qfs_yaml_parse(struct qfs_arena *arena, const char *text, size_t size, const char *shown,
                   const struct qfs_json **ret_value, struct qfs_error *error) QFS_MUST_USE;

/* -- typed key-values in GGUF's encoding
 * ------------------------------------------------------------ Keys that the converter writes, or
 * that a GGUF source or imatrix holds. A value is kept as the bytes that follow its type number in
 * the file, so writing a header is concatenation. */

enum qfs_kv_type {
    QFS_KV_U8,
    QFS_KV_I8,
    QFS_KV_U16,
    QFS_KV_I16,
    QFS_KV_U32,
    QFS_KV_I32,
    QFS_KV_F32,
    QFS_KV_BOOL,
    QFS_KV_STRING,
    QFS_KV_ARRAY,
    QFS_KV_U64,
    QFS_KV_I64,
    QFS_KV_F64,
    QFS_KV_TYPE_COUNT,
};

struct qfs_kv {
    const char *key;
    enum qfs_kv_type type;
    bool nul;            /* a string in it holds a NUL byte, where llama-quantize cuts it */
    const uint8_t *data; /* little-endian, as in the file; an array begins with item and count */
    size_t size;
};

struct qfs_kvs {
    struct qfs_arena *arena; /* holds keys and data; set by the owner before use */
    struct qfs_kv *items;
    size_t count, capacity;
    bool failed; /* out of memory, sticky: check once at the end */
};

/* Bytes of a number or bool; 0 for strings and arrays. */
size_t qfs_kv_scalar_size(enum qfs_kv_type type);

/* Setters replace a key that is there already, at its place, as GGUFWriter does. Keys are copied.
 */
void qfs_kv_set(struct qfs_kvs *kvs, const char *key, enum qfs_kv_type type, const void *data,
                size_t size);
void qfs_kv_u32(struct qfs_kvs *kvs, const char *key, uint32_t value);
void qfs_kv_i32(struct qfs_kvs *kvs, const char *key, int32_t value);
void qfs_kv_u64(struct qfs_kvs *kvs, const char *key, uint64_t value);
void qfs_kv_f32(struct qfs_kvs *kvs, const char *key, float value);
void qfs_kv_bool(struct qfs_kvs *kvs, const char *key, bool value);
void qfs_kv_text(struct qfs_kvs *kvs, const char *key, struct qfs_text value);
void qfs_kv_string(struct qfs_kvs *kvs, const char *key, const char *value);
/* `data`: count items back to back (not for strings). */
void qfs_kv_array(struct qfs_kvs *kvs, const char *key, enum qfs_kv_type item, const void *data,
                  size_t count);
void qfs_kv_texts(struct qfs_kvs *kvs, const char *key, const struct qfs_text *values,
                  size_t count);
void qfs_kv_remove(struct qfs_kvs *kvs, const char *key);
const struct qfs_kv *qfs_kv_find(const struct qfs_kvs *kvs, const char *key);
/* Integer-typed scalars of any width, and booleans; false when absent or of another type. */
bool qfs_kv_get_int(const struct qfs_kvs *kvs, const char *key, int64_t *ret_value);
bool qfs_kv_get_text(const struct qfs_kvs *kvs, const char *key, struct qfs_text *ret_value);

/* -- GGUF files as input ------------------------------------------------------------------------
 */

struct qfs_gguf_tensor {
    const char *name; /* at most 63 bytes, as ggml has it */
    enum qfs_type type;
    uint8_t ndim;
    int64_t ne[4];           /* ggml's order; unused are 1 */
    uint64_t offset, nbytes; /* in the file; checked to lie within it */
};

/* The header of a GGUF file, checked as gguf_init_from_file checks it and more. */
struct qfs_gguf {
    struct qfs_arena arena;
    struct qfs_kvs kvs;
    struct qfs_gguf_tensor *tensors;
    size_t ntensors;
    uint64_t data_offset;
};

/* Parses the first `size` bytes of a file of `file_size`. -EAGAIN when the header goes on beyond
 * `size` (and `size` is less than `file_size`): call again with more. `gguf` is filled (zeroed
 * before the call) and keeps no pointer into `data`; free it with qfs_gguf_done. `shown` names the
 * file. */
int qfs_gguf_parse(struct qfs_gguf *gguf, const uint8_t *data, size_t size, uint64_t file_size,
                   const char *shown, struct qfs_error *error) QFS_MUST_USE;
/* Reads the header of an open file. */
int qfs_gguf_read(struct qfs_gguf *gguf, int fd, const char *shown,
                  struct qfs_error *error) QFS_MUST_USE;
void qfs_gguf_done(struct qfs_gguf *gguf);

/* -- importance matrices ------------------------------------------------------------------------
 */

struct qfs_imatrix_entry {
    const char *name;    /* of the tensor: "blk.0.attn_q.weight" */
    const float *values; /* mean squared activation of each column, experts one after the other */
    size_t count;
};

/* Immutable; borrowed by view options and plans. */
struct qfs_imatrix {
    struct qfs_arena arena;
    const char *file;    /* written to quantize.imatrix.file */
    const char *dataset; /* first of the data sets, NULL: none */
    int32_t nchunks;
    struct qfs_imatrix_entry *entries; /* sorted by name */
    size_t nentries;
};

struct qfs_imatrix_options {
    const char *file; /* what quantize.imatrix.file is to hold; NULL: the base name of the path */
    const char *const *include; /* parts of names: only entries that hold one of them */
    size_t ninclude;
    const char *const *exclude; /* entries that hold none of them; not together with include */
    size_t nexclude;
};

/* Reads llama-imatrix's GGUF format or its older binary one, as llama-quantize does. `options` may
 * be NULL. -EINVAL for values that are not finite or negative: llama-quantize stops at them. */
int qfs_imatrix_open(const char *path, const struct qfs_imatrix_options *options,
                     struct qfs_imatrix **ret_imatrix, struct qfs_error *error) QFS_MUST_USE;
void qfs_imatrix_free(struct qfs_imatrix *imatrix);
/* NULL when the matrix has no such tensor. */
const struct qfs_imatrix_entry *qfs_imatrix_find(const struct qfs_imatrix *imatrix,
                                                 const char *name);

#endif
