/* GPT-2: its linear layers are Conv1D, so their weights are stored transposed. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"GPT2LMHeadModel", NULL};

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    static const char *const transposed[] = {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"};
    for (size_t i = 0; i < QFS_COUNT(transposed); i++)
        if (qfs_ends_with(name, transposed[i]))
            data = qfs_lazy_swapaxes(c, data, 0, 1);
    return qfs_text_tensor(c, data, name, bid);
}

static const struct qfs_key_rule rules[] = {
    {QFS_RULE_BLOCK_COUNT},
    {QFS_RULE_U32, "context_length", {"n_ctx"}},
    {QFS_RULE_U32, "embedding_length", {"n_embd"}},
    {QFS_RULE_FOURFOLD, "feed_forward_length", {"n_embd"}},
    {QFS_RULE_U32_OR_LIST, "attention.head_count", {"n_head"}},
    {QFS_RULE_F32, "attention.layer_norm_epsilon", {"layer_norm_epsilon"}},
    {QFS_RULE_FILE_TYPE},
    {QFS_RULE_END},
};

const struct qfs_family qfs_family_gpt2 = {
    .arch = "gpt2",
    .hf_classes = classes,
    .tensor = tensor,
    .rules = rules,
};

/* -- ruGPT-3 XL: queries, keys and values are saved one by one --------------------------------------- */

static const char *const xl_classes[] = {"RuGPT3XLForCausalLM", NULL};

struct parts { /* of layers that are not complete */
    int64_t nwaiting;
};

static int xl_begin(struct qfs_converter *c)
{
    c->state = qfs_arena_alloc(c->arena, sizeof(struct parts));
    if (!c->state)
        return qfs_fail_memory(c->error);
    *(struct parts *)c->state = (struct parts){0};
    return 0;
}

/* Keeps a part, and takes all three when the last one has come: *ret_all NULL before. */
static int keep_part(struct qfs_converter *c, const struct qfs_recipe *data, int bid, char part,
                     const char *suffix, const struct qfs_recipe **ret_all)
{
    struct parts *waiting = c->state;
    const struct qfs_recipe *parts[3];
    const char *names[3];
    *ret_all = NULL;
    for (int i = 0; i < 3; i++)
        if (!(names[i] = qfs_arena_printf(c->arena, "%d.%c%s", bid, "qkv"[i], suffix)))
            return qfs_fail_memory(c->error);
    int which = part == 'q' ? 0 : part == 'k' ? 1 : 2;
    if (qfs_map_set(&c->experts, qfs_text_of(names[which]), (uint64_t)(uintptr_t)data) < 0)
        return qfs_fail_memory(c->error);
    waiting->nwaiting++;
    for (int i = 0; i < 3; i++) {
        uint64_t recipe;
        if (!qfs_map_get(&c->experts, qfs_text_of(names[i]), &recipe))
            return 0;
        parts[i] = (const struct qfs_recipe *)(uintptr_t)recipe;
    }
    waiting->nwaiting -= 3;
    *ret_all = qfs_lazy_concat(c, parts, 3);
    return *ret_all ? 0 : -c->error->code;
}

static int xl_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     int bid)
{
    static const char *const projections[] = {".self_attn.q_proj.", ".self_attn.k_proj.",
                                              ".self_attn.v_proj."};
    const char *suffix = qfs_ends_with(name, ".weight") ? ".weight" : ".bias";
    for (int i = 0; i < 3; i++) {
        if (!strstr(name, projections[i]))
            continue;
        int rc = keep_part(c, data, bid, "qkv"[i], suffix, &data);
        if (rc < 0 || !data)
            return rc;
        name = qfs_format_name(c, "blk.{bid}.attn_qkv", suffix, bid);
        break;
    }
    return name ? qfs_text_tensor(c, data, name, bid) : -c->error->code;
}

static int xl_finish(struct qfs_converter *c)
{
    const struct parts *waiting = c->state;
    return waiting->nwaiting ? qfs_fail(c->error, EINVAL,
                                        "%s: a layer lacks its query, key or value projection: "
                                        "download the model again",
                                        c->model->path)
                             : 0;
}

const struct qfs_family qfs_family_rugpt3xl = {
    .arch = "gpt2",
    .hf_classes = xl_classes,
    .begin = xl_begin,
    .tensor = xl_tensor,
    .finish = xl_finish,
};
