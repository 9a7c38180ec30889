/* PreTrainedTokenizerBase._from_pretrained and TokenizersBackend.__init__: what becomes of a model
 * directory's tokenizer files.
 *
 * transformers gathers keyword arguments (tokenizer_config.json, then special_tokens_map.json over
 * it), lets the class build its pipeline, and adds tokens from four places in turn. The functions here
 * follow it in its order, since ids of new tokens depend on it. */
#include "tokenizer_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 256 << 20 };

/* -- tokens that the constructor adds ---------------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b)
{
    const struct qfs_indexed_token *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool is_named_content(const struct qfs_tokenizer *t, struct qfs_text content)
{
    for (size_t i = 0; i < t->nnamed; i++)
        if (t->named[i].set && qfs_text_equal(t->named[i].token.content, content))
            return true;
    return false;
}

/* A token as add_tokens gets it: a plain text counts as special, and so does a name's token. */
static int add_one(struct qfs_loader *l, const struct qfs_added_token *token, bool is_string)
{
    struct qfs_added_token copy = *token;
    if (is_string || is_named_content(l->t, token->content))
        copy.special = true;
    return qfs_added_add(l->t, &copy, l->error);
}

static int add_tokens(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    struct qfs_map encoder = {0}; /* contents that are there, or about to be */
    int rc = 0;
    qsort(l->added, l->nadded, sizeof(*l->added), compare_indices);
    for (size_t i = 0; i < t->added.count && rc >= 0; i++)
        rc = qfs_map_set(&encoder, t->added.entries[i]->token.content, 0);
    for (size_t i = 0; i < l->nadded && rc >= 0; i++)
        rc = qfs_map_set(&encoder, l->added[i].token.content, 0);
    if (rc < 0) {
        qfs_map_done(&encoder);
        return qfs_fail_memory(l->error);
    }
    rc = 0;
    for (size_t i = 0; i < l->nadded && rc == 0; i++)
        rc = add_one(l, &l->added[i].token, false);
    for (size_t i = 0; i < t->nnamed + t->nextra && rc == 0; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        if (token->set && !qfs_map_get(&encoder, token->token.content, NULL))
            rc = add_one(l, &token->token, token->is_string);
    }
    qfs_map_done(&encoder);
    return rc;
}

/* add_tokens of all special tokens once more, with plain flags (Qwen2Tokenizer); or as special tokens
 * (_post_init). */
static int add_special_again(struct qfs_loader *l, bool post_init)
{
    struct qfs_tokenizer *t = l->t;
    int rc = 0;
    for (size_t i = 0; i < t->nnamed + t->nextra && rc == 0; i++) {
        const struct qfs_named_token *token =
            i < t->nnamed ? &t->named[i] : &t->extra[i - t->nnamed];
        struct qfs_added_token copy = token->token;
        if (!token->set)
            continue;
        if (!post_init || token->is_string)
            copy = (struct qfs_added_token){.content = copy.content};
        if (post_init && token->is_string)
            copy.normalized = QFS_FLAG_FALSE;
        copy.special = true;
        rc = qfs_added_add(t, &copy, l->error);
    }
    return rc;
}

/* -- the post-processor -------------------------------------------------------------------------------------------- */

/* TemplateProcessing takes its parts as one text, cut at spaces and colons, or as a list. */
static bool fits_list(struct qfs_text text)
{
    return text.size && text.data[0] != '$' && !memchr(text.data, ':', text.size);
}

static bool fits_template(struct qfs_text text)
{
    return fits_list(text) && !memchr(text.data, ' ', text.size);
}

static int id_of(struct qfs_loader *l, bool wanted, size_t name, bool list, int64_t *ret_id)
{
    const struct qfs_named_token *token = &l->t->named[name];
    uint32_t id;
    *ret_id = -1;
    if (!wanted || !token->set)
        return 0;
    if (!qfs_tokenizer_id(l->t, token->token.content, &id) ||
        !(list ? fits_list : fits_template)(token->token.content))
        return qfs_fail(l->error, EINVAL, "%s: its %s cannot stand in a template", l->model->path,
                        token->name.data);
    *ret_id = id;
    return 0;
}

static int bos_eos_processor(struct qfs_loader *l, bool list)
{
    int64_t bos, eos;
    int rc;
    if ((rc = id_of(l, l->t->add_bos, QFS_NAMED_BOS, list, &bos)) < 0 ||
        (rc = id_of(l, l->t->add_eos, QFS_NAMED_EOS, list, &eos)) < 0)
        return rc;
    return qfs_processor_set(l->t, bos, eos, l->error);
}

/* update_post_processor */
static int update_processor(struct qfs_loader *l)
{
    return bos_eos_processor(l, false);
}

/* [CLS] text [SEP], as BERT's and RoBERTa's constructors end. */
static int cls_sep_processor(struct qfs_loader *l)
{
    struct qfs_named_token *cls = &l->t->named[QFS_NAMED_CLS], *sep = &l->t->named[QFS_NAMED_SEP];
    uint32_t cls_id = (uint32_t)l->class.cls_id, sep_id = (uint32_t)l->class.sep_id;
    bool ok = (cls->set && qfs_tokenizer_id(l->t, cls->token.content, &cls_id)) ||
              (!cls->set && l->class.cls_id >= 0);
    ok = ok && ((sep->set && qfs_tokenizer_id(l->t, sep->token.content, &sep_id)) ||
                (!sep->set && l->class.sep_id >= 0));
    if (l->class.post == QFS_POST_CLS_SEP) /* RoBERTa's processor takes any text */
        ok = ok && (!cls->set || fits_template(cls->token.content)) &&
             (!sep->set || fits_template(sep->token.content));
    if (!ok)
        return qfs_fail(l->error, EINVAL, "%s: %s has no usable cls_token or sep_token",
                        l->model->path, l->class.name);
    return qfs_processor_set(l->t, cls_id, sep_id, l->error);
}

/* text </s>, as T5's constructor ends: the id is eos_token's. */
static int eos_processor(struct qfs_loader *l)
{
    const struct qfs_named_token *eos = &l->t->named[QFS_NAMED_EOS];
    uint32_t id;
    if (!eos->set || !qfs_tokenizer_id(l->t, eos->token.content, &id))
        return qfs_fail(l->error, EINVAL, "%s: %s needs an eos_token", l->model->path,
                        l->class.name);
    return qfs_processor_set(l->t, -1, id, l->error);
}

/* -- all of it ------------------------------------------------------------------------------------------------------- */

static bool flag(const struct qfs_loader *l, const char *name)
{
    return qfs_json_truthy(qfs_loader_value(l, name));
}

/* tokenizer.json's padding names a pad token where nothing else does. */
static int pad_from_file(struct qfs_loader *l)
{
    const struct qfs_json *padding = qfs_json_get(l->t->json, "padding");
    const struct qfs_json *token = qfs_json_get(padding, "pad_token");
    struct qfs_named_token *pad = &l->t->named[QFS_NAMED_PAD];
    if (qfs_json_is_null(padding) || qfs_loader_argument(l, "pad_token") || pad->set)
        return 0;
    if (!qfs_json_is(token, QFS_JSON_STRING))
        return qfs_fail(l->error, EINVAL, "%s: its padding is malformed", l->t->shown);
    if (l->class.kind == QFS_CLASS_REBUILT && l->class.special[QFS_NAMED_PAD] != qfs_default_absent)
        return 0; /* the constructor gave pad_token, be it None */
    pad->set = pad->is_string = true;
    pad->token = (struct qfs_added_token){.content = qfs_json_text(token)};
    return 0;
}

/* transformers reads the template files, which must be UTF-8. */
static int read_template_files(struct qfs_loader *l, bool *ret_any)
{
    struct qfs_text text;
    struct stat st;
    *ret_any = fstatat(l->model->dir_fd, "additional_chat_templates", &st, 0) == 0;
    if (!qfs_vocab_file_exists(l->model, "chat_template.jinja"))
        return 0;
    *ret_any = true;
    return qfs_vocab_read_text(&l->t->arena, l->model, "chat_template.jinja", &text, l->error);
}

/* A list of chat templates becomes a dict there, so each must have a name. */
static int check_templates(struct qfs_loader *l)
{
    const struct qfs_json *list = qfs_loader_value(l, "chat_template");
    bool any;
    int rc = read_template_files(l, &any);
    if (rc < 0 || any || !qfs_json_is(list, QFS_JSON_ARRAY))
        return rc;
    for (uint32_t i = 0; i < list->count; i++)
        if (!qfs_json_get(&list->items[i], "name") || !qfs_json_get(&list->items[i], "template"))
            return qfs_loader_fail(l, "chat_template", "has an entry without name or template");
    return 0;
}

static int construct(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    int rc = qfs_loader_build(l);
    if (rc < 0 || (rc = pad_from_file(l)) < 0 || (rc = check_templates(l)) < 0)
        return rc;
    bool explicit =
        qfs_loader_argument(l, "add_bos_token") || qfs_loader_argument(l, "add_eos_token");
    t->add_bos = flag(l, "add_bos_token");
    t->add_eos = flag(l, "add_eos_token");
    t->add_prefix_space = qfs_loader_argument(l, "add_prefix_space") ? flag(l, "add_prefix_space")
                                                                     : l->class.add_prefix_space;
    t->split_special_tokens = flag(l, "split_special_tokens");
    t->clean_up = flag(l, "clean_up_tokenization_spaces");
    t->clean_up_bpe =
        flag(l, "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output");
    bool update = explicit || !t->has_processor;
    if ((rc = add_tokens(l)) < 0 || (update && (rc = update_processor(l)) < 0))
        return rc;
    switch (l->class.kind == QFS_CLASS_REBUILT ? l->class.post : QFS_POST_KEEP) {
    case QFS_POST_UPDATE:
        rc = update_processor(l);
        break;
    case QFS_POST_INIT:
        rc = add_special_again(l, true);
        if (rc == 0 && update)
            rc = update_processor(l);
        break;
    case QFS_POST_CLS_SEP:
    case QFS_POST_ROBERTA:
        rc = cls_sep_processor(l);
        break;
    case QFS_POST_BOS_EOS:
    case QFS_POST_BOS_EOS_LIST:
        t->add_bos = t->add_eos = true;
        rc = t->named[QFS_NAMED_BOS].set && t->named[QFS_NAMED_EOS].set
                 ? bos_eos_processor(l, l->class.post == QFS_POST_BOS_EOS_LIST)
                 : qfs_fail(l->error, EINVAL, "%s: %s needs bos_token and eos_token",
                            l->model->path, l->class.name);
        break;
    case QFS_POST_BOS:
        t->add_bos = !qfs_loader_argument(l, "add_bos_token") || t->add_bos;
        rc = update_processor(l);
        break;
    case QFS_POST_EOS:
        rc = eos_processor(l);
        break;
    case QFS_POST_KEEP:
        break;
    }
    if (rc == 0 && l->class.adds_special)
        rc = add_special_again(l, false);
    return rc;
}

static int read_files(struct qfs_loader *l)
{
    struct qfs_tokenizer *t = l->t;
    char *text = NULL;
    size_t size = 0;
    int rc =
        qfs_vocab_read_object(&t->arena, l->model, "tokenizer_config.json", &l->config, l->error);
    if (rc < 0)
        return rc;
    if (!(t->shown = qfs_vocab_shown(&t->arena, l->model, "tokenizer.json")))
        return qfs_fail_memory(l->error);
    if (!qfs_vocab_file_exists(l->model, "tokenizer.json"))
        return 0;
    rc = qfs_file_read(l->model->dir_fd, "tokenizer.json", FILE_LIMIT, t->shown, &text, &size,
                       l->error);
    if (rc == 0) {
        l->byte_level = memmem(text, size, "\"ByteLevel\"", 11) != NULL;
        rc = qfs_json_parse(&t->arena, text, size, t->shown, &t->json, l->error);
    }
    free(text);
    if (rc == 0 && t->json->kind != QFS_JSON_OBJECT)
        rc = qfs_fail(l->error, EINVAL, "%s: is not an object", t->shown);
    return rc;
}

int qfs_tokenizer_open(const struct qfs_model *model, struct qfs_tokenizer **ret_tokenizer,
                       struct qfs_error *error)
{
    struct qfs_tokenizer *t = calloc(1, sizeof(*t));
    struct qfs_loader l = {.t = t, .model = model, .error = error};
    if (!t)
        return qfs_fail_memory(error);
    t->model = model;
    int rc = read_files(&l);
    if (rc == 0)
        rc = qfs_tokenizer_choose(model, l.config, l.byte_level, &l.class, error);
    if (rc == 0) {
        t->class_name = l.class.name;
        rc = qfs_loader_read_arguments(&l);
    }
    if (rc == 0)
        rc = construct(&l);
    qfs_map_done(&l.places);
    if (rc < 0) {
        qfs_tokenizer_close(t);
        return rc == -ENOENT ? -EINVAL : rc; /* ENOENT has a meaning of its own for callers */
    }
    *ret_tokenizer = t;
    return 0;
}

void qfs_tokenizer_close(struct qfs_tokenizer *t)
{
    if (!t)
        return;
    qfs_steps_done(&t->normalizers);
    qfs_steps_done(&t->pre_tokenizers);
    qfs_steps_done(&t->decoders);
    qfs_token_model_done(&t->tokens);
    qfs_added_done(&t->added);
    qfs_arena_done(&t->scratch);
    qfs_arena_done(&t->arena);
    free(t);
}
