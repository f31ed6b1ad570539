/* The codes of INT8 and, beside them, the bfloat16 copies of what they stand for. */
#include <string.h>

#include "compute/simd/train.h"
#include "compute/simd/v16.h"

/* x / scale for the rounding to whole codes: the product with 1 / scale is off by less than 2^-13
 * for codes, so where no lane is that near to a tie (or to the end of the range, which is one) all
 * rounds alike, and the slow division is not needed. */
V16_INLINE v16 quotient(v16 x, v16 scale, v16 inverse)
{
    const v16 v = v16_mul(x, inverse), off = v16_abs(v16_sub(v, v16_round(v)));
    return v16_any_less(v16_set(0.5f - 0x1p-11f), off) ? v16_div(x, scale) : v;
}

/* No -0, of which fake-quantisation knows nothing. */
V16_INLINE v16 whole(v16 v)
{
    return v16_add(v16_round(v), v16_set(0.0f));
}

/* 1 where v is within [lo, hi], else 0: what clamping moves it by, if anything, is at least an ulp.
 */
V16_INLINE v16 within(v16 v, v16 lo, v16 hi)
{
    const v16 moved = v16_abs(v16_sub(v, v16_max(lo, v16_min(hi, v))));
    return v16_sub(v16_set(1.0f), v16_min(v16_mul(moved, v16_set(0x1p30f)), v16_set(1.0f)));
}

typedef struct scheme {
    v16 scale, inverse, zero, low, high; /* low, high: the quotients of the end codes */
} scheme;

static scheme scheme_of(float scale, float zero, float low, float high)
{
    return (scheme){v16_set(scale), v16_set(1.0f / scale), v16_set(zero), v16_set(low),
                    v16_set(high)};
}

V16_INLINE void sixteen_u8(uint8_t *codes, uint8_t *inside, uint16_t *y16, v16 x, scheme s)
{
    const v16 half = v16_set(0.5f), v = v16_unnan(quotient(x, s.scale, s.inverse), v16_set(0.0f));
    const v16 r = whole(v16_max(s.low, v16_min(s.high, v)));

    v16_store_u8(codes, v16_add(r, s.zero));
    v16_store_u8(inside, within(v, v16_sub(s.low, half), v16_add(s.high, half)));
    v16_store_bf16(y16, v16_mul(r, s.scale));
}

int RK_K(codes_u8)(uint8_t *codes, uint8_t *inside, uint16_t *y16, const float *x, size_t n,
                   float scale, int zero)
{
    const scheme s = scheme_of(scale, (float)zero, -(float)zero, 255.0f - (float)zero);
    int nan = 0;
    size_t i = 0;

    for (; i + V16 <= n; i += V16) {
        const v16 v = v16_load(x + i);
        nan |= v16_any_less(v, v); /* true of NaN */
        sixteen_u8(codes + i, inside + i, y16 + i, v, s);
    }
    if (i < n) {
        uint8_t c[V16], in[V16];
        uint16_t y[V16];
        const v16 v = v16_loadn(x + i, n - i);
        nan |= v16_any_less(v, v);
        sixteen_u8(c, in, y, v, s);
        memcpy(codes + i, c, n - i);
        memcpy(inside + i, in, n - i);
        memcpy(y16 + i, y, (n - i) * sizeof *y);
    }
    return nan;
}

/* The codes, as floats; below zero their bytes are those of 256 more. */
V16_INLINE v16 sixteen_s8(int8_t *codes, uint16_t *y16, v16 x, scheme s)
{
    const v16 v = v16_unnan(quotient(x, s.scale, s.inverse), v16_set(0.0f)), one = v16_set(1.0f);
    const v16 r = whole(v16_max(s.low, v16_min(s.high, v)));
    const v16 below = v16_min(one, v16_max(v16_set(0.0f), v16_sub(v16_set(0.0f), r)));

    v16_store_u8((uint8_t *)codes, v16_fma(below, v16_set(256.0f), r));
    v16_store_bf16(y16, v16_mul(r, s.scale));
    return r;
}

int RK_K(codes_s8)(int8_t *codes, uint16_t *y16, int32_t *sum, const float *x, size_t n,
                   float scale)
{
    enum { SHORT = 1 << 16 }; /* whole numbers below 2^24 are summed exactly in float */
    const scheme s = scheme_of(scale, 0.0f, -127.0f, 127.0f);
    int nan = 0;
    int32_t all = 0;

    for (size_t first = 0; first < n; first += SHORT) {
        const size_t end = n - first < SHORT ? n : first + SHORT;
        v16 part = v16_set(0.0f);
        for (size_t i = first; i < end; i += V16) {
            const size_t m = end - i < V16 ? end - i : V16;
            const v16 v = v16_loadn(x + i, m);
            int8_t c[V16];
            uint16_t y[V16];
            nan |= v16_any_less(v, v);
            if (m == V16) {
                part = v16_add(part, sixteen_s8(codes + i, y16 + i, v, s));
                continue;
            }
            part = v16_add(part, sixteen_s8(c, y, v, s));
            memcpy(codes + i, c, m);
            memcpy(y16 + i, y, m * sizeof *y);
        }
        all += (int32_t)v16_sum(part);
    }
    *sum = all;
    return nan;
}
