/* Declarations shared by the training loops of one level. */
#ifndef RK_COMPUTE_SIMD_TRAIN_H
#define RK_COMPUTE_SIMD_TRAIN_H

#include "compute/loops.h"
#include "compute/simd/level.h"

void RK_K(layernorm)(float *y, float *mean, float *rstd, const float *x, const float *w,
                     const float *b, size_t rows, size_t cols, float eps);
void RK_K(layernorm_back)(float *dx, float *dw, float *db, const float *dy, const float *x,
                          const float *mean, const float *rstd, const float *w, size_t rows,
                          size_t cols);
void RK_K(activate)(float *y, const float *x, size_t n, int activation);
void RK_K(activate_back)(float *dx, const float *dy, const float *x, size_t n, int activation);
void RK_K(attention)(float *out, size_t out_stride, const rk_attention *a, float *scratch,
                     rk_half_counts *counts);
void RK_K(attention_back)(float *dq, float *dk, float *dv, const float *dout, size_t out_stride,
                          const rk_attention *a, float *scratch);
void RK_K(add)(float *y, const float *a, const float *b, size_t n);
void RK_K(column_sums)(float *out, const float *x, size_t rows, size_t cols, size_t stride);
double RK_K(square_sum)(const float *x, size_t n);
void RK_K(dropout)(float *y, const float *x, const uint8_t *keep, float scale, size_t n);
void RK_K(dropout_mask)(uint8_t *keep, uint64_t seed, uint64_t stream, uint64_t first_block,
                        size_t n, uint32_t threshold);
void RK_K(adamw)(float *p, float *m, float *v, const float *g, size_t n, const rk_adamw_step *step,
                 float gscale);
void RK_K(adamw_idle)(float *p, float *m, float *v, size_t n, const rk_adamw_step *steps, size_t k);
void RK_K(to_bf16)(uint16_t *y, const float *x, size_t n);
void RK_K(min_max)(float *min, float *max, const float *x, size_t n);
void RK_K(fake_u8)(float *y, uint8_t *inside, const float *x, size_t n, float scale, int zero);
double RK_K(scale_gradient)(const float *dx, const float *x, size_t n, float scale, int zero);
void RK_K(fake_s8)(float *y, const float *x, size_t n, float scale);
int RK_K(codes_u8)(uint8_t *codes, uint8_t *inside, uint16_t *y16, const float *x, size_t n,
                   float scale, int zero);
int RK_K(codes_s8)(int8_t *codes, uint16_t *y16, int32_t *sum, const float *x, size_t n,
                   float scale);
float RK_K(abs_max)(const float *x, size_t n);
void RK_K(round_half)(float *y, uint8_t *inside, const float *x, size_t n, rk_half_counts *counts);
void RK_K(mask)(float *y, const uint8_t *keep, size_t n);
void RK_K(turn)(void *out, size_t out_stride, const void *in, size_t in_stride, size_t rows,
                size_t cols);
void RK_K(pairs)(void *out, size_t out_stride, const uint16_t *in, size_t in_stride, size_t rows,
                 size_t cols);

/* This level's table. */
extern const rk_loops RK_K(loops);

#endif
