#include "onnx/wire.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "onnx.pb-c.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };
enum { FIELD_MAX = (1 << 29) - 1, TAG_BITS = 3, ONEOF_BIT = 63 };

typedef struct scan {
    const uint8_t *data;
    const char *shown;
    rk_error *err;
    size_t messages, nodes;
} scan;

static rk_status bad(const scan *s, size_t at, const char *what)
{
    return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: %s", s->shown, at, what);
}

/* A varint at *at, which moves past it. */
static rk_status varint(const scan *s, uint64_t *value, size_t *at, size_t end)
{
    const size_t start = *at;
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (*at >= end) return bad(s, start, "a number is cut off");
        const uint8_t b = s->data[(*at)++];
        if (shift == 63 && b > 1) return bad(s, start, "a number does not fit 64 bits");
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *value = v;
            return RK_OK;
        }
    }
    return bad(s, start, "a number does not fit 64 bits");
}

static unsigned wire_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    default:
        return WIRE_VARINT;
    }
}

static rk_status packed(const scan *s, unsigned wire, size_t at, size_t end)
{
    const size_t item = wire == WIRE_FIXED64 ? 8 : 4;

    if (wire != WIRE_VARINT)
        return (end - at) % item ? bad(s, at, "packed numbers end within one") : RK_OK;
    while (at < end) {
        uint64_t v;
        const rk_status st = varint(s, &v, &at, end);
        if (st) return st;
    }
    return RK_OK;
}

static rk_status text(const scan *s, const ProtobufCFieldDescriptor *f, size_t at, size_t end)
{
    const char *p = (const char *)s->data + at;
    size_t wrong = 0;

    /* protobuf-c ends strings at a NUL: two different names would become equal. */
    if (memchr(p, 0, end - at))
        return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: NUL in the string '%s'", s->shown, at,
                       f->name);
    if (!rk_utf8_valid(p, end - at, &wrong))
        return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: the string '%s' is not UTF-8", s->shown,
                       at + wrong, f->name);
    return RK_OK;
}

static rk_status message(scan *s, const ProtobufCMessageDescriptor *d, size_t at, size_t end,
                         unsigned depth);

/* A length-delimited field of a known number. */
static rk_status delimited(scan *s, const ProtobufCMessageDescriptor *d,
                           const ProtobufCFieldDescriptor *f, uint64_t *seen, size_t at, size_t end,
                           unsigned depth)
{
    const unsigned wire = wire_of(f->type);

    if (wire != WIRE_LENGTH) {
        if (f->label != PROTOBUF_C_LABEL_REPEATED) return bad(s, at, "wrong wire type");
        return packed(s, wire, at, end);
    }
    if (f->type == PROTOBUF_C_TYPE_STRING) return text(s, f, at, end);
    if (f->type == PROTOBUF_C_TYPE_BYTES) return RK_OK;

    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        const bool one_of = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        const uint64_t bit = UINT64_C(1) << (one_of ? ONEOF_BIT : f - d->fields);
        if (*seen & bit)
            return rk_fail(s->err, RK_E_FORMAT,
                           "%s: byte %zu: '%s' is there twice (two files in one?)", s->shown, at,
                           f->name);
        *seen |= bit;
    }
    if (depth >= RK_ONNX_DEPTH) return bad(s, at, "messages are nested more than 100 deep");
    return message(s, (const ProtobufCMessageDescriptor *)f->descriptor, at, end, depth + 1);
}

/* Moves *at past the payload of one field. */
static rk_status payload(scan *s, const ProtobufCMessageDescriptor *d, uint64_t tag, uint64_t *seen,
                         size_t *at, size_t end, unsigned depth)
{
    const unsigned wire = (unsigned)(tag & 7), number = (unsigned)(tag >> TAG_BITS);
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, number);
    const size_t start = *at;
    uint64_t v = 0;
    rk_status st = RK_OK;

    if (f && wire != WIRE_LENGTH && wire_of(f->type) != wire)
        return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: '%s' has wire type %u", s->shown, start,
                       f->name, wire);
    switch (wire) {
    case WIRE_VARINT:
        return varint(s, &v, at, end);
    case WIRE_FIXED32:
    case WIRE_FIXED64: {
        const size_t item = wire == WIRE_FIXED32 ? 4 : 8;
        if (end - start < item) return bad(s, start, "a number is cut off");
        *at += item;
        return RK_OK;
    }
    case WIRE_LENGTH:
        st = varint(s, &v, at, end);
        if (st) return st;
        if (v > end - *at)
            return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: %llu bytes announced, %zu left",
                           s->shown, start, (unsigned long long)v, end - *at);
        if (f) st = delimited(s, d, f, seen, *at, *at + (size_t)v, depth);
        *at += (size_t)v;
        return st;
    default:
        return rk_fail(s->err, RK_E_FORMAT, "%s: byte %zu: wire type %u is not used by ONNX",
                       s->shown, start, wire);
    }
}

/* Recursion is bounded by RK_ONNX_DEPTH. */
static rk_status message(scan *s, const ProtobufCMessageDescriptor *d, size_t at, size_t end,
                         unsigned depth)
{
    uint64_t seen = 0;

    if (++s->messages > RK_ONNX_MESSAGES) return bad(s, at, "more than 8 million messages");
    if (d == &onnx__node_proto__descriptor && ++s->nodes > RK_ONNX_NODES)
        return bad(s, at, "more than 1,000,000 nodes");
    while (at < end) {
        const size_t start = at;
        uint64_t tag;
        rk_status st = varint(s, &tag, &at, end);
        if (st) return st;
        if (tag >> TAG_BITS == 0 || tag >> TAG_BITS > FIELD_MAX)
            return bad(s, start, "field number out of range");
        st = payload(s, d, tag, &seen, &at, end, depth);
        if (st) return st;
    }
    return RK_OK;
}

/* What the bytes look like when they are not a model; NULL when there is no telling. */
static const char *looks_like(const uint8_t *data, size_t size)
{
    static const struct {
        const char *start, *kind;
    } known[] = {
        {"version https://git-lfs", "a Git LFS pointer: fetch the real file"},
        {"<", "HTML or XML"},
        {"{", "JSON: only the binary form of ONNX is read"},
        {"ir_version", "the text form of ONNX: only the binary form is read"},
        {"graph", "the text form of ONNX: only the binary form is read"},
        {"PK", "a zip archive (a PyTorch checkpoint?)"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t n = strlen(known[i].start);
        if (size >= n && memcmp(data, known[i].start, n) == 0) return known[i].kind;
    }
    if (size > 9 && data[8] == '{') return "a safetensors file";
    return NULL;
}

rk_status rk_onnx_scan(const uint8_t *data, size_t size, const char *shown, rk_error *err)
{
    scan s = {.data = data, .shown = shown, .err = err};
    const rk_status st = message(&s, &onnx__model_proto__descriptor, 0, size, 0);
    const char *kind = st ? looks_like(data, size) : NULL;

    if (kind)
        return rk_fail(err, RK_E_FORMAT, "%s: not an ONNX file; it looks like %s", shown, kind);
    return st;
}
