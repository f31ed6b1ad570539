/* links: base eval */
/* Reads one request a line and answers with one line of numbers (17 digits):
 *   scores LABELS ROWS truth... predicted...   accuracy, its interval, precision, recall and F1
 *       weighted and macro, balanced accuracy, Matthews correlation, then precision recall f1
 *       support of each label, then the confusion matrix
 *   probs BUDGET LABELS ROWS truth... p...     log loss, Brier, ECE, how far areas may be off, the
 *       area of each label, then rows, right and confidence of each bin
 *   wilson K N Z | mcnemar B C | quantile P N value... | student DF | summary N value...
 *   f1 LABELS ROWS truth... predicted...       intervals of weighted and macro F1
 *   drop LABELS ROWS truth... base... candidate...   intervals of the drops
 *   mean DRAWS SEED CELLS (count value)...     interval of the mean of values */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/intervals.h"
#include "eval/metrics.h"
#include "eval/scores.h"

static void fail(const char *why)
{
    fprintf(stderr, "metrics_probe: %s\n", why);
    exit(1);
}

static size_t read_size(void)
{
    size_t n;
    if (scanf("%zu", &n) != 1) fail("a count is missing");
    return n;
}

static double read_double(void)
{
    double x;
    if (scanf("%lf", &x) != 1) fail("a number is missing");
    return x;
}

static void *array(size_t n, size_t size)
{
    void *p = rk_calloc(n ? n : 1, size);
    if (!p) fail("out of memory");
    return p;
}

static double *read_doubles(size_t n)
{
    double *d = array(n, sizeof *d);
    for (size_t i = 0; i < n; i++) d[i] = read_double();
    return d;
}

static int32_t *read_labels(size_t n)
{
    int32_t *v = array(n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        if (scanf("%" SCNd32, &v[i]) != 1) fail("a label is missing");
    return v;
}

static void scores(void)
{
    const size_t labels = read_size(), rows = read_size();
    int32_t *truth = read_labels(rows), *predicted = read_labels(rows);
    rk_metrics m;
    rk_error err;

    if (rk_metrics_compute(&m, truth, predicted, rows, labels, &err)) fail(err.message);
    printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g", m.accuracy, m.accuracy_ci95[0],
           m.accuracy_ci95[1], m.precision_weighted, m.recall_weighted, m.f1_weighted,
           m.precision_macro);
    printf(" %.17g %.17g %.17g %.17g", m.recall_macro, m.f1_macro, m.balanced_accuracy, m.mcc);
    for (size_t i = 0; i < labels; i++)
        printf(" %.17g %.17g %.17g %zu", m.label[i].precision, m.label[i].recall, m.label[i].f1,
               m.label[i].support);
    for (size_t i = 0; i < labels * labels; i++) printf(" %zu", m.confusion[i]);
    rk_metrics_free(&m);
    rk_free(truth);
    rk_free(predicted);
}

static void wilson(void)
{
    const size_t k = read_size(), n = read_size();
    double ci[2];
    rk_wilson(ci, k, n, read_double());
    printf("%.17g %.17g", ci[0], ci[1]);
}

static void mcnemar(void)
{
    const size_t b = read_size();
    printf("%.17g", rk_mcnemar_exact(b, read_size()));
}

static void student(void)
{
    printf("%.17g", rk_student95(read_size()));
}

static void quantile(void)
{
    const double p = read_double();
    const size_t n = read_size();
    double *d = read_doubles(n);
    printf("%.17g", rk_quantile(d, n, p));
    rk_free(d);
}

static void probs(void)
{
    const size_t budget = read_size(), labels = read_size(), rows = read_size();
    int32_t *truth = read_labels(rows);
    double *p = read_doubles(rows * labels), *area = array(labels, sizeof *area), off;
    rk_scores s;
    rk_error err;

    if (rk_scores_begin(&s, labels, budget, &err)) fail(err.message);
    for (size_t r = 0; r < rows; r++)
        if (rk_scores_add(&s, truth[r], p + r * labels, NULL, &err)) fail(err.message);
    if (rk_auc_areas(area, &off, s.auc, &err)) fail(err.message);
    printf("%.17g %.17g %.17g %.17g", rk_scores_log_loss(&s), rk_scores_brier(&s),
           rk_scores_ece(&s), off);
    for (size_t k = 0; k < labels; k++) printf(" %.17g", area[k]);
    for (size_t b = 0; b < RK_RELIABILITY_BINS; b++)
        printf(" %zu %zu %.17g", s.bin[b].rows, s.bin[b].right, s.bin[b].confidence);
    rk_scores_free(&s);
    rk_free(truth);
    rk_free(p);
    rk_free(area);
}

static void f1(void)
{
    const size_t labels = read_size(), rows = read_size();
    int32_t *truth = read_labels(rows), *predicted = read_labels(rows);
    double ci[2][2];
    rk_metrics m;
    rk_error err;

    if (rk_metrics_compute(&m, truth, predicted, rows, labels, &err) ||
        rk_f1_interval(ci, m.confusion, labels, &err))
        fail(err.message);
    printf("%.17g %.17g %.17g %.17g", ci[0][0], ci[0][1], ci[1][0], ci[1][1]);
    rk_metrics_free(&m);
    rk_free(truth);
    rk_free(predicted);
}

static void drop(void)
{
    const size_t labels = read_size(), rows = read_size();
    int32_t *truth = read_labels(rows), *base = read_labels(rows), *candidate = read_labels(rows);
    double ci[2][2];
    rk_error err;

    if (rk_drop_interval(ci, truth, base, candidate, rows, labels, &err)) fail(err.message);
    printf("%.17g %.17g %.17g %.17g", ci[0][0], ci[0][1], ci[1][0], ci[1][1]);
    rk_free(truth);
    rk_free(base);
    rk_free(candidate);
}

typedef struct values {
    size_t n;
    double *value;
} values;

static void mean_of(double *out, const size_t *count, double *scratch, const void *user)
{
    const values *v = user;
    double sum = 0.0, rows = 0.0;
    (void)scratch;
    for (size_t i = 0; i < v->n; i++) {
        sum += (double)count[i] * v->value[i];
        rows += (double)count[i];
    }
    out[0] = sum / rows;
}

static void mean(void)
{
    const size_t draws = read_size(), seed = read_size(), n = read_size();
    size_t *count = array(n, sizeof *count);
    values v = {n, array(n, sizeof *v.value)};
    const rk_statistic s = {.outs = 1, .fn = mean_of, .user = &v};
    double lo, hi;
    rk_error err;

    for (size_t i = 0; i < n; i++) {
        count[i] = read_size();
        v.value[i] = read_double();
    }
    if (rk_bootstrap_cells(&lo, &hi, count, n, draws, seed, &s, &err)) fail(err.message);
    printf("%.17g %.17g", lo, hi);
    rk_free(count);
    rk_free(v.value);
}

static void summary(void)
{
    const size_t n = read_size();
    double *d = read_doubles(n);
    rk_summary s;
    rk_error err;

    if (rk_summarise(&s, d, n, &err)) fail(err.message);
    printf("%.17g %.17g %.17g %.17g", s.mean, s.sd, s.ci95[0], s.ci95[1]);
    rk_free(d);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*answer)(void);
    } request[] = {
        {"scores", scores},   {"probs", probs},    {"wilson", wilson},   {"mean", mean},
        {"f1", f1},           {"drop", drop},      {"summary", summary}, {"quantile", quantile},
        {"mcnemar", mcnemar}, {"student", student}};
    char what[16];
    while (scanf("%15s", what) == 1) {
        size_t i = 0;
        while (i < sizeof request / sizeof *request && strcmp(what, request[i].name) != 0) i++;
        if (i == sizeof request / sizeof *request) fail("unknown request");
        request[i].answer();
        printf("\n");
    }
    return 0;
}
