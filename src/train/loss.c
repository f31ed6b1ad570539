#include "train/loss.h"

#include <math.h>

double rk_cross_entropy(float *dlogits, int32_t *predicted, const float *logits,
                        const int32_t *truth, size_t rows, size_t labels)
{
    double loss = 0.0;
    for (size_t r = 0; r < rows; r++) {
        const float *x = logits + r * labels;
        const size_t t = (size_t)truth[r];
        size_t best = 0;
        double sum = 0.0;
        for (size_t i = 1; i < labels; i++)
            if (x[i] > x[best]) best = i;
        for (size_t i = 0; i < labels; i++) sum += exp((double)x[i] - (double)x[best]);
        loss += log(sum) + (double)x[best] - (double)x[t];
        if (predicted) predicted[r] = (int32_t)best;
        for (size_t i = 0; dlogits && i < labels; i++) {
            const double p = exp((double)x[i] - (double)x[best]) / sum;
            dlogits[r * labels + i] = (float)((p - (i == t ? 1.0 : 0.0)) / (double)rows);
        }
    }
    return loss / (double)rows;
}
