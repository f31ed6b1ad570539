#include "quant/qparams.h"

#include <float.h>
#include <math.h>

/* The smallest scale: far below any real activation, far above the subnormals, so that 1 / scale
 * and the product of two scales stay finite and normal. */
static const float SCALE_FLOOR = 1e-12f;

static float sane(float x)
{
    return isfinite(x) ? x : 0.0f;
}

rk_qparams rk_qparams_u8(float min, float max)
{
    rk_qparams q;
    double zero;

    min = fminf(sane(min), 0.0f);
    max = fmaxf(sane(max), 0.0f);
    q.scale = (float)(((double)max - (double)min) / 255.0);
    if (!(q.scale >= SCALE_FLOOR)) q.scale = SCALE_FLOOR;
    zero = nearbyint(-(double)min / (double)q.scale);
    q.zero = (uint8_t)(zero < 0 ? 0 : zero > 255 ? 255 : zero);
    return q;
}

float rk_scale_s8(float absmax)
{
    const float scale = sane(absmax) / 127.0f;
    return scale >= SCALE_FLOOR ? scale : SCALE_FLOOR;
}

uint8_t rk_quantize_u8(float x, rk_qparams q)
{
    const float v = nearbyintf(x / q.scale) + (float)q.zero;
    if (isnan(v)) return q.zero;
    return (uint8_t)(v < 0.0f ? 0.0f : v > 255.0f ? 255.0f : v);
}

int8_t rk_quantize_s8(float x, float scale)
{
    const float v = nearbyintf(x / scale);
    if (isnan(v)) return 0;
    return (int8_t)(v < -127.0f ? -127.0f : v > 127.0f ? 127.0f : v);
}

void rk_quantize_rows_s8(int8_t *codes, float *scales, const float *w, size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++) {
        const float *x = w + r * cols;
        float absmax = 0.0f;
        for (size_t c = 0; c < cols; c++) absmax = fmaxf(absmax, fabsf(x[c]));
        scales[r] = rk_scale_s8(absmax);
        for (size_t c = 0; codes && c < cols; c++)
            codes[r * cols + c] = rk_quantize_s8(x[c], scales[r]);
    }
}
