/* How good the answers are; equal to scikit-learn's figures, zero where a share is undefined
 * (zero_division = 0). */
#ifndef RK_EVAL_METRICS_H
#define RK_EVAL_METRICS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct rk_label_score {
    double precision, recall, f1;
    size_t support; /* rows that truly have the label */
} rk_label_score;

typedef struct rk_metrics {
    size_t rows, labels;
    size_t *confusion;     /* [labels, labels]: truth down, prediction across */
    rk_label_score *label; /* [labels] */
    double accuracy, precision_weighted, recall_weighted, f1_weighted, f1_macro;
    double accuracy_ci95[2]; /* Wilson */
} rk_metrics;

/* truth, predicted [rows], each 0 .. labels - 1; another value and zero rows are RK_E_ARG. On
 * failure *out is zeroed. Free with rk_metrics_free. As scikit-learn with
 * labels = all: macro F1 averages over every label of the model. */
rk_status rk_metrics_compute(rk_metrics *out, const int32_t *truth, const int32_t *predicted,
                             size_t rows, size_t labels, rk_error *err);
void rk_metrics_free(rk_metrics *m); /* takes a zeroed struct */

/* The metric fields of `eval --json`: rows, accuracy, accuracy_ci95, precision_weighted,
 * recall_weighted, f1_weighted, f1_macro, labels[],
 * per_label{NAME: {precision, recall, f1, support}} and confusion[truth][predicted].
 * label_names [labels], UTF-8; a name that repeats an earlier one becomes NAME#i in per_label. A
 * new reference, or NULL when out of memory. */
json_t *rk_metrics_json(const rk_metrics *m, const char *const *label_names);

/* Wilson score interval of k successes in n trials at z (1.959963984540054 for 95 %). */
void rk_wilson(double out[2], size_t k, size_t n, double z);

/* Two-sided exact McNemar p for b and c discordant rows (binomial, p = 0.5); 1 when b + c = 0. */
double rk_mcnemar_exact(size_t b, size_t c);

/* Percentile bootstrap of the mean of n values, for paired differences d[i] in {-1, 0, 1} or any
 * other: out is lo, hi at 95 %. The same seed gives the same interval. RK_E_ARG for n or draws 0 or
 * a value that is not finite; out is then untouched. */
rk_status rk_bootstrap_mean(double out[2], const double *d, size_t n, size_t draws, uint64_t seed,
                            rk_error *err);

/* The p-quantile (0..1) of sorted values by linear interpolation, as numpy's default. n > 0. */
double rk_quantile(const double *sorted, size_t n, double p);

#endif
