/* Types of every value, from the graphs alone. */
#ifndef RK_ONNX_INFER_H
#define RK_ONNX_INFER_H

#include "base/status.h"
#include "onnx/graph.h"
#include "onnx/model.h"
#include "onnx/scope.h"

/* Sets value.type all over s: main graph, bodies of If, Loop, Scan and SequenceMap with what they
 * capture, sequences and optionals. Where an operator is not known, what the model declares
 * (value_info, graph outputs) is believed, else the type stays 0.
 * RK_E_FORMAT: a node reads types that its operator does not take or that must agree and do not, or
 * a graph output is declared as another type than is made; names node, value and types. A
 * value_info that contradicts is an error only where `strict`: other tools leave stale ones. */
rk_status rk_scope_infer(rk_scope *s, bool strict, rk_error *err);

/* The strict inference of a model without bodies. *types [x->values], parallel to x->value: an
 * element type (Onnx__TensorProto__DataType), RK_TYPE_OTHER for what is no tensor, 0 where it
 * cannot be told. The caller's (rk_free). */
rk_status rk_types_infer(int32_t **types, const rk_onnx *m, const rk_index *x, rk_error *err);

#endif
