/* links: base eval */
/* Scores and intervals against cases worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "eval/intervals.h"
#include "eval/metrics.h"

#define near(a, b) assert_true(fabs((a) - (b)) <= 1e-15 * fmax(1.0, fabs(b)))

static const char *const names[] = { "positive", "neutral", "negative" };

static rk_metrics scored(const int32_t *truth, const int32_t *predicted, size_t rows, size_t labels)
{
    rk_metrics m;
    rk_error err = { 0 };
    assert_int_equal(rk_metrics_compute(&m, truth, predicted, rows, labels, &err), RK_OK);
    assert_string_equal(err.message, "");
    return m;
}

static void every_label_present(void **state)
{
    /* truth 0: 2 of 3 right, one said 1; truth 1: 1 of 2, one said 2; truth 2: 1 of 1 */
    static const int32_t truth[] = { 0, 0, 0, 1, 1, 2 }, said[] = { 0, 0, 1, 1, 2, 2 };
    static const size_t table[] = { 2, 1, 0, 0, 1, 1, 0, 0, 1 };
    rk_metrics m = scored(truth, said, 6, 3);

    (void)state;
    assert_int_equal(m.rows, 6);
    assert_int_equal(m.labels, 3);
    assert_memory_equal(m.confusion, table, sizeof table);
    near(m.label[0].precision, 1.0);
    near(m.label[0].recall, 2.0 / 3);
    near(m.label[0].f1, 0.8);
    near(m.label[1].precision, 0.5);
    near(m.label[1].recall, 0.5);
    near(m.label[1].f1, 0.5);
    near(m.label[2].precision, 0.5);
    near(m.label[2].recall, 1.0);
    near(m.label[2].f1, 2.0 / 3);
    assert_int_equal(m.label[0].support, 3);
    assert_int_equal(m.label[1].support, 2);
    assert_int_equal(m.label[2].support, 1);
    near(m.accuracy, 4.0 / 6);
    near(m.precision_weighted, (3 * 1.0 + 2 * 0.5 + 1 * 0.5) / 6);
    near(m.recall_weighted, 4.0 / 6);
    near(m.f1_weighted, (3 * 0.8 + 2 * 0.5 + 2.0 / 3) / 6);
    near(m.f1_macro, (0.8 + 0.5 + 2.0 / 3) / 3);
    rk_metrics_free(&m);
    assert_null(m.confusion);
}

static void absent_labels_count_as_zero(void **state)
{
    /* 1 is never true, 2 is never said, 3 is neither; macro F1 is over all four */
    static const int32_t truth[] = { 0, 0, 2 }, said[] = { 0, 1, 1 };
    rk_metrics m = scored(truth, said, 3, 4);

    (void)state;
    near(m.label[0].precision, 1.0);
    near(m.label[0].recall, 0.5);
    near(m.label[0].f1, 2.0 / 3);
    for (size_t i = 1; i < 4; i++) {
        near(m.label[i].precision, 0.0);
        near(m.label[i].recall, 0.0);
        near(m.label[i].f1, 0.0);
    }
    assert_int_equal(m.label[1].support, 0);
    assert_int_equal(m.label[2].support, 1);
    assert_int_equal(m.label[3].support, 0);
    near(m.f1_weighted, 2 * (2.0 / 3) / 3);
    near(m.f1_macro, (2.0 / 3) / 4);
    near(m.precision_weighted, 2.0 / 3);
    rk_metrics_free(&m);
}

static void one_label_only(void **state)
{
    static const int32_t zero[] = { 0, 0, 0, 0, 0 };
    rk_metrics m = scored(zero, zero, 5, 1);

    (void)state;
    near(m.accuracy, 1.0);
    near(m.f1_macro, 1.0);
    near(m.f1_weighted, 1.0);
    assert_true(m.accuracy_ci95[1] == 1.0);
    near(m.accuracy_ci95[0], 5 / (5 + 1.959963984540054 * 1.959963984540054));
    rk_metrics_free(&m);
}

static void refusals(void **state)
{
    static const int32_t good[] = { 0, 1 }, high[] = { 0, 2 }, low[] = { -1, 1 };
    rk_metrics m;
    rk_error err;

    (void)state;
    memset(&m, 0x55, sizeof m);
    assert_int_equal(rk_metrics_compute(&m, good, good, 0, 2, &err), RK_E_ARG);
    assert_null(m.confusion);
    assert_non_null(strstr(err.message, "no rows"));
    rk_metrics_free(&m);
    assert_int_equal(rk_metrics_compute(&m, good, good, 2, 0, &err), RK_E_ARG);
    assert_non_null(strstr(err.message, "no labels"));
    assert_int_equal(rk_metrics_compute(&m, high, good, 2, 2, &err), RK_E_ARG);
    assert_string_equal(err.message, "row 1: true label 2; labels go from 0 to 1");
    assert_int_equal(rk_metrics_compute(&m, good, high, 2, 2, &err), RK_E_ARG);
    assert_string_equal(err.message, "row 1: predicted label 2; labels go from 0 to 1");
    assert_int_equal(rk_metrics_compute(&m, good, low, 2, 2, &err), RK_E_ARG);
    assert_int_equal(rk_metrics_compute(&m, good, good, 2, SIZE_MAX / 2, &err), RK_E_ARG);
    assert_int_equal(rk_metrics_compute(&m, good, good, 0, 2, NULL), RK_E_ARG);
}

static void memory_runs_out(void **state)
{
    static const int32_t v[] = { 0, 1 };
    rk_metrics m;
    rk_error err;
    static const size_t confusion[] = { 1, 0, 0, 1 };
    double interval[2][2] = { { -7, -7 }, { -7, -7 } };

    (void)state;
    for (size_t nth = 0; nth < 2; nth++) {
        rk_mem_fail_at(nth, false);
        assert_int_equal(rk_metrics_compute(&m, v, v, 2, 2, &err), RK_E_MEMORY);
        rk_metrics_free(&m);
    }
    for (size_t nth = 0; nth < 5; nth++) {
        rk_mem_fail_at(nth, false);
        assert_int_equal(rk_f1_interval(interval, confusion, 2, &err), RK_E_MEMORY);
        rk_mem_fail_at(SIZE_MAX, false);
        assert_true(interval[0][0] == -7 && interval[1][1] == -7);
    }
    assert_int_equal(rk_f1_interval(interval, confusion, 2, &err), RK_OK);
}

static void as_json(void **state)
{
    static const int32_t truth[] = { 0, 1, 2, 2 }, said[] = { 0, 1, 1, 2 };
    static const char *const twice[] = { "a", "b", "a" };
    rk_metrics m = scored(truth, said, 4, 3);
    json_t *j = rk_metrics_json(&m, names), *cell;

    (void)state;
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "rows")), 4);
    near(json_real_value(json_object_get(j, "accuracy")), 0.75);
    near(json_real_value(json_array_get(json_object_get(j, "accuracy_ci95"), 0)),
         m.accuracy_ci95[0]);
    near(json_real_value(json_array_get(json_object_get(j, "accuracy_ci95"), 1)),
         m.accuracy_ci95[1]);
    near(json_real_value(json_object_get(j, "precision_weighted")), m.precision_weighted);
    near(json_real_value(json_object_get(j, "recall_weighted")), m.recall_weighted);
    near(json_real_value(json_object_get(j, "f1_weighted")), m.f1_weighted);
    near(json_real_value(json_object_get(j, "f1_macro")), m.f1_macro);
    /* truth down: row 2 (negative), column 1 (said neutral) */
    cell = json_array_get(json_array_get(json_object_get(j, "confusion"), 2), 1);
    assert_int_equal(json_integer_value(cell), 1);
    cell = json_array_get(json_array_get(json_object_get(j, "confusion"), 1), 2);
    assert_int_equal(json_integer_value(cell), 0);
    cell = json_object_get(json_object_get(j, "per_label"), "negative");
    near(json_real_value(json_object_get(cell, "precision")), 1.0);
    near(json_real_value(json_object_get(cell, "recall")), 0.5);
    near(json_real_value(json_object_get(cell, "f1")), m.label[2].f1);
    assert_int_equal(json_integer_value(json_object_get(cell, "support")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(j, "labels"), 2)),
                        "negative");
    json_decref(j);

    j = rk_metrics_json(&m, twice);
    assert_int_equal(json_object_size(json_object_get(j, "per_label")), 3);
    assert_non_null(json_object_get(json_object_get(j, "per_label"), "a#2"));
    json_decref(j);
    rk_metrics_free(&m);
}

static void wilson(void **state)
{
    double ci[2];

    (void)state;
    /* z = 1, 1 of 2: centre 1/2, half sqrt(1/8 + 1/16) / (3/2) */
    rk_wilson(ci, 1, 2, 1.0);
    near(ci[0], 0.5 - sqrt(3.0 / 16) / 1.5);
    near(ci[1], 0.5 + sqrt(3.0 / 16) / 1.5);
    rk_wilson(ci, 0, 10, 2.0);    /* hi = z^2 / (n + z^2) */
    assert_true(ci[0] == 0.0);
    near(ci[1], 4.0 / 14);
    rk_wilson(ci, 10, 10, 2.0);
    near(ci[0], 10.0 / 14);
    assert_true(ci[1] == 1.0);
    for (size_t n = 1; n < 300; n++) {   /* exact, whatever is rounded on the way */
        rk_wilson(ci, n, n, 1.959963984540054);
        assert_true(ci[1] == 1.0);
        rk_wilson(ci, 0, n, 1.959963984540054);
        assert_true(ci[0] == 0.0);
    }
    rk_wilson(ci, 0, 0, 1.96);    /* nothing seen, nothing known */
    assert_true(ci[0] == 0.0 && ci[1] == 1.0);
}

static void mcnemar(void **state)
{
    (void)state;
    assert_true(rk_mcnemar_exact(0, 0) == 1.0);
    assert_true(rk_mcnemar_exact(5, 5) == 1.0);   /* a tie */
    assert_true(rk_mcnemar_exact(3, 4) == 1.0);   /* the two halves of all cases */
    near(rk_mcnemar_exact(0, 1), 1.0);
    near(rk_mcnemar_exact(0, 5), 2.0 / 32);
    near(rk_mcnemar_exact(5, 0), 2.0 / 32);
    near(rk_mcnemar_exact(1, 5), 2 * 7.0 / 64);
    near(rk_mcnemar_exact(2, 8), 2 * 56.0 / 1024);
    assert_true(rk_mcnemar_exact(0, 5000) == 0.0);   /* 2^-4999 is below the smallest double */
}

static void quantile(void **state)
{
    static const double v[] = { 1, 2, 4, 8, 16 };

    (void)state;
    near(rk_quantile(v, 5, 0.0), 1.0);
    near(rk_quantile(v, 5, 1.0), 16.0);
    near(rk_quantile(v, 5, 0.5), 4.0);
    near(rk_quantile(v, 5, 0.375), 3.0);      /* place 1.5 */
    near(rk_quantile(v, 5, 0.95), 14.4);      /* place 3.8 */
    near(rk_quantile(v, 1, 0.3), 1.0);
    near(rk_quantile(v, 2, 0.25), 1.25);
    near(rk_quantile(v, 5, -1.0), 1.0);
    near(rk_quantile(v, 5, 2.0), 16.0);
}

static void share_of_first(double *out, const size_t *count, double *scratch, const void *user)
{
    (void)scratch;
    (void)user;
    out[0] = (double)count[0] / (double)(count[0] + count[1]);
}

static void bootstrap(void **state)
{
    static const size_t count[] = {50, 450}, sure[] = {500, 0}, none[] = {0, 0};
    const rk_statistic s = {.outs = 1, .fn = share_of_first};
    double lo, hi, lo2, hi2;
    rk_error err;

    (void)state;
    assert_int_equal(rk_bootstrap_cells(&lo, &hi, sure, 2, 100, 1, &s, &err), RK_OK);
    assert_true(lo == 1.0 && hi == 1.0);
    assert_int_equal(rk_bootstrap_cells(&lo, &hi, count, 2, 2000, 1, &s, &err), RK_OK);
    assert_int_equal(rk_bootstrap_cells(&lo2, &hi2, count, 2, 2000, 1, &s, &err), RK_OK);
    assert_true(lo == lo2 && hi == hi2); /* the seed decides */
    /* 0.1 +- 1.96 sqrt(0.09 / 500), within a few steps of 1/500 */
    assert_true(fabs(lo - 0.0737) < 0.005 && fabs(hi - 0.1263) < 0.005);
    assert_int_equal(rk_bootstrap_cells(&lo, &hi, none, 2, 10, 1, &s, &err), RK_E_ARG);
    assert_int_equal(rk_bootstrap_cells(&lo, &hi, count, 2, 0, 1, &s, &err), RK_E_ARG);
}

static void summary(void **state)
{
    static const double v[] = {1.0, 2.0, 3.0}, bad[] = {1.0, (double)INFINITY};
    rk_summary s;
    rk_error err;

    (void)state;
    assert_int_equal(rk_summarise(&s, v, 3, &err), RK_OK);
    near(s.mean, 2.0);
    near(s.sd, 1.0);
    /* t of 2 degrees of freedom at 97.5 %: 4.302652729749464 */
    assert_true(fabs(s.ci95[1] - 2.0 - 4.302652729749464 / sqrt(3.0)) < 1e-12);
    assert_int_equal(rk_summarise(&s, v, 1, &err), RK_OK);
    assert_true(s.mean == 1.0 && isnan(s.sd) && isnan(s.ci95[0]));
    assert_int_equal(rk_summarise(&s, v, 0, &err), RK_E_ARG);
    assert_int_equal(rk_summarise(&s, bad, 2, &err), RK_E_ARG);
    assert_string_equal(err.message, "a summary: value 1 is not finite");
}

static void pieces(void **state)
{
    static const int32_t truth[] = {0, 1, 1, 2, 0}, said[] = {0, 1, 2, 2, 1}, wrong[] = {3};
    rk_metrics whole = scored(truth, said, 5, 3), m;
    rk_error err;

    (void)state;
    assert_int_equal(rk_metrics_begin(&m, 3, &err), RK_OK);
    assert_int_equal(rk_metrics_end(&m, &err), RK_E_ARG);
    assert_int_equal(rk_metrics_add(&m, truth, said, 2, &err), RK_OK);
    assert_int_equal(rk_metrics_add(&m, wrong, said, 1, &err), RK_E_ARG);
    assert_int_equal(rk_metrics_add(&m, truth + 2, said + 2, 3, &err), RK_OK);
    assert_int_equal(rk_metrics_end(&m, &err), RK_OK);
    assert_true(m.rows == 5 && m.f1_macro == whole.f1_macro && m.mcc == whole.mcc);
    rk_metrics_free(&m);
    rk_metrics_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_label_present), cmocka_unit_test(absent_labels_count_as_zero),
        cmocka_unit_test(one_label_only),      cmocka_unit_test(refusals),
        cmocka_unit_test(memory_runs_out),     cmocka_unit_test(as_json),
        cmocka_unit_test(wilson),              cmocka_unit_test(mcnemar),
        cmocka_unit_test(quantile),            cmocka_unit_test(bootstrap),
        cmocka_unit_test(summary),             cmocka_unit_test(pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
