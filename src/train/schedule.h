/* The learning rate: over the steps, and over the layers. */
#ifndef RK_TRAIN_SCHEDULE_H
#define RK_TRAIN_SCHEDULE_H

#include "encoder/params.h"

/* The factor of the peak rate at a step, from 0: a linear warm-up over `warmup` steps, then down to
 * zero at `total` in a line or along half a cosine, or level. As get_linear_schedule_with_warmup,
 * get_cosine_schedule_with_warmup and get_constant_schedule_with_warmup of transformers. */
double rk_schedule_factor(rk_schedule kind, size_t step, size_t warmup, size_t total);

/* factor [params]: 1 for pooler and classifier, decay for the last of `layers` layers, decay^2 for
 * the one below, and so on down to the embeddings (Clark et al. 2020, section 3.1). */
void rk_layer_factors(double *factor, const rk_params *params, size_t layers, double decay);

#endif
