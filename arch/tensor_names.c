/* Source names to GGUF names, as gguf-py's TensorNameMap does it: the rules of the tensors that
 * this architecture has, the later of two equal patterns winning. A name is looked up with each of
 * its numbers in turn standing for the layer, so the map does not grow with the number of layers.
 */
#include "converter.h"
#include "tensor_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct qfs_arch_tensors *tensors_of(const char *arch)
{
    for (const struct qfs_arch_tensors *a = qfs_arch_tensors; a->arch; a++)
        if (strcmp(a->arch, arch) == 0)
            return a;
    return NULL;
}

static bool has_tensor(const struct qfs_arch_tensors *arch, uint16_t tensor)
{
    for (const uint16_t *t = arch->tensors; *t != QFS_NO_TENSOR; t++)
        if (*t == tensor)
            return true;
    return false;
}

static bool replaced(const struct qfs_arch_tensors *arch, uint16_t tensor)
{
    for (const struct qfs_name_rule *rule = arch->replace; rule && rule->pattern; rule++)
        if (rule->tensor == tensor)
            return true;
    return false;
}

int qfs_names_init(struct qfs_converter *c)
{
    const struct qfs_arch_tensors *arch = tensors_of(c->arch);
    int rc = 0;
    if (!arch)
        return qfs_fail(c->error, EINVAL, "architecture %s has no tensor names", c->arch);
    qfs_map_done(&c->names);
    for (size_t t = 0; t < qfs_tensor_name_count && rc >= 0; t++)
        if (has_tensor(arch, (uint16_t)t))
            rc = qfs_map_set(&c->names, qfs_text_of(qfs_tensor_names[t]), t);
    for (const struct qfs_name_rule *rule = qfs_name_rules; rule->pattern && rc >= 0; rule++)
        if (has_tensor(arch, rule->tensor) &&
            !(strstr(rule->pattern, "{bid}") && replaced(arch, rule->tensor)))
            rc = qfs_map_set(&c->names, qfs_text_of(rule->pattern), rule->tensor);
    for (const struct qfs_name_rule *rule = arch->replace; rule && rule->pattern && rc >= 0; rule++)
        if (has_tensor(arch, rule->tensor))
            rc = qfs_map_set(&c->names, qfs_text_of(rule->pattern), rule->tensor);
    return rc < 0 ? qfs_fail_memory(c->error) : 0;
}

/* "blk.{bid}.x" with the layer in it, and a suffix. */
static char *fill(struct qfs_converter *c, const char *pattern, int64_t bid, const char *suffix)
{
    const char *hole = strstr(pattern, "{bid}");
    char *name = hole ? qfs_arena_printf(c->arena, "%.*s%lld%s%s", (int)(hole - pattern), pattern,
                                         (long long)bid, hole + 5, suffix)
                      : qfs_arena_printf(c->arena, "%s%s", pattern, suffix);
    if (!name)
        qfs_fail_memory(c->error);
    return name;
}

/* Looks up name[0, size) and gives its tensor and layer (-1: the pattern has none). */
static bool look_up(const struct qfs_converter *c, const char *name, size_t size,
                    uint64_t *ret_tensor, int64_t *ret_bid)
{
    char pattern[1100];
    *ret_bid = -1;
    if (size + 8 > sizeof(pattern))
        return false;
    if (qfs_map_get(&c->names, (struct qfs_text){name, size}, ret_tensor))
        return true;
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && name[end] >= '0' && name[end] <= '9')
            end++;
        bool whole = end > i && end - i < 10 && (name[i] != '0' || end == i + 1);
        if (whole) {
            int64_t bid = strtoll(name + i, NULL, 10);
            memcpy(pattern, name, i);
            memcpy(pattern + i, "{bid}", 5);
            memcpy(pattern + i + 5, name + end, size - end);
            if (bid < c->block_count &&
                qfs_map_get(&c->names, (struct qfs_text){pattern, i + 5 + size - end},
                            ret_tensor)) {
                *ret_bid = bid;
                return true;
            }
        }
        i = end > i ? end : i + 1;
    }
    return false;
}

const char *qfs_map_name(struct qfs_converter *c, const char *name)
{
    static const char *const suffixes[] = {"", ".weight", ".bias", NULL};
    return qfs_map_name_with(c, name, suffixes);
}

const char *qfs_map_name_with(struct qfs_converter *c, const char *name,
                              const char *const *suffixes)
{
    size_t size = strlen(name);
    uint64_t tensor;
    int64_t bid;
    for (size_t i = 0; suffixes[i]; i++)
        if (qfs_ends_with(name, suffixes[i]) &&
            look_up(c, name, size - strlen(suffixes[i]), &tensor, &bid))
            return fill(c, qfs_tensor_names[tensor], bid < 0 ? c->block_count - 1 : bid,
                        suffixes[i]);
    qfs_fail(
        c->error, EINVAL,
        "%s: tensor %s has no place in architecture %s: it is another model than config.json says, "
        "or a newer one than llama.cpp v0.5.0 knows",
        c->model->path, name, c->arch);
    return NULL;
}

static bool arch_has_key(const struct qfs_converter *c, const char *key)
{
    uint64_t tensor;
    return qfs_map_get(&c->names, qfs_text_of(key), &tensor) &&
           strcmp(qfs_tensor_names[tensor], key) == 0;
}

bool qfs_name_matches(const struct qfs_converter *c, const char *new_name, const char *key,
                      const char *suffix, int bid)
{
    char filled[256];
    const char *hole = strstr(key, "{bid}");
    if ((hole != NULL) != (bid >= 0) || !arch_has_key(c, key))
        return false;
    if (hole)
        snprintf(filled, sizeof(filled), "%.*s%d%s%s", (int)(hole - key), key, bid, hole + 5,
                 suffix);
    else
        snprintf(filled, sizeof(filled), "%s%s", key, suffix);
    return strcmp(filled, new_name) == 0;
}

const char *qfs_format_name(struct qfs_converter *c, const char *key, const char *suffix, int bid)
{
    if (!arch_has_key(c, key)) {
        qfs_fail(c->error, EINVAL, "architecture %s has no tensor %s", c->arch, key);
        return NULL;
    }
    return fill(c, key, bid, suffix);
}
