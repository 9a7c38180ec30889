/* Qwen 1 to 3, dense, with the rerankers that are made of Qwen 3. */
#include "converter.h"
#include "vocab/tokenizer.h"

#include <ctype.h>
#include <string.h>

static const char *const qwen_classes[] = {"QWenLMHeadModel", NULL};
static const char *const qwen2_classes[] = {"Qwen2ForCausalLM",
                                            "Qwen2Model",
                                            "Qwen2AudioForConditionalGeneration",
                                            "KORMoForCausalLM",
                                            "AudioFlamingo3ForConditionalGeneration",
                                            "DotsOCRForCausalLM",
                                            NULL};
static const char *const qwen3_classes[] = {"Qwen3ForCausalLM", "Qwen3Model", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    if (strcmp(c->hf_class, "Qwen2Model") == 0 &&
        !(name = qfs_arena_printf(c->arena, "model.%s", name)))
        return qfs_fail_memory(c->error);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    return rc < 0 ? rc : qfs_put_pooling(c);
}

const struct qfs_family qfs_family_qwen = {
    .arch = "qwen",
    .hf_classes = qwen_classes,
    .vocab_method = qfs_vocab_qwen,
};

const struct qfs_family qfs_family_qwen2 = {
    .arch = "qwen2",
    .hf_classes = qwen2_classes,
    .tensor = tensor,
    .keys = keys,
    .vocab_method = qfs_vocab_sentencepiece_or_gpt2,
};

/* -- Qwen 3 ------------------------------------------------------------------------------------------- */

/* config.json's own class, whatever its text_config says. */
static const char *origin_class(const struct qfs_converter *c)
{
    return qfs_json_string(qfs_json_at(qfs_json_get(c->model->config, "architectures"), 0));
}

static bool is_interns1(const struct qfs_converter *c)
{
    const char *class = origin_class(c);
    return class && strcmp(class, "InternS1ForConditionalGeneration") == 0;
}

/* Whether `part` (lower case) is in text's lower case. */
static bool says(struct qfs_text text, const char *part)
{
    size_t size = strlen(part);
    for (size_t at = 0; text.data && at + size <= text.size; at++) {
        size_t i = 0;
        while (i < size && tolower((unsigned char)text.data[at + i]) == part[i])
            i++;
        if (i == size)
            return true;
    }
    return false;
}

/* A reranker says so in its model card, in its name, or by its class. */
static int is_reranker(struct qfs_converter *c, bool *ret_is)
{
    static const char *const names[] = {"qwen3-reranker", "qwen3-vl-reranker"};
    static const char *const titles[] = {"# qwen3-reranker", "# qwen3-vl-reranker"};
    const struct qfs_text hints[] = {
        qfs_text_of(c->model->name),
        qfs_json_text(qfs_hparam(c, "_name_or_path")),
        qfs_json_text(qfs_hparam(c, "model_type")),
        qfs_text_of(origin_class(c)),
    };
    struct qfs_arena scratch = {0};
    struct qfs_text card = {0};
    int rc = 0;
    *ret_is = says(hints[3], "sequenceclassification");
    for (size_t i = 0; i < QFS_COUNT(hints); i++)
        *ret_is |= says(hints[i], names[0]) || says(hints[i], names[1]);
    if (qfs_vocab_file_exists(c->model, "README.md"))
        rc = qfs_vocab_read_text(&scratch, c->model, "README.md", &card, c->error);
    *ret_is |= says(card, titles[0]) || says(card, titles[1]);
    qfs_arena_done(&scratch);
    return rc;
}

/* convert_tokens_to_ids */
static int token_row(struct qfs_converter *c, struct qfs_tokenizer *t, const char *token,
                     int64_t *ret_id)
{
    uint32_t id;
    if (!qfs_tokenizer_id(t, qfs_text_of(token), &id))
        return qfs_fail(c->error, EINVAL,
                        "%s: its tokenizer has no token '%s', which a reranker answers with",
                        c->model->path, token);
    *ret_id = id;
    return 0;
}

/* The two rows of the output that answer: yes, then no. */
static int put_answers(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                       int bid)
{
    static const char *const answers[] = {"yes", "no"};
    const struct qfs_recipe *rows[2];
    struct qfs_tokenizer *t = NULL;
    int rc = qfs_tokenizer_open(c->model, &t, c->error);
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        int64_t id = 0;
        rc = token_row(c, t, answers[i], &id);
        if (rc == 0 && !(rows[i] = qfs_lazy_slice(c, data, 0, id, 1)))
            rc = -c->error->code;
    }
    qfs_tokenizer_close(t);
    return rc < 0 ? rc : qfs_emit(c, qfs_lazy_concat(c, rows, 2), name, "cls.output.weight", bid);
}

static int qwen3_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                        int bid)
{
    bool tied = qfs_json_truthy(qfs_hparam(c, "tie_word_embeddings")), reranker = false;
    bool head = strstr(name, tied ? "embed_tokens" : "lm_head") != NULL;
    int rc = head ? is_reranker(c, &reranker) : 0;
    if (rc < 0 || (reranker && (rc = put_answers(c, data, name, bid)) < 0))
        return rc;
    return reranker && !tied ? 0 : tensor(c, data, name, bid);
}

static void put_reranker(struct qfs_converter *c)
{
    enum { POOLING_RANK = 4 };
    static const struct qfs_text labels[] = {{"yes", 3}, {"no", 2}};
    static const struct qfs_text templates[] = {{"rerank", 6}};
    qfs_put_u32(c, "pooling_type", POOLING_RANK);
    qfs_kv_texts(&c->out->kvs, qfs_key(c, "classifier.output_labels"), labels, 2);
    qfs_kv_string(
        &c->out->kvs, "tokenizer.chat_template.rerank",
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query "
        "and the Instruct provided. Note that the answer can only be \"yes\" or "
        "\"no\".<|im_end|>\n"
        "<|im_start|>user\n<Instruct>: Given a web search query, retrieve relevant passages that "
        "answer the query\n<Query>: {query}\n<Document>: {document}<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n");
    qfs_kv_texts(&c->out->kvs, "tokenizer.chat_templates", templates, 1);
}

int qfs_qwen3_keys(struct qfs_converter *c)
{
    bool reranker = false;
    int rc = keys(c);
    if (rc < 0 || (rc = is_reranker(c, &reranker)) < 0)
        return rc;
    if (reranker)
        put_reranker(c);
    return 0;
}

int qfs_qwen3_vocab(struct qfs_converter *c)
{
    return is_interns1(c) ? qfs_vocab_interns1(c->out, c->hparams, c->error)
                          : qfs_vocab_sentencepiece_or_gpt2(c->out, c->hparams, c->error);
}

int qfs_qwen3moe_vocab(struct qfs_converter *c)
{
    return is_interns1(c) ? qfs_vocab_interns1(c->out, c->hparams, c->error)
                          : qfs_vocab_gpt2(c->out, c->hparams, c->error);
}

const struct qfs_family qfs_family_qwen3 = {
    .arch = "qwen3",
    .hf_classes = qwen3_classes,
    .parent = &qfs_family_qwen2,
    .tensor = qwen3_tensor,
    .keys = qfs_qwen3_keys,
    .vocab = qfs_qwen3_vocab,
};
