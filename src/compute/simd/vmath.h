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

#define RK_TWICE(...) __VA_ARGS__, __VA_ARGS__

/* x Phi(x) = x / 2 + |x| (Phi(|x|) - 1/2), Phi the normal distribution. The bracket by eight
 * polynomials of degree 5 in t = 7 |x| / 5.5 about the whole numbers 0 to 7, each minimax weighted
 * by |x|, with t clamped at 7, where the bracket is 1/2 exactly. Within 3.8e-7 absolute (the
 * rounding of x Phi(x) itself is 2.4e-7 at 6); 0 or x beyond 5.5. */
V16_INLINE v16 v16_gelu(v16 x)
{
    /* of r^0 to r^5, r the distance from the whole number */
    static const float C[6][16] = {
        { RK_TWICE(0.0f, 2.839822769e-01f, 4.419585168e-01f, 4.907920063e-01f,
                 4.991634488e-01f, 4.999572635e-01f, 4.999987781e-01f, 0.5f) },
        { RK_TWICE(3.134539425e-01f, 2.302062362e-01f, 9.119189531e-02f, 1.948400214e-02f,
                 2.245346084e-03f, 1.395744330e-04f, 4.680814072e-06f, 8.191246081e-08f) },
        { RK_TWICE(1.376321961e-05f, -7.103728503e-02f, -5.630351976e-02f, -1.804899797e-02f,
                 -2.771101659e-03f, -2.146201150e-04f, -8.331195204e-06f, -1.813564836e-07f) },
        { RK_TWICE(-3.234666586e-02f, -9.042794816e-03f, 1.377690397e-02f, 9.135080501e-03f,
                 2.051919000e-03f, 2.070832270e-04f, 1.021866137e-05f, 4.543007606e-07f) },
        { RK_TWICE(2.887656738e-04f, 8.463755250e-03f, 1.612712396e-03f, -2.303556772e-03f,
                 -9.952592663e-04f, -1.462605869e-04f, -1.042984513e-05f, 0.0f) },
        { RK_TWICE(2.636034274e-03f, -2.861497633e-04f, -1.601813477e-03f, 1.566241372e-05f,
                 2.895248472e-04f, 6.781651609e-05f, 5.340524240e-06f, 0.0f) },
    };
    /* Added, it leaves a float below 2^22 rounded to whole, in the lowest bits. */
    const v16 whole = v16_set(0x1.8p23f), size = v16_abs(x);
    const v16 t = v16_min(v16_mul(size, v16_set(7.0f / 5.5f)), v16_set(7.0f)); /* NaN gives 7 */
    const v16 index = v16_add(t, whole), r = v16_sub(t, v16_sub(index, whole));
    v16 p = v16_pick8(C[5], index);

    for (int i = 4; i >= 0; i--) p = v16_fma(p, r, v16_pick8(C[i], index));
    return v16_fma(size, p, v16_mul(x, v16_set(0.5f)));
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
