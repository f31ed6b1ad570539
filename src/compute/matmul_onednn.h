/* Products of training through oneDNN, for processors and types that have no kernel of ours.
 * Primitives are made once a shape and kept. */
#ifndef RK_COMPUTE_MATMUL_ONEDNN_H
#define RK_COMPUTE_MATMUL_ONEDNN_H

#include "compute/matmul.h"

typedef struct rk_onednn rk_onednn;

rk_status rk_onednn_new(rk_onednn **out, rk_error *err);
void rk_onednn_free(rk_onednn *mm);

/* As rk_matmul_run. */
rk_status rk_onednn_run(rk_onednn *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err);

const char *rk_onednn_built_with(void);

#endif
