#include "quantfs/model.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two formats, as llama.cpp's imatrix-loader.cpp reads them, and the means that llama-quantize
 * makes of them. GGUF: sums of squares and token counts, both for each expert. The older one,
 * without a magic: means times a number of calls. */

#define SUMS ".in_sum2"
#define COUNTS ".counts"

enum {
    MAX_KEPT = 127, /* bytes that llama-quantize's override holds of a string */
    MAX_LEGACY_NAME = 4096,
};

static const uint64_t max_legacy_size = (uint64_t)8 << 30;

/* What is being read; entries grow on the heap and move into the arena when all are there. */
struct reader {
    struct qfs_imatrix *imatrix;
    const struct qfs_imatrix_options *options;
    const char *shown;
    struct qfs_error *error;
    size_t capacity;
};

/* Whether include and exclude let this tensor through. */
static bool wanted(const struct qfs_imatrix_options *options, const char *name)
{
    for (size_t i = 0; i < options->nexclude; i++)
        if (strstr(name, options->exclude[i]))
            return false;
    for (size_t i = 0; i < options->ninclude; i++)
        if (strstr(name, options->include[i]))
            return true;
    return options->ninclude == 0;
}

static int add_entry(struct reader *r, const char *name, const float *values, size_t count)
{
    struct qfs_imatrix *im = r->imatrix;
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || values[i] < 0)
            return qfs_fail(
                r->error, EINVAL,
                "%s: value %zu of %s is %g, importances must be finite and not negative", r->shown,
                i, name, (double)values[i]);
    if (im->nentries == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 256;
        struct qfs_imatrix_entry *entries = realloc(im->entries, capacity * sizeof(*entries));
        if (!entries)
            return qfs_fail_memory(r->error);
        im->entries = entries;
        r->capacity = capacity;
    }
    im->entries[im->nentries++] = (struct qfs_imatrix_entry){name, values, count};
    return 0;
}

/* -- GGUF ---------------------------------------------------------------------------------------
 */

/* An unsigned number that must be there; llama-quantize aborts on another type. */
static int read_number(struct reader *r, const struct qfs_kvs *kvs, const char *key, uint32_t *ret)
{
    const struct qfs_kv *kv = qfs_kv_find(kvs, key);
    if (!kv || kv->type != QFS_KV_U32)
        return qfs_fail(r->error, EINVAL, "%s: %s is %s, so it is no file of llama-imatrix",
                        r->shown, key, kv ? "of another type than u32" : "missing");
    memcpy(ret, kv->data, sizeof(*ret));
    return 0;
}

/* The first of imatrix.datasets, which must be there, though it may be anything. */
static int read_dataset(struct reader *r, const struct qfs_kvs *kvs)
{
    const struct qfs_kv *kv = qfs_kv_find(kvs, "imatrix.datasets");
    uint32_t item = 0;
    uint64_t count = 0, size;
    if (!kv)
        return qfs_fail(r->error, EINVAL,
                        "%s: imatrix.datasets is missing, so it is no file of llama-imatrix",
                        r->shown);
    if (kv->type == QFS_KV_ARRAY) {
        memcpy(&item, kv->data, sizeof(item));
        memcpy(&count, kv->data + 4, sizeof(count));
    }
    if (item != QFS_KV_STRING || count == 0)
        return 0;
    memcpy(&size, kv->data + 12, sizeof(size));
    r->imatrix->dataset = qfs_arena_copy(&r->imatrix->arena, (const char *)kv->data + 20,
                                         (size_t)QFS_MIN(size, (uint64_t)MAX_KEPT));
    return r->imatrix->dataset ? 0 : qfs_fail_memory(r->error);
}

static uint64_t elements(const struct qfs_gguf_tensor *tensor)
{
    return tensor->nbytes / sizeof(float);
}

/* Sums of `sums` divided by the counts of `counts`, one count a run of columns; 1 where an expert
 * was never chosen. Columns beyond the last whole run stay 0. */
static int read_means(struct reader *r, int fd, const char *name,
                      const struct qfs_gguf_tensor *sums, const struct qfs_gguf_tensor *counts)
{
    size_t nsums = (size_t)elements(sums), ncounts = (size_t)elements(counts);
    size_t run = nsums / ncounts;
    float *values = qfs_arena_array(&r->imatrix->arena, nsums, sizeof(*values));
    float *count = malloc(ncounts * sizeof(*count));
    int rc = 0;
    if (!values || !count)
        rc = qfs_fail_memory(r->error);
    else if ((rc = qfs_pread_full(fd, values, nsums * sizeof(*values), sums->offset)) < 0 ||
             (rc = qfs_pread_full(fd, count, ncounts * sizeof(*count), counts->offset)) < 0)
        rc = qfs_fail(r->error, -rc, "%s: cannot be read: %s", r->shown, strerror(-rc));
    for (size_t i = 0; i < ncounts && rc == 0; i++) {
        if (!(fabsf(count[i]) < 9e18f)) {
            rc = qfs_fail(r->error, EINVAL, "%s: count %zu of %s is %g", r->shown, i, name,
                          (double)count[i]);
            break;
        }
        float divisor = (float)llroundf(count[i]);
        float *to = values + i * run;
        for (size_t k = 0; k < run; k++)
            to[k] = divisor > 0 ? to[k] / divisor : 1;
    }
    if (rc == 0) {
        memset(values + ncounts * run, 0, (nsums - ncounts * run) * sizeof(*values));
        rc = add_entry(r, name, values, nsums);
    }
    free(count);
    return rc;
}

static const struct qfs_gguf_tensor *find_part(const struct qfs_gguf *gguf,
                                               const struct qfs_map *index, const char *base,
                                               const char *suffix, char *scratch)
{
    uint64_t at;
    strcpy(stpcpy(scratch, base), suffix);
    return qfs_map_get(index, qfs_text_of(scratch), &at) ? &gguf->tensors[at] : NULL;
}

static int read_pair(struct reader *r, const struct qfs_gguf *gguf, const struct qfs_map *index,
                     int fd, const struct qfs_gguf_tensor *tensor)
{
    char scratch[128]; /* names have at most 63 bytes */
    bool is_sums = qfs_ends_with(tensor->name, SUMS);
    if (!is_sums && !qfs_ends_with(tensor->name, COUNTS))
        return 0;
    const char *suffix = is_sums ? SUMS : COUNTS;
    char *base =
        qfs_arena_copy(&r->imatrix->arena, tensor->name, strlen(tensor->name) - strlen(suffix));
    if (!base)
        return qfs_fail_memory(r->error);
    const struct qfs_gguf_tensor *sums = find_part(gguf, index, base, SUMS, scratch);
    const struct qfs_gguf_tensor *counts = find_part(gguf, index, base, COUNTS, scratch);
    if (!sums || !counts)
        return qfs_fail(r->error, EINVAL, "%s: %s has no %s: the file is incomplete", r->shown,
                        base, sums ? "counts" : "sums");
    if (sums->type != QFS_TYPE_F32 || counts->type != QFS_TYPE_F32)
        return qfs_fail(r->error, EINVAL, "%s: sums and counts of %s must be f32", r->shown, base);
    /* Each pair once, at its sums. */
    return is_sums && wanted(r->options, base) ? read_means(r, fd, base, sums, counts) : 0;
}

static int read_gguf(struct reader *r, int fd)
{
    struct qfs_gguf gguf = {0};
    struct qfs_map index = {0};
    uint32_t nchunks = 0, chunk_size = 0;
    int rc = qfs_gguf_read(&gguf, fd, r->shown, r->error);
    if (rc < 0)
        return rc;
    if ((rc = read_dataset(r, &gguf.kvs)) < 0 ||
        (rc = read_number(r, &gguf.kvs, "imatrix.chunk_count", &nchunks)) < 0 ||
        (rc = read_number(r, &gguf.kvs, "imatrix.chunk_size", &chunk_size)) < 0)
        goto out;
    r->imatrix->nchunks = (int32_t)nchunks;
    if (gguf.ntensors == 0)
        rc = qfs_fail(r->error, EINVAL, "%s: holds no data", r->shown);
    for (size_t i = 0; i < gguf.ntensors && rc == 0; i++)
        if (qfs_map_set(&index, qfs_text_of(gguf.tensors[i].name), i) < 0)
            rc = qfs_fail_memory(r->error);
    for (size_t i = 0; i < gguf.ntensors && rc == 0; i++)
        rc = read_pair(r, &gguf, &index, fd, &gguf.tensors[i]);
out:
    qfs_map_done(&index);
    qfs_gguf_done(&gguf);
    return rc;
}

/* -- the older format ---------------------------------------------------------------------------
 */

struct bytes {
    const char *at;
    size_t left;
};

static bool take(struct bytes *b, void *to, size_t size)
{
    if (size > b->left)
        return false;
    memcpy(to, b->at, size);
    b->at += size;
    b->left -= size;
    return true;
}

static int read_legacy_entry(struct reader *r, struct bytes *b, int32_t number,
                             struct qfs_map *seen)
{
    struct qfs_imatrix *im = r->imatrix;
    char name[MAX_LEGACY_NAME + 1] = {0};
    int32_t size, ncalls, nvalues;
    if (!take(b, &size, sizeof(size)) || size < 0 || size > MAX_LEGACY_NAME ||
        !take(b, name, (size_t)size))
        return qfs_fail(r->error, EINVAL, "%s: entry %d has no name: it is no importance matrix",
                        r->shown, number);
    if (!take(b, &ncalls, sizeof(ncalls)) || !take(b, &nvalues, sizeof(nvalues)) || nvalues < 1 ||
        (size_t)nvalues > b->left / sizeof(float))
        return qfs_fail(r->error, EINVAL, "%s: entry %d, '%s', ends early: the file is incomplete",
                        r->shown, number, name);
    float *values = qfs_arena_array(&im->arena, (size_t)nvalues, sizeof(*values));
    char *kept = qfs_arena_string(&im->arena, name); /* a NUL in the name ends it */
    if (!values || !kept)
        return qfs_fail_memory(r->error);
    take(b, values, (size_t)nvalues * sizeof(*values));
    if (!wanted(r->options, kept))
        return 0;
    for (int32_t i = 0; ncalls > 0 && i < nvalues; i++)
        values[i] /= (float)ncalls;
    /* A name that comes again replaces what it had. */
    uint64_t at;
    if (qfs_map_get(seen, qfs_text_of(kept), &at))
        im->entries[at].count = 0;
    if (qfs_map_set(seen, qfs_text_of(kept), im->nentries) < 0)
        return qfs_fail_memory(r->error);
    return add_entry(r, kept, values, (size_t)nvalues);
}

static int read_legacy(struct reader *r, const char *data, size_t size)
{
    struct qfs_imatrix *im = r->imatrix;
    struct bytes b = {data, size};
    struct qfs_map seen = {0};
    int32_t nentries = 0, length;
    int rc = 0;
    if (!take(&b, &nentries, sizeof(nentries)) || nentries < 1)
        return qfs_fail(r->error, EINVAL, "%s: holds no data", r->shown);
    for (int32_t i = 0; i < nentries && rc == 0; i++)
        rc = read_legacy_entry(r, &b, i, &seen);
    qfs_map_done(&seen);
    if (rc < 0)
        return rc;
    size_t kept = 0;
    for (size_t i = 0; i < im->nentries; i++)
        if (im->entries[i].count)
            im->entries[kept++] = im->entries[i];
    im->nentries = kept;
    /* Number of chunks and name of the data set, where the file goes on. */
    if (take(&b, &im->nchunks, sizeof(im->nchunks)) && take(&b, &length, sizeof(length)) &&
        length > 0 && (size_t)length <= b.left) {
        im->dataset = qfs_arena_copy(&im->arena, b.at, QFS_MIN((size_t)length, (size_t)MAX_KEPT));
        if (!im->dataset)
            return qfs_fail_memory(r->error);
    }
    return 0;
}

/* -- both ---------------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct qfs_imatrix_entry *)a)->name,
                  ((const struct qfs_imatrix_entry *)b)->name);
}

static int read_any(struct reader *r, int fd)
{
    char magic[4] = {0}, *data = NULL;
    size_t size;
    if (qfs_pread_full(fd, magic, sizeof(magic), 0) == 0 && memcmp(magic, "GGUF", 4) == 0)
        return read_gguf(r, fd);
    int rc = qfs_file_read(AT_FDCWD, r->shown, max_legacy_size, r->shown, &data, &size, r->error);
    if (rc == 0)
        rc = read_legacy(r, data, size);
    free(data);
    return rc;
}

/* Moves the entries into the arena, sorted, and keeps the name that the key will hold. */
static int settle(struct reader *r)
{
    struct qfs_imatrix *im = r->imatrix;
    const char *slash = strrchr(r->shown, '/');
    const char *file = r->options->file ? r->options->file : slash ? slash + 1 : r->shown;
    struct qfs_imatrix_entry *entries = qfs_arena_array(&im->arena, im->nentries, sizeof(*entries));
    im->file = qfs_arena_copy(&im->arena, file, strnlen(file, MAX_KEPT));
    if (!entries || !im->file)
        return qfs_fail_memory(r->error);
    if (im->nentries)
        memcpy(entries, im->entries, im->nentries * sizeof(*entries));
    qsort(entries, im->nentries, sizeof(*entries), by_name);
    free(im->entries);
    im->entries = entries;
    return 0;
}

int qfs_imatrix_open(const char *path, const struct qfs_imatrix_options *options,
                     struct qfs_imatrix **ret_imatrix, struct qfs_error *error)
{
    static const struct qfs_imatrix_options none = {0};
    struct qfs_imatrix *im = NULL;
    if (!options)
        options = &none;
    if (options->ninclude && options->nexclude)
        return qfs_fail(error, EINVAL,
                        "include-weights and exclude-weights cannot be used together");
    /* O_NONBLOCK: opening a FIFO must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int code = errno;
        return qfs_fail(error, code, "%s: cannot be opened: %s", path, strerror(code));
    }
    im = calloc(1, sizeof(*im));
    struct reader r = {.imatrix = im, .options = options, .shown = path, .error = error};
    int rc = im ? read_any(&r, fd) : qfs_fail_memory(error);
    close(fd);
    if (rc == 0)
        rc = settle(&r);
    if (rc < 0) {
        if (im)
            free(im->entries); /* still on the heap */
        if (im)
            qfs_arena_done(&im->arena);
        free(im);
        return rc;
    }
    *ret_imatrix = im;
    return 0;
}

void qfs_imatrix_free(struct qfs_imatrix *imatrix)
{
    if (!imatrix)
        return;
    qfs_arena_done(&imatrix->arena);
    free(imatrix);
}

const struct qfs_imatrix_entry *qfs_imatrix_find(const struct qfs_imatrix *imatrix,
                                                 const char *name)
{
    struct qfs_imatrix_entry key = {.name = name};
    if (imatrix->nentries == 0)
        return NULL;
    return bsearch(&key, imatrix->entries, imatrix->nentries, sizeof(key), by_name);
}
