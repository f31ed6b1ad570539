/* How fast this machine multiplies, measured: the roof that a model's speed is held against. */
#ifndef RK_COMPUTE_PEAK_H
#define RK_COMPUTE_PEAK_H

#include "compute/packed.h"

/* 1e9 multiplications and additions a second of the fastest of many products of 1024 x 1024 x 1024,
 * with rows of this form (U8: times I8), on all OpenMP threads: oneDNN's or our own at the best
 * level of the processor, whichever is faster. Takes about a third of a second. RK_E_UNSUPPORTED
 * where there is neither, RK_E_MEMORY. */
rk_status rk_peak(double *gflops, rk_form form, rk_error *err);

#endif
