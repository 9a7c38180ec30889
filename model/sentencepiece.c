/* tokenizer.model: a protobuf message (sentencepiece_model.proto), read by hand.
 *
 * Only the fields that the converter or a tokenizer built from the file asks for are kept; the rest
 * is skipped, as protobuf skips what it does not know. A message that appears twice is merged into
 * the first, scalars by the last value, which is what parsing field by field gives by itself. */
#include "quantfs/model.h"

#include <math.h>
#include <string.h>

/* Llama 4 has 202 thousand pieces, gemma 262 thousand. */
enum { PIECES_LIMIT = 2 << 20, GROUP_DEPTH = 32 };

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_32 };

struct reader {
    const uint8_t *at, *end;
};

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t value;       /* WIRE_VARINT, WIRE_64, WIRE_32 */
    struct qfs_text data; /* WIRE_BYTES */
};

static bool read_varint(struct reader *r, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->at == r->end)
            return false;
        uint8_t byte = *r->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool read_bytes(struct reader *r, size_t size, const uint8_t **ret_data)
{
    if ((size_t)(r->end - r->at) < size)
        return false;
    *ret_data = r->at;
    r->at += size;
    return true;
}

/* 1: a field, 0: the message ended, -1: malformed. Groups are skipped whole. */
static int read_field(struct reader *r, struct field *ret, unsigned depth)
{
    uint64_t tag, size;
    const uint8_t *data;
    if (r->at == r->end)
        return 0;
    if (!read_varint(r, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return -1;
    *ret = (struct field){.number = (uint32_t)(tag >> 3), .wire = (enum wire)(tag & 7)};
    switch (ret->wire) {
    case WIRE_VARINT:
        return read_varint(r, &ret->value) ? 1 : -1;
    case WIRE_64:
        if (!read_bytes(r, 8, &data))
            return -1;
        memcpy(&ret->value, data, 8);
        return 1;
    case WIRE_32:
        if (!read_bytes(r, 4, &data))
            return -1;
        memcpy(&ret->value, data, 4); /* little-endian hosts only: meson.build */
        return 1;
    case WIRE_BYTES:
        if (!read_varint(r, &size) || size > INT32_MAX || !read_bytes(r, (size_t)size, &data))
            return -1;
        ret->data = (struct qfs_text){(const char *)data, (size_t)size};
        return 1;
    case WIRE_GROUP: {
        struct field inner;
        int rc;
        if (depth == GROUP_DEPTH)
            return -1;
        do {
            rc = read_field(r, &inner, depth + 1);
        } while (rc == 1 && inner.wire != WIRE_GROUP_END);
        return rc == 1 && inner.number == ret->number ? 1 : -1;
    }
    case WIRE_GROUP_END:
        return depth ? 1 : -1;
    default:
        return -1;
    }
}

static struct reader reader_of(struct qfs_text data)
{
    const uint8_t *at = (const uint8_t *)data.data;
    return (struct reader){at, at + data.size};
}

static bool parse_piece(struct qfs_text data, struct qfs_piece *piece)
{
    struct reader r = reader_of(data);
    struct field field;
    int rc;
    *piece = (struct qfs_piece){.type = QFS_PIECE_NORMAL};
    while ((rc = read_field(&r, &field, 0)) == 1) {
        if (field.number == 1 && field.wire == WIRE_BYTES) {
            piece->text = field.data;
        } else if (field.number == 2 && field.wire == WIRE_32) {
            uint32_t bits = (uint32_t)field.value;
            memcpy(&piece->score, &bits, sizeof(bits));
        } else if (field.number == 3 && field.wire == WIRE_VARINT) {
            int32_t type = (int32_t)field.value; /* an unknown number counts as not there */
            if (type >= QFS_PIECE_NORMAL && type <= QFS_PIECE_BYTE)
                piece->type = (enum qfs_piece_type)type;
        }
    }
    return rc == 0;
}

static bool parse_trainer(struct qfs_text data, struct qfs_sentencepiece *model)
{
    struct reader r = reader_of(data);
    struct field field;
    int rc;
    while ((rc = read_field(&r, &field, 0)) == 1) {
        if (field.wire != WIRE_VARINT)
            continue;
        int32_t number = (int32_t)field.value;
        switch (field.number) {
        case 3:
            if (number >= QFS_SENTENCEPIECE_UNIGRAM && number <= QFS_SENTENCEPIECE_CHAR)
                model->kind = (enum qfs_sentencepiece_kind)number;
            break;
        case 35:
            model->byte_fallback = field.value != 0;
            break;
        case 40:
            model->unk_id = number;
            break;
        case 41:
            model->bos_id = number;
            break;
        case 42:
            model->eos_id = number;
            break;
        case 43:
            model->pad_id = number;
            break;
        default:
            break;
        }
    }
    return rc == 0;
}

static bool parse_normalizer(struct qfs_text data, struct qfs_sentencepiece *model)
{
    struct reader r = reader_of(data);
    struct field field;
    int rc;
    while ((rc = read_field(&r, &field, 0)) == 1) {
        if (field.number == 2 && field.wire == WIRE_BYTES)
            model->precompiled_charsmap = field.data;
        if (field.wire != WIRE_VARINT)
            continue;
        if (field.number == 3)
            model->add_dummy_prefix = field.value != 0;
        else if (field.number == 4)
            model->remove_extra_whitespaces = field.value != 0;
        else if (field.number == 5)
            model->escape_whitespaces = field.value != 0;
    }
    return rc == 0;
}

static int keep_piece(struct qfs_arena *arena, struct qfs_sentencepiece *model,
                      const struct qfs_piece *piece)
{
    if (model->npieces == model->capacity) {
        size_t capacity = model->capacity ? model->capacity * 2 : 1 << 12;
        struct qfs_piece *pieces = qfs_arena_array(arena, capacity, sizeof(*pieces));
        if (!pieces)
            return -ENOMEM;
        if (model->npieces)
            memcpy(pieces, model->pieces, model->npieces * sizeof(*pieces));
        model->pieces = pieces;
        model->capacity = capacity;
    }
    struct qfs_piece *kept = &model->pieces[model->npieces];
    *kept = *piece;
    kept->text.data = qfs_arena_copy(arena, piece->text.data, piece->text.size);
    if (!kept->text.data)
        return -ENOMEM;
    model->npieces++;
    return 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0x0A>" → 10, -1 for any other text; capital digits only. */
static int byte_of(struct qfs_text text)
{
    if (text.size != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    int high = digit_of(text.data[3]), low = digit_of(text.data[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

struct names { /* seen so far */
    struct qfs_map plain, reserved;
    bool unknown, bytes[256];
    unsigned nbytes;
};

static int check_piece(const struct qfs_sentencepiece *model, size_t i, struct names *names,
                       const char *shown, struct qfs_error *error)
{
    const struct qfs_piece *piece = &model->pieces[i];
    bool normal = piece->type == QFS_PIECE_NORMAL || piece->type == QFS_PIECE_USER_DEFINED ||
                  piece->type == QFS_PIECE_UNUSED;
    if (piece->text.size == 0 || memchr(piece->text.data, 0, piece->text.size))
        return qfs_fail(error, EINVAL, "%s: piece %zu is empty or has a zero byte", shown, i);
    if (model->kind == QFS_SENTENCEPIECE_UNIGRAM && !isfinite(piece->score))
        return qfs_fail(error, EINVAL, "%s: the score of piece %zu is not finite", shown, i);
    /* A BPE model has one name space, the others have two. */
    bool plain = normal || model->kind == QFS_SENTENCEPIECE_BPE;
    int fresh = qfs_map_set(plain ? &names->plain : &names->reserved, piece->text, i);
    if (fresh < 0)
        return qfs_fail_memory(error);
    if (!fresh)
        return qfs_fail(error, EINVAL, "%s: piece %zu, '%s', is there already", shown, i,
                        piece->text.data);
    if (piece->type == QFS_PIECE_UNKNOWN) {
        if (names->unknown)
            return qfs_fail(error, EINVAL, "%s: piece %zu is a second unknown piece", shown, i);
        names->unknown = true;
    }
    if (piece->type == QFS_PIECE_BYTE) {
        int byte = byte_of(piece->text);
        if (!model->byte_fallback)
            return qfs_fail(error, EINVAL, "%s: piece %zu is a byte but byte_fallback is off",
                            shown, i);
        if (byte < 0)
            return qfs_fail(error, EINVAL, "%s: piece %zu, '%s', is not a byte like <0x0A>", shown,
                            i, piece->text.data);
        names->nbytes += !names->bytes[byte];
        names->bytes[byte] = true;
    }
    return 0;
}

/* Rules of normalization: the size of a trie, the trie, texts that end with a zero byte. */
static bool charsmap_valid(struct qfs_text map)
{
    uint32_t trie;
    if (map.size == 0)
        return true;
    if (map.size <= sizeof(trie))
        return false;
    memcpy(&trie, map.data, sizeof(trie));
    return trie && trie % 1024 == 0 && trie < map.size - sizeof(trie) &&
           map.data[map.size - 1] == 0;
}

/* What SentencePieceProcessor checks after parsing. */
static int check(const struct qfs_sentencepiece *model, const char *shown, struct qfs_error *error)
{
    struct names names = {0};
    bool normal = false;
    int rc = 0;
    for (size_t i = 0; i < model->npieces && rc == 0; i++) {
        rc = check_piece(model, i, &names, shown, error);
        normal = normal || (model->pieces[i].type != QFS_PIECE_UNKNOWN &&
                            model->pieces[i].type != QFS_PIECE_CONTROL &&
                            model->pieces[i].type != QFS_PIECE_BYTE);
    }
    if (rc < 0)
        ;
    else if (!names.unknown && !model->byte_fallback)
        rc = qfs_fail(error, EINVAL, "%s: has no unknown piece, so it is no SentencePiece model",
                      shown);
    else if (model->byte_fallback && names.nbytes < 256)
        rc = qfs_fail(error, EINVAL, "%s: byte_fallback is on but only %u of 256 bytes are there",
                      shown, names.nbytes);
    else if (model->kind == QFS_SENTENCEPIECE_UNIGRAM && !normal)
        rc = qfs_fail(error, EINVAL, "%s: a unigram model without normal pieces", shown);
    else if (!charsmap_valid(model->precompiled_charsmap))
        rc = qfs_fail(error, EINVAL, "%s: its normalization rules are broken", shown);
    qfs_map_done(&names.plain);
    qfs_map_done(&names.reserved);
    return rc;
}

int qfs_sentencepiece_parse(struct qfs_arena *arena, const void *data, size_t size,
                            const char *shown, struct qfs_sentencepiece *ret_model,
                            struct qfs_error *error)
{
    struct qfs_sentencepiece model = {
        .kind = QFS_SENTENCEPIECE_UNIGRAM,
        .add_dummy_prefix = true,
        .remove_extra_whitespaces = true,
        .escape_whitespaces = true,
        .bos_id = 1,
        .eos_id = 2,
        .pad_id = -1,
    };
    struct reader r = reader_of((struct qfs_text){data, size});
    struct field field;
    struct qfs_piece piece;
    int rc;
    while ((rc = read_field(&r, &field, 0)) == 1) {
        if (field.wire != WIRE_BYTES)
            continue;
        bool ok = true;
        if (field.number == 1) {
            ok = model.npieces < PIECES_LIMIT && parse_piece(field.data, &piece);
            if (ok && keep_piece(arena, &model, &piece) < 0)
                return qfs_fail_memory(error);
        } else if (field.number == 2) {
            ok = parse_trainer(field.data, &model);
        } else if (field.number == 3) {
            ok = parse_normalizer(field.data, &model);
        }
        if (!ok) {
            rc = -1;
            break;
        }
    }
    if (rc < 0)
        return qfs_fail(error, EINVAL, "%s: is damaged or no SentencePiece model (byte %zu of %zu)",
                        shown, (size_t)(r.at - (const uint8_t *)data), size);
    struct qfs_text *map = &model.precompiled_charsmap;
    if (map->size && !(map->data = qfs_arena_copy(arena, map->data, map->size)))
        return qfs_fail_memory(error);
    rc = check(&model, shown, error);
    if (rc == 0)
        *ret_model = model;
    return rc;
}
