/* exp, GELU, quantise: on sixteen floats, from v16.h's operations alone, so the same bits at every
 * level. NaN in gives NaN out. */
#ifndef RK_COMPUTE_SIMD_VMATH_H
#define RK_COMPUTE_SIMD_VMATH_H

#include "compute/packed.h"
#include "compute/simd/v16.h"

/* x = n ln 2 + r with n whole; e^r by a polynomial (degree 6, near-minimax on |r| <= ln 2 / 2 with
 * the first three coefficients exact); within 2 ULP on [-87.3, 88.3], clamped outside. */
V16_INLINE v16 v16_exp(v16 x)
{
    static const float C[] = { 8.363181725e-03f, 4.166646674e-02f, 1.666657627e-01f };
    v16 n, r, p;

    x = v16_max(v16_set(-87.3f), x);    /* in this order NaN stays */
    x = v16_min(v16_set(88.3f), x);
    n = v16_round(v16_mul(x, v16_set(1.44269504f)));
    r = v16_fma(n, v16_set(-0.693359375f), x);
    r = v16_fma(n, v16_set(2.121944417e-04f), r);
    p = v16_set(1.393365208e-03f);
    for (int i = 0; i < 3; i++) p = v16_fma(p, r, v16_set(C[i]));
    p = v16_fma(p, r, v16_set(0.5f));
    p = v16_fma(p, r, v16_set(1.0f));
    p = v16_fma(p, r, v16_set(1.0f));
    return v16_mul(p, v16_exp2i(n));
}

/* x Phi(x), Phi the normal distribution: Phi(x) - 1/2 = x P(x^2) by a Chebyshev fit of degree 16 on
 * |x| <= 5.5, clamped outside, where the last coefficients make it exactly 0 and 1. Within 6.1e-7
 * absolute for |x| <= 6 (the rounding of x Phi(x) itself is 2.4e-7 there), exact beyond. */
V16_INLINE v16 v16_gelu(v16 x)
{
    static const float C[] = {
        -2.856763313e-04f, 1.839166653e-04f, -3.567546082e-04f, 1.407426433e-03f,
        -2.658702433e-03f, 4.074129742e-03f, -6.650678348e-03f, 1.046863664e-02f,
        -1.506252401e-02f, 2.030731738e-02f, -2.603615075e-02f, 3.207691014e-02f,
        -3.879379109e-02f, 4.773733392e-02f, -6.417231262e-02f, 1.285519302e-01f,
    };
    const v16 c = v16_min(v16_max(x, v16_set(-5.5f)), v16_set(5.5f));
    const v16 u = v16_fma(v16_mul(c, c), v16_set(6.611569971e-02f), v16_set(-1.0f));
    v16 p = v16_set(1.180799954e-04f);

    for (int i = 0; i < 16; i++) p = v16_fma(p, u, v16_set(C[i]));
    return v16_mul(x, v16_add(v16_set(0.5f), v16_mul(c, p)));
}

/* The tanh form: x / (1 + e^(-2 y)), y = sqrt(2 / pi) (x + 0.044715 x^3). */
V16_INLINE v16 v16_gelu_tanh(v16 x)
{
    const v16 cubic = v16_fma(v16_mul(x, x), v16_set(-0.0713548163f), v16_set(-1.59576912f));
    return v16_div(x, v16_add(v16_set(1.0f), v16_exp(v16_mul(x, cubic))));
}

V16_INLINE v16 v16_act(v16 x, rk_packed_act act)
{
    switch (act) {
    case RK_PACKED_GELU: return v16_gelu(x);
    case RK_PACKED_GELU_TANH: return v16_gelu_tanh(x);
    case RK_PACKED_RELU: return v16_max(v16_set(0.0f), x);    /* NaN stays */
    case RK_PACKED_LINEAR: break;
    }
    return x;
}

typedef struct v16_quant {
    v16 scale, inverse, zero;
    v16 low, high;         /* the quotients of codes 0 and 255 */
} v16_quant;

/* inverse: 1 / scale */
V16_INLINE v16_quant v16_quant_of(float scale, float inverse, uint8_t zero)
{
    const v16_quant q = { .scale = v16_set(scale), .inverse = v16_set(inverse),
                          .zero = v16_set((float)zero), .low = v16_set(-(float)zero),
                          .high = v16_set(255.0f - (float)zero) };
    return q;
}

/* clamp(round_half_even(x / scale) + zero, 0, 255), NaN gives zero: as QuantizeLinear has it, by
 * true division. x times 1/scale is off by at most 2^-22 of the quotient (2 roundings of 2^-24, and
 * the division's own), which for the clamped |quotient| <= 255 is below 2^-13: where no lane is
 * that near to a tie both ways round alike, and the slow division is not needed. Clamped first or
 * last is the same, since the ends are whole. */
V16_INLINE v16 v16_quantise(v16 x, v16_quant q)
{
    v16 quotient = v16_max(q.low, v16_min(q.high, v16_mul(x, q.inverse))); /* NaN stays */
    v16 code = v16_round(quotient);
    const v16 off = v16_abs(v16_sub(quotient, code));

    if (v16_any_less(v16_set(0.5f - 0x1p-11f), off)) {
        quotient = v16_unnan(v16_div(x, q.scale), v16_set(0.0f));
        code = v16_round(v16_max(q.low, v16_min(q.high, quotient)));
    }
    return v16_add(code, q.zero);
}

#endif
