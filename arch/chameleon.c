/* Chameleon (text): rotated dimensions are permuted, and one norm of a head serves all. */
#include "converter.h"

#include <string.h>

static const char *const classes[] = {"ChameleonForConditionalGeneration", "ChameleonForCausalLM",
                                      NULL};

static int filter(struct qfs_converter *c, const char *name, const char **ret_name)
{
    *ret_name = NULL;
    return qfs_starts_with(name, "model.vqmodel") ? 0 : qfs_text_filter(c, name, ret_name);
}

/* The first head's norm, its halves interleaved, for each head. */
static const struct qfs_recipe *repeat_norm(struct qfs_converter *c, const struct qfs_recipe *data,
                                            int64_t nheads, int64_t hidden)
{
    if (nheads == 0 || nheads > 1 << 16 || hidden / nheads / 2 == 0 || data->ndim != 2) {
        qfs_fail(c->error, EINVAL, "%s/config.json: a number of heads does not fit hidden_size",
                 c->model->path);
        return NULL;
    }
    const int64_t halves[] = {2, hidden / nheads / 2}, flat[] = {hidden / nheads / 2 * 2};
    const struct qfs_recipe **parts = qfs_arena_array(c->arena, (size_t)nheads, sizeof(*parts));
    const struct qfs_recipe *norm =
        qfs_lazy_reshape(c, qfs_lazy_slice(c, data, 0, 0, 1), 2, halves);
    norm = qfs_lazy_reshape(c, qfs_lazy_swapaxes(c, norm, 0, 1), 1, flat);
    if (!parts || !norm) {
        if (!parts)
            qfs_fail_memory(c->error);
        return NULL;
    }
    for (int64_t i = 0; i < nheads; i++)
        parts[i] = norm;
    return qfs_lazy_stack(c, parts, (size_t)nheads);
}

static bool ends_as(const char *name, const char *part)
{
    size_t size = strlen(part);
    const char *at = strrchr(name, '.');
    return at && (strcmp(at, ".weight") == 0 || strcmp(at, ".bias") == 0) &&
           (size_t)(at - name) >= size && memcmp(at - size, part, size) == 0;
}

static int tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name, int bid)
{
    int64_t nheads, nheads_kv, hidden = 0;
    int rc = qfs_hparam_count(c, &nheads, "num_attention_heads");
    if (rc < 0)
        return rc;
    nheads_kv = nheads;
    if (!qfs_json_is_null(qfs_hparam(c, "num_key_value_heads")) &&
        (rc = qfs_hparam_count(c, &nheads_kv, "num_key_value_heads")) < 0)
        return rc;
    bool q_norm = ends_as(name, "q_norm"), k_norm = ends_as(name, "k_norm");
    if ((q_norm || k_norm) && (rc = qfs_hparam_count(c, &hidden, "hidden_size")) < 0)
        return rc;
    if (ends_as(name, "q_proj"))
        data = qfs_lazy_permute_heads(c, data, nheads);
    else if (ends_as(name, "k_proj"))
        data = qfs_lazy_permute_heads(c, data, nheads_kv);
    else if (q_norm)
        data = repeat_norm(c, data, nheads, hidden);
    else if (k_norm)
        data = repeat_norm(c, data, nheads_kv, hidden);
    return qfs_text_tensor(c, data, name, bid);
}

static int keys(struct qfs_converter *c)
{
    int rc = qfs_text_keys(c);
    qfs_put_bool(c, "swin_norm", qfs_json_truthy(qfs_hparam(c, "swin_norm")));
    return rc;
}

const struct qfs_family qfs_family_chameleon = {
    .arch = "chameleon",
    .hf_classes = classes,
    .filter = filter,
    .tensor = tensor,
    .keys = keys,
};
