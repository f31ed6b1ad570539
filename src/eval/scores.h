/* How good the probabilities are: log loss, Brier score, calibration, ROC AUC; row by row, in
 * memory that does not grow past a limit. */
#ifndef RK_EVAL_SCORES_H
#define RK_EVAL_SCORES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ---- ROC AUC, one label against the rest (auc.c) ---- */

typedef struct rk_auc rk_auc;

/* budget: bytes of scores that are kept; 0: 32 MiB. Within it every area is exact: the share of
 * pairs in order, ties half. Beyond it, scores are counted in bins of equal width of their log
 * odds, and a bin is a tie. labels > 0. */
rk_status rk_auc_new(rk_auc **out, size_t labels, size_t budget, rk_error *err);
void rk_auc_free(rk_auc *a); /* takes NULL */
/* probs [labels]; kept as float, as they are handed out. */
rk_status rk_auc_add(rk_auc *a, int32_t truth, const double *probs, rk_error *err);
/* area [labels]: NAN where all rows or none have the label. *off: the most that an area can be
 * wrong by; 0 when exact. */
rk_status rk_auc_areas(double *area, double *off, rk_auc *a, rk_error *err);

/* ---- the rest (scores.c) ---- */

enum { RK_RELIABILITY_BINS = 15 };

typedef struct rk_bin {
    size_t rows, right;
    double confidence; /* sum of the best label's probability */
} rk_bin;

typedef struct rk_scores {
    size_t rows, labels;
    double loss, brier;              /* sums */
    rk_bin bin[RK_RELIABILITY_BINS]; /* bin b: (b / 15, (b + 1) / 15]; 0 falls into the first */
    rk_auc *auc;
} rk_scores;

/* budget as rk_auc_new's. Free with rk_scores_free. */
rk_status rk_scores_begin(rk_scores *out, size_t labels, size_t budget, rk_error *err);
/* probs [labels], truth 0 .. labels - 1. *loss, unless NULL, gets the row's. */
rk_status rk_scores_add(rk_scores *s, int32_t truth, const double *probs, double *loss,
                        rk_error *err);
void rk_scores_free(rk_scores *s); /* takes a zeroed struct */

/* Softmax of logits [labels] in double. */
void rk_softmax(double *probs, const float *logits, size_t labels);

/* -log p of the true label; p no less than 2^-52 and no more than 1 - 2^-52, as scikit-learn's
 * log_loss has it. */
double rk_row_loss(double p);

/* Means over the rows. brier: sum over labels of (p - [true])^2, halved for one or two labels, as
 * scikit-learn's brier_score_loss. ece: mean over rows of |accuracy - confidence| of their bin
 * (Guo et al. 2017). rows > 0. */
double rk_scores_log_loss(const rk_scores *s);
double rk_scores_brier(const rk_scores *s);
double rk_scores_ece(const rk_scores *s);

/* Adds log_loss, brier, ece and reliability [{from, to, rows, confidence, accuracy}] to an object.
 * Returns 0, or -1 when out of memory. */
int rk_scores_put(json_t *into, const rk_scores *s);
/* Adds roc_auc_macro, roc_auc_weighted, roc_auc_error, and roc_auc to each entry of per_label (in
 * label order). support [labels]: rows of each label, the weights; labels of undefined area count
 * in neither. */
rk_status rk_scores_put_auc(json_t *into, const rk_scores *s, const size_t *support, rk_error *err);

#endif
