#include "train/optimizer.h"

#include <math.h>

enum { PIECE = 1 << 14 }; /* floats a piece of parallel work holds */

double rk_schedule_linear(size_t step, size_t warmup, size_t total)
{
    if (step < warmup) return (double)step / (double)warmup;
    if (step >= total) return 0.0;
    return (double)(total - step) / (double)(total - warmup);
}

double rk_grad_norm(const rk_loops *loops, const rk_params *grad)
{
    double sum = 0.0;
    for (size_t i = 0; i < grad->params; i++) {
        const rk_param *q = &grad->param[i];
        const size_t pieces = (q->count + PIECE - 1) / PIECE;
        double part = 0.0;
        /* a sum a piece, then in order: few pieces are kept at a time */
        enum { WAVE = 256 };
        double piece[WAVE];
        for (size_t first = 0; first < pieces; first += WAVE) {
            const size_t n = pieces - first < WAVE ? pieces - first : WAVE;
#pragma omp parallel for schedule(static)
            for (size_t k = 0; k < n; k++) {
                const size_t at = (first + k) * PIECE, left = q->count - at;
                piece[k] =
                    loops->square_sum(grad->block + q->offset + at, left < PIECE ? left : PIECE);
            }
            for (size_t k = 0; k < n; k++) part += piece[k];
        }
        sum += part;
    }
    return sqrt(sum);
}

void rk_adamw_step(const rk_loops *loops, rk_params *params, float *m, float *v,
                   const rk_params *grad, const rk_adamw *a, size_t step, double gscale)
{
    const double lr = a->lr, c1 = 1.0 - pow(a->beta1, (double)step),
                 c2 = 1.0 - pow(a->beta2, (double)step);

    for (size_t i = 0; i < params->params; i++) {
        const rk_param *q = &params->param[i];
        const double shrink = q->decay ? 1.0 - lr * a->decay : 1.0;
#pragma omp parallel for schedule(static)
        for (size_t k = 0; k < q->count; k += PIECE) {
            const size_t at = q->offset + k, left = q->count - k;
            loops->adamw(params->block + at, m + at, v + at, grad->block + at,
                         left < PIECE ? left : PIECE, (float)shrink, (float)(lr / c1),
                         (float)(1.0 / sqrt(c2)), (float)a->beta1, (float)a->beta2, (float)a->eps,
                         (float)gscale);
        }
    }
}
