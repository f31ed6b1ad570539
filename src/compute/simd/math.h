/* Branch-free float functions that the compiler can vectorise. The loops that use them are held
 * against double precision in tests/unit/test_loops.c. */
#ifndef RK_COMPUTE_SIMD_MATH_H
#define RK_COMPUTE_SIMD_MATH_H

#include <stdint.h>
#include <string.h>

static inline float rk_bits_float(int32_t i)
{
    float f;
    memcpy(&f, &i, sizeof f);
    return f;
}

static inline int32_t rk_float_bits(float f)
{
    int32_t i;
    memcpy(&i, &f, sizeof i);
    return i;
}

/* To the nearest integer, ties to even, for |x| < 2^22: adding 1.5 x 2^23 leaves no bits below one.
 */
static inline float rk_round(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

/* e^x within 2 ulp for -87 <= x <= 88, clamped outside; NaN stays NaN. Cody-Waite reduction by ln 2
 * in two parts, then the Cephes polynomial. */
static inline float rk_exp(float x)
{
    const float lo = x < -87.0f ? -87.0f : x, c = lo > 88.0f ? 88.0f : lo;
    /* n sits in the low bits of c log2(e) + 1.5 x 2^23: read from there, a NaN does no harm */
    const float shifted = c * 1.44269504088896341f + 12582912.0f, n = shifted - 12582912.0f;
    const uint32_t power = ((uint32_t)rk_float_bits(shifted) + 127u) << 23;
    const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * rk_bits_float((int32_t)power);
}

/* erf(x) within 5e-7: the rational approximation x P(x^2) / Q(x^2) on [-4, 4] that Eigen and XLA
 * use. */
static inline float rk_erf(float x)
{
    const float lo = x < -4.0f ? -4.0f : x, c = lo > 4.0f ? 4.0f : lo, s = c * c;
    float p = -2.72614225801306e-10f, q = -1.45660718464996e-05f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s + -2.10102402080508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    q = q * s + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return c * p / q;
}

/* tanh(x), absolute error below 2e-7. */
static inline float rk_tanh(float x)
{
    const float a = x < 0.0f ? -x : x, e = rk_exp(-2.0f * a), t = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -t : t;
}

/* x rounded to IEEE binary16 (to nearest even) and back, for |x| <= 65504; larger values give 65504
 * or more, the caller clamps; NaN stays NaN. Below 2^-14 the grid is 2^-24. */
static inline float rk_round_half(float x)
{
    const float a = x < 0.0f ? -x : x;
    const uint32_t i = (uint32_t)rk_float_bits(a);
    const float normal = rk_bits_float((int32_t)((i + 0xfffu + (i >> 13 & 1u)) & ~0x1fffu));
    const float small = (a + 0.75f) - 0.75f; /* 0.75 has its last bit at 2^-24 */
    const float r = a < 6.103515625e-05f ? small : normal;
    return x < 0.0f ? -r : x >= 0.0f ? r : x;
}

#endif
