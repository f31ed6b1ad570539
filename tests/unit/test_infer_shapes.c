/* links: base compute quant text file onnx encoder */
/* Random encoder shapes, 200 of them: heads, hidden, inner, layers, vocabulary and labels of
 * any size, rows of 1 to 512 tokens, batches of 1 to 64; FP32, FP16, bf16 and INT8, every level
 * of this processor, rows in any order, on 1 to 3 threads. The reference is FP32 at level ref,
 * one row a call, which itself is held against a forward pass in double.
 *
 * Bounds: each value of the double pass is moved by the error that the kernels may make there
 * (packed.h: (K + 2) 2^-24 sum |x w| for a product; 2^-20 for functions; 2^-9 for what is
 * rounded to bfloat16, with weights rounded too; a quarter of a code where codes are made), up
 * or down by chance. What that makes of the logits, the worst of a few passes, times 4, is the
 * bound. Bits are equal where the headers say so: FP16 at ref and FP32 of the same numbers;
 * INT8 at all levels; any batch and any threads.
 *
 * RK_SHAPES=N: as many shapes; RK_SHAPES_SEED=N: other ones. The 200 take seconds, also under
 * ASan. */
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/random_model.h"

enum { SHAPES = 200, BATCH_MAX = 64, LENGTH_MAX = 512, PASSES = 3 };

static rk_rng rng = { .seed = 20, .stream = 2 };
static uint64_t chance;

static size_t below(size_t n)
{
    return (size_t)rk_rng_below(&rng, n);
}

static size_t between(size_t low, size_t high)
{
    return low + below(high - low + 1);
}

/* As often of each order of magnitude. */
static size_t any_size(size_t low, size_t high)
{
    const double ratio = (double)high / (double)low;
    const size_t n = (size_t)((double)low * pow(ratio, rk_rng_uniform(&rng)) + 0.5);
    return n < high ? n : high;
}

/* ---- shapes and rows ---- */

/* Shapes that chance would seldom make. */
static const struct corner {
    random_shape shape;
    size_t rows, length;   /* all rows of this length; 0: random */
} CORNERS[] = {
    { { 1, 1, 1, 1, 1, 1, 1 }, 1, 1 },
    { { 2, 1, 1, 1, 512, 1, 2 }, 3, 512 },
    { { 1, 2, 3, 1, 1, 5, 1 }, 64, 1 },
    { { 12, 64, 768, 1, 16, 20, 3 }, 1, 2 },
    { { 1, 48, 3072, 1, 16, 20, 3 }, 2, 3 },
    { { 6, 64, 384, 2, 40, 30, 3 }, 2, 9 },
    { { 1, 16, 16, 2, 512, 50, 3 }, 1, 512 },
    { { 1, 8, 8, 1, 512, 50, 2 }, 2, 511 },
    { { 4, 16, 64, 1, 513, 10, 2 }, 1, 512 },
    { { 3, 5, 7, 12, 8, 30, 4 }, 2, 0 },
    { { 2, 8, 33, 2, 8, 30, RANDOM_LABELS }, 64, 8 },
    { { 2, 8, 33, 1, 9, 30, 17 }, 57, 9 },     /* one token past a chunk */
    { { 17, 3, 65, 2, 12, 3000, 2 }, 5, 0 },
    { { 1, 63, 1, 2, 12, 9, 2 }, 5, 0 },
    { { 1, 65, 129, 2, 12, 9, 2 }, 5, 0 },
    { { 1, 130, 31, 1, 20, 9, 2 }, 3, 0 },
    { { 4, 32, 48, 2, 30, 40, 3 }, 64, 0 },    /* key and value folded, in floats and bfloat16 */
    { { 5, 16, 20, 1, 30, 40, 3 }, 64, 2 },    /* in floats only, in more room than tokens ask */
};
enum { CORNER_COUNT = sizeof CORNERS / sizeof *CORNERS };

typedef struct rows {
    int32_t *ids;
    size_t *starts;
    size_t count;
} rows;

static double flop_of(const random_shape *s, size_t length)
{
    const double h = (double)(s->heads * s->head), t = (double)length;
    return (double)s->layers * t * (h * (8 * h + 4 * (double)s->inner) + 4 * h * t);
}

/* Rows until their flop reach the budget. */
static void make_rows(rows *r, const random_shape *s, size_t count, size_t length, double budget)
{
    const size_t longest = s->positions < LENGTH_MAX ? s->positions : LENGTH_MAX;
    const size_t first = below(3);
    double flop = 0;
    size_t n = 0;

    r->starts = malloc((count + 1) * sizeof *r->starts);
    r->starts[0] = first;    /* need not be 0 */
    while (n < count && (n == 0 || flop < budget)) {
        const size_t tokens = length ? length : any_size(1, longest);
        flop += flop_of(s, tokens);
        r->starts[n + 1] = r->starts[n] + tokens;
        n++;
    }
    r->count = n;
    r->ids = malloc(r->starts[n] * sizeof *r->ids + 1);    /* no more: ASan sees the end */
    for (size_t i = 0; i < r->starts[n]; i++) r->ids[i] = (int32_t)below(s->vocab);
}

static void free_rows(rows *r)
{
    free(r->ids);
    free(r->starts);
}

/* Most shapes are tiny; every sixth is larger. */
static double random_shape_of(random_shape *s)
{
    const bool large = below(6) == 0;
    const double budget = large ? 2e6 : 2e5;

    do {
        s->heads = any_size(1, 16);
        s->head = any_size(1, 80);
        s->inner = any_size(1, large ? 1024 : 200);
        s->layers = any_size(1, 6);
        s->positions = any_size(1, LENGTH_MAX);
        s->vocab = any_size(1, 2000);
        s->labels = any_size(1, RANDOM_LABELS);
    } while (flop_of(s, 1) > budget / 2);
    return budget;
}

/* ---- running ---- */

static rk_engine *build(const random_model *m, rk_compute compute, rk_level level)
{
    rk_engine *e = NULL;
    rk_error err = { 0 };

    assert_int_equal(rk_cpu_limit(rk_level_name(level), NULL), RK_OK);
    if (rk_engine_build(&e, &m->s, compute, &err) != RK_OK) fail_msg("%s", err.message);
    rk_cpu_limit(NULL, NULL);
    return e;
}

static void run(rk_engine *e, const int32_t *ids, const size_t *starts, size_t n, float *logits)
{
    rk_error err = { 0 };
    if (rk_engine_run(e, ids, starts, n, logits, &err) != RK_OK) fail_msg("%s", err.message);
}

static float *one_by_one(rk_engine *e, const rows *r)
{
    const size_t labels = rk_engine_config(e)->labels.count;
    float *y = malloc(r->count * labels * sizeof *y);

    for (size_t i = 0; i < r->count; i++) run(e, r->ids, r->starts + i, 1, y + i * labels);
    return y;
}

/* The rows in another order, in batches of `batch`; logits in the order of r. */
static float *shuffled(rk_engine *e, const rows *r, size_t batch)
{
    const size_t labels = rk_engine_config(e)->labels.count, tokens = r->starts[r->count];
    uint32_t *order = malloc(r->count * sizeof *order);
    float *y = malloc(r->count * labels * sizeof *y);
    int32_t *ids = malloc(tokens * sizeof *ids + 1);
    size_t *starts = malloc((r->count + 1) * sizeof *starts);

    for (size_t i = 0; i < r->count; i++) order[i] = (uint32_t)i;
    rk_rng_shuffle(&rng, order, r->count);
    for (size_t i = 0; i < r->count; i += batch) {
        const size_t n = r->count - i < batch ? r->count - i : batch;
        float *part = malloc(n * labels * sizeof *part);
        starts[0] = 0;
        for (size_t k = 0; k < n; k++) {
            const size_t *at = r->starts + order[i + k], length = at[1] - at[0];
            memcpy(ids + starts[k], r->ids + at[0], length * sizeof *ids);
            starts[k + 1] = starts[k] + length;
        }
        run(e, ids, starts, n, part);
        for (size_t k = 0; k < n; k++)
            memcpy(y + order[i + k] * labels, part + k * labels, labels * sizeof *y);
        free(part);
    }
    free(order);
    free(ids);
    free(starts);
    return y;
}

/* ---- one shape ---- */

typedef struct job {
    size_t number;
    random_shape shape;
    rows r;
    size_t cells;          /* rows x labels */
    size_t plain;          /* rows that the double pass does */
} job;

static void blame(const job *j, const char *what, rk_level level, double off, double limit)
{
    const random_shape *s = &j->shape;
    fail_msg("shape %zu (heads %zu x %zu, inner %zu, layers %zu, vocab %zu, labels %zu, %zu rows "
             "of %zu tokens): %s at %s: off by %g, limit %g",
             j->number, s->heads, s->head, s->inner, s->layers, s->vocab, s->labels, j->r.count,
             j->r.starts[j->r.count] - j->r.starts[0], what, rk_level_name(level), off, limit);
}

static double *plain(const job *j, const random_model *m, const plain_noise *noise)
{
    double *y = malloc(j->plain * m->c.labels.count * sizeof *y);

    for (size_t i = 0; i < j->plain; i++)
        plain_forward(y + i * m->c.labels.count, m, j->r.ids + j->r.starts[i],
                      j->r.starts[i + 1] - j->r.starts[i], noise);
    return y;
}

/* 4 times what noise makes of the logits `want`. */
static double bound(const job *j, const random_model *m, const double *want,
                    const plain_noise *noise)
{
    double most = 0;

    for (size_t pass = 0; pass < PASSES; pass++) {
        double *y = plain(j, m, noise);
        for (size_t i = 0; i < j->plain * m->c.labels.count; i++)
            most = fmax(most, fabs(y[i] - want[i]));
        free(y);
    }
    return 4 * most;
}

static void same(const job *j, const float *want, const float *got, size_t n, const char *what,
                 rk_level level)
{
    double off = 0;

    if (memcmp(want, got, n * sizeof *want) == 0) return;
    for (size_t i = 0; i < n; i++) off = fmax(off, fabs((double)want[i] - (double)got[i]));
    blame(j, what, level, off, 0);
}

static void same_bits(const job *j, const float *want, const float *got, const char *what,
                      rk_level level)
{
    same(j, want, got, j->cells, what, level);
}

static void near(const job *j, const float *want, const float *got, double limit, const char *what,
                 rk_level level)
{
    for (size_t i = 0; i < j->cells; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= limit))
            blame(j, what, level, fabs((double)got[i] - (double)want[i]), limit);
}

static double farthest(const job *j, const float *got, const double *want)
{
    const size_t n = j->plain * (j->cells / j->r.count);
    double off = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - want[i]);
        if (!(d <= off)) off = d;    /* NaN too */
    }
    return off;
}

/* Logits at `level`, the rows one by one; the same bits in other batches and on other threads. */
static float *settled(const job *j, const random_model *m, rk_compute compute, rk_level level,
                      const char *precision)
{
    static const size_t batches[] = { 7, 32, BATCH_MAX };
    /* On a busy machine the barriers of a team take far longer than these models. */
    const int threads = below(64) == 0 ? (int)between(2, 3) : 1;
    const size_t batch = threads > 1 ? (size_t)BATCH_MAX : batches[below(3)];
    rk_engine *e;
    float *y, *z;

    omp_set_num_threads(1);
    e = build(m, compute, level);
    assert_string_equal(rk_engine_precision(e), precision);
    y = one_by_one(e, &j->r);
    omp_set_num_threads(threads);
    z = shuffled(e, &j->r, batch);
    same_bits(j, y, z, "other batches, more threads", level);
    run(e, j->r.ids, j->r.starts, 1, z);
    same(j, y, z, j->shape.labels, "one row, more threads", level);
    free(z);
    rk_engine_close(e);
    return y;
}

/* FP16 weights and FP32 ones of the same numbers. */
static void check_floats(const job *j, const random_model *half, const random_model *wide)
{
    const plain_noise noise = { .sum = 0x1p-24, .value = 0x1p-20, .state = &chance };
    double *want = plain(j, wide, NULL);
    const double limit = bound(j, wide, want, &noise);
    float *ref = settled(j, wide, RK_COMPUTE_AUTO, RK_LEVEL_REF, "fp32"), *y;
    const double off = farthest(j, ref, want);

    if (!(off <= limit)) blame(j, "FP32 against double", RK_LEVEL_REF, off, limit);
    y = settled(j, half, RK_COMPUTE_AUTO, RK_LEVEL_REF, "fp16");
    same_bits(j, ref, y, "FP16 against FP32 of the same numbers", RK_LEVEL_REF);
    free(y);
    for (int l = RK_LEVEL_REF + 1; l <= (int)rk_cpu_best(); l++) {
        y = settled(j, wide, RK_COMPUTE_AUTO, (rk_level)l, "fp32");
        near(j, ref, y, limit, "FP32", (rk_level)l);
        free(y);
        y = settled(j, half, RK_COMPUTE_AUTO, (rk_level)l, "fp16");
        near(j, ref, y, limit, "FP16", (rk_level)l);
        free(y);
    }
    free(want);
    free(ref);
}

static void check_bf16(const job *j, const random_model *half, const random_model *wide)
{
    const plain_noise noise = { .sum = 0x1p-22, .value = 0x1p-20, .input = 0x1p-9, .bf16 = true,
                                .state = &chance };
    rk_engine *e = build(wide, RK_COMPUTE_AUTO, RK_LEVEL_REF);
    float *ref = one_by_one(e, &j->r);
    double *want = plain(j, wide, NULL);
    const double limit = bound(j, wide, want, &noise);

    rk_engine_close(e);
    for (int l = RK_LEVEL_REF + 1; l <= (int)rk_cpu_best(); l++) {
        float *y, *z;
        if (!rk_cpu_bf16((rk_level)l)) continue;
        y = settled(j, wide, RK_COMPUTE_BF16, (rk_level)l, "bf16");
        near(j, ref, y, limit, "bf16", (rk_level)l);
        z = settled(j, half, RK_COMPUTE_BF16, (rk_level)l, "bf16");
        same_bits(j, y, z, "bf16 of FP16 against bf16 of FP32", (rk_level)l);
        free(y);
        free(z);
    }
    free(want);
    free(ref);
}

/* Returns whether the codes are those of the double pass: then only float noise is left. */
static bool check_int8(const job *j, const random_model *m)
{
    const plain_noise noise = { .sum = 0x1p-24, .value = 0x1p-20, .state = &chance };
    const plain_noise rough = { .code = 0.25, .state = &chance };
    double *want = plain(j, m, NULL);
    const double limit = bound(j, m, want, &rough), fine = bound(j, m, want, &noise);
    float *ref = settled(j, m, RK_COMPUTE_AUTO, RK_LEVEL_REF, "int8");
    const double off = farthest(j, ref, want);

    if (!(off <= fmax(limit, fine))) blame(j, "INT8 against double", RK_LEVEL_REF, off, limit);
    for (int l = RK_LEVEL_REF + 1; l <= (int)rk_cpu_best(); l++) {
        float *y = settled(j, m, RK_COMPUTE_AUTO, (rk_level)l, "int8");
        same_bits(j, ref, y, "INT8 against ref", (rk_level)l);
        free(y);
    }
    free(want);
    free(ref);
    return off <= fine;
}

static bool check_shape(size_t number)
{
    static random_model half, wide, int8;
    job j = { .number = number };
    double budget = 1e30, flop = 0;
    size_t count = any_size(1, BATCH_MAX), length = 0;
    bool exact;

    if (number < CORNER_COUNT) {
        j.shape = CORNERS[number].shape;
        count = CORNERS[number].rows;
        length = CORNERS[number].length;
    } else {
        budget = random_shape_of(&j.shape);
    }
    make_rows(&j.r, &j.shape, count, length, budget);
    j.cells = j.r.count * j.shape.labels;
    while (j.plain < j.r.count && (j.plain == 0 || flop < 3e5)) {
        flop += flop_of(&j.shape, j.r.starts[j.plain + 1] - j.r.starts[j.plain]);
        j.plain++;
    }
    random_model_make(&half, RK_DT_F16, &j.shape, &rng);
    random_model_widen(&wide, &half);
    random_model_make(&int8, RK_DT_I8, &j.shape, &rng);
    check_floats(&j, &half, &wide);
    check_bf16(&j, &half, &wide);
    exact = check_int8(&j, &int8);
    random_model_free(&half);
    random_model_free(&wide);
    random_model_free(&int8);
    free_rows(&j.r);
    return exact;
}

static size_t from_environment(const char *name, size_t usual)
{
    const char *text = getenv(name);
    return text && *text ? (size_t)strtoull(text, NULL, 10) : usual;
}

static void test_shapes(void **state)
{
    const size_t shapes = from_environment("RK_SHAPES", SHAPES);
    size_t exact = 0;

    (void)state;
    rng.seed = from_environment("RK_SHAPES_SEED", rng.seed);
    for (size_t i = 0; i < shapes; i++) exact += check_shape(i) ? 1 : 0;
    print_message("%zu shapes, levels up to %s, bf16 %s; INT8 has the codes of double in %zu\n",
                  shapes, rk_level_name(rk_cpu_best()), rk_cpu_bf16(rk_cpu_best()) ? "yes" : "no",
                  exact);
    assert_true(exact * 10 >= shapes * 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_shapes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
