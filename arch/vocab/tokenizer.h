/* Private to the arch room: a tokenizer as transformers' AutoTokenizer would build it from a model
 * directory, able to encode and decode.
 *
 * It is made for a few short texts (the converter's fixed text, the added tokens), not for speed. The
 * names of steps are those of Hugging Face's tokenizers library, whose JSON describes them; which JSON
 * counts (the file's, or the one of the class that transformers picks) is decided in tokenizer_class.c
 * and tokenizer_load.c. */
#ifndef QUANTFS_ARCH_TOKENIZER_H
#define QUANTFS_ARCH_TOKENIZER_H

#include "token_regex.h"
#include "vocab.h"

/* -- steps of a pipeline: tokenizer_steps.c ------------------------------------------------------------ */

enum qfs_step_kind {
    /* normalizers */
    QFS_STEP_BERT_NORMALIZER,
    QFS_STEP_NFC,
    QFS_STEP_NFD,
    QFS_STEP_NFKC,
    QFS_STEP_NFKD,
    QFS_STEP_LOWERCASE,
    QFS_STEP_NMT,
    QFS_STEP_PRECOMPILED,
    QFS_STEP_PREPEND,
    QFS_STEP_STRIP_ACCENTS,
    QFS_STEP_STRIP_SPACES, /* normalizer Strip */
    /* pre-tokenizers */
    QFS_STEP_BERT_PRE_TOKENIZER,
    QFS_STEP_CHAR_DELIMITER,
    QFS_STEP_DIGITS,
    QFS_STEP_FIXED_LENGTH,
    QFS_STEP_PUNCTUATION,
    QFS_STEP_SPLIT,
    QFS_STEP_WHITESPACE,
    QFS_STEP_WHITESPACE_SPLIT,
    /* decoders */
    QFS_STEP_BPE_DECODER,
    QFS_STEP_BYTE_FALLBACK,
    QFS_STEP_FUSE,
    QFS_STEP_STRIP_CHARS, /* decoder Strip */
    QFS_STEP_WORDPIECE,
    /* in more than one role */
    QFS_STEP_BYTE_LEVEL,
    QFS_STEP_METASPACE,
    QFS_STEP_REPLACE,
    QFS_STEP_UNSUPPORTED,
};

enum qfs_behavior {
    QFS_BEHAVIOR_ISOLATED,
    QFS_BEHAVIOR_REMOVED,
    QFS_BEHAVIOR_MERGED_WITH_PREVIOUS,
    QFS_BEHAVIOR_MERGED_WITH_NEXT,
    QFS_BEHAVIOR_CONTIGUOUS,
};

enum qfs_prepend { QFS_PREPEND_ALWAYS, QFS_PREPEND_FIRST, QFS_PREPEND_NEVER };

struct qfs_step {
    enum qfs_step_kind kind;
    struct qfs_regex *regex; /* SPLIT, REPLACE, BYTE_LEVEL with use_regex */
    struct qfs_text text;    /* content, prepend, prefix, suffix; PRECOMPILED: the rules */
    uint32_t character;      /* METASPACE's replacement, STRIP_CHARS' content, CHAR_DELIMITER's */
    enum qfs_behavior behavior;
    enum qfs_prepend prepend;
    bool invert, split, individual, cleanup, add_prefix_space;
    bool clean_text, chinese, strip_accents, lowercase; /* BERT_NORMALIZER */
    bool left, right;                                   /* STRIP_SPACES */
    size_t start, stop;                                 /* STRIP_CHARS; FIXED_LENGTH: start */
};

struct qfs_steps {
    struct qfs_step *items;
    size_t count, capacity;
    bool present; /* false: the pipeline has no such part */
};

enum qfs_role { QFS_ROLE_NORMALIZER, QFS_ROLE_PRE_TOKENIZER, QFS_ROLE_DECODER };

struct qfs_tokenizer;

/* Reads a part of a pipeline, sequences flattened. */
int qfs_steps_read(struct qfs_tokenizer *t, enum qfs_role role, const struct qfs_json *json,
                   struct qfs_steps *steps, struct qfs_error *error) QFS_MUST_USE;
void qfs_steps_done(struct qfs_steps *steps);

/* -- models: tokenizer_model.c ---------------------------------------------------------------------------- */

enum qfs_token_model_kind {
    QFS_MODEL_BPE,
    QFS_MODEL_WORDPIECE,
    QFS_MODEL_UNIGRAM,
    QFS_MODEL_WORDLEVEL,
};

struct qfs_merges; /* (left id, right id) → (rank, new id) */

struct qfs_token_model {
    enum qfs_token_model_kind kind;
    struct qfs_map ids;     /* text → id */
    struct qfs_text *texts; /* by id; data NULL: no such id */
    size_t limit;           /* ids are below this */
    struct qfs_merges *merges;
    struct qfs_text unk_token, prefix, suffix;
    bool has_unk, has_prefix, has_suffix;
    bool fuse_unk, byte_fallback, ignore_merges;
    size_t max_chars;          /* of a word: WORDPIECE */
    double *scores, min_score; /* UNIGRAM: by id */
    uint32_t unk_id;           /* where has_unk */
    size_t longest;            /* bytes of a token */
};

struct qfs_ids {
    uint32_t *items;
    size_t count, capacity;
    bool failed; /* out of memory, sticky */
};

void qfs_ids_add(struct qfs_ids *ids, uint32_t id);

/* `options`: the model's fields other than vocab and merges. `vocab`: an object or a list of tokens
 * (place = id). `merges` may be NULL. */
int qfs_token_model_read(struct qfs_tokenizer *t, enum qfs_token_model_kind kind,
                         const struct qfs_json *options, const struct qfs_json *vocab,
                         const struct qfs_json *merges, struct qfs_error *error) QFS_MUST_USE;
/* Ids of one word, appended. */
int qfs_token_model_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                           struct qfs_error *error) QFS_MUST_USE;
/* The kinds of tokenizer_unigram.c; qfs_token_model_read and _encode call them. */
int qfs_unigram_read(struct qfs_tokenizer *t, const struct qfs_json *options,
                     const struct qfs_json *vocab, struct qfs_error *error) QFS_MUST_USE;
int qfs_unigram_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                       struct qfs_error *error) QFS_MUST_USE;
int qfs_wordlevel_encode(struct qfs_tokenizer *t, struct qfs_text word, struct qfs_ids *ids,
                         struct qfs_error *error) QFS_MUST_USE;
void qfs_token_model_done(struct qfs_token_model *model);

/* -- added tokens: tokenizer_added.c ------------------------------------------------------------------------- */

enum qfs_flag { QFS_FLAG_UNSET, QFS_FLAG_FALSE, QFS_FLAG_TRUE };

struct qfs_added_token {
    struct qfs_text content;
    bool special;
    enum qfs_flag single_word, lstrip, rstrip; /* unset is false */
    enum qfs_flag normalized;                  /* unset is the opposite of special */
};

bool qfs_added_token_normalized(const struct qfs_added_token *token);
/* AddedToken(**json); an error where Python raises. `where` names the token for it. */
int qfs_added_token_read(const struct qfs_json *json, const char *where,
                         struct qfs_added_token *ret_token, struct qfs_error *error) QFS_MUST_USE;

struct qfs_added_entry { /* added_tokens_map_r: by id */
    uint32_t id;
    struct qfs_added_token token;
    struct qfs_text normalized; /* as the normalizer makes it, data NULL: the same */
};

struct qfs_trie_node {
    int32_t child, next; /* first child, next brother; -1: none */
    int32_t entry;       /* that ends here; -1: none */
    uint8_t byte;
};

struct qfs_trie {
    struct qfs_trie_node *nodes; /* 0: the root; none while count is 0 */
    size_t count, capacity;
};

struct qfs_added {
    struct qfs_added_entry **entries;
    size_t count, capacity;
    struct qfs_map ids;      /* content → id (added_tokens_map) */
    struct qfs_map places;   /* id's bytes → index into entries */
    struct qfs_map specials; /* contents that were special once */
    struct qfs_trie plain, normalized;
    bool stale; /* tries are older than entries */
};

/* Tokenizer.add_tokens */
int qfs_added_add(struct qfs_tokenizer *t, const struct qfs_added_token *token,
                  struct qfs_error *error) QFS_MUST_USE;
const struct qfs_added_entry *qfs_added_get(const struct qfs_added *added, uint32_t id);
void qfs_added_done(struct qfs_added *added);

/* -- pieces of a text on its way to ids ------------------------------------------------------------------------ */

struct qfs_bit {
    struct qfs_text text;
    int64_t id; /* of an added token, else -1 */
    bool first; /* begins where the whole text begins */
};

struct qfs_bits {
    struct qfs_bit *items;
    size_t count, capacity;
    bool failed; /* out of memory, sticky */
};

void qfs_bits_add(struct qfs_bits *bits, struct qfs_bit bit); /* empty ones are left out */
void qfs_bits_done(struct qfs_bits *bits);

/* The character that byte-level tokenizers write a byte as (bytes_to_unicode). */
uint32_t qfs_byte_character(uint8_t byte);
bool qfs_rust_space(uint32_t c); /* char::is_whitespace, \s */
bool qfs_rust_word(uint32_t c);  /* \w */

/* Normalizes `text` into t->scratch. tokenizer_normalize.c */
int qfs_normalize(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_text *ret_text,
                  struct qfs_error *error) QFS_MUST_USE;
/* extract_and_normalize: added tokens cut out, the rest normalized. tokenizer_added.c */
int qfs_added_extract(struct qfs_tokenizer *t, struct qfs_text text, struct qfs_bits *bits,
                      struct qfs_error *error) QFS_MUST_USE;
/* tokenizer_split.c */
int qfs_pre_tokenize(struct qfs_tokenizer *t, struct qfs_bits *bits,
                     struct qfs_error *error) QFS_MUST_USE;
/* Tokens to text, in t->scratch. tokenizer_decode.c */
int qfs_decode_tokens(struct qfs_tokenizer *t, struct qfs_text *tokens, size_t count,
                      struct qfs_text *ret_text, struct qfs_error *error) QFS_MUST_USE;

/* -- the tokenizer ------------------------------------------------------------------------------------------------ */

/* What the post-processor puts around a text: ids, or the text itself. */
struct qfs_template_part {
    bool text;
    uint32_t id;
};

struct qfs_template { /* one processor */
    struct qfs_template_part *parts;
    size_t count;
};

struct qfs_named_token {  /* of _special_tokens_map */
    struct qfs_text name; /* "bos_token" */
    bool set, is_string;  /* is_string: a str, not an AddedToken */
    struct qfs_added_token token;
};

struct qfs_tokenizer {
    struct qfs_arena arena, scratch; /* scratch: until the next encode or decode */
    const struct qfs_model *model;   /* borrowed */
    const char *shown;               /* "PATH/tokenizer.json" */
    const char *class_name;          /* "Qwen2Tokenizer" */
    const struct qfs_json *json;     /* tokenizer.json, NULL if there is none */
    struct qfs_steps normalizers, pre_tokenizers, decoders;
    struct qfs_token_model tokens;
    struct qfs_added added;
    struct qfs_template *templates; /* the post-processor, in order */
    size_t ntemplates;
    struct qfs_named_token *named; /* bos, eos, unk, sep, pad, cls, mask, then the model's own */
    size_t nnamed;
    struct qfs_named_token *extra; /* _extra_special_tokens */
    size_t nextra;
    struct qfs_text infill; /* CodeLlama's fill_token, at which texts are cut; data NULL: none */
    bool add_bos, add_eos, add_prefix_space;
    bool split_special_tokens, clean_up, clean_up_bpe;
    bool has_processor;
};

enum {
    QFS_NAMED_BOS,
    QFS_NAMED_EOS,
    QFS_NAMED_UNK,
    QFS_NAMED_SEP,
    QFS_NAMED_PAD,
    QFS_NAMED_CLS,
    QFS_NAMED_MASK,
    QFS_NAMED_COUNT
};

/* AutoTokenizer.from_pretrained(model's directory). Caller owns *ret_tokenizer. tokenizer_load.c */
int qfs_tokenizer_open(const struct qfs_model *model, struct qfs_tokenizer **ret_tokenizer,
                       struct qfs_error *error) QFS_MUST_USE;
void qfs_tokenizer_close(struct qfs_tokenizer *tokenizer);
/* tokenizer.encode(text, add_special_tokens=special); ids are the caller's to free. */
int qfs_tokenizer_encode(struct qfs_tokenizer *t, struct qfs_text text, bool special,
                         struct qfs_ids *ids, struct qfs_error *error) QFS_MUST_USE;
/* tokenizer.decode(ids); the text lives in t->scratch. */
int qfs_tokenizer_decode(struct qfs_tokenizer *t, const struct qfs_ids *ids,
                         struct qfs_text *ret_text, struct qfs_error *error) QFS_MUST_USE;
/* The converter's fixed text; the SHA-256 of str([ids]) and the name that it has there (NULL: none).
 * vocab_gpt2.c */
struct qfs_text qfs_fingerprint_text(void);
int qfs_fingerprint_of(const struct qfs_ids *ids, char ret_hex[65], const char **ret_name,
                       struct qfs_error *error) QFS_MUST_USE;
/* get_vocab_base_pre: the SHA-256 of str([ids]) of the converter's fixed text, and the name that it has
 * there (NULL: none). vocab_gpt2.c */
int qfs_vocab_fingerprint(struct qfs_tokenizer *t, char ret_hex[65], const char **ret_name,
                          struct qfs_error *error) QFS_MUST_USE;
/* What follows from a fingerprint: *pre stays, or where it is NULL becomes model->pre, and the conversion
 * says so; an error where that is NULL too. `class_name`: for it, may be NULL. vocab_gpt2.c */
int qfs_pre_settle(struct qfs_conversion *conversion, const char *shown, const char *hex,
                   const char *class_name, const char **pre, struct qfs_error *error) QFS_MUST_USE;
/* get_vocab_base without the fingerprint: tokens with their types. Texts live in `arena` and in the
 * tokenizer. vocab_gpt2.c */
int qfs_vocab_tokens(struct qfs_tokenizer *t, const struct qfs_json *hparams,
                     struct qfs_arena *arena, struct qfs_tokens *ret_tokens,
                     struct qfs_error *error) QFS_MUST_USE;
/* get_vocab_base: both; an unknown fingerprint is an error. vocab_gpt2.c */
int qfs_vocab_base(struct qfs_tokenizer *t, struct qfs_conversion *conversion,
                   const struct qfs_json *hparams, struct qfs_arena *arena,
                   struct qfs_tokens *ret_tokens, const char **ret_pre,
                   struct qfs_error *error) QFS_MUST_USE;
/* max(get_vocab().values()) + 1, 0 of an empty one; len(get_vocab()). vocab_gpt2.c */
size_t qfs_vocab_limit(const struct qfs_tokenizer *t);
size_t qfs_vocab_count(const struct qfs_tokenizer *t);
/* token_to_id */
bool qfs_tokenizer_id(const struct qfs_tokenizer *t, struct qfs_text token, uint32_t *ret_id);
/* The post-processor of tokenizer.json's form. tokenizer_post.c */
int qfs_processor_read(struct qfs_tokenizer *t, const struct qfs_json *json,
                       struct qfs_error *error) QFS_MUST_USE;
/* Replaces it by: before, the text, behind (ids; -1: nothing). */
int qfs_processor_set(struct qfs_tokenizer *t, int64_t before, int64_t behind,
                      struct qfs_error *error) QFS_MUST_USE;

/* -- classes: tokenizer_class.c -------------------------------------------------------------------------------------- */

enum qfs_class_kind {
    QFS_CLASS_FILE,    /* takes tokenizer.json as it stands */
    QFS_CLASS_REBUILT, /* builds its own pipeline */
};

enum qfs_class_post {
    QFS_POST_KEEP,
    QFS_POST_UPDATE,
    QFS_POST_INIT,
    QFS_POST_CLS_SEP,
    QFS_POST_ROBERTA,
    QFS_POST_BOS_EOS,
    QFS_POST_BOS_EOS_LIST,
    QFS_POST_BOS,
    QFS_POST_EOS,
};

struct qfs_own_token { /* a special token of the class's own name, and its default */
    const char *name, *text;
};

/* A class, and for rebuilt ones what its constructor makes of tokenizer_config.json. */
struct qfs_tokenizer_class {
    const char *name;
    enum qfs_class_kind kind;
    enum qfs_token_model_kind model;
    enum qfs_class_post post;
    int cls_id, sep_id; /* where the tokens have no id; -1: an error */
    bool adds_special;
    bool add_prefix_space; /* the argument's default */
    bool charsmap;         /* its normalizer is the file's Precompiled one */
    bool old_files; /* reads vocab.json and merges.txt, or vocab.txt, without a tokenizer.json */
    const char *const *special; /* defaults of the seven named tokens: text, or the two below */
    const struct qfs_own_token *named; /* ends with name NULL; NULL: none */
    bool named_are_extra;              /* those stand among the extra special tokens too */
    const char *const *extra; /* extra special tokens where no others are given, ends with NULL */
    bool unk_by_text;         /* Unigram's unk_id is unk_token's place, 0 if it has none */
    const char *normalizer, *pre_tokenizer, *decoder, *options; /* JSON */
};

extern const char qfs_default_none[];   /* the argument's default is None */
extern const char qfs_default_absent[]; /* the constructor has no such argument */

/* Which class AutoTokenizer takes. `config`: tokenizer_config.json (NULL: none), `byte_level`: its
 * file tokenizer.json has "ByteLevel" in it. -ENOTSUP names classes that are not known here. */
int qfs_tokenizer_choose(const struct qfs_model *model, const struct qfs_json *config,
                         bool byte_level, struct qfs_tokenizer_class *ret_class,
                         struct qfs_error *error) QFS_MUST_USE;

#endif
