#include "encoder/calibration.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { BIAS_MAX = 100 };

static rk_status bad(const char *where, const char *field, const char *wanted, rk_error *err)
{
    return rk_fail(err, RK_E_FORMAT, "%s: calibration: \"%s\" must be %s", where, field, wanted);
}

rk_status rk_calibration_read(rk_calibration *out, const json_t *object, size_t labels,
                              const char *where, rk_error *err)
{
    const json_t *bias = json_object_get(object, "bias");
    const json_t *abstain = json_object_get(object, "abstain");
    const double scale = json_number_value(json_object_get(object, "scale"));
    rk_calibration c = {.scale = (float)scale};
    rk_status st = RK_OK;

    memset(out, 0, sizeof *out);
    if (!(scale >= 1.0 / (2 * RK_TEMPERATURE_MAX) && scale <= 2 * RK_TEMPERATURE_MAX))
        return bad(where, "scale", "a number from 0.025 to 40", err);
    if (!json_is_array(bias) || json_array_size(bias) != labels)
        return bad(where, "bias", "a list of one number a label", err);
    c.bias = rk_calloc(labels, sizeof *c.bias);
    if (!c.bias) return rk_fail(err, RK_E_MEMORY, "%s: out of memory", where);
    for (size_t k = 0; k < labels && !st; k++) {
        const json_t *one = json_array_get(bias, k);
        c.bias[k] = (float)json_number_value(one);
        if (!json_is_number(one) || !(fabsf(c.bias[k]) <= BIAS_MAX))
            st = bad(where, "bias", "numbers from -100 to 100", err);
    }
    if (!st && abstain && !json_is_null(abstain)) {
        const json_t *threshold = json_object_get(abstain, "threshold");
        c.threshold = json_number_value(threshold);
        if (!json_is_number(threshold) || !(c.threshold >= 0.0 && c.threshold <= 1.0))
            st = bad(where, "abstain.threshold", "a number from 0 to 1", err);
    }
    if (st)
        rk_calibration_free(&c);
    else
        *out = c;
    return st;
}

void rk_calibration_free(rk_calibration *c)
{
    rk_free(c->bias);
    memset(c, 0, sizeof *c);
}
