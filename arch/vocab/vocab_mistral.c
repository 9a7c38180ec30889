/* _set_vocab_mistral: tekken.json, or a SentencePiece model whose name ends with its version, read as
 * mistral_common reads them. */
#include "tokenizer.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- which file ------------------------------------------------------------------------------------------ */

static const int versions[] = {1, 2, 3, 7, 11, 13, 15};

static bool known_version(int number)
{
    for (size_t i = 0; i < QFS_COUNT(versions); i++)
        if (versions[i] == number)
            return true;
    return false;
}

/* "v3" or "v3m1": its number, 0 for any other text. */
static int version_of(const char *text, bool multimodal)
{
    char *end;
    if (text[0] != 'v' || text[1] < '1' || text[1] > '9')
        return 0;
    long number = strtol(text + 1, &end, 10);
    bool ended = !*end || (multimodal && strcmp(end, "m1") == 0);
    return ended && number < 100 && known_version((int)number) ? (int)number : 0;
}

/* The version in a SentencePiece model's name: "….model.v3", "….model" is 1; 0 where it is none. The
 * suffixes of a path are all that follows the first dot behind its first character. */
static int spm_version(const char *name)
{
    const char *suffix = strchr(name + (name[0] == '.'), '.');
    if (!suffix)
        return 0;
    if (strcmp(suffix, ".model") == 0)
        return 1;
    return qfs_starts_with(suffix, ".model.") ? version_of(suffix + 7, true) : 0;
}

struct found {
    char *path; /* in the arena; NULL: none */
    const char *name;
    bool tekken;
};

/* tekken.json before anything else, then the last name in order. */
static void prefer(struct found *best, char *path, const char *name)
{
    bool tekken = strcmp(name, "tekken.json") == 0;
    if (best->tekken || (!tekken && !spm_version(name)))
        return;
    if (!best->path || tekken || strcmp(name, best->name) > 0)
        *best = (struct found){path, name, tekken};
}

static int search(struct qfs_arena *arena, const struct qfs_model *model, const char *folder,
                  unsigned depth, struct found *best)
{
    int fd = openat(model->dir_fd, *folder ? folder : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = qfs_arena_printf(arena, "%s%s%s", folder, *folder ? "/" : "", entry->d_name);
        if (!path)
            rc = -ENOMEM;
        else if (qfs_vocab_file_exists(model, path))
            prefer(best, path, path + strlen(path) - strlen(entry->d_name));
        else if (depth) /* anything but a directory cannot be opened as one */
            rc = search(arena, model, path, depth - 1, best);
    }
    closedir(dir);
    return rc;
}

/* -- tekken.json ------------------------------------------------------------------------------------------- */

struct tekken {
    struct qfs_arena *arena;
    const char *shown;
    const struct qfs_json *json;
    int version;
    struct qfs_text *bytes; /* of tokens that are not special, by rank */
    size_t nbytes, nspecial;
    struct qfs_text *special; /* by place */
    int64_t *ranks;           /* of special tokens that the file names */
    size_t nnamed;
    struct qfs_map by_bytes;
    struct qfs_error *error;
};

static int malformed(const struct tekken *k, const char *what)
{
    return qfs_fail(k->error, EINVAL, "%s: %s is missing or malformed", k->shown, what);
}

static int size_field(const struct tekken *k, const char *name, size_t *ret)
{
    const struct qfs_json *value = qfs_json_get(qfs_json_get(k->json, "config"), name);
    if (!qfs_json_is(value, QFS_JSON_INT) || value->integer < 0 || value->integer > 16 << 20)
        return malformed(k, name);
    *ret = (size_t)value->integer;
    return 0;
}

static int read_special(struct tekken *k)
{
    /* Of files from before the list was in them. */
    static const char *const old[] = {"<unk>",
                                      "<s>",
                                      "</s>",
                                      "[INST]",
                                      "[/INST]",
                                      "[AVAILABLE_TOOLS]",
                                      "[/AVAILABLE_TOOLS]",
                                      "[TOOL_RESULTS]",
                                      "[/TOOL_RESULTS]",
                                      "[TOOL_CALLS]",
                                      "[IMG]",
                                      "<pad>",
                                      "[IMG_BREAK]",
                                      "[IMG_END]",
                                      "[PREFIX]",
                                      "[MIDDLE]",
                                      "[SUFFIX]",
                                      "[SYSTEM_PROMPT]",
                                      "[/SYSTEM_PROMPT]",
                                      "[TOOL_CONTENT]"};
    const struct qfs_json *list = qfs_json_get(k->json, "special_tokens");
    struct qfs_map seen = {0};
    int rc = 0;
    bool absent = qfs_json_is_null(list);
    if ((absent && k->version > 7) || (!absent && list->kind != QFS_JSON_ARRAY))
        return malformed(k, "special_tokens");
    k->nnamed = absent ? QFS_COUNT(old) : list->count;
    if (k->nnamed > k->nspecial)
        return qfs_fail(k->error, EINVAL, "%s: has more special tokens than it says", k->shown);
    k->special = qfs_arena_array(k->arena, k->nspecial, sizeof(*k->special));
    k->ranks = qfs_arena_array(k->arena, k->nspecial, sizeof(*k->ranks));
    if (!k->special || !k->ranks)
        return qfs_fail_memory(k->error);
    for (size_t i = 0; i < k->nspecial && rc == 0; i++) {
        k->ranks[i] = (int64_t)i;
        if (i >= k->nnamed) {
            k->special[i] = qfs_text_of(qfs_arena_printf(k->arena, "<SPECIAL_%zu>", i));
        } else if (absent) {
            k->special[i] = qfs_text_of(old[i]);
        } else {
            const struct qfs_json *token = &list->items[i], *rank = qfs_json_get(token, "rank");
            k->special[i] = qfs_json_text(qfs_json_get(token, "token_str"));
            if (!qfs_json_int(rank, &k->ranks[i]))
                rc = malformed(k, "a special token");
        }
        if (rc == 0 && !k->special[i].data)
            rc = malformed(k, "a special token");
        int fresh = rc < 0 ? 1 : qfs_map_set(&seen, k->special[i], i);
        if (fresh < 0)
            rc = qfs_fail_memory(k->error);
        else if (fresh == 0)
            rc = qfs_fail(k->error, EINVAL, "%s: the special token '%s' is there twice", k->shown,
                          k->special[i].data);
    }
    qfs_map_done(&seen);
    return rc;
}

static int read_vocab(struct tekken *k)
{
    const struct qfs_json *vocab = qfs_json_get(k->json, "vocab");
    if (!qfs_json_is(vocab, QFS_JSON_ARRAY) || vocab->count < k->nbytes)
        return malformed(k, "vocab");
    if (!(k->bytes = qfs_arena_array(k->arena, k->nbytes, sizeof(*k->bytes))))
        return qfs_fail_memory(k->error);
    for (size_t i = 0; i < k->nbytes; i++) {
        const struct qfs_json *token = &vocab->items[i], *rank = qfs_json_get(token, "rank");
        struct qfs_text digits = qfs_json_text(qfs_json_get(token, "token_bytes"));
        if (token->kind != QFS_JSON_OBJECT || token->count != 3 || !digits.data ||
            !qfs_json_get(token, "token_str") || !qfs_json_is(rank, QFS_JSON_INT) ||
            rank->integer != (int64_t)i)
            return qfs_fail(k->error, EINVAL, "%s: token %zu is malformed", k->shown, i);
        int rc = qfs_base64_decode(k->arena, digits, &k->bytes[i]);
        if (rc == -ENOMEM)
            return qfs_fail_memory(k->error);
        if (rc < 0 ||
            (i < 256 && (k->bytes[i].size != 1 || (uint8_t)k->bytes[i].data[0] != (uint8_t)i)))
            return qfs_fail(k->error, EINVAL, "%s: the bytes of token %zu are wrong", k->shown, i);
        int fresh = qfs_map_set(&k->by_bytes, k->bytes[i], i);
        if (fresh < 0)
            return qfs_fail_memory(k->error);
        if (fresh == 0)
            return qfs_fail(k->error, EINVAL, "%s: token %zu is there already", k->shown, i);
    }
    return 0;
}

static int read_tekken(struct tekken *k)
{
    const char *version = qfs_json_string(qfs_json_get(qfs_json_get(k->json, "config"), "version"));
    size_t size = 0;
    int rc;
    if (!qfs_json_is(k->json, QFS_JSON_OBJECT))
        return malformed(k, "its object");
    if (!version || !(k->version = version_of(version, false)))
        return malformed(k, "config.version");
    if (k->version > 11 && qfs_json_truthy(qfs_json_get(k->json, "multimodal")))
        return malformed(k, "image");
    if (k->version < 15 && !qfs_json_is_null(qfs_json_get(k->json, "model_settings_builder")))
        return malformed(k, "model_settings_builder");
    if (!qfs_json_string(qfs_json_get(qfs_json_get(k->json, "config"), "pattern")))
        return malformed(k, "config.pattern");
    if ((rc = size_field(k, "default_vocab_size", &size)) < 0 ||
        (rc = size_field(k, "default_num_special_tokens", &k->nspecial)) < 0)
        return rc;
    if (size < k->nspecial)
        return malformed(k, "config.default_vocab_size");
    k->nbytes = size - k->nspecial;
    return (rc = read_special(k)) < 0 ? rc : read_vocab(k);
}

/* -- merges: every pair of tokens that a token can be cut into --------------------------------------------- */

struct pair {
    uint64_t left, right;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

struct merges {
    struct qfs_text *items;
    size_t count, capacity;
};

static int add_merge(struct tekken *k, struct merges *m, const struct qfs_text *spelled,
                     struct pair pair)
{
    struct qfs_text a = spelled[pair.left], b = spelled[pair.right];
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? m->capacity * 2 : 1 << 12;
        struct qfs_text *items = realloc(m->items, capacity * sizeof(*items));
        if (!items)
            return -ENOMEM;
        m->items = items;
        m->capacity = capacity;
    }
    char *text = qfs_arena_alloc(k->arena, a.size + b.size + 2);
    if (!text)
        return -ENOMEM;
    memcpy(text, a.data, a.size);
    text[a.size] = ' ';
    memcpy(text + a.size + 1, b.data, b.size);
    m->items[m->count++] = (struct qfs_text){text, a.size + b.size + 1};
    return 0;
}

static int find_merges(struct tekken *k, const struct qfs_text *spelled, struct merges *m)
{
    struct pair *pairs = NULL;
    size_t room = 0;
    int rc = 0;
    for (size_t i = 256; i < k->nbytes && rc == 0; i++) {
        struct qfs_text whole = k->bytes[i];
        size_t count = 0;
        if (whole.size > room) {
            struct pair *items = realloc(pairs, whole.size * 2 * sizeof(*items));
            if (!items) {
                rc = -ENOMEM;
                break;
            }
            pairs = items;
            room = whole.size * 2;
        }
        for (size_t j = 1; j < whole.size; j++)
            count +=
                qfs_map_get(&k->by_bytes, (struct qfs_text){whole.data, j}, &pairs[count].left) &&
                qfs_map_get(&k->by_bytes, (struct qfs_text){whole.data + j, whole.size - j},
                            &pairs[count].right);
        if (count == 0)
            rc = qfs_fail(k->error, EINVAL, "%s: token %zu is no merge of two others", k->shown, i);
        if (count > 1)
            qsort(pairs, count, sizeof(*pairs), compare_pairs);
        for (size_t j = 0; j < count && rc == 0; j++)
            rc = add_merge(k, m, spelled, pairs[j]);
    }
    free(pairs);
    return rc == -ENOMEM ? qfs_fail_memory(k->error) : rc;
}

static int put_ids(struct qfs_conversion *conversion, const char *shown, int64_t bos, int64_t eos,
                   int64_t unk, int64_t pad, struct qfs_error *error)
{
    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", bos},
               {"tokenizer.ggml.eos_token_id", eos},
               {"tokenizer.ggml.unknown_token_id", unk},
               {"tokenizer.ggml.padding_token_id", pad == -1 ? eos : pad}};
    for (size_t i = 0; i < QFS_COUNT(ids); i++) {
        if (ids[i].id < 0 || ids[i].id > UINT32_MAX)
            return qfs_fail(error, EINVAL, "%s: has no token for %s", shown, ids[i].key);
        qfs_kv_u32(&conversion->kvs, ids[i].key, (uint32_t)ids[i].id);
    }
    return 0;
}

/* get_special_token */
static int64_t special_rank(const struct tekken *k, const char *text)
{
    for (size_t i = 0; i < k->nspecial; i++)
        if (qfs_text_is(k->special[i], text))
            return k->ranks[i];
    return -2;
}

static int write_tekken(struct tekken *k, struct qfs_conversion *conversion)
{
    struct qfs_kvs *kvs = &conversion->kvs;
    size_t count = k->nspecial + k->nbytes;
    struct qfs_text *texts = qfs_arena_array(k->arena, count, sizeof(*texts));
    int32_t *types = qfs_arena_array(k->arena, count, sizeof(*types));
    int32_t *zeros = qfs_arena_array(k->arena, count, sizeof(*zeros));
    struct merges merges = {0};
    if (!texts || !types || !zeros)
        return qfs_fail_memory(k->error);
    for (size_t i = 0; i < count; i++) {
        bool special = i < k->nspecial;
        texts[i] = special ? k->special[i] : qfs_text_spell(k->arena, k->bytes[i - k->nspecial]);
        types[i] = special ? QFS_TOKEN_CONTROL : QFS_TOKEN_NORMAL;
        if (!texts[i].data)
            return qfs_fail_memory(k->error);
        if (special && !qfs_utf8_valid(texts[i].data, texts[i].size))
            return malformed(k, "a special token");
    }
    qfs_kv_string(kvs, "tokenizer.ggml.model", "gpt2");
    qfs_kv_string(kvs, "tokenizer.ggml.pre", "tekken");
    int rc = find_merges(k, texts + k->nspecial, &merges);
    if (rc == 0 && merges.count)
        qfs_kv_texts(kvs, "tokenizer.ggml.merges", merges.items, merges.count);
    free(merges.items);
    if (rc == 0)
        rc = put_ids(conversion, k->shown, special_rank(k, "<s>"), special_rank(k, "</s>"),
                     special_rank(k, "<unk>"), special_rank(k, "<pad>"), k->error);
    if (rc < 0 || count == 0)
        return rc;
    qfs_kv_texts(kvs, "tokenizer.ggml.tokens", texts, count);
    /* Scores are Python integers there, so the array is of integers too. */
    qfs_kv_array(kvs, "tokenizer.ggml.scores", QFS_KV_I32, zeros, count);
    qfs_kv_array(kvs, "tokenizer.ggml.token_type", QFS_KV_I32, types, count);
    return 0;
}

/* -- SentencePiece ------------------------------------------------------------------------------------------- */

/* bos_id() and the like: the piece's id if it is of this type. */
static int64_t piece_id(const struct qfs_sentencepiece *pieces, const char *text,
                        enum qfs_piece_type type)
{
    for (size_t i = 0; i < pieces->npieces; i++)
        if (qfs_text_is(pieces->pieces[i].text, text))
            return pieces->pieces[i].type == type ? (int64_t)i : -1;
    return -1;
}

static int write_pieces(struct qfs_conversion *conversion, struct qfs_arena *arena,
                        const char *file, size_t *ret_count, struct qfs_error *error)
{
    struct qfs_sentencepiece pieces;
    struct qfs_tokens tokens;
    int rc = qfs_pieces_read(arena, conversion->model, file, &pieces, error);
    if (rc < 0 || (rc = qfs_tokens_init(&tokens, arena, pieces.npieces, 0.0f, error)) < 0)
        return rc;
    for (size_t i = 0; i < pieces.npieces; i++)
        qfs_tokens_take_piece(&tokens, i, &pieces.pieces[i]);
    qfs_kv_string(&conversion->kvs, "tokenizer.ggml.model", "llama");
    rc = put_ids(conversion, file, piece_id(&pieces, "<s>", QFS_PIECE_CONTROL),
                 piece_id(&pieces, "</s>", QFS_PIECE_CONTROL),
                 piece_id(&pieces, "<unk>", QFS_PIECE_UNKNOWN),
                 piece_id(&pieces, "<pad>", QFS_PIECE_CONTROL), error);
    if (rc == 0)
        rc = qfs_tokens_write(&tokens, conversion, "llama", NULL, error);
    *ret_count = tokens.count;
    return rc;
}

/* -- all of it ------------------------------------------------------------------------------------------------ */

static int put_template(struct qfs_conversion *conversion, const char *shown, int version,
                        bool tekken, struct qfs_error *error)
{
    static const struct {
        int version;
        const char *spm, *tekken, *file;
    } templates[] = {
        {1, "mistral-v1", "mistral-v1", NULL},
        {3, "mistral-v3", "mistral-v3-tekken", NULL},
        {7, "mistral-v7", "mistral-v7-tekken", NULL},
        {11, NULL, NULL, "Mistral-Small-3.2-24B-Instruct-2506.jinja"},
        {13, NULL, NULL, "unsloth-mistral-Devstral-Small-2507.jinja"},
    };
    for (size_t i = 0; i < QFS_COUNT(templates); i++) {
        if (templates[i].version != version)
            continue;
        struct qfs_text text = templates[i].file
                                   ? qfs_vocab_template(templates[i].file)
                                   : qfs_text_of(tekken ? templates[i].tekken : templates[i].spm);
        qfs_kv_text(&conversion->kvs, "tokenizer.chat_template", text);
        return 0;
    }
    return qfs_fail(error, ENOTSUP,
                    "%s: llama.cpp has no chat template for version %d of Mistral's tokenizer; add "
                    "a chat_template.jinja",
                    shown, version);
}

static int write_vocab(struct qfs_conversion *conversion, struct qfs_arena *arena,
                       const struct found *file, size_t *ret_count, int *ret_version,
                       struct qfs_error *error)
{
    struct tekken k = {.arena = arena, .error = error};
    int rc;
    if (!file->tekken) {
        *ret_version = spm_version(file->name);
        return write_pieces(conversion, arena, file->path, ret_count, error);
    }
    if (!(k.shown = qfs_vocab_shown(arena, conversion->model, file->path)))
        return qfs_fail_memory(error);
    rc = qfs_vocab_read_json(arena, conversion->model, file->path, &k.json, error);
    if (rc == 0)
        rc = read_tekken(&k);
    if (rc == 0)
        rc = write_tekken(&k, conversion);
    qfs_map_done(&k.by_bytes);
    *ret_count = k.nspecial + k.nbytes;
    *ret_version = k.version;
    return rc;
}

int qfs_vocab_mistral(struct qfs_conversion *conversion, bool own_format, struct qfs_error *error)
{
    enum { DEPTH = 8 };
    const struct qfs_model *model = conversion->model;
    struct qfs_kvs *kvs = &conversion->kvs;
    struct qfs_arena arena = {0};
    struct found file = {0};
    struct qfs_text text;
    size_t count = 0;
    int version = 0, rc = search(&arena, model, "", DEPTH, &file);
    if (rc < 0)
        rc = qfs_fail_memory(error);
    else if (!file.path)
        rc = qfs_fail(error, EINVAL, "%s: has neither tekken.json nor a tokenizer.model.vN",
                      model->path);
    else
        rc = write_vocab(conversion, &arena, &file, &count, &version, error);
    char *key = qfs_arena_printf(&arena, "%s.vocab_size", conversion->arch);
    if (rc == 0 && !key)
        rc = qfs_fail_memory(error);
    if (rc == 0) {
        qfs_kv_u32(kvs, key, (uint32_t)count);
        qfs_kv_bool(kvs, "tokenizer.ggml.add_bos_token", true);
        qfs_kv_bool(kvs, "tokenizer.ggml.add_eos_token", false);
        if (!own_format || !qfs_vocab_file_exists(model, "chat_template.jinja"))
            rc = put_template(conversion, file.path, version, file.tekken, error);
        else if ((rc = qfs_vocab_read_text(&arena, model, "chat_template.jinja", &text, error)) ==
                     0 &&
                 text.size)
            qfs_kv_text(kvs, "tokenizer.chat_template", text);
    }
    qfs_arena_done(&arena);
    if (rc == 0 && kvs->failed)
        rc = qfs_fail_memory(error);
    return rc == -ENOENT ? -EINVAL : rc;
}
