/* _set_vocab_plamo: tokenizer.jsonl, a list [text, score, type, …] a line. */
#include "vocab.h"

#include <math.h>
#include <string.h>

static enum qfs_token_type type_of(struct qfs_text name, struct qfs_text text)
{
    if (qfs_text_is(name, "UNKNOWN"))
        return QFS_TOKEN_UNKNOWN;
    if (qfs_text_is(name, "CONTROL"))
        return QFS_TOKEN_CONTROL;
    if (qfs_text_is(name, "BYTE"))
        return QFS_TOKEN_BYTE;
    bool own = text.size >= 10 && memcmp(text.data, "<|plamo:", 8) == 0 &&
               memcmp(text.data + text.size - 2, "|>", 2) == 0;
    return own ? QFS_TOKEN_CONTROL : QFS_TOKEN_NORMAL;
}

static bool blank(struct qfs_text line)
{
    for (size_t at = 0; at < line.size;)
        if (!qfs_python_space(qfs_utf8_next(line, &at)))
            return false;
    return true;
}

/* Tokens of the file, then padding whose names start at [PAD1]. */
static int read_tokens(struct qfs_tokens *tokens, struct qfs_arena *arena,
                       const struct qfs_model *model, const struct qfs_json *hparams,
                       struct qfs_error *error)
{
    static const char name[] = "tokenizer.jsonl";
    const char *shown = qfs_vocab_shown(arena, model, name);
    struct qfs_text text, line;
    size_t count = 0, size = 0;
    if (!shown)
        return qfs_fail_memory(error);
    if (!qfs_vocab_file_exists(model, name))
        return qfs_fail(error, EINVAL, "%s: there is no such file", shown);
    int rc = qfs_vocab_read_text(arena, model, name, &text, error);
    if (rc == 0 && !qfs_json_get(hparams, "vocab_size"))
        rc = qfs_fail(error, EINVAL, "%s/config.json: has no vocab_size", model->path);
    if (rc < 0 || (rc = qfs_vocab_size(model, hparams, 0, &size, error)) < 0)
        return rc;
    if ((rc = qfs_tokens_init(tokens, arena, QFS_MAX(qfs_text_lines(text), size), -1000.0f,
                              error)) < 0)
        return rc;
    for (size_t at = 0; qfs_text_line(text, &at, &line);) {
        const struct qfs_json *row;
        double score;
        if (blank(line))
            continue;
        if ((rc = qfs_json_parse(arena, line.data, line.size, shown, &row, error)) < 0)
            return rc;
        const struct qfs_json *token = qfs_json_at(row, 0), *type = qfs_json_at(row, 2);
        if (!qfs_json_is(token, QFS_JSON_STRING) || !qfs_json_real(qfs_json_at(row, 1), &score))
            return qfs_fail(error, EINVAL, "%s: token %zu is malformed", shown, count);
        tokens->texts[count] = qfs_json_text(token);
        tokens->scores[count] = (float)score;
        tokens->types[count++] = type_of(qfs_json_text(type), qfs_json_text(token));
    }
    tokens->count = QFS_MAX(count, size);
    for (size_t i = count; i < tokens->count; i++) {
        char *pad = qfs_arena_printf(arena, "[PAD%zu]", i - count + 1);
        if (!pad)
            return qfs_fail_memory(error);
        tokens->texts[i] = qfs_text_of(pad);
    }
    return 0;
}

static int put_special(struct qfs_conversion *conversion, const struct qfs_tokens *tokens,
                       const struct qfs_json *config, struct qfs_error *error)
{
    static const char *const keys[][2] = {
        {"bos_token", "tokenizer.ggml.bos_token_id"},
        {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"pad_token", "tokenizer.ggml.padding_token_id"},
        {"sep_token", "tokenizer.ggml.seperator_token_id"},
        {"unk_token", "tokenizer.ggml.unknown_token_id"},
    };
    for (size_t i = 0; i < QFS_COUNT(keys); i++) {
        const struct qfs_json *value = qfs_json_get(config, keys[i][0]);
        size_t at = 0;
        if (qfs_json_is_null(value))
            continue;
        while (at < tokens->count && !(value->kind == QFS_JSON_STRING &&
                                       qfs_text_equal(tokens->texts[at], qfs_json_text(value))))
            at++;
        if (at == tokens->count)
            return qfs_fail(error, EINVAL, "%s/tokenizer_config.json: %s is no token",
                            conversion->model->path, keys[i][0]);
        qfs_kv_u32(&conversion->kvs, keys[i][1], (uint32_t)at);
    }
    qfs_kv_u32(&conversion->kvs, "tokenizer.ggml.eot_token_id", 4); /* <|plamo:op|> */
    qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_space_prefix", false);
    return conversion->kvs.failed ? qfs_fail_memory(error) : 0;
}

int qfs_vocab_plamo(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    struct qfs_arena arena = {0};
    struct qfs_tokens tokens;
    const struct qfs_json *config = NULL;
    int rc = read_tokens(&tokens, &arena, model, hparams, error);
    if (rc == 0)
        rc = qfs_vocab_read_json(&arena, model, "tokenizer_config.json", &config, error);
    if (rc == 0 && !qfs_json_is(config, QFS_JSON_OBJECT))
        rc = qfs_fail(error, EINVAL, "%s/tokenizer_config.json: is missing or not an object",
                      model->path);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "plamo2", "default", error);
    if (rc == 0)
        rc = put_special(conversion, &tokens, config, error);
    qfs_arena_done(&arena);
    return rc;
}
