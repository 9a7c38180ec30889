/* Unigram vocabularies ("t5" in llama.cpp): T5's set_vocab and XLM-RoBERTa's. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

static int put_normalizer(struct qfs_conversion *conversion, const struct qfs_json *ntypes,
                          bool with_types, bool prefix, bool remove_spaces,
                          struct qfs_text charsmap, struct qfs_error *error)
{
    struct qfs_kvs *kvs = &conversion->kvs;
    int64_t types = 1;
    qfs_kv_bool(kvs, "tokenizer.ggml.add_space_prefix", prefix);
    if (with_types && ntypes && (!qfs_json_int(ntypes, &types) || types < 0 || types > UINT32_MAX))
        return qfs_fail(error, EINVAL, "%s/config.json: type_vocab_size is not a count",
                        conversion->model->path);
    if (with_types)
        qfs_kv_u32(kvs, "tokenizer.ggml.token_type_count", (uint32_t)types);
    qfs_kv_bool(kvs, "tokenizer.ggml.remove_extra_whitespaces", remove_spaces);
    if (charsmap.size)
        qfs_kv_array(kvs, "tokenizer.ggml.precompiled_charsmap", QFS_KV_U8, charsmap.data,
                     charsmap.size);
    return kvs->failed ? qfs_fail_memory(error) : 0;
}

static int write_special(struct qfs_conversion *conversion, struct qfs_arena *arena,
                         const struct qfs_json *tokenizer, size_t count, struct qfs_error *error)
{
    struct qfs_special_vocab special;
    int rc = qfs_special_vocab_load(&special, arena, conversion->model, tokenizer, false, NULL,
                                    (int64_t)count, error);
    return rc < 0 ? rc : qfs_special_vocab_write(&special, conversion, error);
}

/* -- T5 ------------------------------------------------------------------------------------------------- */

static int t5_tokens(struct qfs_arena *arena, const struct qfs_model *model,
                     const struct qfs_json *hparams, const char *file,
                     const struct qfs_sentencepiece *pieces, struct qfs_tokens *tokens,
                     struct qfs_error *error)
{
    const struct qfs_json *added;
    size_t count = 0;
    int rc = qfs_vocab_size(model, hparams, pieces->npieces, &count, error);
    if (rc < 0 || (rc = qfs_tokens_init(tokens, arena, count, -10000.0f, error)) < 0)
        return rc;
    if (pieces->npieces > count)
        return qfs_fail(error, EINVAL, "%s/%s: has %zu pieces but config.json's vocab_size is %zu",
                        model->path, file, pieces->npieces, count);
    for (size_t i = 0; i < pieces->npieces; i++)
        qfs_tokens_take_piece(tokens, i, &pieces->pieces[i]);
    rc = qfs_vocab_read_json(arena, model, "added_tokens.json", &added, error);
    return rc < 0 ? rc : qfs_tokens_lay_added(tokens, model, added, error);
}

int qfs_vocab_t5(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                 struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    bool own = qfs_vocab_file_exists(model, "tokenizer.model");
    const char *file = own ? "tokenizer.model" : "spiece.model";
    struct qfs_arena arena = {0};
    struct qfs_sentencepiece pieces;
    struct qfs_tokens tokens;
    bool bpe = false;
    int rc = qfs_pieces_read(&arena, model, file, &pieces, error);
    if (rc == 0) {
        bpe = own && pieces.kind == QFS_SENTENCEPIECE_BPE; /* Pile-T5 */
        if (!bpe && pieces.kind != QFS_SENTENCEPIECE_UNIGRAM)
            rc = qfs_fail(error, EINVAL, "%s/%s: is not a unigram model", model->path, file);
    }
    if (rc == 0 && !bpe)
        rc = t5_tokens(&arena, model, hparams, file, &pieces, &tokens, error);
    if (rc == 0 && !bpe)
        rc = qfs_tokens_write(&tokens, conversion, "t5", "default", error);
    if (rc == 0 && !bpe)
        rc = put_normalizer(conversion, NULL, false, pieces.add_dummy_prefix,
                            pieces.remove_extra_whitespaces, pieces.precompiled_charsmap, error);
    if (rc == 0 && !bpe)
        rc = write_special(conversion, &arena, NULL, tokens.count, error);
    qfs_arena_done(&arena);
    if (rc == 0 && bpe)
        rc = qfs_vocab_sentencepiece(conversion, hparams, error);
    return rc == -ENOENT ? -EINVAL : rc;
}
