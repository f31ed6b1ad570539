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
#include "support/random_model.h"

enum { ROWS_MAX = 64 };

static rk_rng rng = { .seed = 3, .stream = 9 };

typedef random_model model;

static size_t below(size_t n)
{
    return (size_t)rk_rng_below(&rng, n);
}

static void make(model *m, rk_dtype type, size_t heads, size_t head, size_t inner, size_t layers,
                 size_t positions)
{
    const random_shape shape = { .heads = heads, .head = head, .inner = inner, .layers = layers,
                                 .positions = positions };
    random_model_make(m, type, &shape, &rng);
}

static void drop(model *m)
{
    random_model_free(m);
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
        plain_forward(want + i * labels, m, r->ids + r->starts[i],
                      r->starts[i + 1] - r->starts[i], NULL);
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
