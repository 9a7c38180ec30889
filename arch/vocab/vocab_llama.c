/* LlamaModel.set_vocab: whichever of three tokenizers the directory holds. */
#include "vocab.h"

#include <string.h>

/* Keys that come before the vocabulary, and kinds of tokenizer that are refused. */
static int begin(struct qfs_conversion *conversion, struct qfs_arena *arena,
                 struct qfs_error *error)
{
    const struct qfs_model *model = conversion->model;
    const struct qfs_json *config;
    int rc = qfs_vocab_read_object(arena, model, "tokenizer_config.json", &config, error);
    if (rc < 0 || !config)
        return rc;
    const struct qfs_json *prefix = qfs_json_get(config, "add_prefix_space");
    if (!qfs_json_is_null(prefix))
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_space_prefix", qfs_json_truthy(prefix));
    if (qfs_text_is(qfs_json_text(qfs_json_get(config, "tokenizer_class")), "HybridDNATokenizer"))
        return qfs_fail(error, ENOTSUP,
                        "%s/tokenizer_config.json: HybridDNATokenizer is code that comes with the "
                        "model, which is not run",
                        model->path);
    return 0;
}

static int finish(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                  struct qfs_error *error)
{
    double size = 32000;
    qfs_json_real(qfs_json_get(hparams, "vocab_size"), &size);
    if (size == 32016) { /* CodeLlama */
        static const char *const types[] = {"prefix", "suffix", "middle", "eot", NULL};
        static const struct qfs_special_id ids[] = {
            {"prefix", 32007}, {"suffix", 32008}, {"middle", 32009}, {"eot", 32010}, {NULL, 0}};
        return qfs_vocab_add_special(conversion, types, ids, true, error);
    }
    if (size == 49152) /* small Granite models, and whoever shares the number */
        qfs_kv_bool(&conversion->kvs, "tokenizer.ggml.add_bos_token", false);
    return conversion->kvs.failed ? qfs_fail_memory(error) : 0;
}

int qfs_vocab_llama(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                    struct qfs_error *error)
{
    struct qfs_arena arena = {0};
    if (qfs_vocab_file_exists(conversion->model, "tekken.json") &&
        !qfs_vocab_file_exists(conversion->model, "tokenizer.json"))
        return qfs_vocab_mistral(conversion, false, error);
    int rc = begin(conversion, &arena, error);
    qfs_arena_done(&arena);
    if (rc == 0)
        rc = qfs_vocab_sentencepiece(conversion, hparams, error);
    if (rc == -ENOENT)
        rc = qfs_vocab_llama_hf(conversion, error);
    if (rc == -ENOENT)
        rc = qfs_vocab_gpt2(conversion, hparams, error);
    return rc < 0 ? rc : finish(conversion, hparams, error);
}
