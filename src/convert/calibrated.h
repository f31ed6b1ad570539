/* A calibration in a graph: a scale and a bias on the logits. */
#ifndef RK_CONVERT_CALIBRATED_H
#define RK_CONVERT_CALIBRATED_H

#include <jansson.h>

#include "onnx/model.h"

/* Puts Mul by `calibration.scale` (a scalar) and Add of `calibration.bias` [labels] before the
 * first graph output, which keeps its name and type; what made it makes `NAME.uncalibrated`. A
 * graph that has them gets new numbers. object: what is stored as metadata ringkas.calibration. */
rk_status rk_onnx_calibrate(rk_onnx *m, float scale, const float *bias, size_t labels,
                            const json_t *object, rk_error *err);

#endif
