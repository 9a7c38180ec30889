/* Compares a GGUF file with the view that it should be: keys and tensors by their names, wherever they
 * stand in the file. */
#include "quantfs/fs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A header is read in steps, each twice as large; a vocabulary has some 10 MiB. */
enum { FIRST_STEP = 4 << 20, MOST_HEADER = 1 << 30, PIECE = 1 << 20 };

/* What the file is told to have when it is parsed: tensors beyond its end are found, not refused. */
#define ANY_SIZE ((uint64_t)INT64_MAX)

struct run {
    struct qfs_comparison *result;
    struct qfs_view *view;
    const struct qfs_plan *plan;
    const struct qfs_compare_options *options;
    const char *path;
    int fd;
    uint64_t done;
    uint8_t *ours, *theirs; /* PIECE bytes each */
    struct qfs_error *error;
};

static struct qfs_difference *add(struct run *run, enum qfs_difference_kind kind, const char *name)
{
    struct qfs_comparison *result = run->result;
    if (result->ndifferences == result->capacity) {
        size_t capacity = result->capacity ? 2 * result->capacity : 64;
        struct qfs_difference *grown = reallocarray(result->differences, capacity, sizeof(*grown));
        if (!grown)
            return NULL;
        result->differences = grown;
        result->capacity = capacity;
    }
    struct qfs_difference *difference = &result->differences[result->ndifferences++];
    *difference = (struct qfs_difference){.kind = kind, .name = name};
    return difference;
}

/* -- the file's header ------------------------------------------------------------------------ */

static int read_header(struct run *run)
{
    struct qfs_comparison *result = run->result;
    uint8_t *data = NULL;
    uint64_t have = 0;
    int rc = -EAGAIN;
    for (uint64_t want = FIRST_STEP; rc == -EAGAIN; want *= 2) {
        want = QFS_MIN(want, result->file_size);
        if (have == want || want > MOST_HEADER) {
            rc = qfs_fail(run->error, EINVAL, "%s: ends within its header: download it again",
                          run->path);
            break;
        }
        uint8_t *more = realloc(data, (size_t)want);
        if (!more) {
            rc = qfs_fail_memory(run->error);
            break;
        }
        data = more;
        rc = qfs_pread_full(run->fd, data + have, (size_t)(want - have), have);
        if (rc < 0) {
            rc = qfs_fail(run->error, -rc, "%s: cannot be read: %s", run->path, strerror(-rc));
            break;
        }
        have = want;
        rc = qfs_gguf_parse(&result->gguf, data, (size_t)have, ANY_SIZE, run->path, run->error);
    }
    free(data);
    return rc;
}

/* -- keys ------------------------------------------------------------------------------------- */

static bool same_value(const struct qfs_kv *a, const struct qfs_kv *b)
{
    return a->type == b->type && a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* Index of the names of what one side has; the other side's are looked up in it. */
static int index_kvs(struct qfs_map *map, const struct qfs_kvs *kvs)
{
    for (size_t i = 0; i < kvs->count; i++)
        if (qfs_map_set(map, qfs_text_of(kvs->items[i].key), i) < 0)
            return -ENOMEM;
    return 0;
}

static int compare_keys(struct run *run)
{
    const struct qfs_kvs *ours = &run->plan->kvs, *theirs = &run->result->gguf.kvs;
    struct qfs_map of_ours = {0}, of_theirs = {0};
    struct qfs_difference *difference = NULL;
    uint64_t at;
    bool ok = index_kvs(&of_ours, ours) == 0 && index_kvs(&of_theirs, theirs) == 0;
    for (size_t i = 0; i < ours->count && ok; i++) {
        const struct qfs_kv *kv = &ours->items[i];
        bool there = qfs_map_get(&of_theirs, qfs_text_of(kv->key), &at);
        if (there && same_value(kv, &theirs->items[at])) {
            run->result->nsame_keys++;
            continue;
        }
        difference = add(run, there ? QFS_DIFFERENT_KEY : QFS_MISSING_KEY, kv->key);
        ok = difference;
        if (ok)
            difference->our_key = kv;
        if (ok && there)
            difference->their_key = &theirs->items[at];
    }
    for (size_t i = 0; i < theirs->count && ok; i++) {
        if (qfs_map_get(&of_ours, qfs_text_of(theirs->items[i].key), &at))
            continue;
        difference = add(run, QFS_EXTRA_KEY, theirs->items[i].key);
        ok = difference;
        if (ok)
            difference->their_key = &theirs->items[i];
    }
    qfs_map_done(&of_ours);
    qfs_map_done(&of_theirs);
    return ok ? 0 : qfs_fail_memory(run->error);
}

/* -- bytes ------------------------------------------------------------------------------------ */

/* What differs between a run of the view and one of the file. */
struct spread {
    uint64_t first, count; /* from the start of the run; bytes that differ */
    uint64_t cut;          /* bytes that the file does not have */
};

static int compare_bytes(struct run *run, uint64_t our_at, uint64_t their_at, uint64_t size,
                         struct spread *ret)
{
    uint64_t file_size = run->result->file_size;
    uint64_t there = their_at < file_size ? QFS_MIN(size, file_size - their_at) : 0;
    struct spread spread = {.cut = size - there};
    for (uint64_t at = 0; at < there;) {
        size_t piece = (size_t)QFS_MIN((uint64_t)PIECE, there - at);
        int64_t n = qfs_view_pread(run->view, run->ours, piece, our_at + at, run->error);
        if (n < 0)
            return (int)n;
        int rc = qfs_pread_full(run->fd, run->theirs, piece, their_at + at);
        if (rc < 0)
            return qfs_fail(run->error, -rc, "%s: cannot be read: %s", run->path, strerror(-rc));
        if (memcmp(run->ours, run->theirs, piece) != 0)
            for (size_t i = 0; i < piece; i++)
                if (run->ours[i] != run->theirs[i] && spread.count++ == 0)
                    spread.first = at + i;
        at += piece;
        run->done += piece;
        if (run->options->progress &&
            run->options->progress(run->options->progress_arg, run->done, run->plan->size) != 0)
            return qfs_fail(run->error, ECANCELED, "%s: was not compared to its end", run->path);
    }
    *ret = spread;
    return 0;
}

/* -- tensors ---------------------------------------------------------------------------------- */

static int compare_data(struct run *run, const struct qfs_plan_tensor *ours,
                        const struct qfs_gguf_tensor *theirs)
{
    struct spread spread;
    int rc = compare_bytes(run, ours->offset, theirs->offset, ours->nbytes, &spread);
    if (rc < 0)
        return rc;
    if (!spread.count && !spread.cut) {
        run->result->nsame_tensors++;
        return 0;
    }
    struct qfs_difference *difference = add(run, QFS_DIFFERENT_DATA, ours->name);
    if (!difference)
        return qfs_fail_memory(run->error);
    uint64_t row_bytes = qfs_row_bytes(ours->type, ours->ne[0]);
    uint64_t first = spread.count ? spread.first : ours->nbytes - spread.cut;
    difference->ours = ours;
    difference->theirs = theirs;
    difference->row = first / row_bytes;
    difference->block = first % row_bytes / qfs_type_info(ours->type)->block_bytes;
    difference->nbytes = spread.count;
    difference->cut = spread.cut;
    return 0;
}

static int compare_tensor(struct run *run, const struct qfs_plan_tensor *ours,
                          const struct qfs_gguf_tensor *theirs)
{
    bool same_shape = theirs && memcmp(ours->ne, theirs->ne, sizeof(ours->ne)) == 0;
    if (same_shape && ours->type == theirs->type)
        return compare_data(run, ours, theirs);
    enum qfs_difference_kind kind = !theirs      ? QFS_MISSING_TENSOR
                                    : same_shape ? QFS_DIFFERENT_TYPE
                                                 : QFS_DIFFERENT_SHAPE;
    struct qfs_difference *difference = add(run, kind, ours->name);
    if (!difference)
        return qfs_fail_memory(run->error);
    difference->ours = ours;
    difference->theirs = theirs;
    run->done += ours->nbytes;
    return 0;
}

static int compare_tensors(struct run *run)
{
    const struct qfs_plan *plan = run->plan;
    const struct qfs_gguf *gguf = &run->result->gguf;
    struct qfs_map of_ours = {0}, of_theirs = {0};
    uint64_t at;
    int rc = 0;
    for (size_t i = 0; i < plan->ntensors && rc == 0; i++)
        if (qfs_map_set(&of_ours, qfs_text_of(plan->tensors[i].name), i) < 0)
            rc = qfs_fail_memory(run->error);
    for (size_t i = 0; i < gguf->ntensors && rc == 0; i++)
        if (qfs_map_set(&of_theirs, qfs_text_of(gguf->tensors[i].name), i) < 0)
            rc = qfs_fail_memory(run->error);
    for (size_t i = 0; i < plan->ntensors && rc == 0; i++) {
        bool there = qfs_map_get(&of_theirs, qfs_text_of(plan->tensors[i].name), &at);
        rc = compare_tensor(run, &plan->tensors[i], there ? &gguf->tensors[at] : NULL);
    }
    for (size_t i = 0; i < gguf->ntensors && rc == 0; i++) {
        if (qfs_map_get(&of_ours, qfs_text_of(gguf->tensors[i].name), &at))
            continue;
        struct qfs_difference *difference = add(run, QFS_EXTRA_TENSOR, gguf->tensors[i].name);
        rc = difference ? 0 : qfs_fail_memory(run->error);
        if (difference)
            difference->theirs = &gguf->tensors[i];
    }
    qfs_map_done(&of_ours);
    qfs_map_done(&of_theirs);
    return rc;
}

/* -- the whole -------------------------------------------------------------------------------- */

/* With all keys and tensors the same: are header and padding too? Sets result->identical. */
static int compare_rest(struct run *run)
{
    const struct qfs_plan *plan = run->plan;
    struct spread spread = {0};
    int rc = 0;
    if (run->result->ndifferences || run->result->file_size != plan->size)
        return 0;
    for (size_t i = 0; i < plan->nregions && rc == 0 && !spread.count; i++)
        if (plan->regions[i].kind != QFS_REGION_TENSOR)
            rc = compare_bytes(run, plan->regions[i].offset, plan->regions[i].offset,
                               plan->regions[i].size, &spread);
    run->result->identical = rc == 0 && !spread.count;
    return rc;
}

static int open_file(struct run *run)
{
    struct stat st;
    /* O_NONBLOCK: opening a FIFO must not hang. */
    run->fd = open(run->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (run->fd < 0)
        return qfs_fail(run->error, errno, "%s: cannot be opened: %s", run->path, strerror(errno));
    if (fstat(run->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return qfs_fail(run->error, EINVAL, "%s: is not a file", run->path);
    run->result->file_size = (uint64_t)st.st_size;
    return 0;
}

int qfs_view_compare(struct qfs_view *view, const char *path,
                     const struct qfs_compare_options *options, struct qfs_comparison **ret,
                     struct qfs_error *error)
{
    static const struct qfs_compare_options none;
    struct qfs_comparison *result = calloc(1, sizeof(*result));
    struct run run = {
        .result = result,
        .view = view,
        .plan = qfs_view_plan(view),
        .options = options ? options : &none,
        .path = path,
        .fd = -1,
        .ours = malloc(PIECE),
        .theirs = malloc(PIECE),
        .error = error,
    };
    int rc = result && run.ours && run.theirs ? 0 : qfs_fail_memory(error);
    if (rc == 0)
        rc = open_file(&run);
    if (rc == 0)
        rc = read_header(&run);
    if (rc == 0)
        rc = compare_keys(&run);
    if (rc == 0)
        rc = compare_tensors(&run);
    if (rc == 0)
        rc = compare_rest(&run);
    if (run.fd >= 0)
        close(run.fd);
    free(run.ours);
    free(run.theirs);
    if (rc < 0)
        qfs_comparison_free(result);
    else
        *ret = result;
    return rc;
}

void qfs_comparison_free(struct qfs_comparison *comparison)
{
    if (!comparison)
        return;
    qfs_gguf_done(&comparison->gguf);
    free(comparison->differences);
    free(comparison);
}
