/* Declarations shared by the inference kernels of one level. */
#ifndef RK_COMPUTE_SIMD_INFER_H
#define RK_COMPUTE_SIMD_INFER_H

#include "compute/infer_kernels.h"
#include "compute/simd/level.h"

void RK_K(infer_embed)(float *y, const rk_table *word, size_t id, const float *type,
                       const rk_table *position, size_t at);
void RK_K(infer_layernorm)(float *y, const rk_matrix *other, size_t row, const float *x,
                           const float *w, const float *b, size_t width, float eps);
void RK_K(infer_put)(const rk_matrix *y, size_t row, const float *x, size_t width);
void RK_K(infer_activate)(float *x, size_t n, rk_packed_act act);
void RK_K(infer_attention)(const rk_infer_attention *a, size_t head);

extern const rk_infer_kernels RK_K(infer);

#endif
