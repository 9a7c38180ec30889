#include "vocab.h"

static int refuse(struct qfs_conversion *conversion, struct qfs_error *error)
{
    return qfs_fail(error, ENOTSUP, "%s: tiktoken vocabularies are not supported",
                    conversion->model->path);
}

int qfs_vocab_qwen(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                   struct qfs_error *error)
{
    return refuse(conversion, error);
}

int qfs_vocab_hunyuan(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool moe,
                      struct qfs_error *error)
{
    return refuse(conversion, error);
}

int qfs_vocab_deepseek2(struct qfs_conversion *conversion, const struct qfs_json *hparams, bool eos,
                        struct qfs_error *error)
{
    return qfs_vocab_gpt2(conversion, hparams, error);
}

int qfs_vocab_chatglm(struct qfs_conversion *conversion, const struct qfs_json *hparams,
                      struct qfs_error *error)
{
    static const struct qfs_special_token texts[] = {
        {"eos", "<|endoftext|>"}, {"eot", "<|user|>"}, {"unk", "<|endoftext|>"}, {NULL, NULL}};
    static const struct qfs_vocab_way way = {.texts = texts};
    return qfs_vocab_gpt2_way(conversion, hparams, &way, error);
}
