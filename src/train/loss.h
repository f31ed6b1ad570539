/* Softmax cross-entropy. */
#ifndef RK_TRAIN_LOSS_H
#define RK_TRAIN_LOSS_H

#include <stddef.h>
#include <stdint.h>

/* The mean loss of the rows, natural logarithm; dlogits [rows, labels], unless NULL, gets its
 * gradient; predicted [rows], unless NULL, the label of the largest logit (the first of equals). */
double rk_cross_entropy(float *dlogits, int32_t *predicted, const float *logits,
                        const int32_t *truth, size_t rows, size_t labels);

#endif
