/* links: base eval */
/* Reads one request a line and answers with one line of numbers (17 digits):
 *   scores LABELS ROWS truth... predicted...   accuracy, its interval, the three weighted ones,
 *       macro F1, then precision recall f1 support of each label, then the confusion matrix
 *   wilson K N Z | mcnemar B C | quantile P N value... | bootstrap DRAWS SEED N value... */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "eval/metrics.h"

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
           m.accuracy_ci95[1], m.precision_weighted, m.recall_weighted, m.f1_weighted, m.f1_macro);
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

static void quantile(void)
{
    const double p = read_double();
    const size_t n = read_size();
    double *d = read_doubles(n);
    printf("%.17g", rk_quantile(d, n, p));
    rk_free(d);
}

static void bootstrap(void)
{
    const size_t draws = read_size(), seed = read_size(), n = read_size();
    double *d = read_doubles(n), ci[2];
    rk_error err;
    if (rk_bootstrap_mean(ci, d, n, draws, seed, &err)) fail(err.message);
    printf("%.17g %.17g", ci[0], ci[1]);
    rk_free(d);
}

int main(void)
{
    char what[16];
    while (scanf("%15s", what) == 1) {
        if (!strcmp(what, "scores")) {
            scores();
        } else if (!strcmp(what, "wilson")) {
            wilson();
        } else if (!strcmp(what, "mcnemar")) {
            const size_t b = read_size();
            printf("%.17g", rk_mcnemar_exact(b, read_size()));
        } else if (!strcmp(what, "quantile")) {
            quantile();
        } else if (!strcmp(what, "bootstrap")) {
            bootstrap();
        } else {
            fail("unknown request");
        }
        printf("\n");
    }
    return 0;
}
