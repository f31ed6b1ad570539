/* links: base compute quant */
/* Kernels of inference between the products: every level gives the bits of ref, and ref is right.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "compute/infer_kernels.h"
#include "quant/qparams.h"

enum { GUARD = 16 };

static rk_rng rng = { .seed = 11, .stream = 5 };
static const float GUARD_VALUE = 12345.0f;

static void fill(float *x, size_t n, float size)
{
    for (size_t i = 0; i < n; i++) x[i] = size * rk_rng_normal(&rng);
}

static void guard(float *x, size_t n)
{
    for (size_t i = 0; i < GUARD; i++) x[n + i] = GUARD_VALUE;
}

static void check_guard(const float *x, size_t n)
{
    for (size_t i = 0; i < GUARD; i++) assert_true(x[n + i] == GUARD_VALUE);
}

static rk_level levels(void)
{
    return rk_cpu_best() < RK_LEVEL_AVX512 ? rk_cpu_best() : RK_LEVEL_AVX512;
}

static void test_layernorm(void **state)
{
    static const size_t widths[] = { 1, 2, 15, 16, 17, 31, 33, 60, 384, 768 };

    (void)state;
    for (size_t s = 0; s < sizeof widths / sizeof *widths; s++) {
        const size_t n = widths[s];
        float x[800], w[800], b[800], first[800], y[800 + GUARD];
        uint8_t codes[832];
        const rk_qparams q = rk_qparams_u8(-2.0f, 3.0f);
        const rk_matrix other = { .data = codes, .stride = 832, .form = RK_FORM_U8,
                                  .scale = q.scale, .zero = q.zero };
        double mean = 0, variance = 0;

        fill(x, n, 3.0f);
        fill(w, n, 1.0f);
        fill(b, n, 1.0f);
        for (size_t i = 0; i < n; i++) mean += (double)x[i] / (double)n;
        for (size_t i = 0; i < n; i++) variance += pow(x[i] - mean, 2) / (double)n;
        for (int l = 0; l <= (int)levels(); l++) {
            memcpy(y, x, n * sizeof *x);
            guard(y, n);
            rk_infer_kernels_for((rk_level)l)->layernorm(y, &other, 0, y, w, b, n, 1e-12f);
            check_guard(y, n);
            if (l == 0) memcpy(first, y, n * sizeof *y);
            assert_memory_equal(first, y, n * sizeof *y);
            for (size_t i = 0; i < n; i++) {
                const double want = (x[i] - mean) / sqrt(variance + 1e-12) * w[i] + b[i];
                /* a lone value has variance 0: its own rounding error is scaled by 1e6 */
                if (n > 1) assert_true(fabs(y[i] - want) <= 1e-5 * (fabs(want) + 1));
                assert_int_equal(codes[i], rk_quantize_u8(y[i], q));
            }
        }
    }
}

/* Ties, the neighbours of ties, the ends of the range, and what is no number. */
static void test_quantise(void **state)
{
    enum { N = 4096 };
    static float x[N];
    static uint8_t codes[N];

    (void)state;
    for (size_t round = 0; round < 40; round++) {
        const rk_qparams q = rk_qparams_u8(-(float)rk_rng_uniform(&rng) * 4, 0.01f + (float)round);
        const rk_matrix y = { .data = codes, .stride = N, .form = RK_FORM_U8, .scale = q.scale,
                              .zero = q.zero };
        for (size_t i = 0; i < N; i++) {
            const float tie = ((float)rk_rng_below(&rng, 600) - 300.5f) * q.scale;
            const uint64_t kind = rk_rng_below(&rng, 4);
            x[i] = kind == 0   ? tie
                   : kind == 1 ? nextafterf(tie, rk_rng_below(&rng, 2) ? INFINITY : -INFINITY)
                               : 200 * q.scale * rk_rng_normal(&rng);
        }
        x[3] = NAN;
        x[20] = INFINITY;
        x[37] = -INFINITY;
        x[54] = FLT_MAX;
        x[71] = -FLT_MAX;
        x[88] = -0.0f;
        x[105] = FLT_TRUE_MIN;
        for (int l = 0; l <= (int)levels(); l++) {
            const size_t n = N - round;
            memset(codes, 0xA5, N);
            rk_infer_kernels_for((rk_level)l)->put(&y, 0, x, n);
            for (size_t i = 0; i < n; i++)
                if (codes[i] != rk_quantize_u8(x[i], q))
                    fail_msg("%s: %.9g / %.9g: %d, want %d", rk_level_name((rk_level)l),
                             (double)x[i], (double)q.scale, codes[i], rk_quantize_u8(x[i], q));
            for (size_t i = n; i < N; i++) assert_int_equal(codes[i], 0xA5);
        }
    }
}

static void test_embed(void **state)
{
    enum { ROWS = 5, WIDTH = 37 };
    float f[ROWS * WIDTH], type[WIDTH], scale[ROWS], first[WIDTH], y[WIDTH + GUARD];
    uint16_t h[ROWS * WIDTH], b[ROWS * WIDTH];
    int8_t c[ROWS * WIDTH];
    const rk_table table[] = {
        { .data = f, .type = RK_DT_F32, .rows = ROWS, .width = WIDTH },
        { .data = h, .type = RK_DT_F16, .rows = ROWS, .width = WIDTH },
        { .data = b, .type = RK_DT_BF16, .rows = ROWS, .width = WIDTH },
        { .data = c, .type = RK_DT_I8, .rows = ROWS, .width = WIDTH, .scale = scale },
    };

    (void)state;
    fill(f, ROWS * WIDTH, 1.0f);
    fill(type, WIDTH, 1.0f);
    fill(scale, ROWS, 1.0f);
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        h[i] = rk_f16_from_f32(f[i]);
        b[i] = rk_bf16_from_f32(f[i]);
        c[i] = (int8_t)((int)rk_rng_below(&rng, 255) - 127);
    }
    for (size_t k = 0; k < 4; k++)
        for (int l = 0; l <= (int)levels(); l++) {
            guard(y, WIDTH);
            rk_infer_kernels_for((rk_level)l)->embed(y, &table[k], 4, type, &table[3 - k], 2);
            check_guard(y, WIDTH);
            if (l == 0) memcpy(first, y, sizeof first);
            assert_memory_equal(first, y, sizeof first);
            for (size_t i = 0; i < WIDTH; i++) {
                const float at[4][2] = {
                    { f[4 * WIDTH + i], f[2 * WIDTH + i] },
                    { rk_f16_to_f32(h[4 * WIDTH + i]), rk_f16_to_f32(h[2 * WIDTH + i]) },
                    { rk_bf16_to_f32(b[4 * WIDTH + i]), rk_bf16_to_f32(b[2 * WIDTH + i]) },
                    { (float)c[4 * WIDTH + i] * scale[4], (float)c[2 * WIDTH + i] * scale[2] },
                };
                assert_true(y[i] == (at[k][0] + type[i]) + at[3 - k][1]);
            }
        }
}

/* softmax(q k^T / sqrt d) v in double. */
static void plain_attention(double *y, const rk_infer_attention *a, size_t head)
{
    const size_t d = a->head_size, at = head * d;
    double *p = calloc(a->length, sizeof *p);

    for (size_t i = 0; i < a->queries; i++) {
        double top = -INFINITY, sum = 0;
        for (size_t j = 0; j < a->length; j++) {
            p[j] = 0;
            for (size_t c = 0; c < d; c++)
                p[j] += (double)a->q[i * a->q_stride + at + c] * a->k[j * a->kv_stride + at + c];
            p[j] *= a->scale;
            top = fmax(top, p[j]);
        }
        for (size_t j = 0; j < a->length; j++) sum += p[j] = exp(p[j] - top);
        for (size_t c = 0; c < d; c++) {
            y[i * d + c] = 0;
            for (size_t j = 0; j < a->length; j++)
                y[i * d + c] += p[j] / sum * a->v[j * a->kv_stride + at + c];
        }
    }
    free(p);
}

static void check_attention(size_t length, size_t queries, size_t heads, size_t d, float size)
{
    const size_t width = heads * d, n = length * 3 * width;
    const size_t room = rk_infer_attention_floats(length, d);
    float *qkv = malloc((n + GUARD) * sizeof *qkv), *first = malloc(length * width * sizeof *first);
    float *y = malloc((queries * width + GUARD) * sizeof *y);
    float *scratch = malloc((room + GUARD) * sizeof *scratch);
    double *want = malloc(queries * d * sizeof *want);
    const rk_matrix out = { .data = y, .stride = width, .form = RK_FORM_F32 };
    const rk_infer_attention a = {
        .q = qkv, .k = qkv + width, .v = qkv + 2 * width, .q_stride = 3 * width,
        .kv_stride = 3 * width, .q_step = d, .kv_step = d,
        .queries = queries, .length = length, .head_size = d,
        .scale = 1.0f / sqrtf((float)d), .y = &out, .scratch = scratch,
    };

    fill(qkv, n, size);
    for (int l = 0; l <= (int)levels(); l++) {
        guard(y, queries * width);
        guard(scratch, room);
        for (size_t h = 0; h < heads; h++) rk_infer_kernels_for((rk_level)l)->attention(&a, h);
        check_guard(y, queries * width);
        check_guard(scratch, room);
        if (l == 0) memcpy(first, y, queries * width * sizeof *y);
        assert_memory_equal(first, y, queries * width * sizeof *y);
    }
    for (size_t h = 0; h < heads; h++) {
        plain_attention(want, &a, h);
        for (size_t i = 0; i < queries; i++)
            for (size_t c = 0; c < d; c++) {
                const double off = fabs(y[i * width + h * d + c] - want[i * d + c]);
                /* a score's error moves its probability by as much of itself */
                if (!(off <= 1e-5 * size * (1 + size * size)))
                    fail_msg("length %zu, d %zu: off by %g", length, d, off);
            }
    }
    free(qkv);
    free(first);
    free(y);
    free(scratch);
    free(want);
}

static void test_attention(void **state)
{
    static const size_t lengths[] = { 1, 2, 3, 4, 5, 15, 16, 17, 33, 65, 130 };
    static const size_t sizes[] = { 1, 4, 15, 16, 20, 32, 63, 64, 65, 80 };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            check_attention(lengths[i], lengths[i], 1 + (i + j) % 3, sizes[j], 1.0f);
            check_attention(lengths[i], 1, 2, sizes[j], 1.0f);
        }
    check_attention(512, 3, 1, 64, 1.0f);
    check_attention(40, 40, 2, 32, 4.0f);    /* sharp: scores of some tens */
}

/* GELU far out and at what is no number: through a product with an identity matrix of one. */
static void test_far(void **state)
{
    static const float far[] = { -1e30f, -100.0f, -5.6f, -0.0f, 0.0f, 5.6f, 100.0f, 1e30f };
    const float one = 1.0f;
    const rk_weight w = { .data = &one, .type = RK_DT_F32, .out = 1, .in = 1, .out_step = 1,
                          .in_step = 1 };
    float x[16] = { 0 }, y;
    const rk_matrix in = { .data = x, .stride = 16, .form = RK_FORM_F32 };

    (void)state;
    for (int l = 0; l <= (int)rk_cpu_best(); l++) {
        rk_packed *p = NULL;
        rk_epilogue e = { .act = RK_PACKED_GELU, .y = { .data = &y, .stride = 1 } };
        assert_int_equal(rk_packed_new(&p, &w, 1, &in, (rk_level)l, NULL, NULL), RK_OK);
        for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
            x[0] = far[i];
            rk_packed_run(p, &in, 1, &e, 0, 1);
            assert_true(y == (far[i] > 0 ? far[i] : 0.0f));
        }
        for (int a = RK_PACKED_LINEAR; a <= RK_PACKED_RELU; a++) {
            e.act = (rk_packed_act)a;
            x[0] = NAN;
            rk_packed_run(p, &in, 1, &e, 0, 1);
            assert_true(isnan(y));
        }
        rk_packed_free(p);
    }
}

/* Within the bound that vmath.h states, the same bits at every level; the edges of the pieces are
 * among the points. */
static void test_gelu(void **state)
{
    enum { PIECE = 4096, STEPS = 9 * PIECE };

    (void)state;
    for (int from = -STEPS; from < STEPS; from += 16) {
        float x[16], first[16], y[16];
        for (int i = 0; i < 16; i++) x[i] = (float)(from + i) * (5.5f / 7 / PIECE);
        for (int l = 0; l <= (int)rk_cpu_best(); l++) {
            memcpy(y, x, sizeof y);
            rk_infer_kernels_for((rk_level)l)->activate(y, 16, RK_PACKED_GELU);
            if (l == 0) memcpy(first, y, sizeof y);
            assert_memory_equal(first, y, sizeof y);
        }
        for (int i = 0; i < 16; i++) {
            const double want = 0.5 * (double)x[i] * (1 + erf((double)x[i] / sqrt(2.0)));
            assert_true(fabs((double)y[i] - want) <= 3.8e-7);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layernorm), cmocka_unit_test(test_quantise),
        cmocka_unit_test(test_embed),     cmocka_unit_test(test_attention),
        cmocka_unit_test(test_far),       cmocka_unit_test(test_gelu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
