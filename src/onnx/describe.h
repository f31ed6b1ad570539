/* What an ONNX file is, for people and programs. */
#ifndef RK_ONNX_DESCRIBE_H
#define RK_ONNX_DESCRIBE_H

#include <jansson.h>

#include "base/status.h"
#include "onnx/model.h"

/* A new object (json_decref): kind "onnx", bytes, ir_version, opset, producer, nodes,
 * operators{NAME: count}, initializers{TYPE: {tensors, elements, bytes}}, inputs and outputs
 * [{name, type, shape}], quantised
 * [{value, scale, zero_point, type}] (scalar scales of QuantizeLinear nodes that are initializers),
 * precision{OPERATOR: {TYPE: nodes}} in every graph, external_files (how many),
 * metadata{KEY: text, or {bytes} where it is long}. The model need not pass rk_onnx_check. */
rk_status rk_onnx_describe(json_t **out, const rk_onnx *m, rk_error *err);

#endif
