/* quantfs verify: a file somebody has, beside the view that it should be. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Exit codes as of cmp and diff. */
enum { SAME = 0, DIFFERS = 1, TROUBLE = 2 };

static const char *const kind_names[] = {
    [QFS_DIFFERENT_KEY] = "key",
    [QFS_MISSING_KEY] = "missing key",
    [QFS_EXTRA_KEY] = "extra key",
    [QFS_DIFFERENT_TYPE] = "tensor type",
    [QFS_DIFFERENT_SHAPE] = "shape",
    [QFS_DIFFERENT_DATA] = "data",
    [QFS_MISSING_TENSOR] = "missing tensor",
    [QFS_EXTRA_TENSOR] = "extra tensor",
};

enum { SHOWN = 64 }; /* bytes of a string in which a difference is easily seen */

/* -- words ------------------------------------------------------------------------------------ */

static void describe_key(const struct qfs_kv *kv, struct qfs_buffer *to)
{
    to->size = 0;
    cli_describe_value(kv, to);
}

static void describe_tensor(enum qfs_type type, const int64_t *ne, int ndim, struct qfs_buffer *to)
{
    to->size = 0;
    qfs_buffer_printf(to, "%s [", qfs_type_info(type)->name);
    for (int d = 0; d < ndim; d++)
        qfs_buffer_printf(to, "%s%" PRId64, d ? ", " : "", ne[d]);
    qfs_buffer_text(to, "]");
}

/* The items of an array, one after the other. */
struct items {
    const uint8_t *at, *end;
    uint32_t type;
    uint64_t count;
};

static struct items items_of(const struct qfs_kv *kv)
{
    struct items items = {.at = kv->data + 12, .end = kv->data + kv->size};
    memcpy(&items.type, kv->data, 4);
    memcpy(&items.count, kv->data + 4, 8);
    return items;
}

static struct qfs_kv next_item(struct items *items)
{
    uint64_t size = qfs_kv_scalar_size((enum qfs_kv_type)items->type);
    if (items->type == QFS_KV_STRING) {
        memcpy(&size, items->at, 8);
        size += 8;
    }
    struct qfs_kv item = {.type = (enum qfs_kv_type)items->type, .data = items->at, .size = size};
    items->at += size;
    return item;
}

/* Arrays are told by the first item that differs: "[17] = …"; everything else whole. */
static void describe_keys(const struct qfs_kv *a, const struct qfs_kv *b, struct qfs_buffer *to_a,
                          struct qfs_buffer *to_b)
{
    describe_key(a, to_a);
    describe_key(b, to_b);
    if (a->type != b->type) {
        qfs_buffer_printf(to_a, " (%s)", cli_kv_type_name(a->type));
        qfs_buffer_printf(to_b, " (%s)", cli_kv_type_name(b->type));
    }
    if (a->type == QFS_KV_STRING && b->type == QFS_KV_STRING && QFS_MIN(a->size, b->size) > SHOWN) {
        size_t at = 8;
        while (at < QFS_MIN(a->size, b->size) && a->data[at] == b->data[at])
            at++;
        qfs_buffer_printf(to_b, ", different from byte %zu on", at - 8);
    }
    if (a->type != QFS_KV_ARRAY || b->type != QFS_KV_ARRAY)
        return;
    struct items of_a = items_of(a), of_b = items_of(b);
    uint64_t count = of_a.type == of_b.type ? QFS_MIN(of_a.count, of_b.count) : 0;
    for (uint64_t i = 0; i < count; i++) {
        struct qfs_kv x = next_item(&of_a), y = next_item(&of_b);
        if (x.size == y.size && memcmp(x.data, y.data, x.size) == 0)
            continue;
        qfs_buffer_printf(to_a, ", [%" PRIu64 "] = ", i);
        cli_describe_value(&x, to_a);
        qfs_buffer_printf(to_b, ", [%" PRIu64 "] = ", i);
        cli_describe_value(&y, to_b);
        return;
    }
}

/* What the two sides hold; a side stays empty where it has nothing, or where data differ. */
static void describe(const struct qfs_difference *d, struct qfs_buffer *ours,
                     struct qfs_buffer *theirs)
{
    ours->size = theirs->size = 0;
    if (d->kind == QFS_DIFFERENT_DATA)
        return;
    if (d->our_key && d->their_key)
        describe_keys(d->our_key, d->their_key, ours, theirs);
    else if (d->our_key)
        describe_key(d->our_key, ours);
    else if (d->their_key)
        describe_key(d->their_key, theirs);
    if (d->ours)
        describe_tensor(d->ours->type, d->ours->ne, d->ours->ndim, ours);
    if (d->theirs)
        describe_tensor(d->theirs->type, d->theirs->ne, d->theirs->ndim, theirs);
}

/* -- text ------------------------------------------------------------------------------------- */

static void print_data(const struct qfs_difference *d, const char *name)
{
    printf("  tensor %s:", name);
    if (d->nbytes)
        printf(" %" PRIu64 " of %" PRIu64 " bytes differ, the first in row %" PRIu64
               ", block %" PRIu64,
               d->nbytes, d->ours->nbytes, d->row, d->block);
    if (d->cut)
        printf("%s the last %" PRIu64 " of %" PRIu64 " bytes lie beyond the end of the file",
               d->nbytes ? ";" : "", d->cut, d->ours->nbytes);
    putchar('\n');
}

static void print_difference(const struct qfs_difference *d, struct qfs_buffer *ours,
                             struct qfs_buffer *theirs)
{
    const char *what = d->our_key || d->their_key ? "key" : "tensor";
    struct qfs_buffer plain = {0};
    cli_plain(&plain, d->name, strlen(d->name));
    const char *name = cli_text_of(&plain);
    describe(d, ours, theirs);
    if (d->kind == QFS_DIFFERENT_DATA)
        print_data(d, name);
    else if (d->kind == QFS_MISSING_KEY || d->kind == QFS_MISSING_TENSOR)
        printf("  %s %s: not in the file; should be %s\n", what, name, cli_text_of(ours));
    else if (d->kind == QFS_EXTRA_KEY || d->kind == QFS_EXTRA_TENSOR)
        printf("  %s %s: should not be there; is %s\n", what, name, cli_text_of(theirs));
    else
        printf("  %s %s: should be %s; is %s\n", what, name, cli_text_of(ours),
               cli_text_of(theirs));
    qfs_buffer_done(&plain);
}

static void print_text(const char *path, const struct qfs_view_info *info,
                       const struct qfs_plan *plan, const struct qfs_comparison *c)
{
    struct qfs_buffer ours = {0}, theirs = {0};
    if (c->identical) {
        printf("%s: is %s, every one of its %" PRIu64 " bytes\n", path, info->name, c->file_size);
        return;
    }
    if (c->ndifferences)
        printf("%s: is not %s\n", path, info->name);
    else
        printf("%s: has all keys and tensors of %s and nothing else, but lays them out in another "
               "way\n",
               path, info->name);
    for (size_t i = 0; i < c->ndifferences; i++)
        print_difference(&c->differences[i], &ours, &theirs);
    printf("%zu of %zu keys and %zu of %zu tensors are the same; %" PRIu64
           " bytes, should be %" PRIu64 "\n",
           c->nsame_keys, plan->kvs.count, c->nsame_tensors, plan->ntensors, c->file_size,
           plan->size);
    qfs_buffer_done(&ours);
    qfs_buffer_done(&theirs);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static cJSON *difference_json(const struct qfs_difference *d, struct qfs_buffer *ours,
                              struct qfs_buffer *theirs)
{
    cJSON *item = cJSON_CreateObject();
    describe(d, ours, theirs);
    cJSON_AddStringToObject(item, "kind", kind_names[d->kind]);
    struct qfs_buffer plain = {0};
    cli_plain(&plain, d->name, strlen(d->name));
    cJSON_AddStringToObject(item, "name", cli_text_of(&plain));
    qfs_buffer_done(&plain);
    if (ours->size)
        cJSON_AddStringToObject(item, "ours", cli_text_of(ours));
    if (theirs->size)
        cJSON_AddStringToObject(item, "theirs", cli_text_of(theirs));
    if (d->kind == QFS_DIFFERENT_DATA) {
        cJSON_AddNumberToObject(item, "row", (double)d->row);
        cJSON_AddNumberToObject(item, "block", (double)d->block);
        cJSON_AddNumberToObject(item, "bytes", (double)d->nbytes);
        cJSON_AddNumberToObject(item, "bytes_missing", (double)d->cut);
        cJSON_AddNumberToObject(item, "of_bytes", (double)d->ours->nbytes);
    }
    return item;
}

static int print_json(const char *path, const struct qfs_view_info *info,
                      const struct qfs_plan *plan, const struct qfs_comparison *c)
{
    struct qfs_buffer ours = {0}, theirs = {0};
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "view", info->name);
    cJSON_AddStringToObject(root, "file", path);
    cJSON_AddBoolToObject(root, "identical", c->identical);
    cJSON_AddBoolToObject(root, "same_contents", c->ndifferences == 0);
    cJSON_AddNumberToObject(root, "size", (double)plan->size);
    cJSON_AddNumberToObject(root, "file_size", (double)c->file_size);
    cJSON_AddNumberToObject(root, "keys", (double)plan->kvs.count);
    cJSON_AddNumberToObject(root, "same_keys", (double)c->nsame_keys);
    cJSON_AddNumberToObject(root, "tensors", (double)plan->ntensors);
    cJSON_AddNumberToObject(root, "same_tensors", (double)c->nsame_tensors);
    cJSON *list = cJSON_AddArrayToObject(root, "differences");
    for (size_t i = 0; i < c->ndifferences; i++)
        cJSON_AddItemToArray(list, difference_json(&c->differences[i], &ours, &theirs));
    qfs_buffer_done(&ours);
    qfs_buffer_done(&theirs);
    return cli_print_json(root);
}

/* -- the command ------------------------------------------------------------------------------ */

static int compare(struct cli_settings *settings, struct qfs_view *view, struct qfs_error *error)
{
    const char *path = settings->args[2];
    const struct qfs_view_info *info = qfs_view_info(view);
    struct cli_progress progress;
    struct qfs_compare_options options = {.progress = cli_progress_step, .progress_arg = &progress};
    struct qfs_comparison *comparison;
    cli_progress_begin(&progress, info->name);
    progress.active = progress.active && !settings->quiet;
    int rc = qfs_view_compare(view, path, &options, &comparison, error);
    cli_progress_end(&progress);
    if (rc < 0) { /* a file that is no GGUF file is not the view: that is an answer */
        cli_fail(error);
        return rc == -EINVAL ? DIFFERS : TROUBLE;
    }
    bool same = comparison->identical;
    int printed = CLI_OK;
    if (settings->json)
        printed = print_json(path, info, qfs_view_plan(view), comparison);
    else
        print_text(path, info, qfs_view_plan(view), comparison);
    qfs_comparison_free(comparison);
    return printed != CLI_OK ? TROUBLE : same ? SAME : DIFFERS;
}

int cmd_verify(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_view *view;
    struct qfs_error error = {0};
    if (cli_open_view(settings, &source, &view, &error) < 0) {
        cli_fail(&error);
        return TROUBLE;
    }
    int rc = compare(settings, view, &error);
    qfs_view_close(view);
    qfs_source_close(source);
    return rc;
}
