/* Model-local functions. */
#ifndef RK_ONNX_FUNCTIONS_H
#define RK_ONNX_FUNCTIONS_H

#include <stddef.h>

#include "base/status.h"
#include "onnx/model.h"

enum { RK_FUNCTIONS_MAX = 10000, RK_FUNCTION_DEPTH = 100 };

/* Puts the nodes of local functions in the place of their calls, in every graph, and drops the
 * functions; *calls counts them. A function is left as it is, and its calls with it, where its
 * operator sets mean other operators than the model's. RK_E_FORMAT: functions that call each other
 * in a ring or too deep; RK_E_FORMAT too where more than RK_ONNX_NODES nodes would result. */
rk_status rk_onnx_inline(rk_onnx *m, size_t *calls, rk_error *err);

#endif
