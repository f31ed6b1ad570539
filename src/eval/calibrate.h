/* Making probabilities mean what they say: temperature, label shares, a threshold. */
#ifndef RK_EVAL_CALIBRATE_H
#define RK_EVAL_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* The scale (one over the temperature of Guo et al. 2017) between low and high at which
 * softmax(scale * logits) has the least log loss, to 1e-12 of itself; the loss is convex in it.
 * logits [rows, labels], truth [rows]. */
double rk_fit_scale(const float *logits, const int32_t *truth, size_t rows, size_t labels,
                    double low, double high);

/* Shares of labels on rows without labels, by expectation maximisation (Saerens, Latinne and
 * Decaestecker 2002): logits [rows, labels] of a model whose mean probabilities are source [labels]
 * where the shares are the old ones; scale as above. prior [labels] out, none below half a row.
 * Ends when no share moves by more than 1e-12, or after 10,000 rounds; *rounds says how many. */
rk_status rk_fit_prior(double *prior, size_t *rounds, const float *logits, size_t rows,
                       size_t labels, double scale, const double *source, rk_error *err);

typedef struct rk_answer {
    double confidence, weight; /* of the row; weight > 0 */
    bool right;
} rk_answer;

typedef struct rk_threshold {
    double threshold, precision, coverage; /* shares of weight */
    size_t answered, right;                /* rows */
    double effective; /* of the answered: unweighted rows that would tell as much (Kish 1965) */
} rk_threshold;

/* The lowest confidence from which on answers are right in at least a share `wanted` of their
 * weight: it answers most rows. Sorts the list. The threshold lies halfway to the next lower
 * confidence (or to `least`, the lowest that there can be), so that rounding moves no row across.
 * False where no threshold reaches it; *out then holds the one of best precision. n > 0. */
bool rk_fit_threshold(rk_threshold *out, rk_answer *list, size_t n, double wanted, double least);

#endif
