#include "onnx/slim.h"

#include <stdio.h>
#include <string.h>

#include "onnx/slim_wire.h"
#include "onnx/store.h"

typedef struct slimming {
    rk_buffer *out;
    const uint8_t *data;
    const char *shown;
    rk_error *err;
} slimming;

/* ---- the wire, as rk_onnx_scan has accepted it ---- */

bool rk_wire_next(rk_wire_field *f, const uint8_t *data, size_t *at, size_t end)
{
    uint64_t tag;

    if (*at >= end) return false;
    f->start = *at;
    tag = rk_wire_varint(data, at);
    f->number = (unsigned)(tag >> 3);
    f->wire = (unsigned)(tag & 7);
    f->length_at = *at;
    f->value = 0;
    switch (f->wire) {
    case 0:
        f->value = rk_wire_varint(data, at);
        f->body = f->end = *at;
        break;
    case 1:
    case 5:
        *at += f->wire == 1 ? 8 : 4;
        f->body = f->end = *at;
        break;
    default:
        f->value = rk_wire_varint(data, at);
        f->body = *at;
        *at += (size_t)f->value;
        f->end = *at;
    }
    return true;
}

uint64_t rk_wire_varint(const uint8_t *data, size_t *at)
{
    uint64_t v = 0;
    unsigned shift = 0;

    for (;; shift += 7) {
        const uint8_t b = data[(*at)++];
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
}

size_t rk_wire_put(uint8_t out[10], uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7) out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

const ProtobufCMessageDescriptor *rk_wire_inner(const ProtobufCMessageDescriptor *d,
                                                const rk_wire_field *f)
{
    const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(d, f->number);
    const ProtobufCMessageDescriptor *inner;

    if (!known || f->wire != 2 || known->type != PROTOBUF_C_TYPE_MESSAGE) return NULL;
    inner = known->descriptor;
    return inner == &onnx__graph_proto__descriptor || inner == &onnx__node_proto__descriptor ||
                   inner == &onnx__attribute_proto__descriptor ||
                   inner == &onnx__tensor_proto__descriptor ||
                   inner == &onnx__sparse_tensor_proto__descriptor ||
                   inner == &onnx__function_proto__descriptor ||
                   inner == &onnx__training_info_proto__descriptor
               ? inner : NULL;
}

bool rk_wire_marked(rk_stored *out, const uint8_t *data, const rk_wire_field *f)
{
    rk_wire_field in;
    bool key = false;
    char text[RK_STORED_SIZE] = "";

    for (size_t at = f->body; rk_wire_next(&in, data, &at, f->end);) {
        const size_t n = in.end - in.body;
        if (in.wire != 2) continue;
        if (in.number == 1)
            key = n == strlen(RK_STORED_KEY) && memcmp(data + in.body, RK_STORED_KEY, n) == 0;
        if (in.number == 2 && n < sizeof text) {
            memcpy(text, data + in.body, n);
            text[n] = 0;
        }
    }
    *out = (rk_stored){0};
    rk_stored_parse(out, text);
    return key;
}

/* ---- cutting ---- */

static rk_status tensor(slimming *s, size_t begin, size_t end)
{
    rk_wire_field f, raw = {0};
    rk_stored mark = {0};
    size_t raws = 0, n, m;
    bool elsewhere = false;
    char text[RK_STORED_SIZE];
    uint8_t number[10];

    for (size_t at = begin; rk_wire_next(&f, s->data, &at, end);) {
        if (f.number == RK_WIRE_RAW && f.wire == 2) {
            raw = f;
            raws++;
        }
        if (f.number == RK_WIRE_EXTERNAL && rk_wire_marked(&mark, s->data, &f))
            return rk_fail(s->err, RK_E_FORMAT,
                           "%s: byte %zu: external data with a key that no other tool writes",
                           s->shown, f.start);
        elsewhere = elsewhere || f.number == RK_WIRE_EXTERNAL || f.number == RK_WIRE_LOCATION;
    }
    if (raws != 1 || elsewhere || raw.end - raw.body < RK_STORED_MIN) {
        rk_buffer_put(s->out, s->data + begin, end - begin);
        return RK_OK;
    }
    rk_buffer_put(s->out, s->data + begin, raw.start - begin);
    rk_buffer_put(s->out, s->data + raw.end, end - raw.end);
    n = (size_t)snprintf(text, sizeof text, "0:%zu:%zu:0", raw.body, raw.end - raw.body);
    m = strlen(RK_STORED_KEY);
    number[0] = RK_WIRE_EXTERNAL << 3 | 2;
    number[1] = (uint8_t)(n + m + 4);
    number[2] = 1 << 3 | 2;
    number[3] = (uint8_t)m;
    rk_buffer_put(s->out, number, 4);
    rk_buffer_put(s->out, RK_STORED_KEY, m);
    number[0] = 2 << 3 | 2;
    number[1] = (uint8_t)n;
    rk_buffer_put(s->out, number, 2);
    rk_buffer_put(s->out, text, n);
    number[0] = RK_WIRE_LOCATION << 3;
    number[1] = 1;
    rk_buffer_put(s->out, number, 2);
    return RK_OK;
}

/* Recursion: as rk_onnx_scan, which has bounded it. A length keeps its width, padded. */
static rk_status message(slimming *s, const ProtobufCMessageDescriptor *d, size_t begin, size_t end)
{
    rk_wire_field f;
    rk_status st = RK_OK;

    if (d == &onnx__tensor_proto__descriptor) return tensor(s, begin, end);
    for (size_t at = begin; !st && rk_wire_next(&f, s->data, &at, end);) {
        const ProtobufCMessageDescriptor *inner = rk_wire_inner(d, &f);
        if (!inner) {
            rk_buffer_put(s->out, s->data + f.start, f.end - f.start);
            continue;
        }
        const size_t width = f.body - f.length_at;
        rk_buffer_put(s->out, s->data + f.start, f.body - f.start);
        const size_t from = s->out->length;
        st = message(s, inner, f.body, f.end);
        if (s->out->failed) break;
        size_t length = s->out->length - from;
        for (size_t i = 0; i < width; i++, length >>= 7)
            s->out->data[from - width + i] =
                (char)(uint8_t)((length & 0x7f) | (i + 1 < width ? 0x80 : 0));
    }
    return st;
}

rk_status rk_onnx_slim(rk_buffer *out, const uint8_t *data, size_t size, const char *shown,
                       rk_error *err)
{
    slimming s = {out, data, shown, err};
    rk_status st = message(&s, &onnx__model_proto__descriptor, 0, size);

    if (!st && out->failed) st = rk_fail(err, RK_E_MEMORY, "%s: out of memory", shown);
    return st;
}
