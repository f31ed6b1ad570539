/* Products of training, through oneDNN: C = A B (+ bias) (+ C), any layout, float accumulation.
 *
 * A, B and C are row-major with a leading dimension in elements; a transposed operand is read
 * through its strides, nothing is copied. Operands are float, or bfloat16 bit patterns (both then);
 * bias and C are float. Primitives are made once a shape and kept. */
#ifndef RK_COMPUTE_MATMUL_H
#define RK_COMPUTE_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"
#include "base/status.h"

typedef struct rk_matmul rk_matmul; /* one per thread of control; uses every OpenMP thread */

rk_status rk_matmul_new(rk_matmul **out, rk_error *err);
void rk_matmul_free(rk_matmul *mm);

typedef struct rk_operand {
    const void *data;
    size_t ld;       /* elements from one row of the stored matrix to the next */
    bool transposed; /* the stored matrix is the transpose of the operand */
} rk_operand;

/* c [m, n] (row stride ldc) = a [m, k] x b [k, n], plus bias [n] unless NULL, plus the old c when
 * add. type: RK_DT_F32 or RK_DT_BF16, of both operands. RK_E_MEMORY, or RK_E_UNSUPPORTED where
 * oneDNN has no such product on this processor. m, n, k > 0. */
rk_status rk_matmul_run(rk_matmul *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err);

/* "oneDNN 3.2.0, gcc 12.2": what the products are built with. */
const char *rk_matmul_built_with(void);

#endif
