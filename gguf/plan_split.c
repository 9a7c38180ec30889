/* Split sets: which tensors and keys each part holds. The converter splits the files that it writes;
 * llama-quantize's are split by llama-gguf-split, which counts a little differently. */
#include "plan_parts.h"

#include <stdlib.h>

enum { TENSORS_A_PART = 128 }; /* llama-gguf-split's default */

/* Part numbers of tensors, given as they pass. */
struct splitter {
    const struct qfs_view_options *options;
    uint32_t part;     /* of the tensor that passed last */
    uint64_t ntensors; /* in this part, or of all: as each tool counts */
    uint64_t nbytes;
};

/* GGUFWriter.add_tensor_info: both limits hold, sizes are without padding, and a part is never empty
 * but the first. */
static void converter_step(struct splitter *s, const struct qfs_plan_tensor *tensor)
{
    const struct qfs_view_options *o = s->options;
    bool full = (o->split_max_tensors && s->ntensors >= o->split_max_tensors) ||
                (o->split_max_size && s->nbytes + tensor->nbytes > o->split_max_size);
    if (s->ntensors && full) {
        s->part++;
        s->ntensors = s->nbytes = 0;
    }
    s->ntensors++;
    s->nbytes += tensor->nbytes;
}

/* split_strategy of llama-gguf-split: tensors are counted from the file's first, sizes padded. */
static bool gguf_split_step(struct splitter *s, const struct qfs_plan_tensor *tensor)
{
    const struct qfs_view_options *o = s->options;
    uint64_t size = qfs_align(tensor->nbytes, QFS_GGUF_ALIGNMENT);
    uint64_t most = o->split_max_tensors ? o->split_max_tensors : TENSORS_A_PART;
    bool full = o->split_max_size ? s->nbytes + size > o->split_max_size
                                  : s->ntensors && s->ntensors % most == 0;
    bool empty = full && s->nbytes == 0;
    s->part += full;
    s->nbytes = full ? size : s->nbytes + size;
    s->ntensors++;
    return !empty;
}

static void set_u16(struct qfs_kvs *kvs, const char *key, uint16_t value)
{
    qfs_kv_set(kvs, key, QFS_KV_U16, &value, sizeof(value));
}

/* The first part has the file's keys, all have those of the set. */
static int set_keys(struct qfs_plan *plan, int32_t total, bool converter, struct qfs_error *error)
{
    struct qfs_kvs *kvs = &plan->kvs;
    if (plan->part)
        *kvs = (struct qfs_kvs){.arena = &plan->arena};
    if (!converter) {
        qfs_kv_remove(kvs, "split.no");
        qfs_kv_remove(kvs, "split.count");
        qfs_kv_remove(kvs, "split.tensors.count");
    }
    set_u16(kvs, "split.no", (uint16_t)plan->part);
    if (converter)
        set_u16(kvs, "split.count", (uint16_t)plan->nparts);
    qfs_kv_i32(kvs, "split.tensors.count", total);
    if (!converter)
        set_u16(kvs, "split.count", (uint16_t)plan->nparts);
    return kvs->failed ? qfs_fail_memory(error) : 0;
}

int qfs_plan_split(struct qfs_plan *plan, const struct qfs_view_options *options, bool converter,
                   struct qfs_error *error)
{
    struct splitter s = {.options = options, .part = options->no_tensor_first_split};
    size_t total = plan->ntensors, first = 0, count = 0;
    if (!options->split_max_size && !options->split_max_tensors && !options->no_tensor_first_split)
        return 0;
    if (!converter && options->split_max_size && options->split_max_tensors)
        return qfs_fail(error, ENOTSUP,
                        "llama-gguf-split takes split-max-size or split-max-tensors, not both");
    for (size_t i = 0; i < total; i++) {
        if (converter)
            converter_step(&s, &plan->tensors[i]);
        else if (!gguf_split_step(&s, &plan->tensors[i]))
            return qfs_fail(error, ENOTSUP,
                            "%s is larger than a part may be: give a greater split-max-size",
                            plan->tensors[i].name);
        if (s.part == options->part) {
            first = count ? first : i;
            count++;
        }
    }
    if (converter && s.part == 0) /* "Model fails split requirements, not splitting" */
        return 0;
    if (s.part >= UINT16_MAX)
        return qfs_fail(error, ENOTSUP, "would be split into %u parts, more than the %d possible",
                        s.part + 1, UINT16_MAX);
    if (options->part > s.part)
        return qfs_fail(error, EINVAL, "there is no part %u of %u", options->part + 1, s.part + 1);
    plan->part = options->part;
    plan->nparts = s.part + 1;
    plan->tensors += first;
    plan->ntensors = count;
    return set_keys(plan, (int32_t)total, converter, error);
}
