/* Vocabularies in tiktoken's files, lines of base64 and a rank. The tokenizers around them are Python code
 * that comes with the models; here the labs' known ones are told by their files' names. */
#include "tokenizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* What the code of a lab says: its file, the patterns that cut a text, its special tokens. */
struct lab {
    const char *file;
    const char *patterns[3]; /* the first whose fingerprint llama.cpp knows counts */
    bool nfc;                /* texts are normalized before */
    bool ranks_by_line;      /* numbers in the file do not count */
    bool all_merges;         /* every token must be a merge of two */
    bool within;             /* the ids in the file must be below vocab_size */
    bool filling;            /* all ids together must be as many as vocab_size says */
    const char *first[6]; /* special tokens, then <|extra_0|> …; none: from tokenizer_config.json */
    size_t nextras, reserved;
    int64_t start; /* id of the first special token; -1: behind the others */
};

#define WORDS(digits)                                                    \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define NOT_HAN "&&[^\\p{Han}]]"
#define KIMI_WORD(upper, lower)                                               \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" NOT_HAN upper \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" NOT_HAN lower "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"

static const struct lab qwen = {
    .file = "qwen.tiktoken",
    .patterns = {WORDS("\\p{N}")},
    .nfc = true,
    .all_merges = true,
    .within = true,
    .first = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"},
    .nextras = 205,
    .start = 151643,
};

static const struct lab hunyuan = {
    .file = "hy.tiktoken",
    .patterns = {WORDS("\\p{N}"), WORDS("\\p{N}{1,3}")},
    .nfc = true,
    .ranks_by_line = true,
    .filling = true,
    .first = {"<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"},
    .nextras = 205,
    .start = 127957,
};

static const struct lab kimi = {
    .file = "tiktoken.model",
    .patterns = {"[\\p{Han}]+|" KIMI_WORD("*", "+") KIMI_WORD(
        "+", "*") "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    .reserved = 256 + 2,
    .start = -1,
};

struct special {
    struct qfs_text text;
    int64_t id;
};

struct tiktoken {
    const struct lab *lab;
    const struct qfs_model *model;
    const char *shown;
    struct qfs_arena arena;
    struct qfs_map ranks;    /* bytes → rank */
    struct qfs_text *tokens; /* in the file's order */
    int64_t *ids;            /* their ranks */
    size_t ntokens;
    int64_t highest;
    struct special *special;
    size_t nspecial;
    struct qfs_text *merges;
    size_t nmerges;
    const char *pre;
    struct qfs_error *error;
};

static void close_tiktoken(struct tiktoken *k)
{
    qfs_map_done(&k->ranks);
    qfs_arena_done(&k->arena);
}

/* -- reading ------------------------------------------------------------------------------------------------- */

static int add_line(struct tiktoken *k, struct qfs_text line, size_t number)
{
    const char *space = memchr(line.data, ' ', line.size);
    size_t size = space ? (size_t)(space - line.data) : 0;
    struct qfs_text bytes, rest = {space, space ? line.size - size : 0};
    int64_t rank;
    uint64_t at;
    int rc =
        space ? qfs_base64_decode(&k->arena, (struct qfs_text){line.data, size}, &bytes) : -EINVAL;
    if (rc == -ENOMEM)
        return qfs_fail_memory(k->error);
    if (rc < 0 || !qfs_python_int(rest, &rank) || rank < 0 || rank > INT32_MAX)
        return qfs_fail(k->error, EINVAL, "%s: line %zu is malformed", k->shown, number);
    bool known = qfs_map_get(&k->ranks, bytes, &at);
    if (known && k->lab->ranks_by_line)
        return 0;
    if (known)
        return qfs_fail(k->error, EINVAL, "%s: the token of line %zu is there already", k->shown,
                        number);
    if (k->lab->ranks_by_line)
        rank = (int64_t)k->ntokens;
    if (qfs_map_set(&k->ranks, bytes, (uint64_t)rank) < 0)
        return qfs_fail_memory(k->error);
    k->highest = QFS_MAX(k->highest, rank);
    k->ids[k->ntokens] = rank;
    k->tokens[k->ntokens++] = bytes;
    return 0;
}

static int read_file(struct tiktoken *k)
{
    struct qfs_text text, line;
    size_t number = 1;
    int rc = qfs_vocab_read_text(&k->arena, k->model, k->lab->file, &text, k->error);
    if (rc < 0)
        return rc == -ENOENT ? -EINVAL : rc;
    size_t lines = qfs_text_lines(text);
    k->tokens = qfs_arena_array(&k->arena, lines, sizeof(*k->tokens));
    k->ids = qfs_arena_array(&k->arena, lines, sizeof(*k->ids));
    k->highest = -1;
    if (!k->tokens || !k->ids)
        return qfs_fail_memory(k->error);
    for (size_t at = 0; rc == 0 && qfs_text_line(text, &at, &line); number++)
        if (line.size)
            rc = add_line(k, line, number);
    if (rc == 0 && k->ntokens == 0)
        rc = qfs_fail(k->error, EINVAL, "%s: is empty", k->shown);
    return rc;
}

static int add_special(struct tiktoken *k, const char *text, int64_t id)
{
    if (!text)
        return qfs_fail_memory(k->error);
    k->special[k->nspecial++] = (struct special){qfs_text_of(text), id};
    return 0;
}

/* Kimi's: what added_tokens_decoder calls the places behind the file's tokens. */
static int reserved_tokens(struct tiktoken *k)
{
    const struct qfs_json *config = NULL;
    int rc = qfs_vocab_read_json(&k->arena, k->model, "tokenizer_config.json", &config, k->error);
    const struct qfs_json *decoder = rc < 0 ? NULL : qfs_json_get(config, "added_tokens_decoder");
    for (size_t i = 0; i < k->lab->reserved && rc == 0; i++) {
        char number[24];
        const char *text = NULL;
        snprintf(number, sizeof(number), "%zu", k->ntokens + i);
        text = qfs_json_string(qfs_json_get(qfs_json_get(decoder, number), "content"));
        rc = add_special(k,
                         text ? text : qfs_arena_printf(&k->arena, "<|reserved_token_%s|>", number),
                         (int64_t)(k->ntokens + i));
    }
    return rc;
}

static int read_special(struct tiktoken *k)
{
    int64_t id = k->lab->start;
    size_t room = QFS_COUNT(k->lab->first) + k->lab->nextras + k->lab->reserved;
    int rc = 0;
    if (!(k->special = qfs_arena_array(&k->arena, room, sizeof(*k->special))))
        return qfs_fail_memory(k->error);
    if (k->lab->reserved)
        return reserved_tokens(k);
    for (size_t i = 0; i < QFS_COUNT(k->lab->first) && k->lab->first[i] && rc == 0; i++)
        rc = add_special(k, k->lab->first[i], id++);
    for (size_t i = 0; i < k->lab->nextras && rc == 0; i++)
        rc = add_special(k, qfs_arena_printf(&k->arena, "<|extra_%zu|>", i), id++);
    /* The code asserts that tokens and special tokens fill their numbers. */
    if (rc == 0 && ((size_t)k->lab->start != k->ntokens || k->highest + 1 != k->lab->start))
        rc = qfs_fail(k->error, EINVAL, "%s: has %zu tokens, not %lld", k->shown, k->ntokens,
                      (long long)k->lab->start);
    return rc;
}

/* -- byte pairs by rank ---------------------------------------------------------------------------------------- */

struct part {
    size_t start, size;
};

/* Joins neighbours, the lowest rank first, while it is below `limit`; *ret_count parts are left. */
static int join(struct tiktoken *k, struct qfs_text text, uint64_t limit, struct part **ret_parts,
                size_t *ret_count)
{
    struct part *parts = realloc(*ret_parts, QFS_MAX(text.size, 1) * sizeof(*parts));
    size_t count = text.size;
    if (!parts)
        return qfs_fail_memory(k->error);
    *ret_parts = parts;
    for (size_t i = 0; i < count; i++)
        parts[i] = (struct part){i, 1};
    for (;;) {
        uint64_t best = UINT64_MAX, rank;
        size_t at = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            struct qfs_text pair = {text.data + parts[i].start, parts[i].size + parts[i + 1].size};
            if (qfs_map_get(&k->ranks, pair, &rank) && rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == UINT64_MAX || best >= limit)
            break;
        parts[at].size += parts[at + 1].size;
        memmove(&parts[at + 1], &parts[at + 2], (count - at - 2) * sizeof(*parts));
        count--;
    }
    *ret_count = count;
    return 0;
}

static int find_merges(struct tiktoken *k)
{
    struct part *parts = NULL;
    int rc = 0;
    if (!(k->merges = qfs_arena_array(&k->arena, k->ntokens, sizeof(*k->merges))))
        return qfs_fail_memory(k->error);
    for (size_t i = 0; i < k->ntokens && rc == 0; i++) {
        struct qfs_text token = k->tokens[i];
        size_t count = 0;
        if (token.size == 1)
            continue;
        if ((rc = join(k, token, (uint64_t)k->ids[i], &parts, &count)) < 0)
            break;
        if (count != 2) {
            if (k->lab->all_merges)
                rc = qfs_fail(k->error, EINVAL, "%s: token %lld is no merge of two others",
                              k->shown, (long long)k->ids[i]);
            continue;
        }
        struct qfs_text a = qfs_text_spell(&k->arena, (struct qfs_text){token.data, parts[0].size});
        struct qfs_text b = qfs_text_spell(
            &k->arena, (struct qfs_text){token.data + parts[1].start, parts[1].size});
        char *text = a.data && b.data ? qfs_arena_printf(&k->arena, "%s %s", a.data, b.data) : NULL;
        if (!text)
            rc = qfs_fail_memory(k->error);
        else
            k->merges[k->nmerges++] = qfs_text_of(text);
    }
    free(parts);
    return rc;
}

static int encode(struct tiktoken *k, const char *pattern, struct qfs_text text,
                  struct qfs_ids *ids)
{
    struct qfs_regex *regex = NULL;
    struct qfs_spans spans = {0};
    struct part *parts = NULL;
    ids->count = 0;
    int rc = qfs_regex_new(qfs_text_of(pattern), false, k->shown, &regex, k->error);
    if (rc == 0)
        rc = qfs_regex_spans(regex, text, &spans, k->error);
    for (size_t i = 0; i < spans.count && rc == 0; i++) {
        struct qfs_text piece = {text.data + spans.items[i].start,
                                 spans.items[i].end - spans.items[i].start};
        uint64_t rank;
        size_t count = 0;
        if (!spans.items[i].match)
            continue;
        if (qfs_map_get(&k->ranks, piece, &rank)) {
            qfs_ids_add(ids, (uint32_t)rank);
            continue;
        }
        rc = join(k, piece, UINT64_MAX, &parts, &count);
        for (size_t j = 0; j < count && rc == 0; j++) {
            struct qfs_text part = {piece.data + parts[j].start, parts[j].size};
            if (qfs_map_get(&k->ranks, part, &rank))
                qfs_ids_add(ids, (uint32_t)rank);
            else
                rc = qfs_fail(k->error, EINVAL, "%s: a byte has no token", k->shown);
        }
    }
    free(parts);
    qfs_spans_done(&spans);
    qfs_regex_free(regex);
    return rc == 0 && ids->failed ? qfs_fail_memory(k->error) : rc;
}

/* get_vocab_base_pre */
static int find_pre(struct tiktoken *k, struct qfs_conversion *conversion)
{
    struct qfs_text text = qfs_fingerprint_text();
    struct qfs_ids ids = {0};
    char hex[65];
    utf8proc_uint8_t *normal = NULL;
    int rc = 0;
    if (k->lab->nfc) {
        utf8proc_ssize_t size =
            utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, &normal,
                         UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        if (size < 0)
            return qfs_fail_memory(k->error);
        text = (struct qfs_text){(const char *)normal, (size_t)size};
    }
    for (size_t i = 0; i < QFS_COUNT(k->lab->patterns) && k->lab->patterns[i]; i++) {
        if ((rc = encode(k, k->lab->patterns[i], text, &ids)) < 0 ||
            (rc = qfs_fingerprint_of(&ids, hex, &k->pre, k->error)) < 0 || k->pre)
            break;
    }
    if (rc == 0)
        rc = qfs_pre_settle(conversion, k->shown, hex, NULL, &k->pre, k->error);
    free(normal);
    free(ids.items);
    return rc;
}

static int open_tiktoken(struct tiktoken *k, struct qfs_conversion *conversion)
{
    int rc;
    if (!(k->shown = qfs_vocab_shown(&k->arena, k->model, k->lab->file)))
        return qfs_fail_memory(k->error);
    if (!qfs_vocab_file_exists(k->model, k->lab->file))
        return qfs_fail(
            k->error, ENOTSUP,
            "%s: there is no such file, nor a tokenizer.json: its tokenizer is code that "
            "comes with the model, which is not run",
            k->shown);
    if ((rc = read_file(k)) < 0 || (rc = read_special(k)) < 0 || (rc = find_pre(k, conversion)) < 0)
        return rc;
    return find_merges(k);
}

/* -- writing -------------------------------------------------------------------------------------------------------- */

static int64_t special_id(const struct tiktoken *k, const char *text)
{
    for (size_t i = 0; i < k->nspecial; i++)
        if (qfs_text_is(k->special[i].text, text))
            return k->special[i].id;
    return -1;
}

static int write_tokens(struct tiktoken *k, struct qfs_conversion *conversion,
                        const struct qfs_json *hparams)
{
    struct qfs_tokens tokens;
    size_t size = 0;
    int rc = 0;
    if (!qfs_json_get(hparams, "vocab_size"))
        rc = qfs_fail(k->error, EINVAL, "%s/config.json: has no vocab_size", k->model->path);
    if (rc < 0 || (rc = qfs_vocab_size(k->model, hparams, 0, &size, k->error)) < 0 ||
        (rc = qfs_tokens_init(&tokens, &k->arena, size, NAN, k->error)) < 0)
        return rc;
    if (k->lab->within && k->highest >= (int64_t)size)
        return qfs_fail(k->error, EINVAL, "%s: has ids beyond config.json's vocab_size %zu",
                        k->shown, size);
    if (k->lab->filling && k->lab->start + (int64_t)k->nspecial != (int64_t)size)
        return qfs_fail(k->error, EINVAL, "%s: config.json's vocab_size %zu is not its size",
                        k->shown, size);
    for (size_t i = 0; i < k->ntokens; i++) {
        if (k->ids[i] >= (int64_t)size)
            continue;
        tokens.texts[k->ids[i]] = qfs_text_spell(&k->arena, k->tokens[i]);
        tokens.types[k->ids[i]] = QFS_TOKEN_NORMAL;
        if (!tokens.texts[k->ids[i]].data)
            return qfs_fail_memory(k->error);
    }
    for (size_t i = 0; i < k->nspecial; i++)
        if (k->special[i].id < (int64_t)size) {
            tokens.texts[k->special[i].id] = k->special[i].text;
            tokens.types[k->special[i].id] = QFS_TOKEN_CONTROL;
        }
    rc = qfs_tokens_write(&tokens, conversion, "gpt2", k->pre, k->error);
    if (rc == 0 && k->nmerges)
        qfs_kv_texts(&conversion->kvs, "tokenizer.ggml.merges", k->merges, k->nmerges);
    return rc;
}

/* All but what families say of single ids. `end`: <|endoftext|> stands in for ids that nobody says. */
static int write_vocab(struct tiktoken *k, struct qfs_conversion *conversion,
                       const struct qfs_json *hparams, bool end)
{
    struct qfs_special_vocab special;
    int64_t id;
    int rc = open_tiktoken(k, conversion);
    if (rc == 0)
        rc = write_tokens(k, conversion, hparams);
    if (rc == 0)
        rc = qfs_special_vocab_load(&special, &k->arena, k->model, NULL, false, NULL, -1, k->error);
    if (rc == 0 && end) {
        id = special_id(k, "<|endoftext|>");
        bool none = special.nids == 0;
        if (none && ((rc = qfs_special_vocab_set(&special, "bos", id, k->error)) < 0 ||
                     (rc = qfs_special_vocab_set(&special, "eos", id, k->error)) < 0))
            return rc;
        rc = qfs_special_vocab_set(&special, "unk", id, k->error);
    }
    if (rc == 0)
        rc = qfs_special_vocab_write(&special, conversion, k->error);
    return rc;
}

int qfs_vocab_qwen(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    struct tiktoken k = {.lab = &qwen, .model = conversion->model, .error = error};
    int rc = write_vocab(&k, conversion, hparams, true);
    close_tiktoken(&k);
    return rc;
}

/* The ids that both of Hunyuan's kinds end with. */
static int hunyuan_end(struct qfs_conversion *conversion, struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    const struct qfs_json *config = model->config, *text = qfs_json_get(config, "text_config");
    const struct qfs_json *eod = qfs_json_get(text, "eod_token_id");
    struct qfs_arena arena = {0};
    const struct qfs_json *generation = NULL;
    int64_t id;
    if (!eod)
        eod = qfs_json_get(config, "eod_token_id");
    if (!qfs_json_is_null(eod)) {
        if (!qfs_json_int(eod, &id) || id < 0 || id > UINT32_MAX)
            return qfs_fail(error, EINVAL, "%s/config.json: eod_token_id is no id", model->path);
        qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.eos_token_id", (uint32_t)id);
    }
    int rc = qfs_vocab_read_json(&arena, model, "generation_config.json", &generation, error);
    const struct qfs_json *eos = rc < 0 ? NULL : qfs_json_get(generation, "eos_token_id");
    if (rc == 0 && qfs_json_is(eos, QFS_JSON_ARRAY) && eos->count >= 2) {
        if (qfs_json_int(&eos->items[0], &id) && id >= 0 && id <= UINT32_MAX)
            qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.eot_token_id", (uint32_t)id);
        else
            rc = qfs_fail(error, EINVAL, "%s/generation_config.json: eos_token_id is malformed",
                          model->path);
    }
    qfs_arena_done(&arena);
    return rc;
}

static int hunyuan_file(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                        struct qfs_error *error)
{
    static const char *const no_pad[] = {"bos", "eos", "unk", "sep", "cls", "mask", NULL};
    const struct qfs_json *config = conversion->model->config;
    const struct qfs_json *text = qfs_json_get(config, "text_config");
    const struct qfs_json *pad = qfs_json_get(text, "pad_token_id");
    double id = 0;
    qfs_json_real(pad ? pad : qfs_json_get(config, "pad_token_id"), &id);
    const struct qfs_vocab_way way = {.special_types = id < 0 ? no_pad : NULL};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}

int qfs_vocab_hunyuan(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool moe,
                      struct qfs_error *error)
{
    struct tiktoken k = {.lab = &hunyuan, .model = conversion->model, .error = error};
    double hidden = 0;
    if (!moe && qfs_vocab_file_exists(conversion->model, "tokenizer.json")) {
        int rc = hunyuan_file(conversion, hparams, error);
        return rc < 0 ? rc : hunyuan_end(conversion, error);
    }
    int rc = write_vocab(&k, conversion, hparams, false);
    close_tiktoken(&k);
    if (rc < 0)
        return rc;
    qfs_json_real(qfs_json_get(hparams, "hidden_size"), &hidden);
    if (moe || hidden == 4096)
        qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.bos_token_id", moe ? 127959 : 127958);
    return moe ? 0 : hunyuan_end(conversion, error);
}

/* special_tokens[str(config[name])]; -1: there is none. */
static int64_t named_id(const struct tiktoken *k, const struct qfs_json *config, const char *name,
                        const char *fallback)
{
    const struct qfs_json *value = qfs_json_get(config, name);
    const struct qfs_json *content = qfs_json_get(value, "content");
    const char *text = qfs_json_string(content ? content : value);
    return special_id(k, text ? text : value ? "None" : fallback);
}

static int write_kimi(struct tiktoken *k, struct qfs_conversion *conversion,
                      const struct qfs_json *hparams, bool eos)
{
    static const char *const names[][2] = {{"bos_token", "[BOS]"},
                                           {"eos_token", "[EOS]"},
                                           {"pad_token", "None"},
                                           {"unk_token", "None"}};
    const struct qfs_json *config = NULL;
    int rc = write_vocab(k, conversion, hparams, false);
    if (rc == 0)
        rc = qfs_vocab_read_json(&k->arena, k->model, "tokenizer_config.json", &config, k->error);
    if (rc == 0 && strcmp(k->pre, "kimi-k2") != 0)
        rc = qfs_fail(k->error, ENOTSUP, "%s: the converter takes no pre-tokenizer %s here",
                      k->shown, k->pre);
    for (size_t i = 0; i < QFS_COUNT(names) && rc == 0; i++)
        if (named_id(k, config, names[i][0], names[i][1]) < 0)
            rc = qfs_fail(k->error, EINVAL, "%s/tokenizer_config.json: %s is no special token",
                          k->model->path, names[i][0]);
    if (rc == 0 && eos)
        qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.eos_token_id",
                   (uint32_t)named_id(k, config, "eos_token", "[EOS]"));
    return rc;
}

int qfs_vocab_deepseek2(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool eos,
                        struct qfs_error *error)
{
    struct tiktoken k = {.lab = &kimi, .model = conversion->model, .error = error};
    int rc = qfs_vocab_gpt2(conversion, hparams, error);
    if (rc == 0 || rc == -ENOMEM || !qfs_vocab_file_exists(conversion->model, kimi.file))
        return rc;
    rc = write_kimi(&k, conversion, hparams, eos);
    close_tiktoken(&k);
    return rc;
}
