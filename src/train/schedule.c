#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double rk_schedule_factor(rk_schedule kind, size_t step, size_t warmup, size_t total)
{
    const double pi = 3.14159265358979323846;

    if (step < warmup) return (double)step / (double)warmup;
    if (kind == RK_SCHEDULE_CONSTANT) return 1.0;
    if (step >= total) return 0.0;
    if (kind == RK_SCHEDULE_COSINE)
        return 0.5 * (1.0 + cos(pi * (double)(step - warmup) / (double)(total - warmup)));
    return (double)(total - step) / (double)(total - warmup);
}

/* Steps down from the classifier: 0 for the head, layers + 1 for the embeddings. */
static size_t depth(const char *name, size_t layers)
{
    size_t layer;
    if (sscanf(name, "bert.encoder.layer.%zu.", &layer) == 1) return layers - layer;
    return strncmp(name, "bert.embeddings.", 16) == 0 ? layers + 1 : 0;
}

void rk_layer_factors(double *factor, const rk_params *params, size_t layers, double decay)
{
    for (size_t i = 0; i < params->params; i++) {
        factor[i] = 1.0;
        for (size_t k = depth(params->param[i].name, layers); k > 0; k--) factor[i] *= decay;
    }
}
