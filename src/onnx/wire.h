/* The first look at an ONNX file: every byte of the wire format checked before protobuf-c sees it.
 */
#ifndef RK_ONNX_WIRE_H
#define RK_ONNX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    RK_ONNX_DEPTH = 100,              /* messages within messages */
    RK_ONNX_NODES = 1000000,          /* NodeProto in the whole file */
    RK_ONNX_MESSAGES = 8000000        /* messages of all kinds: bounds the memory of the tree */
};

/* Walks a serialised ModelProto: varints, field numbers, wire types, lengths, depth, packed sizes,
 * strings (UTF-8 without NUL), counts, and sub-messages given twice where one is allowed (protobuf
 * would merge them: two models in one file). RK_E_FORMAT names the byte offset. `shown` is the
 * file's name, already safe to print. */
rk_status rk_onnx_scan(const uint8_t *data, size_t size, const char *shown, rk_error *err);

#endif
