#include "torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zip.h"

enum {
    MAX_PICKLE = 64 << 20,
    MAX_STACK = 1 << 20,
    MAX_MEMO = 1 << 22,
    MAX_MARKS = 64,
    MAX_NAME = 1024,
    MAX_HELD = 512 << 20, /* bytes of all values */
};

enum kind {
    KIND_OTHER, /* None, booleans, floats, bytes, sets: nothing a tensor is made of */
    KIND_INT,
    KIND_TEXT,
    KIND_GLOBAL, /* text: "module name" */
    KIND_TUPLE,
    KIND_LIST,
    KIND_DICT, /* items: keys and values in turns */
    KIND_STORAGE,
    KIND_TENSOR,
};

struct value {
    enum kind kind;
    enum qfs_dtype dtype; /* storages and tensors; COUNT: an untyped storage */
    union {
        int64_t integer;
        struct qfs_text text;
        struct {
            struct value **items;
            size_t count, capacity;
        };
        struct {
            uint64_t offset, size; /* a storage's bytes in the file */
        };
        struct qfs_tensor *tensor;
    };
};

struct machine {
    struct qfs_arena *arena; /* of the model: names, strides */
    struct qfs_arena scratch;
    const uint8_t *at, *end;
    struct value **stack;
    size_t depth, stack_capacity;
    size_t marks[MAX_MARKS];
    size_t nmarks;
    struct value **memo;
    size_t memo_capacity;
    const struct qfs_zip *zip;
    struct qfs_map entries; /* names behind the archive's folder → number */
    uint32_t file;
    const char *shown;
    struct qfs_error *error;
};

static int bad(struct machine *m, const char *what)
{
    return qfs_fail(m->error, EINVAL,
                    "%s: %s: it is damaged, or not a plain dictionary of tensors; save it as "
                    "safetensors",
                    m->shown, what);
}

/* -- stack ------------------------------------------------------------------------------------- */

static int push(struct machine *m, struct value *value)
{
    if (!value)
        return qfs_fail_memory(m->error);
    if (m->depth == MAX_STACK)
        return bad(m, "its pickle holds too much at once");
    if (m->depth == m->stack_capacity) {
        size_t capacity = m->stack_capacity ? m->stack_capacity * 2 : 1024;
        struct value **stack = realloc(m->stack, capacity * sizeof(struct value *));
        if (!stack)
            return qfs_fail_memory(m->error);
        m->stack = stack;
        m->stack_capacity = capacity;
    }
    m->stack[m->depth++] = value;
    return 0;
}

static struct value *new_value(struct machine *m, enum kind kind)
{
    struct value *value = qfs_arena_alloc(&m->scratch, sizeof(*value));
    if (value)
        value->kind = kind;
    return value;
}

static int push_kind(struct machine *m, enum kind kind)
{
    return push(m, new_value(m, kind));
}

static int push_int(struct machine *m, int64_t integer)
{
    struct value *value = new_value(m, KIND_INT);
    if (value)
        value->integer = integer;
    return push(m, value);
}

/* How many values lie above the last mark. */
static size_t above_mark(const struct machine *m)
{
    return m->depth - (m->nmarks ? m->marks[m->nmarks - 1] : 0);
}

static struct value *pop(struct machine *m)
{
    if (above_mark(m) == 0) {
        bad(m, "its pickle takes what is not there");
        return NULL;
    }
    return m->stack[--m->depth];
}

static int append(struct machine *m, struct value *to, struct value *const *items, size_t count)
{
    if (to->count + count > to->capacity) {
        size_t capacity = QFS_MAX(to->count + count, to->capacity * 2);
        struct value **grown = qfs_arena_array(&m->scratch, capacity, sizeof(struct value *));
        if (!grown)
            return qfs_fail_memory(m->error);
        if (to->count)
            memcpy(grown, to->items, to->count * sizeof(struct value *));
        to->items = grown;
        to->capacity = capacity;
    }
    if (count)
        memcpy(to->items + to->count, items, count * sizeof(struct value *));
    to->count += count;
    return 0;
}

/* The last `count` values become one tuple. */
static int make_tuple(struct machine *m, size_t count)
{
    struct value *tuple = new_value(m, KIND_TUPLE);
    if (!tuple)
        return qfs_fail_memory(m->error);
    if (above_mark(m) < count)
        return bad(m, "its pickle takes what is not there");
    int rc = append(m, tuple, m->stack + m->depth - count, count);
    m->depth -= count;
    return rc < 0 ? rc : push(m, tuple);
}

/* The values above the last mark go to the container below it. */
static int fill(struct machine *m, enum kind kind)
{
    if (m->nmarks == 0)
        return bad(m, "its pickle takes what is not there");
    size_t first = m->marks[--m->nmarks], count = m->depth - first;
    m->depth = first;
    if (above_mark(m) == 0 || m->stack[first - 1]->kind != kind || (kind == KIND_DICT && count % 2))
        return bad(m, "its pickle fills what is no container");
    return append(m, m->stack[first - 1], m->stack + first, count);
}

/* -- tensors ----------------------------------------------------------------------------------- */

static const struct {
    const char *storage, *dtype_name;
    enum qfs_dtype dtype;
} storages[] = {
    {"torch FloatStorage", "torch float32", QFS_DTYPE_F32},
    {"torch HalfStorage", "torch float16", QFS_DTYPE_F16},
    {"torch BFloat16Storage", "torch bfloat16", QFS_DTYPE_BF16},
    {"torch DoubleStorage", "torch float64", QFS_DTYPE_F64},
    {"torch LongStorage", "torch int64", QFS_DTYPE_I64},
    {"torch IntStorage", "torch int32", QFS_DTYPE_I32},
    {"torch ShortStorage", "torch int16", QFS_DTYPE_I16},
    {"torch CharStorage", "torch int8", QFS_DTYPE_I8},
    {"torch ByteStorage", "torch uint8", QFS_DTYPE_U8},
    {"torch BoolStorage", "torch bool", QFS_DTYPE_BOOL},
    {"torch.storage UntypedStorage", NULL, QFS_DTYPE_COUNT},
    {NULL, "torch float8_e4m3fn", QFS_DTYPE_F8_E4M3},
    {NULL, "torch float8_e5m2", QFS_DTYPE_F8_E5M2},
    {NULL, "torch float8_e8m0fnu", QFS_DTYPE_F8_E8M0},
};

static bool is_text(const struct value *value, enum kind kind, const char *text)
{
    return value->kind == kind && text && qfs_text_is(value->text, text);
}

/* ('storage', class, key, location, count) */
static int load_storage(struct machine *m)
{
    struct value *id = pop(m), *storage = new_value(m, KIND_STORAGE);
    char name[MAX_NAME];
    uint64_t where;
    if (!id || !storage)
        return storage ? -m->error->code : qfs_fail_memory(m->error);
    if (id->kind != KIND_TUPLE || id->count != 5 || !is_text(id->items[0], KIND_TEXT, "storage") ||
        id->items[2]->kind != KIND_TEXT || id->items[2]->text.size > 64 ||
        id->items[4]->kind != KIND_INT)
        return bad(m, "its pickle has a storage of an unknown kind");
    size_t i = 0;
    while (i < QFS_COUNT(storages) && !is_text(id->items[1], KIND_GLOBAL, storages[i].storage))
        i++;
    if (i == QFS_COUNT(storages))
        return bad(m, "its pickle has a storage of an unknown type");
    snprintf(name, sizeof(name), "data/%.*s", (int)id->items[2]->text.size,
             id->items[2]->text.data);
    if (!qfs_map_get(&m->entries, qfs_text_of(name), &where))
        return bad(m, "its pickle names data that it does not hold");
    storage->dtype = storages[i].dtype;
    storage->offset = m->zip->entries[where].offset;
    storage->size = m->zip->entries[where].size;
    return push(m, storage);
}

static bool take_size(const struct value *value, int64_t *ret_size)
{
    *ret_size = value->kind == KIND_INT ? value->integer : -1;
    return *ret_size >= 0;
}

static bool is_contiguous(const struct qfs_tensor *tensor, const int64_t *strides)
{
    int64_t stride = 1;
    for (int i = tensor->ndim - 1; i >= 0; i--) {
        if (tensor->shape[i] != 1 && strides[i] != stride)
            return false;
        stride *= tensor->shape[i];
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, …), or v3 with the dtype behind. */
static int rebuild_tensor(struct machine *m, const struct value *args, bool v3)
{
    struct value *value = new_value(m, KIND_TENSOR);
    struct qfs_tensor *tensor = qfs_arena_alloc(m->arena, sizeof(*tensor));
    int64_t offset, count = 1, last = 0, bytes, begin, strides[QFS_MAX_DIMS];
    if (!value || !tensor)
        return qfs_fail_memory(m->error);
    if (args->kind != KIND_TUPLE || args->count < (v3 ? 7u : 6u) ||
        args->items[0]->kind != KIND_STORAGE || !take_size(args->items[1], &offset) ||
        args->items[2]->kind != KIND_TUPLE || args->items[3]->kind != KIND_TUPLE ||
        args->items[2]->count != args->items[3]->count || args->items[2]->count > QFS_MAX_DIMS)
        return bad(m, "its pickle has a tensor that is made of something else");
    const struct value *storage = args->items[0];
    tensor->dtype = storage->dtype;
    for (size_t i = 0; v3 && i < QFS_COUNT(storages); i++)
        if (is_text(args->items[6], KIND_GLOBAL, storages[i].dtype_name))
            tensor->dtype = storages[i].dtype;
    if (tensor->dtype == QFS_DTYPE_COUNT)
        return bad(m, "its pickle has a tensor of an unknown dtype");
    tensor->file = m->file;
    tensor->ndim = (uint8_t)args->items[2]->count;
    for (int i = 0; i < tensor->ndim; i++) {
        int64_t reach;
        if (!take_size(args->items[2]->items[i], &tensor->shape[i]) ||
            !take_size(args->items[3]->items[i], &strides[i]) ||
            !qfs_mul(count, tensor->shape[i], &count) ||
            !qfs_mul(QFS_MAX(tensor->shape[i] - 1, 0), strides[i], &reach) ||
            !qfs_add(last, reach, &last))
            return bad(m, "its pickle has a tensor of an impossible shape");
    }
    int64_t size = qfs_dtypes[tensor->dtype].size;
    if (!qfs_add(last, count ? 1 : 0, &last) || !qfs_mul(count ? last : 0, size, &bytes) ||
        !qfs_mul(offset, size, &begin) || (uint64_t)begin > storage->size ||
        (uint64_t)bytes > storage->size - (uint64_t)begin)
        return bad(m, "its pickle has a tensor that is larger than its data");
    if (count && !is_contiguous(tensor, strides)) {
        int64_t *copy = qfs_arena_array(m->arena, tensor->ndim, sizeof(*copy));
        if (!copy)
            return qfs_fail_memory(m->error);
        memcpy(copy, strides, tensor->ndim * sizeof(*copy));
        tensor->strides = copy;
    }
    tensor->offset = storage->offset + (uint64_t)begin;
    tensor->nbytes = (uint64_t)bytes;
    value->tensor = tensor;
    return push(m, value);
}

/* The functions that pickled weights call, and nothing else. */
static int reduce(struct machine *m)
{
    struct value *args = pop(m), *function = args ? pop(m) : NULL;
    if (!function)
        return -m->error->code;
    if (is_text(function, KIND_GLOBAL, "torch._utils _rebuild_tensor_v2"))
        return rebuild_tensor(m, args, false);
    if (is_text(function, KIND_GLOBAL, "torch._utils _rebuild_tensor_v3"))
        return rebuild_tensor(m, args, true);
    if (is_text(function, KIND_GLOBAL, "collections OrderedDict") && args->kind == KIND_TUPLE &&
        args->count == 0)
        return push_kind(m, KIND_DICT);
    if ((is_text(function, KIND_GLOBAL, "torch._utils _rebuild_parameter") ||
         is_text(function, KIND_GLOBAL, "torch._utils _rebuild_parameter_with_state")) &&
        args->kind == KIND_TUPLE && args->count >= 1 && args->items[0]->kind == KIND_TENSOR)
        return push(m, args->items[0]);
    if (is_text(function, KIND_GLOBAL, "torch Size"))
        return args->kind == KIND_TUPLE && args->count == 1 ? push(m, args->items[0])
                                                            : bad(m, "its pickle has a bad size");
    if (function->kind == KIND_GLOBAL)
        return qfs_fail(m->error, ENOTSUP,
                        "%s: its pickle calls %.*s, which no weights need and nothing here runs; "
                        "save it as safetensors",
                        m->shown, (int)QFS_MIN(function->text.size, (size_t)100),
                        function->text.data);
    return bad(m, "its pickle calls what is no function");
}

/* -- opcodes ----------------------------------------------------------------------------------- */

static const uint8_t *take(struct machine *m, size_t size)
{
    if ((size_t)(m->end - m->at) < size) {
        bad(m, "its pickle is cut off");
        return NULL;
    }
    m->at += size;
    return m->at - size;
}

/* A little-endian number of `size` bytes; false at the end. */
static bool take_number(struct machine *m, size_t size, uint64_t *ret_number)
{
    const uint8_t *at = take(m, size);
    *ret_number = 0;
    for (size_t i = 0; at && i < size; i++)
        *ret_number |= (uint64_t)at[i] << 8 * i;
    return at;
}

static int push_text(struct machine *m, size_t size, enum kind kind)
{
    const uint8_t *at = take(m, size);
    struct value *value = at ? new_value(m, kind) : NULL;
    if (!value)
        return at ? qfs_fail_memory(m->error) : -m->error->code;
    value->text = (struct qfs_text){(const char *)at, size};
    return push(m, value);
}

/* Two lines: module and name. */
static int push_global(struct machine *m)
{
    const uint8_t *first = memchr(m->at, '\n', (size_t)(m->end - m->at));
    const uint8_t *second = first ? memchr(first + 1, '\n', (size_t)(m->end - first - 1)) : NULL;
    if (!second || second - m->at > MAX_NAME)
        return bad(m, "its pickle is cut off");
    struct value *value = new_value(m, KIND_GLOBAL);
    char *text = value ? qfs_arena_printf(&m->scratch, "%.*s %.*s", (int)(first - m->at),
                                          (const char *)m->at, (int)(second - first - 1),
                                          (const char *)first + 1)
                       : NULL;
    if (!text)
        return qfs_fail_memory(m->error);
    value->text = qfs_text_of(text);
    m->at = second + 1;
    return push(m, value);
}

static int memo_put(struct machine *m, uint64_t index)
{
    if (above_mark(m) == 0 || index >= MAX_MEMO)
        return bad(m, "its pickle keeps what is not there");
    if (index >= m->memo_capacity) {
        size_t capacity = QFS_MAX((size_t)index + 1, m->memo_capacity * 2);
        struct value **memo = realloc(m->memo, capacity * sizeof(struct value *));
        if (!memo)
            return qfs_fail_memory(m->error);
        memset(memo + m->memo_capacity, 0, (capacity - m->memo_capacity) * sizeof(struct value *));
        m->memo = memo;
        m->memo_capacity = capacity;
    }
    m->memo[index] = m->stack[m->depth - 1];
    return 0;
}

static int memo_get(struct machine *m, uint64_t index)
{
    if (index >= m->memo_capacity || !m->memo[index])
        return bad(m, "its pickle takes what it did not keep");
    return push(m, m->memo[index]);
}

static int push_long(struct machine *m)
{
    uint64_t size, number;
    if (!take_number(m, 1, &size))
        return -m->error->code;
    if (size > 8)
        return take(m, size) ? push_kind(m, KIND_OTHER) : -m->error->code;
    if (!take_number(m, size, &number))
        return -m->error->code;
    if (size && size < 8 && number >> (8 * size - 1))
        number |= ~UINT64_C(0) << 8 * size;
    return push_int(m, (int64_t)number);
}

static int set_item(struct machine *m)
{
    struct value *value = pop(m), *key = value ? pop(m) : NULL;
    if (!key)
        return -m->error->code;
    if (above_mark(m) == 0 || m->stack[m->depth - 1]->kind != KIND_DICT)
        return bad(m, "its pickle fills what is no container");
    return append(m, m->stack[m->depth - 1], (struct value *[]){key, value}, 2);
}

static int append_item(struct machine *m)
{
    struct value *value = pop(m);
    if (!value)
        return -m->error->code;
    if (above_mark(m) == 0 || m->stack[m->depth - 1]->kind != KIND_LIST)
        return bad(m, "its pickle fills what is no container");
    return append(m, m->stack[m->depth - 1], &value, 1);
}

/* One instruction; 1 at STOP. */
static int step(struct machine *m)
{
    const uint8_t *op = take(m, 1);
    uint64_t n = 0;
    if (!op)
        return -m->error->code;
    switch (*op) {
    case 0x80: /* PROTO */
        return take(m, 1) ? 0 : -m->error->code;
    case '.': /* STOP */
        return 1;
    case 'c': /* GLOBAL */
        return push_global(m);
    case 'R': /* REDUCE */
        return reduce(m);
    case 'b': /* BUILD: attributes of dictionaries, such as _metadata, are nothing to us */
        if (!pop(m))
            return -m->error->code;
        return above_mark(m) && m->stack[m->depth - 1]->kind == KIND_DICT
                   ? 0
                   : bad(m, "its pickle builds an object");
    case 'Q': /* BINPERSID */
        return load_storage(m);
    case '(': /* MARK */
        if (m->nmarks == MAX_MARKS)
            return bad(m, "its pickle is nested too deep");
        m->marks[m->nmarks++] = m->depth;
        return 0;
    case 't': /* TUPLE */
        if (m->nmarks == 0)
            return bad(m, "its pickle takes what is not there");
        n = m->depth - m->marks[m->nmarks - 1];
        m->nmarks--;
        return make_tuple(m, n);
    case 0x85: /* TUPLE1 */
    case 0x86:
    case 0x87:
        return make_tuple(m, *op - 0x84u);
    case ')': /* EMPTY_TUPLE */
        return make_tuple(m, 0);
    case ']': /* EMPTY_LIST */
        return push_kind(m, KIND_LIST);
    case '}': /* EMPTY_DICT */
        return push_kind(m, KIND_DICT);
    case 'N':  /* NONE */
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_kind(m, KIND_OTHER);
    case 'G': /* BINFLOAT */
        return take(m, 8) ? push_kind(m, KIND_OTHER) : -m->error->code;
    case 'J': /* BININT */
        return take_number(m, 4, &n) ? push_int(m, (int32_t)n) : -m->error->code;
    case 'K': /* BININT1 */
        return take_number(m, 1, &n) ? push_int(m, (int64_t)n) : -m->error->code;
    case 'M': /* BININT2 */
        return take_number(m, 2, &n) ? push_int(m, (int64_t)n) : -m->error->code;
    case 0x8a: /* LONG1 */
        return push_long(m);
    case 'X': /* BINUNICODE */
        return take_number(m, 4, &n) ? push_text(m, n, KIND_TEXT) : -m->error->code;
    case 'U': /* SHORT_BINSTRING */
        return take_number(m, 1, &n) ? push_text(m, n, KIND_TEXT) : -m->error->code;
    case 'q': /* BINPUT */
        return take_number(m, 1, &n) ? memo_put(m, n) : -m->error->code;
    case 'r': /* LONG_BINPUT */
        return take_number(m, 4, &n) ? memo_put(m, n) : -m->error->code;
    case 'h': /* BINGET */
        return take_number(m, 1, &n) ? memo_get(m, n) : -m->error->code;
    case 'j': /* LONG_BINGET */
        return take_number(m, 4, &n) ? memo_get(m, n) : -m->error->code;
    case 's': /* SETITEM */
        return set_item(m);
    case 'u': /* SETITEMS */
        return fill(m, KIND_DICT);
    case 'a': /* APPEND */
        return append_item(m);
    case 'e': /* APPENDS */
        return fill(m, KIND_LIST);
    default:
        return bad(m, "its pickle has an instruction that torch.load does not take");
    }
}

/* -- the file ---------------------------------------------------------------------------------- */

/* The dictionary's tensors; of one name the later, at the place of the first. */
static int collect(struct machine *m, const struct value *root, struct qfs_tensor **tensors,
                   size_t *ntensors)
{
    struct qfs_map names = {0};
    size_t count = 0;
    int rc = 0;
    struct qfs_tensor *grown =
        realloc(*tensors, (*ntensors + root->count / 2 + 1) * sizeof(*grown));
    if (!grown)
        return qfs_fail_memory(m->error);
    *tensors = grown;
    grown += *ntensors;
    for (size_t i = 0; i < root->count && rc == 0; i += 2) {
        const struct value *key = root->items[i], *value = root->items[i + 1];
        uint64_t where = count;
        if (key->kind != KIND_TEXT || key->text.size == 0 || key->text.size > MAX_NAME ||
            memchr(key->text.data, 0, key->text.size) ||
            !qfs_utf8_valid(key->text.data, key->text.size)) {
            rc = bad(m, "a tensor's name is empty, too long or no text");
        } else if (value->kind != KIND_TENSOR) {
            rc = qfs_fail(m->error, EINVAL,
                          "%s: %.*s is no tensor: save the model's weights alone, best as "
                          "safetensors",
                          m->shown, (int)key->text.size, key->text.data);
        } else {
            if (!qfs_map_get(&names, key->text, &where)) {
                where = count++;
                rc = qfs_map_set(&names, key->text, where) < 0 ? qfs_fail_memory(m->error) : 0;
            }
            grown[where] = *value->tensor;
            grown[where].name = qfs_arena_copy(m->arena, key->text.data, key->text.size);
            if (!grown[where].name)
                rc = qfs_fail_memory(m->error);
        }
    }
    if (rc == 0)
        *ntensors += count;
    qfs_map_done(&names);
    return rc;
}

/* Entries by their names behind the archive's own folder; the pickle's. */
static int index_entries(struct machine *m, const struct qfs_zip_entry **ret_pickle)
{
    *ret_pickle = NULL;
    for (size_t i = 0; i < m->zip->nentries; i++) {
        const char *slash = strchr(m->zip->entries[i].name, '/');
        const char *name = slash ? slash + 1 : m->zip->entries[i].name;
        int fresh = qfs_map_set(&m->entries, qfs_text_of(name), i);
        if (fresh < 0)
            return qfs_fail_memory(m->error);
        if (!fresh)
            return bad(m, "two entries have one name");
        if (strcmp(name, "data.pkl") == 0)
            *ret_pickle = &m->zip->entries[i];
    }
    if (!*ret_pickle || (*ret_pickle)->size > MAX_PICKLE)
        return bad(m, "has no data.pkl of a usual size");
    return 0;
}

/* Big-endian files say so. */
static int check_byte_order(struct machine *m, int fd)
{
    uint64_t where;
    char order[3];
    if (!qfs_map_get(&m->entries, qfs_text_of("byteorder"), &where))
        return 0;
    const struct qfs_zip_entry *entry = &m->zip->entries[where];
    return entry->size >= 3 && qfs_pread_full(fd, order, 3, entry->offset) == 0 &&
                   memcmp(order, "lit", 3) == 0
               ? 0
               : bad(m, "its numbers are big-endian");
}

int qfs_torch_file_parse(struct qfs_arena *arena, int fd, uint64_t file_size, uint32_t file,
                         const char *shown, struct qfs_tensor **tensors, size_t *ntensors,
                         struct qfs_digest *ret_header, struct qfs_error *error)
{
    struct qfs_error local = {0};
    struct qfs_zip zip = {0};
    struct machine m = {
        .arena = arena, .zip = &zip, .file = file, .shown = shown, .error = error ? error : &local};
    const struct qfs_zip_entry *pickle;
    uint8_t *data = NULL;
    int rc = qfs_zip_read(&m.scratch, fd, file_size, shown, &zip, m.error);
    if (rc < 0 || (rc = index_entries(&m, &pickle)) < 0 || (rc = check_byte_order(&m, fd)) < 0)
        goto out;
    data = malloc(pickle->size + 1);
    rc = data ? 0 : qfs_fail_memory(m.error);
    if (rc == 0 && qfs_pread_full(fd, data, pickle->size, pickle->offset) < 0)
        rc = bad(&m, "its data.pkl cannot be read");
    m.at = data;
    m.end = data ? data + pickle->size : NULL;
    while (rc == 0)
        rc = m.scratch.used > MAX_HELD ? bad(&m, "its pickle holds too much") : step(&m);
    if (rc < 0)
        goto out;
    rc = m.nmarks == 0 && m.depth == 1 && m.stack[0]->kind == KIND_DICT
             ? collect(&m, m.stack[0], tensors, ntensors)
             : bad(&m, "its pickle is no dictionary");
    if (rc == 0)
        *ret_header = qfs_hash(data, pickle->size);
out:
    free(data);
    free(m.stack);
    free(m.memo);
    qfs_map_done(&m.entries);
    qfs_arena_done(&m.scratch);
    return rc;
}
