/* Is it a model that may be believed? */
#ifndef RK_ONNX_CHECK_H
#define RK_ONNX_CHECK_H

#include "base/status.h"
#include "onnx/model.h"

/* Everything that can be said without running it: versions, domains, graph inputs and outputs,
 * names, order, operators known at the model's operator set, counts of inputs and outputs,
 * attributes (known, of their type, once, the required ones there), initializers whole, element
 * types agreeing everywhere, scales of QuantizeLinear and DequantizeLinear. RK_E_FORMAT names the
 * place. Subgraphs (If, Loop, Scan), local functions, other domains, sparse and string initializers
 * are refused as RK_E_UNSUPPORTED. */
rk_status rk_onnx_check(const rk_onnx *m, rk_error *err);

/* The same for any model that a conversion may meet: bodies, sequences, optionals, local functions,
 * sparse and string tensors, operator sets from 1 on, operators and domains that nobody knows. What
 * is known is held to the same rules, in every graph. value_info may be stale. */
rk_status rk_onnx_check_any(const rk_onnx *m, rk_error *err);

#endif
