/* The backend tokenizer: tokenizer.json as it stands, or the pipeline of the class that rebuilds it. */
#include "tokenizer_loader.h"

#include <stdlib.h>
#include <string.h>

/* JSON of the generated tables. */
static int parse_part(struct qfs_loader *l, const char *text, const struct qfs_json **ret)
{
    return qfs_json_parse(&l->t->arena, text, strlen(text), l->class.name, ret, l->error);
}

static int read_steps(struct qfs_loader *l, const struct qfs_json *normalizer,
                      const struct qfs_json *pre_tokenizer, const struct qfs_json *decoder)
{
    struct qfs_tokenizer *t = l->t;
    int rc;
    if ((rc = qfs_steps_read(t, QFS_ROLE_NORMALIZER, normalizer, &t->normalizers, l->error)) < 0 ||
        (rc = qfs_steps_read(t, QFS_ROLE_PRE_TOKENIZER, pre_tokenizer, &t->pre_tokenizers,
                             l->error)) < 0)
        return rc;
    return qfs_steps_read(t, QFS_ROLE_DECODER, decoder, &t->decoders, l->error);
}

static int malformed(const struct qfs_loader *l, const char *what)
{
    return qfs_fail(l->error, EINVAL, "%s: %s is missing or malformed", l->t->shown, what);
}

/* Options of a BPE model: of the kinds they must have. */
static int check_options(const struct qfs_loader *l, const struct qfs_json *model)
{
    static const char *const texts[] = {"unk_token", "continuing_subword_prefix",
                                        "end_of_word_suffix"};
    static const char *const flags[] = {"fuse_unk", "byte_fallback", "ignore_merges"};
    for (size_t i = 0; i < QFS_COUNT(texts); i++) {
        const struct qfs_json *text = qfs_json_get(model, texts[i]);
        const struct qfs_json *flag = qfs_json_get(model, flags[i]);
        if (!qfs_json_is_null(text) && text->kind != QFS_JSON_STRING)
            return malformed(l, texts[i]);
        if (!qfs_json_is_null(flag) && !qfs_json_is_bool(flag))
            return malformed(l, flags[i]);
    }
    return 0;
}

/* Fields that the tokenizers library checks though nothing here depends on them. */
static int check_file(const struct qfs_loader *l)
{
    static const char *const types[] = {"BPE", "WordPiece", "WordLevel", "Unigram"};
    const struct qfs_json *version = qfs_json_get(l->t->json, "version");
    const struct qfs_json *padding = qfs_json_get(l->t->json, "padding");
    const struct qfs_json *truncation = qfs_json_get(l->t->json, "truncation");
    const struct qfs_json *model = qfs_json_get(l->t->json, "model");
    const struct qfs_json *type = qfs_json_get(model, "type");
    if (version && !qfs_text_is(qfs_json_text(version), "1.0"))
        return malformed(l, "version");
    if (!qfs_json_is_null(padding) &&
        !qfs_json_is(qfs_json_get(padding, "pad_token"), QFS_JSON_STRING))
        return malformed(l, "padding");
    if (!qfs_json_is_null(truncation) &&
        !qfs_json_is(qfs_json_get(truncation, "max_length"), QFS_JSON_INT))
        return malformed(l, "truncation");
    if (!qfs_json_is(model, QFS_JSON_OBJECT))
        return malformed(l, "model");
    for (size_t i = 0; type && i < QFS_COUNT(types); i++)
        if (qfs_text_is(qfs_json_text(type), types[i]))
            return i ? 0 : check_options(l, model);
    return type ? malformed(l, "model.type") : 0;
}

/* Steps that the tokenizers library knows and this one does not. */
static int check_steps(const struct qfs_loader *l)
{
    const struct qfs_steps *all[] = {&l->t->normalizers, &l->t->pre_tokenizers, &l->t->decoders};
    for (size_t i = 0; i < QFS_COUNT(all); i++)
        for (size_t j = 0; j < all[i]->count; j++)
            if (all[i]->items[j].kind == QFS_STEP_UNSUPPORTED)
                return qfs_fail(l->error, ENOTSUP, "%s: a step of type %s is not supported",
                                l->t->shown, all[i]->items[j].text.data);
    return 0;
}

/* Tokenizer.from_file's added tokens: all fields must be there. */
static int add_file_tokens(struct qfs_loader *l)
{
    static const char *const fields[] = {"content", "single_word", "lstrip",
                                         "rstrip",  "normalized",  "special"};
    const struct qfs_json *list = qfs_json_get(l->t->json, "added_tokens");
    int rc = 0;
    if (list && list->kind != QFS_JSON_ARRAY)
        return qfs_fail(l->error, EINVAL, "%s: added_tokens is no list", l->t->shown);
    for (uint32_t i = 0; list && i < list->count && rc == 0; i++) {
        struct qfs_added_token token;
        for (size_t j = 0; j < QFS_COUNT(fields); j++)
            if (!qfs_json_get(&list->items[i], fields[j]))
                return qfs_fail(l->error, EINVAL, "%s: an added token has no %s", l->t->shown,
                                fields[j]);
        rc = qfs_added_token_read(&list->items[i], l->t->shown, &token, l->error);
        if (rc == 0)
            rc = qfs_added_add(l->t, &token, l->error);
    }
    return rc;
}

/* TokenizersBackend: the file as it stands. */
static int build_from_file(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    const struct qfs_json *model = qfs_json_get(t->json, "model");
    const char *type = qfs_json_string(qfs_json_get(model, "type"));
    enum qfs_token_model_kind kind = QFS_MODEL_BPE;
    int rc;
    if (!t->json)
        return qfs_fail(l->error, ENOENT, "%s: there is no such file, and %s needs it", t->shown,
                        l->class.name);
    if (!type && qfs_json_get(model, "max_input_chars_per_word"))
        kind = QFS_MODEL_WORDPIECE; /* files from before models had a type */
    else if (type && strcmp(type, "WordPiece") == 0)
        kind = QFS_MODEL_WORDPIECE;
    else if (type && strcmp(type, "Unigram") == 0)
        kind = QFS_MODEL_UNIGRAM;
    else if (type && strcmp(type, "WordLevel") == 0)
        kind = QFS_MODEL_WORDLEVEL;
    else if (type && strcmp(type, "BPE") != 0)
        return qfs_fail(l->error, ENOTSUP, "%s: models of type %s are not supported", t->shown,
                        type);
    if (!qfs_json_is(model, QFS_JSON_OBJECT) ||
        !qfs_json_is(qfs_json_get(model, "vocab"),
                     kind == QFS_MODEL_UNIGRAM ? QFS_JSON_ARRAY : QFS_JSON_OBJECT) ||
        (kind == QFS_MODEL_BPE && !qfs_json_get(model, "merges")))
        return malformed(l, "model");
    if ((rc = check_file(l)) < 0 ||
        (rc = read_steps(l, qfs_json_get(t->json, "normalizer"),
                         qfs_json_get(t->json, "pre_tokenizer"),
                         qfs_json_get(t->json, "decoder"))) < 0 ||
        (rc = check_steps(l)) < 0 ||
        (rc = qfs_processor_read(t, qfs_json_get(t->json, "post_processor"), l->error)) < 0 ||
        (rc = qfs_token_model_read(t, kind, model, qfs_json_get(model, "vocab"),
                                   kind == QFS_MODEL_BPE ? qfs_json_get(model, "merges") : NULL,
                                   l->error)) < 0)
        return rc;
    return add_file_tokens(l);
}

/* str(unk_token) */
static struct qfs_text unknown_text(const struct qfs_loader *l)
{
    const struct qfs_named_token *unk = &l->t->named[QFS_NAMED_UNK];
    return unk->set ? unk->token.content : QFS_TEXT("None");
}

/* The lines of a file as a list, ends trimmed as Rust's lines() (or trim_end) trims them. */
static int read_lines(struct qfs_loader *l, const char *name, bool trim,
                      const struct qfs_json **ret)
{
    struct qfs_arena *arena = &l->t->arena;
    struct qfs_json *list = qfs_arena_alloc(arena, sizeof(*list));
    struct qfs_text text, line;
    if (!qfs_vocab_file_exists(l->model, name))
        return qfs_fail(l->error, ENOENT, "%s/%s: there is no such file, nor a tokenizer.json",
                        l->model->path, name);
    int rc = qfs_vocab_read_text(arena, l->model, name, &text, l->error);
    if (rc < 0)
        return rc;
    struct qfs_json *items = qfs_arena_array(arena, qfs_text_lines(text), sizeof(*items));
    if (!list || !items)
        return qfs_fail_memory(l->error);
    *list = (struct qfs_json){.kind = QFS_JSON_ARRAY, .items = items};
    for (size_t start = 0; qfs_text_line(text, &start, &line);) {
        size_t kept = trim ? 0 : line.size;
        for (size_t at = 0; trim && at < line.size;)
            if (!qfs_rust_space(qfs_utf8_next(line, &at)))
                kept = at;
        char *copy = qfs_arena_copy(arena, line.data, kept);
        if (!copy)
            return qfs_fail_memory(l->error);
        items[list->count++] =
            (struct qfs_json){.kind = QFS_JSON_STRING, .count = (uint32_t)kept, .string = copy};
    }
    *ret = list;
    return 0;
}

/* vocab.json and merges.txt, or vocab.txt, where there is no tokenizer.json. */
static int read_old_files(struct qfs_loader *l, const struct qfs_json **ret_vocab,
                          const struct qfs_json **ret_merges)
{
    if (!l->class.old_files)
        return qfs_fail(l->error, ENOENT, "%s: there is no such file, and %s needs it", l->t->shown,
                        l->class.name);
    if (l->class.model == QFS_MODEL_WORDPIECE)
        return read_lines(l, "vocab.txt", true, ret_vocab);
    int rc = qfs_vocab_read_json(&l->t->arena, l->model, "vocab.json", ret_vocab, l->error);
    if (rc == 0 && !qfs_json_is(*ret_vocab, QFS_JSON_OBJECT))
        rc = qfs_fail(l->error, ENOENT,
                      "%s/vocab.json: there is no such file, nor a tokenizer.json", l->model->path);
    return rc < 0 ? rc : read_lines(l, "merges.txt", false, ret_merges);
}

/* The first Precompiled normalizer of tokenizer.json, NULL if there is none. */
static const struct qfs_json *find_charsmap(const struct qfs_json *normalizer)
{
    const struct qfs_json *list = qfs_json_get(normalizer, "normalizers");
    if (!qfs_json_is(list, QFS_JSON_ARRAY))
        return qfs_text_is(qfs_json_text(qfs_json_get(normalizer, "type")), "Precompiled")
                   ? normalizer
                   : NULL;
    for (uint32_t i = 0; i < list->count; i++)
        if (qfs_text_is(qfs_json_text(qfs_json_get(&list->items[i], "type")), "Precompiled"))
            return &list->items[i];
    return NULL;
}

/* The first token whose text is unk_token's. */
static void find_unknown(struct qfs_loader *l)
{
    struct qfs_token_model *m = &l->t->tokens;
    struct qfs_text text = unknown_text(l);
    m->unk_id = 0;
    while (m->unk_id < m->limit && !qfs_text_equal(m->texts[m->unk_id], text))
        m->unk_id++;
    if (m->unk_id == m->limit)
        m->unk_id = 0;
}

/* The pipeline is the class's, vocabulary and post-processor are the file's. */
static int build_from_class(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    const struct qfs_json *normalizer, *pre_tokenizer, *decoder, *options;
    const struct qfs_json *vocab = NULL, *merges = NULL;
    int rc;
    if ((rc = parse_part(l, l->class.normalizer, &normalizer)) < 0 ||
        (rc = parse_part(l, l->class.pre_tokenizer, &pre_tokenizer)) < 0 ||
        (rc = parse_part(l, l->class.decoder, &decoder)) < 0 ||
        (rc = parse_part(l, l->class.options, &options)) < 0)
        return rc;
    if (t->json) {
        const struct qfs_json *model = qfs_json_get(t->json, "model");
        vocab = qfs_json_get(model, "vocab");
        if (l->class.model == QFS_MODEL_BPE)
            merges = qfs_json_get(model, "merges");
        /* The file's own parts are checked, though only the post-processor is taken. */
        if ((rc = check_file(l)) < 0 || (rc = read_steps(l, qfs_json_get(t->json, "normalizer"),
                                                         qfs_json_get(t->json, "pre_tokenizer"),
                                                         qfs_json_get(t->json, "decoder"))) < 0)
            return rc;
        qfs_steps_done(&t->normalizers);
        qfs_steps_done(&t->pre_tokenizers);
        qfs_steps_done(&t->decoders);
    } else if ((rc = read_old_files(l, &vocab, &merges)) < 0) {
        return rc;
    }
    if (l->class.charsmap)
        normalizer = find_charsmap(qfs_json_get(t->json, "normalizer"));
    if ((rc = read_steps(l, normalizer, pre_tokenizer, decoder)) < 0 || (rc = check_steps(l)) < 0 ||
        (rc = qfs_processor_read(t, qfs_json_get(t->json, "post_processor"), l->error)) < 0 ||
        (rc = qfs_token_model_read(t, l->class.model, options, vocab, merges, l->error)) < 0)
        return rc;
    if (t->tokens.has_unk && l->class.model != QFS_MODEL_UNIGRAM) /* the table has a stand-in */
        t->tokens.unk_token = unknown_text(l);
    if (l->class.unk_by_text)
        find_unknown(l);
    return 0;
}

int qfs_loader_build(struct qfs_loader *l)
{
    return l->class.kind == QFS_CLASS_FILE ? build_from_file(l) : build_from_class(l);
}
