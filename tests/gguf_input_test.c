/* GGUF files and importance matrices as input: what is read from good ones, and that bad ones are
 * refused with a sentence, whatever length or count they claim. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "quantfs/model.h"

/* -- building files ----------------------------------------------------------------------------- */

static void put_u32(struct qfs_buffer *b, uint32_t value)
{
    qfs_buffer_append(b, &value, sizeof(value));
}

static void put_u64(struct qfs_buffer *b, uint64_t value)
{
    qfs_buffer_append(b, &value, sizeof(value));
}

static void put_text(struct qfs_buffer *b, const char *text)
{
    put_u64(b, strlen(text));
    qfs_buffer_text(b, text);
}

static void put_head(struct qfs_buffer *b, uint32_t version, uint64_t ntensors, uint64_t nkvs)
{
    qfs_buffer_text(b, "GGUF");
    put_u32(b, version);
    put_u64(b, ntensors);
    put_u64(b, nkvs);
}

static void put_tensor(struct qfs_buffer *b, const char *name, uint32_t type, uint64_t columns,
                       uint64_t rows, uint64_t offset)
{
    put_text(b, name);
    put_u32(b, 2);
    put_u64(b, columns);
    put_u64(b, rows);
    put_u32(b, type);
    put_u64(b, offset);
}

static void pad(struct qfs_buffer *b)
{
    qfs_buffer_fill(b, 0, (size_t)(qfs_align(b->size, 32) - b->size));
}

/* -- headers ------------------------------------------------------------------------------------ */

static void test_good_header(void)
{
    struct qfs_buffer b = {0};
    struct qfs_gguf gguf = {0};
    struct qfs_error error = {0};
    int64_t number = 0;
    put_head(&b, 3, 2, 4);
    put_text(&b, "a.number");
    put_u32(&b, QFS_KV_U32);
    put_u32(&b, 7);
    put_text(&b, "a.flag");
    put_u32(&b, QFS_KV_BOOL);
    qfs_buffer_fill(&b, 9, 1); /* ggml reads it as true */
    put_text(&b, "a.list");
    put_u32(&b, QFS_KV_ARRAY);
    put_u32(&b, QFS_KV_STRING);
    put_u64(&b, 2);
    put_text(&b, "one");
    put_text(&b, "");
    put_text(&b, "a.text");
    put_u32(&b, QFS_KV_STRING);
    put_u64(&b, 3);
    qfs_buffer_append(&b, "x\0y", 3);
    put_tensor(&b, "t", QFS_TYPE_Q8_0, 32, 3, 0);
    put_tensor(&b, "u", QFS_TYPE_F32, 1, 1, 128);
    size_t header = b.size;
    pad(&b);
    uint64_t data_offset = b.size, file_size = data_offset + 128 + 4;
    /* Every cut asks for more, as long as the file goes on. */
    for (size_t size = 0; size < header; size++) {
        CHECK(qfs_gguf_parse(&gguf, b.data, size, file_size, "f", &error) == -EAGAIN);
        CHECK(qfs_gguf_parse(&gguf, b.data, size, size, "f", &error) == -EINVAL);
    }
    CHECK(qfs_gguf_parse(&gguf, b.data, b.size, file_size - 1, "f", &error) == -EINVAL);
    CHECK(qfs_gguf_parse(&gguf, b.data, b.size, file_size, "f", &error) == 0);
    CHECK(gguf.ntensors == 2 && gguf.kvs.count == 4 && gguf.data_offset == data_offset);
    CHECK(gguf.tensors[0].nbytes == 102 && gguf.tensors[0].offset == data_offset);
    CHECK(gguf.tensors[1].offset == data_offset + 128 && gguf.tensors[0].ne[1] == 3);
    CHECK(qfs_kv_get_int(&gguf.kvs, "a.number", &number) && number == 7);
    CHECK(qfs_kv_get_int(&gguf.kvs, "a.flag", &number) && number == 1);
    CHECK(!qfs_kv_find(&gguf.kvs, "a.list")->nul && qfs_kv_find(&gguf.kvs, "a.text")->nul);
    qfs_gguf_done(&gguf);
    qfs_buffer_done(&b);
}

enum { LARGE = 1 << 20 }; /* size that bad files claim */

static void refused(struct qfs_buffer *b, const char *why)
{
    struct qfs_gguf gguf = {0};
    struct qfs_error error = {0};
    CHECK(!b->failed);
    int rc = qfs_gguf_parse(&gguf, b->data, b->size, b->size + LARGE, "bad.gguf", &error);
    if (rc != -EINVAL || !strstr(error.text, why))
        fprintf(stderr, "%d: '%s', which should say '%s'\n", rc, error.text, why);
    CHECK(rc == -EINVAL && strstr(error.text, why) && strstr(error.text, "bad.gguf"));
    CHECK(!gguf.tensors && !gguf.arena.head);
    qfs_buffer_done(b);
}

static void one_tensor(struct qfs_buffer *b, uint32_t ndim, const uint64_t *ne, uint32_t type,
                       uint64_t offset)
{
    put_head(b, 3, 1, 0);
    put_text(b, "t");
    put_u32(b, ndim);
    for (uint32_t i = 0; i < ndim; i++)
        put_u64(b, ne[i]);
    put_u32(b, type);
    put_u64(b, offset);
    qfs_buffer_fill(b, 0, 64);
}

static void test_bad_headers(void)
{
    static const uint64_t limits[] = {INT64_MAX, UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32};
    struct qfs_buffer b = {0};
    qfs_buffer_text(&b, "GGML");
    qfs_buffer_fill(&b, 0, 20);
    refused(&b, "not a GGUF file");
    static const uint32_t versions[] = {0, 1, 4, 0x03000000};
    for (size_t i = 0; i < QFS_COUNT(versions); i++) {
        put_head(&b, versions[i], 0, 0);
        refused(&b, "version");
    }
    for (size_t i = 0; i < QFS_COUNT(limits); i++) {
        put_head(&b, 3, limits[i], 0);
        refused(&b, "more than it can hold");
        put_head(&b, 3, 0, limits[i]);
        refused(&b, "more than it can hold");
        put_head(&b, 3, 0, 1); /* length of a key */
        put_u64(&b, limits[i]);
        refused(&b, "a key has");
        put_head(&b, 3, 0, 1); /* length of a string */
        put_text(&b, "k");
        put_u32(&b, QFS_KV_STRING);
        put_u64(&b, limits[i]);
        refused(&b, "beyond the end");
        for (uint32_t item = 0; item < QFS_KV_TYPE_COUNT; item++) { /* items of an array */
            put_head(&b, 3, 0, 1);
            put_text(&b, "k");
            put_u32(&b, QFS_KV_ARRAY);
            put_u32(&b, item);
            put_u64(&b, limits[i]);
            refused(&b, item == QFS_KV_ARRAY ? "unknown type" : "more than the file can hold");
        }
        put_head(&b, 3, 1, 0); /* length of a name */
        put_u64(&b, limits[i]);
        qfs_buffer_fill(&b, 0, 64);
        refused(&b, "the name of a tensor has");
        one_tensor(&b, 1, &limits[i], QFS_TYPE_F32, 0); /* dimensions */
        refused(&b, limits[i] == (uint64_t)1 << 32 || limits[i] == INT64_MAX ? "" : "shape");
        uint64_t pair[4] = {limits[i], 2, 1, 1}, square[4] = {limits[i], limits[i], 1, 1};
        one_tensor(&b, 4, pair, QFS_TYPE_F32, 0);
        refused(&b, "");
        one_tensor(&b, 2, square, QFS_TYPE_F32, 0);
        refused(&b, "shape");
        uint64_t unit = 1;
        one_tensor(&b, 1, &unit, QFS_TYPE_F32, limits[i]); /* offset */
        refused(&b, "expected");
    }
    static const uint64_t ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, none = 0, few = 31;
    one_tensor(&b, 9, ones, QFS_TYPE_F32, 0);
    refused(&b, "9 dimensions");
    one_tensor(&b, 1, &none, QFS_TYPE_F32, 0);
    refused(&b, "shape");
    one_tensor(&b, 1, &few, QFS_TYPE_Q8_0, 0);
    refused(&b, "no multiple");
    static const uint32_t types[] = {4, 5, 31, 36, 43, 1000, UINT32_MAX, INT32_MAX};
    for (size_t i = 0; i < QFS_COUNT(types); i++) {
        one_tensor(&b, 1, ones, types[i], 0);
        refused(&b, "unknown type");
    }
    put_head(&b, 3, 2, 0); /* the same name twice; overlapping data */
    put_tensor(&b, "t", QFS_TYPE_F32, 8, 1, 0);
    put_tensor(&b, "t", QFS_TYPE_F32, 8, 1, 32);
    refused(&b, "twice");
    put_head(&b, 3, 2, 0);
    put_tensor(&b, "t", QFS_TYPE_F32, 9, 1, 0);
    put_tensor(&b, "u", QFS_TYPE_F32, 8, 1, 32);
    pad(&b);
    refused(&b, "64 expected");
    put_head(&b, 3, 1, 0);
    put_tensor(&b, "a name that is longer than the sixty-three bytes that ggml gives it", 0, 1, 1,
               0);
    refused(&b, "more than the 63");
    for (size_t i = 0; i < 2; i++) { /* the first or the second has no name */
        put_head(&b, 3, 0, 2);
        for (size_t k = 0; k < 2; k++) {
            put_text(&b, i == k ? "" : "k");
            put_u32(&b, QFS_KV_U8);
            qfs_buffer_fill(&b, 1, 1);
        }
        refused(&b, "no name");
    }
    put_head(&b, 3, 0, 2);
    for (size_t k = 0; k < 2; k++) {
        put_text(&b, "k");
        put_u32(&b, QFS_KV_U8);
        qfs_buffer_fill(&b, 1, 1);
    }
    refused(&b, "twice");
    static const uint32_t alignments[] = {0, 3, 33};
    for (size_t i = 0; i < QFS_COUNT(alignments); i++) {
        put_head(&b, 3, 0, 1);
        put_text(&b, "general.alignment");
        put_u32(&b, QFS_KV_U32);
        put_u32(&b, alignments[i]);
        refused(&b, "power of two");
    }
}

/* -- importance matrices ------------------------------------------------------------------------ */

static char path[] = "/tmp/quantfs-imatrix-XXXXXX";

static struct qfs_imatrix *open_buffer(struct qfs_buffer *b,
                                       const struct qfs_imatrix_options *options, const char *why)
{
    struct qfs_imatrix *imatrix = NULL;
    struct qfs_error error = {0};
    CHECK(!b->failed);
    int fd = open(path, O_WRONLY | O_TRUNC);
    CHECK(fd >= 0 && qfs_pwrite_full(fd, b->data, b->size, 0) == 0 && close(fd) == 0);
    int rc = qfs_imatrix_open(path, options, &imatrix, &error);
    if (why && (rc == 0 || !strstr(error.text, why)))
        fprintf(stderr, "%d: '%s', which should say '%s'\n", rc, error.text, why);
    CHECK(why ? rc < 0 && strstr(error.text, why) && !imatrix : rc == 0);
    return imatrix;
}

struct matrix {
    const char *name;
    float sums[4], counts[2];
    uint32_t nexperts;
};

static void put_matrices(struct qfs_buffer *b, const struct matrix *matrices, size_t n,
                         const char *dataset, uint32_t sums_type)
{
    uint64_t offset = 0;
    char name[100];
    put_head(b, 3, 2 * n, 3);
    put_text(b, "imatrix.datasets");
    put_u32(b, QFS_KV_ARRAY);
    put_u32(b, QFS_KV_STRING);
    put_u64(b, 1);
    put_text(b, dataset);
    put_text(b, "imatrix.chunk_count");
    put_u32(b, QFS_KV_U32);
    put_u32(b, 5);
    put_text(b, "imatrix.chunk_size");
    put_u32(b, QFS_KV_U32);
    put_u32(b, 512);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s.in_sum2", matrices[i].name);
        put_tensor(b, name, sums_type, 4 / matrices[i].nexperts, matrices[i].nexperts, offset);
        snprintf(name, sizeof(name), "%s.counts", matrices[i].name);
        put_tensor(b, name, 0, 1, matrices[i].nexperts, offset + 32);
        offset += 64;
    }
    pad(b);
    for (size_t i = 0; i < n; i++) {
        qfs_buffer_append(b, matrices[i].sums, sizeof(matrices[i].sums));
        pad(b);
        qfs_buffer_append(b, matrices[i].counts, sizeof(matrices[i].counts));
        pad(b);
    }
}

static void test_imatrix_gguf(void)
{
    static const struct matrix good[] = {
        {"blk.1.attn_q.weight", {2, 4, 8, 0}, {4}, 1},
        {"blk.0.ffn_up_exps.weight", {3, 6, 7, 7}, {3, 0}, 2}, /* the second expert never chosen */
        {"output.weight", {1, 1, 1, 1}, {1}, 1},
    };
    static const char *const attn[] = {"attn", "nothing"}, *const blk[] = {"blk."};
    struct qfs_buffer b = {0};
    char long_name[200];
    memset(long_name, 'd', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    put_matrices(&b, good, 3, long_name, 0);
    struct qfs_imatrix *im = open_buffer(&b, NULL, NULL);
    CHECK(im->nentries == 3 && im->nchunks == 5 && strlen(im->dataset) == 127);
    CHECK(strcmp(im->file, strrchr(path, '/') + 1) == 0);
    const struct qfs_imatrix_entry *e = qfs_imatrix_find(im, "blk.1.attn_q.weight");
    CHECK(e && e->count == 4 && e->values[0] == 0.5f && e->values[2] == 2 && e->values[3] == 0);
    e = qfs_imatrix_find(im, "blk.0.ffn_up_exps.weight");
    CHECK(e && e->values[0] == 1 && e->values[1] == 2 && e->values[2] == 1 && e->values[3] == 1);
    CHECK(!qfs_imatrix_find(im, "blk.1.attn_k.weight"));
    qfs_imatrix_free(im);
    im = open_buffer(
        &b, &(struct qfs_imatrix_options){.file = "other", .include = attn, .ninclude = 2}, NULL);
    CHECK(im->nentries == 1 && strcmp(im->file, "other") == 0);
    qfs_imatrix_free(im);
    im = open_buffer(&b, &(struct qfs_imatrix_options){.exclude = blk, .nexclude = 1}, NULL);
    CHECK(im->nentries == 1 && strcmp(im->entries[0].name, "output.weight") == 0);
    qfs_imatrix_free(im);
    open_buffer(&b,
                &(struct qfs_imatrix_options){
                    .include = attn, .ninclude = 1, .exclude = blk, .nexclude = 1},
                "together");
    /* Cut anywhere in the header it is refused. */
    for (size_t size = 0; size < 400; size += 7) {
        struct qfs_buffer part = {.data = b.data, .size = size};
        open_buffer(&part, NULL, "");
    }
    b.size = 0;
    static const float bad[] = {NAN, INFINITY, -1};
    for (size_t i = 0; i < QFS_COUNT(bad); i++) {
        struct matrix matrix = {"t", {1, bad[i], 1, 1}, {1}, 1};
        put_matrices(&b, &matrix, 1, "d", 0);
        open_buffer(&b, NULL, "value 1 of t");
        b.size = 0;
        matrix = (struct matrix){"t", {1, 1, 1, 1}, {bad[i] < 0 ? INFINITY : bad[i]}, 1};
        put_matrices(&b, &matrix, 1, "d", 0);
        open_buffer(&b, NULL, "count 0 of t");
        b.size = 0;
    }
    put_matrices(&b, good, 1, "d", QFS_TYPE_I32);
    open_buffer(&b, NULL, "must be f32");
    b.size = 0;
    put_matrices(&b, good, 1, "d", 0); /* counts by another name */
    for (size_t i = 0; i + 6 <= b.size; i++)
        if (memcmp(b.data + i, "counts", 6) == 0)
            b.data[i] = 'X';
    open_buffer(&b, NULL, "has no counts");
    b.size = 0;
    put_matrices(&b, good, 0, "d", 0);
    open_buffer(&b, NULL, "no data");
    b.size = 0;
    put_head(&b, 3, 0, 0);
    open_buffer(&b, NULL, "imatrix.datasets is missing");
    qfs_buffer_done(&b);
}

static void put_entry(struct qfs_buffer *b, const char *name, int32_t ncalls, float a, float c)
{
    put_u32(b, (uint32_t)strlen(name));
    qfs_buffer_text(b, name);
    put_u32(b, (uint32_t)ncalls);
    put_u32(b, 2);
    qfs_buffer_append(b, &a, sizeof(a));
    qfs_buffer_append(b, &c, sizeof(c));
}

static void test_imatrix_legacy(void)
{
    struct qfs_buffer b = {0};
    put_u32(&b, 3);
    put_entry(&b, "x", 4, 2, 8);
    put_entry(&b, "y", 0, 2, 8);
    put_entry(&b, "x", 2, 2, 8); /* replaces */
    size_t entries = b.size;
    struct qfs_imatrix *im = open_buffer(&b, NULL, NULL);
    CHECK(im->nentries == 2 && im->nchunks == 0 && !im->dataset);
    const struct qfs_imatrix_entry *e = qfs_imatrix_find(im, "x");
    CHECK(e && e->count == 2 && e->values[0] == 1 && e->values[1] == 4);
    e = qfs_imatrix_find(im, "y");
    CHECK(e && e->values[0] == 2 && e->values[1] == 8);
    qfs_imatrix_free(im);
    put_u32(&b, 9);
    put_u32(&b, 4);
    qfs_buffer_text(&b, "wiki");
    im = open_buffer(&b, NULL, NULL);
    CHECK(im->nchunks == 9 && strcmp(im->dataset, "wiki") == 0);
    qfs_imatrix_free(im);
    for (size_t size = 0; size < entries; size++) {
        struct qfs_buffer part = {.data = b.data, .size = size};
        open_buffer(&part, NULL, "");
    }
    static const uint32_t claims[] = {UINT32_MAX, INT32_MAX, (uint32_t)INT32_MIN, 1 << 28};
    for (size_t i = 0; i < QFS_COUNT(claims); i++) { /* entries, length of a name, values */
        b.size = 0;
        put_u32(&b, claims[i]);
        put_entry(&b, "x", 1, 1, 1);
        open_buffer(&b, NULL, "");
        b.size = 0;
        put_u32(&b, 1);
        put_u32(&b, claims[i]);
        qfs_buffer_fill(&b, 'x', 100);
        open_buffer(&b, NULL, "no name");
        b.size = 0;
        put_u32(&b, 1);
        put_u32(&b, 1);
        qfs_buffer_text(&b, "x");
        put_u32(&b, 1);
        put_u32(&b, claims[i]);
        qfs_buffer_fill(&b, 0, 100);
        open_buffer(&b, NULL, "ends early");
    }
    b.size = 0;
    put_u32(&b, 1);
    put_entry(&b, "x", 1, -1, 1);
    open_buffer(&b, NULL, "value 0 of x");
    qfs_buffer_done(&b);
}

int main(void)
{
    struct qfs_imatrix *imatrix = NULL;
    struct qfs_error error = {0};
    test_good_header();
    test_bad_headers();
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    test_imatrix_gguf();
    test_imatrix_legacy();
    unlink(path);
    CHECK(qfs_imatrix_open(path, NULL, &imatrix, &error) == -ENOENT);
    CHECK(qfs_imatrix_open("/tmp", NULL, &imatrix, &error) < 0);
    return 0;
}
