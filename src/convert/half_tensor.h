/* Float tensors as half. */
#ifndef RK_CONVERT_HALF_TENSOR_H
#define RK_CONVERT_HALF_TENSOR_H

#include <stdbool.h>

#include "base/status.h"
#include "onnx/model.h"

/* What rounding would do to a tensor. */
typedef struct rk_half_stats {
    bool known;
    size_t beyond;        /* finite values that half cannot hold */
    size_t vanish;        /* values, not zero, that become zero */
    float largest;        /* magnitude of the largest finite value */
} rk_half_stats;

/* The smallest magnitude that keeps all its digits (RK_DT_F16: 2^-14). */
float rk_half_smallest(rk_dtype type);
/* Measured magnitudes up to here become half: half of what it holds, for inputs not measured. */
double rk_half_limit(rk_dtype type);

/* Looks at a float tensor, a piece at a time. */
rk_status rk_half_look(rk_half_stats *s, const Onnx__TensorProto *t, rk_dtype type,
                       const rk_onnx *m, rk_error *err);

/* A new tensor of `type` (RK_DT_F16 or RK_DT_BF16) with t's values, rounded to nearest even; finite
 * values that do not fit become the largest finite half; infinities and NaN stay. Where t's data is
 * still in its file it stays there and is rounded when the model is saved. The caller's
 * (rk_onnx_free). */
rk_status rk_half_tensor(Onnx__TensorProto **out, const Onnx__TensorProto *t, const char *name,
                         rk_dtype type, const rk_onnx *m, rk_error *err);

#endif
