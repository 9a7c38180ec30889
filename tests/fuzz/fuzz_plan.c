/* Any GGUF header as a source, any line of options: every view is planned or refused. The input is
 * options, a NUL, the header. */
#include <stdlib.h>
#include <string.h>

#include "quantfs/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_options(struct qfs_view_options *options, struct qfs_arena *arena, char *line)
{
    char *rest;
    for (char *word = strtok_r(line, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(word, ' ');
        if (value)
            *value++ = 0;
        if (strcmp(word, "tensor-type-file") != 0 &&
            qfs_view_options_set(options, arena, word, value, NULL) < 0)
            continue;
    }
}

static void convert(struct qfs_conversion *conversion, const struct qfs_gguf *gguf)
{
    struct qfs_text arch = {0};
    conversion->kvs = gguf->kvs;
    conversion->from_gguf = gguf->ntensors % 2;
    qfs_kv_get_text(&gguf->kvs, "general.architecture", &arch);
    conversion->arch = qfs_arena_copy(&conversion->arena, arch.data, arch.size);
    conversion->auto_outtype = QFS_OUTTYPE_F16;
    conversion->tensors =
        qfs_arena_array(&conversion->arena, gguf->ntensors, sizeof(*conversion->tensors));
    for (size_t i = 0; i < gguf->ntensors; i++) {
        struct qfs_recipe *recipe = qfs_arena_alloc(&conversion->arena, sizeof(*recipe));
        recipe->ndim = gguf->tensors[i].ndim;
        for (int d = 0; d < recipe->ndim; d++)
            recipe->shape[d] = gguf->tensors[i].ne[recipe->ndim - 1 - d];
        conversion->tensors[conversion->ntensors++] =
            (struct qfs_out_tensor){.name = gguf->tensors[i].name,
                                    .forced_type = (int)gguf->tensors[i].type,
                                    .recipe = recipe};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *header = memchr(data, 0, size);
    struct qfs_conversion conversion = {0};
    struct qfs_gguf gguf = {0};
    struct qfs_view_options options = QFS_VIEW_OPTIONS_INIT;
    if (!header)
        return 0;
    header++;
    char *line = qfs_arena_copy(&conversion.arena, (const char *)data, (size_t)(header - data - 1));
    if (qfs_gguf_parse(&gguf, header, size - (size_t)(header - data), (uint64_t)1 << 50, "fuzz",
                       NULL) == 0) {
        set_options(&options, &conversion.arena, line);
        convert(&conversion, &gguf);
        for (options.ftype = qfs_ftypes; options.ftype->name; options.ftype++) {
            struct qfs_plan *plan;
            struct qfs_error error;
            char byte;
            if (qfs_plan_build(&conversion, &options, &plan, &error) < 0)
                continue;
            for (uint64_t at = 0; at < plan->data_offset; at++)
                qfs_plan_header_read(plan, at, &byte, 1);
            if (plan->regions[qfs_plan_region_at(plan, plan->size - 1)].offset >= plan->size)
                abort();
            qfs_plan_free(plan);
        }
        qfs_gguf_done(&gguf);
    }
    qfs_arena_done(&conversion.arena);
    return 0;
}
