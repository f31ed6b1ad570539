/* Float tensors as half. */
#ifndef RK_CONVERT_HALF_TENSOR_H
#define RK_CONVERT_HALF_TENSOR_H

#include "base/status.h"
#include "onnx/model.h"

/* A new tensor of `type` (RK_DT_F16 or RK_DT_BF16) with t's values, rounded to nearest even; finite
 * values that do not fit become the largest finite half and are counted in *clamped; infinities and
 * NaN stay. The caller's (rk_onnx_free). */
rk_status rk_half_tensor(Onnx__TensorProto **out, const Onnx__TensorProto *t, const char *name,
                         rk_dtype type, size_t *clamped, const char *shown, rk_error *err);

#endif
