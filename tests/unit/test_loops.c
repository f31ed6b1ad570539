/* links: base compute quant */
/* The loops of training: every level against double precision, and conversions equal to the bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "compute/loops.h"
#include "quant/qparams.h"

enum { N = 1000 };
static const char *const LEVELS[] = {"base", "avx2", "avx512"};
static const size_t SIZES[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, 384};

static void each_level(void (*check)(const rk_loops *))
{
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++) {
        const rk_loops *t = rk_loops_level(LEVELS[i]);
        if (t) check(t);
        seen += t != NULL;
    }
    assert_true(seen >= 1);
}

static void fill(float *x, size_t n, uint64_t stream, float scale)
{
    rk_rng r = {7, stream, 0};
    for (size_t i = 0; i < n; i++) x[i] = scale * rk_rng_normal(&r);
}

/* |got - want| within `ulps` of the larger of |want| and floor */
static void near_to(float got, double want, double ulps, double floor_, const char *what)
{
    const double size = fmax(fabs(want), floor_), error = fabs((double)got - want) / size * 0x1p23;
    if (!(error <= ulps)) {
        print_error("%s: got %.9g, want %.9g: %.1f ulp, %.1f allowed\n", what, (double)got, want,
                    error, ulps);
        fail();
    }
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

/* erf is good to 5e-7 and x of GELU at most 12 here: an absolute bound of 8 ulp of max(|f|, |x|).
 */
static void check_activations(const rk_loops *t)
{
    static float x[2401], y[2401], d[2401], one[2401];
    for (size_t i = 0; i < 2401; i++) {
        x[i] = (float)i * 0.01f - 12.0f;
        one[i] = 1.0f;
    }
    for (int a = 0; a < 3; a++) {
        t->activate(y, x, 2401, a);
        t->activate_back(d, one, x, 2401, a);
        for (size_t i = 0; i < 2401; i++) {
            const double v = (double)x[i], h = 1e-5;
            const double f = a == 0 ? gelu(v) : a == 1 ? gelu_tanh(v) : fmax(v, 0.0);
            const double df = a == 0   ? (gelu(v + h) - gelu(v - h)) / (2 * h)
                              : a == 1 ? (gelu_tanh(v + h) - gelu_tanh(v - h)) / (2 * h)
                                       : (v > 0.0 ? 1.0 : 0.0);
            near_to(y[i], f, 8.0, fabs(v) + 1.0, "activation");
            near_to(d[i], df, 64.0, 1.0, "its derivative");
        }
    }
}

static void test_activations(void **state)
{
    (void)state;
    each_level(check_activations);
}

/* Central differences of sum(dy . LayerNorm(x)) in double. */
static double norm_loss(const double *x, const float *w, const float *b, const float *dy, size_t n)
{
    double mean = 0.0, var = 0.0, loss = 0.0;
    for (size_t i = 0; i < n; i++) mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        loss += (double)dy[i] * ((x[i] - mean) / sqrt(var + 1e-12) * (double)w[i] + (double)b[i]);
    return loss;
}

static void check_norm(const rk_loops *t)
{
    enum { C = 37, R = 3 };
    float x[R * C], y[R * C], w[C], b[C], dy[R * C], dx[R * C], dw[C] = {0}, db[C] = {0}, m[R],
                                                                s[R];
    fill(x, R * C, 1, 3.0f);
    fill(w, C, 2, 1.0f);
    fill(b, C, 3, 1.0f);
    fill(dy, R * C, 4, 1.0f);
    t->layernorm(y, m, s, x, w, b, R, C, 1e-12f);
    t->layernorm_back(dx, dw, db, dy, x, m, s, w, R, C);
    for (size_t r = 0; r < R; r++) {
        double v[C];
        for (size_t i = 0; i < C; i++) v[i] = (double)x[r * C + i];
        for (size_t i = 0; i < C; i++) {
            const double h = 1e-5, at = v[i];
            double up, down;
            v[i] = at + h;
            up = norm_loss(v, w, b, dy + r * C, C);
            v[i] = at - h;
            down = norm_loss(v, w, b, dy + r * C, C);
            v[i] = at;
            near_to(dx[r * C + i], (up - down) / (2 * h), 200.0, 1.0, "LayerNorm's gradient");
        }
    }
    for (size_t i = 0; i < C; i++) {
        double gw = 0.0, gb = 0.0;
        for (size_t r = 0; r < R; r++) {
            gw += (double)dy[r * C + i] * ((double)x[r * C + i] - (double)m[r]) * (double)s[r];
            gb += (double)dy[r * C + i];
        }
        near_to(dw[i], gw, 40.0, 1.0, "gain");
        near_to(db[i], gb, 8.0, 1.0, "bias");
    }
}

static void test_norm(void **state)
{
    (void)state;
    each_level(check_norm);
}

enum { HIDDEN = 15, SIZE = 5, LONGEST = 34 }; /* three heads; the second one is tried */

/* Attention of one head in double; keep NULL or a mask with its scale. */
static void attend_double(double *out, const double *qkv, const rk_attention *a)
{
    const size_t n = a->n, d = a->size, s = a->stride;
    for (size_t i = 0; i < a->queries; i++) {
        const double *q = qkv + i * s + d;
        double p[64], max = -INFINITY, sum = 0.0;
        for (size_t j = 0; j < n; j++) {
            const double *k = qkv + j * s + HIDDEN + d;
            p[j] = 0.0;
            for (size_t c = 0; c < d; c++) p[j] += q[c] * k[c] * (double)a->scale;
            max = fmax(max, p[j]);
        }
        for (size_t j = 0; j < n; j++) sum += p[j] = exp(p[j] - max);
        for (size_t c = 0; c < d; c++) {
            out[i * d + c] = 0.0;
            for (size_t j = 0; j < n; j++) {
                const double keep = a->keep ? a->keep[i * n + j] * (double)a->keep_scale : 1.0;
                out[i * d + c] += p[j] / sum * keep * qkv[j * s + 2 * HIDDEN + d + c];
            }
        }
    }
}

static double attend_loss(const double *qkv, const rk_attention *a, const float *dout)
{
    double out[64 * 8], loss = 0.0;
    attend_double(out, qkv, a);
    for (size_t i = 0; i < a->queries * SIZE; i++)
        loss += out[i] * (double)dout[i / SIZE * HIDDEN + SIZE + i % SIZE];
    return loss;
}

static void check_attention_size(const rk_loops *t, size_t n, size_t queries, bool drop)
{
    enum { H = HIDDEN, D = SIZE, MOST = LONGEST };
    float qkv[MOST * 3 * H], out[MOST * H] = {0}, dout[MOST * H], dqkv[MOST * 3 * H] = {0};
    double exact[MOST * D], wide[MOST * 3 * H] = {0};
    uint8_t keep[MOST * MOST];
    float *scratch = malloc(rk_attention_scratch(n, D) * sizeof *scratch);
    rk_half_counts counts = {0};
    const rk_attention a = {.q = qkv + D,
                            .k = qkv + H + D,
                            .v = qkv + 2 * H + D,
                            .q_stride = 3 * H,
                            .stride = 3 * H,
                            .size = D,
                            .n = n,
                            .queries = queries,
                            .scale = 0.4472136f,
                            .keep = drop ? keep : NULL,
                            .keep_scale = 1.25f};
    assert_non_null(scratch);
    fill(qkv, n * 3 * H, 5, 1.5f);
    fill(dout, n * H, 6, 1.0f);
    t->dropout_mask(keep, 1, 2, 0, n * n, 13107);
    for (size_t i = 0; i < n * 3 * H; i++) wide[i] = (double)qkv[i];
    t->attention(out + D, H, &a, scratch, &counts);
    t->attention_back(dqkv + D, dqkv + H + D, dqkv + 2 * H + D, dout + D, H, &a, scratch);
    attend_double(exact, wide, &a);
    for (size_t i = 0; i < MOST * H; i++) /* nobody else's place is touched */
        if (i / H >= queries || i % H / D != 1) assert_true(out[i] == 0.0f);
    for (size_t i = 0; i < queries * D; i++)
        near_to(out[i / D * H + D + i % D], exact[i], 100.0, 1.0, "attention");
    for (size_t i = 0; i < n * 3 * H; i++) {
        const double h = 1e-5, at = wide[i];
        double up, down;
        wide[i] = at + h;
        up = attend_loss(wide, &a, dout);
        wide[i] = at - h;
        down = attend_loss(wide, &a, dout);
        wide[i] = at;
        near_to(dqkv[i], (up - down) / (2 * h), 400.0, 1.0, "attention's gradient");
    }
    free(scratch);
}

static void check_attention(const rk_loops *t)
{
    static const size_t lengths[] = {1, 2, 7, 15, 16, 17, 34};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        check_attention_size(t, lengths[i], lengths[i], false);
        check_attention_size(t, lengths[i], lengths[i], true);
        check_attention_size(t, lengths[i], 1, i % 2 == 0);
    }
}

static void test_attention(void **state)
{
    (void)state;
    each_level(check_attention);
}

/* Rounding and fake-quantisation: equal to the bit to base/dtype.h and quant/qparams.h. */
/* Against the formula in double; n eps sum |part| bounds a sum of n parts. */
static void check_scale_gradient(const rk_loops *t, const float *x, size_t n, rk_qparams q)
{
    static float dx[N];
    double want = 0.0, size = 0.0;
    fill(dx, n, 77, 1.0f);
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] / q.scale;
        const int code = rk_quantize_u8(x[i], q) - q.zero;
        const bool in = v >= -(float)q.zero - 0.5f && v <= 255.5f - (float)q.zero;
        const double part = (double)dx[i] * (double)q.scale * (code - (in ? (double)v : 0.0));
        if (!isfinite(part)) return; /* training has no such values */
        want += part;
        size += fabs(part);
    }
    assert_true(fabs(t->scale_gradient(dx, x, n, q.scale, q.zero) - want) <=
                (double)(n + 4) * 0x1p-23 * size + 1e-6 * size);
}

/* The codes, and beside them what fake-quantisation and to_bf16 make. */
static void check_codes(const rk_loops *t, const float *x, size_t n, rk_qparams q, float s)
{
    uint8_t codes[N], inside[N], fake_inside[N];
    int8_t weights[N];
    uint16_t half[N], want[N];
    float y[N];
    int32_t sum = -1, all = 0;

    t->fake_u8(y, fake_inside, x, n, q.scale, q.zero);
    t->to_bf16(want, y, n);
    assert_int_equal(t->codes_u8(codes, inside, half, x, n, q.scale, q.zero), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(codes[i], rk_quantize_u8(x[i], q));
        assert_int_equal(inside[i], fake_inside[i]);
        assert_int_equal(half[i], want[i]);
    }
    t->fake_s8(y, x, n, s);
    t->to_bf16(want, y, n);
    assert_int_equal(t->codes_s8(weights, half, &sum, x, n, s), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(weights[i], rk_quantize_s8(x[i], s));
        assert_int_equal(half[i], want[i]);
        all += weights[i];
    }
    assert_int_equal(sum, all);
}

static void check_rounding(const rk_loops *t)
{
    static const float hard[] = {
        0.0f,     -0.0f,   1.0f,        65504.0f,       65519.0f,       65520.0f, -1e9f, 6e-8f,
        2.98e-8f, 6.1e-5f, 6.09755e-5f, 1.00048828125f, 1.00146484375f, 0.5f,     2.5f,  3.5f};
    float x[N], y[N];
    uint8_t inside[N];
    uint16_t b[N];
    const rk_qparams q = rk_qparams_u8(-1.5f, 3.25f);
    const float s = 0.0173f;
    for (size_t k = 0; k < sizeof SIZES / sizeof SIZES[0]; k++) {
        const size_t n = SIZES[k];
        rk_half_counts counts = {0}, want = {0};
        fill(x, n, 10 + k, k % 2 ? 2.0f : 1e-5f);
        for (size_t i = 0; i < n && i < sizeof hard / sizeof hard[0]; i++) x[i] = hard[i];
        t->round_half(y, inside, x, n, &counts);
        for (size_t i = 0; i < n; i++) {
            const float c = fminf(fmaxf(x[i], -65504.0f), 65504.0f);
            const float want_y = rk_f16_to_f32(rk_f16_from_f32(c));
            assert_true(y[i] == want_y);
            assert_int_equal(inside[i], fabsf(x[i]) <= 65504.0f);
            want.clamped += fabsf(x[i]) > 65504.0f;
            want.subnormal += x[i] != 0.0f && fabsf(x[i]) < 0x1p-14f;
        }
        assert_int_equal(counts.clamped, want.clamped);
        assert_int_equal(counts.subnormal, want.subnormal);
        t->fake_u8(y, inside, x, n, q.scale, q.zero);
        for (size_t i = 0; i < n; i++) {
            assert_true(y[i] == (float)(rk_quantize_u8(x[i], q) - q.zero) * q.scale);
            if (x[i] > -1.4f && x[i] < 3.2f) assert_int_equal(inside[i], 1);
            if (x[i] < -1.6f || x[i] > 3.3f) assert_int_equal(inside[i], 0);
        }
        check_scale_gradient(t, x, n, q);
        t->fake_s8(y, x, n, s);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == (float)rk_quantize_s8(x[i], s) * s);
        t->to_bf16(b, x, n);
        for (size_t i = 0; i < n; i++) assert_int_equal(b[i], rk_bf16_from_f32(x[i]));
        check_codes(t, x, n, q, s);
    }
}

/* What training must never hide or invent (pytorch/pytorch #106780, #116992): infinities get the
 * end of their own side and no gradient, NaN stays NaN. Each value stands in every lane once. */
static void check_far(const rk_loops *t)
{
    static const float far[] = {INFINITY, -INFINITY, 1e38f, -1e38f, 3.4028235e38f, -3.4028235e38f,
                                NAN,      1e9f,      -1e9f, 0.5f,   -0.0f};
    enum { FAR = sizeof far / sizeof far[0], M = FAR * 16 + 5 };
    const rk_qparams q = rk_qparams_u8(-1.5f, 3.25f);
    const float s = 0.0173f;
    float x[M], y[M], g[M];
    uint8_t inside[M];

    for (size_t i = 0; i < M; i++) x[i] = far[i % FAR];
    t->fake_u8(y, inside, x, M, q.scale, q.zero);
    for (size_t i = 0; i < M; i++) {
        if (isnan(x[i])) assert_true(isnan(y[i]));
        else assert_true(y[i] == (float)(rk_quantize_u8(x[i], q) - q.zero) * q.scale);
        assert_int_equal(inside[i], fabsf(x[i]) <= 0.5f);
        g[i] = 1.0f;
    }
    t->mask(g, inside, M);
    for (size_t i = 0; i < M; i++) assert_true(g[i] == (fabsf(x[i]) <= 0.5f ? 1.0f : 0.0f));
    t->fake_s8(y, x, M, s);
    for (size_t i = 0; i < M; i++) {
        if (isnan(x[i])) assert_true(isnan(y[i]));
        else assert_true(y[i] == (float)rk_quantize_s8(x[i], s) * s);
    }
    for (size_t i = 0; i < M; i++) {
        uint8_t code, in;
        int8_t weight;
        uint16_t half;
        int32_t sum;
        assert_int_equal(t->codes_u8(&code, &in, &half, x + i, 1, q.scale, q.zero), isnan(x[i]));
        assert_int_equal(t->codes_s8(&weight, &half, &sum, x + i, 1, s), isnan(x[i]));
        if (!isnan(x[i])) assert_int_equal(code, rk_quantize_u8(x[i], q));
        if (!isnan(x[i])) assert_int_equal(weight, rk_quantize_s8(x[i], s));
    }
    t->round_half(y, inside, x, M, NULL);
    for (size_t i = 0; i < M; i++) {
        if (isnan(x[i])) assert_true(isnan(y[i]));
        else assert_true(y[i] == (fabsf(x[i]) > 0.5f ? copysignf(65504.0f, x[i]) : x[i]));
        assert_int_equal(inside[i], fabsf(x[i]) <= 0.5f);
    }
}

static void test_rounding(void **state)
{
    (void)state;
    each_level(check_rounding);
    each_level(check_far);
}

static void check_sums(const rk_loops *t)
{
    float x[N], sums[20] = {0}, lo = INFINITY, hi = -INFINITY;
    double squares = 0.0;
    fill(x, N, 30, 1.0f);
    for (size_t i = 0; i < N; i++) squares += (double)x[i] * (double)x[i];
    assert_true(fabs(t->square_sum(x, N) / squares - 1.0) < 1e-12);
    t->column_sums(sums, x, 50, 13, 20);
    for (size_t c = 0; c < 13; c++) {
        double want = 0.0;
        for (size_t r = 0; r < 50; r++) want += (double)x[r * 20 + c];
        near_to(sums[c], want, 60.0, 1.0, "column sum");
    }
    assert_true(sums[13] == 0.0f);
    t->min_max(&lo, &hi, x, N);
    for (size_t i = 0; i < N; i++) assert_true(x[i] >= lo && x[i] <= hi);
    assert_true(t->abs_max(x, N) == fmaxf(-lo, hi));
}

static void test_sums(void **state)
{
    (void)state;
    each_level(check_sums);
}

/* Masks are the same on every level, keep the wanted share, and do not depend on how they are cut.
 */
static void check_dropout(const rk_loops *t)
{
    static uint8_t a[80000], b[80000];
    uint32_t w[4];
    size_t kept = 0;
    t->dropout_mask(a, 9, 4, 100, 80000, 6554);
    rk_loops_level("base")->dropout_mask(b, 9, 4, 100, 80000, 6554);
    for (size_t i = 0; i < 80000; i++) {
        if (i % 8 == 0) rk_philox(w, 9, 4, 100 + i / 8);
        assert_int_equal(a[i], (w[i % 8 / 2] >> (i % 2 * 16) & 0xffff) >= 6554);
    }
    /* an odd length writes nothing behind it; block numbers pass 2^32 */
    b[203] = 77;
    t->dropout_mask(b, 9, 4, 0xfffffff0u, 203, 6554);
    assert_int_equal(b[203], 77);
    for (size_t i = 0; i < 203; i++) {
        if (i % 8 == 0) rk_philox(w, 9, 4, 0xfffffff0u + (uint64_t)(i / 8));
        assert_int_equal(b[i], (w[i % 8 / 2] >> (i % 2 * 16) & 0xffff) >= 6554);
    }
    rk_loops_level("base")->dropout_mask(b, 9, 4, 100, 80000, 6554);
    assert_memory_equal(a, b, sizeof a);
    t->dropout_mask(b + 800, 9, 4, 200, 79200, 6554);
    assert_memory_equal(a, b, sizeof a);
    for (size_t i = 0; i < sizeof a; i++) kept += a[i];
    /* binomial with p = 0.1: deviation 85, six of them */
    assert_true(fabs((double)kept - 80000.0 * (1.0 - 6554.0 / 65536.0)) < 510.0);
}

static void test_dropout(void **state)
{
    (void)state;
    each_level(check_dropout);
}

/* turn and pairs, within a larger matrix; what they do not write stays. */
static void check_layouts(const rk_loops *t)
{
    enum { ROWS = 40, COLS = 50, WIDE = 64 };
    static uint32_t in[ROWS * COLS + 1], out[WIDE * WIDE];
    const uint16_t *half = (const uint16_t *)(const void *)in;

    for (size_t i = 0; i < ROWS * COLS; i++) in[i] = (uint32_t)(i * 2654435761u) | 1u;
    for (size_t m = 1; m <= ROWS; m += 3)
        for (size_t n = 1; n <= COLS; n += 7) {
            const size_t up = (m + 15) / 16 * 16;
            memset(out, 0xee, sizeof out);
            t->turn(out, WIDE, in, COLS, m, n);
            for (size_t c = 0; c < WIDE; c++)
                for (size_t r = 0; r < WIDE; r++)
                    assert_int_equal(out[c * WIDE + r], c >= n || r >= up ? 0xeeeeeeeeu
                                                        : r < m ? in[r * COLS + c]
                                                                : 0u);
            memset(out, 0xee, sizeof out);
            t->pairs(out, WIDE, half, COLS, m, n);
            for (size_t r = 0; r < WIDE; r++)
                for (size_t c = 0; c < WIDE; c++) {
                    const uint32_t lo = half[2 * r * COLS + c < 2 * ROWS * COLS
                                                 ? 2 * r * COLS + c
                                                 : 0];
                    const uint32_t hi = 2 * r + 1 < m ? half[(2 * r + 1) * COLS + c] : 0u;
                    assert_int_equal(out[r * WIDE + c],
                                     2 * r >= m || c >= n ? 0xeeeeeeeeu : lo | hi << 16);
                }
        }
}

static void test_layouts(void **state)
{
    (void)state;
    each_level(check_layouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations), cmocka_unit_test(test_norm),
        cmocka_unit_test(test_attention),   cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_sums),        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_layouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
