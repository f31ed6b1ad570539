/* links: base quant */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/qparams.h"

static const float ODD[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1e-30f, 1.0f, -1.0f, 6.5f, -250.0f, 1e30f,
                            -1e30f, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN};
enum { ODDS = sizeof ODD / sizeof ODD[0] };

static void u8_any_range_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < ODDS; i++) {
        for (size_t j = 0; j < ODDS; j++) {
            const rk_qparams q = rk_qparams_u8(ODD[i], ODD[j]);
            assert_true(isnormal(q.scale) && q.scale > 0);
            assert_true(isfinite(1 / q.scale));
            /* 0 is always a code of its own, and every value gets some code */
            assert_int_equal(rk_quantize_u8(0.0f, q), q.zero);
            assert_int_equal(rk_quantize_u8(INFINITY, q), 255);
            assert_int_equal(rk_quantize_u8(-INFINITY, q), 0);
            assert_int_equal(rk_quantize_u8(NAN, q), q.zero);
            for (size_t k = 0; k < ODDS; k++) (void)rk_quantize_u8(ODD[k], q);
        }
    }
}

static void u8_plain_ranges(void **state)
{
    rk_qparams q = rk_qparams_u8(0, 255);
    (void)state;
    assert_true(q.scale == 1 && q.zero == 0);
    q = rk_qparams_u8(-128, 127);
    assert_true(q.scale == 1 && q.zero == 128);
    q = rk_qparams_u8(-255, 0);
    assert_true(q.scale == 1 && q.zero == 255);
    q = rk_qparams_u8(10, 255);                    /* widened to hold 0 */
    assert_true(q.scale == 1 && q.zero == 0);
    q = rk_qparams_u8(-255, -10);
    assert_true(q.scale == 1 && q.zero == 255);
    q = rk_qparams_u8(NAN, 255);
    assert_true(q.scale == 1 && q.zero == 0);
    q = rk_qparams_u8(-INFINITY, 255);
    assert_true(q.scale == 1 && q.zero == 0);
    q = rk_qparams_u8(0, 0);
    assert_true(q.scale == 1e-12f && q.zero == 0);
    q = rk_qparams_u8(-1e30f, 1e30f);
    assert_true(q.scale == (float)(2e30 / 255) || fabs((double)q.scale / (2e30 / 255) - 1) < 1e-6);
    assert_true(q.zero == 127 || q.zero == 128);   /* 127.5 but for the rounding of the scale */
    assert_true(rk_quantize_u8(1e30f, q) >= 254);
    assert_int_equal(rk_quantize_u8(-1e30f, q), 0);
}

/* Ends of the range get the end codes, and no value inside is further than half a step away (a
 * whole one where rounding the zero point moved the range). */
static void u8_error_bound(void **state)
{
    rk_rng r = {1, 0, 0};
    (void)state;
    for (int i = 0; i < 2000; i++) {
        const float lo = -rk_rng_normal(&r) * rk_rng_normal(&r);
        const float hi = lo + 10 * fabsf(rk_rng_normal(&r));
        const rk_qparams q = rk_qparams_u8(lo, hi);
        for (int k = 0; k <= 16; k++) {
            const float x = fminf(lo, 0) + (fmaxf(hi, 0) - fminf(lo, 0)) * (float)k / 16;
            const float y = ((float)rk_quantize_u8(x, q) - (float)q.zero) * q.scale;
            assert_true(fabsf(x - y) <= 1.001f * q.scale);
        }
    }
}

static void ties_to_even(void **state)
{
    const rk_qparams q = {1.0f, 10};
    static const float x[] = {0.5f,  1.5f,  2.5f,        3.5f,        -0.5f,
                              -1.5f, -2.5f, 0.49999997f, -0.49999997f};
    static const int want[] = {0, 2, 2, 4, 0, -2, -2, 0, 0};
    (void)state;
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        assert_int_equal(rk_quantize_u8(x[i], q), 10 + want[i]);
        assert_int_equal(rk_quantize_s8(x[i], 1.0f), want[i]);
        assert_int_equal(rk_quantize_s8(x[i] * 0.25f, 0.25f), want[i]);
    }
    assert_int_equal(rk_quantize_u8(-10.5f, q), 0);
    assert_int_equal(rk_quantize_u8(245.5f, q), 255);
    assert_int_equal(rk_quantize_u8(244.5f, q), 254);
}

static void s8_scale(void **state)
{
    (void)state;
    assert_true(rk_scale_s8(127) == 1);
    assert_true(rk_scale_s8(0) == 1e-12f);
    assert_true(rk_scale_s8(NAN) == 1e-12f);
    assert_true(rk_scale_s8(INFINITY) == 1e-12f);
    assert_true(rk_scale_s8(-3) == 1e-12f);
    assert_true(rk_scale_s8(1e-45f) == 1e-12f);
    assert_true(isnormal(rk_scale_s8(FLT_MAX)));
    assert_int_equal(rk_quantize_s8(FLT_MAX, rk_scale_s8(FLT_MAX)), 127);
    assert_int_equal(rk_quantize_s8(-1e30f, rk_scale_s8(1e30f)), -127);
    assert_int_equal(rk_quantize_s8(INFINITY, 1), 127);
    assert_int_equal(rk_quantize_s8(-INFINITY, 1), -127);      /* -128 is no code */
    assert_int_equal(rk_quantize_s8(-500, 1), -127);
    assert_int_equal(rk_quantize_s8(NAN, 1), 0);
}

static void rows(void **state)
{
    static const float w[3][4] = {{1, -2, 0.5f, 0}, {0, 0, 0, 0}, {-1e30f, 5e29f, 1e-30f, 2.5e29f}};
    static const int8_t want[3][4] = {{64, -127, 32, 0}, {0, 0, 0, 0}, {-127, 64, 0, 32}};
    int8_t codes[3][4];
    float scales[3], again[3];
    (void)state;
    rk_quantize_rows_s8(&codes[0][0], scales, &w[0][0], 3, 4);
    assert_memory_equal(codes, want, sizeof want);
    assert_true(scales[0] == rk_scale_s8(2) && scales[1] == 1e-12f);
    assert_true(scales[2] == rk_scale_s8(1e30f));
    rk_quantize_rows_s8(NULL, again, &w[0][0], 3, 4);
    assert_memory_equal(again, scales, sizeof scales);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u8_any_range_is_sound), cmocka_unit_test(u8_plain_ranges),
        cmocka_unit_test(u8_error_bound), cmocka_unit_test(ties_to_even),
        cmocka_unit_test(s8_scale), cmocka_unit_test(rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
