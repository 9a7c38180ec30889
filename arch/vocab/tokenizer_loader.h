/* Private to the arch room: what the tokenizer_*.c files share while a tokenizer is being built from a
 * model directory's files. */
#ifndef QUANTFS_ARCH_TOKENIZER_LOADER_H
#define QUANTFS_ARCH_TOKENIZER_LOADER_H

#include "tokenizer.h"

/* A keyword argument. */
struct qfs_argument {
    struct qfs_text name;
    const struct qfs_json *value;
    bool is_token; /* an AddedToken already */
    struct qfs_added_token token;
};

struct qfs_indexed_token { /* of added_tokens_decoder */
    int64_t index;
    struct qfs_added_token token;
};

struct qfs_loader {
    struct qfs_tokenizer *t;
    const struct qfs_model *model;
    struct qfs_tokenizer_class class;
    const struct qfs_json *config; /* tokenizer_config.json; NULL: none */
    struct qfs_argument *arguments;
    size_t narguments;
    struct qfs_indexed_token *added; /* in the order of insertion, indices unique */
    size_t nadded, added_capacity;
    struct qfs_map places;                /* index → place in added */
    const struct qfs_json *models_own[2]; /* model_specific_special_tokens: objects, or NULL */
    bool byte_level;
    struct qfs_error *error;
};

/* tokenizer_config.json: its `field` `what`. tokenizer_arguments.c, as the following */
int qfs_loader_fail(const struct qfs_loader *l, const char *field, const char *what);
/* kwargs.get(name); NULL if it is not there. */
struct qfs_argument *qfs_loader_argument(const struct qfs_loader *l, const char *name);
/* Its value; NULL if it is not there. */
const struct qfs_json *qfs_loader_value(const struct qfs_loader *l, const char *name);
/* Arguments, added_tokens_decoder, named and extra special tokens: l->arguments, l->added, t->named,
 * t->extra. */
int qfs_loader_read_arguments(struct qfs_loader *l) QFS_MUST_USE;
/* The backend tokenizer, before the constructor adds tokens: steps, model, processor, and the file's
 * added tokens for classes that take the file as it stands. tokenizer_build.c */
int qfs_loader_build(struct qfs_loader *l) QFS_MUST_USE;

#endif
