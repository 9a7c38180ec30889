/* Writes the header that a plan has, to compare it with the reference's:
 *
 *     plan_header SOURCE.gguf OUT TYPE [OPTION=VALUE]...
 *
 * SOURCE is a file that the converter wrote, or only its header. Options are those of views,
 * imatrix, include-weights, exclude-weights, and from-gguf, which takes SOURCE as the source itself.
 * OUT receives the header; size of the whole file and a line for each tensor go to stdout. Exit status
 * 3, with the sentence on stderr: refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantfs/gguf.h"

static const uint64_t WHOLE = (uint64_t)1 << 50; /* size that the source may have had */

static void *need(void *pointer)
{
    if (!pointer) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return pointer;
}

/* The conversion that would have written this file. */
static void convert(struct qfs_conversion *conversion, const struct qfs_gguf *gguf, bool from_gguf)
{
    struct qfs_text arch = {0};
    bool bf16 = false;
    conversion->kvs = gguf->kvs;
    qfs_kv_get_text(&gguf->kvs, "general.architecture", &arch);
    conversion->arch = need(qfs_arena_copy(&conversion->arena, arch.data, arch.size));
    conversion->from_gguf = from_gguf;
    conversion->tensors =
        need(qfs_arena_array(&conversion->arena, gguf->ntensors, sizeof(*conversion->tensors)));
    for (size_t i = 0; i < gguf->ntensors; i++)
        bf16 |= gguf->tensors[i].type == QFS_TYPE_BF16;
    conversion->auto_outtype = bf16 ? QFS_OUTTYPE_BF16 : QFS_OUTTYPE_F16;
    enum qfs_type half = bf16 ? QFS_TYPE_BF16 : QFS_TYPE_F16;
    for (size_t i = 0; i < gguf->ntensors; i++) {
        const struct qfs_gguf_tensor *in = &gguf->tensors[i];
        struct qfs_recipe *recipe = need(qfs_arena_alloc(&conversion->arena, sizeof(*recipe)));
        recipe->ndim = in->ndim;
        for (int d = 0; d < in->ndim; d++)
            recipe->shape[d] = in->ne[in->ndim - 1 - d];
        bool plain = !from_gguf && (in->type == QFS_TYPE_F32 || in->type == half);
        conversion->tensors[conversion->ntensors++] =
            (struct qfs_out_tensor){.name = in->name,
                                    .keep_f32 = in->type == QFS_TYPE_F32,
                                    .forced_type = plain ? -1 : (int)in->type,
                                    .recipe = recipe};
    }
}

static void write_header(const struct qfs_plan *plan, const char *path)
{
    /* In odd pieces, so that reads cross segments. */
    FILE *out = need(fopen(path, "wb"));
    char piece[997];
    for (uint64_t at = 0; at < plan->data_offset; at += sizeof(piece)) {
        size_t n = (size_t)QFS_MIN(plan->data_offset - at, sizeof(piece));
        qfs_plan_header_read(plan, at, piece, n);
        fwrite(piece, 1, n, out);
    }
    fclose(out);
}

static void check_regions(const struct qfs_plan *plan)
{
    uint64_t at = 0;
    for (size_t i = 0; i < plan->nregions; i++) {
        const struct qfs_region *region = &plan->regions[i];
        if (region->offset != at || region->size == 0 || qfs_plan_region_at(plan, at) != i ||
            qfs_plan_region_at(plan, at + region->size - 1) != i) {
            printf("region %zu is wrong\n", i);
            exit(1);
        }
        at += region->size;
    }
    if (at != plan->size) {
        printf("regions end at %llu\n", (unsigned long long)at);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct qfs_error error = {0};
    struct qfs_gguf gguf = {0};
    struct qfs_conversion conversion = {0};
    struct qfs_view_options options = QFS_VIEW_OPTIONS_INIT;
    struct qfs_imatrix_options imatrix_options = {0};
    struct qfs_imatrix *imatrix = NULL;
    struct qfs_plan *plan = NULL;
    const char *imatrix_path = NULL, *include[16], *exclude[16];
    char *file = NULL;
    size_t size;
    bool from_gguf = false;
    if (argc < 4 || !(options.ftype = qfs_ftype_by_name(argv[3]))) {
        fprintf(stderr, "usage: plan_header SOURCE.gguf OUT TYPE [OPTION=VALUE]...\n");
        return 2;
    }
    imatrix_options.include = include;
    imatrix_options.exclude = exclude;
    for (int i = 4; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value)
            *value++ = 0;
        if (strcmp(argv[i], "imatrix") == 0)
            imatrix_path = value;
        else if (strcmp(argv[i], "include-weights") == 0)
            include[imatrix_options.ninclude++ % 16] = value;
        else if (strcmp(argv[i], "exclude-weights") == 0)
            exclude[imatrix_options.nexclude++ % 16] = value;
        else if (strcmp(argv[i], "from-gguf") == 0)
            from_gguf = true;
        else if (qfs_view_options_set(&options, &conversion.arena, argv[i], value, &error) < 0)
            goto out;
    }
    if (qfs_file_read(AT_FDCWD, argv[1], (size_t)1 << 40, argv[1], &file, &size, &error) < 0 ||
        qfs_gguf_parse(&gguf, (const uint8_t *)file, size, WHOLE, argv[1], &error) < 0)
        goto out;
    convert(&conversion, &gguf, from_gguf);
    if (imatrix_path && qfs_imatrix_open(imatrix_path, &imatrix_options, &imatrix, &error) < 0)
        goto out;
    options.imatrix = imatrix;
    if (qfs_plan_build(&conversion, &options, &plan, &error) < 0)
        goto out;
    check_regions(plan);
    write_header(plan, argv[2]);
    printf("%llu\n", (unsigned long long)plan->size);
    for (size_t i = 0; i < plan->ntensors; i++)
        printf("%s %s %s\n", plan->tensors[i].name, qfs_type_info(plan->tensors[i].type)->name,
               plan->tensors[i].imatrix ? "imatrix" : "-");
out:
    if (error.code)
        fprintf(stderr, "%s\n", error.text);
    qfs_plan_free(plan);
    qfs_imatrix_free(imatrix);
    qfs_gguf_done(&gguf);
    qfs_arena_done(&conversion.arena);
    free(file);
    return error.code == 0 ? 0 : error.code == ENOTSUP ? 3 : 1;
}
