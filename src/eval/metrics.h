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
    double accuracy, precision_weighted, recall_weighted, f1_weighted;
    double precision_macro, recall_macro, f1_macro;
    double balanced_accuracy; /* mean recall of the labels that rows truly have */
    double mcc;               /* Matthews correlation of many labels; 0 where undefined */
    double accuracy_ci95[2];  /* Wilson */
} rk_metrics;

/* truth, predicted [rows], each 0 .. labels - 1; another value and zero rows are RK_E_ARG. On
 * failure *out is zeroed. Free with rk_metrics_free. As scikit-learn with
 * labels = all: macro F1 averages over every label of the model. */
rk_status rk_metrics_compute(rk_metrics *out, const int32_t *truth, const int32_t *predicted,
                             size_t rows, size_t labels, rk_error *err);
/* The same in pieces: begin, any number of adds, end (RK_E_ARG where no row was added). A failed
 * add leaves the rows before the faulty one counted. */
rk_status rk_metrics_begin(rk_metrics *out, size_t labels, rk_error *err);
rk_status rk_metrics_add(rk_metrics *m, const int32_t *truth, const int32_t *predicted, size_t rows,
                         rk_error *err);
rk_status rk_metrics_end(rk_metrics *m, rk_error *err);
void rk_metrics_free(rk_metrics *m); /* takes a zeroed struct */

/* The metric fields of `eval --json`: rows, the shares and averages above by their names, labels[],
 * per_label{NAME: {precision, recall, f1, support}} and confusion[truth][predicted].
 * label_names [labels], UTF-8; a name that repeats an earlier one becomes NAME#i in per_label. A
 * new reference, or NULL when out of memory. */
json_t *rk_metrics_json(const rk_metrics *m, const char *const *label_names);

#endif
