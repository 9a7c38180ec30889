/* Texts to ids and back. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

/* The templates around the ids. */
static int post_process(const struct qfs_tokenizer *t, bool special, struct qfs_ids *ids,
                        struct qfs_error *error)
{
    for (size_t i = 0; i < t->ntemplates; i++) {
        struct qfs_ids out = {0};
        for (size_t j = 0; j < t->templates[i].count; j++) {
            const struct qfs_template_part *part = &t->templates[i].parts[j];
            for (size_t k = 0; part->text && k < ids->count; k++)
                qfs_ids_add(&out, ids->items[k]);
            if (!part->text && special)
                qfs_ids_add(&out, part->id);
        }
        out.failed = out.failed || ids->failed;
        free(ids->items);
        *ids = out;
    }
    return ids->failed ? qfs_fail_memory(error) : 0;
}

int qfs_tokenizer_encode(struct qfs_tokenizer *t, struct qfs_text text, bool special,
                         struct qfs_ids *ids, struct qfs_error *error)
{
    struct qfs_bits bits = {0};
    qfs_arena_done(&t->scratch);
    ids->count = 0;
    /* CodeLlama encodes what stands before and behind the token as a pair. Alone it leaves nothing. */
    if (!special && t->infill.size && qfs_text_equal(text, t->infill))
        return 0;
    if (t->infill.size && memmem(text.data, text.size, t->infill.data, t->infill.size))
        return qfs_fail(error, ENOTSUP, "%s: a token has fill_token in it", t->shown);
    int rc = qfs_added_extract(t, text, &bits, error);
    if (rc == 0)
        rc = qfs_pre_tokenize(t, &bits, error);
    for (size_t i = 0; i < bits.count && rc == 0; i++) {
        if (bits.items[i].id >= 0)
            qfs_ids_add(ids, (uint32_t)bits.items[i].id);
        else
            rc = qfs_token_model_encode(t, bits.items[i].text, ids, error);
    }
    qfs_bits_done(&bits);
    return rc < 0 ? rc : post_process(t, special, ids, error);
}

int qfs_tokenizer_decode(struct qfs_tokenizer *t, const struct qfs_ids *ids,
                         struct qfs_text *ret_text, struct qfs_error *error)
{
    qfs_arena_done(&t->scratch);
    struct qfs_text *tokens = qfs_arena_array(&t->scratch, ids->count, sizeof(*tokens));
    size_t count = 0;
    if (!tokens)
        return qfs_fail_memory(error);
    for (size_t i = 0; i < ids->count; i++) {
        uint32_t id = ids->items[i];
        const struct qfs_added_entry *entry = qfs_added_get(&t->added, id);
        if (entry)
            tokens[count++] = entry->normalized.data ? entry->normalized : entry->token.content;
        else if (id < t->tokens.limit && t->tokens.texts[id].data)
            tokens[count++] = t->tokens.texts[id];
    }
    return qfs_decode_tokens(t, tokens, count, ret_text, error);
}
