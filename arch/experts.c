/* Experts: their weights come one by one and are stacked when the last of a layer has come, which is where
 * the converter writes them. */
#include "converter.h"

#include <string.h>

const struct qfs_expert_layout qfs_mlp_experts = {
    "model.layers.{bid}.mlp.experts.{xid}.{w}.weight",
    "model.layers.{bid}.mlp.experts.{w}.weight",
    {"down_proj", "gate_proj", "up_proj"},
};

const struct qfs_expert_layout qfs_mlp_experts_down_last = {
    "model.layers.{bid}.mlp.experts.{xid}.{w}.weight",
    "model.layers.{bid}.mlp.experts.{w}.weight",
    {"gate_proj", "up_proj", "down_proj"},
};

const struct qfs_expert_layout qfs_moe_experts = {
    "model.layers.{bid}.block_sparse_moe.experts.{xid}.{w}.weight",
    "model.layers.{bid}.block_sparse_moe.experts.{w}.weight",
    {"w1", "w2", "w3"},
};

const struct qfs_expert_layout qfs_mixtral_experts = {
    "model.layers.{bid}.block_sparse_moe.experts.{xid}.{w}.weight",
    "layers.{bid}.feed_forward.experts.{w}.weight",
    {"w1", "w2", "w3"},
};

/* "…{bid}…{xid}…{w}…" filled in; `xid` unused where the pattern has none. */
static const char *fill(struct qfs_converter *c, const char *pattern, int64_t bid, int64_t xid,
                        const char *weight)
{
    struct qfs_buffer text = {0};
    for (const char *at = pattern; *at;) {
        if (qfs_starts_with(at, "{bid}")) {
            qfs_buffer_printf(&text, "%lld", (long long)bid);
            at += 5;
        } else if (qfs_starts_with(at, "{xid}")) {
            qfs_buffer_printf(&text, "%lld", (long long)xid);
            at += 5;
        } else if (qfs_starts_with(at, "{w}")) {
            qfs_buffer_text(&text, weight);
            at += 3;
        } else {
            qfs_buffer_append(&text, at++, 1);
        }
    }
    char *copy = text.failed ? NULL : qfs_arena_copy(c->arena, (char *)text.data, text.size);
    qfs_buffer_done(&text);
    if (!copy)
        qfs_fail_memory(c->error);
    return copy;
}

static int merge(struct qfs_converter *c, int bid, int64_t nexperts,
                 const struct qfs_expert_layout *layout, int64_t *waiting)
{
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)nexperts, sizeof(*parts));
    if (!parts)
        return qfs_fail_memory(c->error);
    for (const char *const *weight = layout->weights; *weight; weight++) {
        for (int64_t xid = 0; xid < nexperts; xid++) {
            const char *name = fill(c, layout->part, bid, xid, *weight);
            uint64_t recipe;
            if (!name)
                return -ENOMEM;
            if (!qfs_map_get(&c->experts, qfs_text_of(name), &recipe))
                return qfs_fail(c->error, EINVAL,
                                "%s: tensor %s is missing: download the model again",
                                c->model->path, name);
            parts[xid] = (const struct qfs_recipe *)(uintptr_t)recipe;
        }
        *waiting -= nexperts;
        const char *merged = fill(c, layout->merged, bid, 0, *weight);
        int rc = merged
                     ? qfs_text_tensor(c, qfs_lazy_stack(c, parts, (size_t)nexperts), merged, bid)
                     : -ENOMEM;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int qfs_expert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      int bid, int64_t nexperts, const struct qfs_expert_layout *layout)
{
    int64_t nweights = 0;
    if (!data)
        return -c->error->code;
    if (bid < 0 || bid >= c->block_count)
        return qfs_fail(c->error, EINVAL,
                        "%s: tensor %s: its layer is not among the %lld of config.json",
                        c->model->path, name, (long long)c->block_count);
    if (!c->experts_waiting)
        c->experts_waiting =
            qfs_arena_array(c->arena, (size_t)c->block_count * 2, sizeof(*c->experts_waiting));
    if (!c->experts_waiting ||
        qfs_map_set(&c->experts, qfs_text_of(name), (uint64_t)(uintptr_t)data) < 0)
        return qfs_fail_memory(c->error);
    while (layout->weights[nweights])
        nweights++;
    int64_t *waiting = c->experts_waiting + bid + (layout->second ? c->block_count : 0);
    return ++*waiting < nexperts * nweights ? 0 : merge(c, bid, nexperts, layout, waiting);
}

int qfs_expert_tensor_counted(struct qfs_converter *c, const struct qfs_recipe *data,
                              const char *name, int bid, const struct qfs_expert_layout *layout,
                              const char *const *count_names)
{
    int64_t nexperts;
    int rc = qfs_hparam_size(c, count_names, &nexperts);
    return rc < 0 ? rc : qfs_expert_tensor(c, data, name, bid, nexperts, layout);
}

int qfs_mlp_experts_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                           int bid)
{
    return strstr(name, "experts") ? qfs_expert_of(c, data, name, bid, &qfs_mlp_experts,
                                                   "num_local_experts", "num_experts")
                                   : qfs_text_tensor(c, data, name, bid);
}

/* One stack of a layer. */
static int pack(struct qfs_converter *c, int64_t bid, int64_t nexperts,
                const struct qfs_packed_experts *packed, size_t stack)
{
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)nexperts, sizeof(*parts));
    const char *weight = packed->stacks[stack].weight, *first = NULL;
    if (!parts)
        return qfs_fail_memory(c->error);
    for (int64_t xid = 0; xid < nexperts; xid++) {
        const char *names[] = {fill(c, packed->blocks, bid, xid, weight),
                               fill(c, packed->scales, bid, xid, weight)};
        if (!names[0] || !names[1])
            return -ENOMEM;
        const struct qfs_lazy *blocks = qfs_tensor_find(c, names[0]);
        const struct qfs_lazy *scales = qfs_tensor_find(c, names[1]);
        if (!blocks && xid == 0 && !packed->everywhere)
            return 0;
        if (!blocks || !scales)
            return qfs_fail(c->error, EINVAL, "%s: tensor %s is missing: download the model again",
                            c->model->path, names[blocks != NULL]);
        parts[xid] = qfs_lazy_fp4(c, QFS_OP_MXFP4, blocks->recipe, scales->recipe);
        first = first ? first : names[0];
    }
    return qfs_emit_blocks(c, qfs_lazy_stack(c, parts, (size_t)nexperts), first,
                           qfs_format_name(c, packed->stacks[stack].name, ".weight", (int)bid));
}

int qfs_pack_experts(struct qfs_converter *c, int64_t nexperts,
                     const struct qfs_packed_experts *packed)
{
    int rc = 0;
    c->file_type = QFS_FILE_TYPE_MXFP4;
    for (int64_t bid = 0; bid < c->block_count && rc == 0; bid++)
        for (size_t stack = 0; stack < QFS_COUNT(packed->stacks) && rc == 0; stack++)
            rc = pack(c, bid, nexperts, packed, stack);
    return rc;
}
