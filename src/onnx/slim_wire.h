/* Private to slim.c and fatten.c: fields of a message whose bytes have been checked. */
#ifndef RK_ONNX_SLIM_WIRE_H
#define RK_ONNX_SLIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"
#include "onnx/store.h"

/* Fields of TensorProto. */
enum { RK_WIRE_TYPE = 2, RK_WIRE_RAW = 9, RK_WIRE_EXTERNAL = 13, RK_WIRE_LOCATION = 14 };

typedef struct rk_wire_field {
    unsigned number, wire;
    size_t start, length_at, body, end;   /* length_at: of the length, or of the value */
    uint64_t value;                       /* a number, or the length */
} rk_wire_field;

/* The field at *at, which moves past it; false at the end. */
bool rk_wire_next(rk_wire_field *f, const uint8_t *data, size_t *at, size_t end);
uint64_t rk_wire_varint(const uint8_t *data, size_t *at);
size_t rk_wire_put(uint8_t out[10], uint64_t v);
/* The message in a field, if tensors may be in it. */
const ProtobufCMessageDescriptor *rk_wire_inner(const ProtobufCMessageDescriptor *d,
                                                const rk_wire_field *f);
/* An entry of external_data that is a mark; *out is what it says, zero where it says nothing. */
bool rk_wire_marked(rk_stored *out, const uint8_t *data, const rk_wire_field *f);

#endif
