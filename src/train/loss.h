/* Losses and their gradients. */
#ifndef RK_TRAIN_LOSS_H
#define RK_TRAIN_LOSS_H

#include <stddef.h>
#include <stdint.h>

/* What cross-entropy is taken against; as torch.nn.CrossEntropyLoss(weight, label_smoothing). */
typedef struct rk_objective {
    double smoothing;     /* share of the target that all labels have alike */
    const double *weight; /* [labels]; NULL: all 1 */
    double share;         /* of this loss in the whole; the rest is the teacher's */
} rk_objective;

/* The weights of the rows, summed: what the losses of one step are divided by. */
double rk_objective_mass(const rk_objective *o, const int32_t *truth, size_t rows);

/* The weighted loss of the rows, natural logarithm, over mass, times the objective's share;
 * dlogits [rows, labels], unless NULL, gets its gradient; predicted [rows], unless NULL, the label
 * of the largest logit (the first of equals). o NULL: plain. */
double rk_cross_entropy(float *dlogits, int32_t *predicted, const float *logits,
                        const int32_t *truth, size_t rows, size_t labels, const rk_objective *o,
                        double mass);

/* share T^2 / mass times the sum over rows of KL(teacher || student) at temperature T (Hinton,
 * Vinyals & Dean 2015); its gradient is added to dlogits [rows, labels]. */
double rk_distill(float *dlogits, const float *student, const float *teacher, size_t rows,
                  size_t labels, double temperature, double share, double mass);

/* weight / mass times the sum of (student - teacher)^2 over rows x cols values, summed per row in
 * the order of the rows; d gets the gradient. */
double rk_distance(float *d, const float *student, const float *teacher, size_t rows, size_t cols,
                   double weight, double mass);

#endif
