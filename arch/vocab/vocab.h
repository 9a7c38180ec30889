/* Private to the arch room: what the vocab_*.c files share. */
#ifndef QUANTFS_ARCH_VOCAB_H
#define QUANTFS_ARCH_VOCAB_H

#include "quantfs/arch.h"
#include "vocab_ways.h"

/* -- files of a tokenizer: vocab_files.c
 * -------------------------------------------------------------- */

/* Path.is_file(): a regular file, maybe behind links. */
bool qfs_vocab_file_exists(const struct qfs_model *model, const char *name);
/* "PATH/name" for messages; NULL when out of memory. */
const char *qfs_vocab_shown(struct qfs_arena *arena, const struct qfs_model *model,
                            const char *name);
/* The file's JSON in `arena`; *ret_value is NULL when there is no such file. */
int qfs_vocab_read_json(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                        const struct qfs_json **ret_value, struct qfs_error *error) QFS_MUST_USE;
/* The same; an error where it is no object. */
int qfs_vocab_read_object(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                          const struct qfs_json **ret_value, struct qfs_error *error) QFS_MUST_USE;
/* The file as Python's open(encoding='utf-8').read() gives it: UTF-8 checked, "\r\n" and "\r" are
 * "\n". */
int qfs_vocab_read_text(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                        struct qfs_text *ret_text, struct qfs_error *error) QFS_MUST_USE;

/* -- Python's ways: vocab_python.c
 * --------------------------------------------------------------------- */

/* a == b */
bool qfs_python_equal(const struct qfs_json *a, const struct qfs_json *b);
/* int(text); false where it raises ValueError or leaves 64 bits. */
bool qfs_python_int(struct qfs_text text, int64_t *ret_value);
/* str.isspace() of one character. */
bool qfs_python_space(uint32_t point);
/* text.replace(from, to); NULL data when out of memory. */
struct qfs_text qfs_text_replace(struct qfs_arena *arena, struct qfs_text text, const char *from,
                                 const char *to);
/* The line that begins at *at, without its end, moving *at behind it; false at the end of the text. */
bool qfs_text_line(struct qfs_text text, size_t *at, struct qfs_text *ret_line);
/* At least as many as qfs_text_line gives. */
size_t qfs_text_lines(struct qfs_text text);
/* int(digit, 16), -1 of other characters. */
int qfs_hex_digit(char c);
/* The character in UTF-8, appended. */
void qfs_buffer_point(struct qfs_buffer *buffer, uint32_t point);
/* Bytes as byte-level tokenizers write them (bytes_to_unicode); NULL data when out of memory. */
struct qfs_text qfs_text_spell(struct qfs_arena *arena, struct qfs_text bytes);
/* base64.b64decode: characters that are no digits are passed over; -EINVAL where padding is wrong. */
int qfs_base64_decode(struct qfs_arena *arena, struct qfs_text text,
                      struct qfs_text *ret_bytes) QFS_MUST_USE;
/* The character at text.data + *at (valid UTF-8 or WTF-8), moving *at behind it. */
uint32_t qfs_utf8_next(struct qfs_text text, size_t *at);

/* -- the vocabulary on its way out: vocab_tokens.c
 * ------------------------------------------------------ */

enum qfs_token_type { /* gguf.TokenType */
                      QFS_TOKEN_NORMAL = 1,
                      QFS_TOKEN_UNKNOWN = 2,
                      QFS_TOKEN_CONTROL = 3,
                      QFS_TOKEN_USER_DEFINED = 4,
                      QFS_TOKEN_UNUSED = 5,
                      QFS_TOKEN_BYTE = 6,
};

struct qfs_tokens {
    struct qfs_text *texts;
    float *scores; /* NULL: none are written */
    int32_t *types;
    size_t count;
};

/* hparams[name] as the number of tokens; `fallback` when absent. An error names config.json. */
int qfs_vocab_size(const struct qfs_model *model, const struct qfs_json *hparams, size_t fallback,
                   size_t *ret_size, struct qfs_error *error) QFS_MUST_USE;
/* `count` tokens "[PAD0]", "[PAD1]"…, UNUSED, with this score (NAN: no scores). */
int qfs_tokens_init(struct qfs_tokens *tokens, struct qfs_arena *arena, size_t count, float score,
                    struct qfs_error *error) QFS_MUST_USE;
/* tokenizer.ggml.model, pre (NULL: none), tokens, scores, token_type. */
int qfs_tokens_write(const struct qfs_tokens *tokens, struct qfs_conversion *conversion,
                     const char *model_name, const char *pre, struct qfs_error *error) QFS_MUST_USE;
/* "<0x0A>" */
bool qfs_token_is_byte(struct qfs_text text);
/* does_token_look_special */
bool qfs_token_looks_special(struct qfs_text text);

/* -- SentencePiece files: vocab_sentencepiece.c ------------------------------------------------------- */

/* The file `name` as SentencePieceProcessor loads it; -ENOENT when there is none. */
int qfs_pieces_read(struct qfs_arena *arena, const struct qfs_model *model, const char *name,
                    struct qfs_sentencepiece *ret, struct qfs_error *error) QFS_MUST_USE;
/* _create_vocab_sentencepiece; all of *ret_tokens lives in `arena`. -ENOENT without tokenizer.model. */
int qfs_pieces_tokens(struct qfs_arena *arena, const struct qfs_model *model,
                      const struct qfs_json *hparams, struct qfs_tokens *ret_tokens,
                      struct qfs_error *error) QFS_MUST_USE;
/* tokens[at] = the piece, with its score and type */
void qfs_tokens_take_piece(struct qfs_tokens *tokens, size_t at, const struct qfs_piece *piece);
/* A list index as Python takes it: from the end when negative; false where it raises IndexError. */
bool qfs_tokens_place(const struct qfs_tokens *tokens, int64_t id, size_t *ret_index);
/* added_tokens.json, if there is one, over the tokens; ids beyond them are passed over. */
int qfs_tokens_lay_added(struct qfs_tokens *tokens, struct qfs_arena *arena,
                         const struct qfs_model *model, struct qfs_error *error) QFS_MUST_USE;

/* -- SpecialVocab: vocab_special.c
 * ----------------------------------------------------------------------- */

enum { QFS_SPECIAL_TYPES = 12 };

struct qfs_special_vocab {
    struct qfs_arena *arena;
    const struct qfs_model *model;
    const char *types[QFS_SPECIAL_TYPES]; /* special_token_types, in order */
    size_t ntypes;
    struct qfs_special_id ids[QFS_SPECIAL_TYPES]; /* special_token_ids, in order */
    size_t nids;
    struct {
        const char *type;
        bool value;
    } adds[QFS_SPECIAL_TYPES]; /* add_special_token, in order */
    size_t nadds;
    int64_t nvocab; /* -1: not limited */
    bool load_merges;
    struct qfs_text *merges;
    size_t nmerges;
    const struct qfs_json *chat_template;             /* a string, a list, or NULL */
    const struct qfs_json *lowercase, *strip_accents; /* of the normalizer; NULL: not said */
};

/* SpecialVocab(dir, load_merges, special_token_types, n_vocab). `types`: NULL for the default ones.
 * `tokenizer`: tokenizer.json where it has been read already, else NULL. */
int qfs_special_vocab_load(struct qfs_special_vocab *ret_vocab, struct qfs_arena *arena,
                           const struct qfs_model *model, const struct qfs_json *tokenizer,
                           bool load_merges, const char *const *types, int64_t nvocab,
                           struct qfs_error *error) QFS_MUST_USE;
/* SpecialVocab(dir, n_vocab=nvocab).add_to_gguf; `tokenizer` as above. */
int qfs_special_vocab_put(struct qfs_conversion *conversion, struct qfs_arena *arena,
                          const struct qfs_json *tokenizer, size_t nvocab,
                          struct qfs_error *error) QFS_MUST_USE;
/* _set_special_token */
int qfs_special_vocab_set(struct qfs_special_vocab *vocab, const char *type, int64_t id,
                          struct qfs_error *error) QFS_MUST_USE;
/* add_to_gguf */
int qfs_special_vocab_write(const struct qfs_special_vocab *vocab,
                            struct qfs_conversion *conversion,
                            struct qfs_error *error) QFS_MUST_USE;

#endif
