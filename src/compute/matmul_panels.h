/* Products of training through the kernels of inference (compute/packed_kernel.h). B is laid out
 * panel by panel as a kernel wants it, by the thread that multiplies by it, while it is in the
 * cache; no copy of a weight is kept. A is read where it lies, or turned block by block.
 *
 * A value of C is one sum over k in a fixed order, whatever m, n and the number of threads. */
#ifndef RK_COMPUTE_MATMUL_PANELS_H
#define RK_COMPUTE_MATMUL_PANELS_H

#include "compute/matmul.h"

typedef struct rk_panels rk_panels;

/* For the level in force. */
rk_status rk_panels_new(rk_panels **out, rk_error *err);
void rk_panels_free(rk_panels *p);

/* Whether there is a kernel for operands of this type (F32, BF16; I8: rk_panels_codes). */
bool rk_panels_have(const rk_panels *p, rk_dtype type);

/* As rk_matmul_run and rk_matmul_codes, for types that it has. RK_E_MEMORY. */
rk_status rk_panels_run(rk_panels *p, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err);
rk_status rk_panels_codes(rk_panels *p, float *c, size_t ldc, const rk_matrix *x,
                          const rk_codes *w, const float *bias, size_t m, size_t n, size_t k,
                          rk_error *err);

#endif
