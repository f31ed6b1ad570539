/* Loops over plain vectors: sums, dropout, the optimiser, rounding and fake-quantisation. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/rng.h"
#include "compute/simd/denormals.h"
#include "compute/simd/math.h"
#include "compute/simd/train.h"

void RK_K(add)(float *y, const float *a, const float *b, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

void RK_K(column_sums)(float *out, const float *x, size_t rows, size_t cols, size_t stride)
{
    for (size_t r = 0; r < rows; r++) {
#pragma omp simd
        for (size_t c = 0; c < cols; c++) out[c] += x[r * stride + c];
    }
}

double RK_K(square_sum)(const float *x, size_t n)
{
    double s = 0.0;
#pragma omp simd reduction(+ : s)
    for (size_t i = 0; i < n; i++) s += (double)x[i] * (double)x[i];
    return s;
}

void RK_K(dropout)(float *y, const float *x, const uint8_t *keep, float scale, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) y[i] = keep[i] ? x[i] * scale : 0.0f;
}

void RK_K(mask)(float *y, const uint8_t *keep, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) y[i] = keep[i] ? y[i] : 0.0f;
}

enum { LANES = 16 /* Philox blocks side by side */, BLOCK = 8 /* numbers of 16 bits in one */ };

/* rk_philox of LANES blocks from first_block on: word k of block b in w[k][b]. */
static inline void philox_lanes(uint32_t w[4][LANES], uint64_t seed, uint64_t stream,
                                uint64_t first_block)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (size_t b = 0; b < LANES; b++) {
        w[0][b] = (uint32_t)(first_block + b);
        w[1][b] = (uint32_t)((first_block + b) >> 32);
        w[2][b] = (uint32_t)stream;
        w[3][b] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
#pragma omp simd
        for (size_t b = 0; b < LANES; b++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * w[0][b];
            const uint64_t p1 = (uint64_t)0xCD9E8D57u * w[2][b];
            w[0][b] = (uint32_t)(p1 >> 32) ^ w[1][b] ^ k0;
            w[2][b] = (uint32_t)(p0 >> 32) ^ w[3][b] ^ k1;
            w[1][b] = (uint32_t)p1;
            w[3][b] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void RK_K(dropout_mask)(uint8_t *keep, uint64_t seed, uint64_t stream, uint64_t first_block,
                        size_t n, uint32_t threshold)
{
    for (size_t i = 0; i < n; i += LANES * BLOCK) {
        uint32_t w[4][LANES];
        uint8_t bytes[BLOCK][LANES], out[LANES][BLOCK];
        const size_t m = n - i < LANES * BLOCK ? n - i : LANES * BLOCK;

        philox_lanes(w, seed, stream, first_block + i / BLOCK);
        for (size_t j = 0; j < BLOCK; j++) {
#pragma omp simd
            for (size_t b = 0; b < LANES; b++)
                bytes[j][b] = (w[j / 2][b] >> (j % 2 * 16) & 0xffff) >= threshold;
        }
        for (size_t b = 0; b < LANES; b++)
            for (size_t j = 0; j < BLOCK; j++) out[b][j] = bytes[j][b];
        memcpy(keep + i, out, m);
    }
}

/* One value of AdamW; adamw_idle must give the bits that adamw gives where g is 0. */
static inline void adamw_one(float *p, float *m, float *v, float d, rk_adamw_step s)
{
    const float mi = s.b1 * *m + (1.0f - s.b1) * d;
    const float vi = s.b2 * *v + (1.0f - s.b2) * d * d;
    *m = mi;
    *v = vi;
    *p = *p * s.shrink - s.step * mi / (sqrtf(vi) * s.root + s.eps);
}

void RK_K(adamw)(float *p, float *m, float *v, const float *g, size_t n, const rk_adamw_step *step,
                 float gscale)
{
    const rk_adamw_step s = *step;
    const unsigned mode = rk_flush_denormals();
#pragma omp simd
    for (size_t i = 0; i < n; i++) adamw_one(p + i, m + i, v + i, g[i] * gscale, s);
    rk_restore_denormals(mode);
}

static bool all_zero(const float *x, size_t n)
{
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) sum += x[i] < 0.0f ? -x[i] : x[i];
    return sum == 0.0f;
}

void RK_K(adamw_idle)(float *p, float *m, float *v, size_t n, const rk_adamw_step *steps, size_t k)
{
    enum { WIDE = 32 /* stays in registers over the steps */, PERIOD = 16 };
    const unsigned mode = rk_flush_denormals();
    for (size_t i = 0; i < n; i += WIDE) {
        const size_t w = n - i < WIDE ? n - i : WIDE;
        float bp[WIDE] = {0}, bm[WIDE] = {0}, bv[WIDE] = {0};
        for (size_t j = 0; j < w; j++) {
            bp[j] = p[i + j];
            bm[j] = m[i + j];
            bv[j] = v[i + j];
        }
        size_t t = 0;
        for (; t < k && (t % PERIOD || !all_zero(bm, WIDE)); t++) {
            const rk_adamw_step s = steps[t];
#pragma omp simd
            for (size_t j = 0; j < WIDE; j++) adamw_one(bp + j, bm + j, bv + j, 0.0f, s);
        }
        for (; t < k; t++) { /* the same, where the first moment has died out or never was */
            const rk_adamw_step s = steps[t];
#pragma omp simd
            for (size_t j = 0; j < WIDE; j++) {
                bm[j] = 0.0f; /* -0 + 0 */
                bv[j] *= s.b2;
                bp[j] *= s.shrink;
            }
        }
        for (size_t j = 0; j < w; j++) {
            p[i + j] = bp[j];
            m[i + j] = bm[j];
            v[i + j] = bv[j];
        }
    }
    rk_restore_denormals(mode);
}

void RK_K(to_bf16)(uint16_t *y, const float *x, size_t n)
{
    /* activations and weights are finite here: a NaN would have stopped the run */
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const uint32_t u = (uint32_t)rk_float_bits(x[i]);
        y[i] = (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
    }
}

void RK_K(min_max)(float *min, float *max, const float *x, size_t n)
{
    float lo = *min, hi = *max;
#pragma omp simd reduction(min : lo) reduction(max : hi)
    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    *min = lo;
    *max = hi;
}

float RK_K(abs_max)(const float *x, size_t n)
{
    float hi = 0.0f;
#pragma omp simd reduction(max : hi)
    for (size_t i = 0; i < n; i++) {
        const float a = x[i] < 0.0f ? -x[i] : x[i];
        hi = a > hi ? a : hi;
    }
    return hi;
}

void RK_K(fake_u8)(float *y, uint8_t *inside, const float *x, size_t n, float scale, int zero)
{
    const float z = (float)zero, lo = -z, hi = 255.0f - z;
    if (inside) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) {
            const float v = x[i] / scale;
            inside[i] = v >= lo - 0.5f && v <= hi + 0.5f;
        }
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        /* clamping before rounding gives the same code, and keeps rk_round in its range; written so
         * that NaN passes */
        const float v = x[i] / scale, a = lo > v ? lo : v, c = hi < a ? hi : a;
        y[i] = rk_round(c) * scale;
    }
}

double RK_K(scale_gradient)(const float *dx, const float *x, size_t n, float scale, int zero)
{
    enum { SHORT = 256 }; /* summed in float, the sums of these in double */
    const float z = (float)zero, lo = -z, hi = 255.0f - z;
    double sum = 0.0;

    for (size_t i = 0; i < n; i += SHORT) {
        const size_t end = n - i < SHORT ? n : i + SHORT;
        float part = 0.0f;
#pragma omp simd reduction(+ : part)
        for (size_t k = i; k < end; k++) {
            const float v = x[k] / scale, a = v > lo ? v : lo, c = a < hi ? a : hi;
            const float code = rk_round(c);
            part += dx[k] * (v >= lo - 0.5f && v <= hi + 0.5f ? code - v : code);
        }
        sum += (double)part;
    }
    return sum * (double)scale;
}

void RK_K(fake_s8)(float *y, const float *x, size_t n, float scale)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / scale, a = -127.0f > v ? -127.0f : v, c = 127.0f < a ? 127.0f : a;
        y[i] = rk_round(c) * scale;
    }
}

void RK_K(round_half)(float *y, uint8_t *inside, const float *x, size_t n, rk_half_counts *counts)
{
    const float most = 65504.0f;
    uint64_t clamped = 0, subnormal = 0;
    float largest = 0.0f;
#pragma omp simd reduction(+ : clamped, subnormal) reduction(max : largest)
    for (size_t i = 0; i < n; i++) {
        const float a = x[i] < 0.0f ? -x[i] : x[i];
        largest = a > largest ? a : largest;
        clamped += a > most;
        subnormal += a > 0.0f && a < 6.103515625e-05f;
    }
    if (inside) {
#pragma omp simd
        for (size_t i = 0; i < n; i++) inside[i] = x[i] >= -most && x[i] <= most;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        const float a = -most > x[i] ? -most : x[i], c = most < a ? most : a;
        y[i] = rk_round_half(c);
    }
    if (counts) {
        counts->clamped += clamped;
        counts->subnormal += subnormal;
        counts->largest = largest > counts->largest ? largest : counts->largest;
    }
}
