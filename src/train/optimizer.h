/* AdamW over the parameter block, gradient clipping, and the learning-rate schedule. */
#ifndef RK_TRAIN_OPTIMIZER_H
#define RK_TRAIN_OPTIMIZER_H

#include "compute/loops.h"
#include "encoder/params.h"

typedef struct rk_adamw {
    double lr, decay, beta1, beta2, eps;
} rk_adamw;

/* L2 norm of all gradients; summed in a fixed order, so equal for any number of threads. */
double rk_grad_norm(const rk_loops *loops, const rk_params *grad);

/* One update (Loshchilov & Hutter 2019, as torch.optim.AdamW): step counts from 1, gradients are
 * scaled by gscale first; decay only where rk_param.decay says so. m and v have the layout of
 * params. */
void rk_adamw_step(const rk_loops *loops, rk_params *params, float *m, float *v,
                   const rk_params *grad, const rk_adamw *a, size_t step, double gscale);

/* Linear warm-up over `warmup` steps, then linear decay to zero at `total`; step counts from 0. As
 * transformers' get_linear_schedule_with_warmup: the factor of the peak rate. */
double rk_schedule_linear(size_t step, size_t warmup, size_t total);

#endif
