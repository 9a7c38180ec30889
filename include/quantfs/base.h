/* base: errors, checked arithmetic, byte buffers, arena, string map, files, JSON, hashing.
 *
 * Everything that the other rooms stand on and nothing that knows what a tensor is.
 * Conventions of every function here and above: the result is 0 or a negative errno; outputs are
 * untouched on failure; a `struct qfs_error *` (may be NULL) receives one sentence that names the
 * file, tensor or key and says what to do. Nothing here logs or exits. */
#ifndef QUANTFS_BASE_H
#define QUANTFS_BASE_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantfs/error.h"

#define QFS_MUST_USE __attribute__((warn_unused_result))
#define QFS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define QFS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -- errors ------------------------------------------------------------------------------------ */

/* Writes one sentence into `error` (may be NULL) and returns -code. */
int qfs_fail(struct qfs_error *error, int code, const char *format, ...) QFS_PRINTF(3, 4);
int qfs_fail_memory(struct qfs_error *error); /* -ENOMEM with its sentence */

/* -- checked arithmetic: false on overflow, then *out is undefined ------------------------------
 */

#define qfs_add(a, b, out) (!__builtin_add_overflow((a), (b), (out)))
#define qfs_mul(a, b, out) (!__builtin_mul_overflow((a), (b), (out)))
#define QFS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define QFS_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline uint64_t qfs_align(uint64_t value, uint64_t alignment) /* alignment: power of two */
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* -- bytes with a length; not zero-terminated, not owned ----------------------------------------
 */

struct qfs_text {
    const char *data;
    size_t size;
};

#define QFS_TEXT(literal) ((struct qfs_text){(literal), sizeof(literal) - 1})
struct qfs_text qfs_text_of(const char *string); /* NULL gives an empty text */
bool qfs_text_is(struct qfs_text text, const char *string);
bool qfs_text_equal(struct qfs_text a, struct qfs_text b);
bool qfs_ends_with(const char *string, const char *suffix);
bool qfs_starts_with(const char *string, const char *prefix);
/* Bytes of the valid UTF-8 sequence at `at`, 0 if there is none in `room` bytes (surrogates and overlong
 * forms are none, as for Python's strict decoder). */
size_t qfs_utf8_length(const char *at, size_t room);
bool qfs_utf8_valid(const char *text, size_t size);

/* -- growing byte buffer. `failed` is sticky: append freely, check once at the end. --------------
 */

struct qfs_buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* out of memory; contents are then incomplete */
};

void qfs_buffer_append(struct qfs_buffer *buffer, const void *data, size_t size);
void qfs_buffer_fill(struct qfs_buffer *buffer, uint8_t byte, size_t size);
void qfs_buffer_text(struct qfs_buffer *buffer, const char *string);
void qfs_buffer_printf(struct qfs_buffer *buffer, const char *format, ...) QFS_PRINTF(2, 3);
void qfs_buffer_done(struct qfs_buffer *buffer); /* frees, leaves it empty and reusable */

/* -- arena: many small things that die together. Single-threaded. --------------------------------
 */

struct qfs_arena {
    struct qfs_arena_block *head;
    size_t used; /* bytes handed out, for limits and reports */
};

/* Zeroed memory aligned to 16 bytes, or NULL when out of memory. Lives until qfs_arena_done. */
void *qfs_arena_alloc(struct qfs_arena *arena, size_t size);
void *qfs_arena_array(struct qfs_arena *arena, size_t count,
                      size_t item_size);                                      /* checked multiply */
char *qfs_arena_copy(struct qfs_arena *arena, const char *data, size_t size); /* zero-terminated */
char *qfs_arena_string(struct qfs_arena *arena, const char *string);
char *qfs_arena_printf(struct qfs_arena *arena, const char *format, ...) QFS_PRINTF(2, 3);
void qfs_arena_done(struct qfs_arena *arena);

/* -- map from bytes to a number (an index into somebody's array). Keys are borrowed. --------------
 */

struct qfs_map {
    struct qfs_map_slot *slots;
    size_t count, capacity;
};

/* Sets key to value; returns 1 if it was new, 0 if it replaced, -ENOMEM. */
int qfs_map_set(struct qfs_map *map, struct qfs_text key, uint64_t value);
bool qfs_map_get(const struct qfs_map *map, struct qfs_text key, uint64_t *ret_value);
void qfs_map_done(struct qfs_map *map);

/* -- files
 * ----------------------------------------------------------------------------------------- */

/* Reads a whole regular file of at most `limit` bytes; `path` is relative to `dir_fd` (AT_FDCWD for
 * plain paths). *ret_data is zero-terminated (not counted in *ret_size) and freed by the caller
 * with free(). -ENOENT when there is none; `shown` names it in errors. */
int qfs_file_read(int dir_fd, const char *path, size_t limit, const char *shown, char **ret_data,
                  size_t *ret_size, struct qfs_error *error) QFS_MUST_USE;

/* Reads exactly `size` bytes at `offset`, looping over short reads and EINTR. -EIO at end of file.
 */
int qfs_pread_full(int fd, void *data, size_t size, uint64_t offset) QFS_MUST_USE;
int qfs_pwrite_full(int fd, const void *data, size_t size, uint64_t offset) QFS_MUST_USE;

/* "64M", "1.5G", "300000": bytes, powers of 1024. -EINVAL with a sentence. */
int qfs_size_parse(const char *string, uint64_t *ret_size, struct qfs_error *error) QFS_MUST_USE;

/* -- time ------------------------------------------------------------------------------------ */

/* Of a clock that only goes forward; for differences. */
int64_t qfs_clock_ns(void);
int64_t qfs_clock_ms(void);

/* -- hashing
 * ---------------------------------------------------------------------------------------- */

struct qfs_digest {
    uint64_t low, high;
}; /* XXH3-128, for identities, not for security */

struct qfs_digest qfs_hash(const void *data, size_t size);
uint64_t qfs_hash64(const void *data, size_t size);
uint64_t qfs_hash64_seed(const void *data, size_t size, uint64_t seed);
void qfs_digest_hex(struct qfs_digest digest, char ret_hex[33]);

struct qfs_sha256; /* incremental SHA-256 (libcrypto) */
struct qfs_sha256 *qfs_sha256_new(void);
void qfs_sha256_update(struct qfs_sha256 *sha, const void *data, size_t size);
void qfs_sha256_hex(struct qfs_sha256 *sha, char ret_hex[65]); /* finishes */
void qfs_sha256_free(struct qfs_sha256 *sha);

/* -- JSON with Python's meaning
 * --------------------------------------------------------------------- What `json.load` gives:
 * last duplicate wins (at the first one's place), Infinity, -Infinity and NaN are numbers, nothing
 * may follow the value, lone surrogates survive (as 3-byte sequences, WTF-8),
 * "\u0000" is a character. Integers beyond 64 bits become QFS_JSON_REAL with `big` set. Depth is
 * limited to 500. (cJSON's reader differs from Python in each of these; it writes our output.) */

enum qfs_json_kind {
    QFS_JSON_NULL,
    QFS_JSON_FALSE,
    QFS_JSON_TRUE,
    QFS_JSON_INT,
    QFS_JSON_REAL,
    QFS_JSON_STRING,
    QFS_JSON_ARRAY,
    QFS_JSON_OBJECT,
    QFS_JSON_OTHER, /* never from JSON: YAML's dates, bytes and sets, which JSON has no kind for */
};

struct qfs_json {
    uint8_t kind;
    bool big;       /* QFS_JSON_REAL that was written as an integer of more than 64 bits */
    bool repeated;  /* QFS_JSON_OBJECT in whose text some key stood more than once */
    uint32_t count; /* bytes of a string, items of an array, members of an object */
    union {
        int64_t integer;
        double real;
        const char *string;              /* `count` bytes, zero-terminated beyond them */
        struct qfs_json *items;          /* array */
        struct qfs_json_member *members; /* object, in Python's dict order, keys unique */
    };
};

struct qfs_json_member {
    struct qfs_text key;
    struct qfs_json value;
};

/* Parses `size` bytes; the result and everything below it lives in `arena`, strings too (the text
 * may be freed). A UTF-8 byte order mark or invalid UTF-8 is an error, as for Python's
 * open(encoding= 'utf-8'). `shown` names the file in errors, which give line and column. */
int qfs_json_parse(struct qfs_arena *arena, const char *text, size_t size, const char *shown,
                   const struct qfs_json **ret_value, struct qfs_error *error) QFS_MUST_USE;

/* Reads and parses a file (see qfs_file_read for dir_fd, limit, -ENOENT). */
int qfs_json_read(struct qfs_arena *arena, int dir_fd, const char *path, size_t limit,
                  const char *shown, const struct qfs_json **ret_value,
                  struct qfs_error *error) QFS_MUST_USE;

/* The line, counted from 1, on which a value stands in the text that it was parsed from: member or item
 * path[0] of the whole, of that member or item path[1], and so on. Right where no object on the way
 * `repeated` a key. */
size_t qfs_json_line(const char *text, const size_t *path, size_t depth);

/* Lookups take NULL and wrong kinds and give NULL / the fallback. Objects of many members are
 * searched one by one: index big vocabularies with a qfs_map instead. */
const struct qfs_json *qfs_json_get(const struct qfs_json *object, const char *key);
const struct qfs_json *qfs_json_at(const struct qfs_json *array, size_t index);
bool qfs_json_is(const struct qfs_json *value, enum qfs_json_kind kind);
bool qfs_json_is_null(const struct qfs_json *value);   /* absent or null */
bool qfs_json_is_number(const struct qfs_json *value); /* int or real, not bool */
bool qfs_json_is_bool(const struct qfs_json *value);
bool qfs_json_truthy(const struct qfs_json *value); /* Python's bool() */
struct qfs_text qfs_json_text(const struct qfs_json *value);
const char *
qfs_json_string(const struct qfs_json *value); /* NULL when not a string or holding \0 */
bool qfs_json_int(const struct qfs_json *value,
                  int64_t *ret_integer);                            /* INT, or TRUE/FALSE as 1/0 */
bool qfs_json_real(const struct qfs_json *value, double *ret_real); /* INT, REAL, bool */

#endif
