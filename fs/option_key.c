#include "option_key.h"

#include <string.h>
#include <sys/stat.h>

void qfs_key_string(struct qfs_buffer *to, const char *string)
{
    uint32_t size = string ? (uint32_t)strlen(string) : UINT32_MAX;
    qfs_buffer_append(to, &size, sizeof(size));
    if (string)
        qfs_buffer_append(to, string, size);
}

static void add_strings(struct qfs_buffer *to, const char *const *strings, size_t count)
{
    qfs_buffer_append(to, &count, sizeof(count));
    for (size_t i = 0; i < count; i++)
        qfs_key_string(to, strings[i]);
}

void qfs_key_file(struct qfs_buffer *to, const char *path)
{
    struct stat st = {0};
    qfs_key_string(to, path);
    if (path && stat(path, &st) == 0) {
        const int64_t numbers[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size,
                                   st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
        qfs_buffer_append(to, numbers, sizeof(numbers));
    }
}

static void add_files(struct qfs_buffer *to, const struct qfs_options *o)
{
    qfs_key_file(to, o->imatrix);
    qfs_key_file(to, o->views);
}

void qfs_key_options(struct qfs_buffer *to, const struct qfs_options *o)
{
    const char *const strings[] = {
        o->imatrix_name, o->outtype, o->output_tensor_type, o->token_embedding_type, o->model_name,
        o->base,         o->pre,
    };
    const bool flags[] = {o->pure,   o->leave_output_tensor, o->allow_requantize, o->mtp,
                          o->no_mtp, o->mistral_format};
    add_strings(to, strings, QFS_COUNT(strings));
    qfs_buffer_append(to, flags, sizeof(flags));
    add_strings(to, o->include_weights, o->ninclude_weights);
    add_strings(to, o->exclude_weights, o->nexclude_weights);
    add_strings(to, o->tensor_types, o->ntensor_types);
    add_strings(to, o->overrides, o->noverrides);
    qfs_buffer_append(to, &o->nprune_layers, sizeof(o->nprune_layers));
    qfs_buffer_append(to, o->prune_layers, o->nprune_layers * sizeof(*o->prune_layers));
    add_files(to, o);
}

uint64_t qfs_option_files(const struct qfs_options *options)
{
    struct qfs_buffer all = {0};
    add_files(&all, options);
    uint64_t number = all.failed ? 0 : qfs_hash64(all.data, all.size);
    qfs_buffer_done(&all);
    return number;
}
