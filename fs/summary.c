#include "summary.h"
#include "option_key.h"

#include <stdlib.h>
#include <string.h>

#include "quantfs/arch.h"

/* -- making ------------------------------------------------------------------------------------- */

void qfs_summary_free(struct qfs_summary *summary)
{
    if (!summary)
        return;
    struct qfs_arena arena = summary->arena;
    qfs_arena_done(&arena);
}

/* An empty one with room for `nviews`; NULL: out of memory. */
static struct qfs_summary *new_summary(size_t nviews)
{
    struct qfs_arena arena = {0};
    struct qfs_summary *summary = qfs_arena_alloc(&arena, sizeof(*summary));
    if (summary) {
        summary->views =
            qfs_arena_array(&arena, QFS_MAX(nviews, (size_t)1), sizeof(struct qfs_view_info));
        summary->nviews = nviews;
        summary->arena = arena;
    }
    if (!summary || !summary->views) {
        qfs_arena_done(&arena);
        return NULL;
    }
    return summary;
}

static uint64_t count_weights(const struct qfs_conversion *conversion)
{
    uint64_t count = 0;
    for (size_t i = 0; i < conversion->ntensors; i++)
        count += (uint64_t)qfs_recipe_count(conversion->tensors[i].recipe);
    return count;
}

int qfs_summary_of(const struct qfs_source *source, struct qfs_summary **ret_summary,
                   struct qfs_error *error)
{
    const struct qfs_model *model = qfs_source_model(source);
    const struct qfs_conversion *conversion = qfs_source_conversion(source);
    struct qfs_summary *summary = new_summary(qfs_source_count(source));
    if (!summary)
        return qfs_fail_memory(error);
    struct qfs_arena *arena = &summary->arena;
    summary->name = qfs_arena_string(arena, model->name);
    summary->architecture = qfs_arena_string(arena, conversion->arch);
    summary->nweights = count_weights(conversion);
    summary->adapter = model->adapter != NULL;
    summary->mtime.tv_sec = model->mtime_ns / 1000000000;
    summary->mtime.tv_nsec = model->mtime_ns % 1000000000;
    bool whole = summary->name && summary->architecture;
    for (size_t i = 0; i < summary->nviews && whole; i++) {
        struct qfs_view_info *view = &summary->views[i];
        *view = *qfs_source_view(source, i);
        bool refused = view->refused != NULL;
        view->name = qfs_arena_string(arena, view->name);
        view->type = qfs_arena_string(arena, view->type);
        view->refused = refused ? qfs_arena_string(arena, view->refused) : NULL;
        whole = view->name && view->type && (view->refused || !refused);
    }
    if (!whole) {
        qfs_summary_free(summary);
        return qfs_fail_memory(error);
    }
    *ret_summary = summary;
    return 0;
}

/* -- keys --------------------------------------------------------------------------------------- */

/* Beside the bytes of views: which there are. */
static void add_list(struct qfs_buffer *to, const struct qfs_options *o)
{
    qfs_key_string(to, o->types);
    qfs_key_string(to, o->split_max_size);
    qfs_key_string(to, o->split_max_tensors);
    qfs_buffer_append(to, &o->no_tensor_first_split, sizeof(o->no_tensor_first_split));
}

struct qfs_digest qfs_summary_key(const char *path, uint64_t number,
                                  const struct qfs_options *options)
{
    struct qfs_buffer all = {0};
    qfs_key_string(&all, "summary 1");
    qfs_key_string(&all, qfs_version());
    qfs_key_file(&all, "/proc/self/exe");
    qfs_key_string(&all, path);
    qfs_buffer_append(&all, &number, sizeof(number));
    add_list(&all, options);
    qfs_key_options(&all, options);
    struct qfs_digest key = all.failed ? (struct qfs_digest){0} : qfs_hash(all.data, all.size);
    qfs_buffer_done(&all);
    return key;
}

/* -- in the cache ------------------------------------------------------------------------------- */

/* The bytes of a summary, in chunks of one series; those behind its end are never written. */
enum { PIECE = 16 << 10, PIECES_MOST = 64 };

static struct qfs_series series_of(struct qfs_digest key)
{
    return (struct qfs_series){.id = key, .nbytes = PIECE * PIECES_MOST, .chunk_bytes = PIECE};
}

/* What stands before the strings. */
struct head {
    uint64_t size; /* of everything */
    uint64_t nviews, nweights;
    int64_t mtime_s, mtime_ns;
};

static void write_all(struct qfs_buffer *to, const struct qfs_summary *summary)
{
    struct head head = {0, summary->nviews, summary->nweights, summary->mtime.tv_sec,
                        summary->mtime.tv_nsec};
    qfs_buffer_append(to, &head, sizeof(head));
    qfs_key_string(to, summary->name);
    qfs_key_string(to, summary->architecture);
    for (size_t i = 0; i < summary->nviews; i++) {
        const struct qfs_view_info *view = &summary->views[i];
        qfs_buffer_append(to, &view->size, sizeof(view->size));
        qfs_buffer_append(to, &view->weight_bits, sizeof(view->weight_bits));
        qfs_key_string(to, view->name);
        qfs_key_string(to, view->type);
        qfs_key_string(to, view->refused);
    }
    head.size = to->size;
    if (!to->failed)
        memcpy(to->data, &head, sizeof(head));
}

void qfs_summary_store(struct qfs_disk *disk, struct qfs_digest key,
                       const struct qfs_summary *summary)
{
    const struct qfs_series series = series_of(key);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_buffer all = {0};
    write_all(&all, summary);
    uint32_t npieces = (uint32_t)((all.size + PIECE - 1) / PIECE);
    if (npieces <= PIECES_MOST)
        qfs_buffer_fill(&all, 0, npieces * PIECE - all.size);
    /* The first comes last: with it the others are there too. */
    for (uint32_t i = npieces; i-- && scratch && !all.failed && npieces <= PIECES_MOST;)
        qfs_disk_store(disk, scratch, &series, i, all.data + (size_t)i * PIECE);
    qfs_disk_scratch_free(scratch);
    qfs_buffer_done(&all);
}

struct reader {
    struct qfs_arena *arena;
    const uint8_t *at, *end;
    bool bad;
};

static void read_bytes(struct reader *r, void *to, size_t size)
{
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        memset(to, 0, size);
        return;
    }
    memcpy(to, r->at, size);
    r->at += size;
}

static const char *read_string(struct reader *r)
{
    uint32_t size;
    read_bytes(r, &size, sizeof(size));
    if (r->bad || size == UINT32_MAX)
        return NULL;
    char *string = (size_t)(r->end - r->at) < size
                       ? NULL
                       : qfs_arena_copy(r->arena, (const char *)r->at, size);
    r->bad = !string;
    r->at += r->bad ? 0 : size;
    return string;
}

static struct qfs_summary *read_all(const uint8_t *data, const struct head *head)
{
    if (head->nviews > head->size / 16)
        return NULL;
    struct qfs_summary *summary = new_summary(head->nviews);
    if (!summary)
        return NULL;
    struct reader r = {&summary->arena, data + sizeof(*head), data + head->size, false};
    summary->nweights = head->nweights;
    summary->mtime = (struct timespec){head->mtime_s, head->mtime_ns};
    summary->name = read_string(&r);
    summary->architecture = read_string(&r);
    bool whole = summary->name && summary->architecture;
    for (size_t i = 0; i < summary->nviews && whole; i++) {
        struct qfs_view_info *view = &summary->views[i];
        read_bytes(&r, &view->size, sizeof(view->size));
        read_bytes(&r, &view->weight_bits, sizeof(view->weight_bits));
        view->name = read_string(&r);
        view->type = read_string(&r);
        view->refused = read_string(&r);
        whole = view->name && view->type;
    }
    if (!whole || r.bad) {
        qfs_summary_free(summary);
        return NULL;
    }
    return summary;
}

struct qfs_summary *qfs_summary_load(struct qfs_disk *disk, struct qfs_digest key)
{
    const struct qfs_series series = series_of(key);
    struct qfs_disk_scratch *scratch = qfs_disk_scratch_new();
    struct qfs_summary *summary = NULL;
    uint8_t *data = malloc(PIECE), *more;
    struct head head;
    bool there = scratch && data && qfs_disk_load(disk, scratch, &series, 0, data);
    if (there) {
        memcpy(&head, data, sizeof(head));
        there = head.size >= sizeof(head) && head.size <= PIECE * PIECES_MOST;
    }
    if (there && head.size > PIECE) {
        more = realloc(data, qfs_align(head.size, PIECE));
        there = more != NULL;
        data = more ? more : data;
        for (uint32_t i = 1; there && (uint64_t)i * PIECE < head.size; i++)
            there = qfs_disk_load(disk, scratch, &series, i, data + (size_t)i * PIECE);
    }
    if (there)
        summary = read_all(data, &head);
    free(data);
    qfs_disk_scratch_free(scratch);
    return summary;
}
