/* links: base quant */
/* Ranges of a batch by percentile and by least error, against what can be counted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "quant/observer.h"
#include "quant/qparams.h"

enum { N = 100000 };
static float x[N];
static rk_histogram h;

/* Normal values, and a few far out on the upper side. */
static void fill(size_t outliers, float far)
{
    rk_rng rng = {3, 1, 0};
    float min = INFINITY, max = -INFINITY;

    for (size_t i = 0; i < N; i++) x[i] = i < outliers ? far : rk_rng_normal(&rng);
    for (size_t i = 0; i < N; i++) {
        min = fminf(min, x[i]);
        max = fmaxf(max, x[i]);
    }
    memset(&h, 0, sizeof h);
    h.min = min;
    h.max = max;
    rk_histogram_add(&h, x, N / 3); /* in parts, as threads do */
    rk_histogram_add(&h, x + N / 3, N - N / 3);
}

static size_t outside(float min, float max)
{
    size_t n = 0;
    for (size_t i = 0; i < N; i++) n += x[i] < min || x[i] > max;
    return n;
}

static double error(float min, float max)
{
    const rk_qparams q = rk_qparams_u8(min, max);
    double sum = 0.0;
    for (size_t i = 0; i < N; i++) {
        const double d =
            (double)((int)rk_quantize_u8(x[i], q) - q.zero) * (double)q.scale - (double)x[i];
        sum += d * d;
    }
    return sum;
}

static void test_percentile(void **state)
{
    const double p[] = {100.0, 99.99, 99.0, 90.0};
    (void)state;

    fill(20, 40.0f);
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
        const size_t share = (size_t)((1.0 - p[i] / 100.0) * N + 0.5);
        const float bin = (h.max - h.min) / RK_HISTOGRAM_BINS;
        float min, max;
        rk_histogram_percentile(&min, &max, &h, p[i]);
        /* never more than the share at each end, and nearly that: one bin wider it is more */
        assert_true(outside(min, INFINITY) <= share);
        assert_true(outside(-INFINITY, max) <= share);
        if (share) {
            assert_true(outside(min + 1.01f * bin, INFINITY) > share);
            assert_true(outside(-INFINITY, max - 1.01f * bin) > share);
        } else {
            assert_true(min == h.min && max == h.max);
        }
    }
}

static void test_least_error(void **state)
{
    float min, max;
    (void)state;

    /* a handful of outliers is given up where that makes the rest finer */
    fill(1, 12.0f);
    rk_histogram_least_error(&min, &max, &h);
    assert_true(error(min, max) < error(h.min, h.max));
    for (float share = 0.2f; share < 1.0f; share += 0.1f)
        assert_true(error(min, max) < 1.02 * error(min, share * h.max));
    assert_true(max < 12.0f);
    /* where nothing lies far out, nearly all of the range stays */
    for (size_t i = 0; i < N; i++) x[i] = (float)i / N;
    memset(&h, 0, sizeof h);
    h.max = 1.0f;
    rk_histogram_add(&h, x, N);
    rk_histogram_least_error(&min, &max, &h);
    assert_true(min == 0.0f && max >= 0.98f);
}

static void test_odd_values(void **state)
{
    const float odd[] = {NAN, -INFINITY, INFINITY, -5.0f, 5.0f, 1.0f};
    uint64_t all = 0;
    (void)state;

    memset(&h, 0, sizeof h);
    h.min = -1.0f;
    h.max = 1.0f;
    rk_histogram_add(&h, odd, 6);
    for (size_t i = 0; i < RK_HISTOGRAM_BINS; i++) all += h.count[i];
    assert_int_equal(all, 6);
    assert_int_equal(h.count[0], 3);
    assert_int_equal(h.count[RK_HISTOGRAM_BINS - 1], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_least_error),
        cmocka_unit_test(test_odd_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
