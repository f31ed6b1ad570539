/* Range to scale and zero point: the only place these rules are written.
 *
 * INT8 as DESIGN 6.3: weights symmetric per output channel on -127..127, activations per tensor on
 * 0..255 with a zero point, embeddings symmetric per row. The functions are exact: training,
 * conversion and the runtime call these and no others, so the same range gives the same bits. */
#ifndef RK_QUANT_QPARAMS_H
#define RK_QUANT_QPARAMS_H

#include <stddef.h>
#include <stdint.h>

typedef struct rk_qparams {
    float scale;  /* > 0, normal, finite */
    uint8_t zero; /* code of 0.0 */
} rk_qparams;

/* Unsigned parameters for values in [min, max]; the range is widened to hold 0, and an empty range
 * gets a small floor. NaN or infinite ends are taken as 0. */
rk_qparams rk_qparams_u8(float min, float max);

/* Symmetric scale for values in [-absmax, absmax]: absmax / 127, with a floor. */
float rk_scale_s8(float absmax);

/* code = clamp(round_half_even(x / scale) + zero, 0, 255); NaN gives zero. Division, as ONNX's
 * QuantizeLinear is defined. */
uint8_t rk_quantize_u8(float x, rk_qparams q);
/* code = clamp(round_half_even(x / scale), -127, 127); NaN gives 0. */
int8_t rk_quantize_s8(float x, float scale);

/* scales[r] and codes[r, :] of a row-major matrix [rows, cols], one scale a row. codes may be
 * NULL. */
void rk_quantize_rows_s8(int8_t *codes, float *scales, const float *w, size_t rows, size_t cols);

#endif
