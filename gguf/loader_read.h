/* Reading a model's keys as llama_model_loader does: one value or array at a time, the first
 * refusal kept, an override before the file's own value. */
#ifndef QUANTFS_GGUF_LOADER_READ_H
#define QUANTFS_GGUF_LOADER_READ_H

#include "loader.h"
#include "loader_table.h"

enum { QFS_LOADER_MAX_LAYERS = 512 };

struct qfs_loader {
    const struct qfs_kvs *kvs;
    const struct qfs_override *overrides;
    size_t noverrides;
    const char *arch;
    struct qfs_hparams h;
    uint32_t ndraft; /* nextn_predict_layers */
    struct qfs_error *error;
    int rc; /* sticky */
};

struct qfs_loader_array {
    uint32_t item;
    uint64_t count;
    const uint8_t *items;
};

/* Refuses the model, with a reason, unless it is refused already. */
void qfs_loader_refuse(struct qfs_loader *l, const char *format, ...) QFS_PRINTF(2, 3);
/* Refuses unless a condition holds that the loader asserts. */
void qfs_loader_require(struct qfs_loader *l, bool holds, const char *what);

/* Keys are patterns: %s is the architecture. `need` refuses where the key is missing; a key of
 * another type is refused always. True when the value is there, which the last argument (may be
 * NULL) receives. */

/* get_key: *ret_value is set for numbers and bools, *ret_text for strings. */
bool qfs_loader_one(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                    double *ret_value, struct qfs_text *ret_text);
/* A number that stays what it is when the key is absent. */
bool qfs_loader_u32(struct qfs_loader *l, const char *pattern, bool need, uint32_t *value);
uint32_t qfs_loader_get(struct qfs_loader *l, const char *pattern); /* 0 when absent */
/* get_arr */
bool qfs_loader_array(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                      struct qfs_loader_array *ret_array);
uint32_t qfs_loader_item(const struct qfs_loader_array *array, uint64_t index);
/* get_key_or_arr: an array of `count`, or one value for all; `values` is of `count`. */
bool qfs_loader_either(struct qfs_loader *l, const char *pattern, enum qfs_kv_type type, bool need,
                       uint32_t count, uint32_t *values);
/* get_arr_n */
bool qfs_loader_count(struct qfs_loader *l, const char *pattern, bool need, uint64_t *ret_count);

/* Layers without those of draft heads: n_layer(). */
uint32_t qfs_loader_layers(const struct qfs_loader *l);
/* A row of the table. */
void qfs_loader_row(struct qfs_loader *l, const struct qfs_loader_read *read);

/* What the loader checks for this architecture beyond the table. */
void qfs_loader_check(struct qfs_loader *l);

#endif
