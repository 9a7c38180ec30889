/* From a source tensor to a tensor of the file: prepare_tensors' loop of the converter. */
#include "lora.h"

#include <stdlib.h>
#include <string.h>

static const char *const skipped_suffixes[] = {".attention.masked_bias", ".attention.bias",
                                               ".rotary_emb.inv_freq", NULL};

/* Matrices that stay F32 whatever the outtype, where the architecture has them. */
static const char *const f32_tensors[] = {
    "blk.{bid}.ffn_gate_inp",
    "blk.{bid}.ffn_gate_inp_shexp",
    "position_embd",
    "token_types",
    "blk.{bid}.ssm_conv1d",
    "blk.{bid}.shortconv.conv",
    "blk.{bid}.time_mix_first",
    "blk.{bid}.time_mix_w1",
    "blk.{bid}.time_mix_w2",
    "blk.{bid}.time_mix_decay_w1",
    "blk.{bid}.time_mix_decay_w2",
    "blk.{bid}.time_mix_lerp_fused",
    "posnet.{bid}.norm1",
    "posnet.{bid}.norm2",
    "v.position_embd",
    "a.position_embd",
    "blk.{bid}.altup_correct_coef",
    "blk.{bid}.altup_predict_coef",
    "blk.{bid}.ssm_conv1d_q",
    "blk.{bid}.ssm_conv1d_k",
    "blk.{bid}.ssm_conv1d_v",
    "blk.{bid}.indexer.proj",
};

/* The first part of a dotted name that is a number, -1 if there is none. */
int qfs_block_of(const char *name)
{
    for (const char *part = name; part; part = strchr(part, '.')) {
        part += *part == '.';
        size_t digits = strspn(part, "0123456789");
        if (digits && digits < 9 && (part[digits] == '.' || part[digits] == 0))
            return atoi(part);
    }
    return -1;
}

bool qfs_begins_with_any(const char *name, const char *const *prefixes)
{
    while (*prefixes && !qfs_starts_with(name, *prefixes))
        prefixes++;
    return *prefixes != NULL;
}

bool qfs_holds_any(const char *name, const char *const *parts)
{
    while (*parts && !strstr(name, *parts))
        parts++;
    return *parts != NULL;
}

bool qfs_ends_with_any(const char *name, const char *const *suffixes)
{
    while (*suffixes && !qfs_ends_with(name, *suffixes))
        suffixes++;
    return *suffixes != NULL;
}

const char *qfs_name_replace(struct qfs_converter *c, const char *name, const char *from,
                             const char *to)
{
    struct qfs_buffer text = {0};
    const char *at = name, *next;
    if (!strstr(name, from))
        return name;
    for (; (next = strstr(at, from)); at = next + strlen(from)) {
        qfs_buffer_append(&text, at, (size_t)(next - at));
        qfs_buffer_text(&text, to);
    }
    qfs_buffer_text(&text, at);
    char *copy = text.failed ? NULL : qfs_arena_copy(c->arena, (char *)text.data, text.size);
    qfs_buffer_done(&text);
    if (!copy)
        qfs_fail_memory(c->error);
    return copy;
}

const char *qfs_name_swap_suffix(struct qfs_converter *c, const char *name, const char *suffix,
                                 const char *instead)
{
    if (!name || !qfs_ends_with(name, suffix))
        return name;
    name =
        qfs_arena_printf(c->arena, "%.*s%s", (int)(strlen(name) - strlen(suffix)), name, instead);
    if (!name)
        qfs_fail_memory(c->error);
    return name;
}

int64_t qfs_layer_of(const char *name)
{
    static const char start[] = "model.layers.";
    if (!qfs_starts_with(name, start))
        return -1;
    size_t digits = strspn(name + strlen(start), "0123456789");
    return digits && digits < 10 ? atoll(name + strlen(start)) : -1;
}

const char *qfs_layer_part(const char *name, const char *head)
{
    size_t digits;
    if (!qfs_starts_with(name, head))
        return NULL;
    name += strlen(head);
    digits = strspn(name, "0123456789");
    return digits && name[digits] == '.' ? name + digits + 1 : NULL;
}

int qfs_convert_tensor(struct qfs_converter *c, const struct qfs_recipe *data, const char *name)
{
    int (*tensor)(struct qfs_converter *, const struct qfs_recipe *, const char *, int) =
        QFS_HOOK(c, tensor);
    if (!data)
        return -c->error->code;
    if (qfs_ends_with_any(name, skipped_suffixes))
        return 0;
    return (tensor ? tensor : qfs_text_tensor)(c, data, name, qfs_block_of(name));
}

static bool ends_as_weight(const char *name)
{
    return qfs_ends_with(name, ".weight") || qfs_ends_with(name, ".lora_a") ||
           qfs_ends_with(name, ".lora_b");
}

static bool stays_f32(const struct qfs_converter *c, const char *new_name, int bid)
{
    if (!ends_as_weight(new_name))
        return true;
    for (size_t i = 0; i < QFS_COUNT(f32_tensors); i++)
        if (qfs_name_matches(c, new_name, f32_tensors[i], ".weight", bid))
            return true;
    return false;
}

/* A tensor of the file whose type is still open; NULL (and an error set) on failure. */
static struct qfs_out_tensor *append(struct qfs_converter *c, const struct qfs_recipe *data,
                                     const char *name, const char *new_name)
{
    struct qfs_conversion *out = c->out;
    if (!data || !new_name)
        return NULL;
    if (data->ndim > 4 || qfs_recipe_count(data) == 0) {
        qfs_fail(c->error, EINVAL, "%s: tensor %s is empty or has more than 4 dimensions",
                 c->model->path, name);
        return NULL;
    }
    if (strlen(new_name) >= 64) {
        qfs_fail(c->error, EINVAL, "%s: tensor %s: its GGUF name has more than 63 characters",
                 c->model->path, name);
        return NULL;
    }
    if (out->ntensors == out->tensors_capacity) {
        size_t capacity = out->tensors_capacity ? out->tensors_capacity * 2 : 256;
        struct qfs_out_tensor *tensors = realloc(out->tensors, capacity * sizeof(*tensors));
        if (!tensors) {
            qfs_fail_memory(c->error);
            return NULL;
        }
        out->tensors = tensors;
        out->tensors_capacity = capacity;
    }
    int fresh = qfs_map_set(&c->emitted, qfs_text_of(new_name), out->ntensors);
    if (fresh < 0) {
        qfs_fail_memory(c->error);
        return NULL;
    }
    if (!fresh) {
        qfs_fail(c->error, EINVAL, "%s: two tensors become %s, the second is %s", c->model->path,
                 new_name, name);
        return NULL;
    }

    out->tensors[out->ntensors] =
        (struct qfs_out_tensor){.name = new_name, .recipe = data, .forced_type = -1};
    return &out->tensors[out->ntensors++];
}

int qfs_emit_blocks(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                    const char *new_name)
{
    struct qfs_out_tensor *tensor = append(c, data, name, new_name);
    if (!tensor)
        return -c->error->code;
    tensor->forced_type = qfs_recipe_type(data);
    return 0;
}

int qfs_emit_integers(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                      const char *new_name)
{
    struct qfs_out_tensor *tensor = append(c, data, name, new_name);
    if (!tensor)
        return -c->error->code;
    tensor->forced_type = QFS_TYPE_I32;
    return 0;
}

static int emit(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                const char *new_name, int bid)
{
    int (*force)(struct qfs_converter *, const char *, const char *, int, int) =
        QFS_HOOK(c, force_quant);
    struct qfs_out_tensor *tensor = append(c, data, name, new_name);
    if (!tensor)
        return -c->error->code;
    int forced = force ? force(c, name, new_name, bid, data->ndim) : -1;
    if (data->ndim <= 1 || qfs_ends_with(new_name, "_norm.weight"))
        tensor->keep_f32 = true;
    else if (forced >= 0)
        tensor->forced_type = forced;
    else if (forced == QFS_QUANT_HALF_OR_F32)
        tensor->half_or_f32 = true;
    else if (forced != QFS_QUANT_AS_OUTTYPE)
        tensor->keep_f32 = stays_f32(c, new_name, bid);
    return 0;
}

/* LoraModel.modify_tensors: a pair becomes two tensors, norms stay as they are. */
static int emit_pair(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
                     const char *new_name, int bid)
{
    if (strstr(new_name, "_norm") && data->ndim == 1)
        return emit(c, data, name, new_name, bid);
    if (!qfs_is_lora(data) || strstr(new_name, "_norm"))
        return qfs_fail(c->error, ENOTSUP,
                        "%s: tensor %s becomes %s, which is no pair of matrices: the reference "
                        "refuses it too",
                        c->model->path, name, new_name);
    const struct qfs_recipe *a = data->operands[0], *b = data->operands[1];
    const char *a_name = qfs_arena_printf(c->arena, "%s.lora_a", new_name);
    const char *b_name = qfs_arena_printf(c->arena, "%s.lora_b", new_name);
    if (strstr(new_name, "token_embd.weight"))
        a = qfs_lazy_swapaxes(c, a, 0, 1);
    if (!a_name || !b_name)
        return qfs_fail_memory(c->error);
    int rc = emit(c, a, name, a_name, bid);
    return rc < 0 ? rc : emit(c, b, name, b_name, bid);
}

int qfs_emit(struct qfs_converter *c, const struct qfs_recipe *data, const char *name,
             const char *new_name, int bid)
{
    if (!data || !new_name)
        return -c->error->code;
    return (c->out->product == QFS_PRODUCT_LORA ? emit_pair : emit)(c, data, name, new_name, bid);
}
