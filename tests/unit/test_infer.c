/* links: base compute quant text file onnx encoder */
/* The engine against a plain forward pass in double: random shapes, three kinds of weights, every
 * level; alone, in a batch, and on any number of threads; and what it refuses. */
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "encoder/engine.h"
#include "quant/qparams.h"

enum { ROWS_MAX = 64, BLOCKS = 4096 };

static rk_rng rng = { .seed = 3, .stream = 9 };

/* A random model, as the engine is told of it and as the plain forward reads it. */
typedef struct model {
    rk_bert_config c;
    rk_dtype type;
    rk_source s;
    void *block[BLOCKS];
    size_t blocks;
} model;

static void *room(model *m, size_t count, size_t size)
{
    assert_true(m->blocks < BLOCKS);
    return m->block[m->blocks++] = calloc(count, size);
}

static float *normal(model *m, size_t n, float mean, float size)
{
    float *x = room(m, n, sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = mean + size * rk_rng_normal(&rng);
    return x;
}

/* [rows, cols] in the model's type; *scale set where it is codes. */
static const void *weights(model *m, const float **scale, size_t rows, size_t cols, float size)
{
    const float *x = normal(m, rows * cols, 0, size);
    uint16_t *half;
    int8_t *codes;
    float *scales;

    *scale = NULL;
    if (m->type == RK_DT_F32) return x;
    if (m->type == RK_DT_F16) {
        half = room(m, rows * cols, sizeof *half);
        for (size_t i = 0; i < rows * cols; i++) half[i] = rk_f16_from_f32(x[i]);
        return half;
    }
    codes = room(m, rows * cols, 1);
    scales = room(m, rows, sizeof *scales);
    rk_quantize_rows_s8(codes, scales, x, rows, cols);
    *scale = scales;
    return codes;
}

static rk_source_linear linear(model *m, size_t out, size_t in, rk_qparams q)
{
    rk_source_linear l = { .input = { .form = RK_FORM_F32 } };

    l.w = (rk_weight){ .type = m->type, .out = out, .in = in, .out_step = in, .in_step = 1,
                       .bias = normal(m, out, 0, 0.1f) };
    l.w.data = weights(m, &l.w.scale, out, in, 0.8f / sqrtf((float)in));
    if (m->type == RK_DT_I8)
        l.input = (rk_matrix){ .form = RK_FORM_U8, .scale = q.scale, .zero = q.zero };
    return l;
}

static rk_table table(model *m, size_t rows)
{
    rk_table t = { .type = m->type, .rows = rows, .width = m->c.hidden };
    t.data = weights(m, &t.scale, rows, m->c.hidden, 0.5f);
    return t;
}

static size_t below(size_t n)
{
    return (size_t)rk_rng_below(&rng, n);
}

static void make(model *m, rk_dtype type, size_t heads, size_t head, size_t inner, size_t layers,
                 size_t positions)
{
    rk_source_layer *l;
    static char *names[] = { "a", "b", "c", "d", "e", "f", "g" };
    const rk_qparams wide = rk_qparams_u8(-4, 4), mid = rk_qparams_u8(-2, 2),
                     act = rk_qparams_u8(-0.2f, 3);

    memset(m, 0, sizeof *m);
    m->type = type;
    m->c = (rk_bert_config){ .layers = layers, .hidden = heads * head, .heads = heads,
                             .inner = inner, .vocab = 1 + below(60), .positions = positions,
                             .types = 2, .eps = 1e-12f, .act = (rk_activation)below(3) };
    m->c.labels.count = 2 + below(6);
    m->c.labels.name = names;
    l = room(m, layers, sizeof *l);
    for (size_t i = 0; i < layers; i++) {
        const size_t h = m->c.hidden;
        l[i].q = linear(m, h, h, wide);
        l[i].k = linear(m, h, h, wide);
        l[i].v = linear(m, h, h, wide);
        l[i].attn = linear(m, h, h, mid);
        l[i].inter = linear(m, inner, h, wide);
        l[i].out = linear(m, h, inner, act);
        l[i].ln1_w = normal(m, h, 1, 0.1f);
        l[i].ln1_b = normal(m, h, 0, 0.1f);
        l[i].ln2_w = normal(m, h, 1, 0.1f);
        l[i].ln2_b = normal(m, h, 0, 0.1f);
    }
    m->s = (rk_source){ .path = "test", .config = &m->c, .layer = l };
    m->s.word = table(m, m->c.vocab);
    m->s.position = table(m, positions);
    m->s.type = table(m, 2);
    m->s.emb_ln_w = normal(m, m->c.hidden, 1, 0.1f);
    m->s.emb_ln_b = normal(m, m->c.hidden, 0, 0.1f);
    m->s.pooler = linear(m, m->c.hidden, m->c.hidden, wide);
    m->s.classifier = linear(m, m->c.labels.count, m->c.hidden, rk_qparams_u8(-1, 1));
}

static void drop(model *m)
{
    for (size_t i = 0; i < m->blocks; i++) free(m->block[i]);
}

/* ---- the plain forward pass, in double ---- */

static double at(rk_dtype type, const void *data, const float *scale, size_t row, size_t cols,
                 size_t col)
{
    const size_t i = row * cols + col;
    if (type == RK_DT_F32) return ((const float *)data)[i];
    if (type == RK_DT_F16) return rk_f16_to_f32(((const uint16_t *)data)[i]);
    return (double)((const int8_t *)data)[i] * scale[row];
}

static void plain_linear(double *y, const rk_source_linear *l, const double *x, size_t rows)
{
    const size_t in = l->w.in, out = l->w.out;
    double *q = malloc(in * sizeof *q);

    for (size_t t = 0; t < rows; t++) {
        for (size_t k = 0; k < in; k++) {
            const rk_qparams p = { l->input.scale, l->input.zero };
            q[k] = x[t * in + k];
            if (l->input.form == RK_FORM_U8)
                q[k] = ((double)rk_quantize_u8((float)q[k], p) - p.zero) * p.scale;
        }
        for (size_t n = 0; n < out; n++) {
            double sum = 0;
            for (size_t k = 0; k < in; k++)
                sum += q[k] * at(l->w.type, l->w.data, l->w.scale, n, in, k);
            y[t * out + n] = sum + l->w.bias[n];
        }
    }
    free(q);
}

static void plain_norm(double *x, const float *w, const float *b, size_t rows, size_t width)
{
    for (size_t t = 0; t < rows; t++, x += width) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < width; i++) mean += x[i] / (double)width;
        for (size_t i = 0; i < width; i++) variance += pow(x[i] - mean, 2) / (double)width;
        for (size_t i = 0; i < width; i++)
            x[i] = (x[i] - mean) / sqrt(variance + 1e-12) * w[i] + b[i];
    }
}

static double plain_act(rk_activation a, double x)
{
    const double y = sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
    if (a == RK_ACT_GELU) return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    if (a == RK_ACT_GELU_TANH) return 0.5 * x * (1 + tanh(y));
    return x > 0 ? x : 0;
}

static void plain_attention(double *y, const double *q, const double *k, const double *v,
                            size_t length, size_t heads, size_t head)
{
    const size_t h = heads * head;
    double *p = malloc(length * sizeof *p);

    for (size_t i = 0; i < length; i++)
        for (size_t a = 0; a < heads; a++) {
            double sum = 0, top = -INFINITY;
            for (size_t j = 0; j < length; j++) {
                p[j] = 0;
                for (size_t c = 0; c < head; c++)
                    p[j] += q[i * h + a * head + c] * k[j * h + a * head + c];
                p[j] /= sqrt((double)head);
                top = fmax(top, p[j]);
            }
            for (size_t j = 0; j < length; j++) sum += p[j] = exp(p[j] - top);
            for (size_t c = 0; c < head; c++) {
                y[i * h + a * head + c] = 0;
                for (size_t j = 0; j < length; j++)
                    y[i * h + a * head + c] += p[j] / sum * v[j * h + a * head + c];
            }
        }
    free(p);
}

static void plain_row(double *logits, const model *m, const int32_t *ids, size_t n)
{
    const size_t h = m->c.hidden, inner = m->c.inner;
    double *x = malloc(n * h * sizeof *x), *a = malloc(n * h * sizeof *a);
    double *b[3], *u = malloc(n * inner * sizeof *u), pooled[512];
    const rk_table *w = &m->s.word, *p = &m->s.position, *t = &m->s.type;

    for (size_t i = 0; i < 3; i++) b[i] = malloc(n * h * sizeof **b);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < h; c++)
            x[i * h + c] = at(w->type, w->data, w->scale, (size_t)ids[i], h, c) +
                           at(t->type, t->data, t->scale, 0, h, c) +
                           at(p->type, p->data, p->scale, i, h, c);
    plain_norm(x, m->s.emb_ln_w, m->s.emb_ln_b, n, h);
    for (size_t i = 0; i < m->c.layers; i++) {
        const rk_source_layer *l = &m->s.layer[i];
        plain_linear(b[0], &l->q, x, n);
        plain_linear(b[1], &l->k, x, n);
        plain_linear(b[2], &l->v, x, n);
        plain_attention(a, b[0], b[1], b[2], n, m->c.heads, h / m->c.heads);
        plain_linear(b[0], &l->attn, a, n);
        for (size_t k = 0; k < n * h; k++) x[k] += b[0][k];
        plain_norm(x, l->ln1_w, l->ln1_b, n, h);
        plain_linear(u, &l->inter, x, n);
        for (size_t k = 0; k < n * inner; k++) u[k] = plain_act(m->c.act, u[k]);
        plain_linear(b[0], &l->out, u, n);
        for (size_t k = 0; k < n * h; k++) x[k] += b[0][k];
        plain_norm(x, l->ln2_w, l->ln2_b, n, h);
    }
    plain_linear(pooled, &m->s.pooler, x, 1);
    for (size_t k = 0; k < h; k++) pooled[k] = tanh(pooled[k]);
    plain_linear(logits, &m->s.classifier, pooled, 1);
    for (size_t i = 0; i < 3; i++) free(b[i]);
    free(x);
    free(a);
    free(u);
}

/* ---- checks ---- */

static rk_engine *build(const model *m, rk_level level)
{
    rk_engine *e = NULL;
    rk_error err = { 0 };

    assert_int_equal(rk_cpu_limit(rk_level_name(level), NULL), RK_OK);
    if (rk_engine_build(&e, &m->s, RK_COMPUTE_AUTO, &err) != RK_OK) fail_msg("%s", err.message);
    rk_cpu_limit(NULL, NULL);
    return e;
}

typedef struct rows {
    int32_t ids[ROWS_MAX * 64];
    size_t starts[ROWS_MAX + 1], count;
} rows;

static void random_rows(rows *r, const model *m, size_t count)
{
    const size_t longest = m->c.positions < 64 ? m->c.positions : 64;
    r->count = count;
    r->starts[0] = below(3);    /* need not be 0 */
    for (size_t i = 0; i < count; i++) r->starts[i + 1] = r->starts[i] + 1 + below(longest);
    for (size_t i = 0; i < r->starts[count]; i++) r->ids[i] = (int32_t)below(m->c.vocab);
}

static void run(rk_engine *e, const rows *r, size_t first, size_t count, float *logits)
{
    rk_error err = { 0 };
    if (rk_engine_run(e, r->ids, r->starts + first, count, logits, &err) != RK_OK)
        fail_msg("%s", err.message);
}

/* Float: within 1e-4 of the largest logit. INT8: the same, but where a value falls on the other
 * side of a rounding edge than in double: then one code of one input differs, and what follows.
 * Such models are counted, not excused row by row. */
static bool check_model(const model *m, const rows *r)
{
    const size_t labels = m->c.labels.count;
    const rk_level top = rk_cpu_best();
    float first[ROWS_MAX * 8], y[ROWS_MAX * 8];
    double want[ROWS_MAX * 8], size = 0, off = 0;
    const int threads = omp_get_max_threads();

    for (size_t i = 0; i < r->count; i++)
        plain_row(want + i * labels, m, r->ids + r->starts[i], r->starts[i + 1] - r->starts[i]);
    for (size_t i = 0; i < r->count * labels; i++) size = fmax(size, fabs(want[i]));
    for (int l = 0; l <= (int)top; l++) {
        rk_engine *e = build(m, (rk_level)l);
        assert_string_equal(rk_engine_precision(e), m->type == RK_DT_I8    ? "int8"
                                                    : m->type == RK_DT_F16 ? "fp16"
                                                                           : "fp32");
        run(e, r, 0, r->count, y);
        if (l == 0 || m->type != RK_DT_I8) memcpy(first, y, r->count * labels * sizeof *y);
        assert_memory_equal(first, y, r->count * labels * sizeof *y);
        for (size_t i = 0; i < r->count * labels; i++) off = fmax(off, fabs(y[i] - want[i]));
        for (int n = 1; n <= 2; n++) {
            omp_set_num_threads(n);
            for (size_t i = 0; i < r->count; i++) run(e, r, i, 1, y + i * labels);
            assert_memory_equal(first, y, r->count * labels * sizeof *y);
            run(e, r, 0, r->count, y);
            assert_memory_equal(first, y, r->count * labels * sizeof *y);
        }
        omp_set_num_threads(threads);
        rk_engine_close(e);
    }
    if (m->type != RK_DT_I8 && !(off <= 1e-4 * size))
        fail_msg("%s: off by %g of %g", rk_dtype_name(m->type), off, size);
    return off <= 1e-4 * size;
}

static void test_shapes(void **state)
{
    static const rk_dtype types[] = { RK_DT_F32, RK_DT_F16, RK_DT_I8 };
    const size_t models = 60;
    size_t off_edge = 0;
    static rows r;

    (void)state;
    for (size_t i = 0; i < models; i++) {
        model *m = malloc(sizeof *m);
        const size_t heads = 1 + below(4), head = 1 + below(40), inner = 1 + below(150);
        const size_t layers = 1 + below(3), positions = 1 + below(64);
        make(m, types[i % 3], heads, head, inner, layers, positions);
        random_rows(&r, m, 1 + below(12));
        off_edge += check_model(m, &r) ? 0 : 1;
        drop(m);
        free(m);
    }
    print_message("%zu of %zu INT8 models with a code across an edge\n", off_edge, models / 3);
    assert_true(off_edge <= models / 30);
}

/* More rows and tokens than a chunk takes. */
static void test_chunks(void **state)
{
    static rows r;
    model *m = malloc(sizeof *m);

    (void)state;
    make(m, RK_DT_I8, 2, 8, 20, 2, 64);
    random_rows(&r, m, ROWS_MAX);
    check_model(m, &r);
    drop(m);
    make(m, RK_DT_F32, 1, 8, 20, 1, 600);
    for (size_t i = 0; i < 1200; i++) r.ids[i] = (int32_t)below(m->c.vocab);
    r.count = 2;    /* each alone longer than a chunk */
    for (size_t i = 0; i <= 2; i++) r.starts[i] = i * 600;
    check_model(m, &r);
    drop(m);
    free(m);
}

static void test_refusals(void **state)
{
    model *m = malloc(sizeof *m);
    int32_t ids[16] = { 0 };
    size_t starts[3] = { 0, 2, 4 };
    float logits[2 * 8];
    rk_engine *e;
    rk_error err;

    (void)state;
    make(m, RK_DT_F32, 1, 8, 8, 1, 6);
    e = build(m, RK_LEVEL_REF);
    memset(logits, 0xA5, sizeof logits);
    const float untouched = logits[0];
    assert_int_equal(rk_engine_run(e, ids, starts, 0, logits, &err), RK_OK);
    ids[3] = -1;
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "row 1"));
    ids[3] = (int32_t)m->c.vocab;
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_E_ARG);
    ids[3] = 0;
    starts[1] = 0;
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "row 0"));
    starts[1] = 2;
    starts[2] = 9;
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_E_ARG);
    starts[2] = 8;
    rk_mem_fail_at(0, false);
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_E_MEMORY);
    rk_mem_fail_at(SIZE_MAX, false);
    assert_memory_equal(&logits[0], &untouched, sizeof untouched);
    assert_int_equal(rk_engine_run(e, ids, starts, 2, logits, &err), RK_OK);
    rk_engine_close(e);
    drop(m);
    free(m);
}

/* Every allocation of a build fails once; nothing leaks and nothing is half-built (ASan watches).
 */
static void test_no_memory(void **state)
{
    model *m = malloc(sizeof *m);
    size_t nth = 0;

    (void)state;
    make(m, RK_DT_I8, 2, 8, 20, 2, 10);
    for (;; nth++) {
        rk_engine *e = NULL;
        rk_error err;
        rk_mem_fail_at(nth, false);
        const rk_status st = rk_engine_build(&e, &m->s, RK_COMPUTE_AUTO, &err);
        rk_mem_fail_at(SIZE_MAX, false);
        if (st == RK_OK) {
            rk_engine_close(e);
            break;
        }
        assert_int_equal(st, RK_E_MEMORY);
        assert_null(e);
    }
    assert_true(nth > 30);
    drop(m);
    free(m);
}

static void test_wrong_models(void **state)
{
    model *m = malloc(sizeof *m);
    rk_engine *e = NULL;
    rk_error err;

    (void)state;
    make(m, RK_DT_I8, 2, 8, 20, 2, 10);
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_BF16, &err), RK_E_UNSUPPORTED);
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_F32, &err), RK_E_UNSUPPORTED);
    m->s.pooler.input.scale = 0;
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_AUTO, &err), RK_E_FORMAT);
    assert_non_null(strstr(err.message, "pooler"));
    m->s.pooler.input.scale = 1;
    m->s.classifier.w.out++;
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_AUTO, &err), RK_E_FORMAT);
    m->s.classifier.w.out--;
    ((rk_source_layer *)(uintptr_t)m->s.layer)[0].k.input.zero++;
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_AUTO, &err), RK_E_FORMAT);
    assert_null(e);
    drop(m);
    make(m, RK_DT_F32, 2, 8, 20, 2, 10);
    assert_int_equal(rk_cpu_limit("ref", NULL), RK_OK);
    assert_int_equal(rk_engine_build(&e, &m->s, RK_COMPUTE_BF16, &err), RK_E_UNSUPPORTED);
    rk_cpu_limit(NULL, NULL);
    drop(m);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_wrong_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
