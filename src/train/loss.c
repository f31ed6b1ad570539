#include "train/loss.h"

#include <math.h>

double rk_objective_mass(const rk_objective *o, const int32_t *truth, size_t rows)
{
    double mass = 0.0;
    if (!o || !o->weight) return (double)rows;
    for (size_t r = 0; r < rows; r++) mass += o->weight[truth[r]];
    return mass;
}

static size_t largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static double exp_sum(const float *x, size_t n, size_t best, double temperature)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += exp(((double)x[i] - (double)x[best]) / temperature);
    return sum;
}

double rk_cross_entropy(float *dlogits, int32_t *predicted, const float *logits,
                        const int32_t *truth, size_t rows, size_t labels, const rk_objective *o,
                        double mass)
{
    const double s = o ? o->smoothing : 0.0, share = o ? o->share : 1.0;
    const double *w = o ? o->weight : NULL;
    const double each = s / (double)labels;
    double loss = 0.0, all = 0.0;

    for (size_t i = 0; i < labels; i++) all += w ? w[i] : 1.0;
    for (size_t r = 0; r < rows; r++) {
        const float *x = logits + r * labels;
        const size_t t = (size_t)truth[r], best = largest(x, labels);
        const double sum = exp_sum(x, labels, best, 1.0), mine = (1.0 - s) * (w ? w[t] : 1.0);
        double part = mine * (log(sum) + (double)x[best] - (double)x[t]);

        for (size_t i = 0; s > 0.0 && i < labels; i++)
            part += each * (w ? w[i] : 1.0) * (log(sum) + (double)x[best] - (double)x[i]);
        loss += part;
        if (predicted) predicted[r] = (int32_t)best;
        for (size_t i = 0; dlogits && i < labels; i++) {
            const double p = exp((double)x[i] - (double)x[best]) / sum;
            double d = mine * (p - (i == t ? 1.0 : 0.0));
            if (s > 0.0) d += each * (p * all - (w ? w[i] : 1.0));
            dlogits[r * labels + i] = (float)(share * d / mass);
        }
    }
    return share * loss / mass;
}

double rk_distill(float *dlogits, const float *student, const float *teacher, size_t rows,
                  size_t labels, double temperature, double share, double mass)
{
    const double t = temperature;
    double loss = 0.0;

    for (size_t r = 0; r < rows; r++) {
        const float *x = student + r * labels, *y = teacher + r * labels;
        const size_t bx = largest(x, labels), by = largest(y, labels);
        const double sx = exp_sum(x, labels, bx, t), sy = exp_sum(y, labels, by, t);
        for (size_t i = 0; i < labels; i++) {
            const double lx = ((double)x[i] - (double)x[bx]) / t - log(sx);
            const double ly = ((double)y[i] - (double)y[by]) / t - log(sy);
            loss += exp(ly) * (ly - lx);
            dlogits[r * labels + i] += (float)(share * t * (exp(lx) - exp(ly)) / mass);
        }
    }
    return share * t * t * loss / mass;
}

double rk_distance(float *d, const float *student, const float *teacher, size_t rows, size_t cols,
                   double weight, double mass)
{
    const float twice = (float)(2.0 * weight / mass);
    double loss = 0.0;

    for (size_t r = 0; r < rows; r++) {
        double sum = 0.0;
        for (size_t i = r * cols; i < (r + 1) * cols; i++) {
            const float e = student[i] - teacher[i];
            sum += (double)e * (double)e;
            d[i] = twice * e;
        }
        loss += sum;
    }
    return weight * loss / mass;
}
