/* LlamaHfVocab: tokenizer.json with a BPE that falls back to bytes, as converted from SentencePiece. */
#include "tokenizer.h"

int qfs_vocab_llama_hf(struct qfs_conversion *conversion, struct qfs_error *error)
{
    return qfs_fail(error, ENOENT, "%s/tokenizer.json: not a Llama tokenizer",
                    conversion->model->path);
}
