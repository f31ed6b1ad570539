/* Writing a model with a calibration: an ONNX file, or a model folder. */
#ifndef RK_API_CALIBRATED_OUT_H
#define RK_API_CALIBRATED_OUT_H

#include "api/session.h"

/* RK_E_ARG before any work is done: out must not exist where model is a folder, unless it is that
 * folder. */
rk_status rk_calibrated_out_check(const char *model, const char *out, rk_error *err);

/* stored: the object that is kept with the model. A folder is copied file by file (subfolders are
 * not), or only its ringkas.json is written where out is the model itself. */
rk_status rk_calibrated_out(const rk_model *m, const char *out, float scale, const float *bias,
                            json_t *stored, rk_error *err);

#endif
