/* Products of training: C = A B (+ bias) (+ C), any layout, float accumulation.
 *
 * A, B and C are row-major with a leading dimension in elements; a transposed operand is read
 * through its strides. Operands are float, or bfloat16 bit patterns (both then); bias and C are
 * float. Where the processor has a kernel of ours for the type it is used (matmul_panels.h), else
 * oneDNN (matmul_onednn.h). */
#ifndef RK_COMPUTE_MATMUL_H
#define RK_COMPUTE_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/dtype.h"
#include "base/status.h"
#include "compute/packed.h"

typedef struct rk_matmul rk_matmul; /* one per thread of control; uses every OpenMP thread */

/* For the instruction level in force (compute/cpu.h). */
rk_status rk_matmul_new(rk_matmul **out, rk_error *err);
void rk_matmul_free(rk_matmul *mm);

typedef struct rk_operand {
    const void *data;
    size_t ld;       /* elements from one row of the stored matrix to the next */
    bool transposed; /* the stored matrix is the transpose of the operand */
} rk_operand;

/* c [m, n] (row stride ldc) = a [m, k] x b [k, n], plus bias [n] unless NULL, plus the old c when
 * add. type: RK_DT_F32 or RK_DT_BF16, of both operands. RK_E_MEMORY, or RK_E_UNSUPPORTED where
 * there is no such product for this processor. m, n, k > 0. */
rk_status rk_matmul_run(rk_matmul *mm, float *c, size_t ldc, bool add, rk_operand a, rk_operand b,
                        const float *bias, size_t m, size_t n, size_t k, rk_dtype type,
                        rk_error *err);

/* Whether a product of this type is compiled for its shape, so that few different m are better. */
bool rk_matmul_compiles(const rk_matmul *mm, rk_dtype type);

/* Weights [n, k] as symmetric codes: value = code * scale of its row. */
typedef struct rk_codes {
    const int8_t *data;    /* row stride k */
    const float *scale;    /* [n] */
    const int32_t *sum;    /* [n] of a row's codes */
} rk_codes;

/* Whether rk_matmul_codes can run here. */
bool rk_matmul_has_codes(const rk_matmul *mm);

/* c [m, n] (row stride ldc) = x [m, k] x w^T plus bias [n] unless NULL; x of form U8, k at most
 * RK_PACKED_K_MAX. The integer product is exact, and the bits are those of the runtime's:
 * fma(sum of (code - zero) code, scale scale, bias). RK_E_MEMORY. */
rk_status rk_matmul_codes(rk_matmul *mm, float *c, size_t ldc, const rk_matrix *x,
                          const rk_codes *w, const float *bias, size_t m, size_t n, size_t k,
                          rk_error *err);

/* "oneDNN 3.2.0, gcc 12.2": what the products are built with. */
const char *rk_matmul_built_with(void);

#endif
