/* LayerNorm, activations and their gradients. */
#include <math.h>

#include "compute/simd/level.h"
#include "compute/simd/math.h"
#include "compute/simd/train.h"

void RK_K(layernorm)(float *y, float *mean, float *rstd, const float *x, const float *w,
                     const float *b, size_t rows, size_t cols, float eps)
{
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * cols;
        float *yr = y + r * cols;
        float sum = 0.0f, square = 0.0f, m, s;
#pragma omp simd reduction(+ : sum)
        for (size_t c = 0; c < cols; c++) sum += xr[c];
        m = sum / (float)cols;
        /* the second pass sums squares of what is left: no cancellation, unlike E[x^2] - E[x]^2 */
#pragma omp simd reduction(+ : square)
        for (size_t c = 0; c < cols; c++) square += (xr[c] - m) * (xr[c] - m);
        s = 1.0f / sqrtf(square / (float)cols + eps);
#pragma omp simd
        for (size_t c = 0; c < cols; c++) yr[c] = (xr[c] - m) * s * w[c] + b[c];
        mean[r] = m;
        rstd[r] = s;
    }
}

void RK_K(layernorm_back)(float *dx, float *dw, float *db, const float *dy, const float *x,
                          const float *mean, const float *rstd, const float *w, size_t rows,
                          size_t cols)
{
    const float inv = 1.0f / (float)cols;
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * cols, *dyr = dy + r * cols;
        float *dxr = dx + r * cols;
        const float m = mean[r], s = rstd[r];
        float g = 0.0f, gx = 0.0f;
        /* g = w dy is the gradient at the normalised value h = (x - m) s */
#pragma omp simd reduction(+ : g, gx)
        for (size_t c = 0; c < cols; c++) {
            const float h = (xr[c] - m) * s, d = dyr[c];
            g += w[c] * d;
            gx += w[c] * d * h;
        }
#pragma omp simd
        for (size_t c = 0; c < cols; c++) {
            const float h = (xr[c] - m) * s, d = dyr[c];
            dw[c] += d * h;
            db[c] += d;
            dxr[c] = s * (w[c] * d - inv * g - h * inv * gx);
        }
    }
}

/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static const float TANH_A = 0.79788456080286536f, TANH_B = 0.044715f;

void RK_K(activate)(float *y, const float *x, size_t n, int activation)
{
    if (activation == 0) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = 0.5f * x[i] * (1.0f + rk_erf(x[i] * 0.70710678118654752f));
    } else if (activation == 1) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = 0.5f * x[i] * (1.0f + rk_tanh(TANH_A * (x[i] + TANH_B * x[i] * x[i] * x[i])));
    } else {
        for (size_t i = 0; i < n; i++) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
    }
}

void RK_K(activate_back)(float *dx, const float *dy, const float *x, size_t n, int activation)
{
    if (activation == 0) {
        /* Phi(x) + x phi(x) */
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            const float phi = 0.3989422804014327f * rk_exp(-0.5f * x[i] * x[i]);
            dx[i] = dy[i] * (0.5f * (1.0f + rk_erf(x[i] * 0.70710678118654752f)) + x[i] * phi);
        }
    } else if (activation == 1) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            const float s = x[i] * x[i], t = rk_tanh(TANH_A * x[i] * (1.0f + TANH_B * s));
            const float du = TANH_A * (1.0f + 3.0f * TANH_B * s);
            dx[i] = dy[i] * (0.5f * (1.0f + t) + 0.5f * x[i] * (1.0f - t * t) * du);
        }
    } else {
        for (size_t i = 0; i < n; i++) dx[i] = x[i] > 0.0f ? dy[i] : 0.0f;
    }
}
