#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct qfs_tensor *)a)->name, ((const struct qfs_tensor *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
    const struct qfs_tensor *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->nbytes < y->nbytes ? -1 : x->nbytes > y->nbytes;
}

static int parse_tensor(struct qfs_arena *arena, const struct qfs_json_member *member,
                        uint64_t data_start, uint64_t data_size, const char *shown,
                        struct qfs_tensor *ret, struct qfs_error *error)
{
    const struct qfs_json *info = &member->value;
    const struct qfs_json *dtype = qfs_json_get(info, "dtype");
    const struct qfs_json *shape = qfs_json_get(info, "shape");
    const struct qfs_json *offsets = qfs_json_get(info, "data_offsets");
    int64_t begin, end;
    int type;

    if (member->key.size == 0 || member->key.size > 1024 ||
        memchr(member->key.data, 0, member->key.size))
        return qfs_fail(error, EINVAL, "%s: a tensor's name is empty, too long or has a zero byte",
                        shown);
    ret->name = qfs_arena_copy(arena, member->key.data, member->key.size);
    if (!ret->name)
        return qfs_fail_memory(error);
    for (type = 0; type < QFS_DTYPE_COUNT; type++)
        if (qfs_text_is(qfs_json_text(dtype), qfs_dtypes[type].name))
            break;
    if (type == QFS_DTYPE_COUNT)
        return qfs_fail(error, EINVAL, "%s: tensor %s: dtype '%.*s' is unknown", shown, ret->name,
                        (int)QFS_MIN(qfs_json_text(dtype).size, (size_t)40),
                        qfs_json_text(dtype).data);
    if (!qfs_json_is(shape, QFS_JSON_ARRAY) || shape->count > QFS_MAX_DIMS)
        return qfs_fail(error, EINVAL, "%s: tensor %s: its shape is not a list of at most %d sizes",
                        shown, ret->name, QFS_MAX_DIMS);
    ret->dtype = (enum qfs_dtype)type;
    ret->ndim = (uint8_t)shape->count;
    int64_t product = qfs_dtypes[type].size;
    bool overflow = false, zero = false;
    for (uint32_t i = 0; i < shape->count; i++) {
        if (shape->items[i].kind != QFS_JSON_INT || shape->items[i].integer < 0)
            return qfs_fail(error, EINVAL, "%s: tensor %s: its shape has an item that is no size",
                            shown, ret->name);
        ret->shape[i] = shape->items[i].integer;
        zero |= ret->shape[i] == 0;
        overflow |= !qfs_mul(product, ret->shape[i], &product);
    }
    if (overflow && !zero)
        return qfs_fail(error, EOVERFLOW, "%s: tensor %s: the product of its shape overflows",
                        shown, ret->name);
    if (zero)
        product = 0;
    if (!qfs_json_is(offsets, QFS_JSON_ARRAY) || offsets->count != 2 ||
        offsets->items[0].kind != QFS_JSON_INT || offsets->items[1].kind != QFS_JSON_INT)
        return qfs_fail(error, EINVAL, "%s: tensor %s: data_offsets is not a pair of numbers",
                        shown, ret->name);
    begin = offsets->items[0].integer;
    end = offsets->items[1].integer;
    if (begin < 0 || end < begin || (uint64_t)end > data_size)
        return qfs_fail(
            error, EINVAL,
            "%s: tensor %s: its data ends at %lld but the file has %llu bytes of data: the "
            "file is truncated or damaged, download it again",
            shown, ret->name, (long long)end, (unsigned long long)data_size);
    if (end - begin != product)
        return qfs_fail(error, EINVAL, "%s: tensor %s: has %lld bytes where its shape needs %lld",
                        shown, ret->name, (long long)(end - begin), (long long)product);
    ret->offset = data_start + (uint64_t)begin;
    ret->nbytes = (uint64_t)product;
    return 0;
}

/* Offsets must cover the data from first to last byte, each byte once. */
static int check_cover(struct qfs_tensor *tensors, size_t count, uint64_t data_start,
                       uint64_t file_size, const char *shown, struct qfs_error *error)
{
    uint64_t at = data_start;
    qsort(tensors, count, sizeof(*tensors), by_offset);
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].offset != at)
            return qfs_fail(error, EINVAL, "%s: tensor %s: its data %s: the file is damaged", shown,
                            tensors[i].name,
                            tensors[i].offset < at ? "overlaps another tensor's"
                                                   : "begins behind bytes that no tensor covers");
        at += tensors[i].nbytes;
    }
    if (at != file_size)
        return qfs_fail(error, EINVAL,
                        "%s: %llu bytes at its end belong to no tensor: the file is damaged", shown,
                        (unsigned long long)(file_size - at));
    return 0;
}

int qfs_safetensors_parse(struct qfs_arena *arena, const char *header, size_t header_size,
                          uint64_t data_start, uint64_t file_size, uint32_t file, const char *shown,
                          struct qfs_tensor **tensors, size_t *ntensors, struct qfs_error *error)
{
    struct qfs_arena scratch = {0};
    const struct qfs_json *root;
    struct qfs_tensor *grown;
    size_t count = 0;
    int rc;

    if (header_size == 0 || header[0] != '{')
        return qfs_fail(error, EINVAL,
                        "%s: is not a safetensors file: its header is no JSON object", shown);
    rc = qfs_json_parse(&scratch, header, header_size, shown, &root, error);
    if (rc < 0)
        goto out;
    if (root->repeated) {
        rc = qfs_fail(error, EINVAL, "%s: two tensors have one name: the file is damaged", shown);
        goto out;
    }
    grown = realloc(*tensors, (*ntensors + root->count + 1) * sizeof(*grown));
    if (!grown) {
        rc = qfs_fail_memory(error);
        goto out;
    }
    *tensors = grown;
    for (uint32_t i = 0; i < root->count; i++) {
        struct qfs_tensor tensor = {.file = file};
        if (qfs_text_is(root->members[i].key, "__metadata__"))
            continue;
        rc = parse_tensor(arena, &root->members[i], data_start, file_size - data_start, shown,
                          &tensor, error);
        if (rc < 0)
            goto out;
        grown[*ntensors + count++] = tensor;
    }
    rc = check_cover(grown + *ntensors, count, data_start, file_size, shown, error);
    if (rc < 0)
        goto out;
    qsort(grown + *ntensors, count, sizeof(*grown), by_name);
    *ntensors += count;
out:
    qfs_arena_done(&scratch);
    return rc;
}
