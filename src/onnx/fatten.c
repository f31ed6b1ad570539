#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"
#include "onnx/slim.h"
#include "onnx/slim_wire.h"

enum { PIECE = 1 << 20, HASH_DIGITS = 16 };
static const uint64_t FILE_LIMIT = UINT64_C(1) << 31;   /* protobuf's own limit */

typedef enum pass { MEASURE, DATA, EMIT } pass;

typedef struct fattening {
    const rk_onnx *m;
    const uint8_t *data;      /* the packed tree */
    bool split;
    pass pass;
    rk_writer *w;
    uint64_t *size;           /* of each inner message, in the order of the walk */
    size_t sizes, room, next;
    uint64_t place;           /* bytes of data so far */
    uint64_t hash;
    char location[RK_QUOTE_SIZE];
    char *piece;
    rk_error *err;
} fattening;

static rk_status out_of_memory(const fattening *f)
{
    return rk_fail(f->err, RK_E_MEMORY, "%s: out of memory", f->m->shown);
}

typedef struct marked {
    bool is;
    rk_stored stored;
    int32_t type;             /* the tensor's */
    uint64_t bytes;           /* as written */
} marked;

static marked look(const fattening *f, size_t begin, size_t end)
{
    marked t = {0};
    rk_wire_field field;

    for (size_t at = begin; rk_wire_next(&field, f->data, &at, end);) {
        if (field.number == RK_WIRE_TYPE && field.wire == 0) t.type = (int32_t)field.value;
        if (field.number == RK_WIRE_EXTERNAL && field.wire == 2)
            t.is = rk_wire_marked(&t.stored, f->data, &field);
    }
    t.bytes = t.stored.type ? t.stored.bytes / sizeof(float) * sizeof(uint16_t) : t.stored.bytes;
    return t;
}

static rk_status put(fattening *f, const void *bytes, size_t n)
{
    if (f->pass == DATA) f->hash = rk_checksum(f->hash, bytes, n);
    return rk_writer_put(f->w, bytes, n, f->err);
}

/* The data of a marked tensor, read and rounded in pieces. */
static rk_status payload(fattening *f, const marked *t)
{
    const rk_dtype to = rk_onnx_dtype(t->type);
    rk_tensor_data d = {.m = f->m, .file = t->stored.file, .offset = t->stored.offset};
    rk_status st = RK_OK;

    for (uint64_t at = 0; at < t->stored.bytes && !st; at += PIECE) {
        const size_t n = t->stored.bytes - at < PIECE ? (size_t)(t->stored.bytes - at) : PIECE;
        st = rk_tensor_read(&d, f->piece, (size_t)at, n, f->err);
        if (st) break;
        if (t->stored.type) {
            uint16_t *half = (uint16_t *)(void *)(f->piece + PIECE);
            rk_half_from_f32(half, f->piece, n / sizeof(float), to);
            st = put(f, half, n / 2);
        } else {
            st = put(f, f->piece, n);
        }
    }
    return st;
}

/* One entry of external_data, with its tag. */
static size_t entry(uint8_t *out, const char *key, const char *value)
{
    const size_t a = strlen(key), b = strlen(value);
    uint8_t length[10];
    const size_t n = rk_wire_put(length, b);
    size_t at = 0;

    out[at++] = RK_WIRE_EXTERNAL << 3 | 2;
    at += rk_wire_put(out + at, a + 2 + 1 + n + b);
    out[at++] = 1 << 3 | 2;
    out[at++] = (uint8_t)a;
    memcpy(out + at, key, a);
    at += a;
    out[at++] = 2 << 3 | 2;
    memcpy(out + at, length, n);
    at += n;
    memcpy(out + at, value, b);
    return at + b;
}

/* What stands in the mark's place: where the data is, or the head of the data itself. */
static size_t instead(const fattening *f, const marked *t, uint8_t out[RK_QUOTE_SIZE + 128])
{
    char number[32];
    size_t at = 0;

    if (!f->split) {
        out[at++] = RK_WIRE_RAW << 3 | 2;
        return at + rk_wire_put(out + at, t->bytes);
    }
    at = entry(out, "location", f->location);
    snprintf(number, sizeof number, "%llu", (unsigned long long)f->place);
    at += entry(out + at, "offset", number);
    snprintf(number, sizeof number, "%llu", (unsigned long long)t->bytes);
    at += entry(out + at, "length", number);
    out[at++] = RK_WIRE_LOCATION << 3;
    out[at++] = 1;
    return at;
}

static rk_status tensor(fattening *f, size_t begin, size_t end, uint64_t *bytes)
{
    const marked t = look(f, begin, end);
    uint8_t head[RK_QUOTE_SIZE + 128];
    rk_wire_field field;
    rk_status st = RK_OK;

    *bytes = 0;
    if (t.is && f->pass == DATA) {
        f->place += t.bytes;
        return payload(f, &t);
    }
    for (size_t at = begin; !st && rk_wire_next(&field, f->data, &at, end);) {
        if (t.is && (field.number == RK_WIRE_EXTERNAL || field.number == RK_WIRE_LOCATION))
            continue;
        *bytes += field.end - field.start;
        if (f->pass == EMIT) st = put(f, f->data + field.start, field.end - field.start);
    }
    if (st || !t.is || f->pass == DATA) return st;
    const size_t n = instead(f, &t, head);
    *bytes += n + (f->split ? 0 : t.bytes);
    f->place += t.bytes;
    if (f->pass == EMIT) st = put(f, head, n);
    return st || f->pass != EMIT || f->split ? st : payload(f, &t);
}

static rk_status inner_size(fattening *f, size_t *slot)
{
    if (f->pass != MEASURE) {
        *slot = f->next++;
        return RK_OK;
    }
    if (f->sizes == f->room) {
        const size_t room = f->room ? 2 * f->room : 1024;
        uint64_t *size = rk_realloc(f->size, room, sizeof *size);
        if (!size) return out_of_memory(f);
        f->size = size;
        f->room = room;
    }
    *slot = f->sizes++;
    return RK_OK;
}

/* Recursion: as deep as the tree that was packed. */
static rk_status message(fattening *f, const ProtobufCMessageDescriptor *d, size_t begin,
                         size_t end, uint64_t *bytes)
{
    rk_wire_field field;
    rk_status st = RK_OK;

    if (d == &onnx__tensor_proto__descriptor) return tensor(f, begin, end, bytes);
    *bytes = 0;
    for (size_t at = begin; !st && rk_wire_next(&field, f->data, &at, end);) {
        const ProtobufCMessageDescriptor *inner = rk_wire_inner(d, &field);
        uint8_t head[20];
        uint64_t length = 0;
        size_t slot = 0, n;
        if (!inner) {
            *bytes += field.end - field.start;
            if (f->pass == EMIT) st = put(f, f->data + field.start, field.end - field.start);
            continue;
        }
        st = inner_size(f, &slot);
        if (st) break;
        n = rk_wire_put(head, (uint64_t)field.number << 3 | 2);
        if (f->pass == EMIT) {
            n += rk_wire_put(head + n, f->size[slot]);
            st = put(f, head, n);
            if (st) break;
        }
        st = message(f, inner, field.body, field.end, &length);
        if (f->pass == MEASURE) {
            f->size[slot] = length;
            n += rk_wire_put(head + n, length);
        }
        *bytes += n + length;
    }
    return st;
}

static rk_status walk(fattening *f, pass p, size_t size, uint64_t *bytes)
{
    f->pass = p;
    f->place = 0;
    f->next = 0;
    return message(f, &onnx__model_proto__descriptor, 0, size, bytes);
}

/* ---- files ---- */

/* NAME.HASH.data beside the model: another content is another file, so that the model that stands
 * there now keeps its data until the new one has taken its name. */
static rk_status write_data(fattening *f, const char *path, size_t size, char **made, bool *fresh)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t room = strlen(path) + HASH_DIGITS + 16;
    char *full = rk_malloc(room);
    uint64_t unused;
    rk_status st = full ? rk_writer_open(&f->w, path, f->err) : out_of_memory(f);

    *made = NULL;
    if (!st) st = walk(f, DATA, size, &unused);
    if (st || f->place == 0) {
        if (full) rk_writer_abort(f->w);
        f->split = false;   /* nothing was large */
        rk_free(full);
        return st;
    }
    snprintf(full, room, "%s.%016llx.data", path, (unsigned long long)f->hash);
    snprintf(f->location, sizeof f->location, "%s.%016llx.data", name,
             (unsigned long long)f->hash);
    *fresh = !rk_path_exists(full);
    st = rk_writer_commit_as(f->w, full, f->err);
    if (st) rk_free(full);
    else *made = full;
    return st;
}

static rk_status write_model(fattening *f, const char *path, bool write, size_t size,
                             uint64_t *bytes)
{
    char name[RK_QUOTE_SIZE];
    rk_status st = walk(f, MEASURE, size, bytes);

    if (st) return st;
    if (*bytes >= FILE_LIMIT)
        return rk_fail(f->err, RK_E_FORMAT,
                       "%s: would be %llu bytes; an ONNX file must be smaller than 2 GiB",
                       rk_quote(name, path, strlen(path)),
                       (unsigned long long)*bytes);
    if (!write) return RK_OK;
    st = rk_writer_open(&f->w, path, f->err);
    if (st) return st;
    uint64_t again;
    st = walk(f, EMIT, size, &again);
    if (!st) return rk_writer_commit(f->w, f->err);
    rk_writer_abort(f->w);
    return st;
}

rk_status rk_onnx_fatten(const rk_onnx *m, const char *path, bool split, bool write,
                         uint64_t *bytes, rk_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t size = onnx__model_proto__get_packed_size(m->proto);
    fattening f = {.m = m, .split = split, .err = err};
    uint8_t *packed = rk_malloc(size ? size : 1);
    char *data = NULL;
    bool fresh = false;
    rk_status st = RK_OK;

    f.piece = rk_malloc(2 * (size_t)PIECE);
    if (!packed || !f.piece) st = out_of_memory(&f);
    if (!st) {
        onnx__model_proto__pack(m->proto, packed);
        f.data = packed;
        /* Only the length of the place matters before it is known. */
        if (split && !write)
            snprintf(f.location, sizeof f.location, "%s.%016llx.data", name, 0ULL);
        if (split && write && strcmp(path, "-") == 0)
            st = rk_fail(err, RK_E_OUTPUT,
                         "%s: its data takes a second file, so the output must be a file too",
                         m->shown);
        if (!st && split && write) st = write_data(&f, path, size, &data, &fresh);
    }
    if (!st) st = write_model(&f, path, write, size, bytes);
    if (!st && f.split) *bytes += f.place;
    if (!st && data && !rk_store_reads(m, path)) rk_file_forget_old(path, data);
    if (st && data && fresh) remove(data);
    rk_free(data);
    rk_free(packed);
    rk_free(f.piece);
    rk_free(f.size);
    return st;
}
