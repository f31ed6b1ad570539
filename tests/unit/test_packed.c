/* links: base compute quant */
/* Products of inference: every level this processor has, against sums in double and against ref. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "compute/packed.h"
#include "quant/qparams.h"

enum { GUARD = 64, GUARD_BYTE = 0xA5 };

static rk_rng rng = { .seed = 7, .stream = 3 };

typedef struct problem {
    rk_dtype type;          /* of the weights */
    rk_form form;           /* of x */
    size_t rows, out, in;
    double *w, *x;          /* what the product is of: [out, in], [rows, in] */
    void *weights;          /* [out, in] in `type` */
    float *scale, *bias;
    rk_matrix input;
} problem;

static double value(rk_dtype type, void *at, size_t i, double v)
{
    switch (type) {
    case RK_DT_F32: ((float *)at)[i] = (float)v; return (float)v;
    case RK_DT_F16: ((uint16_t *)at)[i] = rk_f16_from_f32((float)v);
        return rk_f16_to_f32(((uint16_t *)at)[i]);
    case RK_DT_BF16: ((uint16_t *)at)[i] = rk_bf16_from_f32((float)v);
        return rk_bf16_to_f32(((uint16_t *)at)[i]);
    default: return 0;
    }
}

/* Weights of integer problems are whole numbers, x is code minus zero. */
static problem make(rk_dtype type, rk_form form, size_t rows, size_t out, size_t in)
{
    problem p = { .type = type, .form = form, .rows = rows, .out = out, .in = in };
    const rk_dtype x_type = form == RK_FORM_BF16 ? RK_DT_BF16 : RK_DT_F32;

    p.w = calloc(out * in, sizeof *p.w);
    p.x = calloc(rows * in, sizeof *p.x);
    p.weights = calloc(out * in, 4);
    p.bias = calloc(out, sizeof *p.bias);
    p.input.form = form;
    p.input.stride = rk_form_stride(form, in);
    p.input.data = calloc(rows * p.input.stride, rk_form_size(form));
    for (size_t n = 0; n < out; n++) p.bias[n] = rk_rng_normal(&rng);
    if (form == RK_FORM_U8) {
        p.scale = calloc(out, sizeof *p.scale);
        p.input.scale = 0.031f;
        p.input.zero = (uint8_t)rk_rng_below(&rng, 256);
        for (size_t n = 0; n < out; n++) p.scale[n] = 0.001f + 0.01f * (float)rk_rng_uniform(&rng);
        for (size_t i = 0; i < out * in; i++) {
            const int code = (int)rk_rng_below(&rng, 256) - 128;
            ((int8_t *)p.weights)[i] = (int8_t)code;
            p.w[i] = code;
        }
        for (size_t t = 0; t < rows; t++)
            for (size_t k = 0; k < in; k++) {
                const uint8_t code = (uint8_t)rk_rng_below(&rng, 256);
                ((uint8_t *)p.input.data)[t * p.input.stride + k] = code;
                p.x[t * in + k] = (double)code - p.input.zero;
            }
        return p;
    }
    for (size_t i = 0; i < out * in; i++) p.w[i] = value(type, p.weights, i, rk_rng_normal(&rng));
    if (form == RK_FORM_BF16)
        for (size_t i = 0; i < out * in; i++)
            p.w[i] = rk_bf16_to_f32(rk_bf16_from_f32((float)p.w[i]));
    for (size_t t = 0; t < rows; t++)
        for (size_t k = 0; k < in; k++)
            p.x[t * in + k] =
                value(x_type, p.input.data, t * p.input.stride + k, rk_rng_normal(&rng));
    return p;
}

static void drop(problem *p)
{
    free(p->w);
    free(p->x);
    free(p->weights);
    free(p->scale);
    free(p->bias);
    free(p->input.data);
}

static rk_weight weight_of(const problem *p)
{
    const rk_weight w = { .data = p->weights, .type = p->type, .out = p->out, .in = p->in,
                          .out_step = p->in, .in_step = 1, .scale = p->scale, .bias = p->bias };
    return w;
}

static rk_packed *pack(const problem *p, rk_level level)
{
    const rk_weight w = weight_of(p);
    rk_packed *out = NULL;
    rk_error err = { 0 };

    if (rk_packed_new(&out, &w, 1, &p->input, level, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(rk_packed_out(out), p->out);
    assert_int_equal(rk_packed_in(out), p->in);
    return out;
}

static void run(const rk_packed *w, const problem *p, const rk_epilogue *e, size_t threads)
{
    for (size_t t = 0; t < threads; t++) rk_packed_run(w, &p->input, p->rows, e, t, threads);
}

/* Floats with guard bytes on both sides. */
static float *guarded(size_t n)
{
    unsigned char *b = malloc(n * sizeof(float) + 2 * GUARD);
    memset(b, GUARD_BYTE, n * sizeof(float) + 2 * GUARD);
    return (float *)(void *)(b + GUARD);
}

static void check_guards(const float *y, size_t n)
{
    const unsigned char *b = (const unsigned char *)y;
    for (size_t i = 1; i <= GUARD; i++) {
        assert_int_equal(*(b - i), GUARD_BYTE);
        assert_int_equal(b[n * sizeof(float) + i - 1], GUARD_BYTE);
    }
}

static void drop_guarded(float *y)
{
    free((unsigned char *)y - GUARD);
}

/* Every value within the bound that packed.h states; exact sums for integers. */
static void check_values(const problem *p, const float *y)
{
    for (size_t t = 0; t < p->rows; t++) {
        for (size_t n = 0; n < p->out; n++) {
            double sum = 0, size = 0, want, bound;
            for (size_t k = 0; k < p->in; k++) {
                const double term = p->x[t * p->in + k] * p->w[n * p->in + k];
                sum += term;
                size += fabs(term);
            }
            if (p->form == RK_FORM_U8) {
                const float scale = p->input.scale * p->scale[n];
                want = fmaf((float)sum, scale, p->bias[n]);
                bound = 0;
            } else {
                const double unit = p->form == RK_FORM_BF16 ? 0x1p-22 : 0x1p-24;
                want = sum + p->bias[n];
                bound = unit * ((double)p->in + 2) * (size + fabs(p->bias[n])) + 1e-37;
            }
            if (!(fabs(y[t * p->out + n] - want) <= bound))
                fail_msg("%s x %d [%zu, %zu, %zu] at %zu, %zu: %.9g, want %.9g within %g",
                         rk_dtype_name(p->type), (int)p->form, p->rows, p->out, p->in, t, n,
                         (double)y[t * p->out + n], want, bound);
        }
    }
}

static bool exists(rk_form form, rk_level level)
{
    return form != RK_FORM_BF16 || level == RK_LEVEL_REF || rk_cpu_bf16(level);
}

static void check_problem(const problem *p, rk_level level)
{
    rk_packed *w = pack(p, level);
    float *y = guarded(p->rows * p->out), *z = guarded(p->rows * p->out);
    rk_epilogue e = { .y = { .data = y, .stride = p->out, .form = RK_FORM_F32 } };

    run(w, p, &e, 1);
    check_values(p, y);
    check_guards(y, p->rows * p->out);
    /* Any number of threads, and every row alone: the same bits. */
    e.y.data = z;
    for (size_t threads = 2; threads <= 7; threads += 5) {
        memset(z, 0, p->rows * p->out * sizeof *z);
        run(w, p, &e, threads);
        assert_memory_equal(y, z, p->rows * p->out * sizeof *z);
        check_guards(z, p->rows * p->out);
    }
    for (size_t t = 0; t < p->rows; t++) {
        rk_matrix x = p->input;
        x.data = (char *)x.data + t * x.stride * rk_form_size(x.form);
        rk_packed_run(w, &x, 1, &e, 0, 1);
        assert_memory_equal(z, y + t * p->out, p->out * sizeof *z);
    }
    drop_guarded(y);
    drop_guarded(z);
    rk_packed_free(w);
}

static void every_kind(size_t rows, size_t out, size_t in)
{
    static const struct {
        rk_dtype type;
        rk_form form;
    } kind[] = { { RK_DT_F32, RK_FORM_F32 }, { RK_DT_F16, RK_FORM_F32 }, { RK_DT_I8, RK_FORM_U8 },
                 { RK_DT_F32, RK_FORM_BF16 }, { RK_DT_F16, RK_FORM_BF16 } };

    for (size_t i = 0; i < sizeof kind / sizeof *kind; i++) {
        problem p = make(kind[i].type, kind[i].form, rows, out, in);
        for (int l = 0; l <= (int)rk_cpu_best(); l++)
            if (exists(p.form, (rk_level)l)) check_problem(&p, (rk_level)l);
        drop(&p);
    }
}

static void test_sizes(void **state)
{
    static const size_t rows[] = { 1, 2, 5, 6, 7, 13, 14, 16, 17, 31, 32, 33, 70 };
    static const size_t out[] = { 1, 3, 15, 16, 17, 31, 32, 33, 48, 65 };
    static const size_t in[] = { 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 130, 257 };

    (void)state;
    /* Each pair of neighbours of two of the three, the third running through its list. */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof out / sizeof *out; j++)
            every_kind(rows[i], out[j], in[(i + 3 * j) % (sizeof in / sizeof *in)]);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j += 3)
            every_kind(rows[j], out[(i + j) % (sizeof out / sizeof *out)], in[i]);
}

/* The largest sums that int32 must hold, and pair sums that saturate 16 bits. */
static void test_extremes(void **state)
{
    const int8_t ends[] = { -128, 127 };

    (void)state;
    for (size_t s = 0; s < 4; s++) {
        problem p = make(RK_DT_I8, RK_FORM_U8, 14, 33, s < 2 ? 512 : RK_PACKED_K_MAX);
        const int8_t code = ends[s % 2];
        p.input.zero = s % 2 ? 0 : 255;
        memset(p.weights, (uint8_t)code, p.out * p.in);
        memset(p.input.data, p.input.zero ? 0 : 255, p.rows * p.input.stride);
        for (size_t i = 0; i < p.out * p.in; i++) p.w[i] = code;
        for (size_t i = 0; i < p.rows * p.in; i++) p.x[i] = p.input.zero ? -255.0 : 255.0;
        for (int l = 0; l <= (int)rk_cpu_best(); l++) check_problem(&p, (rk_level)l);
        drop(&p);
    }
}

/* The pairs and quads that a saturating sum of 16 bits gets wrong, against whole numbers: codes of
 * 255 and 0, weights of -128 and 127, in every mixture of four neighbours. Scales are 1, sums below
 * 2^24, so a float is the sum itself. 255 * 127 * 2 and -255 * 128 * 2 leave 16 bits. */
static void test_saturation(void **state)
{
    enum { ROWS = 16, OUT = 16, DEPTH_MAX = 512 };
    static const size_t depths[] = { 1, 2, 3, 4, 5, 8, 31, 64, 65, 130, DEPTH_MAX };
    static const uint8_t zeros[] = { 0, 128, 255 };
    static float y[ROWS * OUT];

    (void)state;
    for (size_t d = 0; d < sizeof depths / sizeof *depths * sizeof zeros; d++) {
        problem p = make(RK_DT_I8, RK_FORM_U8, ROWS, OUT, depths[d / sizeof zeros]);
        const rk_epilogue e = { .y = { .data = y, .stride = OUT, .form = RK_FORM_F32 } };

        p.input.scale = 1;
        p.input.zero = zeros[d % sizeof zeros];
        /* Bit k of the number of a row or column says which of the two stands at k, k + 4, ... */
        for (size_t n = 0; n < OUT; n++) {
            p.scale[n] = 1;
            p.bias[n] = 0;
            for (size_t k = 0; k < p.in; k++)
                ((int8_t *)p.weights)[n * p.in + k] = n >> (k & 3) & 1 ? 127 : -128;
        }
        for (size_t t = 0; t < ROWS; t++)
            for (size_t k = 0; k < p.in; k++)
                ((uint8_t *)p.input.data)[t * p.input.stride + k] = t >> (k & 3) & 1 ? 0 : 255;
        for (int l = 0; l <= (int)rk_cpu_best(); l++) {
            rk_packed *w = pack(&p, (rk_level)l);
            run(w, &p, &e, 1);
            rk_packed_free(w);
            for (size_t t = 0; t < ROWS; t++)
                for (size_t n = 0; n < OUT; n++) {
                    int32_t sum = 0;
                    for (size_t k = 0; k < p.in; k++)
                        sum += ((t >> (k & 3) & 1 ? 0 : 255) - (int32_t)p.input.zero) *
                               (n >> (k & 3) & 1 ? 127 : -128);
                    if ((int32_t)y[t * OUT + n] != sum)
                        fail_msg("%s, depth %zu, zero %d, row %zu, column %zu: %d, not %d",
                                 rk_level_name((rk_level)l), p.in, p.input.zero, t, n,
                                 (int)y[t * OUT + n], sum);
                }
        }
        drop(&p);
    }
}

/* A stored transpose and a matrix in parts give the same bits. */
static void test_layouts(void **state)
{
    (void)state;
    for (int l = 0; l <= (int)rk_cpu_best(); l++) {
        problem p = make(RK_DT_I8, RK_FORM_U8, 9, 50, 37);
        int8_t turned[50 * 37];
        float y[9 * 50], z[9 * 50];
        rk_epilogue e = { .y = { .data = y, .stride = 50, .form = RK_FORM_F32 } };
        rk_weight w = weight_of(&p), part[3] = { w, w, w };
        rk_packed *a = pack(&p, (rk_level)l), *b = NULL;

        run(a, &p, &e, 1);
        rk_packed_free(a);
        for (size_t n = 0; n < 50; n++)
            for (size_t k = 0; k < 37; k++) turned[k * 50 + n] = ((int8_t *)p.weights)[n * 37 + k];
        w.data = turned;
        w.out_step = 1;
        w.in_step = 50;
        assert_int_equal(rk_packed_new(&b, &w, 1, &p.input, (rk_level)l, NULL, NULL), RK_OK);
        e.y.data = z;
        run(b, &p, &e, 2);
        rk_packed_free(b);
        assert_memory_equal(y, z, sizeof y);

        part[0].out = 20;
        part[1].out = 1;
        part[1].data = (int8_t *)p.weights + 20 * 37;
        part[1].bias = p.bias + 20;
        part[1].scale = p.scale + 20;
        part[2].out = 29;
        part[2].data = (int8_t *)p.weights + 21 * 37;
        part[2].bias = p.bias + 21;
        part[2].scale = p.scale + 21;
        assert_int_equal(rk_packed_new(&b, part, 3, &p.input, (rk_level)l, NULL, NULL), RK_OK);
        memset(z, 0, sizeof z);
        run(b, &p, &e, 3);
        rk_packed_free(b);
        assert_memory_equal(y, z, sizeof y);
        drop(&p);
    }
}

static double act(rk_packed_act a, double x)
{
    const double y = sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    if (a == RK_PACKED_GELU) return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    if (a == RK_PACKED_GELU_TANH) return 0.5 * x * (1 + tanh(y));
    return a == RK_PACKED_RELU ? fmax(x, 0) : x;
}

/* Activations, residual in place, and the forms of the output: from exact products, so that all
 * levels agree to the bit. */
static void test_epilogue(void **state)
{
    enum { ROWS = 15, OUT = 37, STRIDE = 64 };
    problem p = make(RK_DT_I8, RK_FORM_U8, ROWS, OUT, 12);

    (void)state;
    for (int a = RK_PACKED_LINEAR; a <= RK_PACKED_RELU; a++) {
        float plain[ROWS * OUT], first[ROWS * OUT], y[ROWS * OUT], add[ROWS * OUT];
        uint8_t codes[ROWS * STRIDE];
        uint16_t halves[ROWS * STRIDE];
        for (size_t i = 0; i < ROWS * OUT; i++) add[i] = rk_rng_normal(&rng);
        for (int l = 0; l <= (int)rk_cpu_best(); l++) {
            rk_packed *w = pack(&p, (rk_level)l);
            const rk_qparams q = rk_qparams_u8(-3.0f, 4.0f);
            rk_epilogue e = { .y = { .data = plain, .stride = OUT, .form = RK_FORM_F32 } };
            run(w, &p, &e, 1);
            memcpy(y, add, sizeof y);
            e.act = (rk_packed_act)a;
            e.add = y;
            e.add_stride = OUT;
            e.y.data = y;
            run(w, &p, &e, 2);
            if (l == 0) memcpy(first, y, sizeof y);
            assert_memory_equal(first, y, sizeof y);
            for (size_t i = 0; i < ROWS * OUT; i++) {
                const double want = act(e.act, plain[i]) + add[i];
                assert_true(fabs(y[i] - want) <= 4e-7 + 3e-7 * (fabs(want) + fabs(plain[i])));
            }
            e.add = NULL;
            e.y = (rk_matrix){ .data = codes, .stride = STRIDE, .form = RK_FORM_U8,
                               .scale = q.scale, .zero = q.zero };
            run(w, &p, &e, 1);
            e.y = (rk_matrix){ .data = halves, .stride = STRIDE, .form = RK_FORM_BF16 };
            run(w, &p, &e, 1);
            e.y = (rk_matrix){ .data = y, .stride = OUT, .form = RK_FORM_F32 };
            run(w, &p, &e, 1);
            for (size_t t = 0; t < ROWS; t++)
                for (size_t n = 0; n < OUT; n++) {
                    assert_int_equal(codes[t * STRIDE + n], rk_quantize_u8(y[t * OUT + n], q));
                    assert_int_equal(halves[t * STRIDE + n], rk_bf16_from_f32(y[t * OUT + n]));
                }
            rk_packed_free(w);
        }
    }
    drop(&p);
}

static void test_refusals(void **state)
{
    problem p = make(RK_DT_I8, RK_FORM_U8, 1, 4, 4);
    rk_weight w = weight_of(&p);
    rk_packed *out = NULL;
    rk_error err;

    (void)state;
    w.scale = NULL;
    assert_int_equal(rk_packed_new(&out, &w, 1, &p.input, RK_LEVEL_REF, NULL, &err), RK_E_ARG);
    w = weight_of(&p);
    w.in = RK_PACKED_K_MAX + 1;
    assert_int_equal(rk_packed_new(&out, &w, 1, &p.input, RK_LEVEL_REF, NULL, &err), RK_E_ARG);
    w = weight_of(&p);
    p.input.form = RK_FORM_F32;
    assert_int_equal(rk_packed_new(&out, &w, 1, &p.input, RK_LEVEL_REF, NULL, &err), RK_E_ARG);
    assert_null(out);
    p.input.form = RK_FORM_U8;
    for (size_t nth = 0; nth < 4; nth++) {
        rk_mem_fail_at(nth, false);
        assert_int_equal(rk_packed_new(&out, &w, 1, &p.input, RK_LEVEL_REF, NULL, &err),
                         RK_E_MEMORY);
    }
    rk_mem_fail_at(SIZE_MAX, false);
    drop(&p);
}

static void test_limit(void **state)
{
    rk_error err;

    (void)state;
    assert_int_equal(rk_cpu_limit("ref", &err), RK_OK);
    assert_int_equal(rk_cpu_level(), RK_LEVEL_REF);
    assert_int_equal(rk_cpu_limit("sse", &err), RK_E_ARG);
    assert_int_equal(rk_cpu_level(), RK_LEVEL_REF);
    assert_int_equal(rk_cpu_limit(NULL, &err), RK_OK);
    assert_int_equal(rk_cpu_level(), rk_cpu_best());
    if (rk_cpu_best() < RK_LEVEL_AMX)
        assert_int_equal(rk_cpu_limit("amx", &err), RK_E_UNSUPPORTED);
    print_message("levels up to %s, bf16 %s\n", rk_level_name(rk_cpu_best()),
                  rk_cpu_bf16(rk_cpu_best()) ? "yes" : "no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),    cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_layouts),  cmocka_unit_test(test_epilogue),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
