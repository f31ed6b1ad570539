/* Element types of every value, from the graph alone. */
#ifndef RK_ONNX_INFER_H
#define RK_ONNX_INFER_H

#include "base/status.h"
#include "onnx/graph.h"
#include "onnx/model.h"

/* *types [x->values], parallel to x->value: an element type (Onnx__TensorProto__DataType),
 * RK_TYPE_OTHER for what is no tensor, 0 where it cannot be told. The caller's (rk_free).
 * RK_E_FORMAT: a node reads types that its operator does not take or that must agree and do not, or
 * a declared type (graph output, value_info) contradicts the inferred one; names node, value and
 * types. */
rk_status rk_types_infer(int32_t **types, const rk_onnx *m, const rk_index *x, rk_error *err);

#endif
