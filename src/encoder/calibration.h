/* What `ringkas calibrate` fitted: a scale and biases on the logits, and a threshold. Kept as the
 * object "calibration" of ringkas.json, and as ringkas.calibration in the metadata of an ONNX file
 * (where the numbers that run are those of the graph). doc/FORMATS.md has the fields. */
#ifndef RK_ENCODER_CALIBRATION_H
#define RK_ENCODER_CALIBRATION_H

#include <jansson.h>

#include "base/status.h"

enum { RK_TEMPERATURE_MAX = 20 }; /* and its inverse the least one */

typedef struct rk_calibration {
    float scale;
    float *bias;      /* [labels], rk_free */
    double threshold; /* of the best label's probability, below it no answer; 0: none */
} rk_calibration;

/* Reads and checks the object; where (safe to print) names its place in errors. */
rk_status rk_calibration_read(rk_calibration *out, const json_t *object, size_t labels,
                              const char *where, rk_error *err);
void rk_calibration_free(rk_calibration *c); /* takes a zeroed struct */

#endif
