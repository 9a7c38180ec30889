/* InternLM 2 and 3. */
#include "converter.h"
#include "vocab/vocab.h"

#include <string.h>

static const char *const internlm2_classes[] = {"InternLM2ForCausalLM", NULL};
static const char *const internlm3_classes[] = {"InternLM3ForCausalLM", NULL};

/* Groups of query heads, each with its key and value head: cut apart. */
static int split_qkv(struct qfs_converter *c, const struct qfs_recipe *data, int bid)
{
    static const char *const parts[] = {"blk.{bid}.attn_q", "blk.{bid}.attn_k", "blk.{bid}.attn_v"};
    int64_t nheads, nheads_kv, hidden;
    int rc;
    if ((rc = qfs_hparam_count(c, &nheads, "num_attention_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &nheads_kv, "num_key_value_heads")) < 0 ||
        (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0)
        return rc;
    if (nheads_kv == 0 || nheads < nheads_kv)
        return qfs_fail(c->error, EINVAL,
                        "%s/config.json: num_key_value_heads is no count of heads", c->model->path);
    int64_t nqueries = nheads / nheads_kv, dim = hidden / nheads, ngroups = nheads / nqueries;
    const struct qfs_recipe *groups =
        qfs_lazy_reshape(c, data, 4, (const int64_t[]){ngroups, nqueries + 2, dim, hidden});
    for (int i = 0; i < 3; i++) {
        int64_t first = i == 0 ? 0 : nqueries + i - 1, count = i == 0 ? nqueries : 1;
        const struct qfs_recipe *part =
            qfs_lazy_reshape(c, qfs_lazy_slice(c, groups, 1, first, count), 2,
                             (const int64_t[]){ngroups * count * dim, hidden});
        if (i < 2)
            part = qfs_lazy_permute_heads(c, part, i == 0 ? nheads : nheads_kv);
        const char *name = qfs_format_name(c, parts[i], ".weight", bid);
        rc = part && name ? qfs_text_tensor(c, part, name, bid) : -c->error->code;
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int internlm2_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                            const char *name, int bid)
{
    const char *fused = qfs_arena_printf(c->arena, "model.layers.%d.attention.wqkv", bid);
    if (!fused)
        return qfs_fail_memory(c->error);
    return strstr(name, fused) ? split_qkv(c, data, bid) : qfs_text_tensor(c, data, name, bid);
}

/* -- InternLM 3 --------------------------------------------------------------------------------------- */

static int internlm3_filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    if (qfs_starts_with(name, "mlp") || qfs_starts_with(name, "vision_model"))
        return 0;
    return qfs_text_filter(c, name, ret_name);
}

static int internlm3_tensor(struct qfs_converter *c, const struct qfs_recipe *data,
                            const char *name, int bid)
{
    return qfs_text_tensor(c, qfs_permute_qk(c, data, name, true), name, bid);
}

const struct qfs_family qfs_family_internlm2 = {
    .arch = "internlm2",
    .hf_classes = internlm2_classes,
    .tensor = internlm2_tensor,
    .vocab_method = qfs_vocab_internlm2,
};

const struct qfs_family qfs_family_internlm3 = {
    .arch = "llama",
    .hf_classes = internlm3_classes,
    .filter = internlm3_filter,
    .tensor = internlm3_tensor,
    .keys = qfs_llama_keys,
    .vocab_method = qfs_vocab_internlm3,
};
